# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The cores as recurrences over handshake times; schedule.py joins them. Latencies and capacities are
those on the first lines of the cores in rtl/."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pyflow.hardware import RowWindows, ceil_div, sum_latency
from pyflow.planning.netlist import Instance


class Channel:
    """Times of one stream. valid[k]: cycle the producer shows beat k; moved[k]: cycle of its handshake."""

    __slots__ = ("beats", "moved", "valid")

    def __init__(self, beats: int) -> None:
        self.beats, self.valid, self.moved = beats, [], []  # type: ignore[var-annotated]


class Core:
    """Consumes `sink`, produces `source`. advance() goes as far as the known times allow and tells
    whether it got anywhere; `force` lets it assume that what is not known yet comes too late.

    full: did a beat wait for room in its buffer?
    """

    def __init__(self, sink: Channel, source: Channel) -> None:
        self.sink, self.source, self.full = sink, source, False
        self.sinks, self.sources = [sink], [source]

    def advance(self, force: bool) -> bool:
        raise NotImplementedError


class Pipe(Core):
    """A pipeline that stalls as a whole: each beat in takes `interval` cycles, and `latency` unstalled cycles
    (ticks) after one that `emits` an output that shows. `emits(n)`: does the n-th beat, counted from 1?

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
        emits: Callable[[int], bool] = lambda _: True,
        interval: int = 1,
        latency: int = 1,
        state: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(sink, source)
        self.emits, self.interval, self.latency, self.state = emits, interval, latency, state
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


class Serial(Core):
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


class Zip(Core):
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


class Broadcast(Core):
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


class StepDelay(Core):
    """What leaves in pass p came in in pass p - 1; pass 0 is zeros, which wait for nothing but the end of a reset,
    and the last pass of a frame is dropped. Holds `beats` + 1 others."""

    def __init__(self, sink: Channel, source: Channel, *, beats: int, passes: int) -> None:
        super().__init__(sink, source)
        self.beats, self.frame, self.latency = beats, beats * passes, 1 if beats == 1 else 2
        self.stored: list[int] = []  # output that each stored beat becomes

    def advance(self, force: bool) -> bool:
        v_in, h_in, v_out, h_out = self.sink.valid, self.sink.moved, self.source.valid, self.source.moved
        before = len(h_in), len(v_out)
        while True:
            k = len(v_out)
            if k <= len(h_out):
                t = h_out[-1] + 1 if k else 1  # a reset is over in cycle 0
                if k % self.frame < self.beats:
                    v_out.append(t)
                    continue
                if k - self.beats < len(h_in):
                    v_out.append(max(t, h_in[k - self.beats] + self.latency))
                    continue
            j = len(h_in)
            if j == len(v_in):
                break
            t = max(v_in[j], h_in[-1] + 1) if j else v_in[j]
            if (j + self.beats) % self.frame >= self.beats:
                if len(self.stored) > self.beats:
                    gate = self.stored[-self.beats - 1]
                    if gate >= len(h_out):
                        break
                    t = max(t, h_out[gate] + 1)
                self.stored.append(j + self.beats)
            h_in.append(t)
        return before != (len(h_in), len(v_out))


class Fifo(Core):
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


class LaneConvert(Core):
    """Gearbox: output beats leave a store of `slots` output beats, input waits for room in it."""

    def __init__(self, sink: Channel, source: Channel, *, lanes_in: int, lanes_out: int, channels: int) -> None:
        super().__init__(sink, source)
        unit = np.gcd(lanes_in, lanes_out)
        self.units_in, self.units_out = int(lanes_in // unit), int(lanes_out // unit)
        self.beats_in, self.beats_out = ceil_div(channels, lanes_in), ceil_div(channels, lanes_out)
        self.room = (self.units_in + 2 * self.units_out - 2) // self.units_out * self.units_out
        self.filled = 0  # units that came in, whole pixels rounded up to output beats

    def advance(self, force: bool) -> bool:
        v_in, h_in, v_out, h_out = self.sink.valid, self.sink.moved, self.source.valid, self.source.moved
        j, start = len(h_in), len(h_in)
        while j < len(v_in):
            pixel, beat = divmod(j, self.beats_in)
            base = pixel * self.beats_out * self.units_out
            filled = base + (
                self.beats_out * self.units_out if beat == self.beats_in - 1 else (beat + 1) * self.units_in
            )
            # Units that must have left: all of them for a pure down-conversion, else what overflows.
            gone = self.filled if self.units_out == 1 else max(0, filled - self.room)
            gate = ceil_div(gone, self.units_out) - 1
            if gate >= len(h_out):
                break
            t = v_in[j]
            if j:
                t = max(t, h_in[-1] + 1)
            if gate >= 0:
                t = max(t, h_out[gate])
            h_in.append(t)
            v_out.extend([t + 1] * (filled // self.units_out - self.filled // self.units_out))
            self.filled = filled
            j += 1
        return j > start


class Store(Core):
    """A buffer with its own reader (line buffer, folded window): reads are issued in order, one a cycle.

    need[m]: the input beat that read m waits for (-1: none), of one frame. room(f): for each input beat of frame f, how
    many reads must have been issued before it fits. Two registers follow the memory.
    """

    def __init__(self, sink: Channel, source: Channel, need: np.ndarray, room: Callable[[int], np.ndarray]) -> None:
        super().__init__(sink, source)
        self.need, self.room = need.tolist(), room
        self.gates: list[int] = []  # of all input beats so far
        self.issued: list[int] = []

    def advance(self, force: bool) -> bool:
        v_in, h_in, v_out, h_out = self.sink.valid, self.sink.moved, self.source.valid, self.source.moved
        issued, reads, beats = self.issued, len(self.need), self.sink.beats
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
            while m - 2 < len(h_out):
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
                if m > 1 and h_out[m - 2] > t:
                    t = h_out[m - 2]
                issued.append(t)
                v_out.append(t + 2)
                m += 1
                progress = True
            if not progress:
                return moved
            moved = True


class FullWindow(Core):
    """volley_window_full, position by position as its header tells."""

    def __init__(self, sink: Channel, source: Channel, p: dict[str, int]) -> None:
        super().__init__(sink, source)
        self.p = p
        self.along = RowWindows.of(p["WIDTH"], p["KERNEL"], p["STRIDE"], p["PADDING"], p["PIX"])
        self.row = self.beat = self.ahead = self.group = 0
        self.time = -1

    def advance(self, force: bool) -> bool:
        p, sink, source, along = self.p, self.sink, self.source, self.along
        moved = False
        while True:
            # Room: the window shown last has been taken for the last time.
            if len(source.moved) < len(source.valid):
                return moved
            beyond = self.beat >= along.beats
            left = along.beats + along.beyond - self.beat
            last_row = self.row == p["HEIGHT"] - 1
            must = beyond and not last_row and left <= along.overlap
            may = beyond and last_row and left == 1 and along.overlap > 0 and p["GROUPS"] == 1
            t = self.time + 1
            if source.moved:
                t = max(t, source.moved[-1])
            j = len(sink.moved)
            take = not beyond or must
            if take:
                if j >= len(sink.valid):
                    return moved
                t = max(t, sink.valid[j])
            elif may:
                if j < len(sink.valid):
                    take = sink.valid[j] <= t
                elif not force:
                    return moved
            if take:
                sink.moved.append(t)
            self.time = t
            moved, force = True, False
            if along.lead_in <= self.beat <= along.last and (self.beat - along.lead_in) % along.step == 0:
                source.valid.extend(range(t + 1, t + 1 + p["REPLAY"]))
            self.group += 1
            if self.group == p["GROUPS"]:
                self.group = 0
                self.ahead += beyond and take
                self.beat += 1
                if self.beat == along.beats + along.beyond:
                    self.beat, self.ahead = self.ahead, 0
                    self.row = 0 if last_row else self.row + 1


class Register(Core):
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


class EventList(Core):
    """volley_event_list. words: how many of each beat of the sink are not zero, of all frames one after the other.

    The way into the list stops as a whole while a row finds it full, so it lives in ticks: tick q happens in cycle
    q + (stalled cycles up to it). A beat taken in tick a has its picks in ticks a + 1, ..., each joins the row in the
    tick behind; a row leaves then if it overflows, and one tick later if it is the frame's last.
    """

    def __init__(self, sink: Channel, source: Channel, p: dict[str, int], words: list[int]) -> None:
        super().__init__(sink, source)
        self.p, self.words, self.picks = p, words, min(p["EVENTS"], p["LANES"])
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
        while (r := len(self.met)) < len(self.leave) and r - self.p["DEPTH"] < len(self.freed):
            stalled = self.met[-1] if r else 0
            at = self.leave[r] + stalled
            if r >= self.p["DEPTH"] and self.freed[r - self.p["DEPTH"]] >= at:
                at = self.freed[r - self.p["DEPTH"]] + 1
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
            words, frame_end = self.words[j], (j + 1) % self.p["BEATS"] == 0
            self.tick = tick + max(1, ceil_div(words, self.picks))
            for n in range(tick + 1, self.tick + 1):
                self.fill += min(words, self.picks)
                words -= min(words, self.picks)
                if self.fill > self.p["EVENTS"]:
                    self.leave.append(n + 1)
                    self.ends.append(False)
                    self.fill -= self.p["EVENTS"]
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
            last = self.replay == self.p["REPLAY"] - 1
            if last:
                self.freed.append(t)
            if not self.ends[self.row]:
                self.row += 1
            elif last:
                self.row += 1
                self.first, self.replay = self.row, 0
            else:
                self.row, self.replay = self.first, self.replay + 1


def line_buffer(sink: Channel, source: Channel, p: dict[str, int]) -> Store:
    h, k, s, pad = p["HEIGHT"], p["KERNEL"], p["STRIDE"], p["PADDING"]
    beats, held = p["WIDTH"] // p["PIX"] * p["GROUPS"], k * p["SLOTS"]
    rows = (h + 2 * pad - k) // s + 1
    tops = np.arange(rows) * s - pad
    last = np.minimum(tops + k - 1, h - 1)
    need = np.where(last[:, None] < 0, -1, last[:, None] * beats + np.arange(beats)).ravel()
    oldest = np.maximum(tops, 0)  # that an output row needs; rows above the map take no room
    # Row y fits behind the reader of the last output row that needs row y - held: one of this frame or of one before.
    frame, above = np.divmod(np.arange(h) - held, h)
    q = frame * rows + np.searchsorted(oldest, above, side="right") - 1
    gates = (q[:, None] * beats + np.arange(1, beats + 1)).ravel()

    return Store(sink, source, need, lambda f: np.maximum(0, gates + f * rows * beats))


def fold_window(sink: Channel, source: Channel, p: dict[str, int]) -> Store:
    g, h, w, kh, kw = p["GROUPS"], p["HEIGHT"], p["WIDTH"], p["KERNEL_Y"], p["KERNEL_X"]
    oy = (h + 2 * p["PAD_Y"] - kh) // p["STRIDE_Y"] + 1
    ox = (w + 2 * p["PAD_X"] - kw) // p["STRIDE_X"] + 1
    y0, x0 = np.arange(oy) * p["STRIDE_Y"] - p["PAD_Y"], np.arange(ox) * p["STRIDE_X"] - p["PAD_X"]
    y = (y0[:, None] + np.arange(kh))[:, None, None, :, None, None]
    x = (x0[:, None] + np.arange(kw))[None, :, None, None, :, None]
    item = (y * w + x) * g + np.arange(g)
    real = (y >= 0) & (y < h) & (x >= 0) & (x < w)
    need = np.broadcast_to(np.where(real, item, -1), (oy, ox, p["REPLAY"], kh, kw, g)).ravel()
    # Beat j fits once the window's first item (padding counted) is above j - DEPTH.
    first = ((y0[:, None] * w + x0[None, :]) * g).ravel()
    frame_beats, windows, per_window = h * w * g, oy * ox, p["REPLAY"] * kh * kw * g

    def room(f: int) -> np.ndarray:
        # Smallest window index q with first(q) > j - DEPTH; `first` rises within a frame.
        target = np.arange(f * frame_beats, (f + 1) * frame_beats) - p["DEPTH"] + 1
        frame = np.maximum(0, -((first[-1] - target) // frame_beats))
        return np.asarray((frame * windows + np.searchsorted(first, target - frame * frame_beats)) * per_window)

    return Store(sink, source, need, room)


def replay_window(p: dict[str, int]) -> dict[str, int]:
    """A replay is a folded window of one pixel with a frame's beats as its groups."""
    ones = ("HEIGHT", "WIDTH", "KERNEL_Y", "KERNEL_X", "STRIDE_Y", "STRIDE_X")
    sizes = {"GROUPS": p["BEATS"], "REPLAY": p["PASSES"], "DEPTH": p["DEPTH"], "PAD_Y": 0, "PAD_X": 0}
    return {**dict.fromkeys(ones, 1), **sizes}


def _log2(n: int) -> int:
    """Steps in which a tree joins n values."""
    return (n - 1).bit_length()


def _state(p: dict[str, int], ticks: int) -> tuple[int, int] | None:
    """A state memory: a beat's state is back `ticks` ticks after the beat was taken."""
    return (p["BEATS"], ticks) if p["PASSES"] > 1 else None


def cores_of(
    inst: Instance, sinks: list[Channel], sources: list[Channel], words: list[int], rows: list[int]
) -> list[Core]:
    """The recurrences of an instance; two joined sinks come as a core of their own. Of a layer that skips zeros,
    words: not zero in each beat of its input; rows: of each of its windows."""
    if inst.module == "volley_event_list":
        return [EventList(sinks[0], sources[0], inst.parameters, words)]
    if inst.module == "volley_synapse_event":
        (ends, p), ways = (set(np.cumsum(rows).tolist()), inst.parameters), [Channel(0), Channel(0)]
        array = _array(p, ways[1], sources[0], p["EVENTS"], lambda n: n in ends)
        return [Register(sinks[0], ways[0]), Register(*ways), array]
    if inst.module == "volley_join":  # no register in it
        return [Zip(sinks, sources[0])]
    if len(sinks) > 1:
        both = Channel(sinks[0].beats)
        return [Zip(sinks, both), _core(inst, both, sources)]
    return [_core(inst, sinks[0], sources)]


def _array(p: dict[str, int], sink: Channel, source: Channel, simd: int, emits: Callable[[int], bool]) -> Pipe:
    steps = p["T"] // p["TP"]
    latency = 1 + (steps > 1 and not p["PER_STEP"]) + sum_latency(p["BODY"], simd, p["TP"], bool(p["PER_STEP"]))
    return Pipe(sink, source, emits=emits, interval=steps, latency=latency)


def _core(inst: Instance, sink: Channel, sources: list[Channel]) -> Core:
    p, source = inst.parameters, sources[0]
    match inst.module:
        case (
            "volley_encode_radix"
            | "volley_encode_rate"
            | "volley_encode_ttfs"
            | "volley_encode_phase"
            | "volley_encode_burst"
            | "volley_encode_event"
            | "volley_readout"
            | "volley_pool_or"
            | "volley_add"
            | "volley_residual"
            | "volley_sew"
        ):
            return Pipe(sink, source)
        case "volley_encode_delta":
            latency = p["TB"] + 1 if p["MODE"] else 2
            return Pipe(sink, source, latency=latency, state=_state(p, latency))
        case "volley_pool_gated":
            return Pipe(sink, source, latency=2, state=_state(p, 2))
        case "volley_accumulate":
            beats, passes = p["BEATS"], p["PASSES"]
            return Pipe(
                sink,
                source,
                emits=lambda n: (n - 1) // beats % passes == passes - 1,
                latency=2 + _log2(p["STEPS"]),
                state=_state(p, 2),
            )
        case "volley_neuron_lif":
            state = _state(p, p["TB"] + 1)
            if p["UNROLLED"]:
                return Pipe(sink, source, latency=p["TB"] + 1, state=state)
            return Pipe(sink, source, interval=p["TB"], latency=2, state=state)
        case "volley_replay":
            return fold_window(sink, source, replay_window(p))
        case "volley_step_delay":
            return StepDelay(sink, source, beats=p["BEATS"], passes=p["PASSES"])
        case "volley_pool_max" | "volley_pool_sum":
            return Pipe(sink, source, latency=max(1, _log2(p["TAPS"])))
        case "volley_synapse_array":
            folds = p["FOLDS"]
            return _array(p, sink, source, p["SIMD"], lambda n: n % folds == 0)
        case "volley_neuron_radix":
            if p["UNROLLED"]:
                return Pipe(sink, source, latency=p["T"] + 1)
            return Serial(sink, source, steps=p["T"])
        case "volley_lane_convert":
            return LaneConvert(sink, source, lanes_in=p["LANES_IN"], lanes_out=p["LANES_OUT"], channels=p["CHANNELS"])
        case "volley_fifo":
            return Fifo(sink, source, depth=p["DEPTH"])
        case "volley_skid":
            return Fifo(sink, source, depth=2)
        case "volley_broadcast":
            return Broadcast(sink, sources)
        case "volley_line_buffer":
            return line_buffer(sink, source, p)
        case "volley_window_full":
            return FullWindow(sink, source, p)
        case "volley_window_fold":
            return fold_window(sink, source, p)
    raise NotImplementedError(inst.module)


class Guard(Core):
    """Frame guard: a word a cycle, and one cycle per frame to report its flags."""

    def advance(self, force: bool) -> bool:
        v_in, h_in, v_out, h_out = self.sink.valid, self.sink.moved, self.source.valid, self.source.moved
        j, start = len(h_in), len(h_in)
        while j < len(v_in) and j - 1 <= len(h_out):
            t = h_in[-1] + 1 if j else 0
            if j and j % self.sink.beats == 0:
                t += 1
            if j:
                if j - 1 >= len(h_out):
                    break
                t = max(t, h_out[j - 1])
            h_in.append(t)
            v_out.append(t + 1)
            j += 1
        return j > start


class Result(Core):
    """Logits one by one, then the trailer (which has no input beat)."""

    def advance(self, force: bool) -> bool:
        v_in, h_in = self.sink.valid, self.sink.moved
        j, start = len(h_in), len(h_in)
        classes = self.sink.beats
        while j < len(v_in):
            t = v_in[j]
            if j:
                t = max(t, h_in[-1] + 1 + (j % classes == 0))
            h_in.append(t)
            self.source.valid.append(t + 1)
            self.source.moved.append(t + 1)
            if (j + 1) % classes == 0:
                self.source.valid.append(t + 2)
                self.source.moved.append(t + 2)
            j += 1
        return j > start
