# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What makes a clustering legal, and the graph of its clusters."""

import numpy as np
import pytest

from pyflow.errors import VolleyError
from pyflow.machines.tiles import HOST, Cluster, Clustering, Tile, from_fan_ins, of_neurons


def axons(*sources, late=()):
    """Numbers of axons: of sources in the same step, and in the step before."""
    return np.sort(np.array([2 * s for s in sources] + [2 * s + 1 for s in late], np.int64))


def chain():
    """Inputs 0 and 1; 2 and 3 read both; 4 reads 2, and 3 a step late; 5 reads 4 and itself a step late."""
    both = axons(0, 1)
    return from_fan_ins("chain", 2, [both, both, axons(2, late=(3,)), axons(4, late=(5,))])


TILE = Tile()


def said(clusters, tile=TILE, net=None):
    return "; ".join(Clustering(net or chain(), tile, tuple(clusters)).problems())


def test_groups_and_levels():
    net = chain()
    assert (net.neurons, net.sources, net.synapses) == (4, 6, 8)
    assert net.group.tolist() == [0, 0, 1, 2]
    assert net.levels.tolist() == [1, 2, 3]
    assert net.members[0].tolist() == [2, 3]
    assert net.readers[4].tolist() == [1]
    assert net.readers[7].tolist() == [1]


def test_neurons_that_wait_for_each_other_are_named():
    net = from_fan_ins("ring", 1, [axons(0, 3), axons(1), axons(2), axons(3)])
    with pytest.raises(VolleyError, match=r"ring: neurons wait .* \(1 -> 2 -> 3 -> 1\); delay one of these synapses"):
        _ = net.levels


def test_the_quotient_has_what_crosses():
    net = chain().with_rates(np.array([0.5, 0.25, 0.1, 0.2, 0.3, 0.4]))
    found = of_neurons(net, TILE, [[2, 3], [4, 5]]).quotient
    edges = list(zip(found.source, found.target, found.tokens, found.axons, found.rate.round(9), strict=True))
    assert edges == [(HOST, 0, 0, 2, 0.75), (0, 1, 0, 1, 0.1), (0, 1, 1, 1, 0.2), (1, 1, 0, 1, 0.3), (1, 1, 1, 1, 0.4)]
    assert found.most_flits.tolist() == [3, 2, 2, 2, 2]
    assert found.flits[0] == 1.75


@pytest.mark.parametrize(
    ("sets", "ring"),
    [
        ([[2, 3], [4], [5]], None),
        ([[2], [3, 4], [5]], None),  # 4 reads 3 of the step before
        ([[2, 4], [3], [5]], "0 -> 0"),
        ([[2, 3], [4, 5]], "1 -> 1"),
        ([[2, 5], [3], [4]], "0 -> 2 -> 0"),
    ],
)
def test_a_circle_within_a_step_is_not_legal(sets, ring):
    clustering = of_neurons(chain(), TILE, sets)
    assert clustering.legal == (ring is None)
    if ring:
        with pytest.raises(VolleyError, match=f"chain: clustering is not legal: clusters wait .*: {ring}$"):
            clustering.check()


def test_every_synapse_is_in_one_cluster():
    first, rest = Cluster(axons(0, 1), np.array([2, 3])), Cluster(axons(2, late=(3,)), np.array([4]))
    last = Cluster(axons(4, late=(5,)), np.array([5]))
    assert said([first, rest, last]) == ""
    assert said([first, rest]) == "neuron 5 is in no cluster"
    torn = Cluster(axons(2), np.array([4]))
    assert said([first, torn, last]) == "cluster 1: synapses of neuron 4 are in no cluster"
    idle = Cluster(axons(1, 2, late=(3,)), np.array([4]))
    assert said([first, idle, last]) == "cluster 1: no neuron of it reads axon 1"
    assert said([first, rest, last, Cluster(axons(), np.array([], np.int64))]) == "cluster 3 has no neurons"
    with pytest.raises(VolleyError, match="cluster 0: neurons are not in ascending order"):
        said([Cluster(axons(0, 1), np.array([3, 2])), rest, last])
    with pytest.raises(VolleyError, match=r"cluster 0: neurons are outside 2\.\.5"):
        said([Cluster(axons(0, 1), np.array([1, 2])), rest, last])


def test_partial_sums_are_each_synapse_once_and_only_where_no_tile_holds_them():
    net = from_fan_ins("wide", 5, [axons(0, 1, 2, 3, 4)])
    five = np.array([5])
    halves = [Cluster(axons(0, 1, 2), five), Cluster(axons(3, 4), five)]
    small = Tile(rows=3, axons=3)
    assert said(halves, small, net) == ""
    assert "partial sums of 5 axons, which one tile holds" in said(halves, TILE, net)
    twice = [Cluster(axons(0, 1, 2), five), Cluster(axons(2, 3, 4), five)]
    assert said(twice, small, net) == "cluster 1: no neuron of it reads axon 2"
    assert said([twice[0], Cluster(axons(3), five)], small, net) == "neuron 5: synapses from 4 are in no cluster"
    again = [*halves, Cluster(axons(4), five)]
    assert said(again, small, net).startswith(
        "cluster 2: holds no synapse of neuron 5, which others hold; cluster 2: no"
    )
    left = Clustering(net, small, tuple(again)).tidied()
    assert [cluster.axons.tolist() for cluster in left.clusters] == [[0, 2, 4], [6, 8]]
    quotient = Clustering(net, small, tuple(halves)).quotient
    assert (quotient.source[-1], quotient.target[-1], quotient.sums[-1], quotient.most_flits[-1]) == (0, 1, 1, 2)
    needs = Clustering(net, small, tuple(halves)).needs
    assert (needs[0].flits_out, needs[1].flits_in, needs[0].fan_in) == (2, 2, 5)
    assert "flits out: needs 2, a tile has 1, 1 too few" in said(halves, Tile(rows=3, axons=3, flits=1), net)


def test_rates_are_refused_by_line():
    for wrong in ([1.0] * 5, [-1.0] * 6, [float("nan")] * 6):
        with pytest.raises(VolleyError, match="chain: rates must be 6 numbers, 0 or more, one per source"):
            chain().with_rates(np.array(wrong))
