# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""`make bench-prices`: the planner's cells beside those of yosys and nextpnr, network by network and core by core, on
each family.

Estimated against synthesised, and on iCE40 and ECP5 against placed, where a network is small enough; all without the
top. The networks are digits at two rates, those of examples/spiking, and random ones, half of them with branches or
time. But for digits, none of them was used to fit a price. A core's error is of all its instances together, with its
weight source. Exit status 1 where the LUTs of a network (its placed cells, where they are counted) are further off than
the goal, or a count of block RAMs or DSP slices is not exact.
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
from pyflow.backends import nextpnr, yosys
from pyflow.bars import bar
from pyflow.cores.cells import placed_luts
from pyflow.emit.verilog import emit
from pyflow.errors import VolleyError
from pyflow.frontends import load_model
from pyflow.graph import Network
from pyflow.machine import Emitted
from pyflow.planning.board import Board, load_board
from pyflow.planning.planner import plan
from tests.flow.random_graphs import random_graph
from tests.flow.random_models import random_network

BOARDS = {"xc7": "pynq-z2", "ecp5": "ulx3s-85f", "ice40": "icebreaker"}
GOALS = {"xc7": 0.15, "ecp5": 0.25, "ice40": 0.25}  # largest error of a network's LUTs
SPIKING = Path(__file__).parents[1] / "examples" / "spiking" / "nets.py"
PLACED = 4000  # synthesised LUTs, with the top, up to which a network is placed: a larger one takes minutes
CHAINS, GRAPHS = (20, 21, 22, 23, 24, 27), (20, 21, 22, 23, 24, 25, 27)  # seeds; benchmarks/lut4.py has others
# Cycles per frame; at its fastest rate_cnn takes 28,000 LUTs, and yosys a quarter of an hour.
RATES = {"digits": (300, 2000), "rate_cnn": (8000,), "recurrent": (None,), "residual": (2000,)}

Maker = Callable[[], tuple[Network, object]]


@dataclass(frozen=True, slots=True)
class Compared:
    """LUTs, flip-flops, block RAMs and DSP slices of a core on a family: (estimated, synthesised). constant: it reads a
    constant row. placed: logic cells (iCE40) or LUTs (ECP5), (estimated, placed); zeros where nothing was placed."""

    network: str
    module: str
    constant: bool
    lut: tuple[float, float]
    ff: tuple[float, float]
    bram: tuple[float, float]
    dsp: tuple[float, float]
    placed: tuple[float, float] = (0, 0)


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


def compare(title: str, network: Network, cycles: int | None, family: str, *, place: bool = True) -> list[Compared]:
    """Core by core. The folding is that of LUT bodies on a large part, so that a small one is compared too."""
    board, large = load_board(BOARDS[family]), load_board("ulx3s-85f")
    folding = plan(network, large, cycles_per_frame=cycles).folding_json()
    netlist = plan(network, board, folding=folding).netlist
    with tempfile.TemporaryDirectory() as folder:
        emitted = emit(netlist, Path(folder))
        found = {core.name: core.area for core in yosys.estimate(emitted, Path(folder), board).cores}
        small = sum(area.lut for area in found.values()) <= PLACED
        placed = placed_cells(emitted, Path(folder), board) if place and small and family in nextpnr.LOGIC else {}
    rows = []
    for inst in netlist.instances:
        cost, area = inst.cells(family), found[inst.name]
        brams = board.budget.brams(cost.bram), area.bram
        logic = (cost.lut, area.lut), (cost.ff, area.ff)
        constant = inst.memory is not None and inst.memory.kind == "const"
        cells = (placed_luts(inst.core.module, cost, family), placed[inst.name]) if placed else (0, 0)
        rows.append(Compared(title, inst.core.module, constant, *logic, brams, (cost.dsp, area.dsp), cells))
    return rows


def placed_cells(emitted: Emitted, rtl: Path, board: Board) -> dict[str, int]:
    """Core -> logic cells, or LUTs, of the chip that nextpnr packs, which are those that it places."""
    whole = yosys.Whole.of(emitted, rtl, board.family)
    chip = yosys.netlist(
        whole.sources, whole.top, board.family, images=whole.images, inside=whole.inside, groups=whole.groups
    )
    found = dict.fromkeys(whole.groups, 0)
    for name, kind in nextpnr.packed(chip, board).items():
        core = name.removeprefix(f"u_net.{whole.inside}_").split(".")[0]
        if core in found:
            found[core] += nextpnr.LOGIC[board.family].get(kind, 0)
    return found


def line(name: str, rows: list[Compared], goal: float | None) -> list[str]:
    """One row of a table: counts, and the signed error of the LUTs and flip-flops."""
    keys = ("lut", "ff", "bram", "dsp", "placed")
    cells = {key: [sum(getattr(row, key)[i] for row in rows) for i in (0, 1)] for key in keys}
    errors = {key: estimated / measured - 1 if measured else 0.0 for key, (estimated, measured) in cells.items()}
    exact = all(cells[key][0] == cells[key][1] for key in ("bram", "dsp"))
    judged = verdict(abs(errors["placed" if cells["placed"][1] else "lut"]), goal)
    shown: list[str] = []
    for key in ("lut", "ff", "placed"):
        estimated, measured = cells[key]
        shown += (
            [f"{estimated:,.0f}", f"{measured:,.0f}", f"{errors[key]:+.0%}"]
            if measured or key != "placed"
            else [""] * 3
        )
    blocks = [f"{cells[key][0]:g} / {cells[key][1]:g}" for key in ("bram", "dsp")]
    return [name, *shown, *blocks, MISSED if judged == MET and not exact else judged]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=BOARDS, action="append", help="one family (default: all)")
    parser.add_argument("--net", default="", help="networks with this in their name")
    options = parser.parse_args()
    headers = [
        "",
        "LUT est.",
        "syn.",
        "error",
        "FF est.",
        "syn.",
        "error",
        "cells est.",
        "placed",
        "error",
        "BRAM e / s",
        "DSP e / s",
        "goal",
    ]
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
