# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Random dataflow graphs, and two ways to compute what the analysis says: token by token, and by trying all buffers."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from pyflow.analysis.dataflow import Actor, Channel, Graph, execute, front, matrix, stuck, timing
from pyflow.analysis.dataflow.storage import Buffers

TIMES = (0, 1, 2, 3, 5, 8, 13)
BOX = 4000  # distributions that brute force may try


def strong(seed: int, cyclo_static: bool) -> Graph:
    """A strongly connected graph of one to six actors: a ring, and channels across; some with several phases, actors
    of no time, channels from an actor to itself, and several channels between the same two."""
    rng = random.Random(seed)
    count = rng.randint(1, 6)
    firings = [rng.choice((1, 1, 2, 3, 4, 6)) for _ in range(count)]
    phases = [rng.randint(1, 3) if cyclo_static else 1 for _ in range(count)]
    actors = tuple(Actor(f"a{n}", tuple(rng.choice(TIMES) for _ in range(phases[n]))) for n in range(count))
    generous = rng.random() < 0.7  # with tokens for two iterations at the ring's end: most of these are live
    ring = rng.sample(range(count), count)
    pairs = [(ring[n], ring[(n + 1) % count]) for n in range(count)]
    pairs += [(rng.randrange(count), rng.randrange(count)) for _ in range(rng.randint(0, 3))]
    place = {actor: n for n, actor in enumerate(ring)}
    channels = []
    for n, (source, target) in enumerate(pairs):
        whole = math.lcm(firings[source], firings[target]) * rng.randint(1, 2)
        backwards = place[target] <= place[source]
        if generous and backwards:
            tokens = rng.randint(whole, 3 * whole)
        else:
            tokens = rng.choice((0, 0, 0, 1, 2, rng.randint(0, 2 * whole)))
        made, taken = (
            _split(rng, whole // firings[source], phases[source]),
            _split(rng, whole // firings[target], phases[target]),
        )
        channels.append(Channel(f"c{n}", f"a{source}", f"a{target}", made, taken, tokens))
    return Graph(f"random {seed}", actors, tuple(channels))


def _split(rng: random.Random, total: int, phases: int) -> tuple[int, ...]:
    rates = [0] * phases
    for _ in range(total):
        rates[rng.randrange(phases)] += 1
    return tuple(rates)


def open_graph(seed: int, cyclo_static: bool = False) -> Graph:
    """A small connected graph without a circle but an actor's own, for buffers: two to four actors, each one at a time
    but for some."""
    rng = random.Random(seed)
    count = rng.randint(2, 4)
    firings = [rng.choice((1, 1, 2, 3)) for _ in range(count)]
    phases = [rng.randint(1, 2) if cyclo_static else 1 for _ in range(count)]
    pairs = [(rng.randrange(n), n) for n in range(1, count)]
    if count > 2 and rng.random() < 0.5:
        pairs.append((0, count - 1))
    channels = []
    for n, (source, target) in enumerate(pairs):
        whole = math.lcm(firings[source], firings[target])
        made, taken = (
            _split(rng, whole // firings[source], phases[source]),
            _split(rng, whole // firings[target], phases[target]),
        )
        channels.append(Channel(f"c{n}", f"a{source}", f"a{target}", made, taken, rng.choice((0, 0, 0, 1))))
    alone = [n for n in range(count) if n == 0 or phases[n] > 1 or rng.random() < 0.8]
    channels += [Channel(f"t{n}", f"a{n}", f"a{n}", (1,) * phases[n], (1,) * phases[n], 1) for n in alone]
    actors = (Actor(f"a{n}", tuple(rng.choice(TIMES[1:6]) for _ in range(phases[n]))) for n in range(count))
    return Graph(f"open {seed}", tuple(actors), tuple(channels))


def agreement(seed: int) -> str:
    """Period of a random graph by its expansion, by its matrix and token by token: "equal", "deadlock" (found by all),
    "too long" (no state came back), or what differs."""
    graph = strong(seed, cyclo_static=bool(seed % 2))
    dead, executed = bool(stuck(graph)), execute(graph)
    if dead or executed.deadlock:
        return "deadlock" if dead and executed.deadlock else f"seed {seed}: deadlock {dead}, executed {executed}"
    if executed.period is None:
        return "too long"
    by_nodes, by_tokens = timing(graph).period, matrix(graph).cycles().ratio
    if by_nodes == by_tokens == executed.period:
        return "equal"
    return f"seed {seed}: {by_nodes} by expansion, {by_tokens} by matrix, {executed.period} token by token"


def agreements(seeds: range) -> Counter[str]:
    return Counter(agreement(seed) for seed in seeds)


@dataclass(frozen=True)
class Brute:
    """Every size and period of the front, with every distribution that has them."""

    points: dict[tuple[int, Fraction], set[tuple[int, ...]]]


def brute_front(graph: Graph) -> Brute | None:
    """The front by trying all distributions in a box, token by token; None where the box is too large. Beyond the box
    no point lies: its far corner is as fast as unlimited buffers, and less in any channel of the corner was seen."""
    buffers = Buffers(graph)
    corner = list(buffers.least)
    names = [channel.name for channel in buffers.channels]

    def period(capacities: tuple[int, ...]) -> Fraction | None:
        return execute(graph.bounded(dict(zip(names, capacities, strict=True)))).period

    best = timing(graph).period
    while period(tuple(corner)) != best:
        corner = [capacity + buffers.grain[n] for n, capacity in enumerate(corner)]
        if math.prod((c - low) // g + 1 for c, low, g in zip(corner, buffers.least, buffers.grain, strict=True)) > BOX:
            return None
    # A point may have more in one channel and less in another than the corner: as large as all of them differ.
    room = sum(c - low for c, low in zip(corner, buffers.least, strict=True))
    ranges = [range(low, low + room + 1, g) for low, g in zip(buffers.least, buffers.grain, strict=True)]
    most = sum(corner)
    all_of_them = [c for c in product(*ranges) if sum(c) <= most] if math.prod(map(len, ranges)) <= 20 * BOX else []
    if not all_of_them or len(all_of_them) > BOX:
        return None
    found: dict[tuple[int, Fraction], set[tuple[int, ...]]] = {}
    least: Fraction | None = None
    for capacities in sorted(all_of_them, key=sum):
        took = period(capacities)
        if took is None:
            continue
        pair = sum(capacities), took
        if least is None or took < least:
            found = {key: value for key, value in found.items() if key[0] < pair[0]}
            found[pair], least = {capacities}, took
        elif pair in found:
            found[pair].add(capacities)
    return Brute(found)


def same_front(seed: int) -> str:
    """Front of a random graph, by search and by brute force: "equal", "too large", or what differs."""
    graph = open_graph(seed, cyclo_static=bool(seed % 3 == 0))
    brute = brute_front(graph)
    if brute is None:
        return "too large"
    points: dict[tuple[int, Fraction], set[tuple[int, ...]]] = {}
    for point in front(graph).points:
        points.setdefault((point.size, point.period), set()).add(tuple(point.capacities.values()))
    return "equal" if points == brute.points else f"seed {seed}: {points} by search, {brute.points} by brute force"


def same_fronts(wanted: int, first: int = 0) -> Counter[str]:
    """Until so many were small enough for brute force."""
    found: Counter[str] = Counter()
    while found.total() - found["too large"] < wanted:
        found[same_front(first)] += 1
        first += 1
    return found
