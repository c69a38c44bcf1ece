# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The order in which the nodes of a NIR graph compute in a time step, and which edges reach from one step to the next.

NIR's time is continuous, so its loops need no delay. In steps, a neuron that is read by what leads to it is read one
step later: as snnTorch, Norse and SpikingJelly do, and the Loihi chip.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import networkx

from pyflow.errors import VolleyError
from pyflow.frontends.nir.graph import FIRING, Graph, listed

MAX_DELAY = 1 << 20  # steps


@dataclass(frozen=True, slots=True)
class Way:
    """An edge between nodes that compute. delay: time steps."""

    before: str
    behind: str
    delay: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """nodes: paths, each behind those that it reads in the same step, Input first and Output last. ways: the edges."""

    nodes: tuple[str, ...]
    ways: tuple[Way, ...]

    def into(self, path: str) -> list[Way]:
        return [way for way in self.ways if way.behind == path]

    def out_of(self, path: str) -> list[Way]:
        return [way for way in self.ways if way.before == path]


def ordered(graph: Graph, dt: float) -> Order:
    """Raises VolleyError naming a Delay that is no number of steps, and a loop without state."""
    ways = _delayed(graph, dt)
    names = [path for path, node in graph.nodes.items() if node.kind != "Delay"]
    start, end = graph.only("Input").path, graph.only("Output").path
    distance = networkx.single_source_shortest_path_length(_digraph(ways), start)
    while loop := _loop(ways):
        ways = _opened(graph, ways, loop, distance)
    sort = networkx.lexicographical_topological_sort(
        _digraph(way for way in ways if not way.delay), key=lambda path: (path == end, distance.get(path, 0), path)
    )
    found = [path for path in sort if path not in (start, end)]
    found += [path for path in names if path not in found and path not in (start, end)]  # read with delays alone
    return Order((start, *found, end), tuple(ways))


def _digraph(ways: Iterable[Way]) -> networkx.DiGraph:
    graph = networkx.DiGraph()
    graph.add_edges_from((way.before, way.behind) for way in ways)
    return graph


def _delayed(graph: Graph, dt: float) -> list[Way]:
    """The edges, those through Delay nodes joined to one with their delay."""
    ways = [Way(a, b) for a, b in graph.edges]
    for node in (node for node in graph.nodes.values() if node.kind == "Delay"):
        values = node.numbers("delay").ravel()
        if (values != values[0]).any():
            raise node.fail(
                f"delay differs from neuron to neuron ({float(values.min()):g} to {float(values.max()):g} s); needs "
                "one: a Delay and a synapse for each"
            )
        steps = float(values[0]) / dt
        if not 0 <= steps <= MAX_DELAY or abs(steps - round(steps)) > 1e-6 * max(1.0, steps):
            raise node.fail(f"delay {float(values[0]):g} s is {steps:g} time steps of {dt:g} s; needs a whole number")
        before = [way for way in ways if way.behind == node.path]
        behind = [way for way in ways if way.before == node.path]
        if any(way.before == node.path for way in before):
            raise node.fail("feeds itself; put a neuron into the loop")
        rest = [way for way in ways if node.path not in (way.before, way.behind)]
        ways = rest + [Way(a.before, b.behind, a.delay + b.delay + round(steps)) for a in before for b in behind]
        if len(set(ways)) < len(ways):
            raise node.fail("doubles an edge of the same delay; give one, with twice the weight")
    return ways


def _loop(ways: list[Way]) -> set[str]:
    """Nodes that depend on each other in one time step; empty if none do."""
    graph = _digraph(way for way in ways if not way.delay)
    for found in networkx.strongly_connected_components(graph):
        if len(found) > 1 or any(graph.has_edge(path, path) for path in found):
            return set(found)
    return set()


def _opened(graph: Graph, ways: list[Way], loop: set[str], distance: dict[str, int]) -> list[Way]:
    """`ways` with a delay of one step where the loop comes back to the node at which the Input reaches it first."""
    inside = [way for way in ways if way.before in loop and way.behind in loop and not way.delay]
    if not any(graph.nodes[path].kind in FIRING for path in loop):
        raise VolleyError(
            f"NIR graph: the loop of {listed(sorted(loop))} has no neuron and no delay, so it has no state; put an IF, "
            "LIF, CubaLIF or Delay into it"
        )
    entries = {way.behind for way in ways if way.behind in loop and way.before not in loop}
    entry = min(entries or loop, key=lambda path: (distance.get(path, 0), path))
    late: set[Way] = set()
    pending, seen = [way for way in inside if way.behind == entry], set[Way]()
    while pending:
        way = pending.pop()
        if way in seen:
            continue
        seen.add(way)
        if graph.nodes[way.before].kind in FIRING:
            late.add(way)
            continue
        if others := [other.behind for other in ways if other.before == way.before and other != way]:
            raise graph.nodes[way.before].fail(
                f"leads back to {way.behind!r} and on to {others[0]!r}; give each a node of its own"
            )
        pending += [other for other in inside if other.behind == way.before]
    if not late:
        raise graph.nodes[entry].fail("stands in a loop without a neuron; put one into it")
    return [Way(way.before, way.behind, 1) if way in late else way for way in ways]
