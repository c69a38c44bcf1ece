# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The guarantee: a step takes no longer, whatever the spikes, as long as no context spikes more often than its cap.

Precedences between what happens once in a step: a context begins, its queue has worked off its flits, its credit has
been worked off. Their largest cycle ratio is the guaranteed period (pyflow/analysis/dataflow, with its certificate),
and their longest paths bound each token. All is monotone: what comes earlier makes nothing later.

A queue with time-division slots is a latency-rate server (Stiliadis and Varma 1998; as two actors, Wiggers et al.
2007): it works n flits off within share(n) cycles from when it has them or is done with those before, and each leaves
at most wait() later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pyflow.analysis.dataflow import Cycles, Edges, largest_ratio
from pyflow.analysis.dataflow.cycles import strong_parts
from pyflow.errors import VolleyError
from pyflow.machines.tiles.slots import CREDITS, TOKENS, WHEELS, Slots, allocate
from pyflow.machines.tiles.system import Role, System

CREDIT_FLITS = (1, 2, 4)  # that a credit may count for where slots are given
BEGINS, SENT, CREDITED = 0, 1, 2
WHAT = ("begins", "sends", "gives credit")


@dataclass(frozen=True, slots=True)
class Step:
    """Of the critical cycle: what happens, to which context, because of what, so many cycles later than the one
    before."""

    context: str
    what: str
    why: str
    cycles: int

    def __str__(self) -> str:
        return f"{self.context} {self.what} ({self.why}, {self.cycles:+d})"


@dataclass(frozen=True, eq=False)
class Guarantee:
    """period: cycles per step in the long run, at the most. critical: the cycle that decides it; steps: that it spans.
    caps: spikes of each context in a step that it holds for."""

    system: System
    caps: tuple[int, ...]
    period: Fraction
    critical: tuple[Step, ...]
    steps: int
    certificate: Cycles
    edges: Edges
    waits: tuple[tuple[int, int], ...]

    def bounds(self, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Latest cycles, int64 [contexts, steps], in which a context begins a step, its END leaves, and its credit, if
        the host has its inputs at cycle 0. Those of what it does not send say nothing."""
        edges = self.edges
        count = len(self.system.contexts)
        latest = np.zeros((edges.nodes, steps), dtype=np.int64)
        rows = _levels(edges)
        for step in range(steps):
            for head, tail, weight, delay in rows:
                at = step - delay
                known = at >= 0
                np.maximum.at(latest[:, step], head[known], latest[tail[known], at[known]] + weight[known])
        begins, sent, credited = latest.reshape(count, 3, steps).transpose(1, 0, 2)
        waits = np.array(self.waits, dtype=np.int64)[list(self.system.unit_of)]
        return begins, sent + waits[:, TOKENS, None], credited + waits[:, CREDITS, None]


def guarantee(system: System, slots: Slots, caps: Sequence[int]) -> Guarantee:
    """caps: spikes of each context in a step, at the most. Raises VolleyError where contexts wait for each other."""
    graph = _Precedences(system, slots, caps)
    edges, why = graph.edges()
    _check_live(system, edges)
    found = largest_ratio(edges)
    assert found.ratio is not None
    critical = []
    for edge in found.cycle:
        context, what = divmod(int(edges.head[edge]), 3)
        critical.append(Step(system.contexts[context].name, WHAT[what], why[edge], int(edges.weight[edge])))
    spans = int(edges.delay[list(found.cycle)].sum())
    return Guarantee(
        system,
        tuple(caps),
        found.ratio,
        tuple(critical),
        spans,
        found,
        edges,
        tuple((tokens, credits) for tokens, credits in graph.waits),
    )


def best_slots(
    system: System, caps: Sequence[int], wheels: Sequence[int] = WHEELS, credits: Sequence[int] = CREDIT_FLITS
) -> tuple[Slots, Guarantee]:
    """Slots, and what they guarantee: those with the least period of all wheels and counts of credits (see allocate).
    Raises VolleyError where no wheel has enough slots."""
    found: list[tuple[Slots, Guarantee]] = []
    refused: VolleyError | None = None
    for wheel in wheels:
        for count in credits:
            try:
                slots = allocate(system, caps, wheel, count)
            except VolleyError as error:
                refused = error
                continue
            found.append((slots, guarantee(system, slots, caps)))
    if not found:
        raise refused or VolleyError("slots: no wheel to try")
    return min(found, key=lambda pair: pair[1].period)


class _Precedences:
    """Rows (tail, head, weight, delay, why). Nodes: three of each context."""

    def __init__(self, system: System, slots: Slots, caps: Sequence[int]) -> None:
        if len(caps) != len(system.contexts):
            raise VolleyError(f"guarantee: {len(caps)} caps of {len(system.contexts)} contexts")
        self.system, self.slots, self.caps = system, slots, caps
        self.rows: list[tuple[int, int, int, int, str]] = []
        self.waits = [
            [slots.wait(n, kind) if len(slots.owned[n][kind]) else 0 for kind in (TOKENS, CREDITS)]
            for n in range(len(system.units))
        ]
        self.events = [self._events(n) for n in range(len(system.contexts))]
        for unit in range(len(system.units)):
            self._of_unit(unit)
        for n in range(len(system.connections)):
            self._of_connection(n)

    def edges(self) -> tuple[Edges, list[str]]:
        order = sorted(range(len(self.rows)), key=lambda n: self.rows[n][1])
        tail, head, weight, delay = np.array([self.rows[n][:4] for n in order], dtype=np.int64).T
        return Edges(3 * len(self.system.contexts), tail, head, weight, delay), [self.rows[n][4] for n in order]

    def _events(self, context: int) -> int:
        """Spikes that a context reads in a step, at the most."""
        found = 0
        for n in self.system.into[context]:
            of = self.system.connections[n]
            if not of.sums:
                found += min(self.caps[of.source], len(of.reads))
        return found

    def _busy(self, context: int) -> int:
        of = self.system.contexts[context]
        if of.role is Role.SINK:
            return 1
        if of.role is Role.SOURCE:
            return self.system.most_flits(context, self.caps[context])
        return self.system.times.busy(of.neurons, self.events[context])

    def _queued(self, context: int, unit: int) -> int:
        """Cycles from the start of a step after which its queue works as if all flits were there: the last spikes are
        those of the last neurons."""
        of, times = self.system.contexts[context], self.system.times
        flits = self.system.most_flits(context, self.caps[context])
        if of.role is Role.SOURCE:
            at = 1 + np.arange(flits)
        else:
            last = np.arange(of.neurons - flits + 1, of.neurons)
            events = self.events[context]
            at = np.append(times.spikes_at(last, events), times.end_at(of.neurons, events))
        slots = len(self.slots.owned[unit][TOKENS])
        return int((at - np.arange(flits) * self.slots.wheel // slots).max())

    def _of_unit(self, unit: int) -> None:
        """One step after the other, in turn; so do its queues."""
        order, system = self.system.units[unit].order, self.system
        for n, context in enumerate(order):
            then, wraps = order[(n + 1) % len(order)], int(n + 1 == len(order))
            self._add(context, BEGINS, then, BEGINS, self._busy(context), wraps, "the unit is busy")
        sending = [context for context in order if system.out[context]]
        for n, context in enumerate(sending):
            flits = system.most_flits(context, self.caps[context])
            share = self.slots.share(unit, TOKENS, flits)
            ready = self._queued(context, unit) + 1
            self._add(context, BEGINS, context, SENT, ready + share, 0, f"{flits} flits")
            before = sending[n - 1]
            self._add(before, SENT, context, SENT, share, int(n == 0), f"{flits} flits behind others")
        if sending:
            for context in order:
                self._room(unit, sending, context)
        receiving = [context for context in order if system.into[context]]
        for n, context in enumerate(receiving):
            share = self.slots.share(unit, CREDITS, 1)
            ready = self._busy(context) + system.times.release + 1
            self._add(context, BEGINS, context, CREDITED, ready + share, 0, "read")
            before = receiving[n - 1]
            self._add(before, CREDITED, context, CREDITED, share, int(n == 0), "credits before it")

    def _room(self, unit: int, sending: list[int], context: int) -> None:
        """A step waits until the queue has room, sends it something or not: until the step has left with which it would
        be too full."""
        order, own = self.system.units[unit].order, self.system.contexts[context].neurons + 1
        sizes = [self.system.contexts[other].neurons + 1 for other in sending]
        room = self.system.room_of(self.system.units[unit])
        rounds = (room - own) // sum(sizes)  # of all, that surely have room
        number = sum(order.index(other) < order.index(context) for other in sending)  # that come before it in a turn
        held, behind = own + rounds * sum(sizes), number - rounds * len(sizes)
        while held <= room:
            behind -= 1
            held += sizes[behind % len(sizes)]
        source = sending[behind % len(sending)]
        wraps = -(behind // len(sending))
        self._add(source, SENT, context, BEGINS, self.waits[unit][TOKENS] + 1, wraps, "room in the queue")

    def _of_connection(self, number: int) -> None:
        system, of = self.system, self.system.connections[number]
        start = system.times.start
        wait = self.waits[system.unit_of[of.source]][TOKENS]
        self._add(of.source, SENT, of.target, BEGINS, wait + system.latency[number] + start, of.delay, "END")
        wait = self.waits[system.unit_of[of.target]][CREDITS]
        steps = system.credits - of.delay
        if steps < 0:
            raise VolleyError(f"{system.name(number)}: {system.credits} credits, and {of.delay} tokens at the start")
        self._add(of.target, CREDITED, of.source, BEGINS, wait + system.credit_latency[number] + start, steps, "credit")

    def _add(self, source: int, what: int, target: int, then: int, weight: int, delay: int, why: str) -> None:
        self.rows.append((3 * source + what, 3 * target + then, weight, delay, why))


def _check_live(system: System, edges: Edges) -> None:
    """No circle may be without delay."""
    now = np.flatnonzero(edges.delay == 0)
    part = strong_parts(edges.nodes, edges.tail[now], edges.head[now])
    sizes = np.bincount(part)
    if sizes.max() > 1:
        names = sorted({system.contexts[int(n) // 3].name for n in np.flatnonzero(part == sizes.argmax())})
        raise VolleyError(
            f"deadlock: {', '.join(names)} wait for each other in every step: another order on their tiles, or one "
            "more credit"
        )


def _levels(edges: Edges) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """(head, tail, weight, delay) of the edges into the nodes of each level, lowest first: what a node waits for in the
    same step lies below it."""
    now = edges.delay == 0
    tail, head = edges.tail[now], edges.head[now]
    level = np.zeros(edges.nodes, dtype=np.int64)
    for _ in range(edges.nodes):
        raised = level.copy()
        np.maximum.at(raised, head, level[tail] + 1)
        if (raised == level).all():
            break
        level = raised
    rows = []
    for at in range(int(level.max()) + 1):
        here = level[edges.head] == at
        rows.append((edges.head[here], edges.tail[here], edges.weight[here], edges.delay[here]))
    return rows
