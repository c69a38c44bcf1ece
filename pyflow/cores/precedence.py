# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cores as precedences: what each handshake of a frame waits for at the least, in the frame or in one before.

The same kinds as in recurrence.py, each as inequalities `head ≥ tail + cycles` between events. An event of a stream is
V (its producer shows beat k) or H (beat k moves). Every inequality holds of the recurrence, so no frame rate is above
what they allow. Where all cores are max-plus linear they are the recurrence itself.

A Pipe is not linear: it stalls as a whole, and a gap between its beats stays. Its inequalities take the beats as if
they came without gaps. They are equal to it where no output waits, and where no input does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pyflow.analysis.dataflow import Edges
from pyflow.cores.recurrence import Channel, Fork, Pipe, Queue, Recurrence, Register, Serial, Store, Zip
from pyflow.cores.stream import Delayed, Gearbox
from pyflow.cores.top import Answered, Guarded
from pyflow.cores.window import RowWalk
from pyflow.errors import VolleyError
from pyflow.integers import ceil_div

FAR = 64  # passes behind which every gate of a buffer is a read that there has been


@dataclass(frozen=True, slots=True)
class Events:
    """Consecutive nodes: one event for each beat of a frame."""

    first: int
    count: int


@dataclass
class Precedences:
    """Of all cores. beats: per frame, by channel. Events of a frame are nodes; an index below 0 is of a frame
    before."""

    beats: dict[Channel, int]
    nodes: int = 0
    shown: dict[Channel, Events] = field(default_factory=dict)
    moved: dict[Channel, Events] = field(default_factory=dict)
    owners: list[tuple[Events, str]] = field(default_factory=list)
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=list)

    def add(self, core: Recurrence, name: str) -> None:
        """Raises VolleyError for a kind that has no precedences."""
        rules = RULES.get(type(core))
        if rules is None:
            raise VolleyError(
                f"{name}: the times of {type(core).__name__} depend on data, or are not known as precedences; "
                "the critical cycle needs layers that take every word, and cores of this package"
            )
        for sink in core.sinks:
            self.of_channel(sink, name)
        rules(self, core, name)

    def of_channel(self, channel: Channel, name: str = "") -> None:
        if channel not in self.shown:
            count = self.beats[channel]
            self.shown[channel], self.moved[channel] = self.events(count, name), self.events(count, name)
            self.wait(self.moved[channel], self.shown[channel])

    def events(self, count: int, name: str) -> Events:
        made = Events(self.nodes, count)
        self.nodes += count
        self.owners.append((made, name))
        return made

    def wait(
        self,
        head: Events,
        tail: Events,
        index: np.ndarray | int = 0,
        cycles: np.ndarray | int = 0,
        of: np.ndarray | None = None,
    ) -> None:
        """Event `of` of the head (all of them) comes `cycles` behind event `index` of the tail; a number is a
        difference: -1 is the one before."""
        of = np.arange(head.count) if of is None else of
        index = of + index if isinstance(index, int) else index
        if len(index) != len(of) or len(of) > head.count or of.max(initial=0) >= head.count:
            raise RuntimeError(f"{len(of)} events of {head.count} wait for {len(index)} of {tail.count}")
        frame, place = np.divmod(index, tail.count)
        weight = np.broadcast_to(np.asarray(cycles, dtype=np.int64), of.shape)
        self.rows.append((tail.first + place, head.first + of, weight, -frame))

    def edges(self) -> Edges:
        tail, head, weight, delay = (np.concatenate(column).astype(np.int64) for column in zip(*self.rows, strict=True))
        by_head = np.argsort(head, kind="stable")
        return Edges(self.nodes, tail[by_head], head[by_head], weight[by_head], delay[by_head])

    def owner(self, node: int) -> str:
        """Name of the core that takes the beat, or of whose own an event is."""
        return next(name for events, name in self.owners if events.first <= node < events.first + events.count)


def _in_turn(p: Precedences, channel: Channel, cycles: int = 1) -> Events:
    """One beat a cycle; the events of its moves."""
    p.wait(p.moved[channel], p.moved[channel], -1, cycles)
    return p.moved[channel]


def _source(p: Precedences, channel: Channel, name: str) -> tuple[Events, Events]:
    p.of_channel(channel, name)
    return p.shown[channel], p.moved[channel]


def _of_passes(index: np.ndarray, passes: int, beats: int) -> np.ndarray:
    """The same in each pass, `beats` further on."""
    return np.asarray(np.arange(passes)[:, None] * beats + index).ravel()


def _register(p: Precedences, core: Register, name: str) -> None:
    taken, (shown, left) = _in_turn(p, core.sink), _source(p, core.source, name)
    p.wait(taken, left, -1)
    p.wait(shown, taken, 0, 1)


def _queue(p: Precedences, core: Queue, name: str) -> None:
    taken, (shown, left) = _in_turn(p, core.sink), _source(p, core.source, name)
    p.wait(taken, left, -core.depth, 1)
    p.wait(shown, taken, 0, core.latency)


def _serial(p: Precedences, core: Serial, name: str) -> None:
    taken, (shown, left) = _in_turn(p, core.sink, core.steps), _source(p, core.source, name)
    p.wait(taken, left, -2)
    p.wait(shown, taken, 0, core.steps + 1)


def _zip(p: Precedences, core: Zip, name: str) -> None:
    p.beats.setdefault(core.source, p.beats[core.sink])
    shown, left = _source(p, core.source, name)
    for sink in core.sinks:
        p.wait(shown, p.shown[sink])
        p.wait(p.moved[sink], left)


def _fork(p: Precedences, core: Fork, name: str) -> None:
    for source in core.sources:
        shown, left = _source(p, source, name)
        p.wait(shown, p.shown[core.sink])
        p.wait(shown, p.moved[core.sink], -1, 1)
        p.wait(p.moved[core.sink], left)


def _guarded(p: Precedences, core: Guarded, name: str) -> None:
    taken, (shown, left) = _in_turn(p, core.sink), _source(p, core.source, name)
    p.wait(taken, left, -1)
    p.wait(shown, taken, 0, 1)
    told, reported = _source(p, core.flags, name)
    p.wait(told, taken, np.array([taken.count - 1]), 1)
    p.wait(taken, reported, np.array([-1]), 1, np.array([0]))


def _answered(p: Precedences, core: Answered, _: str) -> None:
    taken, trailer = _in_turn(p, core.sink), p.moved[core.flags]
    p.wait(trailer, taken, np.array([taken.count - 1]), 1)
    p.wait(taken, trailer, np.array([-1]), 1, np.array([0]))


def _store(p: Precedences, core: Store, name: str) -> None:
    taken, (shown, left) = _in_turn(p, core.sink), _source(p, core.source, name)
    reads, beats = len(core.need), core.sink.beats
    passes = taken.count // beats
    issued = p.events(passes * reads, name)
    gates = core.room(FAR) - FAR * reads
    p.wait(taken, issued, _of_passes(gates - 1, passes, reads), 1)
    p.wait(issued, issued, -1, 1)
    need = np.array(core.need, dtype=np.int64)
    waits = np.flatnonzero(np.tile(need, passes) >= 0)
    p.wait(issued, taken, _of_passes(need, passes, beats)[waits], 1, waits)
    p.wait(issued, left, -core.registers)
    p.wait(shown, issued, 0, core.registers)


def _pipe(p: Precedences, core: Pipe, name: str) -> None:
    taken, (shown, left) = _in_turn(p, core.sink, core.interval), _source(p, core.source, name)
    p.wait(taken, p.shown[core.sink], 0, core.interval - 1)
    if core.state:
        p.wait(taken, taken, -core.state[0], core.state[1])
    if core.by_data:
        raise VolleyError(f"{name}: its outputs depend on data; the critical cycle needs layers that take every word")
    pattern = np.resize(np.array(core.pattern, dtype=bool), taken.count)
    emits = np.flatnonzero(pattern)  # input of each output
    p.wait(shown, taken, emits, core.latency, np.arange(len(emits)))
    gap = (emits - np.roll(emits, 1)) * core.interval
    gap[0] += taken.count * core.interval
    p.wait(shown, left, -1, gap)
    # An input is taken behind the outputs that `latency` ticks of inputs before it have made.
    before = np.arange(taken.count) - ceil_div(core.latency, core.interval)
    frame, place = np.divmod(before, taken.count)
    p.wait(taken, left, frame * len(emits) + np.searchsorted(emits, place, side="right") - 1)


def _gearbox(p: Precedences, core: Gearbox, name: str) -> None:
    taken, (shown, left) = _in_turn(p, core.sink), _source(p, core.source, name)
    units, whole = core.units_out, core.beats_out * core.units_out
    pixel, beat = np.divmod(np.arange(taken.count), core.beats_in)
    filled = pixel * whole + np.where(beat == core.beats_in - 1, whole, (beat + 1) * core.units_in)
    before = np.roll(filled, 1)
    before[0] = 0
    gone = before if units == 1 else filled - core.room
    p.wait(taken, left, -(-gone // units) - 1)
    made = filled // units - before // units
    p.wait(shown, taken, np.repeat(np.arange(taken.count), made), 1, np.arange(int(made.sum())))


def _delayed(p: Precedences, core: Delayed, name: str) -> None:
    taken, (shown, left) = _in_turn(p, core.sink), _source(p, core.source, name)
    p.wait(shown, left, -1, 1)
    k = np.arange(core.lag, core.frame)
    p.wait(shown, taken, k - core.lag, core.latency, k)
    # The n-th beat that is stored waits for the one that is `lag` stored beats and one more before it.
    stored = np.arange(core.frame - core.lag)
    frame, place = np.divmod(stored - core.lag - 1, len(stored))
    p.wait(taken, left, frame * core.frame + place + core.lag, 1, stored)


def _row_walk(p: Precedences, core: RowWalk, name: str) -> None:
    """A walk of a frame in which a beat that may be taken early is."""
    (shown, left), taken = _source(p, core.source, name), p.moved[core.sink]
    walk, shows = _walk(core)
    passes = taken.count // core.sink.beats
    takes = [(beat + n * core.sink.beats if beat >= 0 else -1, must) for n in range(passes) for beat, must in walk]
    shows = np.tile(shows, passes)
    steps = p.events(len(takes), name)
    p.wait(steps, steps, -1, 1)
    here = np.array([n for n, (beat, _) in enumerate(takes) if beat >= 0], dtype=np.int64)
    beats = np.array([takes[n][0] for n in here], dtype=np.int64)
    frame, place = np.divmod(beats, taken.count)
    must = np.array([takes[n][1] for n in here], dtype=bool)
    # Beats of a frame to come are those of this frame, taken by the walk of the frame before.
    p.wait(taken, steps, here - frame * len(takes), 0, place)
    p.wait(steps, p.shown[core.sink], beats[must], 0, here[must])
    of_step = np.repeat(np.arange(len(takes)), shows)
    nth = np.arange(len(of_step)) - (np.cumsum(shows) - shows)[of_step]
    p.wait(shown, steps, of_step, 1 + nth, np.arange(len(of_step)))
    p.wait(steps, left, np.cumsum(shows) - shows - 1)


def _walk(core: RowWalk) -> tuple[list[tuple[int, bool]], np.ndarray]:
    """Steps of a pass that follows others: (the beat taken or -1, must it be?), and how many outputs each shows."""
    walk, along = core.core, core.along
    takes: list[tuple[int, bool]] = []
    shows: list[int] = []
    early = int(along.overlap > 0 and walk.groups == 1)  # beats of this pass that the one before took
    ahead, taken = early, early
    for row in range(walk.height):
        last_row = row == walk.height - 1
        beat, ahead = ahead, 0
        while beat < along.beats + along.beyond:
            beyond, left = beat >= along.beats, along.beats + along.beyond - beat
            for _ in range(walk.groups):
                must = not beyond or (not last_row and left <= along.overlap)
                may = beyond and last_row and left == 1 and early > 0
                takes.append((taken, must) if must or may else (-1, False))
                taken += must or may
                out = along.lead_in <= beat <= along.last and (beat - along.lead_in) % along.step == 0
                shows.append(walk.replay if out else 0)
            ahead += beyond and (must or may)
            beat += 1
    return takes, np.array(shows, dtype=np.int64)


RULES: dict[type[Recurrence], Callable[..., None]] = {
    Register: _register, Queue: _queue, Serial: _serial, Zip: _zip, Fork: _fork, Guarded: _guarded, Answered: _answered,
    Store: _store, Pipe: _pipe, Gearbox: _gearbox, Delayed: _delayed, RowWalk: _row_walk,
}  # fmt: skip
