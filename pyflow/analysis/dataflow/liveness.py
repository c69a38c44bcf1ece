# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Does an iteration of a graph come to its end? Firings are counted, times play no part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from pyflow.analysis.dataflow.graph import Channel, Graph
from pyflow.errors import VolleyError


class Rates:
    """How many tokens the first firings of an actor take, or make, from one of its phases on. rates: of its phases."""

    def __init__(self, rates: Sequence[int]) -> None:
        self.phases = len(rates)
        self.total = sum(rates)
        self._sums = [0, *accumulate(rates), *(self.total + n for n in accumulate(rates))]

    def tokens(self, phase: int, firings: int) -> int:
        """Of the next `firings`, the first of which is of `phase`."""
        whole, rest = divmod(firings, self.phases)
        return whole * self.total + self._sums[phase + rest] - self._sums[phase]

    def firings(self, phase: int, tokens: int, most: int) -> int:
        """The most firings from `phase` on that so many tokens are enough for; at most `most`."""
        if self.phases == 1:
            return min(most, tokens // self.total)
        whole, rest = divmod(tokens, self.total)
        count = whole * self.phases
        if count >= most:
            return most
        base = self._sums[phase] + rest
        more = 0
        while more < self.phases and self._sums[phase + more + 1] <= base:
            more += 1
        return min(most, count + more)


@dataclass(frozen=True)
class Wait:
    """An actor that cannot fire: the channel that it waits for, tokens there, tokens that the firing takes."""

    actor: str
    channel: Channel
    tokens: int
    needs: int


def stuck(graph: Graph) -> tuple[Wait, ...]:
    """() where an iteration comes to its end. Otherwise the actors that wait for each other in a circle, in the order
    in which tokens would flow; their channels have to get more tokens before any of them fires again."""
    edges, firings = graph.edges, graph.repetition
    numbers = [(graph.number(edge.source), graph.number(edge.target)) for edge in edges]
    makes, takes = [Rates(edge.produces) for edge in edges], [Rates(edge.consumes) for edge in edges]
    tokens = [edge.tokens for edge in edges]
    into: list[list[int]] = [[] for _ in firings]
    out: list[list[int]] = [[] for _ in firings]
    for n, (source, target) in enumerate(numbers):
        out[source].append(n)
        into[target].append(n)
    left, phase = list(firings), [0] * len(firings)
    waiting, queued = list(range(len(firings))), [True] * len(firings)
    while waiting:
        actor = waiting.pop()
        queued[actor] = False
        count = left[actor]
        for n in into[actor]:
            count = takes[n].firings(phase[actor], tokens[n], count)
        if not count:
            continue
        for n in into[actor]:
            tokens[n] -= takes[n].tokens(phase[actor], count)
        for n in out[actor]:
            tokens[n] += makes[n].tokens(phase[actor], count)
            if not queued[target := numbers[n][1]]:
                queued[target] = True
                waiting.append(target)
        left[actor] -= count
        phase[actor] = (phase[actor] + count) % len(graph.actors[actor].times)
    if not any(left):
        return ()
    actor, path = next(n for n, count in enumerate(left) if count), list[int]()
    seen: dict[int, int] = {}
    while actor not in seen:
        seen[actor] = len(path)
        lacking = next(n for n in into[actor] if tokens[n] < takes[n].tokens(phase[actor], 1))
        path.append(lacking)
        actor = numbers[lacking][0]
    circle = path[seen[actor] :][::-1]
    return tuple(Wait(edges[n].target, edges[n], tokens[n], takes[n].tokens(phase[numbers[n][1]], 1)) for n in circle)


def check_live(graph: Graph) -> None:
    """Raises VolleyError naming the circle of a deadlock."""
    circle = stuck(graph)
    if not circle:
        return
    waits = (f"{w.actor} waits for channel {w.channel.name} ({w.tokens} of {w.needs} tokens)" for w in circle)
    channels = ", ".join(w.channel.name for w in circle)
    raise VolleyError(f"graph {graph.name}: deadlock: {'; '.join(waits)}; one of {channels} needs more initial tokens")
