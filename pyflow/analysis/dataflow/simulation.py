# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Execution token by token, event by event: self-timed, or by static orders.

The slow way, which knows neither max-plus nor precedences. It is what the analysis is held against, and it draws
schedules.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from pyflow.analysis.dataflow.graph import Graph
from pyflow.errors import VolleyError


@dataclass(frozen=True, slots=True)
class Firing:
    """Of an actor, the `number`-th one; times in time units."""

    actor: str
    number: int
    start: int
    end: int


@dataclass
class Execution:
    """period: of an iteration once the state has come back; None where it did not within the limit. deadlock: nothing
    can fire any more. transient: iterations until the state first was what comes back. firings: where they were asked
    for."""

    period: Fraction | None = None
    deadlock: bool = False
    transient: int | None = None
    cyclicity: int | None = None
    firings: list[Firing] = field(default_factory=list)


class _Tokens:
    """State of an execution. A state is what the future depends on: tokens, phases, how much longer firings last."""

    def __init__(self, graph: Graph, orders: Sequence[Sequence[str]]) -> None:
        self.graph, self.edges = graph, graph.edges
        self.tokens = [edge.tokens for edge in self.edges]
        self.into: list[list[int]] = [[] for _ in graph.actors]
        self.out: list[list[int]] = [[] for _ in graph.actors]
        for n, edge in enumerate(self.edges):
            self.out[graph.number(edge.source)].append(n)
            self.into[graph.number(edge.target)].append(n)
        self.started, self.ended = [0] * len(graph.actors), [0] * len(graph.actors)
        self.orders = [[graph.number(name) for name in order] for order in orders]
        self.place = [0] * len(orders)
        self.busy = [False] * len(orders)
        self.processor = {actor: p for p, order in enumerate(self.orders) for actor in order}
        self.running: list[tuple[int, int, int]] = []
        self.now = 0

    def may_fire(self, actor: int) -> bool:
        processor = self.processor.get(actor)
        if processor is not None:
            order = self.orders[processor]
            if self.busy[processor] or order[self.place[processor] % len(order)] != actor:
                return False
        phases = len(self.graph.actors[actor].times)
        phase = self.started[actor] % phases
        return all(self.tokens[n] >= self.edges[n].consumes[phase] for n in self.into[actor])

    def start(self, actor: int) -> Firing:
        times = self.graph.actors[actor].times
        phase = self.started[actor] % len(times)
        for n in self.into[actor]:
            self.tokens[n] -= self.edges[n].consumes[phase]
        if (processor := self.processor.get(actor)) is not None:
            self.busy[processor] = True
            self.place[processor] += 1
        end = self.now + times[phase]
        heapq.heappush(self.running, (end, actor, self.started[actor]))
        self.started[actor] += 1
        return Firing(self.graph.actors[actor].name, self.started[actor] - 1, self.now, end)

    def end(self) -> int:
        """The next firing to end; its actor."""
        self.now, actor, number = heapq.heappop(self.running)
        phase = number % len(self.graph.actors[actor].times)
        for n in self.out[actor]:
            self.tokens[n] += self.edges[n].produces[phase]
        if (processor := self.processor.get(actor)) is not None:
            self.busy[processor] = False
        self.ended[actor] += 1
        return actor

    def state(self) -> tuple[object, ...]:
        phases = tuple(n % len(a.times) for n, a in zip(self.started, self.graph.actors, strict=True))
        left = tuple(sorted((end - self.now, actor) for end, actor, _ in self.running))
        return tuple(self.tokens), phases, left, tuple(self.place[p] % len(o) for p, o in enumerate(self.orders))

    def fire(self) -> list[Firing]:
        """All that can fire now. Tokens are taken at once and given at an end, so this comes to an end."""
        fired: list[Firing] = []
        for actor in range(len(self.graph.actors)):
            while self.may_fire(actor):
                fired.append(self.start(actor))
        return fired

    def end_next(self) -> list[int]:
        """All firings that end at the next time at which one does; their actors."""
        actors = [self.end()]
        while self.running and self.running[0][0] == self.now:
            actors.append(self.end())
        return actors


def execute(
    graph: Graph, orders: Sequence[Sequence[str]] = (), iterations: int = 2000, until: int | None = None
) -> Execution:
    """Execute from time 0 until a state comes back, for at most so many iterations. until: instead, until this time,
    with all firings. Each actor has to wait for something. Where tokens pile up no state comes back."""
    repetition = graph.repetition
    run, found = _Tokens(graph, orders), Execution()
    for n, actor in enumerate(graph.actors):
        if not run.into[n]:
            raise VolleyError(f"actor {actor.name} waits for nothing, so any number of its firings begin at once")
    seen: dict[object, tuple[int, int]] = {}
    reference = min(range(len(repetition)), key=repetition.__getitem__)
    at_once, most_at_once = 0, 4 * sum(repetition) + 4 * sum(edge.tokens for edge in graph.edges)
    while until is None or run.now < until:
        fired = run.fire()
        if until is not None:
            found.firings += fired
        if not run.running:
            found.deadlock = True
            return found
        before = run.now
        actors = run.end_next()
        at_once = at_once + len(actors) if run.now == before else 0
        if at_once > most_at_once:  # iterations take no time
            found.period = Fraction(0)
            return found
        if until is not None or reference not in actors:
            continue
        done, over = divmod(run.ended[reference], repetition[reference])
        state = over, run.state()
        if state in seen:
            was_done, was_at = seen[state]
            found.period = Fraction(run.now - was_at, done - was_done)
            found.transient, found.cyclicity = was_done, done - was_done
        if state in seen or done >= iterations:
            return found
        seen[state] = done, run.now
    return found
