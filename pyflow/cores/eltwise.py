# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cores of rtl/eltwise: two streams, element by element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pyflow.cores.base import Core, Reads
from pyflow.cores.cells import Cost
from pyflow.cores.recurrence import Channel, Pipe, Ports, Recurrence, Zip


@dataclass(frozen=True, slots=True)
class Elementwise(Core):
    """Both streams move together."""

    def times(self, ports: Ports) -> list[Recurrence]:
        both = Channel(ports.sink.beats)
        return [Zip(ports.sinks, both), Pipe(both, ports.source)]


@dataclass(frozen=True, slots=True)
class Add(Elementwise):
    module: ClassVar = "volley_add"
    lanes: int
    a_w: int
    b_w: int
    a_signed: bool
    b_signed: bool
    out_w: int

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        bits = self.lanes * self.out_w
        return Cost(lut=bits, ff=bits + 2)


@dataclass(frozen=True, slots=True)
class Sew(Elementwise):
    module: ClassVar = "volley_sew"
    lanes: int
    tb: int
    mode: int

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        bits = self.lanes * self.tb
        return Cost(lut=bits + 4, ff=bits + 2)


@dataclass(frozen=True, slots=True)
class Residual(Elementwise):
    module: ClassVar = "volley_residual"
    memory_port: ClassVar = "param"
    lanes: int
    steps: int
    acc_w: int
    word_w: int
    exponent: int
    m_w: int
    out_w: int

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """One addition per spike of a word; the lowest bits of the later ones are wires."""
        numbers, spikes = self.lanes * self.steps, self.word_w
        return Cost(lut=numbers * spikes * (self.out_w - 0.6 * (spikes - 1)) + 5, ff=numbers * self.out_w + 2)
