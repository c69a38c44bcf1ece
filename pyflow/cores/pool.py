# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cores of rtl/pool: one word of a window's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pyflow.cores.base import Core
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


@dataclass(frozen=True, slots=True)
class PoolSum(PoolTree):
    module: ClassVar = "volley_pool_sum"


@dataclass(frozen=True, slots=True)
class PoolOr(Core):
    module: ClassVar = "volley_pool_or"
    lanes: int
    tb: int
    taps: int
    pix: int

    def times(self, ports: Ports) -> list[Recurrence]:
        return [Pipe(ports.sink, ports.source)]


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
