# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Random systems of tiles with spikes for them, and whether the guarantee of each holds in the flit-level model."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pyflow.machines.tiles.flits import Run, Spikes, run
from pyflow.machines.tiles.guarantee import Guarantee, guarantee
from pyflow.machines.tiles.slots import Slots, allocate
from pyflow.machines.tiles.system import Connection, Context, Role, System, Times, Unit
from pyflow.machines.tiles.topology import Mesh, Ring, Topology


@dataclass(frozen=True)
class Case:
    """caps: spikes of each context in a step, at the most."""

    system: System
    slots: Slots
    caps: list[int]


def some(rng: np.random.Generator, of: np.ndarray, least: int = 0) -> np.ndarray:
    """Some of them, ascending."""
    count = int(rng.integers(least, len(of) + 1))
    return np.sort(rng.choice(of, count, replace=False))


def random_case(seed: int) -> Case:
    """Tiles in layers between a source and a sink, several on a tile, some that read themselves or later ones over a
    delay, some partial sums."""
    chance, rng = random.Random(seed), np.random.default_rng(seed)
    topologies: list[Topology] = [Mesh(2, 2), Mesh(3, 2), Mesh(1, 3), Ring(1), Ring(4)]
    topology = chance.choice(topologies)
    tiles = chance.randint(1, 2 * topology.tiles)
    contexts = [Context("in", chance.randint(1, 60), Role.SOURCE)]
    contexts += [Context(f"c{n}", chance.randint(1, 50)) for n in range(tiles)]
    contexts += [Context("out", 0, Role.SINK)]
    # Of some contexts the first neurons send partial sums, to the next context, and no spikes.
    sums = [
        chance.randint(1, c.neurons) if chance.random() < 0.2 and 0 < n < tiles else 0 for n, c in enumerate(contexts)
    ]
    firing = [np.arange(of, context.neurons) for of, context in zip(sums, contexts, strict=True)]
    connections: list[Connection] = []
    for target in range(1, tiles + 2):
        before = set(chance.choices(range(target), k=chance.randint(1, 3)))
        connections += [Connection(source, target, some(rng, firing[source])) for source in sorted(before)]
        if sums[target - 1]:
            connections.append(Connection(target - 1, target, np.arange(sums[target - 1]), sums=True))
    for source in range(1, tiles + 1):
        if chance.random() < 0.3:
            target = chance.randint(1, source)
            connections.append(Connection(source, target, some(rng, firing[source]), 1))
    node = [chance.randrange(topology.tiles) for _ in range(tiles)]
    units = [Unit(topology.host, (0,)), Unit(topology.host, (tiles + 1,))]
    units += [Unit(at, tuple(n + 1 for n in range(tiles) if node[n] == at)) for at in sorted(set(node))]
    times = Times(
        pe=chance.choice([1, 4, 16]), events=chance.choice([1, 2]), lanes=chance.choice([1, 2, 3]),
        start=chance.randint(1, 4), pipeline=chance.randint(1, 12), release=chance.randint(1, 3),
    )  # fmt: skip
    room = max(context.neurons for context in contexts) + 1 + chance.choice([0, 1, 30, 500])
    system = System(topology, tuple(contexts), tuple(connections), tuple(units), times, room)
    caps = [chance.randint(1, context.neurons) if context.neurons else 0 for context in contexts]
    return Case(system, allocate(system, caps, chance.choice([32, 64, 100])), caps)


def random_spikes(case: Case, seed: int, steps: int, share: float = 1.0) -> Spikes:
    """share: of the cap; 1: each step at the cap, with the last neurons in half of all steps."""
    rng = np.random.default_rng(seed)
    rows: list[list[np.ndarray]] = []
    for context, cap in zip(case.system.contexts, case.caps, strict=True):
        steps_of: list[np.ndarray] = []
        for _ in range(steps):
            count = cap if share == 1 else int(rng.integers(0, int(cap * share) + 1))
            late = np.arange(context.neurons - count, context.neurons)
            steps_of.append(late if rng.random() < 0.5 else np.sort(rng.permutation(context.neurons)[:count]))
        rows.append(steps_of)
    last = frozenset(n for n in range(steps) if rng.random() < 0.2)
    return Spikes(rows, last)


def late(found: Run, promised: Guarantee) -> int:
    """Tokens, credits and starts of a run that come later than guaranteed."""
    steps = found.start.shape[1]
    begins, ends, credits = promised.bounds(steps)
    return int(
        (found.start > begins).sum() + ((found.ends >= 0) & (found.ends > ends)).sum()
        + ((found.credit >= 0) & (found.credit > credits)).sum()
    )  # fmt: skip


def kept(seeds: Iterable[int], steps: int = 30) -> Counter[str]:
    """Guarantees against runs: at the cap, and below it."""
    found: Counter[str] = Counter()
    for seed in seeds:
        case = random_case(seed)
        promised = guarantee(case.system, case.slots, case.caps)
        for share in (1.0, 0.6):
            after = late(run(case.system, case.slots, random_spikes(case, seed, steps, share)), promised)
            found["kept" if not after else f"seed {seed}, share {share}: {after} too late"] += 1
    return found
