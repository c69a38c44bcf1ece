# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""How many words of a linear layer's input are not zero: what decides the cycles of a layer that skips the others.

Network.meta["nonzero"] has the shares measured at conversion; of given frames they are counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pyflow.cores.synapse import EventList, SynapseEvent
from pyflow.graph import Network
from pyflow.integers import ceil_div
from pyflow.operators import Linear, Operator, Tensor
from pyflow.planning.folding import Folding
from pyflow.planning.netlist import Netlist
from pyflow.reference import not_zero

Counts = dict[str, np.ndarray]  # by layer: int [frames, beats of the list's sink] words that are not zero


@dataclass(frozen=True, slots=True)
class Rate:
    """Share of a layer's input words that are not zero: of all frames measured, and of the densest one."""

    mean: float
    most: float


def rate(network: Network, op: Operator) -> Rate | None:
    """As stored with the network; None where it is not, or was measured of words of another length."""
    found = network.meta.get("nonzero", {}).get(op.name)
    if not isinstance(op, Linear) or not found or found["steps"] != network.sources(op)[0].beat_steps:
        return None
    return Rate(float(found["mean"]), float(found["max"]))


def rows(share: float, folding: Folding, source: Tensor) -> int:
    """Rows of the event list of one frame with that share of words."""
    return max(1, math.ceil(share * math.prod(source.shape) / folding.events))


def event_lists(netlist: Netlist) -> dict[str, EventList]:
    """By layer."""
    return {i.layer: i.core for i in netlist.instances if isinstance(i.core, EventList)}


def counted(netlist: Netlist, x: np.ndarray) -> Counts:
    """Of the frames `x`, as Network.run takes them."""
    network = netlist.network
    operators = {op.name: op for op in network.operators}
    skipping = event_lists(netlist)
    sources = {layer: network.sources(operators[layer])[0] for layer in skipping}
    if not sources:
        return {}
    _, trace = network.run(x, trace={source.name for source in sources.values()})
    found: Counts = {}
    for layer, source in sources.items():
        words = not_zero(trace[source.name], source)
        n, passes, c, h, w = words.shape
        lanes = skipping[layer].lanes
        padded = np.zeros((n, passes, h, w, ceil_div(c, lanes) * lanes), bool)
        padded[..., :c] = np.moveaxis(words, 2, -1)
        found[layer] = padded.reshape(n, -1, lanes).sum(-1)
    return found


def expected(netlist: Netlist, frames: int) -> Counts:
    """Of `frames` frames with the stored mean share of words, in places drawn at random; without a stored share no
    word is zero."""
    operators = {op.name: op for op in netlist.network.operators}
    found: Counts = {}
    for layer, core in event_lists(netlist).items():
        (source,) = netlist.network.sources(operators[layer])
        known, lanes = rate(netlist.network, operators[layer]), core.lanes
        c, h, w = source.shape
        runs, inputs, groups = frames * source.passes, c * h * w, ceil_div(c, lanes)
        # The mean exactly: so many words of each run, rounded up in as many as its fraction says.
        words = np.floor((known.mean if known else 1.0) * inputs + (np.arange(runs) + 0.5) / runs).astype(int)
        rng = np.random.default_rng(0)
        order = rng.random((runs, inputs)).argsort(1).argsort(1)
        drawn = np.zeros((runs, h * w, groups * lanes), bool)
        drawn[..., :c] = (order < rng.permutation(words)[:, None]).reshape(runs, h * w, c)
        found[layer] = drawn.reshape(frames, -1, lanes).sum(-1)
    return found


def array_cycles(netlist: Netlist, counts: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Busy cycles per frame of each event-driven array."""
    arrays = {i.layer: i.core for i in netlist.instances if isinstance(i.core, SynapseEvent)}
    return {
        layer: core.replay * arrays[layer].beat_cycles * float(core.rows(counts[layer]).sum()) / len(counts[layer])
        for layer, core in event_lists(netlist).items()
    }
