# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The sums (volley_synapse_sum) inside a synapse array: its bodies, their latency and what they cost.

DSP slices, and the registers in which weights wait for their slice, are counted exactly. bodies.json holds what
`make calibrate` measured of the rest by synthesis. Its cells are interpolated between sums of the same form, which are
made of the same circuit, and grow with the outputs (PE).
"""

from __future__ import annotations

import functools
import json
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pyflow.cores.cells import Cost
from pyflow.integers import ceil_div

BODIES = ("lut", "gate", "soft", "mult")  # BODY of the core is the position
TABLE = Path(__file__).with_name("bodies.json")
DSP48 = ("xc7", "xcup")  # families that have such slices: what the other bodies than LUT are made of
SHARED = {"xcup": "xc7"}  # families that are priced by another's rows: flip-flops and slices are equal, LUTs not more
PE = 12  # outputs of a measured sum: whole DSP slices for 4 and for 6 lanes
SETTLED = 8  # STEPS of a measured cascade: it has no more slices than that, so no weight waits
SHIFTED = 3  # ticks from which on a delay is a shift register, a LUT for each bit


@dataclass(frozen=True, slots=True)
class Size:
    """Parameters of volley_synapse_sum."""

    body: str
    pe: int
    simd: int
    tp: int
    steps: int  # cycles per slice
    weight_bits: int
    per_step: bool

    @property
    def unfit(self) -> str:
        """Why the body cannot do this (the rules of volley_synapse_sum.sv); empty where it can."""
        if self.body == "mult":
            if self.per_step:
                return "this layer keeps its time steps apart"
            if self.steps > 1:
                return f"not tp={self.tp} of {self.tp * self.steps}"
            if self.tp > 8:
                return f"not T={self.tp}"
        return ""

    @property
    def cascaded(self) -> bool:
        """Whether it is made of volley_dsp_cascade: gated lanes, a step at a time."""
        return self.body in ("gate", "soft")

    @property
    def rail(self) -> int:
        """Largest product of a weight and a word."""
        return ((1 << self.tp) - 1) << (self.weight_bits - 1)

    @property
    def lanes(self) -> int:
        """Outputs of a DSP48 slice."""
        if self.body == "soft":
            return soft_lanes(self.weight_bits, self.simd)
        return 2 if self.body == "mult" and max(self.weight_bits, self.tp) > 4 else 4

    @property
    def chain(self) -> int:
        """Inputs that are summed up inside DSP48 slices; adders follow."""
        if self.cascaded:
            return 16
        if self.body == "mult":
            return 4 if self.lanes == 2 and 4 * self.rail <= 1 << 16 else 2
        return 1

    @property
    def form(self) -> tuple[str | bool | int, ...]:
        """What the sum is made of. Sizes of one form differ in the number and the width of the same parts."""
        if self.body == "mult":  # the last one: do two lanes overlap (LOW of volley_dsp_mult)?
            return (self.body, self.lanes, self.chain, 2 * self.chain * self.rail > 1 << 16)
        return (self.body, self.per_step, self.body == "soft" and self.weight_bits == 2)

    @property
    def dsp(self) -> int:
        """DSP48 slices."""
        if self.body == "lut":
            return 0
        blocks = ceil_div(self.pe, self.lanes)
        if self.body == "mult":
            return blocks * self.simd
        whole, rest = divmod(self.simd, 16)
        return blocks * (8 * whole + ceil_div(rest, 2)) * self.tp

    @property
    def latency(self) -> int:
        """Ticks."""
        depth, levels = (self.simd - 1).bit_length(), 0 if self.per_step else (self.tp - 1).bit_length()
        cascade = (min(self.simd, 16) + 1) // 2 + (ceil_div(self.simd, 16) - 1).bit_length()
        match self.body:
            case "lut":
                return 1 + depth + levels
            case "gate":
                return 1 + cascade + levels
            case "soft":
                return 2 + cascade + levels
            case _:
                return 4 + depth

    @property
    def waiting(self) -> Cost:
        """Registers between the weights' port and the slices of a cascade: stage k works k ticks after the first."""
        lut = ff = 0
        for ticks in (i % 16 // 2 for i in range(self.simd if self.cascaded else 0)):
            bits = self.pe * self.weight_bits
            if self.steps == 1 and ticks >= SHIFTED:
                lut += bits
            else:
                ff += bits * (ticks // self.steps)
        return Cost(lut=lut, ff=ff)


def soft_lanes(weight_bits: int, simd: int) -> int:
    """Lanes of volley_dsp_cascade in 48 bits (SOFT): each holds the sum of up to 16 weights without a sign."""
    largest = 2 if weight_bits == 2 else (1 << weight_bits) - 1
    return 48 // (min(simd, 16) * largest).bit_length()


Cells = dict[tuple[int, ...], tuple[float, float]]  # (W, TP, SIMD) -> (LUT, FF) of PE outputs


@functools.cache
def _table() -> dict[str, dict[tuple[str | bool | int, ...], Cells]]:
    """family -> form -> cells."""
    found: dict[str, dict[tuple[str | bool | int, ...], Cells]] = {}
    for family, rows in json.loads(TABLE.read_text())["families"].items():
        for row in rows:
            size = Size(*(row[key] for key in Size.__dataclass_fields__))
            for per_step in (False, True) if size.tp == 1 else (size.per_step,):  # a single step is both
                cells = found.setdefault(family, {}).setdefault(replace(size, per_step=per_step).form, {})
                cells[size.weight_bits, size.tp, size.simd] = (row["lut"], row["ff"])
    return found


@functools.cache
def sum_cost(family: str, size: Size) -> Cost | None:
    """Cells of volley_synapse_sum with free weights; None where the table has nothing of this family and body."""
    if size.cascaded and not size.per_step and size.tp > 1:
        # Measured step by step; a tree adds the steps up.
        steps, width = sum_cost(family, replace(size, per_step=True)), size.weight_bits + size.simd.bit_length()
        return steps and steps + Cost(lut=size.pe * (size.tp - 1) * width, ff=size.pe * (size.tp - 1) * (width + 2))
    cells = _table().get(SHARED.get(family, family), {}).get(size.form)
    if not cells or size.unfit:
        return None
    # A chain that is not whole takes the same adders: they come with its first input.
    simd = size.simd if size.simd <= size.chain else ceil_div(size.simd, size.chain) * size.chain
    lut, ff = (
        _interpolate({k: v[i] for k, v in cells.items()}, (size.weight_bits, size.tp, simd)) * size.pe / PE
        for i in (0, 1)
    )
    return Cost(lut=lut, ff=ff, dsp=size.dsp) + size.waiting


def _interpolate(cells: Mapping[tuple[int, ...], float], at: tuple[int, ...]) -> float:
    """Linear in one coordinate after the other, the first one first; above the grid by its last two points, below it
    the first one."""
    if not at:
        return cells[()]
    known = sorted({key[0] for key in cells})
    values = [_interpolate({k[1:]: v for k, v in cells.items() if k[0] == x}, at[1:]) for x in known]
    if at[0] <= known[0] or len(known) == 1:
        return values[0]
    i = min(bisect_left(known, at[0]) - 1, len(known) - 2)
    slope = (values[i + 1] - values[i]) / (known[i + 1] - known[i])
    return values[i] + slope * (at[0] - known[i])
