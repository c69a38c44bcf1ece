# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Passes that bring layers which people write into those that spikes can compute: padding of its own, averages of
potentials, ends without weights."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from pyflow.model.graph import (
    AvgPool,
    Edge,
    FloatConv,
    FloatLayer,
    FloatLinear,
    FloatNetwork,
    FloatPad,
    FloatPool,
    FloatRelu,
    FloatSquash,
    FloatUpsample,
)


def drop_squash(network: FloatNetwork) -> FloatNetwork:
    """The network without a softmax or sigmoid at its end: the largest logit stays the largest. Raises VolleyError for
    one that others read."""
    for layer in network.layers:
        if isinstance(layer, FloatSquash):
            if layer is not network.layers[-1] or len(network.layers) == 1:
                raise layer.fail("is not the last layer, where it keeps the order of logits; elsewhere use ReLU")
            network = replace(network.edited(moved={layer.name: layer.source}), left_out=layer.what)
    return network


def fold_padding(network: FloatNetwork) -> FloatNetwork:
    """The network without padding of its own: it is in the layers that read it. A side that is padded more than the
    other gives a kernel with a rim of zeros."""
    for layer in network.layers:
        if not isinstance(layer, FloatPad):
            continue
        pad = network[layer.name]
        assert isinstance(pad, FloatPad)
        if not network.readers(pad.name):
            raise pad.fail("is the last layer; end in one that gives the logits")
        changed = [_padded(network, reader, pad) for reader in network.readers(pad.name)]
        network = network.edited(changed, {pad.name: pad.source})
    return network


def _padded(network: FloatNetwork, reader: FloatLayer, pad: FloatPad) -> FloatLayer:
    before, after = np.array(pad.before), np.array(pad.after)
    if isinstance(reader, FloatConv):
        return _framed(reader, before + reader.padding, after + reader.padding)
    if isinstance(reader, FloatPad):
        return replace(reader, before=_sides(before + reader.before), after=_sides(after + reader.after))
    if isinstance(reader, FloatPool):
        if not isinstance(reader, AvgPool) and not _never_negative(network, pad.source):
            raise pad.fail(f"pads with 0 what {reader.label!r} takes the largest of; put the ReLU before it")
        if (before != after).any():
            raise pad.fail(f"pads one side more than the other in front of {reader.title} {reader.label!r}")
        return replace(reader, padding=_sides(before + reader.padding))
    raise pad.fail(f"stands in front of {reader.title} {reader.label!r}; put it right in front of a Conv or a pool")


def _never_negative(network: FloatNetwork, name: str) -> bool:
    """Is it the input, or a ReLU's output, itself or through pools and upsamplings?"""
    while isinstance(layer := network[name], FloatPool | FloatUpsample):
        name = layer.source
    return layer is None or isinstance(layer, FloatRelu)


def _sides(values: np.ndarray) -> tuple[int, int]:
    return int(values[0]), int(values[1])


def _framed(conv: FloatConv, before: np.ndarray, after: np.ndarray) -> FloatConv:
    """`conv` with so much padding on each side: as much on both, and zeros in the kernel for what is too much."""
    both = np.maximum(before, after)
    rim = [(0, 0), (0, 0), *zip(both - before, both - after, strict=True)]
    free = conv.free if conv.free.size else np.ones(conv.weight.shape, bool)
    grown = bool((both > np.minimum(before, after)).any())
    return replace(
        conv, padding=_sides(both), weight=np.pad(conv.weight, rim) if grown else conv.weight,
        free=np.pad(free, rim) if grown else conv.free,
    )  # fmt: skip


def merge_averages(network: FloatNetwork) -> FloatNetwork:
    """The network without averages of potentials: one of a Conv's output is a Conv with a larger kernel; of a 1x1 Conv
    it comes before it."""
    while True:
        for layer in network.layers:
            conv = network[layer.source]
            if not isinstance(layer, AvgPool) or not isinstance(conv, FloatConv) or any(layer.padding):
                continue
            if network.readers(conv.name) != (layer,):
                continue  # refused where the order is checked
            pointwise = conv.weight.shape[2:] == (1, 1) == conv.stride and not any(conv.padding)
            network = _exchanged(network, conv, layer) if pointwise else _merged(network, conv, layer)
            break
        else:
            return network


def _exchanged(network: FloatNetwork, conv: FloatConv, pool: AvgPool) -> FloatNetwork:
    """The pool in front of the Conv."""
    layers: list[FloatLayer] = []
    for layer in network.layers:
        if layer is conv:
            layers.append(replace(pool, inputs=conv.inputs))
        elif layer is pool:
            layers.append(replace(conv, inputs=(Edge(pool.name),)))
        else:
            sources = (conv.name if s == pool.name else s for s in layer.sources)
            layers.append(layer.reading(*sources))
    return replace(network, layers=tuple(layers))


def _merged(network: FloatNetwork, conv: FloatConv, pool: AvgPool) -> FloatNetwork:
    (co, ci, kh, kw), (py, px), (sy, sx) = conv.weight.shape, pool.kernel, conv.stride
    weight = np.zeros((co, ci, (py - 1) * sy + kh, (px - 1) * sx + kw))
    for y, x in itertools.product(range(py), range(px)):
        weight[:, :, y * sy : y * sy + kh, x * sx : x * sx + kw] += conv.weight / (py * px)
    stride = (sy * pool.stride[0], sx * pool.stride[1])
    merged = replace(conv, weight=weight, stride=stride, free=weight != 0 if conv.free.size else conv.free)
    return network.edited([merged], {pool.name: conv.name})


def close(network: FloatNetwork) -> FloatNetwork:
    """The network with a readout where it ends in pools of activations (a convolution per class, then the average of
    its map): a Linear layer of ones."""
    if not network.layers:
        return network
    last = network.layers[-1]
    c, h, w = network.shapes[last.name]
    if not isinstance(last, FloatPool) or (h, w) != (1, 1):
        return network
    free = itertools.chain(["logits"], (f"logits_{k}" for k in itertools.count(2)))
    name = next(n for n in free if n not in network.shapes)
    ones = FloatLinear(name, f"{last.label} (logits)", np.eye(c), np.zeros(c), inputs=(Edge(last.name),))
    return replace(network, layers=(*network.layers, ones))
