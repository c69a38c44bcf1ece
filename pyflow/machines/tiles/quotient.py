# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The graph of clusters: what crosses from one to another in a step."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

HOST = -1  # the source of what comes from outside


@dataclass(frozen=True, slots=True, eq=False)
class Quotient:
    """One entry per edge, ordered by source, target, tokens and kind.

    clusters: their number. source, target: int64; source is HOST for inputs from outside. tokens: int64, 1 where the
    edge carries what was there a step before. axons: int64, distinct neurons whose spikes cross, 0 for partial sums.
    rate: float64, their spikes per step. sums: int64, neurons whose partial sums cross in every step, 0 for spikes.
    """

    clusters: int
    source: np.ndarray
    target: np.ndarray
    tokens: np.ndarray
    axons: np.ndarray
    rate: np.ndarray
    sums: np.ndarray

    def __len__(self) -> int:
        return len(self.source)

    @property
    def flits(self) -> np.ndarray:
        """Mean flits per step, float64: spikes or partial sums, and one END."""
        flits: np.ndarray = self.rate + self.sums + 1
        return flits

    @property
    def most_flits(self) -> np.ndarray:
        """Flits of a step at the most, int64: every neuron spikes."""
        flits: np.ndarray = self.axons + self.sums + 1
        return flits

    def successors(self) -> list[list[int]]:
        """For each cluster those that read it within the same step, ascending."""
        found: list[list[int]] = [[] for _ in range(self.clusters)]
        now = (self.tokens == 0) & (self.source != HOST)
        for pair in np.unique(np.stack([self.source[now], self.target[now]], 1), axis=0):
            found[pair[0]].append(int(pair[1]))
        return found

    def order(self) -> list[int]:
        """Clusters so that each comes behind all that it waits for within a step, the lowest number first; without
        those of a cycle and behind it."""
        after = self.successors()
        missing = [0] * self.clusters
        for targets in after:
            for target in targets:
                missing[target] += 1
        ready, out = [n for n in range(self.clusters) if not missing[n]], []
        while ready:
            out.append(heapq.heappop(ready))
            for target in after[out[-1]]:
                missing[target] -= 1
                if not missing[target]:
                    heapq.heappush(ready, target)
        return out

    def cycle(self) -> tuple[int, ...]:
        """Clusters that wait for each other within a step: each for the one before it, the first for the last, the
        lowest number first. Empty where there is no cycle."""
        stuck = set(range(self.clusters)).difference(self.order())
        if not stuck:
            return ()
        before: dict[int, int] = {}
        for source, targets in enumerate(self.successors()):
            if source in stuck:
                before.update(dict.fromkeys(targets, source))
        at, way = min(stuck), []
        while at not in way:
            way.append(at)
            at = before[at]
        ring = way[way.index(at) :][::-1]
        first = ring.index(min(ring))
        return tuple(ring[first:] + ring[:first])
