# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What the planner and the schedule know of word_shift.sv."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pyflow.cores.base import Core, Reads
from pyflow.cores.cells import Cost
from pyflow.cores.recurrence import Pipe, Ports, Recurrence
from pyflow.extensions import add_rtl

add_rtl(Path(__file__).with_name("word_shift.sv"))


@dataclass(frozen=True, slots=True)
class WordShift(Core):
    """Fields are the module's parameters, in lower case."""

    module: ClassVar = "word_shift"
    lanes: int
    in_w: int
    out_w: int

    def times(self, ports: Ports) -> list[Recurrence]:
        """A pipeline of one register: latency 1, a beat per cycle."""
        return [Pipe(ports.sink, ports.source)]

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """The register of the words, of valid and of last; the handshake."""
        return Cost(lut=3, ff=self.lanes * self.out_w + 2)
