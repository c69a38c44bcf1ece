# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Rows of `make bench-tiles`: placement, bounds, guarantees, and mappings on one platform."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np
from tabulate import tabulate

from benchmarks.goals import MET, MISSED, NO_GOAL, verdict
from benchmarks.tile_systems import kept, late, random_case
from pyflow.machines.tiles import Clustering, Connectome, Tile, from_fan_ins
from pyflow.machines.tiles.binding import bind_by_chance, bind_by_cost
from pyflow.machines.tiles.bounds import optimum
from pyflow.machines.tiles.drawing import platform_svg, schedule_svg
from pyflow.machines.tiles.figures import CONSTANTS, figures, latency, link_loads
from pyflow.machines.tiles.flits import Spikes, caps_of, run
from pyflow.machines.tiles.guarantee import best_slots
from pyflow.machines.tiles.mapped import bind_by_guarantee, bind_for_rate, drawn, mapped
from pyflow.machines.tiles.placement import Traffic, along_curve, cost, place, scattered
from pyflow.machines.tiles.shared_axons import cluster
from pyflow.machines.tiles.song import song
from pyflow.machines.tiles.system import System, Times
from pyflow.machines.tiles.topology import Mesh, Ring, Topology

OF_CURVE, OF_CHANCE, PLACED_S = 0.56, 0.14, 5.0
PROVEN_S, GAP = 10.0, 0.35
TIGHT = 0.95
STEPS, FRAME = 60, 20
CHANCES = 5  # placements by chance


def layered(seed: int, clusters: int = 4096) -> Traffic:
    """A layered convolution graph: layers of 32 to 255 clusters, each reads one to four of the layer before around its
    own place; where that layer is larger, as many as leave none out. 1 to 16 spikes."""
    rng = np.random.default_rng(seed)
    widths: list[int] = []
    while (left := clusters - sum(widths)) > 0:
        widths.append(min(int(rng.integers(32, 256)), left))
    source, target, base = [], [], 0
    for before, here in pairwise(widths):
        reach = int(rng.integers(1, 5))
        own = np.arange(here)
        middle = (own + 0.5) * before / here - reach / 2
        for n in range(max(reach, -(-before // here))):
            read = np.floor(middle + n + 0.5).astype(np.int64)
            inside = (read >= 0) & (read < before)
            source.append(base + read[inside])
            target.append(base + before + own[inside])
        base += before
    sources, targets = np.concatenate(source), np.concatenate(target)
    return Traffic.of(clusters, sources, targets, rng.integers(1, 17, len(sources)))


def placements(seeds: range) -> list[list[str]]:
    """A row per graph of 4,096 clusters on 64 × 64 tiles."""
    rows, mesh = [], Mesh(64, 64)
    for seed in seeds:
        traffic = layered(seed)
        began = time.process_time()
        placed = place(traffic, mesh)
        seconds = time.process_time() - began
        curve = cost(traffic, mesh, along_curve(traffic, mesh))
        chance = cost(traffic, mesh, scattered(traffic, mesh, seed))
        of_curve, of_chance = placed.cost / curve, placed.cost / chance
        met = of_curve <= OF_CURVE and of_chance <= OF_CHANCE and seconds <= PLACED_S
        rows.append([
            f"seed {seed}, {len(traffic.weight):,} edges", f"{chance:,}", f"{curve:,}", f"{placed.cost:,}",
            f"{of_curve:.2f}", f"{of_chance:.3f}", f"{seconds:.1f}", MET if met else MISSED,
        ])  # fmt: skip
    return rows


def _few(seed: int, clusters: int, share: float) -> Traffic:
    """Any cluster to any later one, so many of the pairs."""
    rng = np.random.default_rng(seed)
    source, target = np.nonzero(np.triu(rng.random((clusters, clusters)) < share, 1))
    return Traffic.of(clusters, source, target, rng.integers(1, 100, len(source)))


def bounded() -> list[list[str]]:
    """A row per platform: placements with a proof, or with a gap."""
    rows = []
    platforms: list[tuple[Topology, float]] = [
        (Mesh(3, 3), 0.3), (Mesh(3, 3), 1.0), (Ring(9), 1.0), (Mesh(4, 3), 0.3), (Mesh(4, 4), 0.3), (Mesh(4, 4), 1.0),
        (Ring(16), 0.3), (Ring(16), 1.0),
    ]  # fmt: skip
    for topology, share in platforms:
        traffic = _few(1, topology.tiles, share)
        began = time.process_time()
        found = optimum(traffic, topology)
        seconds = time.process_time() - began
        few = topology.tiles <= 9
        met = verdict(seconds, PROVEN_S) if few and found.proven else MISSED if few else verdict(found.gap, GAP)
        gap = "proven" if found.proven else f"{found.gap:.1%}"
        rows.append([
            topology.name, f"{share:.0%}", f"{found.cost:,}", f"{found.bound:,}", gap, f"{found.expanded:,}",
            f"{seconds:.1f}", met,
        ])  # fmt: skip
    return rows


def equal_to_all(cases: int) -> tuple[int, float]:
    """Cases in which the optimum is that of all placements; CPU-seconds."""
    began, equal = time.process_time(), 0
    for seed in range(cases):
        rng = np.random.default_rng(seed)
        topology: Topology = Mesh(4, 2) if seed % 2 else Ring(7)
        clusters = int(rng.integers(3, 8))
        traffic = _few(seed, clusters, float(rng.uniform(0.3, 1)))
        node = np.array(list(permutations(range(topology.tiles), clusters)))
        best = (topology.distance(node[:, traffic.source], node[:, traffic.target]) @ traffic.weight).min()
        found = optimum(traffic, topology)
        equal += found.proven and found.cost == best
    return equal, time.process_time() - began


def mlp_mnist(events: float = 104, seed: int = 0) -> Connectome:
    """784-100-10, with rates by chance: so many spikes of the inputs per step on average, a fifth of the hidden
    neurons."""
    rng = np.random.default_rng(seed)
    net = from_fan_ins("MLP-MNIST", 784, [2 * np.arange(784)] * 100 + [2 * np.arange(784, 884)] * 10)
    inputs = rng.gamma(0.5, size=784)  # some pixels are often dark
    for _ in range(20):
        inputs = np.clip(inputs * events / inputs.sum(), 0, 0.95)
    return net.with_rates(np.concatenate([inputs, np.full(100, 0.2), np.full(10, 0.3)]))


def reservoir(seed: int = 0) -> Connectome:
    """Look-alike of a recurrent estimator: 64 inputs, 166 neurons that all read each other a step later, 2 answers."""
    inside = 64 + np.arange(166)
    fan_ins = [np.sort(np.concatenate([2 * np.arange(64), 2 * inside + 1]))] * 166 + [2 * inside] * 2
    net = from_fan_ins("reservoir, look-alike", 64, fan_ins)
    rng = np.random.default_rng(seed)
    return net.with_rates(np.concatenate([rng.random(64) * 0.4, rng.random(166) * 0.3, np.full(2, 0.3)]))


def _at_cap(system: System, caps: list[int], steps: int) -> Spikes:
    """Each step at the cap, the last neurons."""
    rows = [[np.arange(context.neurons - cap, context.neurons)] * steps
            for context, cap in zip(system.contexts, caps, strict=True)]  # fmt: skip
    return Spikes(rows, frozenset())


def steps_of_mlp() -> list[list[str]]:
    """MLP-MNIST, a cluster to a tile: what a step takes in the flit-level model, and what is guaranteed at the cap."""
    rows = []
    for topology, events, goal in ((Mesh(3, 3), 104, 115), (Mesh(3, 3), 78, 100), (Ring(8), 104, None)):
        net = mlp_mnist(events)
        clustering = cluster(net, Tile())
        assert isinstance(topology, Mesh | Ring)
        system = mapped(clustering, bind_for_rate(clustering, topology), topology)
        spikes = drawn(clustering, 100 * FRAME // 10, FRAME)
        caps = caps_of(system, [spikes])
        slots, promised = best_slots(system, caps)
        found = run(system, slots, spikes)
        tight = run(system, slots, _at_cap(system, caps, STEPS)).period(FRAME) / float(promised.period)
        reached = found.period(FRAME)
        over = late(found, promised)
        met = MISSED if over or tight < TIGHT else verdict(reached, goal)
        rows.append([
            topology.name, f"{found.events[:, FRAME:].max(axis=0).mean():.0f}", f"{reached:.1f}",
            "–" if goal is None else str(goal), f"{max(caps)}", f"{float(promised.period):.1f}", f"{tight:.3f}",
            str(over), str(slots.wheel), met,
        ])  # fmt: skip
    return rows


def guarantees(systems: int) -> list[list[str]]:
    """Random systems: runs that keep the guarantee, and how close all neurons at once come to it."""
    began = time.process_time()
    found = kept(range(systems))
    for what in [what for what in found if what != "kept"][:5]:
        print(what)
    seconds = time.process_time() - began
    runs = 2 * systems
    close = []
    for seed in range(min(systems, 40)):
        system = random_case(seed).system
        caps = [context.neurons for context in system.contexts]
        slots, promised = best_slots(system, caps)
        close.append(run(system, slots, _at_cap(system, caps, STEPS)).period(FRAME) / float(promised.period))
    ratio = f"{np.mean(close):.3f}, {min(close):.3f} at the least"
    return [[f"{systems:,} random systems", f"{found['kept']:,} of {runs:,}", ratio, f"{seconds:.0f}",
             verdict(found["kept"], runs, least=True)]]  # fmt: skip


Mapping = tuple[Clustering, np.ndarray, bool]


def _measured(mapping: Mapping, mesh: Mesh, times: Times) -> list[float]:
    """Columns of the table: fewer is better in all of them."""
    clustering, tile, all_delayed = mapping
    system = mapped(clustering, tile, mesh, times, all_delayed=all_delayed)
    spikes = drawn(clustering, STEPS, FRAME)
    slots, promised = best_slots(system, caps_of(system, [spikes]), (64, 128), (1, 2))
    found = run(system, slots, spikes)
    assert not late(found, promised)
    of = figures(found)
    return [
        float(promised.period), float(latency(promised)), of.hops, *of.energy.values(), of.busiest, of.isi,
        100 * of.disorder,
    ]  # fmt: skip


def on_one_platform() -> list[list[str]]:
    """Per program: our mapping, Song's clusters with SDF3's cost, our clusters placed by chance; 4 × 4 tiles. The
    baseline may keep any number of clusters on a tile."""
    rows, mesh, times = [], Mesh(4, 4), Times()
    for net in (mlp_mnist(), reservoir()):
        clustering, theirs = cluster(net, Tile()), song(net)

        def ours(seed: int, own: Clustering = clustering) -> Mapping:
            chance = mapped(own, bind_by_chance(len(own), mesh, seed), mesh)
            caps = caps_of(chance, [drawn(own, STEPS, FRAME)])  # of each context, wherever it lies
            return own, bind_by_guarantee(own, mesh, caps, seed=seed), False

        def baseline(_: int, own: Clustering = theirs) -> Mapping:
            return own, bind_by_cost(own, mesh, times), True

        def by_chance(seed: int, own: Clustering = clustering) -> Mapping:
            return own, bind_by_chance(len(own), mesh, seed), False

        ways: dict[str, Callable[[int], Mapping]] = {
            "ours": ours, "Song, SDF3's cost": baseline, f"by chance, mean of {CHANCES}": by_chance,
        }  # fmt: skip
        found = {}
        for name, way in ways.items():
            made = [way(seed) for seed in range(CHANCES if name.startswith("by chance") else 1)]
            found[name] = (len(made[0][0]), np.mean([_measured(mapping, mesh, times) for mapping in made], axis=0))
        best = np.min([values for name, (_, values) in found.items() if name != "ours"], axis=0)
        ahead = (found["ours"][1] <= best).all()
        for name, (clusters, values) in found.items():
            shown = [f"{value:,.0f}" if value >= 100 else f"{value:.2f}" for value in values]
            met = NO_GOAL if name != "ours" else MET if ahead else MISSED
            rows.append([net.name, name, str(clusters), *shown, met])
    return rows


def tables(seeds: range, systems: int) -> list[list[list[str]]]:
    """Prints all tables as they come, and returns their rows."""

    def shown(rows: list[list[str]], *heads: str) -> list[list[str]]:
        print("\n" + tabulate(rows, [*heads, ""], disable_numparse=True), flush=True)
        return rows

    equal, seconds = equal_to_all(20)
    found = [[f"{equal} of 20", f"{seconds:.1f}", verdict(equal, 20, least=True)]]
    return [
        shown(placements(seeds), "4,096 clusters", "by chance", "Hilbert", "ours", "/ Hilbert", "/ chance", "CPU-s"),
        shown(bounded(), "tiles", "pairs", "cost", "bound", "gap", "expanded", "CPU-s"),
        shown(found, "optimum of all placements", "CPU-s"),
        shown(steps_of_mlp(), "MLP-MNIST", "events", "cycles", "goal", "cap", "guaranteed", "tight", "late", "wheel"),
        shown(guarantees(systems), "guarantee", "runs that keep it", "all neurons at once", "CPU-s"),
        shown(on_one_platform(), "4 × 4 tiles", "mapping", "clusters", "cycles/step", "latency", "hops",
              *(f"energy ({name})" for name in CONSTANTS), "busiest link", "ISI", "disorder %"),
    ]  # fmt: skip


def pictures(folder: Path) -> None:
    """platform.svg and schedule.svg of MLP-MNIST on 4 × 4 tiles."""
    clustering, mesh = cluster(mlp_mnist(), Tile()), Mesh(4, 4)
    system = mapped(clustering, bind_for_rate(clustering, mesh), mesh)
    spikes = drawn(clustering, STEPS, FRAME)
    slots, promised = best_slots(system, caps_of(system, [spikes]))
    found = run(system, slots, spikes)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "platform.svg").write_text(platform_svg(system, link_loads(found)), encoding="utf-8")
    (folder / "schedule.svg").write_text(schedule_svg(found, promised, 5, 4), encoding="utf-8")
