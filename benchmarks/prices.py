# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""`make bench-prices`: the planner's cells beside those of yosys, network by network and core by core, on each family.

Estimated against synthesised, both without the top. The networks are digits at two rates, those of examples/spiking,
and random ones, half of them with branches or time. But for digits, none of them was used to fit a price. A core's
error is of all its instances together, with its weight source. Exit status 1 where the LUTs of a network are further
from synthesis than the goal, or a count of block RAMs or DSP slices is not exact.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tabulate import tabulate

from benchmarks.goals import MET, MISSED, status, verdict
from pyflow import zoo
from pyflow.backends import yosys
from pyflow.bars import bar
from pyflow.emit.verilog import emit
from pyflow.errors import VolleyError
from pyflow.frontends import load_model
from pyflow.graph import Network
from pyflow.planning.board import load_board
from pyflow.planning.planner import plan
from tests.flow.random_graphs import random_graph
from tests.flow.random_models import random_network

BOARDS = {"xc7": "pynq-z2", "ecp5": "ulx3s-85f", "ice40": "icebreaker"}
GOALS = {"xc7": 0.15, "ecp5": 0.25, "ice40": 0.25}  # largest error of a network's LUTs
SPIKING = Path(__file__).parents[1] / "examples" / "spiking" / "nets.py"
CHAINS, GRAPHS = (20, 21, 22, 23, 24), (20, 21, 22, 23, 24, 25)  # seeds; benchmarks/lut4.py has others
RATES = {"digits": (300, 2000), "rate_cnn": (None,), "recurrent": (None,), "residual": (None,)}

Maker = Callable[[], tuple[Network, object]]


@dataclass(frozen=True, slots=True)
class Compared:
    """LUTs, flip-flops, block RAMs and DSP slices of a core on a family: (estimated, synthesised). constant: it reads a
    constant row."""

    network: str
    module: str
    constant: bool
    lut: tuple[float, float]
    ff: tuple[float, float]
    bram: tuple[float, float]
    dsp: tuple[float, float]


def random_ones(chains: Sequence[int], graphs: Sequence[int]) -> Iterator[tuple[str, Maker]]:
    """Title and maker of the random network of each seed."""
    for kind, make, seeds in (("chain", random_network, chains), ("graph", random_graph, graphs)):
        for seed in seeds:
            yield f"{kind} {seed}", partial(make, seed)


def networks(wanted: str) -> Iterator[tuple[str, Network, int | None]]:
    for name, rates in RATES.items():
        network = zoo.load(name) if name in zoo.names() else load_model(f"{SPIKING}:{name}", None)
        assert isinstance(network, Network)
        for cycles in rates:
            title = f"{name} {cycles}" if cycles else name
            if wanted in title:
                yield title, network, cycles
    for title, make in random_ones(CHAINS, GRAPHS):
        if wanted in title:
            yield title, make()[0], None


def compare(title: str, network: Network, cycles: int | None, family: str) -> list[Compared]:
    """Core by core. The folding is that of LUT bodies on a large part, so that a small one is compared too."""
    board, large = load_board(BOARDS[family]), load_board("ulx3s-85f")
    folding = plan(network, large, cycles_per_frame=cycles).folding_json()
    netlist = plan(network, board, folding=folding).netlist
    with tempfile.TemporaryDirectory() as folder:
        emitted = emit(netlist, Path(folder))
        found = {core.name: core.area for core in yosys.estimate(emitted, Path(folder), board).cores}
    rows = []
    for inst in netlist.instances:
        cost, area = inst.cells(family), found[inst.name]
        brams = board.budget.brams(cost.bram), area.bram
        logic = (cost.lut, area.lut), (cost.ff, area.ff)
        constant = inst.memory is not None and inst.memory.kind == "const"
        rows.append(Compared(title, inst.core.module, constant, *logic, brams, (cost.dsp, area.dsp)))
    return rows


def line(name: str, rows: list[Compared], goal: float | None) -> list[str]:
    """One row of a table: counts, and the signed error of the LUTs and flip-flops."""
    cells = {key: [sum(getattr(row, key)[i] for row in rows) for i in (0, 1)] for key in ("lut", "ff", "bram", "dsp")}
    errors = {key: estimated / measured - 1 if measured else 0.0 for key, (estimated, measured) in cells.items()}
    exact = all(cells[key][0] == cells[key][1] for key in ("bram", "dsp"))
    judged = verdict(abs(errors["lut"]), goal)
    shown: list[str] = []
    for key in ("lut", "ff"):
        shown += [f"{cells[key][0]:,.0f}", f"{cells[key][1]:,.0f}", f"{errors[key]:+.0%}"]
    blocks = [f"{cells[key][0]:g} / {cells[key][1]:g}" for key in ("bram", "dsp")]
    return [name, *shown, *blocks, MISSED if judged == MET and not exact else judged]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=BOARDS, action="append", help="one family (default: all)")
    parser.add_argument("--net", default="", help="networks with this in their name")
    options = parser.parse_args()
    headers = ["", "LUT est.", "syn.", "error", "FF est.", "syn.", "error", "BRAM e / s", "DSP e / s", "goal"]
    tables = []
    for family in options.family or BOARDS:
        cases = list(networks(options.net))
        shown = bar(f"{family}, yosys", "network", over=cases)
        found = [compare(title, network, cycles, family) for title, network, cycles in shown]
        rows = [line(compared[0].network, compared, GOALS[family]) for compared in found]
        print(f"\n{family}: networks, without the top\n" + tabulate(rows, headers, disable_numparse=True))
        tables.append(rows)
        every = [row for compared in found for row in compared]
        modules = sorted({row.module for row in every})
        of = {module: [row for row in every if row.module == module] for module in modules}
        cores = [line(module.removeprefix("volley_"), same, None) for module, same in of.items()]
        print(f"\n{family}: cores\n" + tabulate(cores, headers, disable_numparse=True))
    return status(*tables)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except VolleyError as e:
        sys.exit(f"error: {e}")
