# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""How good a placement on few tiles can be: branch and bound over the quadratic assignment problem.

Clusters are placed one after the other. A partial placement is bounded from below as Gilmore (1962) and Lawler (1963)
do: the heaviest traffic of a cluster that is left meets the shortest ways that are left. Of the assignment problem that
remains the minima of its rows and columns are taken. Partial placements of the least bounds go first, many at once.
The least bound of all that are open holds for the whole problem at any time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pyflow.errors import VolleyError
from pyflow.machines.tiles.placement import Traffic, check_room, cost, place
from pyflow.machines.tiles.topology import Topology

MAX_TILES = 25
BATCH = 512  # partial placements that grow at once
EXPANDED = 60_000  # partial placements that may grow
STARTS, START_SWEEPS = 4, 150


@dataclass(frozen=True)
class Bounded:
    """node: [clusters] of the best placement found, of that cost. bound: no placement costs less. expanded: partial
    placements that grew."""

    node: np.ndarray
    cost: int
    bound: int
    expanded: int

    @property
    def proven(self) -> bool:
        return self.cost == self.bound

    @property
    def gap(self) -> float:
        """(cost - bound) / cost; 0 where the placement is proven to be the best."""
        return (self.cost - self.bound) / self.cost if self.cost else 0.0


def optimum(traffic: Traffic, topology: Topology, *, seed: int = 0, expanded: int = EXPANDED) -> Bounded:
    """The best placement, or the best found and a bound. expanded: partial placements that may grow. Raises VolleyError
    above 25 tiles."""
    check_room(traffic, topology)
    if topology.tiles > MAX_TILES:
        raise VolleyError(f"{topology.name}: {topology.tiles} tiles; bounds are for {MAX_TILES} at most: use place()")
    starts = [place(traffic, topology, seed=seed + n, sweeps=START_SWEEPS) for n in range(STARTS)]
    first = min(starts, key=lambda placed: placed.cost)
    search = _Search(traffic, topology, first.cost, first.node)
    search.run(expanded)
    assert cost(traffic, topology, search.best) == search.least
    return Bounded(search.best, search.least, search.bound(), search.expanded)


@dataclass
class _Open:
    """Partial placements of one depth. nodes: [n, depth] of the clusters in order; costs, bounds: [n], bounds of twice
    the cost."""

    nodes: np.ndarray
    costs: np.ndarray
    bounds: np.ndarray

    def take(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Those of the least bounds leave."""
        first = np.argsort(self.bounds, kind="stable")
        taken, kept = first[:count], first[count:]
        found = self.nodes[taken], self.costs[taken]
        self.nodes, self.costs, self.bounds = self.nodes[kept], self.costs[kept], self.bounds[kept]
        return found

    def add(self, other: _Open) -> None:
        self.nodes = np.concatenate([self.nodes, other.nodes])
        self.costs = np.concatenate([self.costs, other.costs])
        self.bounds = np.concatenate([self.bounds, other.bounds])


@dataclass
class _Search:
    """least: cost of `best`. Sums are kept in floats, exact below 2^53."""

    traffic: Traffic
    topology: Topology
    least: int
    best: np.ndarray
    expanded: int = 0
    open: list[_Open] = field(default_factory=list)

    def __post_init__(self) -> None:
        traffic, tiles = self.traffic, self.topology.tiles
        count = traffic.clusters
        every = np.arange(tiles)
        self.far = self.topology.distance(every[:, None], every[None]).astype(np.float64)
        weights = np.zeros((count + traffic.host, count + traffic.host))
        weights[traffic.source, traffic.target] = traffic.weight
        host = np.full(tiles, self.topology.host)
        to_host, from_host = self.topology.distance(every, host), self.topology.distance(host, every)
        alone = np.outer(weights[:count, count:].sum(axis=1), to_host)
        alone += np.outer(weights[count:, :count].sum(axis=0), from_host)
        self.order = _order(weights[:count, :count], alone)
        self.weights = weights[np.ix_(self.order, self.order)]
        self.alone = alone[self.order]
        symmetric = bool((self.far == self.far.T).all())
        both = self.weights + self.weights.T
        self.halves = [(both, self.far)] if symmetric else [(self.weights, self.far), (self.weights.T, self.far.T)]
        self.open = [_Open(np.zeros((0, n), dtype=np.int64), np.zeros(0), np.zeros(0)) for n in range(count + 1)]
        begin = every
        if not alone.any() and count:  # nothing is pinned: the first cluster on one tile of those that are alike
            begin = np.unique(self.topology.symmetries().min(axis=0))
        if count:
            self._push(begin[:, None], self.alone[0, begin])

    def run(self, expanded: int) -> None:
        while self.expanded < expanded and (lowest := self._lowest()) is not None:
            nodes, costs = self.open[lowest].take(min(BATCH, expanded - self.expanded))
            self.expanded += len(nodes)
            self._grow(nodes, costs)

    def bound(self) -> int:
        """No placement costs less."""
        lowest = self._lowest()
        twice = 2 * self.least if lowest is None else float(self.open[lowest].bounds.min())
        return min(self.least, int(np.ceil(twice / 2)))

    def _lowest(self) -> int | None:
        """The depth with the open placement of the least bound, the deepest of them."""
        depths = [n for n, some in enumerate(self.open) if len(some.costs)]
        return min(depths, key=lambda n: (self.open[n].bounds.min(), -n)) if depths else None

    def _grow(self, nodes: np.ndarray, costs: np.ndarray) -> None:
        depth = nodes.shape[1]
        free = self._free(nodes)
        more = self._joins(nodes, free, np.array([depth]))[:, :, 0]
        grown = np.concatenate([np.repeat(nodes, free.shape[1], axis=0), free.reshape(-1, 1)], axis=1)
        self._push(grown, np.repeat(costs, free.shape[1]) + more.ravel())

    def _push(self, nodes: np.ndarray, costs: np.ndarray) -> None:
        """Bounds new partial placements, and keeps those that may lead below the best one."""
        depth = nodes.shape[1]
        if depth == len(self.order):
            lowest = int(np.argmin(costs))
            if costs[lowest] < self.least:
                self.least, self.best = int(costs[lowest]), np.empty(depth, dtype=np.int64)
                self.best[self.order] = nodes[lowest]
                for some in self.open:
                    kept = self._hopeful(some.bounds)
                    some.nodes, some.costs, some.bounds = some.nodes[kept], some.costs[kept], some.bounds[kept]
            return
        bounds = 2 * costs + self._left(nodes)
        kept = self._hopeful(bounds)
        self.open[depth].add(_Open(nodes[kept], costs[kept], bounds[kept]))

    def _hopeful(self, bounds: np.ndarray) -> np.ndarray:
        """Costs are whole numbers: what gains less than 1 gains nothing."""
        return np.asarray(bounds <= 2 * (self.least - 1))

    def _free(self, nodes: np.ndarray) -> np.ndarray:
        """[n, tiles - depth] tiles that are left."""
        used = np.zeros((len(nodes), self.topology.tiles), dtype=bool)
        np.put_along_axis(used, nodes, True, axis=1)
        return np.nonzero(~used)[1].reshape(len(nodes), -1)

    def _joins(self, nodes: np.ndarray, free: np.ndarray, clusters: np.ndarray) -> np.ndarray:
        """[n, free tiles, clusters] cost of a cluster on a tile towards all that are placed."""
        depth = nodes.shape[1]
        out = self.far[free[:, :, None], nodes[:, None, :]] @ self.weights[clusters, :depth].T
        back = self.far[nodes[:, None, :], free[:, :, None]] @ self.weights[:depth, clusters]
        return np.asarray(self.alone[clusters].T[free] + out + back)

    def _left(self, nodes: np.ndarray) -> np.ndarray:
        """[n] lower bound of twice what the clusters that are left cost."""
        depth = nodes.shape[1]
        left = np.arange(depth, len(self.order))
        free = self._free(nodes)
        costs = 2 * self._joins(nodes, free, left)
        for weights, far in self.halves:
            ways = far[free[:, :, None], free[:, None, :]]
            ways[:, np.arange(free.shape[1]), np.arange(free.shape[1])] = -1  # a tile to itself comes first: left out
            ways = np.sort(ways, axis=2)[:, :, 1 : len(left)]
            heavy = weights[np.ix_(left, left)].copy()
            np.fill_diagonal(heavy, np.inf)
            heavy = -np.sort(-heavy, axis=1)[:, 1:]
            costs += ways @ heavy.T
        least = costs.min(axis=1, keepdims=True)
        found = least.sum(axis=(1, 2))
        if len(left) == free.shape[1]:  # every tile is taken
            found += (costs - least).min(axis=2).sum(axis=1)
        return np.asarray(found)


def _order(weights: np.ndarray, alone: np.ndarray) -> np.ndarray:
    """The cluster of the most traffic to those before it, or to the host, comes next; of equal ones that of the most
    traffic at all."""
    both = weights + weights.T
    joined, total = alone.max(axis=1, initial=0.0), both.sum(axis=1)
    order: list[int] = []
    left = list(range(len(weights)))
    while left:
        order.append(max(left, key=lambda n: (joined[n], total[n])))
        left.remove(order[-1])
        joined = joined + both[order[-1]]
    return np.array(order, dtype=np.int64)
