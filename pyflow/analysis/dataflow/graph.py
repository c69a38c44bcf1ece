# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Synchronous and cyclo-static dataflow graphs: actors that fire, channels that carry tokens.

A firing takes its tokens when it starts and gives its tokens when it ends. An actor of several phases goes through
them in turn, one at a time (Bilsen et al. 1996); an actor of one phase overlaps its own firings, unless a channel from
itself to itself limits them. Lee and Messerschmitt 1987 for rates, consistency and the repetition vector.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from pyflow.errors import VolleyError

MAX_FIRINGS = 200_000  # of one iteration, all actors together
MAX_ACTORS = 10_000
MAX_NUMBER = 10**9  # a time, a rate, tokens of a channel
MAX_WORK = 1 << 56  # time units of all firings of an iteration: sums of them stay within int64


@dataclass(frozen=True, slots=True)
class Actor:
    """times: of its phases in turn, in time units; one phase in a synchronous graph."""

    name: str
    times: tuple[int, ...] = (1,)

    def __post_init__(self) -> None:
        if not self.times:
            raise VolleyError(f"actor {self.name}: no phase; give at least one execution time")
        for time in self.times:
            _in_range(f"actor {self.name}: execution time", time, 0)


@dataclass(frozen=True, slots=True)
class Channel:
    """A queue in order. produces: tokens of each phase of the source; consumes: of each phase of the target. tokens:
    that are there at the start. places_of: the channel whose free places these tokens are, where it is the reverse
    edge of a bounded buffer."""

    name: str
    source: str
    target: str
    produces: tuple[int, ...] = (1,)
    consumes: tuple[int, ...] = (1,)
    tokens: int = 0
    places_of: str | None = None

    def __post_init__(self) -> None:
        for what, rates in (("production", self.produces), ("consumption", self.consumes)):
            for rate in rates:
                _in_range(f"channel {self.name}: {what} rate", rate, 0)
            if not any(rates):
                raise VolleyError(f"channel {self.name}: {what} rate 0; a channel carries at least one token")
        _in_range(f"channel {self.name}: initial tokens", self.tokens, 0)

    @property
    def grain(self) -> int:
        """Greatest common divisor of all rates: fewer tokens than this change nothing."""
        return math.gcd(*self.produces, *self.consumes)

    @property
    def is_turn(self) -> bool:
        """Does it let its actor fire one at a time, and does nothing else?"""
        rates = (*self.produces, *self.consumes)
        return self.source == self.target and self.tokens == 1 and all(rate == 1 for rate in rates)


@dataclass(frozen=True)
class Graph:
    """actors and channels, by names that occur once. Raises VolleyError where names or phases do not fit."""

    name: str
    actors: tuple[Actor, ...]
    channels: tuple[Channel, ...] = ()
    _number: dict[str, int] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        if not self.actors:
            raise VolleyError(f"graph {self.name}: no actor; an analysis needs at least one")
        if max(len(self.actors), len(self.channels)) > MAX_ACTORS:
            raise VolleyError(
                f"graph {self.name}: {len(self.actors):,} actors and {len(self.channels):,} channels, "
                f"at most {MAX_ACTORS:,} of each"
            )
        for what, names in (("actor", [a.name for a in self.actors]), ("channel", [c.name for c in self.channels])):
            if len(set(names)) < len(names):
                twice = next(name for n, name in enumerate(names) if name in names[:n])
                raise VolleyError(f"graph {self.name}: {what} {twice} is there twice; give each its own name")
        self._number.update({actor.name: n for n, actor in enumerate(self.actors)})
        for channel in self.channels:
            ends = ((channel.source, channel.produces, "makes"), (channel.target, channel.consumes, "takes"))
            for name, rates, verb in ends:
                if name not in self._number:
                    raise VolleyError(f"channel {channel.name}: there is no actor {name}")
                phases = len(self.actors[self._number[name]].times)
                if len(rates) != phases:
                    raise VolleyError(
                        f"channel {channel.name}: {name} {verb} tokens in {len(rates)} phases, and has {phases}"
                    )

    def number(self, actor: str) -> int:
        return self._number[actor]

    def phases(self, actor: str) -> int:
        return len(self.actors[self._number[actor]].times)

    @cached_property
    def edges(self) -> tuple[Channel, ...]:
        """The channels, and a turn for each actor of several phases that has none."""
        have = {channel.source for channel in self.channels if channel.is_turn}
        more = (a for a in self.actors if len(a.times) > 1 and a.name not in have)
        turns = (
            Channel(f"turn of {a.name}", a.name, a.name, (1,) * len(a.times), (1,) * len(a.times), 1) for a in more
        )
        return (*self.channels, *turns)

    @cached_property
    def repetition(self) -> tuple[int, ...]:
        """Firings of each actor in one iteration, which brings every channel back to its tokens: the smallest positive
        ones of each connected part. Raises VolleyError where there are none, or too many."""
        cycles: dict[int, Fraction] = {}
        near: list[list[tuple[int, Fraction]]] = [[] for _ in self.actors]
        for channel in self.channels:
            factor = Fraction(sum(channel.produces), sum(channel.consumes))
            source, target = self.number(channel.source), self.number(channel.target)
            near[source].append((target, factor))
            near[target].append((source, 1 / factor))
        for first in range(len(self.actors)):
            if first in cycles:
                continue
            part, waiting = [first], [first]
            cycles[first] = Fraction(1)
            while waiting:
                here = waiting.pop()
                for there, times in near[here]:
                    if there not in cycles:
                        cycles[there] = cycles[here] * times
                        part.append(there)
                        waiting.append(there)
            scale = Fraction(
                math.lcm(*(cycles[n].denominator for n in part)), math.gcd(*(cycles[n].numerator for n in part))
            )
            cycles.update({n: cycles[n] * scale for n in part})
        for channel in self.channels:
            before, after = cycles[self.number(channel.source)], cycles[self.number(channel.target)]
            made, taken = before * sum(channel.produces), after * sum(channel.consumes)
            if made != taken:
                raise VolleyError(
                    f"graph {self.name}: inconsistent rates: {_times(before)} of {channel.source} put {made} tokens "
                    f"into channel {channel.name}, {_times(after)} of {channel.target} take {taken}; no numbers of "
                    "firings balance all channels"
                )
        firings = tuple(int(cycles[n]) * len(actor.times) for n, actor in enumerate(self.actors))
        if sum(firings) > MAX_FIRINGS:
            most = max(range(len(firings)), key=firings.__getitem__)
            raise VolleyError(
                f"graph {self.name}: an iteration has {sum(firings):,} firings, {firings[most]:,} of them of "
                f"{self.actors[most].name}; at most {MAX_FIRINGS:,} are analysed, with rates of a larger common divisor"
            )
        work = sum(n // len(a.times) * sum(a.times) for n, a in zip(firings, self.actors, strict=True))
        if work > MAX_WORK:
            raise VolleyError(f"graph {self.name}: an iteration takes {work:,} time units; count in larger units")
        return firings

    def bounded(self, capacities: Mapping[str, int]) -> Graph:
        """With buffers of so many places: each gets the reverse edge that hands out its free places. A firing claims
        places when it starts, and frees them when it ends. Raises VolleyError where tokens or rates exceed them."""
        known = {channel.name: channel for channel in self.channels}
        for name in capacities:
            if name not in known:
                raise VolleyError(f"graph {self.name}: there is no channel {name}")
        places = [
            free_places(channel, capacities[channel.name]) for channel in self.channels if channel.name in capacities
        ]
        return Graph(self.name, self.actors, (*self.channels, *places))

    @cached_property
    def buffers(self) -> tuple[Channel, ...]:
        """The channels that a buffer may bound: not those from an actor to itself, nor reverse edges."""
        return tuple(c for c in self.channels if c.source != c.target and c.places_of is None)


def free_places(channel: Channel, capacity: int) -> Channel:
    """The reverse edge of a channel whose buffer has so many places."""
    least = max(channel.tokens, *channel.produces, *channel.consumes)
    if capacity < least:
        raise VolleyError(f"channel {channel.name}: a buffer of {capacity} tokens, which needs {least} at least")
    return Channel(
        f"places of {channel.name}", channel.target, channel.source, channel.consumes, channel.produces,
        capacity - channel.tokens, channel.name,
    )  # fmt: skip


def synchronous(
    name: str, times: Mapping[str, int], channels: Iterable[Sequence[str | int]], alone: Iterable[str] = ()
) -> Graph:
    """A graph of one phase per actor. channels: (source, produces, consumes, target[, tokens]), called source-target.
    alone: actors that fire one at a time."""
    made: list[Channel] = []
    for row in channels:
        source, produces, consumes, target, tokens = (*row, 0)[:5]
        taken = {channel.name for channel in made}
        name_of = f"{source}-{target}"
        while name_of in taken:
            name_of += "'"
        made.append(Channel(name_of, str(source), str(target), (int(produces),), (int(consumes),), int(tokens)))
    turns = (Channel(f"{actor}-{actor}", actor, actor, tokens=1) for actor in alone)
    return Graph(name, tuple(Actor(actor, (time,)) for actor, time in times.items()), (*made, *turns))


def _in_range(what: str, value: int, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= MAX_NUMBER:
        raise VolleyError(f"{what} {value!r} is no whole number from {low} to {MAX_NUMBER:,}")


def _times(cycles: Fraction) -> str:
    return f"{cycles} cycle" + ("" if cycles == 1 else "s")
