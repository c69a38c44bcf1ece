# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Tiles, what runs on them and what they send each other: the input of the flit-level model and of the guarantee.

A context is a cluster on a tile, or one of the host's ends. Contexts send each other tokens, one per time step: the
spikes of the step that the other one reads, each in a flit of its own, then a flit END. A context works on a step once
the END of every connection into it is there, a credit of every connection out of it, and room for its whole output in
its tile's queue. Nothing inside the tile stalls then until the step is done. The times are those of the tile's RTL
(docs/tiles_network.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np

from pyflow.errors import VolleyError
from pyflow.integers import ceil_div
from pyflow.machines.tiles.tile import check_sizes
from pyflow.machines.tiles.topology import Topology


class Role(Enum):
    """TILE: neurons, on the array of a tile. SOURCE: the host's encoder. SINK: the host's readout."""

    TILE = "tile"
    SOURCE = "source"
    SINK = "sink"


@dataclass(frozen=True, slots=True)
class Times:
    """Of a tile, in cycles. pe, events: of its array, outputs and events per cycle; lanes: neurons per cycle.
    start: from the flit that was waited for to the first row of events. pipeline: from the last row of a fold to the
    spikes of its first neurons in the queue. release: from the last row of a step to its credit in the queue."""

    pe: int = 16
    events: int = 2
    lanes: int = 2
    start: int = 2
    pipeline: int = 9
    release: int = 1

    def __post_init__(self) -> None:
        check_sizes(self)

    def folds(self, neurons: int) -> int:
        return ceil_div(neurons, self.pe)

    def pace(self, events: int) -> int:
        """Cycles of one fold: its rows of events, and at least as long as its neurons take, so that nothing waits."""
        return max(1, ceil_div(events, self.events), ceil_div(self.pe, self.lanes))

    def busy(self, neurons: int, events: int) -> int:
        """Cycles from the first row of a step to the first row that another step may have."""
        return self.folds(neurons) * self.pace(events)

    def spikes_at(self, neurons: np.ndarray, events: int) -> np.ndarray:
        """Cycles from the start of a step to these neurons' spikes in the queue."""
        fold, place = neurons // self.pe, neurons % self.pe
        return np.asarray((fold + 1) * self.pace(events) + self.pipeline + place // self.lanes)

    def end_at(self, neurons: int, events: int) -> int:
        """Cycles from the start of a step to its END in the queue, with the spikes of the last neurons."""
        return int(self.spikes_at(np.array([neurons - 1]), events)[0])


@dataclass(frozen=True, slots=True)
class Context:
    """neurons: whose spikes or sums it may send; of a sink none."""

    name: str
    neurons: int
    role: Role = Role.TILE

    def __post_init__(self) -> None:
        if self.neurons < 0 or (self.neurons == 0) != (self.role is Role.SINK):
            raise VolleyError(f"{self.name}: {self.neurons} neurons; a sink has none, others at least one")


@dataclass(frozen=True, slots=True, eq=False)
class Connection:
    """From one context to another, by number. reads: int64, ascending, of the source's neurons that the target reads.
    delay: steps between, 0 or 1. sums: the partial sums of these neurons, in every step, and no spikes."""

    source: int
    target: int
    reads: np.ndarray
    delay: int = 0
    sums: bool = False


@dataclass(frozen=True, slots=True)
class Unit:
    """What works on one step at a time: a tile, or one end of the host. order: its contexts, in turn. room: flits that
    its queue holds; None: as many as a tile's."""

    node: int
    order: tuple[int, ...]
    room: int | None = None


@dataclass(frozen=True, eq=False)
class System:
    """room: flits that a tile's queue holds. credits: steps that the list of a context holds; 2 is what the RTL has."""

    topology: Topology
    contexts: tuple[Context, ...]
    connections: tuple[Connection, ...]
    units: tuple[Unit, ...]
    times: Times = Times()
    room: int = 512
    credits: int = 2

    def __post_init__(self) -> None:
        self._check_units()
        for n, connection in enumerate(self.connections):
            self._check(n, connection)
        if self.credits < 1:
            raise VolleyError(f"credits: {self.credits}; a list holds one step at least")
        for n, context in enumerate(self.contexts):
            both = np.flatnonzero(self.read(n, sums=False) & self.read(n, sums=True))
            if len(both):
                raise VolleyError(
                    f"{context.name}: neuron {both[0]} sends spikes and partial sums; it is one or the other"
                )

    def _check_units(self) -> None:
        placed = sorted(n for unit in self.units for n in unit.order)
        for n, context in enumerate(self.contexts):
            if placed.count(n) != 1:
                raise VolleyError(f"{context.name} is on {placed.count(n)} units; each context is on one")
        if len(placed) > len(self.contexts):
            raise VolleyError(f"units: there is no context {placed[-1]}; there are {len(self.contexts)}")
        for unit in self.units:
            names = ", ".join(self.contexts[n].name for n in unit.order)
            if not 0 <= unit.node <= self.topology.host:
                raise VolleyError(f"{names}: node {unit.node}; a {self.topology.name} has 0 to {self.topology.host}")
            ends = sum(self.contexts[n].role in (Role.SOURCE, Role.SINK) for n in unit.order)
            if ends and len(unit.order) > 1:
                raise VolleyError(f"{names}: an end of the host is a unit of its own")
            widest = max(unit.order, key=lambda n: self.contexts[n].neurons)
            need, room = self.contexts[widest].neurons + 1, self.room_of(unit)
            if need > room:
                raise VolleyError(
                    f"{self.contexts[widest].name}: a step may send {need} flits, its queue holds {room}: "
                    f"smaller clusters, or room = {need}"
                )

    def _check(self, number: int, connection: Connection) -> None:
        for end in (connection.source, connection.target):
            if not 0 <= end < len(self.contexts):
                raise VolleyError(f"connection {number}: there is no context {end}; there are {len(self.contexts)}")
        what = self.name(number)
        source, target = self.contexts[connection.source], self.contexts[connection.target]
        if connection.delay not in (0, 1):
            raise VolleyError(f"{what}: a delay of {connection.delay} steps; tiles keep a token for 1 step at most")
        if source.role is Role.SINK or target.role is Role.SOURCE:
            raise VolleyError(f"{what}: a sink sends nothing, and a source receives nothing")
        reads = connection.reads
        if len(reads) and not (0 <= reads[0] and reads[-1] < source.neurons and (np.diff(reads) > 0).all()):
            raise VolleyError(f"{what}: reads neurons out of order, or outside 0 to {source.neurons - 1}")

    def room_of(self, unit: Unit) -> int:
        return self.room if unit.room is None else unit.room

    def name(self, connection: int) -> str:
        of = self.connections[connection]
        return f"{self.contexts[of.source].name} → {self.contexts[of.target].name}"

    @cached_property
    def unit_of(self) -> tuple[int, ...]:
        """Of each context."""
        found = {n: u for u, unit in enumerate(self.units) for n in unit.order}
        return tuple(found[n] for n in range(len(self.contexts)))

    def node(self, context: int) -> int:
        return self.units[self.unit_of[context]].node

    @cached_property
    def into(self) -> tuple[tuple[int, ...], ...]:
        """Connections into each context."""
        return self._by([of.target for of in self.connections])

    @cached_property
    def out(self) -> tuple[tuple[int, ...], ...]:
        """Connections out of each context."""
        return self._by([of.source for of in self.connections])

    def _by(self, ends: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        rows: list[list[int]] = [[] for _ in self.contexts]
        for n, end in enumerate(ends):
            rows[end].append(n)
        return tuple(map(tuple, rows))

    @cached_property
    def latency(self) -> tuple[int, ...]:
        """Cycles of a flit from source to target, of each connection."""
        return tuple(len(self.topology.path(self.node(of.source), self.node(of.target))) for of in self.connections)

    @cached_property
    def credit_latency(self) -> tuple[int, ...]:
        """Cycles of a credit from target to source, of each connection."""
        return tuple(len(self.topology.path(self.node(of.target), self.node(of.source))) for of in self.connections)

    def read(self, context: int, *, sums: bool, late: bool = True) -> np.ndarray:
        """bool [neurons] whose spikes (sums: partial sums) somebody reads. late: over a delay as well."""
        found = np.zeros(self.contexts[context].neurons, dtype=bool)
        for n in self.out[context]:
            of = self.connections[n]
            if of.sums == sums and (late or not of.delay):
                found[of.reads] = True
        return found

    @cached_property
    def _counts(self) -> tuple[tuple[int, int], ...]:
        """(neurons whose spikes are read, neurons whose partial sums are) of each context."""
        every = range(len(self.contexts))
        return tuple((int(self.read(n, sums=False).sum()), int(self.read(n, sums=True).sum())) for n in every)

    def most_flits(self, context: int, spikes: int) -> int:
        """Of a step with at most so many spikes: those that somebody reads, sums, and END."""
        read, sums = self._counts[context]
        return min(spikes, read) + sums + 1
