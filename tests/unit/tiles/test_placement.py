# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Placement of clusters on tiles, and how far from the best one it is."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest

from pyflow.errors import VolleyError
from pyflow.machines.tiles.bounds import optimum
from pyflow.machines.tiles.placement import Traffic, along_curve, cost, place, scattered
from pyflow.machines.tiles.topology import Mesh, Ring, Topology, hilbert, tree


def _traffic(seed: int, clusters: int, *, host: int = 0, share: float = 0.5) -> Traffic:
    rng = np.random.default_rng(seed)
    every = clusters + host
    source, target = np.nonzero(rng.random((every, every)) < share)
    return Traffic.of(clusters, source, target, rng.integers(0, 50, len(source)), host)


def _ends(topology: Topology, link: int) -> tuple[int, int]:
    """Nodes that a link joins, by its name."""
    if isinstance(topology, Ring):
        return link, (link + 1) % (topology.tiles + 1)
    node, port = topology.link_name(link).rsplit(" ", 1)
    at = topology.host if node == "host" else int(node.removeprefix("tile "))
    assert isinstance(topology, Mesh)
    if at == topology.host or (at == 0 and port == "west"):
        return (at, at) if port in ("in", "out") else (at, 0 if at == topology.host else topology.host)
    return at, at + {"in": 0, "out": 0, "east": 1, "west": -1, "south": topology.width, "north": -topology.width}[port]


@pytest.mark.parametrize("topology", [Mesh(1, 1), Mesh(3, 2), Mesh(1, 4), Ring(1), Ring(5)], ids=lambda t: t.name)
def test_a_path_leads_to_its_node(topology: Topology) -> None:
    for source in range(topology.tiles + 1):
        for target in range(topology.tiles + 1):
            links = [_ends(topology, link) for link in topology.path(source, target)]
            assert links[0][0] == source
            assert links[-1][1] == target
            assert all(a[1] == b[0] for a, b in pairwise(links))
            assert all(0 <= node <= topology.tiles for link in links for node in link)
            hops = sum(a != b for a, b in links)
            assert hops == topology.distance(np.array([source]), np.array([target]))[0] or source == target


def test_a_flit_to_many_passes_a_link_once() -> None:
    """In a mesh along x, then along y, so ways from one tile part and do not meet again."""
    mesh = Mesh(4, 4)
    links = tree(mesh, 5, range(16))
    assert len(links) == 1 + 15 + 16  # in, one into each other tile, out of each
    for target in range(16):
        assert [links[link] for link in mesh.path(5, target)] == list(range(len(mesh.path(5, target))))


@pytest.mark.parametrize(("rows", "columns"), [(1, 5), (4, 4), (8, 8), (3, 5), (7, 2)])
def test_the_curve_reaches_every_cell_once(rows: int, columns: int) -> None:
    cells = hilbert(rows, columns)
    assert sorted(cells) == list(range(rows * columns))
    if rows == columns:
        steps = np.abs(np.diff(cells // columns)) + np.abs(np.diff(cells % columns))
        assert (steps == 1).all()


@pytest.mark.parametrize("topology", [Mesh(5, 4), Ring(20)], ids=lambda t: t.name)
@pytest.mark.parametrize("host", [0, 2])
def test_swaps_keep_account(topology: Topology, host: int) -> None:
    """The cost is that of the placement, every cluster has a tile of its own, and chance is seeded."""
    traffic = _traffic(3, 17, host=host, share=0.2)
    placed = place(traffic, topology, seed=5, sweeps=300)
    assert len(set(placed.node.tolist())) == 17
    assert placed.cost == cost(traffic, topology, placed.node) < placed.start
    assert placed.start == cost(traffic, topology, along_curve(traffic, topology))
    assert (place(traffic, topology, seed=5, sweeps=300).node == placed.node).all()
    pairs = zip(traffic.source.tolist(), traffic.target.tolist(), traffic.weight.tolist(), strict=True)
    node = [*placed.node.tolist(), *[topology.host] * host]
    assert placed.cost == sum(w * int(topology.distance(np.array(node[a]), np.array(node[b]))) for a, b, w in pairs)


def test_swaps_find_a_line() -> None:
    """A chain of 36 clusters, in an order that says nothing, is laid so that all neighbours meet."""
    names = np.random.default_rng(0).permutation(36)
    traffic = Traffic.of(36, names[:-1], names[1:], np.full(35, 7))
    mesh = Mesh(6, 6)
    placed = place(traffic, mesh, seed=1, sweeps=3000)
    assert placed.cost < 1.35 * 35 * 7
    assert placed.cost < 0.4 * cost(traffic, mesh, scattered(traffic, mesh, 0))


@pytest.mark.parametrize("seed", range(20))
def test_the_optimum_is_that_of_all_placements(seed: int) -> None:
    rng = np.random.default_rng(seed)
    topology: Topology = Mesh(3, 2) if seed % 2 else Ring(6)
    clusters, host = int(rng.integers(2, 7)), int(rng.integers(0, 2))
    traffic = _traffic(seed, clusters, host=host, share=float(rng.uniform(0.2, 1)))
    found = optimum(traffic, topology)
    every = np.array(list(permutations(range(6), clusters)))
    at = np.concatenate([every, np.full((len(every), host), 6)], axis=1)
    best = (topology.distance(at[:, traffic.source], at[:, traffic.target]) @ traffic.weight).min()
    assert found.proven
    assert found.gap == 0
    assert found.cost == best == cost(traffic, topology, found.node)


def test_a_search_cut_short_has_a_bound() -> None:
    traffic, mesh = _traffic(1, 9), Mesh(3, 3)
    best = optimum(traffic, mesh)
    bounds = [optimum(traffic, mesh, expanded=n).bound for n in (0, 50, 200)]
    assert best.proven
    assert bounds == sorted(bounds)
    assert bounds[0] < best.cost
    assert all(bound <= best.cost for bound in bounds)


def test_bounds_do_not_trust_the_first_placement() -> None:
    """Without swaps worth the name, the search itself has to find the optimum."""
    from pyflow.machines.tiles import bounds

    traffic, mesh = _traffic(4, 8), Mesh(3, 3)
    best = optimum(traffic, mesh)
    worst = scattered(traffic, mesh, 1)
    search = bounds._Search(traffic, mesh, cost(traffic, mesh, worst), worst)
    search.run(10**6)
    assert cost(traffic, mesh, worst) > search.least == best.cost == cost(traffic, mesh, search.best)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mesh(0, 3), "mesh: width 0; from 1"),
        (lambda: Ring(5000), "ring: 5000 tiles"),
        (lambda: place(_traffic(0, 7), Mesh(3, 2)), "7 clusters, one to a tile, on a mesh 3 × 2: 1 too many"),
        (lambda: optimum(_traffic(0, 7), Mesh(6, 6)), "36 tiles; bounds are for 25 at most"),
        (lambda: Traffic.of(3, [0], [3], [1]), "target 3 to 3; clusters are 0 to 2"),
        (lambda: Traffic.of(3, [0], [1], [-1]), "weight -1"),
        (lambda: Traffic.of(3, [0, 1], [1], [1]), "2 sources, 1 targets"),
    ],
)
def test_refused(make, message: str) -> None:
    with pytest.raises(VolleyError, match=message):
        make()
