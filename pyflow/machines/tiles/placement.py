# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Which cluster lies on which tile: along Hilbert's curve, then swaps.

The cost is Σ weight · hops. Hilbert's curve as a start and swaps that a force asks for are Jin et al. (ASPLOS 2023).
Here a sweep draws a shift and pairs every tile with the one that far away. It exchanges all pairs at once whose
exchange gains, and a temperature lets some lose (Kirkpatrick et al. 1983). Of two pairs with traffic between them one
waits, so a sweep's gain is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pyflow.errors import VolleyError
from pyflow.machines.tiles.topology import Topology, hilbert

SWEEPS = 6000  # at the most, where their number is not given


@dataclass(frozen=True)
class Traffic:
    """Spikes between clusters; int64 arrays [edges], each pair once, none from a cluster to itself. host: clusters that
    are no clusters but the host port, at the end of the numbers."""

    clusters: int
    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    host: int = 0

    @classmethod
    def of(cls, clusters: int, sources: ArrayLike, targets: ArrayLike, weights: ArrayLike, host: int = 0) -> Traffic:
        """Parallel edges are added up, those of a cluster with itself left out."""
        source, target, weight = (np.asarray(a, dtype=np.int64) for a in (sources, targets, weights))
        every = clusters + host
        if not len(source) == len(target) == len(weight):
            raise VolleyError(f"traffic: {len(source)} sources, {len(target)} targets, {len(weight)} weights")
        for what, ends in (("source", source), ("target", target)):
            if len(ends) and not (0 <= ends.min() and ends.max() < every):
                raise VolleyError(f"traffic: {what} {ends.min()} to {ends.max()}; clusters are 0 to {every - 1}")
        if len(weight) and weight.min() < 0:
            raise VolleyError(f"traffic: weight {weight.min()}; spikes are counted, from 0 on")
        apart = (source != target) & (weight > 0)
        key, back = np.unique(source[apart] * every + target[apart], return_inverse=True)
        total = np.zeros(len(key), dtype=np.int64)
        np.add.at(total, back, weight[apart])
        return cls(clusters, key // every, key % every, total, host)


@dataclass(frozen=True)
class Placement:
    """node: [clusters] of each cluster. cost: Σ weight · hops. start: the cost along Hilbert's curve."""

    node: np.ndarray
    cost: int
    start: int


def cost(traffic: Traffic, topology: Topology, node: np.ndarray) -> int:
    """Σ weight · hops. node: [clusters]."""
    at = np.append(node, np.full(traffic.host, topology.host, dtype=np.int64))
    return int(traffic.weight @ topology.distance(at[traffic.source], at[traffic.target]))


def check_room(traffic: Traffic, topology: Topology) -> None:
    if traffic.clusters > topology.tiles:
        raise VolleyError(
            f"{traffic.clusters} clusters, one to a tile, on a {topology.name}: {traffic.clusters - topology.tiles} "
            "too many; take more tiles, or put several clusters on one (binding)"
        )


def along_curve(traffic: Traffic, topology: Topology) -> np.ndarray:
    """[clusters] nodes, in the order of the clusters along Hilbert's curve."""
    check_room(traffic, topology)
    return hilbert(*topology.grid)[: traffic.clusters]


def scattered(traffic: Traffic, topology: Topology, seed: int) -> np.ndarray:
    """[clusters] nodes by chance."""
    check_room(traffic, topology)
    return np.random.default_rng(seed).permutation(topology.tiles)[: traffic.clusters]


def place(traffic: Traffic, topology: Topology, *, seed: int = 0, sweeps: int | None = None) -> Placement:
    """One cluster to a tile. The same seed gives the same placement. O(sweeps · edges)."""
    sweeps = min(SWEEPS, 200 + 40 * topology.tiles) if sweeps is None else sweeps
    begun = along_curve(traffic, topology)
    start = cost(traffic, topology, begun)
    free = np.setdiff1d(np.arange(topology.tiles), begun)
    run = _Swaps(traffic, topology, np.concatenate([begun, free]), np.random.default_rng(seed))
    best, least = begun, start
    for sweep in range(sweeps if len(traffic.weight) and topology.tiles > 1 else 0):
        cold = (1 - sweep / sweeps) ** 2
        run.sweep(cold)
        now = start + run.change
        if now < least:
            best, least = run.node[: traffic.clusters].copy(), now
    return Placement(best, cost(traffic, topology, best), start)


class _Swaps:
    """Sweeps over a placement. node: [tiles + host] of each cluster; those that are none fill the free tiles."""

    def __init__(self, traffic: Traffic, topology: Topology, node: np.ndarray, rng: np.random.Generator) -> None:
        tiles = topology.tiles
        self.topology, self.rng = topology, rng
        self.node = np.append(node, topology.host)
        self.on = np.empty(tiles, dtype=np.int64)
        self.on[node] = np.arange(tiles)
        self.source, self.target = (
            np.where(ends < traffic.clusters, ends, tiles) for ends in (traffic.source, traffic.target)
        )
        self.weight = traffic.weight.astype(np.float64)  # sums below 2^53 are exact
        self.heat = 3 * float(self.weight.sum()) / max(1, traffic.clusters)  # 1.5 times a cluster's spikes
        self.cells = np.arange(tiles).reshape(topology.grid)
        self.axes = [axis for axis in (0, 1) if topology.grid[axis] > 1]
        self.change = 0

    def _pairs(self, warm: float) -> tuple[np.ndarray, np.ndarray]:
        """Clusters on tiles a shift apart; a tile is in one pair at most."""
        axis = self.axes[int(self.rng.integers(len(self.axes)))]
        cells = self.cells if axis == 0 else self.cells.T
        side = len(cells)
        far = int(self.rng.integers(1, 2 + int((side // 4) * warm)))
        begins = np.flatnonzero((np.arange(side - far) + self.rng.integers(2 * far)) // far % 2 == 0)
        return self.on[cells[begins].ravel()], self.on[cells[begins + far].ravel()]

    def sweep(self, warm: float) -> None:
        """warm: from 1 to 0."""
        one, other = self._pairs(warm)
        node, source, target = self.node, self.source, self.target
        new = node.copy()
        new[one], new[other] = node[other], node[one]
        distance, weight = self.topology.distance, self.weight
        here, there, new_here, new_there = node[source], node[target], new[source], new[target]
        now = distance(here, there)
        # What each end gains alone; the two of a pair stay as far apart as they were, and may have the way back.
        left = distance(new_here, there) - now
        right = distance(here, new_there) - now
        of_pair = new_here == there
        if of_pair.any():
            left[of_pair] += now[of_pair] + distance(there[of_pair], here[of_pair])
        count = len(node)
        moves = np.bincount(source, weight * left, count) + np.bincount(target, weight * right, count)
        gain = -(moves[one] + moves[other])
        wanted = gain + self.heat * warm * self.rng.exponential(size=len(gain)) > 0
        self._swap(one, other, gain, np.flatnonzero(wanted))

    def _swap(self, one: np.ndarray, other: np.ndarray, gain: np.ndarray, pairs: np.ndarray) -> None:
        """Of pairs with traffic between them that of the largest gain, roughly: chance decides too."""
        number = np.full(len(self.node), -1)
        number[one[pairs]], number[other[pairs]] = pairs, pairs
        first, second = number[self.source], number[self.target]
        between = (first >= 0) & (second >= 0) & (first != second)
        first, second = first[between], second[between]
        rank = gain * self.rng.uniform(0.5, 1.5, len(gain))
        waits = np.zeros(len(gain), dtype=bool)
        waits[np.where((rank[first] < rank[second]) | ((rank[first] == rank[second]) & (first < second)),
                       first, second)] = True  # fmt: skip
        kept = pairs[~waits[pairs]]
        a, b = one[kept], other[kept]
        self.node[a], self.node[b] = self.node[b], self.node[a]
        self.on[self.node[a]], self.on[self.node[b]] = a, b
        self.change -= int(gain[kept].sum())
