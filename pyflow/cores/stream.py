# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cores of rtl/stream: what a stream passes on its way from one layer to the next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pyflow.cores.base import Core, Reads
from pyflow.cores.cells import Cost, ram_cost
from pyflow.cores.recurrence import Channel, Fork, Ports, Queue, Recurrence, Zip
from pyflow.cores.window import WindowFold
from pyflow.integers import ceil_div


@dataclass(frozen=True, slots=True)
class Skid(Core):
    module: ClassVar = "volley_skid"
    data_w: int

    def times(self, ports: Ports) -> list[Recurrence]:
        return [Queue(ports.sink, ports.source, depth=2)]

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """Payload and tlast twice, and a choice between them."""
        return Cost(lut=self.data_w + 4, ff=2 * self.data_w + 4)


@dataclass(frozen=True, slots=True)
class Fifo(Core):
    module: ClassVar = "volley_fifo"
    open_ports: ClassVar = ("stat_count",)
    data_w: int
    depth: int

    def times(self, ports: Ports) -> list[Recurrence]:
        return [Queue(ports.sink, ports.source, depth=self.depth)]

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        return fifo_cells(self.data_w + 1, self.depth, family)


@dataclass(frozen=True, slots=True)
class Broadcast(Core):
    module: ClassVar = "volley_broadcast"
    data_w: int
    n: int

    def times(self, ports: Ports) -> list[Recurrence]:
        return [Fork(ports.sink, ports.sources)]

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """A register per source that has taken the beat, and the handshakes."""
        return Cost(lut=2 * self.n, ff=self.n)


@dataclass(frozen=True, slots=True)
class Join(Core):
    module: ClassVar = "volley_join"
    a_w: int
    b_w: int

    def times(self, ports: Ports) -> list[Recurrence]:
        return [Zip(ports.sinks, ports.source)]  # no register in it

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        return Cost(lut=3)  # the handshake


@dataclass(frozen=True, slots=True)
class LaneConvert(Core):
    module: ClassVar = "volley_lane_convert"
    word_w: int
    lanes_in: int
    lanes_out: int
    channels: int

    @property
    def units(self) -> tuple[int, int]:
        """Units of a beat (in, out); a unit is as many lanes as divide both sides."""
        unit = math.gcd(self.lanes_in, self.lanes_out)
        return self.lanes_in // unit, self.lanes_out // unit

    @property
    def slots(self) -> int:
        """Output beats that it holds."""
        units_in, units_out = self.units
        return (units_in + 2 * units_out - 2) // units_out

    def times(self, ports: Ports) -> list[Recurrence]:
        return [Gearbox(ports.sink, ports.source, self)]

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """A buffer whose bits each choose between shift and input: one LUT where all come at once, more where they
        come piece by piece, and most where neither number of lanes divides the other."""
        buffer = self.slots * self.lanes_out * self.word_w
        into, out = self.units
        return Cost(lut=(1.05 if out == 1 else 1.7 if into == 1 else 2.6) * buffer + 8, ff=buffer + 12)


@dataclass(frozen=True, slots=True)
class StepDelay(Core):
    """delay: passes, at most `passes`."""

    module: ClassVar = "volley_step_delay"
    data_w: int
    beats: int
    passes: int
    delay: int = 1

    def times(self, ports: Ports) -> list[Recurrence]:
        return [Delayed(ports.sink, ports.source, self)]

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """Its FIFO without tlast, two counters of beats and passes, a gate per bit for the zeros."""
        words, counters = self.delay * self.beats, 2 * (_bits(self.beats) + _bits(self.passes))
        if words == 1:
            store = Skid(self.data_w).cells(family)
        else:
            addresses = 2 * _bits(words) + _bits(words + 2)
            store = ram_cost(self.data_w, words, family) + Cost(lut=0.6 * addresses, ff=addresses + 1)
        return store + Cost(lut=self.data_w + 0.8 * counters + 8, ff=counters + 1)


@dataclass(frozen=True, slots=True)
class Replay(Core):
    module: ClassVar = "volley_replay"
    data_w: int
    beats: int
    passes: int
    depth: int

    def times(self, ports: Ports) -> list[Recurrence]:
        """Those of a folded window of one pixel, with a pass's beats as its groups."""
        one = dict.fromkeys(("height", "width", "kernel_y", "kernel_x", "stride_y", "stride_x"), 1)
        none = {"pad_item": 0, "pad_y": 0, "pad_x": 0}
        return WindowFold(
            item_w=self.data_w, groups=self.beats, replay=self.passes, depth=self.depth, **one, **none
        ).times(ports)

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        return ram_cost(self.data_w, self.depth, family) + Cost(lut=60, ff=70)


def _bits(count: int) -> int:
    """Of a counter with so many values."""
    return (count - 1).bit_length()


def fifo_cells(width: int, depth: int, family: str) -> Cost:
    """Its RAM of words with tlast, two addresses, a count and a valid bit; of two words, a skid register."""
    if depth == 2:
        return Skid(width - 1).cells(family)
    words = max(2, depth - 1)
    address = (words - 1).bit_length()
    return ram_cost(width, words, family) + Cost(lut=6 + 2.5 * address, ff=3 * address + 2)


def conversions(lanes: int, pix: int, to_lanes: int, to_pix: int, channels: int) -> list[tuple[int, int, int]]:
    """Lane converters from one stream to another: (LANES_IN, LANES_OUT, CHANNELS) of each.

    The words of whole pixels are a run without padding, which can be cut anywhere: one converter. Otherwise whole
    pixels come between.
    """
    if (lanes, pix) == (to_lanes, to_pix):
        return []
    if pix == to_pix == 1:
        return [(lanes, to_lanes, channels)]
    if channels % lanes == 0 == channels % to_lanes:
        return [(pix * lanes, to_pix * to_lanes, math.lcm(pix, to_pix) * channels)]
    return conversions(lanes, pix, channels, 1, channels) + conversions(channels, 1, to_lanes, to_pix, channels)


class Gearbox(Recurrence):
    """Output beats leave a store of the core's slots, input waits for room in it."""

    def __init__(self, sink: Channel, source: Channel, core: LaneConvert) -> None:
        super().__init__(sink, source)
        self.units_in, self.units_out = core.units
        self.beats_in, self.beats_out = (ceil_div(core.channels, lanes) for lanes in (core.lanes_in, core.lanes_out))
        self.room = core.slots * self.units_out
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

    def numbers(self) -> Sequence[int]:
        return self.units_in, self.units_out, self.beats_in, self.beats_out, self.room


class Delayed(Recurrence):
    """What leaves in pass p came in in pass p - delay; the first passes are zeros, which wait for nothing but the end
    of a reset, and the last passes of a frame are dropped. Holds a beat more than come in the delay."""

    def __init__(self, sink: Channel, source: Channel, core: StepDelay) -> None:
        super().__init__(sink, source)
        self.lag, self.frame = core.delay * core.beats, core.beats * core.passes
        self.latency = 1 if self.lag == 1 else 2
        self.stored: list[int] = []  # output that each stored beat becomes

    def advance(self, force: bool) -> bool:
        v_in, h_in, v_out, h_out = self.sink.valid, self.sink.moved, self.source.valid, self.source.moved
        before = len(h_in), len(v_out)
        while True:
            k = len(v_out)
            if k <= len(h_out):
                t = h_out[-1] + 1 if k else self.source.awake  # a reset is over in cycle 0
                if k % self.frame < self.lag:
                    v_out.append(t)
                    continue
                if k - self.lag < len(h_in):
                    v_out.append(max(t, h_in[k - self.lag] + self.latency))
                    continue
            j = len(h_in)
            if j == len(v_in):
                break
            t = max(v_in[j], h_in[-1] + 1) if j else v_in[j]
            if (j + self.lag) % self.frame >= self.lag:
                if len(self.stored) > self.lag:
                    gate = self.stored[-self.lag - 1]
                    if gate >= len(h_out):
                        break
                    t = max(t, h_out[gate] + 1)
                self.stored.append(j + self.lag)
            h_in.append(t)
        return before != (len(h_in), len(v_out))
