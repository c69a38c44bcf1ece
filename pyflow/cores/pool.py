# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cores of rtl/pool: one word of a window's, which comes whole or streams past."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pyflow.cores.base import Core, Reads
from pyflow.cores.cells import Cost, ram_cost, tree_cost
from pyflow.cores.recurrence import Pipe, Ports, Recurrence, state_of, tree_depth


@dataclass(frozen=True, slots=True)
class PoolTree(Core):
    """A tree joins the taps, pair by pair."""

    lanes: int
    word_w: int
    taps: int
    pix: int

    def times(self, ports: Ports) -> list[Recurrence]:
        return [Pipe(ports.sink, ports.source, latency=max(1, tree_depth(self.taps)))]


@dataclass(frozen=True, slots=True)
class PoolMax(PoolTree):
    """signed: of potentials, a lane for each number."""

    module: ClassVar = "volley_pool_max"
    signed: bool = False

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """A pair takes a comparison and a choice, 1.75 LUT a bit."""
        pairs, word = self.taps - 1, self.pix * self.lanes * self.word_w
        return Cost(lut=1.75 * pairs * word, ff=max(1, pairs) * word)


@dataclass(frozen=True, slots=True)
class PoolSum(PoolTree):
    module: ClassVar = "volley_pool_sum"

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        numbers, tree = self.pix * self.lanes, tree_cost(self.taps, self.word_w, family)
        return Cost(lut=numbers * (tree.lut + 0.5 * (self.taps - 1)), ff=numbers * max(tree.ff, self.word_w))


@dataclass(frozen=True, slots=True)
class PoolOr(Core):
    module: ClassVar = "volley_pool_or"
    lanes: int
    tb: int
    taps: int
    pix: int

    def times(self, ports: Ports) -> list[Recurrence]:
        return [Pipe(ports.sink, ports.source)]

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        word = self.pix * self.lanes * self.tb
        return Cost(lut=max(1, self.taps / 3) * word, ff=word)


@dataclass(frozen=True, slots=True)
class PoolGated(Core):
    module: ClassVar = "volley_pool_gated"
    lanes: int
    tb: int
    taps: int
    beats: int
    passes: int

    def times(self, ports: Ports) -> list[Recurrence]:
        state = state_of(self.beats, self.passes, 2)
        return [Pipe(ports.sink, ports.source, latency=2, state=state)]

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """Which steps, which tap, whose spikes: each about half a LUT per tap and step."""
        lanes, taps = self.lanes, self.taps
        winner = Cost(lut=lanes * (1.9 * self.tb + 1.3) * taps + 20, ff=lanes * self.tb * (taps + 1) + 20)
        return winner + (ram_cost(lanes * taps.bit_length(), max(2, self.beats), family) if self.passes > 1 else Cost())


@dataclass(frozen=True, slots=True)
class PoolAccumulate(Core):
    """Windows side by side, a beat at a time; width and kernel_x count groups of pixels where a beat brings several."""

    module: ClassVar = "volley_pool_accumulate"
    lanes: int
    word_w: int
    out_w: int
    maximum: bool
    groups: int
    height: int
    width: int
    kernel_y: int
    kernel_x: int
    signed: bool = False

    @property
    def row(self) -> int:
        """Results of a row of windows, in beats: as many are kept."""
        return self.width // self.kernel_x * self.groups

    def times(self, ports: Ports) -> list[Recurrence]:
        ends = np.zeros((self.height, self.width, self.groups), bool)
        ky, kx = self.kernel_y, self.kernel_x
        ends[ky - 1 :: ky, kx - 1 :: kx] = True
        return [Pipe(ports.sink, ports.source, latency=2, pattern=ends.ravel().tolist())]

    def cells(self, family: str, memory: Reads | None = None) -> Cost:
        """A sum takes a LUT a bit, what it chooses its operand from included. The comparison of a maximum takes half a
        one, its choice one more but in the output register, which keeps what it has; the choice of an operand two."""
        words, results = self.lanes * self.word_w, self.lanes * self.out_w
        places = sum((n - 1).bit_length() for n in (self.groups, self.height, self.width, self.row))
        one, several = self.row == 1, self.groups > 1
        lut = results * ((0.5 if one else 1.5 if several else 3.3) if self.maximum else 1)
        own = Cost(lut=lut + places + 5, ff=words + results + places + 8)
        return own if one else own + ram_cost(results, max(2, self.row), family)
