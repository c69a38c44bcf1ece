# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The kinds of recurrence over handshake times that cores are: a core's times() chooses one, planning/schedule.py
joins them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


class Channel:
    """Times of one stream. valid[k]: cycle the producer shows beat k; moved[k]: cycle of its handshake. beats: per
    pass. last[k]: does beat k end a window? Kept where the data decides it. awake: cycle from which on the consumer can
    take a beat behind a reset; only the zeros of a delay come that early."""

    __slots__ = ("awake", "beats", "last", "moved", "valid")

    def __init__(self, beats: int = 0) -> None:
        self.beats, self.awake = beats, 1
        self.valid: list[int] = []
        self.moved: list[int] = []
        self.last: list[bool] = []


@dataclass(frozen=True, slots=True)
class Ports:
    """What a core is joined to. words: of one that skips zeros, how many of each beat of its sink are not zero, of all
    frames one after the other."""

    sinks: list[Channel]
    sources: list[Channel]
    words: Sequence[int] = ()

    @property
    def sink(self) -> Channel:
        return self.sinks[0]

    @property
    def source(self) -> Channel:
        return self.sources[0]


class Recurrence:
    """Consumes `sink`, produces `source`. advance() goes as far as the known times allow and tells
    whether it got anywhere; `force` lets it assume that what is not known yet comes too late.

    full: did a beat wait for room in its buffer?
    """

    def __init__(self, sink: Channel, source: Channel) -> None:
        self.sink, self.source, self.full = sink, source, False
        self.sinks, self.sources = [sink], [source]

    def advance(self, force: bool) -> bool:
        raise NotImplementedError

    def numbers(self) -> Sequence[int] | None:
        """What its twin in recurrence.cpp is made of; None where it has none."""
        return None

    def table(self) -> Sequence[int]:
        """A list of any length that it has besides."""
        return ()


class Pipe(Recurrence):
    """A pipeline that stalls as a whole: each beat in takes `interval` cycles, and `latency` unstalled cycles
    (ticks) after one that emits an output that shows.

    pattern: which beats emit, over and over. emits: instead, where the data decides it: does the n-th beat, counted
    from 1?

    state: (beats, ticks), where a beat waits for what the beat `beats` before left behind `ticks` ticks after its
    own start: a state memory.

    While output k waits, from valid[k] to moved[k], nothing moves; so tick q happens in cycle
    q + (stalled cycles before it), and bubbles are not squeezed out.
    """

    def __init__(
        self,
        sink: Channel,
        source: Channel,
        *,
        pattern: Sequence[bool] = (True,),
        emits: Callable[[int], bool] | None = None,
        interval: int = 1,
        latency: int = 1,
        state: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(sink, source)
        self.pattern, self.by_data = pattern, emits is not None
        self.emits = emits or (lambda n: pattern[(n - 1) % len(pattern)])
        self.interval, self.latency, self.state = interval, latency, state
        self.started: list[int] = []  # tick of each input's first step, where there is a state
        self.ticks: list[int] = []  # of each output
        self.passed = 0  # outputs whose stall the input side has behind it
        self.lost = 0  # cycles, in those stalls
        self.time = -1  # of the last step taken in
        self.left = interval  # steps of the present input beat

    def advance(self, force: bool) -> bool:
        v_in, h_in, v_out, h_out = self.sink.valid, self.sink.moved, self.source.valid, self.source.moved
        ticks, state = self.ticks, self.state
        before = len(v_out), len(h_in), self.left
        while True:
            while (k := len(v_out)) < len(ticks) and len(h_out) >= k:
                v_out.append(h_out[k - 1] + ticks[k] - ticks[k - 1] if k else ticks[0])
            j = len(h_in)
            if j == len(v_in):
                break
            t = self.time + 1
            if v_in[j] > t:
                t = v_in[j]
            free = 0  # tick in which the state is there
            if state and j >= state[0] and self.left == self.interval:
                free = self.started[j - state[0]] + state[1]
            t = max(t, free + self.lost)
            known = True
            while (passed := self.passed) < len(ticks):
                if passed == len(v_out):
                    known = ticks[passed] + self.lost > t  # not shown before t whatever happens
                    break
                if v_out[passed] > t:
                    break
                if passed == len(h_out):
                    known = False
                    break
                self.lost += h_out[passed] - v_out[passed]
                t = max(t, h_out[passed], free + self.lost)
                self.passed += 1
            if not known:
                break
            self.time = t
            if state and self.left == self.interval:
                self.started.append(t - self.lost)
            self.left -= 1
            if not self.left:
                self.left = self.interval
                h_in.append(t)
                if self.emits(j + 1):
                    ticks.append(t - self.lost + self.latency)
        return before != (len(v_out), len(h_in), self.left)

    def numbers(self) -> Sequence[int] | None:
        return None if self.by_data else (self.interval, self.latency, *(self.state or (0, 0)))

    def table(self) -> Sequence[int]:
        return self.pattern


class Serial(Recurrence):
    """Serial neuron: a beat occupies the comparators for `steps` cycles."""

    def __init__(self, sink: Channel, source: Channel, *, steps: int) -> None:
        super().__init__(sink, source)
        self.steps = steps

    def advance(self, force: bool) -> bool:
        v_in, h_in, v_out, h_out = self.sink.valid, self.sink.moved, self.source.valid, self.source.moved
        j, start = len(h_in), len(h_in)
        while j < len(v_in) and j - 2 < len(h_out):
            t = v_in[j]
            if j:
                t = max(t, h_in[-1] + self.steps)
            if j > 1:
                t = max(t, h_out[j - 2])
            h_in.append(t)
            v_out.append(t + self.steps + 1)
            j += 1
        return j > start

    def numbers(self) -> Sequence[int]:
        return (self.steps,)


class Register(Recurrence):
    """A register that takes the next beat when the present one leaves."""

    def advance(self, force: bool) -> bool:
        v_in, h_in, v_out, h_out = self.sink.valid, self.sink.moved, self.source.valid, self.source.moved
        j, start = len(h_in), len(h_in)
        while j < len(v_in) and j - 1 < len(h_out):
            t = v_in[j]
            if j:
                t = max(t, h_in[-1] + 1, h_out[j - 1])
            h_in.append(t)
            v_out.append(t + 1)
            j += 1
        return j > start

    def numbers(self) -> Sequence[int]:
        return ()


class Queue(Recurrence):
    """A FIFO of `depth` beats; of two, it is a skid register."""

    def __init__(self, sink: Channel, source: Channel, *, depth: int) -> None:
        super().__init__(sink, source)
        self.depth, self.latency = depth, 1 if depth == 2 else 2

    def advance(self, force: bool) -> bool:
        v_in, h_in, v_out, h_out = self.sink.valid, self.sink.moved, self.source.valid, self.source.moved
        j, start = len(h_in), len(h_in)
        while j < len(v_in) and j - self.depth < len(h_out):
            t = v_in[j]
            if j and h_in[-1] >= t:
                t = h_in[-1] + 1
            if j >= self.depth and h_out[j - self.depth] >= t:
                t = h_out[j - self.depth] + 1
                self.full = True
            h_in.append(t)
            v_out.append(t + self.latency)
            j += 1
        return j > start

    def numbers(self) -> Sequence[int]:
        return self.depth, self.latency


class Zip(Recurrence):
    """Two sinks that move together, seen as one: `source` is the sink of the core behind."""

    def __init__(self, sinks: list[Channel], source: Channel) -> None:
        super().__init__(sinks[0], source)
        self.sinks = sinks

    def advance(self, force: bool) -> bool:
        both, shown, taken = self.source, len(self.source.valid), len(self.sink.moved)
        while all(len(s.valid) > len(both.valid) for s in self.sinks) and len(both.moved) >= len(both.valid):
            both.valid.append(max(s.valid[len(both.valid)] for s in self.sinks))
        while len(self.sink.moved) < len(both.moved):
            t = both.moved[len(self.sink.moved)]
            for s in self.sinks:
                s.moved.append(t)
        return (shown, taken) != (len(both.valid), len(self.sink.moved))

    def numbers(self) -> Sequence[int]:
        return ()


class Fork(Recurrence):
    """Each source takes the beat when it likes; the sink's is taken with the last of them."""

    def __init__(self, sink: Channel, sources: list[Channel]) -> None:
        super().__init__(sink, sources[0])
        self.sources = sources

    def advance(self, force: bool) -> bool:
        v_in, h_in = self.sink.valid, self.sink.moved
        before = len(self.source.valid), len(h_in)
        while True:
            k = len(h_in)
            if k < len(self.source.valid) and all(len(s.moved) > k for s in self.sources):
                h_in.append(max(s.moved[k] for s in self.sources))
            elif k == len(self.source.valid) and k < len(v_in):
                t = max(v_in[k], h_in[-1] + 1) if k else v_in[k]
                for s in self.sources:
                    s.valid.append(t)
            else:
                return before != (len(self.source.valid), len(h_in))

    def numbers(self) -> Sequence[int]:
        return ()


class Store(Recurrence):
    """A buffer with its own reader (line buffer, folded window, upsampling): reads are issued in order, one a cycle.

    need[m]: the input beat that read m waits for (-1: none), of one frame. room(f): for each input beat of frame f, how
    many reads must have been issued before it fits. registers: from the memory on, its own included.
    """

    def __init__(
        self,
        sink: Channel,
        source: Channel,
        need: np.ndarray,
        room: Callable[[int], np.ndarray],
        *,
        registers: int = 2,
    ) -> None:
        super().__init__(sink, source)
        self.need: list[int] = need.tolist()
        self.room, self.registers = room, registers
        self.gates: list[int] = []  # of all input beats so far
        self.issued: list[int] = []

    def advance(self, force: bool) -> bool:
        v_in, h_in, v_out, h_out = self.sink.valid, self.sink.moved, self.source.valid, self.source.moved
        issued, reads, beats, registers = self.issued, len(self.need), self.sink.beats, self.registers
        moved = False
        while True:
            progress = False
            j = len(h_in)
            while j < len(v_in):
                if j == len(self.gates):
                    self.gates += self.room(j // beats).tolist()
                gate = self.gates[j]
                if gate > len(issued):
                    break
                t = v_in[j]
                if j and h_in[-1] >= t:
                    t = h_in[-1] + 1
                if gate > 0 and issued[gate - 1] >= t:
                    t = issued[gate - 1] + 1
                    self.full = True
                h_in.append(t)
                j += 1
                progress = True
            m = len(issued)
            while m - registers < len(h_out):
                frame, k = divmod(m, reads)
                wait = self.need[k]
                t = issued[-1] + 1 if m else 0
                if wait >= 0:
                    wait += frame * beats
                    if wait >= len(h_in):
                        break
                    if h_in[wait] >= t:
                        t = h_in[wait] + 1
                elif frame * beats > len(v_in):
                    break  # nothing but padding, of a frame beyond the schedule
                if m >= registers and h_out[m - registers] > t:
                    t = h_out[m - registers]
                issued.append(t)
                v_out.append(t + registers)
                m += 1
                progress = True
            if not progress:
                return moved
            moved = True

    def numbers(self) -> Sequence[int]:
        return (self.registers,)

    def table(self) -> Sequence[int]:
        return self.need


def tree_depth(n: int) -> int:
    """Steps in which a tree joins n values."""
    return (n - 1).bit_length()


def state_of(beats: int, passes: int, ticks: int) -> tuple[int, int] | None:
    """Pipe's `state` of a core whose state is back `ticks` ticks after a beat was taken, if a frame has passes that
    hand one on."""
    return (beats, ticks) if passes > 1 else None
