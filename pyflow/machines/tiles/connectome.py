# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Who reads whom: the graph of neurons and synapses that is cut into clusters.

Neurons with the same fan-in are one group, as all channels of a pixel behind a convolution are. The fan-in is kept once
for each group, so a layer's synapses are never written out one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pyflow.errors import VolleyError
from pyflow.machines.tiles.arrays import Lists, lists

SHOWN = 6  # neurons of a cycle that a message names


class Layer(NamedTuple):
    """Sources first .. first + H*W*C - 1 are the tensor `name`, in the order of its array [C, H, W]."""

    name: str
    first: int
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Connectome:
    """Sources are numbered: 0 .. inputs-1 come from outside, the neurons follow. An axon is a source as it is read:
    number 2*source for its spikes of the same step, 2*source + 1 for those of the step before.

    group: int64 [neurons], of neurons that read the same axons. fan_in: axons of each group, ascending. rates: float64
    [sources], spikes per step; 1, the bound, where nobody measured. word_bits: of the largest word that an axon
    carries. weight_bits: W. layers, labels: what sources are called: by their tensor, or the number in their file.
    """

    name: str
    inputs: int
    group: np.ndarray
    fan_in: Lists
    rates: np.ndarray
    word_bits: int = 1
    weight_bits: int = 2
    layers: tuple[Layer, ...] = ()
    labels: np.ndarray | None = None

    @property
    def neurons(self) -> int:
        return len(self.group)

    @property
    def sources(self) -> int:
        return self.inputs + self.neurons

    @cached_property
    def members(self) -> Lists:
        """Neurons of each group, by their number as a source."""
        order = np.argsort(self.group, kind="stable")
        starts = np.searchsorted(self.group[order], np.arange(len(self.fan_in) + 1))
        return Lists(starts.astype(np.int64), order + self.inputs)

    @property
    def synapses(self) -> int:
        return int((self.fan_in.sizes * self.members.sizes).sum())

    @cached_property
    def readers(self) -> Lists:
        """Groups that read each axon."""
        return self.fan_in.inverted(2 * self.sources)

    @cached_property
    def levels(self) -> np.ndarray:
        """Layers of neurons that a step passes up to each group, its own included: int64 [groups]. Raises VolleyError
        where neurons wait for each other within a step."""
        now = self.fan_in.values % 2 == 0
        waits = now & (self.fan_in.values >= 2 * self.inputs)
        missing = np.bincount(self.fan_in.owners[waits], minlength=len(self.fan_in))
        levels = np.zeros(len(self.fan_in), np.int64)
        ready, level = np.flatnonzero(missing == 0), 0
        while ready.size:
            level += 1
            levels[ready] = level
            reached = self.readers.take(2 * self.members.take(ready).values).values
            np.subtract.at(missing, reached, 1)
            reached = np.unique(reached)
            ready = reached[missing[reached] == 0]
        if not levels.all():
            raise VolleyError(f"{self.name}: {self._cycle(levels == 0)}")
        return levels

    def _cycle(self, stuck: np.ndarray) -> str:
        """Neurons that wait for each other, as text. stuck: bool [groups], those behind or on a cycle."""
        neuron, way = int(self.members[int(np.flatnonzero(stuck)[0])][0]), [-1]
        while neuron not in way:
            way.append(neuron)
            axons = self.fan_in[self.group[neuron - self.inputs]]
            before = axons[(axons % 2 == 0) & (axons >= 2 * self.inputs)] // 2
            neuron = int(before[stuck[self.group[before - self.inputs]]][0])
        cycle = [neuron, *reversed(way[way.index(neuron) :])]
        shown = " -> ".join(self.title(n) for n in cycle[: SHOWN + 1]) + (" ..." if len(cycle) > SHOWN + 1 else "")
        return f"neurons wait for each other within a time step ({shown}); delay one of these synapses by 1 step"

    def title(self, source: int) -> str:
        """What messages call a source: its number, and its layer where that is known."""
        for layer in reversed(self.layers):
            if source >= layer.first:
                return f"{layer.name}[{source - layer.first}]"
        return str(source if self.labels is None else self.labels[source])

    def with_rates(self, rates: np.ndarray) -> Connectome:
        """rates: [sources], spikes per step. Raises VolleyError where one is negative or no number."""
        values = np.asarray(rates, np.float64)
        if values.shape != (self.sources,) or not np.isfinite(values).all() or values.min(initial=0) < 0:
            raise VolleyError(f"{self.name}: rates must be {self.sources:,} numbers, 0 or more, one per source")
        return replace(self, rates=values)


def from_fan_ins(name: str, inputs: int, fan_ins: Sequence[ArrayLike]) -> Connectome:
    """A connectome of neurons in order. fan_ins: axons of each, ascending and once each."""
    return from_lists(name, inputs, lists([np.asarray(axons, np.int64) for axons in fan_ins]))


def from_lists(name: str, inputs: int, fan_ins: Lists, labels: np.ndarray | None = None) -> Connectome:
    """The same of lists; neurons that read the same become a group. labels: what messages call each source."""
    found: dict[bytes, int] = {}
    group = np.array([found.setdefault(fan_ins[n].tobytes(), len(found)) for n in range(len(fan_ins))], np.int64)
    first = np.unique(group, return_index=True)[1]
    count = inputs + len(group)
    return Connectome(name, inputs, group, fan_ins.take(first), np.ones(count), labels=labels)
