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
from pyflow.cores.cells import CONSTANT, FACTORS, shares
from pyflow.graph import Network
from pyflow.planning.fits import SINGLE

FAMILIES = ("ecp5", "ice40")
# On a 7-series part prices count LUTs themselves, of neurons with free parameters; constant ones leave less. Measured
# on one network, because a synthesis takes minutes there.
SIX, NEURON, NEURONS = "xc7", "volley_neuron_lif", "graph 8"
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


def alone(compared: list[Compared]) -> dict[str, float]:
    """Module -> share of its flip-flops that are in a placed logic cell without a LUT; "" of all of them together."""
    cells: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for row in compared:
        for module in (row.module, ""):
            if row.placed[1]:
                cells[module][0] += row.placed[1] - row.lut[1]
                cells[module][1] += row.ff[1]
    return {module: round(own / ff, 2) for module, (own, ff) in sorted(cells.items()) if ff >= LEAST}


def calibrate() -> dict[str, dict[str, float]]:
    """Family -> factors(); written to the planner's table, beside alone()."""
    FACTORS.write_text('{"factors": {}, "alone": {}}\n')
    shares.cache_clear()  # the first part of `make calibrate` may have read the old ones
    table: dict[str, dict[str, float]] = {}
    single: dict[str, dict[str, float]] = {}
    for family in FAMILIES:
        cases = list(networks())
        shown = bar(f"{family}, yosys", "network", over=cases)
        place = family in SINGLE
        compared = [row for name, net, cycles in shown for row in compare(name, net, cycles, family, place=place)]
        table[family] = factors(compared)
        if family in SINGLE:
            single[family] = alone(compared)
    known = [row for name, net, cycles in networks() if name == NEURONS for row in compare(name, net, cycles, SIX)]
    table[SIX] = {key: share for key, share in factors(known).items() if key == NEURON + CONSTANT}
    FACTORS.write_text(json.dumps({"factors": table, "alone": single}, indent=2) + "\n")
    shares.cache_clear()
    return table
