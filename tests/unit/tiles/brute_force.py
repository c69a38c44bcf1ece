# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Legality and the best clustering by trying everything, with nothing of pyflow's own code but the lists of axons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import networkx

from pyflow.machines.tiles import Clustering, Connectome, Tile


def fan_ins(net: Connectome) -> dict[int, set[int]]:
    return {net.inputs + n: set(net.fan_in[group].tolist()) for n, group in enumerate(net.group)}


def waits_in_a_circle(net: Connectome, sets: Sequence[Sequence[int]]) -> bool:
    """Do clusters of whole neurons wait for each other within a step?"""
    home = {neuron: n for n, held in enumerate(sets) for neuron in held}
    graph = networkx.DiGraph()
    for neuron, read in fan_ins(net).items():
        for axon in read:
            if axon % 2 == 0 and axon // 2 >= net.inputs:
                graph.add_edge(home[axon // 2], home[neuron])
    return not networkx.is_directed_acyclic_graph(graph)


def partitions(things: Sequence[int]) -> Iterator[list[list[int]]]:
    if not things:
        yield []
        return
    for smaller in partitions(things[1:]):
        for n in range(len(smaller)):
            yield [*smaller[:n], [things[0], *smaller[n]], *smaller[n + 1 :]]
        yield [[things[0]], *smaller]


def fits(tile: Tile, axons: int, neurons: int) -> bool:
    rows = axons * ((neurons + tile.lanes - 1) // tile.lanes)
    return axons <= tile.axons and neurons <= tile.neurons and rows <= tile.rows


def best(net: Connectome, tile: Tile) -> tuple[int, int]:
    """(clusters, copies of axons) of the best legal clustering without partial sums, in that order."""
    read, found = fan_ins(net), (10**9, 0)
    for sets in partitions(sorted(read)):
        axons = [set().union(*(read[neuron] for neuron in held)) for held in sets]
        score = (len(sets), sum(map(len, axons)))
        if score >= found or not all(fits(tile, len(a), len(h)) for a, h in zip(axons, sets, strict=True)):
            continue
        if not waits_in_a_circle(net, sets):
            found = score
    return found


def check(clustering: Clustering) -> None:
    """Is every synapse in one cluster, does each fit, does nothing wait in a circle? Partial sums included."""
    net, tile = clustering.connectome, clustering.tile
    left, whole = fan_ins(net), fan_ins(net)
    homes: dict[int, list[int]] = {neuron: [] for neuron in left}
    for n, cluster in enumerate(clustering.clusters):
        axons = set(cluster.axons.tolist())
        assert fits(tile, len(axons), len(cluster.neurons))
        read = set()
        for neuron in cluster.neurons.tolist():
            here = axons & left[neuron]
            assert here or not whole[neuron], "a neuron without synapses"
            read |= here
            left[neuron] -= here
            homes[neuron].append(n)
        assert read == axons, "an axon that nothing reads"
    assert not any(left.values()), "a synapse is nowhere"
    graph = networkx.DiGraph()
    for neuron, places in homes.items():
        fan_in = net.fan_in[net.group[neuron - net.inputs]]
        assert places
        assert len(places) == 1 or len(fan_in) > min(tile.axons, tile.rows), "partial sums without need"
        graph.add_edges_from(pairwise(places))
    for n, cluster in enumerate(clustering.clusters):
        now = [axon // 2 for axon in cluster.axons.tolist() if axon % 2 == 0 and axon // 2 >= net.inputs]
        graph.add_edges_from((homes[source][-1], n) for source in now)
    assert networkx.is_directed_acyclic_graph(graph), "clusters wait in a circle"
