# SPDX-License-Identifier: Apache-2.0
"""What the bodies of a synapse array cost.

bodies.json holds what `make calibrate` measured of volley_synapse_sum by synthesis, on a grid of sizes; between its
points the cells are interpolated, and they grow with the outputs (PE). DSP slices are counted exactly.
"""

from __future__ import annotations

import functools
import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pyflow.graph import Network
from pyflow.hardware import BODIES, Cost, Folding, ceil_div
from pyflow.operators import Synapse, Tensor

TABLE = Path(__file__).with_name("bodies.json")
SHARED = {"xcup": "xc7"}  # families that are priced by another's rows: flip-flops and slices are equal, LUTs not more
PE = 12  # outputs of a measured sum: whole DSP slices for 4 and for 6 lanes


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
    def legal(self) -> bool:
        """Whether the body can do this exactly (the rules of volley_synapse_sum.sv)."""
        if self.body == "mult":
            return not self.per_step and self.steps == 1 and self.tp <= 8
        return True

    @property
    def dsp(self) -> int:
        """DSP48 slices."""
        if self.body == "lut":
            return 0
        if self.body == "mult":
            lanes = 4 if self.weight_bits <= 4 and self.tp <= 4 else 2
            return ceil_div(self.pe, lanes) * self.simd
        whole, rest = divmod(self.simd, 16)
        cascades = 8 * whole + ceil_div(rest, 2)
        return ceil_div(self.pe, soft_lanes(self.weight_bits, self.simd) if self.body == "soft" else 4) \
            * cascades * self.tp  # fmt: skip


def soft_lanes(weight_bits: int, simd: int) -> int:
    """Lanes of volley_dsp_cascade in 48 bits (SOFT): each holds the sum of up to 16 weights without a sign."""
    largest = 2 if weight_bits == 2 else (1 << weight_bits) - 1
    return 48 // (min(simd, 16) * largest).bit_length()


@functools.cache
def _table() -> dict[str, dict[tuple[str, bool, int, int, int, int], tuple[float, float]]]:
    """family -> (body, per step, W, TP, STEPS, SIMD) -> (LUT, FF) of PE outputs."""
    if not TABLE.exists():
        return {}
    found: dict[str, dict[tuple[str, bool, int, int, int, int], tuple[float, float]]] = {}
    for family, rows in json.loads(TABLE.read_text())["families"].items():
        found[family] = {
            (r["body"], bool(r["per_step"]), r["weight_bits"], r["tp"], r["steps"], r["simd"]): (r["lut"], r["ff"])
            for r in rows
        }
    return found


@functools.cache
def sum_cost(family: str, size: Size) -> Cost | None:
    """Cells of volley_synapse_sum with free weights; None where the table has nothing of this family and body."""
    cells = {
        key[2:]: value
        for key, value in _table().get(SHARED.get(family, family), {}).items()
        if key[0] == size.body and (key[1] == size.per_step or key[3] == 1)
    }
    if not cells or not size.legal:
        return None
    if size.body in ("gate", "soft") and not size.per_step and size.tp > 1:
        # Measured step by step; a tree adds the steps up.
        steps, width = sum_cost(family, replace(size, per_step=True)), size.weight_bits + size.simd.bit_length()
        return steps and steps + Cost(lut=size.pe * (size.tp - 1) * width, ff=size.pe * (size.tp - 1) * (width + 2))
    at = (size.weight_bits, size.tp, size.steps, size.simd)
    lut, ff = (max(0.0, _interpolate({k: v[i] for k, v in cells.items()}, at)) for i in (0, 1))
    return Cost(lut=lut * size.pe / PE, ff=ff * size.pe / PE, dsp=size.dsp)


def _interpolate(cells: Mapping[tuple[int, ...], float], at: tuple[int, ...]) -> float:
    """Linear in one coordinate after the other, the first one first; beyond the grid by its last two points."""
    if not at:
        return cells[()]
    known = sorted({key[0] for key in cells})
    values = [_interpolate({k[1:]: v for k, v in cells.items() if k[0] == x}, at[1:]) for x in known]
    if len(known) == 1:
        return values[0]
    i = min(max(bisect_left(known, at[0]) - 1, 0), len(known) - 2)
    slope = (values[i + 1] - values[i]) / (known[i + 1] - known[i])
    return values[i] + slope * (at[0] - known[i])


def size_of(op: Synapse, folding: Folding, source: Tensor) -> Size:
    """folding: with its body chosen."""
    tp, simd = op.steps_per_cycle(folding, source), op.simd(folding, source)
    return Size(folding.body, folding.pe, simd, tp, source.beat_steps // tp, op.weight_bits, source.timed)


def offers(op: Synapse, folding: Folding, source: Tensor, family: str) -> Iterator[tuple[Folding, Cost]]:
    """`folding` with each body that `family` has for it, and what the layer then costs."""
    for body in BODIES:
        chosen = replace(folding, body=body)
        sums = sum_cost(family, size_of(op, chosen, source))
        if sums or body == "lut":
            yield chosen, op.cost(chosen, source, sums)


def dsp(network: Network, foldings: Mapping[str, Folding]) -> int:
    """DSP slices of all synapse arrays."""
    layers = [(op, foldings[op.name]) for op in network.operators if isinstance(op, Synapse)]
    return sum(folding.pix * size_of(op, folding, network.sources(op)[0]).dsp for op, folding in layers)
