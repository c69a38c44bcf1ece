# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A clustering on tiles as a system: contexts, what they read of each other, and the host's ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pyflow.machines.tiles.binding import bind, projected, unread
from pyflow.machines.tiles.clustering import Clustering
from pyflow.machines.tiles.flits import Spikes
from pyflow.machines.tiles.flows import Flow, flows, loads, relieved
from pyflow.machines.tiles.guarantee import best_slots
from pyflow.machines.tiles.quotient import HOST
from pyflow.machines.tiles.system import Connection, Context, Role, System, Times, Unit
from pyflow.machines.tiles.topology import Topology

TRIES, TRIED_WHEELS, TRIED_CREDITS = 60, (64, 128), (1, 2)


def mapped(
    clustering: Clustering, tile: np.ndarray, topology: Topology, times: Times | None = None, *, room: int = 512,
    all_delayed: bool = False,
) -> System:  # fmt: skip
    """Contexts 0 .. clusters - 1 are the clusters, then come the source and the sink. tile: [clusters].
    all_delayed: each cluster reads what others sent a step before, for clusterings whose clusters wait for each other
    within a step."""
    contexts, connections = _contexts(clustering, all_delayed)
    count, inputs = len(clustering), clustering.connectome.inputs
    order = list(range(count)) if all_delayed else clustering.quotient.order()
    units = [Unit(at, turns) for at, turns in projected(order, tile).items()]
    # The host sends one step while it encodes the next.
    units += [Unit(topology.host, (count,), max(room, 2 * (inputs + 1))), Unit(topology.host, (count + 1,))]
    return System(topology, tuple(contexts), tuple(connections), tuple(units), times or Times(), room)


def bind_for_rate(clustering: Clustering, topology: Topology, *, seed: int = 0) -> np.ndarray:
    """[clusters] tile of each: as bind(), then with what takes flits off the busiest link."""
    every = _flows(clustering)
    node = [*bind(clustering, topology, seed=seed).tolist(), topology.host, topology.host]
    return np.array(relieved(topology, every, node, seed=seed)[: len(clustering)])


def bind_by_guarantee(
    clustering: Clustering, topology: Topology, caps: Sequence[int], times: Times | None = None, *, seed: int = 0,
    tries: int = TRIES,
) -> np.ndarray:  # fmt: skip
    """[clusters] tile of each: the least product of guaranteed period and flits over links. A third of the tries are by
    chance, the others exchange tiles of the best one, which is at first that of bind_for_rate(). caps: of each context
    of mapped(). tries: some 50 ms of CPU each."""
    rng, every = np.random.default_rng(seed), _flows(clustering)
    best = bind_for_rate(clustering, topology, seed=seed)
    start = mapped(clustering, best, topology, times)
    shared = [np.flatnonzero(best == tile) for tile in np.unique(best)]

    def cost(tile: np.ndarray) -> float:
        node = [*tile.tolist(), topology.host, topology.host]
        units = tuple(replace(unit, node=node[unit.order[0]]) for unit in start.units)
        _, promised = best_slots(replace(start, units=units), caps, TRIED_WHEELS, TRIED_CREDITS)
        return float(promised.period) * sum(loads(topology, every, node).values())

    least = cost(best)
    for count in range(tries if topology.tiles > 1 else 0):
        tried = best.copy()
        if count < tries // 3:
            nodes = rng.permutation(topology.tiles)[: len(shared)]
            for clusters, node in zip(shared, nodes.tolist(), strict=True):
                tried[clusters] = node
        else:
            one, other = int(best[rng.integers(len(best))]), int(rng.integers(topology.tiles))
            tried[best == one], tried[best == other] = other, one
        found = cost(tried)
        if found < least:
            best, least = tried, found
    return best


def _flows(clustering: Clustering) -> list[Flow]:
    """By the connectome's rates; contexts as of mapped()."""
    net = clustering.connectome
    rates = [net.rates[cluster.neurons] for cluster in clustering.clusters]
    return flows(*_contexts(clustering, all_delayed=False), [*rates, net.rates[: net.inputs], np.zeros(0)])


def _contexts(clustering: Clustering, all_delayed: bool) -> tuple[list[Context], list[Connection]]:
    source, sink = len(clustering), len(clustering) + 1
    contexts = [Context(f"c{n}", len(cluster.neurons)) for n, cluster in enumerate(clustering.clusters)]
    contexts.append(Context("input", max(1, clustering.connectome.inputs), Role.SOURCE))
    contexts.append(Context("answer", 0, Role.SINK))
    connections = _spikes(clustering, source, all_delayed) + _sums(clustering, all_delayed)
    silent = unread(clustering)
    for n in np.unique(clustering.home[silent]).tolist():
        connections.append(Connection(n, sink, _places(clustering, n, silent[clustering.home[silent] == n])))
    return contexts, connections


def _places(clustering: Clustering, cluster: int, neurons: np.ndarray) -> np.ndarray:
    """Of neurons in a cluster: which of its neurons they are."""
    return np.searchsorted(clustering.clusters[cluster].neurons, neurons)


def _spikes(clustering: Clustering, host: int, all_delayed: bool) -> list[Connection]:
    """One for each cluster that another one reads, with and without a delay."""
    found: list[Connection] = []
    for target, cluster in enumerate(clustering.clusters):
        home = clustering.home[cluster.axons // 2]
        delay = cluster.axons % 2
        if all_delayed:
            delay = np.where(home == HOST, delay, 1)
        for of, late in np.unique(np.stack([home, delay], axis=1), axis=0).tolist():
            read = np.unique(cluster.axons[(home == of) & (delay == late)] // 2)
            places = read if of == HOST else _places(clustering, of, read)
            found.append(Connection(host if of == HOST else of, target, places, late))
    return found


def _sums(clustering: Clustering, all_delayed: bool) -> list[Connection]:
    """From each part of a neuron to the next one."""
    split = clustering.parts.take(np.flatnonzero(clustering.parts.sizes > 1))
    neurons = np.flatnonzero(clustering.parts.sizes > 1)[split.owners]
    same = split.owners[1:] == split.owners[:-1]
    rows = np.stack([split.values[:-1][same], split.values[1:][same], neurons[:-1][same]], axis=1)
    found = []
    for source, target in np.unique(rows[:, :2], axis=0).tolist():
        passed = rows[(rows[:, 0] == source) & (rows[:, 1] == target), 2]
        found.append(Connection(source, target, _places(clustering, source, passed), int(all_delayed), sums=True))
    return found


def drawn(clustering: Clustering, steps: int, frame: int, seed: int = 0) -> Spikes:
    """Spikes by chance, of the connectome's rates; a neuron spikes once in a step at most. frame: steps of one."""
    net = clustering.connectome
    return fired(clustering, np.random.default_rng(seed).random((steps, net.sources)) < net.rates, frame)


def fired(clustering: Clustering, trains: np.ndarray, frame: int) -> Spikes:
    """Spikes of a run of the network. trains: bool [steps, sources]. frame: steps of one."""
    steps = len(trains)
    rows: list[list[np.ndarray]] = []
    for n, cluster in enumerate(clustering.clusters):
        own = clustering.home[cluster.neurons] == n
        rows.append([np.flatnonzero(trains[step, cluster.neurons] & own) for step in range(steps)])
    inputs = clustering.connectome.inputs
    rows.append([np.flatnonzero(trains[step, :inputs]) for step in range(steps)])
    rows.append([np.zeros(0, dtype=np.int64)] * steps)
    return Spikes(rows, frozenset(range(frame - 1, steps, frame)))
