# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Clusterings: legal ones, against brute force, and the baseline. Every one that is made is checked twice."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from pyflow.errors import VolleyError
from pyflow.machines.tiles import (
    Clustering,
    Goal,
    Tile,
    cluster,
    from_fan_ins,
    from_network,
    of_neurons,
    packed,
    song,
    square,
)
from pyflow.machines.tiles import pieces as pieces_of
from tests.unit.tiles import brute_force
from tests.unit.tiles.nets import axons, branches, convolutions, random_connectome, recurrent

SMALL = Tile(lanes=2, rows=12, axons=8, neurons=8, contexts=3)


def checked(clustering: Clustering) -> Clustering:
    """Legal by pyflow's own words and by another reading of them."""
    clustering.check()
    brute_force.check(clustering)
    return clustering


def dense(*sizes):
    rows, first = [], 0
    for size, following in pairwise(sizes):
        rows += [axons(*range(first, first + size))] * following
        first += size
    return from_fan_ins("dense", sizes[0], rows)


@pytest.mark.parametrize("goal", Goal)
@pytest.mark.parametrize("build", [convolutions, branches, recurrent])
def test_networks(build, goal):
    for tile in (Tile(), SMALL, square(9)):
        tile = replace(tile, word_bits=2)
        plain = checked(cluster(from_network(build()), tile, goal))
        refined = checked(cluster(from_network(build()), tile, goal, rounds=5))
        if goal is Goal.CLUSTERS:
            assert (len(refined), refined.copies) <= (len(plain), plain.copies)


@pytest.mark.parametrize("seed", range(40))
def test_random_connectomes(seed):
    net = random_connectome(seed)
    tile = [Tile(), SMALL, square(6), Tile(lanes=4, rows=9, axons=9, neurons=5, flits=4)][seed % 4]
    for goal in Goal:
        clustering = checked(cluster(net, tile, goal, rounds=seed % 3))
        tiles = packed(clustering)
        assert sorted(n for held in tiles for n in held) == list(range(len(clustering)))
        assert all(tile.fits(*(clustering.needs[n] for n in held)) for held in tiles)
        assert np.isclose(clustering.delivered, sum(net.rates[c.axons // 2].sum() for c in clustering.clusters))


def test_the_same_arguments_give_the_same_clusters():
    def shown(seed):
        found = cluster(random_connectome(3), SMALL, rounds=4, seed=seed)
        return [(c.axons.tolist(), c.neurons.tolist()) for c in found.clusters]

    assert shown(0) == shown(0)


def test_few_neurons_against_every_partition():
    """Never better than the best, and at most one cluster more; how often it is the best is counted."""
    equal, clusters = 0, 0
    for seed in range(40):
        net = random_connectome(100 + seed, 7)
        tile = [Tile(lanes=2, rows=6, axons=6, neurons=4), square(4)][seed % 2]
        if net.fan_in.sizes.max() > tile.widest:
            continue
        clustering = checked(cluster(net, tile, rounds=20))
        found, best = (len(clustering), clustering.copies), brute_force.best(net, tile)
        assert best <= found
        assert found[0] <= best[0] + 1
        equal += found == best
        clusters += 1
    assert clusters >= 30
    assert equal >= 0.8 * clusters, f"{equal} of {clusters}"


@pytest.mark.parametrize("seed", range(30))
def test_legality_against_every_way_to_cut(seed):
    """Random sets of neurons: legal exactly where the graph of clusters has no circle."""
    net, rng = random_connectome(200 + seed, 12), np.random.default_rng(seed)
    for count in range(1, 6):
        place = rng.integers(0, count, net.neurons)
        sets = [np.flatnonzero(place == n) + net.inputs for n in range(count) if (place == n).any()]
        clustering = of_neurons(net, Tile(), sets)
        assert clustering.legal != brute_force.waits_in_a_circle(net, [held.tolist() for held in sets])


def test_a_dense_layer_takes_no_more_than_its_share():
    """784-100-10 of docs/tiles.md: 16 neurons to a tile, and the output beside the last four."""
    clustering = checked(cluster(dense(784, 100, 10), Tile()))
    assert [len(c.neurons) for c in clustering.clusters] == [16] * 6 + [4, 10]
    assert (clustering.copies, len(packed(clustering))) == (7 * 784 + 100, 7)


def test_a_fan_in_beyond_a_tile_takes_partial_sums():
    net = dense(300, 40, 5)
    clustering = checked(cluster(net, Tile(lanes=4, rows=128, axons=128)))
    parts = clustering.parts.sizes
    assert set(parts[net.inputs : net.inputs + 40].tolist()) == {3}
    assert set(parts[net.inputs + 40 :].tolist()) == {1}
    edges = clustering.quotient
    assert ((edges.most_flits == edges.sums + 1) | (edges.sums == 0)).all()
    for need in clustering.needs:
        assert need.flits_in in (0, need.neurons + 1)
        assert need.flits_out in (0, need.neurons + 1)
    with pytest.raises(VolleyError, match="a fan-in of 300 is above the 128 axons of a tile, and partial sums take 2"):
        cluster(net, Tile(lanes=4, rows=128, axons=128, flits=1))
    narrow = checked(cluster(net, Tile(lanes=4, rows=128, axons=128, flits=3)))
    assert max(need.neurons for need in narrow.needs if need.flits_in) == 2


def test_a_reshaped_cluster_is_preferred_to_partial_sums():
    assert (cluster(dense(128, 16), square(128)).parts.sizes <= 1).all()
    assert (cluster(dense(1024, 40), Tile()).parts.sizes <= 1).all()
    assert (cluster(dense(1025, 40), Tile()).parts.sizes[1025:] == 2).all()


def test_small_clusters_of_different_layers_merge_where_nothing_waits_in_a_circle():
    """Two chains of three layers: only clusters of different chains, or of the same layer, may become one."""
    net = from_fan_ins("chains", 2, [axons(0), axons(1), axons(2), axons(3), axons(4), axons(5)])
    assert len(checked(cluster(net, Tile()))) == 3
    skip = from_fan_ins("skip", 1, [axons(0), axons(1), axons(0), axons(2, 3)])
    assert len(checked(cluster(skip, Tile()))) == 3
    apart = from_fan_ins("apart", 3, [axons(0), axons(3), axons(4), axons(1, 2)])
    assert len(checked(cluster(apart, Tile(rows=3)))) == 3


def test_neurons_that_read_nothing():
    net = from_fan_ins("idle", 1, [axons(), axons(0), axons(1, 2), axons()])
    assert sum(len(held.neurons) for held in checked(cluster(net, Tile())).clusters) == 4
    assert sum(len(held.neurons) for held in song(net, 4, 2).clusters) == 4


def test_large_stages_are_cut_into_neighbourhoods(monkeypatch):
    monkeypatch.setattr(pieces_of, "REGION", 7)
    for seed in range(5):
        checked(cluster(random_connectome(seed), SMALL, rounds=1))
    found = checked(cluster(from_network(convolutions()), SMALL))
    assert len(found) >= 10


def test_what_no_cluster_can_hold_is_said():
    net = dense(5000, 2)
    with pytest.raises(VolleyError, match=r"dense does not fit a tile: fan-in: needs 5,000, a tile has 4,681"):
        cluster(net, Tile())
    with pytest.raises(VolleyError, match="weight bits: needs 8, a tile has 4"):
        cluster(replace(net, weight_bits=8), Tile(potential_bits=20))
    ring = from_fan_ins("ring", 1, [axons(2), axons(1)])
    with pytest.raises(VolleyError, match="ring: neurons wait for each other within a time step"):
        cluster(ring, Tile())
    with pytest.raises(VolleyError, match="goal 'speed' is unknown; use clusters or tiles"):
        cluster(net, Tile(), "speed")
    with pytest.raises(VolleyError, match="rounds = -1 must be a whole number"):
        cluster(net, Tile(), rounds=-1)


# ---------------------------------------------------------------------- the baseline
def test_the_baseline_gives_the_published_counts():
    """What the authors' code makes of 784-100-10: 601 clusters with F = 127, 520 with F = 2. And two layers in one
    cluster, which then waits for itself."""
    net = dense(784, 100, 10)
    assert [len(song(net, 128, fan_in)) for fan_in in (127, 2)] == [601, 520]
    clustering = song(net)
    assert not clustering.legal
    assert all(clustering.tile.fits(need) for need in clustering.needs)


@pytest.mark.parametrize("seed", range(20))
def test_the_baseline_loses_no_synapse(seed):
    """Every input reaches its neuron over the chain, once; without a circle it is legal, with one it is not."""
    net = random_connectome(seed)
    clustering = song(net, 9, 2 + seed % 4)
    units = clustering.connectome
    chained = {n: set(units.fan_in[g].tolist()) for n, g in enumerate(units.group, units.inputs)}
    homes = [held.tolist() for held in (cluster.neurons for cluster in clustering.clusters)]
    assert clustering.legal != brute_force.waits_in_a_circle(units, homes)
    assert units.neurons - net.neurons == sum(len(held) for held in homes) - net.neurons
    assert units.synapses == net.synapses + units.neurons - net.neurons
    assert all(len(read) <= 9 for read in chained.values())


def test_the_baseline_refuses_a_chain_that_does_not_end():
    for fan_in in (1, 129):
        with pytest.raises(VolleyError, match=f"song: fan_in = {fan_in} must be 2 to 128"):
            song(dense(4, 2), 128, fan_in)
