# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""LUTs of four inputs for one that a core's price counts, core by core: the second part of `make calibrate`.

Prices count the LUTs of a 7-series part. On families with LUTs of four inputs a core takes more of them, in a share
that hardly depends on its size but much on what it is made of: an adder needs as many, a multiplexer twice. Where a
core reads a constant row, less of it dissolves in them, so that has a share of its own. A share is that of all
instances in the networks below; `make bench-prices` shows what it gives for others.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator

from benchmarks.prices import Compared, compare, random_ones
from pyflow import zoo
from pyflow.bars import bar
from pyflow.cores.cells import CONSTANT, FACTORS, lut_factors
from pyflow.graph import Network

FAMILIES = ("ecp5", "ice40")
LEAST = 100  # synthesised LUTs of a core in all networks together, below which a share says little
BODY, SOURCE = "volley_synapse_array", "volley_weight_source"  # measured as one
CHAINS, GRAPHS = (0, 1, 2, 3, 4, 6), (0, 1, 2, 4, 6, 8)  # seeds; others are for the comparison


def networks() -> Iterator[tuple[str, Network, int | None]]:
    """Name, network, cycles per frame."""
    yield from ((f"digits {cycles}", zoo.load("digits"), cycles) for cycles in (300, 2000))
    yield from ((title, make()[0], None) for title, make in random_ones(CHAINS, GRAPHS))


def factors(compared: list[Compared]) -> dict[str, float]:
    """Module -> share, of unpriced comparisons."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for row in compared:
        for side in (0, 1):
            sums[row.module + CONSTANT * row.constant][side] += row.lut[side]
    found = {module: round(syn / est, 2) for module, (est, syn) in sorted(sums.items()) if est and syn >= LEAST}
    return found | ({SOURCE: found[BODY]} if BODY in found else {})


def calibrate() -> dict[str, dict[str, float]]:
    """Family -> factors(); written to the planner's table."""
    FACTORS.write_text('{"factors": {}}\n')
    lut_factors.cache_clear()  # the first part of `make calibrate` may have read the old ones
    table: dict[str, dict[str, float]] = {}
    for family in FAMILIES:
        cases = list(networks())
        shown = bar(f"{family}, yosys", "network", over=cases)
        table[family] = factors([row for name, net, cycles in shown for row in compare(name, net, cycles, family)])
    FACTORS.write_text(json.dumps({"factors": table}, indent=2) + "\n")
    lut_factors.cache_clear()
    return table
