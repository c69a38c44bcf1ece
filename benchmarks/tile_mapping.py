# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Tables of `make bench-tiles` on clusters: a tile of 16,384 crosspoints, ours against the greedy of Song et al.

CPU-seconds of one process. Every clustering of ours is checked for legality in the call that makes it; the baseline's
is asked, and the table says whether it is legal."""

from __future__ import annotations

import time

from benchmarks.goals import MISSED, NO_GOAL, verdict
from benchmarks.tile_programs import PROGRAMS, img_smooth, lenet5, mlp
from pyflow.machines.tiles import Clustering, Connectome, Goal, Tile, cluster, packed, song, square

AUTHORS = {"MLP-MNIST": 520, "LeNet-5": 641, "ImgSmooth": 214}  # clusters by the authors' code, the better of two F
GOALS = {"MLP-MNIST": (8, 7), "LeNet-5": (90, 75), "ImgSmooth": (31, 31)}  # legal clusters, tiles
COPIES = ((0, 17_478, 2.0), (100, 16_300, 30.0))  # rounds of refinement, copies of axons and CPU-seconds at the most
ROUNDS = 30  # of refinement, for few clusters
BASELINE = 1_000_000  # synapses of the largest program that the baseline is run on


def timed(net: Connectome, tile: Tile, goal: Goal = Goal.CLUSTERS, rounds: int = 0) -> tuple[Clustering, float]:
    """(clustering, CPU-seconds)."""
    began = time.process_time()
    made = cluster(net, tile, goal, rounds=rounds)
    return made, time.process_time() - began


def legality(clustering: Clustering) -> str:
    return "legal" if clustering.legal else "not legal"


def clusters() -> list[list[str]]:
    """Rows per network: clusters, tiles with several of them as contexts, and fixed squares."""
    rows = []
    for name, build in (("MLP-MNIST", mlp), ("LeNet-5", lenet5), ("ImgSmooth", img_smooth)):
        net = build()
        bases = [song(net, 128, fan_in) for fan_in in (127, 2)]
        base = min(bases, key=len)
        against = f"{len(base)}, {legality(base)}"
        for title, tile, goal, wanted in (
            ("clusters, reshapeable", Tile(), Goal.CLUSTERS, GOALS[name][0]),
            ("tiles, several clusters each", Tile(), Goal.TILES, GOALS[name][1]),
            ("clusters, 128 x 128 squares", square(), Goal.CLUSTERS, None),
        ):
            found, seconds = timed(net, tile, goal, ROUNDS if goal is Goal.CLUSTERS else 0)
            count = len(packed(found)) if goal is Goal.TILES else len(found)
            rows.append([
                name, title, str(AUTHORS[name]), against, str(count), str(len(found)), f"{found.copies:,}",
                f"{100 * net.synapses / (count * tile.crosspoints):.1f} %", f"{seconds:.2f}",
                "–" if wanted is None else str(wanted), verdict(count, wanted),
            ])  # fmt: skip
    return rows


CLUSTERS = ["network", "", "authors' code", "Song's greedy here", "found", "clusters", "axon copies", "used", "CPU-s",
            "goal", ""]  # fmt: skip


def copies() -> list[list[str]]:
    """Rows of LeNet-5: copies of axons, plain and refined."""
    net, rows = lenet5(), []
    for rounds, most, limit in COPIES:
        found, seconds = timed(net, Tile(), rounds=rounds)
        kept = MISSED if MISSED in (verdict(found.copies, most), verdict(seconds, limit)) else verdict(0, 0)
        rows.append([
            "LeNet-5", str(rounds), str(len(found)), f"{found.copies:,}", f"{seconds:.2f}",
            f"{most:,} in {limit:.0f} s", kept,
        ])  # fmt: skip
    return rows


COPIES_OF = ["legal axon copies", "rounds", "clusters", "copies", "CPU-s", "goal", ""]


def programs() -> list[list[str]]:
    """A row per program of DFSynthesizer."""
    rows = []
    for program in PROGRAMS:
        title = program.name if program.real else f"{program.name} look-alike"
        if program.build is None:
            rows.append([title, program.what, "", f"{program.synapses:,}", *["not attempted", *[""] * 5], NO_GOAL])
            continue
        net = program.build()
        found, seconds = timed(net, Tile())
        split = int((found.parts.sizes > 1).sum())
        rows.append([
            title, program.what, f"{net.neurons:,}", f"{net.synapses:,}", _baseline(net), f"{len(found):,}",
            f"{found.copies:,}", f"{len(packed(found)):,}", f"{split:,}", f"{seconds:.2f}",
            NO_GOAL,
        ])  # fmt: skip
    return rows


PROGRAM = ["program", "", "neurons", "synapses", "Song's greedy, F = 127", "clusters", "axon copies", "tiles",
           "neurons in parts", "CPU-s", ""]  # fmt: skip


def _baseline(net: Connectome) -> str:
    if net.synapses > BASELINE:
        return "not attempted"
    found = song(net)
    return f"{len(found):,}, {legality(found)}"
