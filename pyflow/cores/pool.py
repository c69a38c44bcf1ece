# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cores of rtl/pool: one word of a window's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

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
    module: ClassVar = "volley_pool_max"

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
