# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cores of rtl/synapse: sums of weights, with the list of events in front of one that skips zeros."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pyflow.cores.base import Core, Depth, Reads
from pyflow.cores.cells import CONTROL_FF, CONTROL_LUT, SIX_INPUTS, Cost, ram_cost, rom_blocks, tree_cost
from pyflow.cores.recurrence import Channel, Pipe, Ports, Recurrence, Register
from pyflow.cores.sums import BODIES, Size, sum_cost
from pyflow.integers import ceil_div

KINDS = ("const", "lut", "block", "writable")  # KIND of volley_weight_source is the position

# A memory this large goes to block RAM.
BLOCK_RAM_MIN_BITS = 1024
BLOCK_RAM_MIN_WORDS = 64

FREE = 64  # rows of weights from which on no two columns are alike
# Share of a tree of constants that dissolves, by whether LUTs have six inputs, which take in more of it; yosys,
# constant rows beside free weights.
DISSOLVED = {True: 0.55, False: 0.25}


def goes_to_block_ram(width: int, depth: int) -> bool:
    return width * depth >= BLOCK_RAM_MIN_BITS and depth >= BLOCK_RAM_MIN_WORDS


@dataclass(frozen=True, slots=True)
class WeightSource(Core):
    """Rows of a memory, over and over."""

    module: ClassVar = "volley_weight_source"
    width: int
    depth: int
    kind: int

    @classmethod
    def of(cls, memory: Reads) -> WeightSource:
        return cls(memory.width, memory.depth, KINDS.index(memory.kind))

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """Memory, output registers, address counter. A constant is wires; any other kind has two rows at least.

        A LUT ROM takes a LUT per column and 16 rows (a LUT6 could hold 64; the mapper does not get there),
        and equal columns are merged: `depth` rows have at most 2^depth different ones. A block RAM keeps
        all columns but those that are constant.
        """
        kind, depth = KINDS[self.kind], max(2, self.depth)
        if kind == "const":
            return Cost()
        address = (depth - 1).bit_length()
        control = Cost(lut=2 * address, ff=address + 2)
        if kind == "writable":
            return control + Cost(ff=self.width) + ram_cost(self.width, depth, family, block=True)
        if kind == "block":
            kept = memory.rom if memory else self.width
            return control + Cost(ff=kept, bram=rom_blocks(kept, depth, family))
        columns = min(self.width, 2 ** min(depth, 32))
        return control + Cost(lut=columns * depth / 16, ff=2 * columns)


@dataclass(frozen=True, slots=True)
class MemoryLoader(Core):
    """Writes the rows of a memory."""

    module: ClassVar = "volley_memory_loader"
    width: int
    depth: int
    index: int

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """A shift register of whole words, places of word and row."""
        words, address = ceil_div(self.width, 32), max(1, (self.depth - 1).bit_length())
        row = self.width if words == 1 else 32 * words
        return Cost(lut=8 + 1.5 * address, ff=row + address + (words - 1).bit_length() + 2)


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
        return [array_pipe(self, ports.sink, ports.source, pattern=[False] * (self.folds - 1) + [True])]

    @property
    def beat_cycles(self) -> int:
        return self.t // self.tp

    @property
    def sum(self) -> Size:
        return Size(BODIES[self.body], self.pe, self.simd, self.tp, self.beat_cycles, self.weight_w, self.per_step)

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        assert memory
        once = sum_cells(self.sum, family, memory)
        once += accumulation_cells(self.sum, self.acc_w if self.folds > 1 else 0, memory.depth)
        return sum([once] * self.pix, Cost()) + Cost(weight_bits=memory.width * memory.depth)


@dataclass(frozen=True, slots=True)
class SynapseDepthwise(Core):
    module: ClassVar = "volley_synapse_depthwise"
    memory_port: ClassVar = "weight"
    lanes: int
    multiplier: int
    taps: int
    t: int
    tp: int
    weight_w: int
    acc_w: int
    per_step: bool
    pix: int

    def times(self, ports: Ports) -> list[Recurrence]:
        return [Pipe(ports.sink, ports.source, interval=self.beat_cycles, latency=1 + self.sum.latency)]

    @property
    def beat_cycles(self) -> int:
        return self.t // self.tp

    @property
    def sum(self) -> Size:
        """Of one channel."""
        return Size("lut", self.multiplier, self.taps, self.tp, self.beat_cycles, self.weight_w, self.per_step)

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """A sum per channel and pixel; the choice of this cycle's spikes; the output register, which adds up steps."""
        assert memory
        steps, channels = self.beat_cycles, self.lanes * self.pix
        outputs = channels * self.multiplier * self.acc_w
        total = sum([sum_cells(self.sum, family, memory)] * channels, Cost())
        # A spike resets the weights of few outputs here, of twelve in the measured sum; constants need no reset.
        choice = ceil_div(steps + (steps - 1).bit_length(), 5) if steps > 1 or memory.depth > 1 else 0
        total += Cost(lut=channels * self.taps * self.tp * choice, ff=0) + control_cells(steps, memory.depth)
        if self.per_step:
            total += Cost(ff=outputs * self.t)
        else:
            total += Cost(lut=outputs if steps > 1 else 0, ff=outputs)
        return total + Cost(weight_bits=memory.width * memory.depth)


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
        ends = ports.sink.last  # an event list stands right in front
        array = array_pipe(self, weights, ports.source, emits=lambda n: ends[n - 1])
        return [Register(ports.sink, row), Register(row, weights), array]

    @property
    def beat_cycles(self) -> int:
        return self.t // self.tp

    @property
    def sum(self) -> Size:
        return Size(BODIES[self.body], self.pe, self.events, self.tp, self.beat_cycles, self.weight_w, self.per_step)

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        assert memory
        width, depth, events = memory.width, memory.depth, self.events
        address = (depth - 1).bit_length()
        total = Cost(lut=events * address + 2 * address, ff=events * (address + 2 * self.t) + address)
        if memory.kind == "writable":
            total += sum([ram_cost(width, depth, family, block=True)] * events, Cost())
        elif memory.kind == "block":  # a ROM for two events each
            pairs, single = divmod(events, 2)
            total += Cost(
                bram=pairs * rom_blocks(memory.rom, depth, family, 2) + single * rom_blocks(memory.rom, depth, family)
            )
        else:
            total += Cost(lut=events * width * depth / 16, ff=events * width)
        total += sum_cells(self.sum, family, memory) + accumulation_cells(self.sum, self.acc_w, depth)
        return total + Cost(weight_bits=width * depth)


def event_list_depth(inputs: int, events: int, replay: int) -> int:
    """Rows that an event list holds if nobody says: the next frame, which has zeros, finds room beside this one."""
    return 2 << max(1, (ceil_div(inputs, events) - 1).bit_length()) if replay > 1 else 4


def array_pipe(core: SynapseArray | SynapseEvent, sink: Channel, source: Channel, **when: Any) -> Pipe:
    """What both arrays are made of. when: a beat emits, as Pipe has it."""
    steps = core.beat_cycles
    latency = 1 + (steps > 1 and not core.per_step) + core.sum.latency
    return Pipe(sink, source, interval=steps, latency=latency, **when)


def sum_cells(size: Size, family: str, memory: Reads) -> Cost:
    """volley_synapse_sum fed from the rows of `memory`: measured with free weights, or trees counted here."""
    pe, simd, tp = size.pe, size.simd, size.tp
    depth = FREE if memory.kind == "writable" else memory.depth
    measured = sum_cost(family, size)
    if measured is not None and measured.dsp:
        return measured
    # A weight bit that is the same in all rows gives a register that dissolves. Few rows also means few different
    # columns, and equal ones are shared.
    gated = simd * tp * min(pe * size.weight_bits, 2 ** min(depth, 32) - 1)
    if measured is not None:
        # The rows of compressors are cells by name, which synthesis takes as they are: constants leave all of them.
        return Cost(lut=measured.lut, ff=measured.ff - simd * tp * pe * size.weight_bits + gated)
    same = 0.5 ** (depth - 1)
    tree = tree_cost(simd, size.weight_bits, effective=memory.effective)
    tree_w = size.weight_bits + (simd - 1).bit_length()
    lut = pe * tp * tree.lut * (1 - DISSOLVED[family in SIX_INPUTS] * same)
    ff = pe * tp * tree.ff * (1 - 0.35 * same) + gated
    lut += simd * tp * (depth > 1)  # reset of the weight registers
    if not size.per_step:
        lut += pe * (tp - 1) * (tree_w + 1)
        ff += pe * (tp - 1) * (tree_w + 3)
    return Cost(lut=lut, ff=ff)


def control_cells(cycles: int, rows: int) -> Cost:
    """Of an array of so many cycles per row of weights. Without other rows than one it counts just the cycles, and a
    single one not at all (yosys, constant arrays of 23 random graphs)."""
    return Cost(lut=CONTROL_LUT if rows > 1 else 4 + 2 * (cycles - 1).bit_length(), ff=CONTROL_FF)


def accumulation_cells(size: Size, acc: int, depth: int) -> Cost:
    """What an array adds to its sums: several cycles per slice, slices added up in `acc` bits (0: there is one). depth:
    rows of weights."""
    pe, simd, tp, cycles = size.pe, size.simd, size.tp, size.steps
    tree_w = size.weight_bits + (simd - 1).bit_length()
    choice = simd * tp * (ceil_div(cycles, 4) if cycles > 1 else 0)  # of this cycle's steps
    steps = cycles * tp
    total = Cost(lut=choice) + control_cells(cycles, 2 if acc else depth)
    if size.per_step:
        result = pe * steps * (acc or tree_w)
        return total + Cost(lut=result if acc else 0, ff=result)
    horner = pe * (tree_w + steps) * (cycles > 1)
    return total + Cost(lut=horner + pe * acc, ff=horner + pe * (acc or tree_w + steps))


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

    def resized(self, grow: bool, beats: int) -> Depth:
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

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """Its RAM, the choice of each pick among the lanes, the rows that picked words are joined to (checked against
        yosys for 1 to 16 lanes and 1 to 4 events, within 20 %)."""
        lanes, events = self.lanes, self.events
        event = max(1, (self.beats * lanes - 1).bit_length()) + self.t
        choice = min(events, lanes) * lanes * (self.t + 2)
        joined = Cost(lut=0.85 * events * events * event, ff=2 * events * event)
        ram = ram_cost(events * event + 1, self.depth, family)
        return ram + joined + Cost(lut=97 + choice, ff=55 + lanes * (self.t + 1))


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
