# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Throughput, critical cycle, latency and transient of a graph that runs as fast as its tokens let it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from pyflow.analysis.dataflow.cycles import Cycles, largest_ratio
from pyflow.analysis.dataflow.expansion import ORDER, Expansion
from pyflow.analysis.dataflow.graph import Graph
from pyflow.analysis.dataflow.liveness import check_live
from pyflow.analysis.dataflow.maxplus import Executor

MAX_FIRED = 2_000_000  # firings of the search for the periodic regime
MAX_ITERATIONS = 20_000


@dataclass(frozen=True, slots=True)
class Step:
    """Of a cycle: `firings` of an actor in a row, each of which waits for the one before it. channel: through which, by
    name; "in order" or "static order". delay: iterations that lie between, of all of them."""

    actor: str
    channel: str
    firings: int
    delay: int

    def __str__(self) -> str:
        times = f" ({self.firings} times)" if self.firings > 1 else ""
        return f"{self.channel} → {self.actor}{times}"


@dataclass(frozen=True)
class Timing:
    """period: time units of an iteration in the long run, 0 where nothing limits it. critical: the cycle that decides
    it. firings: of each actor in an iteration. periods: of each actor's own part and of all that it waits for."""

    graph: Graph
    period: Fraction
    critical: tuple[Step, ...]
    firings: dict[str, int]
    periods: dict[str, Fraction]
    certificate: Cycles

    @property
    def throughput(self) -> Fraction | None:
        """Iterations per time unit; None where nothing limits them."""
        return 1 / self.period if self.period else None


def timing(graph: Graph, orders: Sequence[Sequence[str]] = ()) -> Timing:
    """The period of a self-timed execution, or of one by static orders (see Expansion). Raises VolleyError where rates
    are inconsistent or a circle of actors waits for itself."""
    check_live(graph)
    expansion = Expansion(graph, orders)
    found = largest_ratio(expansion.edges, None if orders else expansion.part())
    period = found.ratio or Fraction(0)
    names = [actor.name for actor in graph.actors]
    return Timing(
        graph, period, _steps(expansion, found) if period else (), dict(zip(names, graph.repetition, strict=True)),
        dict(zip(names, _waited_for(expansion, found), strict=True)), found,
    )  # fmt: skip


def _steps(expansion: Expansion, found: Cycles) -> tuple[Step, ...]:
    """The cycle, with what repeats made one step. It begins where the channel changes."""
    edges, names = expansion.edges, [channel.name for channel in expansion.channels]
    rows = [
        (expansion.graph.actors[expansion.actor[edges.head[e]]].name, _cause(expansion, e, names), int(edges.delay[e]))
        for e in found.cycle
    ]
    begin = next((n for n in range(len(rows)) if rows[n][:2] != rows[n - 1][:2]), 0)
    steps: list[Step] = []
    for actor, channel, delay in rows[begin:] + rows[:begin]:
        last = steps[-1] if steps else None
        if last is not None and (last.actor, last.channel) == (actor, channel):
            steps[-1] = Step(actor, channel, last.firings + 1, last.delay + delay)
        else:
            steps.append(Step(actor, channel, 1, delay))
    return tuple(steps)


def _cause(expansion: Expansion, edge: int, names: list[str]) -> str:
    cause = int(expansion.cause[edge])
    return names[cause] if cause >= 0 else "in order" if cause == ORDER else "static order"


def _waited_for(expansion: Expansion, found: Cycles) -> list[Fraction]:
    """Per actor the largest ratio of the parts from which there is a way to it."""
    worst = [ratio or Fraction(0) for ratio in found.ratios]
    tail, head = found.part[expansion.edges.tail], found.part[expansion.edges.head]
    pairs = np.unique(np.stack((tail, head), axis=1)[tail != head], axis=0)
    for before, after in pairs.tolist():  # sorted: parts are numbered along the edges
        worst[after] = max(worst[after], worst[before])
    parts = found.part
    first = expansion.first
    return [max(worst[n] for n in set(parts[a:b].tolist())) for a, b in pairwise(first)]


@dataclass(frozen=True, slots=True)
class Latency:
    """Of self-timed execution that begins with all initial tokens there at time 0. first: end of the first iteration's
    last firing. settled: the longest time from an iteration's first start to its last end, once iterations repeat.
    transient: iterations before they do; cyclicity: iterations after which they do. None where they never repeat as
    a whole: some part runs ahead of another without end, or for too long to be followed."""

    first: int
    settled: int | None
    transient: int | None
    cyclicity: int | None


def latency(found: Timing) -> Latency:
    """Latency of a graph. Iterations are executed until the state comes back, a period later for each iteration."""
    executor = Executor(found.graph)
    repeats = all(period == found.period for period in found.periods.values())
    most = min(MAX_ITERATIONS, MAX_FIRED // sum(found.graph.repetition)) if repeats else 0
    run = _Run(executor, found.period)
    kept, power, cyclicity = run.state(), 1, 0
    run.next()
    first = run.spans[0]
    # Brent 1980: the state at a power of two is kept until one comes back to it.
    while run.state() != kept:
        cyclicity += 1
        if cyclicity == power:
            kept, power, cyclicity = run.state(), 2 * power, 0
        if run.done >= most:
            return Latency(first, None, None, None)
        run.next()
    cyclicity += 1
    slow, fast = _Run(executor, found.period), _Run(executor, found.period)
    for _ in range(cyclicity):
        fast.next()
    while slow.state() != fast.state():
        slow.next()
        fast.next()
    return Latency(first, max(fast.spans[-cyclicity:]), slow.done, cyclicity)


class _Run:
    """Iterations one after the other. spans: from the first start to the last end of each."""

    def __init__(self, executor: Executor, period: Fraction) -> None:
        self._executor, self._period = executor, period
        self._tokens = executor.at_rest()
        self.spans: list[int] = []
        self.done = 0

    def next(self) -> None:
        found = self._executor.run(self._tokens, np.zeros(1, dtype=np.int64))
        self._tokens = found.tokens
        self.spans.append(max(int(e.max()) for e in found.ends) - min(int(s.min()) for s in found.starts))
        self.done += 1

    def state(self) -> tuple[int, bytes]:
        """Token times less the periods so far, in fractions of the period's denominator. Two equal ones have the same
        future."""
        numerator, denominator = self._period.numerator, self._period.denominator
        rows = [rows for rows in self._tokens if len(rows)]
        values = np.concatenate(rows)[:, 0] if rows else np.zeros(0, dtype=np.int64)
        if len(values) == 0:
            return 0, b""
        low = int(values.min())
        return low * denominator - self.done * numerator, (values - low).tobytes()
