# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cores of rtl/synapse: sums of weights, with the list of events in front of one that skips zeros."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pyflow.cores.base import Core
from pyflow.cores.recurrence import Channel, Pipe, Ports, Recurrence, Register
from pyflow.hardware import ceil_div, sum_latency


@dataclass(frozen=True, slots=True)
class SynapseArray(Core):
    module: ClassVar = "volley_synapse_array"
    memory_port: ClassVar = "weight"
    body: int
    pe: int
    simd: int
    t: int
    tp: int
    weight_w: int
    folds: int
    acc_w: int
    per_step: bool
    pix: int

    def times(self, ports: Ports) -> list[Recurrence]:
        return [summed(self, self.simd, ports.sink, ports.source, lambda n: n % self.folds == 0)]

    @property
    def beat_cycles(self) -> int:
        return self.t // self.tp


@dataclass(frozen=True, slots=True)
class SynapseEvent(Core):
    module: ClassVar = "volley_synapse_event"
    body: int
    pe: int
    events: int
    t: int
    tp: int
    weight_w: int
    inputs: int
    folds: int
    acc_w: int
    per_step: bool

    def times(self, ports: Ports) -> list[Recurrence]:
        row, weights = Channel(), Channel()  # in front of the look-up, and behind it
        ends = ports.sink.last
        array = summed(self, self.events, weights, ports.source, lambda n: ends[n - 1])
        return [Register(ports.sink, row), Register(row, weights), array]

    @property
    def beat_cycles(self) -> int:
        return self.t // self.tp


def summed(
    core: SynapseArray | SynapseEvent, simd: int, sink: Channel, source: Channel, emits: Callable[[int], bool]
) -> Pipe:
    """What both arrays are made of."""
    steps = core.beat_cycles
    latency = 1 + (steps > 1 and not core.per_step) + sum_latency(core.body, simd, core.tp, core.per_step)
    return Pipe(sink, source, emits=emits, interval=steps, latency=latency)


@dataclass(frozen=True, slots=True)
class EventList(Core):
    module: ClassVar = "volley_event_list"
    t: int
    lanes: int
    beats: int
    events: int
    replay: int
    depth: int

    def times(self, ports: Ports) -> list[Recurrence]:
        return [EventRows(ports.sink, ports.source, self, ports.words)]

    def resized(self, grow: bool, beats: int) -> dict[str, Any]:
        """Twice (half) as deep, up to eight frames without zeros. A frame that is sent again is held whole."""
        depth, rows = 2 * self.depth if grow else self.depth // 2, self.most_rows
        fits = depth <= 8 * rows if grow else depth >= (rows if self.replay > 1 else 2)
        return {"window_depth": depth} if fits else {}

    @property
    def most_rows(self) -> int:
        """Rows of a frame without zeros."""
        return ceil_div(self.beats * self.lanes, self.events)

    def rows(self, words: np.ndarray) -> np.ndarray:
        """Rows of each pass. words: int, of each beat, that are not zero."""
        rows: np.ndarray = np.maximum(1, -(-words.reshape(-1, self.beats).sum(1) // self.events))
        return rows


class EventRows(Recurrence):
    """words: how many of each beat of the sink are not zero, of all frames one after the other.

    The way into the list stops as a whole while a row finds it full, so it lives in ticks: tick q happens in cycle
    q + (stalled cycles up to it). A beat taken in tick a has its picks in ticks a + 1, ..., each joins the row in the
    tick behind; a row leaves then if it overflows, and one tick later if it is the frame's last.
    """

    def __init__(self, sink: Channel, source: Channel, core: EventList, words: Sequence[int]) -> None:
        super().__init__(sink, source)
        self.core, self.words, self.picks = core, words, min(core.events, core.lanes)
        self.tick = 0  # the earliest in which the next beat is taken
        self.seen = self.stalled = 0  # rows that left up to that tick, and the stalls that they met
        self.fill = 0  # words in the row that is made
        self.leave: list[int] = []  # by row: the tick in which it leaves,
        self.met: list[int] = []  # the stalled cycles up to then, its own included
        self.ends: list[bool] = []  # is it the last one of a frame?
        self.freed: list[int] = []  # cycle in which it was read for the last time
        self.issued = -1  # cycle of the last read
        self.first = self.row = self.replay = 0  # row of the frame that is read, row to read, in which replay

    def advance(self, force: bool) -> bool:
        before = len(self.sink.moved), len(self.met), len(self.source.valid)
        while True:
            progress = len(self.sink.moved), len(self.met), len(self.source.valid)
            self._write()
            self._take()
            self._read()
            if progress == (len(self.sink.moved), len(self.met), len(self.source.valid)):
                return before != progress

    def _write(self) -> None:
        while (r := len(self.met)) < len(self.leave) and r - self.core.depth < len(self.freed):
            stalled = self.met[-1] if r else 0
            at = self.leave[r] + stalled
            if r >= self.core.depth and self.freed[r - self.core.depth] >= at:
                at = self.freed[r - self.core.depth] + 1
                self.full = True
            self.met.append(at - self.leave[r])

    def _take(self) -> None:
        v_in, h_in = self.sink.valid, self.sink.moved
        while (j := len(h_in)) < len(v_in):
            tick = max(self.tick, v_in[j] - self.stalled)
            if self.seen < len(self.leave) and self.leave[self.seen] <= tick:
                if self.seen == len(self.met):
                    return  # it stalls, until nobody knows when
                self.tick, self.stalled = max(self.tick, self.leave[self.seen]), self.met[self.seen]
                self.seen += 1
                continue
            h_in.append(tick + self.stalled)
            words, frame_end = self.words[j], (j + 1) % self.core.beats == 0
            self.tick = tick + max(1, ceil_div(words, self.picks))
            for n in range(tick + 1, self.tick + 1):
                self.fill += min(words, self.picks)
                words -= min(words, self.picks)
                if self.fill > self.core.events:
                    self.leave.append(n + 1)
                    self.ends.append(False)
                    self.fill -= self.core.events
            if frame_end:
                self.leave.append(self.tick + 2)
                self.ends.append(True)
                self.fill = 0

    def _read(self) -> None:
        v_out, h_out = self.source.valid, self.source.moved
        while self.row < len(self.met) and len(v_out) - 1 < len(h_out):
            t = max(self.issued, self.leave[self.row] + self.met[self.row]) + 1
            if v_out:
                t = max(t, h_out[-1])
            self.issued = t
            v_out.append(t + 1)
            self.source.last.append(self.ends[self.row])
            last = self.replay == self.core.replay - 1
            if last:
                self.freed.append(t)
            if not self.ends[self.row]:
                self.row += 1
            elif last:
                self.row += 1
                self.first, self.replay = self.row, 0
            else:
                self.row, self.replay = self.first, self.replay + 1
