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

from pyflow.graph import Network
from pyflow.hardware import Folding, ceil_div
from pyflow.operators import Linear, Operator, Tensor
from pyflow.planning.netlist import Instance, Netlist
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


def lists(netlist: Netlist) -> list[Instance]:
    return [i for i in netlist.instances if i.module == "volley_event_list"]


def counted(netlist: Netlist, x: np.ndarray) -> Counts:
    """Of the frames `x`, as Network.run takes them."""
    network = netlist.network
    operators = {op.name: op for op in network.operators}
    sources = {i.layer: network.sources(operators[i.layer])[0] for i in lists(netlist)}
    if not sources:
        return {}
    _, trace = network.run(x, trace={source.name for source in sources.values()})
    found: Counts = {}
    for inst in lists(netlist):
        words = not_zero(trace[sources[inst.layer].name], sources[inst.layer])
        n, passes, c, h, w = words.shape
        lanes = inst.parameters["LANES"]
        padded = np.zeros((n, passes, h, w, ceil_div(c, lanes) * lanes), bool)
        padded[..., :c] = np.moveaxis(words, 2, -1)
        found[inst.layer] = padded.reshape(n, -1, lanes).sum(-1)
    return found


def expected(netlist: Netlist, frames: int) -> Counts:
    """Of `frames` frames with the stored mean share of words, in places drawn at random; without a stored share no
    word is zero."""
    operators = {op.name: op for op in netlist.network.operators}
    found: Counts = {}
    for inst in lists(netlist):
        (source,) = netlist.network.sources(operators[inst.layer])
        known, lanes = rate(netlist.network, operators[inst.layer]), inst.parameters["LANES"]
        c, h, w = source.shape
        runs, inputs, groups = frames * source.passes, c * h * w, ceil_div(c, lanes)
        # The mean exactly: so many words of each run, rounded up in as many as its fraction says.
        words = np.floor((known.mean if known else 1.0) * inputs + (np.arange(runs) + 0.5) / runs).astype(int)
        rng = np.random.default_rng(0)
        order = rng.random((runs, inputs)).argsort(1).argsort(1)
        drawn = np.zeros((runs, h * w, groups * lanes), bool)
        drawn[..., :c] = (order < rng.permutation(words)[:, None]).reshape(runs, h * w, c)
        found[inst.layer] = drawn.reshape(frames, -1, lanes).sum(-1)
    return found


def most_rows(parameters: Mapping[str, int]) -> int:
    """Rows of a frame without zeros."""
    return ceil_div(parameters["BEATS"] * parameters["LANES"], parameters["EVENTS"])


def row_counts(counts: np.ndarray, inst: Instance) -> np.ndarray:
    """Rows of each frame (pass) of an event list."""
    per_frame = counts.reshape(-1, inst.parameters["BEATS"]).sum(1)
    beats: np.ndarray = np.maximum(1, -(-per_frame // inst.parameters["EVENTS"]))
    return beats


def window_rows(counts: np.ndarray, inst: Instance) -> list[int]:
    """Rows of each window of the array behind it, one frame after the other."""
    return list(map(int, np.repeat(row_counts(counts, inst), inst.parameters["REPLAY"])))


def array_cycles(netlist: Netlist, counts: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Busy cycles per frame of each event-driven array."""
    steps = {i.layer: i.parameters["T"] // i.parameters["TP"] for i in netlist.instances if "INPUTS" in i.parameters}
    return {
        i.layer: i.parameters["REPLAY"] * steps[i.layer] * float(row_counts(counts[i.layer], i).sum())
        / len(counts[i.layer])
        for i in lists(netlist)
    }  # fmt: skip
