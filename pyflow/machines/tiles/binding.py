# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Which clusters share which tile, and in which order they take turns there.

`bind` packs clusters to tiles and places the tiles: fewest hops. `bind_by_cost` is SDF3's way (Stuijk, Basten, Geilen
and Corporaal, DAC 2007), the baseline: the most critical cluster first, each to the tile of the least cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pyflow.errors import VolleyError
from pyflow.machines.tiles.bounds import optimum
from pyflow.machines.tiles.clustering import Clustering
from pyflow.machines.tiles.packing import packed
from pyflow.machines.tiles.placement import Traffic, place
from pyflow.machines.tiles.quotient import HOST, Quotient
from pyflow.machines.tiles.system import Times
from pyflow.machines.tiles.topology import Topology

MILLI = 1000  # traffic is counted in thousandths of a flit per step
FEW_TILES = 9  # on so many the best placement is proven

Fits = Callable[[Sequence[int]], bool]  # do these clusters fit one tile together?


@dataclass(frozen=True, slots=True)
class Prices:
    """Of a tile's loads, each a share of what it has: of the mean work of a step, of the flits that a link carries in
    it. Those of the neuromorphic example of SDF3's flow."""

    processor: float = 1.0
    bandwidth: float = 4.0
    flits: int = 96


def traffic_of(quotient: Quotient, group: np.ndarray, groups: int, outputs: np.ndarray) -> Traffic:
    """Mean flits between groups of clusters, and with the host. group: [clusters]. outputs: [clusters] mean flits of
    each to the host."""
    at = np.append(group, groups)  # HOST is -1
    source = np.concatenate([at[quotient.source], group])
    target = np.concatenate([at[quotient.target], np.full(len(group), groups)])
    flits = np.concatenate([quotient.flits, outputs])
    return Traffic.of(groups, source, target, np.rint(MILLI * flits).astype(np.int64), host=1)


def to_host(clustering: Clustering) -> np.ndarray:
    """[clusters] mean flits per step to the host: spikes of neurons that nobody reads, and END."""
    net = clustering.connectome
    silent = unread(clustering)
    rates = np.bincount(clustering.home[silent], net.rates[silent], len(clustering))
    ends = np.bincount(clustering.home[silent], minlength=len(clustering)) > 0
    return np.asarray(rates + ends)


def unread(clustering: Clustering) -> np.ndarray:
    """Neurons that no other one reads: the answers of the network."""
    net = clustering.connectome
    read = np.zeros(net.sources, dtype=bool)
    read[net.fan_in.values // 2] = True
    read[: net.inputs] = True
    return np.flatnonzero(~read)


def bind(clustering: Clustering, topology: Topology, *, seed: int = 0) -> np.ndarray:
    """[clusters] tile of each: a tile of its own where there are enough, or else several to a tile where they fit;
    tiles that talk side by side. Raises VolleyError where the topology has too few tiles."""
    alone = len(clustering) <= topology.tiles
    groups = [[n] for n in range(len(clustering))] if alone else packed(clustering)
    if len(groups) > topology.tiles:
        raise VolleyError(
            f"{clustering.connectome.name}: {len(clustering)} clusters take {len(groups)} tiles, a {topology.name} has "
            f"{topology.tiles}, {len(groups) - topology.tiles} too few"
        )
    group = np.empty(len(clustering), dtype=np.int64)
    for n, clusters in enumerate(groups):
        group[clusters] = n
    traffic = traffic_of(clustering.quotient, group, len(groups), to_host(clustering))
    few = topology.tiles <= FEW_TILES
    found = optimum(traffic, topology, seed=seed) if few else place(traffic, topology, seed=seed)
    return np.asarray(found.node[group])


def bind_by_chance(clusters: int, topology: Topology, seed: int) -> np.ndarray:
    """[clusters] any tile of each, as many clusters on each as on the others."""
    rng = np.random.default_rng(seed)
    return np.asarray(rng.permutation(topology.tiles)[rng.permutation(clusters) % topology.tiles])


def bind_by_cost(
    clustering: Clustering, topology: Topology, times: Times, *, prices: Prices | None = None, fits: Fits | None = None
) -> np.ndarray:
    """[clusters] tile of each: the first of the least cost on which it fits. fits: None takes any number of clusters to
    a tile. Raises VolleyError where a cluster fits nowhere."""
    prices = prices or Prices()
    quotient, count = clustering.quotient, len(clustering)
    work = busy(clustering, times)
    mean = work.sum() / topology.tiles
    loads = np.zeros((2, topology.tiles))  # cycles, flits
    tile = np.full(count, -1)
    near = _neighbours(quotient, count)
    for cluster in _by_criticality(work, near):
        cost = prices.processor * (loads[0] + work[cluster]) / mean
        cost += prices.bandwidth * (loads[1] + _crossing(cluster, near, tile, topology.tiles)) / (2 * prices.flits)
        on = [n for n in np.argsort(cost, kind="stable").tolist()
              if fits is None or fits([*np.flatnonzero(tile == n).tolist(), cluster])]  # fmt: skip
        if not on:
            raise VolleyError(
                f"{clustering.connectome.name}: cluster {cluster} fits on no tile of a {topology.name} beside those "
                "that are there: more tiles, or smaller clusters"
            )
        tile[cluster] = on[0]
        loads[0, on[0]] += work[cluster]
        for other, flits in near[cluster]:
            if other == HOST or tile[other] not in (-1, on[0]):
                loads[1, on[0]] += flits
                if other != HOST:
                    loads[1, tile[other]] += flits
    return tile


def busy(clustering: Clustering, times: Times) -> np.ndarray:
    """[clusters] cycles of a mean step."""
    quotient = clustering.quotient
    events = np.bincount(quotient.target, np.where(quotient.sums > 0, 0, quotient.rate), len(clustering))
    return np.array([
        times.busy(len(cluster.neurons), round(of)) for cluster, of in zip(clustering.clusters, events, strict=True)
    ])  # fmt: skip


def _neighbours(quotient: Quotient, count: int) -> list[list[tuple[int, float]]]:
    """Of each cluster the others that it sends to or reads, with the flits."""
    near: list[list[tuple[int, float]]] = [[] for _ in range(count)]
    for source, target, flits in zip(quotient.source.tolist(), quotient.target.tolist(), quotient.flits, strict=True):
        if source != target:
            near[target].append((source, float(flits)))
            if source != HOST:
                near[source].append((target, float(flits)))
    return near


def _by_criticality(work: np.ndarray, near: list[list[tuple[int, float]]]) -> list[int]:
    """By the largest mean of a cycle through each. Of the cycles that two steps of buffers close, those through one
    cluster and one neighbour are looked at: longer ones are means of theirs."""
    mean = [max([float(own), *((own + work[n]) / 2 for n, _ in near[c] if n != HOST)]) for c, own in enumerate(work)]
    return sorted(range(len(work)), key=lambda n: (-mean[n], n))


def _crossing(cluster: int, near: list[list[tuple[int, float]]], tile: np.ndarray, tiles: int) -> np.ndarray:
    """[tiles] flits of a cluster with others, were it on that tile: those of the same tile cross nothing."""
    cross = np.zeros(tiles)
    for other, flits in near[cluster]:
        cross += flits
        if other != HOST and tile[other] >= 0:
            cross[tile[other]] -= flits
    return cross


def projected(order: Sequence[int], tile: np.ndarray) -> dict[int, tuple[int, ...]]:
    """Static orders: of each tile that holds any its clusters, in the order of all. order: of all clusters, each behind
    those that it waits for within a step; so no tile's order makes clusters wait in a circle."""
    found: dict[int, list[int]] = {}
    for cluster in order:
        found.setdefault(int(tile[cluster]), []).append(cluster)
    return {at: tuple(found[at]) for at in sorted(found)}
