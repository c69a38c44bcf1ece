# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The flit-level model: when each flit of a run leaves and arrives, to the cycle, given the spikes.

A recurrence over steps. With time-division slots a flit waits for its queue alone, so the times of a step follow from
those of the tokens, credits and room that it waited for. Nothing here bounds or averages: it is what the RTL does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pyflow.errors import VolleyError
from pyflow.machines.tiles.slots import CREDITS, TOKENS, Slots
from pyflow.machines.tiles.system import Role, System

END = -1  # in place of a neuron


@dataclass(frozen=True, eq=False)
class Flits:
    """What one context sent in one step, in order. neuron: END for the last. queued, left: cycles in which each entered
    the queue, and left it. Each arrives at a node as many cycles later as there are links between."""

    context: int
    step: int
    neuron: np.ndarray
    queued: np.ndarray
    left: np.ndarray


@dataclass(frozen=True, eq=False)
class Spikes:
    """neurons: of each context and step, its neurons that spike, ascending; those of a sink are empty. last: steps that
    end a frame. ready: cycle from which the host has each step's input; None: always."""

    neurons: Sequence[Sequence[np.ndarray]]
    last: frozenset[int]
    ready: Sequence[int] | None = None

    @property
    def steps(self) -> int:
        return len(self.neurons[0])

    def above(self, caps: Sequence[int]) -> list[int]:
        """Steps in which some context spikes more often than its cap: no guarantee covers them."""
        over = [n for n in range(self.steps) if any(len(s[n]) > cap for s, cap in zip(self.neurons, caps, strict=True))]
        return over


@dataclass(frozen=True, eq=False)
class Run:
    """start, events: [contexts][steps] cycle in which a context began a step, and spikes that it read. credit: cycle in
    which the step's credit left; -1 where nobody waits for one. flits: all that was sent, in no order."""

    system: System
    start: np.ndarray
    events: np.ndarray
    credit: np.ndarray
    flits: tuple[Flits, ...]

    @property
    def ends(self) -> np.ndarray:
        """[contexts, steps] cycle in which END left; -1 of a context that sends nothing."""
        found = np.full(self.start.shape, -1, dtype=np.int64)
        for sent in self.flits:
            found[sent.context, sent.step] = sent.left[-1]
        return found

    def period(self, first: int = 0) -> float:
        """Cycles per step, of the slowest context, from step `first` on."""
        steps = self.start.shape[1]
        return float(np.max(self.start[:, -1] - self.start[:, first]) / (steps - 1 - first))


def run(system: System, slots: Slots, spikes: Spikes) -> Run:
    """All steps of all contexts. Raises VolleyError where contexts wait for each other for ever, with what each of them
    waits for."""
    model = _Model(system, slots, spikes)
    moved = True
    while moved:
        moved = False
        for unit in range(len(system.units)):
            while model.advance(unit):
                moved = True
    model.check_done()
    return Run(system, model.start, model.events, model.credit, tuple(model.flits))


class _Model:
    def __init__(self, system: System, slots: Slots, spikes: Spikes) -> None:
        self.system, self.slots, self.spikes = system, slots, spikes
        count, steps = len(system.contexts), spikes.steps
        if len(spikes.neurons) != count:
            raise VolleyError(f"spikes of {len(spikes.neurons)} contexts, the system has {count}")
        self.start, self.events, self.credit = (np.full((count, steps), -1, dtype=np.int64) for _ in range(3))
        self.done = [0] * count  # steps begun
        self.turn = [0] * len(system.units)
        self.free = [0] * len(system.units)  # cycle from which a unit may begin a step
        self.sent = [[-1, -1] for _ in system.units]  # cycle in which each queue sent last
        self.places: list[list[tuple[np.ndarray, int]]] = [[] for _ in system.units]
        self.held = [0] * len(system.units)  # flits of `places`
        self.flits: list[Flits] = []
        # Of each connection, by token: cycle from which its END, or its credit, is counted.
        self.ends: list[list[int]] = [[0] * of.delay for of in system.connections]
        self.credits: list[list[int]] = [[0] * (system.credits - of.delay) for of in system.connections]
        every = range(count)
        self.now = [system.read(n, sums=False, late=False) for n in every]
        self.ever = [system.read(n, sums=False) for n in every]
        self.sums = [np.flatnonzero(system.read(n, sums=True)) for n in every]
        self.reads = [np.zeros(system.contexts[of.source].neurons, dtype=bool) for of in system.connections]
        for read, of in zip(self.reads, system.connections, strict=True):
            read[of.reads] = True

    def advance(self, unit: int) -> bool:
        """Begin the next step of a unit, if all that it waits for is known."""
        order = self.system.units[unit].order
        context = order[self.turn[unit] % len(order)]
        step = self.done[context]
        if step >= self.spikes.steps or self._waits_for(context):
            return False
        begin = max(self.free[unit], self._room_at(unit, self.system.contexts[context].neurons + 1))
        begin = max([begin, *(self.ends[n][step] for n in self.system.into[context])])
        begin = max([begin, *(self.credits[n][step] for n in self.system.out[context])])
        if self.system.contexts[context].role is Role.SOURCE and self.spikes.ready is not None:
            begin = max(begin, self.spikes.ready[step])
        self.turn[unit] += 1
        self.done[context] += 1
        self._begin(unit, context, step, begin)
        return True

    def _waits_for(self, context: int) -> list[str]:
        """Connections whose token or credit of the next step nobody has sent yet."""
        step, name = self.done[context], self.system.name
        ends = [f"END of {name(n)}" for n in self.system.into[context] if len(self.ends[n]) <= step]
        return ends + [f"credit of {name(n)}" for n in self.system.out[context] if len(self.credits[n]) <= step]

    def _room_at(self, unit: int, need: int) -> int:
        """Cycle from which the queue has so many places. Flits free theirs when they leave, END those of neurons that
        were silent too."""
        places = self.places[unit]
        over = self.held[unit] + need - self.system.room_of(self.system.units[unit])
        while over > 0:
            left, held = places[0]
            freed = np.arange(1, len(left) + 1)
            freed[-1] = held
            at = int(np.searchsorted(freed, over))
            if at < len(left):
                return int(left[at]) + 1
            over -= held
            self.held[unit] -= held
            places.pop(0)
        return 0

    def _begin(self, unit: int, context: int, step: int, begin: int) -> None:
        system, times, role = self.system, self.system.times, self.system.contexts[context].role
        neurons = system.contexts[context].neurons
        events = sum(self._read(n, step) for n in system.into[context])
        spikes = self._leaves(context, step)
        if role is Role.SOURCE:
            queued = begin + 1 + np.arange(len(spikes) + 1)
            busy = len(spikes) + 1
        elif role is Role.SINK:
            queued, busy = np.zeros(0, dtype=np.int64), 1
        else:
            queued = begin + np.append(times.spikes_at(spikes, events), times.end_at(neurons, events))
            busy = times.busy(neurons, events)
        self.start[context, step], self.events[context, step] = begin, events
        self.free[unit] = begin + busy
        if system.out[context]:
            self._send(unit, context, step, np.append(spikes, END), queued)
        if system.into[context]:
            ready = np.array([begin + busy + times.release + 1])
            left = int(self.slots.departures(unit, CREDITS, ready, self.sent[unit][CREDITS])[0])
            self.sent[unit][CREDITS] = self.credit[context, step] = left
            for n in system.into[context]:
                self.credits[n].append(left + system.credit_latency[n] + times.start)

    def _send(self, unit: int, context: int, step: int, neurons: np.ndarray, queued: np.ndarray) -> None:
        left = self.slots.departures(unit, TOKENS, queued + 1, self.sent[unit][TOKENS])
        self.sent[unit][TOKENS] = int(left[-1])
        self.places[unit].append((left, self.system.contexts[context].neurons + 1))
        self.held[unit] += self.system.contexts[context].neurons + 1
        self.flits.append(Flits(context, step, neurons, queued, left))
        for n in self.system.out[context]:
            self.ends[n].append(int(left[-1]) + self.system.latency[n] + self.system.times.start)

    def _leaves(self, context: int, step: int) -> np.ndarray:
        """Neurons that send a flit: those that spike and are read, and those whose partial sums are. In a frame's last
        step nobody reads over a delay: the next frame begins with an empty END."""
        read = self.now[context] if step in self.spikes.last else self.ever[context]
        spikes = self.spikes.neurons[context][step]
        return np.sort(np.concatenate([spikes[read[spikes]], self.sums[context]]))

    def _read(self, connection: int, step: int) -> int:
        """Events that a connection brings to the target's `step`. Sums go beside the array."""
        of = self.system.connections[connection]
        sent = step - of.delay
        if sent < 0 or (of.delay and sent in self.spikes.last) or of.sums:
            return 0
        return int(self.reads[connection][self.spikes.neurons[of.source][sent]].sum())

    def check_done(self) -> None:
        waiting = []
        for unit in self.system.units:
            for n, context in enumerate(unit.order):
                if self.done[context] < self.spikes.steps:
                    name = self.system.contexts[context].name
                    before = self.system.contexts[unit.order[n - 1]].name
                    what = self._waits_for(context) or [f"its turn behind {before}"]
                    waiting.append(f"{name}, step {self.done[context]}: {', '.join(what)}")
        if waiting:
            raise VolleyError(f"deadlock: {'; '.join(waiting[:5])}")


def caps_of(system: System, runs: Sequence[Spikes]) -> list[int]:
    """The most spikes of each context in any step of some runs: the default caps, from training data. At least 1."""
    return [
        0 if context.role is Role.SINK else max(1, *(len(spikes) for run in runs for spikes in run.neurons[n]))
        for n, context in enumerate(system.contexts)
    ]
