# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What a core answers on this side. Those of a network answer all; a weight source and its loader have no times, the
frame's guard and answer no cells of their own."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import ClassVar, TypedDict

from pyflow.cores.cells import Cost, lut_factor
from pyflow.cores.recurrence import Ports, Recurrence


@dataclass(frozen=True, slots=True)
class Reads:
    """A memory that a core reads row by row. width: bits of a row; depth: rows; kind: KIND of volley_weight_source, by
    name. effective: share of a constant row's factors that synthesis has to build: weights other than 0, leaks other
    than 0 and powers of two. columns: bits of a ROM's row that are not the same in all rows (0: not counted)."""

    width: int
    depth: int
    kind: str
    effective: float = 1.0
    columns: int = 0

    @property
    def rom(self) -> int:
        """Bits that a block RAM holds of each row, if it is a ROM."""
        return self.columns or self.width


class Depth(TypedDict, total=False):
    """A buffer's key of a folding."""

    rows: int
    window_depth: int


@dataclass(frozen=True, slots=True)
class Core:
    """A core with its parameters: fields are called as those of the SystemVerilog are, in lower case. Its header
    there has the contract, the latency and the capacity that times() repeats.

    module: name in rtl/. memory_port: AXI-Stream port on which it reads a weight source ("": it reads none, or has
    its own inside). open_ports: outputs that a network leaves open. counts_saturations: has it a port stat_saturated?
    """

    module: ClassVar[str]
    memory_port: ClassVar[str] = ""
    open_ports: ClassVar[tuple[str, ...]] = ()
    counts_saturations: ClassVar[bool] = False

    def parameters(self) -> dict[str, int | str]:
        """As an instance sets them; a text is a literal of SystemVerilog."""
        return {f.name.upper(): int(getattr(self, f.name)) for f in fields(self)}

    def times(self, ports: Ports) -> list[Recurrence]:
        """When its beats move."""
        raise NotImplementedError(f"{type(self).__name__} has no times()")

    @property
    def beat_cycles(self) -> int:
        """Cycles that one input beat occupies it."""
        return 1

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """Estimated cells, with the RAMs of `family`. memory: what it reads, whose own cells count only where it lies
        inside."""
        raise NotImplementedError(f"{type(self).__name__} has no cells()")

    def price(self, family: str, memory: Reads | None = None) -> Cost:
        """cells() in LUTs of the family: of four inputs, where those of cells() have six."""
        cost = self.cells(family, memory)
        constant = memory is not None and memory.kind == "const"
        return replace(cost, lut=cost.lut * lut_factor(self.module, family, constant))

    def resized(self, grow: bool, beats: int) -> Depth:
        """Key and value (`rows`, `window_depth`) of the folding with the next deeper (shallower) buffer; empty where
        there is none, or none of use. beats: per pass of its sink."""
        return {}
