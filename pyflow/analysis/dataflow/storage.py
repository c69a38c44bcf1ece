# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Sizes of buffers against throughput: the complete front, and the smallest buffers for a period.

A buffer of so many places is a reverse edge (see Graph.bounded). A distribution gives each channel its capacity.

**What has to grow.** The certificate of a period names a cycle that attains it. As long as no buffer on that cycle
grows, the cycle stays, and the period is no shorter. So every faster distribution is, somewhere on the cycle, at least
one grain larger. In a deadlock the same holds of the circle of actors that wait for each other. Stuijk et al. 2006 and
2008 grow every channel that delays anything; one cycle is enough, and has fewer channels.

**The front.** Keep a set of distributions so that every distribution faster than the slowest of them is at least as
large, channel by channel, as one of them. It begins with the least capacities. The slowest is taken out and grown on
each channel of its cycle; what is as large as another one of the set is left out. When the slowest is as fast as
unlimited buffers the set has seen every point of the front.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from pyflow.analysis.dataflow.cycles import Cycles, largest_ratio
from pyflow.analysis.dataflow.expansion import Expansion
from pyflow.analysis.dataflow.graph import Channel, Graph, free_places
from pyflow.analysis.dataflow.liveness import check_live, stuck
from pyflow.errors import VolleyError

MAX_TRIED = 200_000  # distributions of a front
MAX_FIRED = 5_000_000  # nodes of all expansions, of a search for the smallest buffers


@dataclass(frozen=True)
class Distribution:
    """capacities: tokens of each buffer, by channel. size: their sum, weighted. period: of an iteration."""

    capacities: Mapping[str, int]
    size: int
    period: Fraction


@dataclass(frozen=True)
class Front:
    """points: by growing size and falling period; of one size and period every smallest distribution is there.
    tried: distributions whose period was computed."""

    points: tuple[Distribution, ...]
    tried: int

    @property
    def pairs(self) -> tuple[tuple[int, Fraction], ...]:
        """(size, period) of the points, each once."""
        return tuple(dict.fromkeys((p.size, p.period) for p in self.points))


@dataclass(frozen=True)
class Smallest:
    """distribution: the smallest found. least: no distribution of this period is smaller; equal to its size where the
    search came to its end."""

    distribution: Distribution
    least: int
    tried: int


@dataclass(slots=True)
class _Tried:
    """A distribution in the search. period: None in a deadlock. grow: positions of the channels of its cycle."""

    capacities: tuple[int, ...]
    period: Fraction | None
    grow: tuple[int, ...]
    policy: np.ndarray | None = None
    expansion: Expansion | None = field(default=None, repr=False)


class Buffers:
    """The bounded forms of a graph. weights: size of a token, by channel; 1 where it is not named. progress: called for
    each distribution that is tried. Raises VolleyError where the graph is inconsistent, deadlocks with unlimited
    buffers, or has no bound on its rate."""

    def __init__(
        self, graph: Graph, weights: Mapping[str, int] | None = None, progress: Callable[[], object] = int
    ) -> None:
        self._progress = progress
        check_live(graph)
        self.graph = graph
        self.channels = graph.buffers
        self.weights = np.array([(weights or {}).get(c.name, 1) for c in self.channels], dtype=np.int64)
        self.grain = [channel.grain for channel in self.channels]
        self.least = tuple(_least(channel) for channel in self.channels)
        unlimited = Expansion(graph)
        self.best = largest_ratio(unlimited.edges, unlimited.part()).ratio or Fraction(0)
        self.tried = 0
        if self.best == 0 and self.channels:
            raise VolleyError(
                f"graph {graph.name}: with unlimited buffers nothing limits its rate, so no buffers are large enough; "
                "let an actor fire one at a time (a channel to itself with one token)"
            )
        self._place = {channel.name: n for n, channel in enumerate(self.channels)}

    def size(self, capacities: tuple[int, ...]) -> int:
        return int((np.array(capacities, dtype=np.int64) * self.weights).sum())

    def bounded(self, capacities: tuple[int, ...]) -> Graph:
        return self.graph.bounded(dict(zip(self._place, capacities, strict=True)))

    def distribution(self, tried: _Tried) -> Distribution:
        assert tried.period is not None
        named = dict(zip(self._place, tried.capacities, strict=True))
        return Distribution(named, self.size(tried.capacities), tried.period)

    def try_(self, capacities: tuple[int, ...], near: _Tried | None = None) -> _Tried:
        """Period, and what has to grow. near: one tried before; where it is live and no larger the
        search for the cycle begins from it."""
        self.tried += 1
        self._progress()
        if self.tried > MAX_TRIED:
            raise VolleyError(
                f"graph {self.graph.name}: more than {MAX_TRIED:,} distributions of buffers to try; fewer channels, or "
                "rates of a larger common divisor, would do"
            )
        larger = near is not None and all(a <= b for a, b in zip(near.capacities, capacities, strict=True))
        if near is None or near.expansion is None or not larger:
            graph = self.bounded(capacities)
            if circle := stuck(graph):
                return _Tried(capacities, None, self._named(tuple(wait.channel for wait in circle)))
            expansion, policy = Expansion(graph), None
        else:
            expansion, policy = near.expansion, near.policy
            first = len(expansion.graph.channels) - len(self.channels)
            for n, capacity in enumerate(capacities):
                if capacity != near.capacities[n]:
                    expansion = expansion.with_channel(first + n, free_places(self.channels[n], capacity))
        found = largest_ratio(expansion.edges, expansion.part(), policy)
        return _Tried(capacities, found.ratio, self._on(expansion, found), found.policy, expansion)

    def _on(self, expansion: Expansion, found: Cycles) -> tuple[int, ...]:
        causes = {int(n) for n in expansion.cause[list(found.cycle)] if n >= 0}
        return self._named(tuple(expansion.channels[n] for n in causes))

    def _named(self, channels: tuple[Channel, ...]) -> tuple[int, ...]:
        return tuple(sorted({self._place[c.places_of] for c in channels if c.places_of is not None}))

    def grown(self, tried: _Tried, channel: int) -> tuple[int, ...]:
        capacities = list(tried.capacities)
        capacities[channel] += self.grain[channel]
        return tuple(capacities)


def front(graph: Graph, weights: Mapping[str, int] | None = None, progress: Callable[[], object] = int) -> Front:
    """The complete front of size against period."""
    buffers = Buffers(graph, weights, progress)
    kept = _Antichain(len(buffers.channels))
    seen: list[_Tried] = []
    waiting: list[tuple[Fraction, int, _Tried]] = []

    def add(tried: _Tried) -> None:
        if tried.period is not None:
            seen.append(_Tried(tried.capacities, tried.period, ()))
        kept.add(tried.capacities)
        # The slowest first; of those the smallest.
        speed = -tried.period if tried.period is not None else Fraction(-(1 << 200))
        heapq.heappush(waiting, (speed, buffers.tried, tried))

    add(buffers.try_(buffers.least))
    while waiting:
        _, _, slowest = heapq.heappop(waiting)
        if not kept.remove(slowest.capacities):
            continue
        if slowest.period == buffers.best:
            break
        for channel in slowest.grow:
            capacities = buffers.grown(slowest, channel)
            if not kept.covers(capacities):
                add(buffers.try_(capacities, slowest))
    return Front(_points(buffers, seen), buffers.tried)


def smallest(
    graph: Graph,
    period: Fraction | None = None,
    weights: Mapping[str, int] | None = None,
    tries: int | None = None,
    progress: Callable[[], object] = int,
) -> Smallest:
    """The smallest buffers with which an iteration takes at most `period`; as little as with unlimited ones where it is
    None. The search goes by growing size, from what each channel needs where all others are unlimited. After `tries`
    distributions (2,000, or fewer of a large graph) it ends with buffers of which none can be smaller by itself.
    progress: as of Buffers. Raises VolleyError below the least period."""
    buffers = Buffers(graph, weights, progress)
    target = buffers.best if period is None else period
    if target < buffers.best:
        raise VolleyError(
            f"graph {graph.name}: a period of {target} is asked for; with unlimited buffers it is {buffers.best}"
        )
    begin = tuple(_alone(buffers, n, target) for n in range(len(buffers.channels)))
    waiting: list[tuple[int, tuple[int, ...], _Tried | None]] = [(buffers.size(begin), begin, None)]
    known = {begin}
    if tries is None:
        tries = max(20, min(2000, MAX_FIRED // sum(graph.repetition)))
    while True:
        size, capacities, near = heapq.heappop(waiting)
        if buffers.tried >= tries:
            return Smallest(buffers.distribution(_some(buffers, begin, target)), size, buffers.tried)
        tried = buffers.try_(capacities, near)
        if tried.period is not None and tried.period <= target:
            return Smallest(buffers.distribution(tried), size, buffers.tried)
        for channel in tried.grow:
            grown = buffers.grown(tried, channel)
            if grown not in known:
                known.add(grown)
                heapq.heappush(waiting, (buffers.size(grown), grown, tried))


def _alone(buffers: Buffers, n: int, target: Fraction) -> int:
    """The least capacity of channel `n` that a period needs where all other buffers are unlimited."""
    channel, grain, least = buffers.channels[n], buffers.grain[n], buffers.least[n]

    def enough(steps: int) -> bool:
        graph = buffers.graph.bounded({channel.name: least + steps * grain})
        if stuck(graph):
            return False
        expansion = Expansion(graph)
        found = largest_ratio(expansion.edges, expansion.part()).ratio
        return found is None or found <= target

    return least + grain * _first(enough)


def _some(buffers: Buffers, begin: tuple[int, ...], target: Fraction) -> _Tried:
    """Buffers that are enough, none of which can be smaller by itself."""
    capacities, step = list(begin), list(buffers.grain)
    tried = buffers.try_(begin)
    while tried.period is None or tried.period > target:
        for n in tried.grow:
            capacities[n] += step[n]
            step[n] *= 2
        tried = buffers.try_(tuple(capacities), tried)
    for n, grain in enumerate(buffers.grain):
        low = begin[n]

        def enough(steps: int, n: int = n, low: int = low, grain: int = grain) -> bool:
            found = buffers.try_((*capacities[:n], low + steps * grain, *capacities[n + 1 :])).period
            return found is not None and found <= target

        capacities[n] = low + grain * _first(enough)
    return buffers.try_(tuple(capacities))


def _first(enough: Callable[[int], bool]) -> int:
    """The first number from 0 on that is enough; all behind it are."""
    if enough(0):
        return 0
    high = 1
    while not enough(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _points(buffers: Buffers, seen: list[_Tried]) -> tuple[Distribution, ...]:
    """Those that none of the same size is faster than, and none of the same period smaller."""
    ordered = sorted((buffers.distribution(tried) for tried in seen), key=lambda d: (d.size, d.period))
    points: list[Distribution] = []
    for found in ordered:
        if (
            not points
            or found.period < points[-1].period
            or (found.period == points[-1].period and found.size == points[-1].size)
        ):
            points.append(found)
    return tuple(points)


class _Antichain:
    """Distributions of which none is as large as another, channel by channel."""

    def __init__(self, channels: int) -> None:
        self._rows = np.empty((16, channels), dtype=np.int64)
        self._count = 0

    def covers(self, capacities: tuple[int, ...]) -> bool:
        """Is this one as large as one of them?"""
        return bool((self._rows[: self._count] <= np.array(capacities)).all(axis=1).any())

    def add(self, capacities: tuple[int, ...]) -> None:
        """Those that are as large leave."""
        row = np.array(capacities, dtype=np.int64)
        rows = self._rows[: self._count]
        stay = rows[~(rows >= row).all(axis=1)]
        self._count = len(stay) + 1
        if self._count > len(self._rows):
            self._rows = np.empty((2 * len(self._rows), self._rows.shape[1]), dtype=np.int64)
        self._rows[: len(stay)] = stay
        self._rows[len(stay)] = row

    def remove(self, capacities: tuple[int, ...]) -> bool:
        """Was it there?"""
        rows = self._rows[: self._count]
        at = np.flatnonzero((rows == np.array(capacities)).all(axis=1))
        if not len(at):
            return False
        self._rows[at[0]] = rows[-1]
        self._count -= 1
        return True


def _least(channel: Channel) -> int:
    """The least capacity with which a channel by itself is live; of several phases a lower bound of that."""
    most = max(channel.tokens, *channel.produces, *channel.consumes)
    if len(channel.produces) > 1 or len(channel.consumes) > 1:
        return most + (channel.tokens - most) % channel.grain
    made, taken, grain = channel.produces[0], channel.consumes[0], channel.grain
    return max(channel.tokens, made + taken - grain + channel.tokens % grain)
