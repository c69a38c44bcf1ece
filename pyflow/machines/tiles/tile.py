# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What one crossbar tile holds. Every limit of a tile stands here, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from pyflow.errors import VolleyError
from pyflow.integers import ceil_div


class Need(NamedTuple):
    """What one cluster asks of a tile. axons: distinct sources that it reads, a source and itself a step later being
    two. neurons: whose sums it makes, partial ones included. fan_in: the largest of its neurons, over all their parts.
    flits_in, flits_out: of partial sums in a step, N + 1 for N neurons between two clusters."""

    axons: int
    neurons: int
    fan_in: int = 0
    weight_bits: int = 2
    word_bits: int = 1
    flits_in: int = 0
    flits_out: int = 0


class Excess(NamedTuple):
    """A limit that is broken. cure: what would do."""

    resource: str
    need: int
    limit: int
    cure: str

    def __str__(self) -> str:
        over = self.need - self.limit
        return f"{self.resource}: needs {self.need:,}, a tile has {self.limit:,}, {over:,} too few; {self.cure}"


def check_sizes(record: Any) -> None:
    """Raises VolleyError where a field of a dataclass is no whole number from 1 on."""
    for field in fields(record):
        value = getattr(record, field.name)
        if type(value) is not int or value < 1:
            raise VolleyError(f"tile: {field.name} = {value!r} must be a whole number, 1 or more")


@dataclass(frozen=True, slots=True)
class Tile:
    """A reshapeable crossbar: `rows` words of `lanes` weights. A cluster of i axons and n neurons takes
    i * ceil(n / lanes) rows, so the same tile is 1,024 x 16, 128 x 128 or 64 x 256.

    axons, neurons: most in a tile, over all its contexts. contexts: clusters that it works on in turn.
    weight_bits: W. word_bits: of a spike's word. potential_bits: of a sum, which bounds the fan-in. flits: of partial
    sums, that it takes or sends in a step.
    """

    lanes: int = 16
    rows: int = 1024
    axons: int = 1024
    neurons: int = 256
    contexts: int = 8
    weight_bits: int = 4
    word_bits: int = 1
    potential_bits: int = 16
    flits: int = 512

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.weight_bits < 2:
            raise VolleyError("tile: weight_bits = 1 holds no sign; use 2 or more")

    @property
    def crosspoints(self) -> int:
        return self.rows * self.lanes

    @property
    def widest(self) -> int:
        """Axons that a cluster of one neuron may have. A larger fan-in takes partial sums."""
        return min(self.axons, self.rows)

    @property
    def fan_in(self) -> int:
        """Largest fan-in whose sum keeps to `potential_bits`, whatever weights and words are."""
        return ((1 << (self.potential_bits - 1)) - 1) // self._largest_term

    def taken(self, axons: int, neurons: int) -> int:
        """Rows of a cluster."""
        return axons * ceil_div(neurons, self.lanes)

    def room(self, axons: int) -> int:
        """Most neurons of a cluster with so many axons; 0 where not even one fits."""
        if axons > self.axons:
            return 0
        return min(self.neurons, self.rows // max(1, axons) * self.lanes)

    def share(self, axons: int, neurons: int) -> float:
        """The largest share of a tile that a cluster takes of any of its resources."""
        return max(self.taken(axons, neurons) / self.rows, neurons / self.neurons, 1 / self.contexts)

    def excess(self, *needs: Need) -> tuple[Excess, ...]:
        """What clusters that share a tile ask for beyond it, worst first; empty where they fit."""
        return tuple(sorted(self._broken(needs), key=lambda e: -e.need / e.limit))

    def fits(self, *needs: Need) -> bool:
        """Do clusters that share a tile fit it?"""
        return next(self._broken(needs), None) is None

    def check(self, what: str, *needs: Need) -> None:
        """Raises VolleyError where they do not fit. what: names them."""
        if over := self.excess(*needs):
            raise VolleyError(f"{what} does not fit a tile: {'; '.join(map(str, over))}")

    def _broken(self, needs: Sequence[Need]) -> Iterator[Excess]:
        for resource, need, limit, cure in self._limits(needs):
            if need > limit:
                yield Excess(resource, need, limit, cure)

    def _limits(self, needs: Sequence[Need]) -> Iterator[tuple[str, int, int, str]]:
        """(resource, what is needed, what there is, what would do) of everything that a tile limits."""
        rows = sum(self.taken(need.axons, need.neurons) for need in needs)
        axons, neurons = sum(need.axons for need in needs), sum(need.neurons for need in needs)
        fan_in = max(need.fan_in for need in needs)
        weight_bits = max(need.weight_bits for need in needs)
        word_bits = max(need.word_bits for need in needs)
        fewer = "smaller clusters, or" if len(needs) == 1 else "fewer clusters on the tile, or"
        if len(needs) == 1 and needs[0].neurons == 1:
            fewer = "partial sums, or"
        yield "crosspoints", rows * self.lanes, self.crosspoints, f"{fewer} rows = {rows}"
        yield "axons", axons, self.axons, f"{fewer} axons = {axons}"
        yield "neurons", neurons, self.neurons, f"{fewer} neurons = {neurons}"
        yield "contexts", len(needs), self.contexts, f"more tiles, or contexts = {len(needs)}"
        yield "fan-in", fan_in, self.fan_in, f"potential_bits = {self._potential_bits(fan_in)}"
        yield "weight bits", weight_bits, self.weight_bits, f"W = {self.weight_bits}, or weight_bits = {weight_bits}"
        yield "word bits", word_bits, self.word_bits, f"spikes over time, or word_bits = {word_bits}"
        for way, flits in (("in", max(n.flits_in for n in needs)), ("out", max(n.flits_out for n in needs))):
            yield f"flits {way}", flits, self.flits, f"fewer neurons with partial sums, or flits = {flits}"

    def _potential_bits(self, fan_in: int) -> int:
        return (fan_in * self._largest_term).bit_length() + 1

    @property
    def _largest_term(self) -> int:
        """The largest weight times the largest word."""
        term: int = ((1 << (self.weight_bits - 1)) - 1) * ((1 << self.word_bits) - 1)
        return term


def square(side: int = 128) -> Tile:
    """A crossbar that cannot be reshaped: `side` axons by `side` neurons, one cluster."""
    return Tile(lanes=side, rows=side, axons=side, neurons=side, contexts=1)
