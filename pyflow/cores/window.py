# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cores of rtl/window: windows of a map, from a stream of its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pyflow.cores.base import Core, Depth, Reads
from pyflow.cores.cells import CONTROL_FF, CONTROL_LUT, Cost, ram_cost
from pyflow.cores.recurrence import Channel, Ports, Recurrence, Store
from pyflow.integers import odd_part


@dataclass(frozen=True, slots=True)
class RowWindows:
    """How volley_window_full walks along a row of `width` columns, `pix` to a beat; its header has the formulas.

    pix: windows per beat. beats: of columns. span: columns under the windows of a beat. lead_in: newest beat of
    the first windows; last: of the last ones, `step` beats apart. beyond: beats right of the map that they need.
    overlap: of those, how many come together with the next row's first ones.
    """

    pix: int
    beats: int
    span: int
    lead_in: int
    step: int
    last: int
    beyond: int
    overlap: int

    @classmethod
    def of(cls, width: int, kernel: int, stride: int, padding: int, pix: int = 1) -> RowWindows:
        out, step, beats = max(1, pix // stride), max(1, stride // pix), width // pix
        span = (out - 1) * stride + kernel
        lead_in = (span - 1 - padding) // pix
        last = lead_in + (((width + 2 * padding - kernel) // stride + 1) // out - 1) * step
        beyond = max(0, last - (beats - 1))
        return cls(out, beats, span, lead_in, step, last, beyond, min(beyond, lead_in, beats))

    @staticmethod
    def legal(width: int, kernel: int, stride: int, padding: int, pix: int) -> bool:
        """Are rows whole beats, before and after?"""
        columns = (width + 2 * padding - kernel) // stride + 1
        return width % pix == 0 and not (pix % stride and stride % pix) and columns % max(1, pix // stride) == 0

    @property
    def row(self) -> int:
        """Cycles per row."""
        return self.beats + self.beyond - self.overlap


@dataclass(frozen=True, slots=True)
class Padded(Core):
    """A core that fills in what lies beside the map. item_w: bits of an item; pad_item: one beside the map."""

    item_w: int

    def parameters(self) -> dict[str, int | str]:
        values = Core.parameters(self)
        return values | {"PAD_ITEM": f"{self.item_w}'h{values['PAD_ITEM']:x}"}


@dataclass(frozen=True, slots=True)
class LineBuffer(Padded):
    module: ClassVar = "volley_line_buffer"
    groups: int
    height: int
    width: int
    kernel: int
    stride: int
    padding: int
    slots: int
    pad_item: int
    pix: int

    def times(self, ports: Ports) -> list[Recurrence]:
        h, k, s, pad = self.height, self.kernel, self.stride, self.padding
        beats, held = self.width // self.pix * self.groups, k * self.slots
        rows = (h + 2 * pad - k) // s + 1
        tops = np.arange(rows) * s - pad
        last = np.minimum(tops + k - 1, h - 1)
        need = np.where(last[:, None] < 0, -1, last[:, None] * beats + np.arange(beats)).ravel()
        oldest = np.maximum(tops, 0)  # that an output row needs; rows above the map take no room
        # Row y fits behind the reader of the last output row that needs row y - held: of this frame or one before.
        frame, above = np.divmod(np.arange(h) - held, h)
        q = frame * rows + np.searchsorted(oldest, above, side="right") - 1
        gates = (q[:, None] * beats + np.arange(1, beats + 1)).ravel()
        return [Store(ports.sink, ports.source, need, lambda f: np.maximum(0, gates + f * rows * beats))]

    def resized(self, grow: bool, beats: int) -> Depth:
        """By a row per bank, up to two maps."""
        slots = self.slots + (1 if grow else -1)
        return {"rows": self.kernel * slots} if 0 < slots <= max(2, 2 * self.height // self.kernel) else {}

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """A bank per kernel row, and the rotation that puts the rows in order."""
        kh, word = self.kernel, self.pix * self.item_w
        depth = max(2, self.slots * (self.width // self.pix) * self.groups)
        bank = ram_cost(word, depth, family)
        # A multiplexer of up to 3 rows and the mask of a padded one fit a LUT6. Rows of disjoint windows
        # never move.
        one = self.height + 2 * self.padding - kh < self.stride  # row of windows
        fixed = kh == 1 or ((one or self.stride == kh) and self.height % kh == 0 and self.padding == 0)
        rotate = kh * word * (0 if fixed else 1 if kh <= 3 else kh / 2)
        # Counters, and what a read takes and frees: multiples of a row's beats, wires where these are a power of two.
        odd = odd_part(depth // self.slots)
        steps = 0 if odd == 1 else 10 if one or kh == 1 else 20 * odd.bit_length()
        control = Cost(lut=45 + steps, ff=45 + kh * word)  # + output register
        return Cost(*(kh * v for v in bank.as_tuple())) + Cost(lut=rotate) + control


@dataclass(frozen=True, slots=True)
class WindowFull(Padded):
    module: ClassVar = "volley_window_full"
    groups: int
    height: int
    width: int
    kernel: int
    stride: int
    padding: int
    replay: int
    pad_item: int
    pix: int

    def times(self, ports: Ports) -> list[Recurrence]:
        return [RowWalk(ports.sink, ports.source, self)]

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """Window registers, a mask bit for each where there is padding."""
        along = RowWindows.of(self.width, self.kernel, self.stride, self.padding, self.pix)
        mask = along.span * self.item_w if self.padding else 0
        control = CONTROL_LUT if self.padding else 9
        behind = along.lead_in * self.pix + self.padding  # columns behind the newest beat
        if self.groups > 2:  # the way from one column to the next is an SRL
            return Cost(lut=control + mask + behind * self.item_w, ff=self.item_w + 20)
        return Cost(lut=control + mask, ff=(behind * self.groups + self.pix) * self.item_w + 20)


@dataclass(frozen=True, slots=True)
class WindowFold(Padded):
    module: ClassVar = "volley_window_fold"
    depth: int
    pad_item: int
    groups: int
    height: int
    width: int
    kernel_y: int
    kernel_x: int
    stride_y: int
    stride_x: int
    pad_y: int
    pad_x: int
    replay: int

    @property
    def span(self) -> int:
        """Items that it must hold at least: those of one window, with what lies between them."""
        return ((self.kernel_y - 1) * self.width + self.kernel_x) * self.groups

    def times(self, ports: Ports) -> list[Recurrence]:
        g, h, w, kh, kw = self.groups, self.height, self.width, self.kernel_y, self.kernel_x
        oy = (h + 2 * self.pad_y - kh) // self.stride_y + 1
        ox = (w + 2 * self.pad_x - kw) // self.stride_x + 1
        y0, x0 = np.arange(oy) * self.stride_y - self.pad_y, np.arange(ox) * self.stride_x - self.pad_x
        y = (y0[:, None] + np.arange(kh))[:, None, None, :, None, None]
        x = (x0[:, None] + np.arange(kw))[None, :, None, None, :, None]
        item = (y * w + x) * g + np.arange(g)
        real = (y >= 0) & (y < h) & (x >= 0) & (x < w)
        need = np.broadcast_to(np.where(real, item, -1), (oy, ox, self.replay, kh, kw, g)).ravel()
        # Beat j fits once the window's first item (padding counted) is above j - DEPTH.
        first = ((y0[:, None] * w + x0[None, :]) * g).ravel()
        frame_beats, windows, per_window = h * w * g, oy * ox, self.replay * kh * kw * g

        def room(f: int) -> np.ndarray:
            # Smallest window index q with first(q) > j - DEPTH; `first` rises within a frame.
            target = np.arange(f * frame_beats, (f + 1) * frame_beats) - self.depth + 1
            frame = np.maximum(0, -((first[-1] - target) // frame_beats))
            return np.asarray((frame * windows + np.searchsorted(first, target - frame * frame_beats)) * per_window)

        return [Store(ports.sink, ports.source, need, room)]

    def resized(self, grow: bool, beats: int) -> Depth:
        """Twice (half) as deep, up to eight frames."""
        depth = 2 * self.depth if grow else self.depth // 2
        return {"window_depth": depth} if (depth <= 8 * beats if grow else depth >= self.span) else {}

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """A buffer of items, and the place of the next one."""
        place = 30 if self.pad_y or self.pad_x else 0  # is the item on the map?
        buffer = ram_cost(self.item_w, self.depth, family)
        return buffer + Cost(lut=2 * CONTROL_LUT + place, ff=self.item_w + 2 * CONTROL_FF)


@dataclass(frozen=True, slots=True)
class Upsample(Core):
    module: ClassVar = "volley_upsample"
    item_w: int
    groups: int
    height: int
    width: int
    scale_y: int
    scale_x: int
    depth: int
    pix: int
    out_pix: int

    @property
    def parts(self) -> int:
        """Beats out for one in, each time that its row is sent."""
        return self.pix * self.scale_x // self.out_pix

    @property
    def beat_cycles(self) -> int:
        return self.scale_y * self.parts

    def times(self, ports: Ports) -> list[Recurrence]:
        row, turns, parts = self.width // self.pix, self.scale_y, self.parts
        beats = np.arange(self.height * row * self.groups).reshape(self.height, 1, row, 1, self.groups)
        need = np.broadcast_to(beats, (self.height, turns, row, parts, self.groups)).ravel()
        # Of every beat the place behind its last read, at which the beat that comes `depth` later fits.
        done = np.arange(1, need.size + 1).reshape(-1, turns, row, parts, self.groups)[:, -1, :, -1].ravel()
        frame, place = np.divmod(np.arange(done.size) - self.depth, done.size)
        gates = done[place] + frame * need.size
        room = lambda f: np.maximum(0, gates + f * need.size)  # noqa: E731
        return [Store(ports.sink, ports.source, need, room, registers=1)]

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """A buffer, addresses and counters; where several pixels come in a beat, a choice among its parts."""
        places = 2 + (self.scale_y > 1) + (self.groups > 1 and self.parts > 1)  # written, read, and gone back to
        counts = self.height, self.width // self.pix, self.groups, self.parts, self.scale_y
        control = places * (self.depth - 1).bit_length() + 2 * self.depth.bit_length()
        control += 2 + sum((n - 1).bit_length() for n in counts)
        choice = (self.parts - 1) * self.out_pix * self.item_w / 2 if self.pix > 1 else 0
        return ram_cost(self.pix * self.item_w, self.depth, family) + Cost(lut=1.1 * control + choice, ff=control)


class RowWalk(Recurrence):
    """Position by position, as the header of volley_window_full tells."""

    def __init__(self, sink: Channel, source: Channel, core: WindowFull) -> None:
        super().__init__(sink, source)
        self.core = core
        self.along = RowWindows.of(core.width, core.kernel, core.stride, core.padding, core.pix)
        self.row = self.beat = self.ahead = self.group = 0
        self.time = -1

    def advance(self, force: bool) -> bool:
        core, sink, source, along = self.core, self.sink, self.source, self.along
        moved = False
        while True:
            # Room: the window shown last has been taken for the last time.
            if len(source.moved) < len(source.valid):
                return moved
            beyond = self.beat >= along.beats
            left = along.beats + along.beyond - self.beat
            last_row = self.row == core.height - 1
            must = beyond and not last_row and left <= along.overlap
            may = beyond and last_row and left == 1 and along.overlap > 0 and core.groups == 1
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
                source.valid.extend(range(t + 1, t + 1 + core.replay))
            self.group += 1
            if self.group == core.groups:
                self.group = 0
                self.ahead += beyond and take
                self.beat += 1
                if self.beat == along.beats + along.beyond:
                    self.beat, self.ahead = self.ahead, 0
                    self.row = 0 if last_row else self.row + 1

    def numbers(self) -> Sequence[int]:
        core, along = self.core, self.along
        walk = along.beats, along.beyond, along.overlap, along.lead_in, along.last, along.step
        return *walk, core.height, core.groups, core.replay
