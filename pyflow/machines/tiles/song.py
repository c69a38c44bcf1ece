# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The greedy clustering of Song et al. (LCTES 2020), the baseline: after its description, nothing of its sources.

A neuron of more than F inputs becomes a chain of units: the first takes F of them, each further one the unit before and
F - 1 more. Clusters are filled in order of utilisation with prefixes of a neuron's inputs. The chain passes spikes on,
not sums, so the result computes something else than the network; and nothing keeps clusters from waiting in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from pyflow.errors import VolleyError
from pyflow.machines.tiles.clustering import Cluster, Clustering
from pyflow.machines.tiles.connectome import Connectome, from_fan_ins
from pyflow.machines.tiles.tile import square


def song(connectome: Connectome, side: int = 128, fan_in: int = 127) -> Clustering:
    """Clusters of at most `side` axons and `side` units, on squares of that side. fan_in: F. The connectome of the
    result is that of the units; a unit's rate is the sum of those that it reads. It may be illegal: ask problems().

    Raises VolleyError where F is below 2 or above `side`.
    """
    if not 2 <= fan_in <= side:
        raise VolleyError(f"song: fan_in = {fan_in} must be 2 to {side}, the side of a crossbar")
    filling = _Filling(side, fan_in, connectome.inputs)
    home = [filling.neuron(connectome.fan_in[group].tolist()) for group in connectome.group]
    return filling.clustering(connectome, home)


@dataclass(slots=True, eq=False)
class _Crossbar:
    axons: set[int] = field(default_factory=set)
    units: list[int] = field(default_factory=list)

    @property
    def filled(self) -> int:
        return len(self.axons) + len(self.units)


@dataclass(slots=True, eq=False)
class _Filling:
    """Crossbars so far. An axon of theirs is one of the network, or ~unit, what a unit of a chain passes on."""

    side: int
    fan_in: int
    inputs: int
    crossbars: list[_Crossbar] = field(default_factory=list)
    reads: list[list[int]] = field(default_factory=list)  # of each unit

    def neuron(self, pending: list[int]) -> int:
        """Places the synapses of a neuron; the unit that is the neuron."""
        self.crossbars.sort(key=lambda crossbar: -crossbar.filled)
        left: list[int] | None = pending
        for crossbar in self.crossbars:
            if left is None:
                break
            left = self._placed(crossbar, left)
        while left is not None:
            self.crossbars.append(_Crossbar())
            left = self._placed(self.crossbars[-1], left)
        return len(self.reads) - 1

    def _placed(self, crossbar: _Crossbar, pending: list[int]) -> list[int] | None:
        """What is left of `pending` once the crossbar took what it takes; None where the neuron is placed."""
        if len(crossbar.units) >= self.side:
            return pending
        new, most = self.side - len(crossbar.axons), 0
        for axon in pending:
            new -= axon not in crossbar.axons
            if new < 0:
                break
            most += 1
        whole = most == len(pending)
        if not (whole if len(pending) < self.fan_in else most >= self.fan_in):
            return pending
        crossbar.axons.update(pending[:most])
        crossbar.units.append(len(self.reads))
        self.reads.append(pending[:most])
        return None if whole else [~crossbar.units[-1], *pending[most:]]

    def clustering(self, connectome: Connectome, home: list[int]) -> Clustering:
        """home: unit of each neuron."""
        numbers = np.concatenate([np.arange(self.inputs), np.array(home, np.int64) + self.inputs])

        def numbered(axons: Iterable[int]) -> np.ndarray:
            old = np.array(list(axons), np.int64)
            new = np.where(old < 0, 2 * (self.inputs + ~old), 2 * numbers[np.maximum(old, 0) // 2] + old % 2)
            return np.sort(new)

        fan_ins = [numbered(read) for read in self.reads]
        units = from_fan_ins(f"{connectome.name}, unrolled", self.inputs, fan_ins)
        rates = np.zeros(units.sources)
        rates[numbers] = connectome.rates
        for unit in sorted(set(range(len(fan_ins))).difference(home)):
            rates[self.inputs + unit] = rates[fan_ins[unit] // 2].sum()
        clusters = tuple(
            Cluster(numbered(crossbar.axons), np.array(crossbar.units) + self.inputs) for crossbar in self.crossbars
        )
        return Clustering(units.with_rates(rates), square(self.side), clusters)
