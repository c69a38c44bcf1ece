# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Clusterings on tiles: who shares a tile, in which order, what a system of them reads, and its figures."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.tile_systems import late
from pyflow.errors import VolleyError
from pyflow.machines.tiles import Clustering, Connectome, Tile, from_fan_ins, of_neurons
from pyflow.machines.tiles.binding import Prices, bind, bind_by_chance, bind_by_cost, busy, projected, unread
from pyflow.machines.tiles.drawing import platform_svg, schedule_svg
from pyflow.machines.tiles.figures import CONSTANTS, figures, latency, link_loads
from pyflow.machines.tiles.flits import END, Run, Spikes, caps_of, run
from pyflow.machines.tiles.flows import Flow, flows, loads, relieved
from pyflow.machines.tiles.guarantee import best_slots, guarantee
from pyflow.machines.tiles.mapped import bind_by_guarantee, bind_for_rate, drawn, fired, mapped
from pyflow.machines.tiles.shared_axons import cluster
from pyflow.machines.tiles.slots import allocate
from pyflow.machines.tiles.song import song
from pyflow.machines.tiles.system import Connection, Context, Role, System, Times, Unit
from pyflow.machines.tiles.topology import Mesh, Ring, Topology

TILE = Tile(lanes=4, rows=64, axons=48, neurons=24)


def _net(seed: int = 0) -> Connectome:
    """20 inputs, 24 neurons that read inputs and each other a step later, 6 that read those."""
    rng = np.random.default_rng(seed)
    fan_ins = []
    for _ in range(24):
        now = 2 * rng.choice(20, 9, replace=False)
        before = 2 * (20 + rng.choice(24, 3, replace=False)) + 1
        fan_ins.append(np.sort(np.concatenate([now, before])))
    fan_ins += [np.sort(2 * (20 + rng.choice(24, 10, replace=False))) for _ in range(6)]
    net = from_fan_ins("net", 20, fan_ins)
    return net.with_rates(rng.random(net.sources) * 0.5)


def _trains(clustering: Clustering, steps: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((steps, clustering.connectome.sources)) < 0.4


@pytest.mark.parametrize("seed", range(4))
def test_a_cluster_reads_the_spikes_of_its_axons(seed: int) -> None:
    """Counted from the clusters' axons, whatever connections there are; state is empty where a frame begins."""
    clustering = cluster(_net(seed), TILE)
    trains, frame = _trains(clustering, 12, seed), 4
    topology: Topology = Mesh(3, 2) if seed % 2 else Ring(6)
    system = mapped(clustering, bind(clustering, topology), topology)
    found = run(system, allocate(system, [60] * len(system.contexts), 64), fired(clustering, trains, frame))
    before = np.vstack([np.zeros_like(trains[:1]), trains[:-1]])
    before[::frame] = False
    for n, of in enumerate(clustering.clusters):
        spikes = np.where(of.axons % 2, before[:, of.axons // 2], trains[:, of.axons // 2])
        assert found.events[n].tolist() == spikes.sum(axis=1).tolist()
    answers = unread(clustering)
    assert found.events[-1].tolist() == trains[:, answers].sum(axis=1).tolist()


def test_clusters_that_wait_in_a_circle_are_delayed() -> None:
    """The baseline's units read each other a step later, and sets of neurons on one cluster read themselves."""
    clustering = song(_net(), side=12, fan_in=11)
    trains = _trains(clustering, 6)
    mesh = Mesh(2, 2)
    system = mapped(clustering, bind_by_cost(clustering, mesh, Times()), mesh, all_delayed=True)
    found = run(system, allocate(system, [60] * len(system.contexts), 128), fired(clustering, trains, 6))
    before = np.vstack([np.zeros_like(trains[:1]), trains[:-1]])
    for n, of in enumerate(clustering.clusters):
        sources = of.axons // 2
        # An axon of a neuron's spikes now, and a step before, are the same here.
        inside = np.unique(sources[clustering.home[sources] >= 0])
        now = np.unique(sources[(clustering.home[sources] < 0)])
        expected = before[:, inside].sum(axis=1) + trains[:, now].sum(axis=1)
        assert found.events[n].tolist() == expected.tolist()


def test_partial_sums_go_from_part_to_part() -> None:
    small = Tile(lanes=4, rows=64, axons=8, neurons=24)
    rng = np.random.default_rng(1)
    net = from_fan_ins("wide", 20, [2 * np.arange(20)] * 3)
    clustering = cluster(net, small)
    assert (clustering.parts.sizes > 1).any()
    system = mapped(clustering, bind(clustering, Mesh(2, 2)), Mesh(2, 2))
    sums = [of for of in system.connections if of.sums]
    parts = [clustering.parts[n].tolist() for n in range(20, 23)]
    assert sum(len(of.reads) for of in sums) == sum(len(held) - 1 for held in parts)
    assert all([of.source, of.target] in [held[k : k + 2] for held in parts for k in range(2)] for of in sums)
    spikes = fired(clustering, rng.random((5, 23)) < 0.5, 5)
    slots, promised = best_slots(system, [20] * len(system.contexts))
    found = run(system, slots, spikes)
    assert not late(found, promised)
    assert all(len(sent.neuron) == len(sums[0].reads) + 1 for sent in found.flits if sent.context == sums[0].source)


def test_static_orders_are_projected() -> None:
    order, tile = [3, 0, 2, 1], np.array([5, 5, 1, 5])
    assert projected(order, tile) == {1: (2,), 5: (3, 0, 1)}


@pytest.mark.parametrize("seed", range(6))
def test_any_binding_is_live(seed: int) -> None:
    """Orders of one tile come of one order of all, so contexts never wait in a circle."""
    clustering = cluster(_net(seed), TILE)
    for topology in (Mesh(2, 1), Ring(2)):
        tile = bind_by_chance(len(clustering), topology, seed)
        assert np.bincount(tile, minlength=2).min() >= len(clustering) // 2
        system = mapped(clustering, tile, topology)
        spikes = drawn(clustering, 10, 5, seed)
        caps = caps_of(system, [spikes])
        slots, promised = best_slots(system, caps)
        assert not late(run(system, slots, spikes), promised)


def test_tiles_that_talk_are_neighbours() -> None:
    """Where there are tiles enough each cluster has its own; on too few, several fit one, or none do."""
    clustering = of_neurons(_net(), Tile(lanes=4, rows=200, axons=80), [range(20, 32), range(32, 44), range(44, 50)])
    alone = bind(clustering, Mesh(2, 2))
    assert len(set(alone.tolist())) == 3
    assert set(bind(clustering, Mesh(2, 1)).tolist()) == {0, 1}
    with pytest.raises(VolleyError, match="net: 3 clusters take 2 tiles, a mesh 1 × 1 has 1, 1 too few"):
        bind(clustering, Mesh(1, 1))


def test_the_baseline_spreads_work_and_keeps_friends() -> None:
    clustering = of_neurons(_net(), TILE, [range(20, 32), range(32, 44), range(44, 50)])
    mesh = Mesh(3, 1)
    spread = bind_by_cost(clustering, mesh, Times())
    assert len(set(spread.tolist())) == 3
    # Ten neurons whose spikes go to one cluster share its tile if only bandwidth counts.
    chain = from_fan_ins("chain", 2, [np.array([0, 2])] * 10 + [2 * np.arange(2, 12)])
    pair = of_neurons(chain.with_rates(np.append([0.1, 0.1], np.ones(11))), TILE, [range(2, 12), [12]])
    assert len(set(bind_by_cost(pair, mesh, Times(), prices=Prices(processor=0)).tolist())) == 1
    assert len(set(bind_by_cost(pair, mesh, Times(), prices=Prices(bandwidth=0)).tolist())) == 2
    with pytest.raises(VolleyError, match="net: cluster 2 fits on no tile of a mesh 3 × 1"):
        bind_by_cost(clustering, mesh, Times(), fits=lambda clusters: 2 not in clusters)
    events = [clustering.connectome.rates[c.axons // 2].sum() for c in clustering.clusters]
    assert busy(clustering, Times()).tolist() == [
        Times().busy(n, round(of)) for n, of in zip((12, 12, 6), events, strict=True)
    ]


def _pair() -> tuple[System, Run]:
    """Two tiles of a row: the first sends neurons 0 and 1 to both, and all to the second."""
    contexts = (Context("in", 2, Role.SOURCE), Context("a", 3), Context("b", 2), Context("out", 0, Role.SINK))
    connections = (
        Connection(0, 1, np.arange(2)), Connection(1, 2, np.arange(3)), Connection(1, 1, np.arange(2), 1),
        Connection(2, 3, np.arange(2)),
    )  # fmt: skip
    system = System(Mesh(2, 1), contexts, connections, (Unit(2, (0,)), Unit(0, (1,)), Unit(1, (2,)), Unit(2, (3,))))
    none = np.zeros(0, dtype=np.int64)
    rows = [[np.array([0]), none], [np.array([0, 2]), np.array([1])], [np.array([1]), none], [none, none]]
    return system, run(system, allocate(system, [2, 3, 2, 0], 16), Spikes(rows, frozenset()))


def test_figures_by_hand() -> None:
    """Spikes: 1 from the host to a (1 hop), 3 from a to b (1 hop), 2 from a to itself, 1 from b to the host (2)."""
    _, found = _pair()
    of = figures(found)
    assert of.delivered == (1 + 3 + 2 + 1) / 2
    assert of.hops == (1 + 3 + 0 + 2) / 2
    assert of.energy == pytest.approx({
        name: ((6 + 7) * router + 6 * wire) / 2 for name, (router, wire) in CONSTANTS.items()
    })  # fmt: skip


def test_loads_of_links_by_hand() -> None:
    """Per step: of a, one and a half spikes and END go on to b, and the readout's credit passes."""
    system, found = _pair()
    named = {system.topology.link_name(link): load for link, load in link_loads(found).items()}
    assert named["tile 0 east"] == 1.5 + 1 + 1
    assert named["tile 1 west"] == 0.5 + 1 + 1  # b's spikes and END to the host, its credit to a
    assert named["host east"] == 0.5 + 1 + 1  # the input and END, the readout's credit
    assert named["tile 0 out"] == (0.5 + 1) + (1 + 1) + 1 + 1  # from the host, from itself, credits of b and of itself


def test_order_and_intervals_by_hand() -> None:
    """Two spikes of one neuron, queued 10 apart, leave 13 apart; one of two that were queued first arrives last."""
    system, found = _pair()
    a, b = (found.flits[0].__class__(1, step, np.array([0, END]), np.array([q, q]), np.array([left, left + 1]))
            for step, q, left in ((0, 10, 12), (1, 20, 25)))  # fmt: skip
    trace = Run(system, found.start, found.events, found.credit, (a, b))
    assert figures(trace).isi == 3
    assert figures(trace).disorder == 0
    overtaken = a.__class__(0, 0, np.array([1, END]), np.array([5, 5]), np.array([100, 101]))
    late_one = Run(system, found.start, found.events, found.credit, (a, b, overtaken))
    assert figures(late_one).disorder == pytest.approx(1 / 5)  # of two to b, two to a, and the late one to a


def test_the_busiest_link_is_relieved() -> None:
    """A source that floods two tiles: the third, which talks among them, moves out of the way."""
    mesh = Mesh(3, 3)
    every = [Flow(3, (0, 1), 100.0), Flow(0, (2,), 40.0), Flow(1, (2,), 40.0), Flow(2, (3,), 5.0)]
    node = [2, 8, 5, mesh.host]
    after = relieved(mesh, every, node, seed=1)
    assert after[3] == mesh.host
    assert len(set(after)) == 4
    assert max(loads(mesh, every, after).values()) == 100.0 < max(loads(mesh, every, node).values())
    assert sum(loads(mesh, every, after).values()) < sum(loads(mesh, every, node).values())


def test_flows_are_those_of_rates() -> None:
    """Neurons 0 and 1 go to a itself too, and leave as one flit."""
    system, _ = _pair()
    every = flows(system.contexts, system.connections, [np.full(2, 0.5), np.full(3, 0.25), np.ones(2), np.zeros(0)])
    assert Flow(1, (1, 2), 0.5) in every
    assert Flow(1, (2,), 0.25) in every
    assert Flow(1, (1, 2), 1.0) in every  # END
    assert Flow(1, (0, 1), 1.0) in every  # credit
    assert len(every) == 2 + 4 + 3 + 1


def test_binding_for_rate_lowers_the_busiest_link() -> None:
    clustering = cluster(_net(2), TILE)
    mesh = Mesh(3, 3)
    busiest = []
    for tile in (bind_by_chance(len(clustering), mesh, 0), bind_for_rate(clustering, mesh)):
        system = mapped(clustering, tile, mesh)
        found = run(system, allocate(system, [60] * len(system.contexts), 64), drawn(clustering, 20, 5))
        busiest.append(figures(found).busiest)
    assert busiest[1] <= busiest[0]


@pytest.mark.slow
def test_binding_by_guarantee_lowers_the_period() -> None:
    """Period times flits over links grows nowhere beyond that of bind_for_rate; who shares a tile still does."""
    clustering = cluster(_net(3), TILE)
    mesh = Mesh(3, 3)
    first = mapped(clustering, bind_for_rate(clustering, mesh), mesh)
    caps = caps_of(first, [drawn(clustering, 20, 5)])
    after = mapped(clustering, bind_by_guarantee(clustering, mesh, caps, tries=12), mesh)
    rates = clustering.connectome.rates
    spikes = [*(rates[of.neurons] for of in clustering.clusters), rates[:20], np.zeros(0)]
    every = flows(first.contexts, first.connections, spikes)
    products = [
        float(best_slots(system, caps, (64, 128), (1, 2))[1].period)
        * sum(loads(mesh, every, [system.node(n) for n in range(len(system.contexts))]).values())
        for system in (first, after)
    ]
    assert products[1] <= products[0]
    assert {unit.order for unit in after.units} == {unit.order for unit in first.units}


def test_latency_is_that_of_the_bound() -> None:
    system, _ = _pair()
    caps = [2, 3, 2, 0]
    slots = allocate(system, caps, 16)
    promised = guarantee(system, slots, caps)
    full = Spikes([[np.arange(c.neurons)] * 100 for c in system.contexts], frozenset())
    found = run(system, slots, full)
    assert max(found.start[-1] - found.start[0]) <= latency(promised) + slots.wheel


def test_pictures() -> None:
    """Well formed; every context and the busiest link are in them, and the critical cycle has a border."""
    system, found = _pair()
    promised = guarantee(system, allocate(system, [2, 3, 2, 0], 16), [2, 3, 2, 0])
    platform, chart = platform_svg(system, link_loads(found)), schedule_svg(found, promised, 0, 2)
    for text in (platform, chart):
        ElementTree.fromstring(text)
        assert all(f">{context.name}" in text for context in system.contexts)
    red = [line for line in chart.splitlines() if 'stroke="#c0392b"' in line]
    named = {(step.context, step.what) for step in promised.critical}
    assert {tuple(line.split("<title>")[1].split(", step")[0].split(" ", 1)) for line in red} == named
    with pytest.raises(VolleyError, match="steps 1 to 2 of a run of 2"):
        schedule_svg(found, promised, 1, 2)
    with pytest.raises(VolleyError, match="ring of 2: pictures are of meshes"):
        platform_svg(System(Ring(2), system.contexts, system.connections, system.units), {})
