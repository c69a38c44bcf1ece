# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Small clusters become one, first fit, where nothing then waits in a circle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pyflow.machines.tiles.clustering import Cluster, Clustering
from pyflow.machines.tiles.quotient import Quotient
from pyflow.machines.tiles.tile import Need

SMALL = 0.5  # of a tile, at most: what is merged
MOST = 400  # clusters that are tried against each other, the smallest ones


def merged(clustering: Clustering) -> Clustering:
    """The same synapses in fewer clusters, in an order in which each comes behind what it waits for."""
    tile, needs = clustering.tile, list(clustering.needs)
    shares = [tile.share(need.axons, need.neurons) for need in needs]
    small = sorted((n for n, share in enumerate(shares) if share <= SMALL), key=lambda n: (shares[n], n))[:MOST]
    held: list[Cluster | None] = list(clustering.clusters)
    waits = Waits(clustering.quotient)
    for n in sorted(small, key=lambda n: (-shares[n], n)):
        for other in small:
            mine, its = held[n], held[other]
            if n == other or mine is None or its is None:
                continue
            if tile.room(max(len(mine.axons), len(its.axons))) < len(mine.neurons) + len(its.neurons):
                continue
            both = _both(mine, its)
            need = _need(needs[n], needs[other], both)
            if len(both.neurons) < len(mine.neurons) + len(its.neurons) or not tile.fits(need):
                continue
            if waits.joined(n, other):
                held[n], needs[n], held[other] = both, need, None
    kept = [n for n in waits.order() if held[n] is not None]
    return replace(clustering, clusters=tuple(cluster for n in kept if (cluster := held[n]) is not None))


def _both(a: Cluster, b: Cluster) -> Cluster:
    return Cluster(np.union1d(a.axons, b.axons), np.union1d(a.neurons, b.neurons))


def _need(a: Need, b: Need, both: Cluster) -> Need:
    """Of two clusters as one. Partial sums of both may go to one place, so that flits are a bound."""
    return a._replace(
        axons=len(both.axons),
        neurons=len(both.neurons),
        fan_in=max(a.fan_in, b.fan_in),
        flits_in=a.flits_in + b.flits_in,
        flits_out=a.flits_out + b.flits_out,
    )


class Waits:
    """Which clusters wait for which within a step, while some become one. A cluster that others were joined to keeps
    its number."""

    def __init__(self, quotient: Quotient) -> None:
        self._after: list[set[int]] = [set(targets) for targets in quotient.successors()]
        self._before: list[set[int]] = [set() for _ in self._after]
        for source, targets in enumerate(self._after):
            for target in targets:
                self._before[target].add(source)

    def joined(self, a: int, b: int) -> bool:
        """Makes `b` part of `a`, unless one waits for the other, also by way of others: then nothing changes."""
        if self._reaches(a, b) or self._reaches(b, a):
            return False
        for here, there in ((self._after, self._before), (self._before, self._after)):
            for other in here[b]:
                there[other].discard(b)
                there[other].add(a)
            here[a] |= here[b]
            here[b] = set()
        return True

    def _reaches(self, source: int, target: int) -> bool:
        queue, seen = [source], {source}
        while queue:
            for other in self._after[queue.pop()]:
                if other == target:
                    return True
                if other not in seen:
                    seen.add(other)
                    queue.append(other)
        return False

    def order(self) -> list[int]:
        """All numbers, each behind those that it waits for."""
        pairs = [(source, target) for source, targets in enumerate(self._after) for target in targets]
        source, target = np.array(pairs, np.int64).reshape(-1, 2).T
        zero = np.zeros(len(pairs), np.int64)
        return Quotient(len(self._after), source, target, zero, zero, zero.astype(float), zero).order()
