# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Passes that bring the channels of a layer to one range, since its activations share one scale: cross-layer
equalisation (Nagel et al., arXiv 1906.04721). The function stays.

A channel times c > 0 passes ReLU, pools, concatenations and sums; the layers that read it divide by c.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from pyflow.graph import INPUT
from pyflow.model.graph import (
    AvgPool,
    FloatAdd,
    FloatConcat,
    FloatConv,
    FloatLayer,
    FloatLinear,
    FloatNetwork,
    FloatRelu,
    Synapse,
)

BAND = 4.0  # channels within this factor of their layer's median are left as they are
CONSTANT = 16.0  # times its span, that a channel is above 0: all of it is less than a code of 4 bits
STEADY = 1e-6  # of the layer's largest value, that a constant is taken off a channel with one value and more
MARGIN = 0.25  # of a channel's span, that a constant which is taken off it stays below its smallest value


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """What reaches a ReLU, channel by channel: float64 [C]. low: the least; high: the most but for outliers. Of a
    channel that never fires, high is how far its values are apart. Where it has one value only, both are that
    value, but high is 0 where it never fires."""

    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class _Channels:
    """Which channels have one factor. of: [C] by tensor, the number of each channel's group; fixed: by group, must its
    factor be 1?"""

    of: dict[str, np.ndarray]
    fixed: np.ndarray

    def read(self, layer: Synapse, factor: np.ndarray) -> np.ndarray:
        """The factors of what a layer reads, in the place of the weights that read it. factor: by group."""
        own = factor[self.of[layer.source]]
        if isinstance(layer, FloatConv):
            return layer.by_channel(own)
        return np.repeat(own, layer.weight.shape[1] // len(own))


def _channels(network: FloatNetwork) -> _Channels:
    """Sums tie their operands; the input, the logits and what clips keep their unit."""
    count = network.input_shape[0]
    of, kept, ties = {INPUT: np.arange(count)}, [np.arange(count)], list[tuple[np.ndarray, np.ndarray]]()
    for layer in network.layers:
        operands = [of[source] for source in layer.sources]
        if isinstance(layer, FloatConv | FloatLinear):
            of[layer.name] = np.arange(count, count + len(layer.weight))
            count += len(layer.weight)
            continue
        of[layer.name] = np.concatenate(operands) if isinstance(layer, FloatConcat) else operands[0]
        if isinstance(layer, FloatAdd):
            ties += [(operands[0], other) for other in operands[1:]]
        if isinstance(layer, FloatRelu) and np.isfinite(layer.ceiling):
            kept.append(of[layer.name])
    kept.append(of[network.layers[-1].name])
    group = _merged(count, ties)
    fixed = np.zeros(count, bool)
    fixed[group[np.concatenate(kept)]] = True
    return _Channels({name: group[own] for name, own in of.items()}, fixed)


def _merged(count: int, ties: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The smallest member of everybody's group, where tied ones are of one."""
    group = np.arange(count)
    while True:
        before = group.copy()
        for left, right in ties:
            least = np.minimum(group[left], group[right])
            np.minimum.at(group, left, least)
            np.minimum.at(group, right, least)
        group = group[group]
        if (group == before).all():
            return group


def equalised(network: FloatNetwork, spans: Mapping[str, Span]) -> tuple[FloatNetwork, dict[str, np.ndarray]]:
    """(the network, factors by ReLU: float64 [C]). network: in spiking form. spans: by ReLU.

    Channels beyond BAND are brought to the median of their layer, by a power of two: no weight is rounded.
    """
    channels = _channels(network)
    wish, votes = np.zeros(len(channels.fixed)), np.zeros(len(channels.fixed))
    for name, span in spans.items():
        some = span.high > 0
        if some.any():
            groups = channels.of[name][some]
            np.add.at(wish, groups, np.log2(np.median(span.high[some]) / span.high[some]))
            np.add.at(votes, groups, 1)
    wish /= np.maximum(votes, 1)
    far = (np.abs(wish) > np.log2(BAND)) & ~channels.fixed
    factor = np.where(far, 2.0 ** np.rint(wish), 1.0)
    changed = list[FloatLayer]()
    for layer in network.layers:
        if isinstance(layer, FloatConv | FloatLinear):
            own, read = factor[channels.of[layer.name]], channels.read(layer, factor)
            if (own != 1).any() or (read != 1).any():
                weight = layer.weight / read * own.reshape(-1, *[1] * (layer.weight.ndim - 1))
                changed.append(replace(layer, weight=weight, bias=layer.bias * own))
    network = network.edited(changed) if changed else network
    return network, {name: factor[channels.of[name]] for name in spans}


def absorbed(network: FloatNetwork, spans: Mapping[str, Span]) -> tuple[FloatNetwork, dict[str, Span]]:
    """(the network, its spans) without large constants in activations. Where a channel is 16 times as far from 0 as it
    moves, most of its smallest value goes into the biases of the layers behind it.

    network: in spiking form. A channel that a padding layer or a sum reads keeps its constant.
    """
    found = dict(spans)
    for name, span in spans.items():
        width = span.high - span.low
        if not ((span.high > 0) & (width > 0)).any():
            continue  # a layer that is constant altogether: what rounding leaves of it would become its unit
        # What is left of a channel with one value is to be 0, and not what rounding makes of it.
        low = np.where(width > 0, span.low - MARGIN * width, span.low + STEADY * span.high.max())
        constant = np.where(span.low > CONSTANT * width, low, 0.0)
        readers = _readers(network, name)
        before = network[network[name].source]  # type: ignore[union-attr]
        if not constant.any() or readers is None or not isinstance(before, FloatConv | FloatLinear):
            continue
        network = network.edited([replace(before, bias=before.bias - constant)])
        for reader, first in readers:
            network = network.edited([_shifted(network, reader, first, constant)])
        found[name] = Span(span.low - constant, np.where(width > 0, span.high - constant, 0.0))
    return network, found


def _readers(network: FloatNetwork, name: str) -> list[tuple[str, int]] | None:
    """The Conv and Linear layers that read a ReLU, and its first channel there; None where a constant cannot go into
    their biases."""
    layer = network[name]
    assert isinstance(layer, FloatRelu)
    if np.isfinite(layer.ceiling):
        return None
    found, first = list[tuple[str, int]](), {name: 0}
    for reader in network.layers:
        for source in (s for s in reader.sources if s in first):
            pads = any(getattr(reader, "padding", ()))
            if isinstance(reader, FloatConv | FloatLinear):
                found.append((reader.name, first[source]))
                pads &= isinstance(reader, FloatConv)
            elif isinstance(reader, FloatConcat):
                ahead = reader.sources[: reader.sources.index(source)]
                first[reader.name] = first[source] + sum(network.shapes[s][0] for s in ahead)
            elif isinstance(reader, FloatAdd | FloatRelu):
                return None
            else:
                first[reader.name] = first[source]
                pads &= isinstance(reader, AvgPool)
            if pads:
                return None
    return found


def _shifted(network: FloatNetwork, name: str, first: int, constant: np.ndarray) -> Synapse:
    """A layer whose input channels from `first` on have lost `constant`."""
    layer = network[name]
    assert isinstance(layer, FloatConv | FloatLinear)
    values = np.zeros(network.shapes[layer.source][0])
    values[first : first + len(constant)] = constant
    moved = layer.constant(values) if isinstance(layer, FloatConv) else _linear(layer, values)
    return replace(layer, bias=layer.bias + moved)


def _linear(layer: FloatLinear, values: np.ndarray) -> np.ndarray:
    return np.asarray(layer.weight @ np.repeat(values, layer.weight.shape[1] // len(values)))
