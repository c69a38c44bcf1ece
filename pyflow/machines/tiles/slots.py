# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Time-division slots: who may send in which cycle, so that no two flits meet on a link.

Cycles are counted modulo a wheel. A queue that owns slot s sends in cycles s, s + wheel, ... A flit passes one link per
cycle, so slot s of a queue takes slot s + n of the n-th link of its way (Goossens et al. 2005, contention-free
routing). Each unit has two queues, one of tokens and one of credits, so a credit never waits for a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pyflow.errors import VolleyError
from pyflow.integers import ceil_div
from pyflow.machines.tiles.system import System
from pyflow.machines.tiles.topology import tree

WHEELS = (8, 16, 32, 64, 128)
TOKENS, CREDITS = 0, 1


@dataclass(frozen=True, eq=False)
class Queue:
    """kind: TOKENS or CREDITS. links, after: int64, of all that its flits may pass, and in which cycle after the first.
    flits: in a step, at the most."""

    unit: int
    kind: int
    links: np.ndarray
    after: np.ndarray
    flits: int


@dataclass(frozen=True, eq=False)
class Slots:
    """owned: int64, ascending, of each unit's queues (TOKENS, CREDITS); empty where it sends nothing."""

    wheel: int
    owned: tuple[tuple[np.ndarray, np.ndarray], ...]

    def departures(self, unit: int, kind: int, ready: np.ndarray, after: int) -> np.ndarray:
        """int64 cycles in which flits leave, one behind the other. ready: of each the first cycle in which it may, in
        order. after: cycle in which the queue sent last."""
        slots = self.owned[unit][kind]
        if not len(ready):
            return np.asarray(ready, dtype=np.int64)
        first = np.maximum(ready, after + 1)
        turn = first // self.wheel * len(slots) + np.searchsorted(slots, first % self.wheel)
        steps = np.arange(len(ready))
        turn = np.maximum.accumulate(turn - steps) + steps
        return np.asarray(turn // len(slots) * self.wheel + slots[turn % len(slots)])

    def share(self, unit: int, kind: int, flits: int) -> int:
        """Cycles in which a busy queue sends so many flits in the long run, rounded up."""
        return ceil_div(flits * self.wheel, len(self.owned[unit][kind]))

    def wait(self, unit: int, kind: int) -> int:
        """The most cycles by which any number of flits, the first of which is ready in any cycle, leave later than
        that cycle and their share() of cycles."""
        slots = self.owned[unit][kind]
        count = len(slots)
        twice = np.concatenate([slots, slots + self.wheel])
        # The worst first cycle is the one behind a slot. `n` flits from there on leave in slot `n` behind it.
        ready = slots[:, None] + 1
        leaves = np.stack([twice[n + 1 : n + 1 + count] for n in range(count)])
        number = np.arange(1, count + 1)[:, None]
        late = (leaves - ready.T) * count - number * self.wheel
        return ceil_div(int(late.max()), count)


def queues(system: System, caps: Sequence[int], credits: int = 1) -> list[Queue]:
    """Of all units that send. caps: spikes of each context in a step, at the most. credits: flits that a credit counts
    for."""
    found: list[Queue] = []
    for number, unit in enumerate(system.units):
        out = [n for context in unit.order for n in system.out[context]]
        back = [n for context in unit.order for n in system.into[context]]
        sends = [context for context in unit.order if system.out[context]]
        receives = [context for context in unit.order if system.into[context]]
        flits = (sum(system.most_flits(context, caps[context]) for context in sends), credits * len(receives))
        ends = (
            {system.node(system.connections[n].target) for n in out},
            {system.node(system.connections[n].source) for n in back},
        )
        for kind in (TOKENS, CREDITS):
            if flits[kind]:
                ways = tree(system.topology, unit.node, sorted(ends[kind]))
                links, after = np.array(list(ways.items()), dtype=np.int64).T
                found.append(Queue(number, kind, links, after, flits[kind]))
    return found


def allocate(system: System, caps: Sequence[int], wheel: int, credits: int = 1) -> Slots:
    """Slots for a short step: those of the least step that a search finds, and what is left over to the queues that
    wait longest. caps: spikes of each context in a step, at the most. credits: flits that a credit counts for; more
    make credits wait less, and leave fewer slots to tokens. Raises VolleyError where a wheel has too few slots."""
    if not 1 <= wheel <= 4096:
        raise VolleyError(f"slots: a wheel of {wheel}; from 1 to 4,096")
    every = queues(system, caps, credits)
    table = _Table(every, wheel)
    most = sum(queue.flits for queue in every) * wheel
    low, high = max(queue.flits for queue in every) - 1, most
    found = table.fill(high)
    if found is None:
        raise VolleyError(_too_few(system, every, wheel))
    while high - low > 1:
        middle = (low + high) // 2
        better = table.fill(middle)
        low, high, found = (low, middle, better) if better is not None else (middle, high, found)
    table.give_rest(found)
    owned = [[np.zeros(0, dtype=np.int64)] * 2 for _ in system.units]
    for queue, slots in zip(every, found, strict=True):
        owned[queue.unit][queue.kind] = np.array(sorted(slots), dtype=np.int64)
    return Slots(wheel, tuple((tokens, credits) for tokens, credits in owned))


def _too_few(system: System, every: list[Queue], wheel: int) -> str:
    counted: dict[int, int] = {}
    for queue in every:
        for link in queue.links.tolist():
            counted[link] = counted.get(link, 0) + 1
    worst = max(counted, key=lambda link: counted[link])
    return (
        f"slots: {counted[worst]} queues send over link {system.topology.link_name(worst)}, and a wheel of {wheel} "
        f"slots was too short for all {len(every)}: a wheel of {2 * max(wheel, counted[worst])}, or fewer clusters"
    )


class _Table:
    """Which slots of which links are taken."""

    def __init__(self, every: list[Queue], wheel: int) -> None:
        self.queues, self.wheel = every, wheel
        self.numbers = {link: n for n, link in enumerate(sorted({int(k) for q in every for k in q.links}))}
        self.rows = [np.array([self.numbers[int(link)] for link in q.links]) for q in every]
        self.taken = np.zeros((len(self.numbers), wheel), dtype=bool)

    def open(self, queue: int) -> np.ndarray:
        """Slots in which nothing is in a queue's way."""
        at = (np.arange(self.wheel)[:, None] + self.queues[queue].after) % self.wheel
        return np.flatnonzero(~self.taken[self.rows[queue], at].any(axis=1))

    def take(self, queue: int, slot: int) -> None:
        self.taken[self.rows[queue], (slot + self.queues[queue].after) % self.wheel] = True

    def fill(self, step: int) -> list[list[int]] | None:
        """Slots of each queue for steps of so many cycles, evenly over the wheel; None where this does not go."""
        self.taken[:] = False
        wanted = [ceil_div(queue.flits * self.wheel, step) for queue in self.queues]
        found: list[list[int]] = [[] for _ in self.queues]
        for n in sorted(range(len(wanted)), key=lambda n: (-wanted[n] * len(self.rows[n]), n)):
            free = self.open(n)
            if len(free) < wanted[n]:
                return None
            for turn in range(wanted[n]):
                ideal = turn * self.wheel // wanted[n]
                slot = int(free[np.argmin(np.abs(free - ideal))])
                free = free[free != slot]
                self.take(n, slot)
                found[n].append(slot)
        return found

    def give_rest(self, found: list[list[int]]) -> None:
        """Slots that are left, one by one, to the queue that takes longest for its flits; in the middle of its longest
        gap, or near it."""
        self.taken[:] = False
        for n, slots in enumerate(found):
            for slot in slots:
                self.take(n, slot)
        open_to = set(range(len(found)))
        while open_to:
            n = max(open_to, key=lambda n: (self.queues[n].flits / len(found[n]), -n))
            free = self.open(n)
            if not len(free):
                open_to.remove(n)
                continue
            mine = np.sort(found[n])
            gaps = np.diff(np.append(mine, mine[0] + self.wheel))
            widest = int(np.argmax(gaps))
            middle = (int(mine[widest]) + int(gaps[widest]) // 2) % self.wheel
            apart = np.abs(free - middle)
            slot = int(free[np.argmin(np.minimum(apart, self.wheel - apart))])
            self.take(n, slot)
            found[n].append(slot)
