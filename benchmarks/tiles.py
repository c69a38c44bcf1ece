# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""`make bench-tiles`: dataflow analysis; clusters of neurons for tiles; their placement, bounds, guarantees.

Analysis is held against what is published, token simulation and brute force; clusters against those of Song et al.
CPU-seconds of one process. `equal` in a row of the table of periods: by the expansion, by the max-plus matrix
and as published or computed by another tool. Every period carries its certificate, which is checked in every call.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

from tabulate import tabulate

from benchmarks import tile_mapping, tile_networks
from benchmarks.dataflow_graphs import PUBLISHED, h263decoder
from benchmarks.dataflow_random import agreements, same_fronts
from benchmarks.goals import MISSED, NO_GOAL, status, verdict
from pyflow.analysis.dataflow import Distribution, Graph, front, matrix, smallest, stuck, timing

PERIOD_S, FRONT_S = 1.0, 60.0  # CPU-seconds that a period and a front may take
SAMPLED = 100  # points of a front from which each token is taken away
FRONTS = 150  # compared with brute force
RANDOM = 5000  # graphs compared with token simulation


def periods() -> list[list[str]]:
    """A row per published graph."""
    rows = []
    for name, published in PUBLISHED.items():
        known = published()
        began = time.process_time()
        found = timing(known.graph)
        seconds = time.process_time() - began
        equal = found.period == matrix(known.graph).cycles().ratio and sum(known.graph.repetition) == known.firings
        if known.period is not None:
            equal = equal and found.period == known.period
        cycle = " · ".join(map(str, found.critical[:3])) + (" ..." if len(found.critical) > 3 else "")
        rows.append([
            name, str(len(known.graph.actors)), f"{known.firings:,}", f"{found.period.numerator:,}",
            "–" if known.period is None else f"{known.period:,}", known.source or "none at hand", cycle,
            f"{seconds:.3f}", verdict(seconds, PERIOD_S) if equal else MISSED,
        ])  # fmt: skip
    return rows


def needs_every_token(graph: Graph, point: Distribution) -> bool:
    """Is it slower, or stuck, with one grain of tokens less in any channel?"""
    for channel in graph.buffers:
        fewer = point.capacities[channel.name] - channel.grain
        if fewer < max(channel.tokens, *channel.produces, *channel.consumes):
            continue  # a firing has no room
        bounded = graph.bounded({**point.capacities, channel.name: fewer})
        if not stuck(bounded) and timing(bounded).period <= point.period:
            return False
    return True


def fronts() -> list[list[str]]:
    """A row per decoder: its front of size against period."""
    rows = []
    for graph in (h263decoder(), h263decoder(2376)):
        began = time.process_time()
        found = front(graph)
        seconds = time.process_time() - began
        points = random.Random(0).sample(found.points, min(SAMPLED, len(found.points)))
        least = sum(needs_every_token(graph, point) for point in points)
        first, last = found.points[0], found.points[-1]
        whole = least == len(points) and last.period == timing(graph).period
        rows.append([
            graph.name, f"{len(found.pairs):,}", f"{len(found.points):,}", f"{found.tried:,}",
            f"{first.size:,} → {last.size:,}", f"{first.period} → {last.period}", f"{least} of {len(points)}",
            f"{seconds:.1f}", verdict(seconds, FRONT_S) if whole else MISSED,
        ])  # fmt: skip
    return rows


def buffers() -> list[list[str]]:
    """A row per published graph: the smallest buffers for its least period."""
    rows = []
    for name, published in PUBLISHED.items():
        graph = published().graph
        began = time.process_time()
        found = smallest(graph)
        seconds = time.process_time() - began
        size = found.distribution.size
        bound = "proven" if found.least == size else f"no fewer than {found.least:,}"
        rows.append([name, f"{size:,}", bound, f"{found.tried:,}", f"{seconds:.2f}", NO_GOAL])
    return rows


def counted(title: str, found: Counter[str], good: tuple[str, ...], goal: int, seconds: float) -> list[str]:
    """A row of a comparison. good: outcomes that are no difference; the first is what is counted."""
    different = [what for what in found if what not in good]
    for what in different[:5]:
        print(what)
    reached = found[good[0]]
    met = verdict(reached, goal, least=True) if not different else MISSED
    rest = ", ".join(f"{found[what]:,} {what}" for what in good[1:] if found[what])
    return [title, f"{reached:,}", rest or "–", str(len(different)), f"{goal:,}", f"{seconds:.1f}", met]


def mapping() -> list[list[list[str]]]:
    """Prints the tables on clusters."""
    tables = []
    for make, headers in (
        (tile_mapping.clusters, tile_mapping.CLUSTERS),
        (tile_mapping.copies, tile_mapping.COPIES_OF),
        (tile_mapping.programs, tile_mapping.PROGRAM),
    ):
        tables.append(make())
        print(tabulate(tables[-1], headers, disable_numparse=True) + "\n")
    return tables


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-tiles", description=__doc__.splitlines()[0])
    parser.add_argument("--random", type=int, default=RANDOM, help="graphs compared with token simulation")
    parser.add_argument("--fronts", type=int, default=FRONTS, help="fronts compared with brute force")
    parser.add_argument("--placements", type=int, default=3, help="graphs of 4,096 clusters that are placed")
    parser.add_argument("--systems", type=int, default=500, help="random systems whose guarantee is held against runs")
    parser.add_argument("--pictures", type=Path, help="a folder for the pictures of a mapping and of its schedule")
    options = parser.parse_args()
    mapped = mapping()
    of_period = periods()
    print(tabulate(of_period, ["graph", "actors", "firings", "period", "known", "from", "critical cycle", "CPU-s", ""],
                   disable_numparse=True))  # fmt: skip
    of_front = fronts()
    print("\n" + tabulate(of_front, ["front of", "points", "distributions", "tried", "size", "period", "minimal",
                                     "CPU-s", ""], disable_numparse=True))  # fmt: skip
    of_buffers = buffers()
    print("\n" + tabulate(of_buffers, ["smallest buffers", "tokens", "", "tried", "CPU-s", ""], disable_numparse=True))
    began = time.process_time()
    graphs = agreements(range(options.random))
    goal = min(1000, options.random // 2)
    compared = [counted("random graphs, by tokens", graphs, ("equal", "deadlock", "too long"), goal,
                        time.process_time() - began)]  # fmt: skip
    began = time.process_time()
    found = same_fronts(options.fronts)
    compared.append(counted("fronts, by brute force", found, ("equal", "too large"), min(100, options.fronts),
                            time.process_time() - began))  # fmt: skip
    print("\n" + tabulate(compared, ["compared", "equal", "besides", "different", "goal", "CPU-s", ""],
                          disable_numparse=True))  # fmt: skip
    of_tiles = tile_networks.tables(range(options.placements), options.systems)
    if options.pictures is not None:
        tile_networks.pictures(options.pictures)
    return status(of_period, of_front, compared, *mapped, *of_tiles)


if __name__ == "__main__":
    sys.exit(main())
