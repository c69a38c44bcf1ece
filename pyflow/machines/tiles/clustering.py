# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Clusters of neurons, and what makes a set of them legal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from pyflow.errors import VolleyError
from pyflow.machines.tiles.arrays import Lists, lists
from pyflow.machines.tiles.connectome import Connectome
from pyflow.machines.tiles.quotient import HOST, Quotient
from pyflow.machines.tiles.tile import Need, Tile


@dataclass(frozen=True, slots=True, eq=False)
class Cluster:
    """What one context of a tile computes: of `neurons` the sums over those of their synapses whose source is among
    `axons`. Both int64, ascending; axons and neurons are numbered as in Connectome."""

    axons: np.ndarray
    neurons: np.ndarray


@dataclass(frozen=True, eq=False)
class Clustering:
    """A connectome cut into clusters. Of a neuron in several of them the last one is its home, which fires. Each of the
    others sends its partial sum to the next, in their order here. A synapse is in the first of its neuron's clusters
    that has its axon."""

    connectome: Connectome
    tile: Tile
    clusters: tuple[Cluster, ...]

    def __len__(self) -> int:
        return len(self.clusters)

    @cached_property
    def axons(self) -> Lists:
        """Of each cluster."""
        return lists([cluster.axons for cluster in self.clusters])

    @cached_property
    def neurons(self) -> Lists:
        """Of each cluster, by their number as a source."""
        return lists([cluster.neurons for cluster in self.clusters])

    @cached_property
    def parts(self) -> Lists:
        """Clusters that each source is in, ascending; none of an input."""
        return self.neurons.inverted(self.connectome.sources)

    @cached_property
    def home(self) -> np.ndarray:
        """Cluster in which each source fires, HOST of inputs: int64 [sources]."""
        home = np.full(self.connectome.sources, HOST)
        held = self.parts.sizes > 0
        home[held] = self.parts.values[self.parts.starts[1:][held] - 1]
        return home

    @property
    def copies(self) -> int:
        """Axons over all clusters: places of event lists, and spikes that are delivered if every source fires."""
        return len(self.axons.values)

    @property
    def delivered(self) -> float:
        """Spikes that clusters take in a step, on average."""
        return float(self.connectome.rates[self.axons.values // 2].sum())

    @cached_property
    def quotient(self) -> Quotient:
        """The graph of clusters, with what crosses each edge in a step."""
        axons, target = self.axons.values, self.axons.owners
        source = self.home[axons // 2]
        spikes = self._merged(source, target, axons % 2, self.connectome.rates[axons // 2], sums=False)
        split = self.parts.take(np.flatnonzero(self.parts.sizes > 1))
        same = split.owners[1:] == split.owners[:-1]
        passed = (split.values[:-1][same], split.values[1:][same])
        partial = self._merged(*passed, np.zeros(len(passed[0]), np.int64), np.zeros(len(passed[0])), sums=True)
        both = [np.concatenate(pair) for pair in zip(spikes, partial, strict=True)]
        order = np.lexsort((both[5] > 0, both[2], both[1], both[0]))
        return Quotient(len(self), *(values[order] for values in both))

    def _merged(
        self, source: np.ndarray, target: np.ndarray, tokens: np.ndarray, rates: np.ndarray, *, sums: bool
    ) -> tuple[np.ndarray, ...]:
        """Fields of Quotient from one entry per neuron that crosses."""
        key = ((source + 1) * len(self) + target) * 2 + tokens
        edges, first, which, count = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
        zero = np.zeros(len(edges), np.int64)
        rate = np.bincount(which, rates, len(edges))
        return source[first], target[first], tokens[first], zero if sums else count, rate, count if sums else zero

    @cached_property
    def needs(self) -> tuple[Need, ...]:
        """What each cluster asks of a tile."""
        net, quotient = self.connectome, self.quotient
        wide = net.fan_in.sizes[net.group]
        flits = np.where(quotient.sums > 0, quotient.sums + 1, 0)
        into = np.bincount(quotient.target, flits, len(self)).astype(np.int64)
        inside = quotient.source != HOST
        out = np.bincount(quotient.source[inside], flits[inside], len(self)).astype(np.int64)
        return tuple(
            Need(
                len(cluster.axons),
                len(cluster.neurons),
                int(wide[cluster.neurons - net.inputs].max(initial=0)),
                net.weight_bits,
                net.word_bits,
                int(into[n]),
                int(out[n]),
            )
            for n, cluster in enumerate(self.clusters)
        )

    @property
    def utilisation(self) -> float:
        """Share of the crosspoints of as many tiles that hold a synapse."""
        return self.connectome.synapses / max(1, len(self) * self.tile.crosspoints)

    def check(self) -> None:
        """Raises VolleyError where the clustering is not legal, with all that is wrong: see problems()."""
        found = list(self.problems())
        if found:
            more = f"; and {len(found) - 3:,} more" if len(found) > 3 else ""
            raise VolleyError(f"{self.connectome.name}: clustering is not legal: {'; '.join(found[:3])}{more}")

    @property
    def legal(self) -> bool:
        return next(self.problems(), None) is None

    def problems(self) -> Iterator[str]:
        """What makes it illegal. A clustering is legal if every synapse is in one cluster, each cluster fits a tile, no
        neuron has partial sums whose fan-in one tile holds, and no clusters wait for each other within a step."""
        yield from self._shape()
        for n, need in enumerate(self.needs):
            if over := self.tile.excess(need):
                yield f"cluster {n}: {'; '.join(map(str, over))}"
        yield from self._misplaced()
        if cycle := self.quotient.cycle():
            ring = " -> ".join(map(str, (*cycle, cycle[0])))
            yield f"clusters wait for each other within a time step: {ring}"

    def _shape(self) -> Iterator[str]:
        net = self.connectome
        for n, cluster in enumerate(self.clusters):
            for what, values, low, high in (
                ("axons", cluster.axons, 0, 2 * net.sources),
                ("neurons", cluster.neurons, net.inputs, net.sources),
            ):
                if values.ndim != 1 or (np.diff(values) <= 0).any():
                    raise VolleyError(f"{net.name}: cluster {n}: {what} are not in ascending order, each once")
                if len(values) and not (low <= values[0] and values[-1] < high):
                    raise VolleyError(f"{net.name}: cluster {n}: {what} are outside {low}..{high - 1}")
            if not len(cluster.neurons):
                yield f"cluster {n} has no neurons"
        for neuron in np.flatnonzero(self.home[net.inputs :] == HOST)[:1] + net.inputs:
            yield f"neuron {net.title(neuron)} is in no cluster"

    def _misplaced(self) -> Iterator[str]:
        """Synapses that are in no cluster, axons that nobody reads, partial sums that need not be."""
        net = self.connectome
        left: dict[int, np.ndarray] = {}
        for n, (cluster, whole, parts) in enumerate(self._shares(left)):
            group = net.group[cluster.neurons - net.inputs]
            read = net.fan_in.take(np.unique(group[whole]))
            gone = read.owners[~np.isin(read.values, cluster.axons)]
            if gone.size:
                torn = cluster.neurons[whole & (group == np.unique(group[whole])[gone[0]])]
                yield f"cluster {n}: synapses of neuron {net.title(torn[0])} are in no cluster"
            for neuron, here in parts.items():
                if not here.size:
                    yield f"cluster {n}: holds no synapse of neuron {net.title(neuron)}, which others hold"
            unread = np.setdiff1d(cluster.axons, np.concatenate([read.values, *parts.values()]))
            if unread.size:
                yield f"cluster {n}: no neuron of it reads axon {net.title(unread[0] // 2)}"
        for neuron, axons in left.items():
            count = len(net.fan_in[net.group[neuron - net.inputs]])
            if axons.size:
                yield f"neuron {net.title(neuron)}: synapses from {net.title(axons[0] // 2)} are in no cluster"
            if count <= self.tile.widest:
                yield f"neuron {net.title(neuron)}: partial sums of {count} axons, which one tile holds"

    def _shares(self, left: dict[int, np.ndarray]) -> Iterator[tuple[Cluster, np.ndarray, dict[int, np.ndarray]]]:
        """(cluster; which of its neurons are in no other; of the others, by number, the axons whose synapses are in
        it) of each in turn. left: is filled with the axons of such neurons that are in no cluster so far."""
        net, split = self.connectome, self.parts.sizes > 1
        for cluster in self.clusters:
            whole = ~split[cluster.neurons]
            parts: dict[int, np.ndarray] = {}
            for neuron in cluster.neurons[~whole].tolist():
                open_yet = left.get(neuron, net.fan_in[net.group[neuron - net.inputs]])
                here = np.isin(open_yet, cluster.axons)
                parts[neuron], left[neuron] = open_yet[here], open_yet[~here]
            yield cluster, whole, parts

    def tidied(self) -> Clustering:
        """Without the axons that a cluster has for a neuron in parts whose synapses are in an earlier one, and without
        the parts that are then empty."""
        net = self.connectome
        clusters = []
        for cluster, whole, parts in self._shares({}):
            read = net.fan_in.take(np.unique(net.group[cluster.neurons[whole] - net.inputs])).values
            kept = [*cluster.neurons[whole].tolist(), *(neuron for neuron, here in parts.items() if here.size)]
            if kept:
                axons = np.unique(np.concatenate([read, *parts.values()]))
                clusters.append(Cluster(axons, np.sort(np.array(kept, np.int64))))
        return replace(self, clusters=tuple(clusters))


def of_neurons(connectome: Connectome, tile: Tile, sets: Sequence[ArrayLike]) -> Clustering:
    """A clustering without partial sums: each set of neurons with all that it reads."""
    group = connectome.group
    clusters = []
    for held in sets:
        neurons = np.sort(np.asarray(held, np.int64))
        read = connectome.fan_in.take(np.unique(group[neurons - connectome.inputs])).values
        clusters.append(Cluster(np.unique(read), neurons))
    return Clustering(connectome, tile, tuple(clusters))
