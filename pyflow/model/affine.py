# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Passes that fold affine maps into weights: BatchNorm into the layer before it, normalisation of the input into those
behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from pyflow.graph import INPUT
from pyflow.model.graph import (
    Affine,
    AvgPool,
    FloatConv,
    FloatLayer,
    FloatLinear,
    FloatNetwork,
    FloatPool,
    FloatRelu,
    FloatUpsample,
    MaxPool,
    Synapse,
)


def fold_affine(network: FloatNetwork) -> FloatNetwork:
    """The network without affine maps, but for one right behind the input.

    Raises VolleyError for one that follows neither a Conv or Linear nor the input.
    """
    for layer in network.layers:
        if isinstance(layer, Affine):
            affine = network[layer.name]
            assert isinstance(affine, Affine)
            network = _on_input(network, affine) if _reads_input(network, affine) else _into_weights(network, affine)
    return network


def _reads_input(network: FloatNetwork, affine: Affine) -> bool:
    return affine.source == INPUT or isinstance(network[affine.source], Affine)


def _on_input(network: FloatNetwork, affine: Affine) -> FloatNetwork:
    """The affine map as the only one between its readers and the input."""
    if (affine.scale == 0).any():
        raise affine.fail("scales the input by 0; needs another factor (std > 0)")
    before = network[affine.source]
    if not isinstance(before, Affine):
        return network
    network = network.edited([replace(_composed(affine, before), inputs=before.inputs)])
    return network if network.readers(before.name) else network.edited(moved={before.name: INPUT})


def _into_weights(network: FloatNetwork, affine: Affine) -> FloatNetwork:
    scale, shift = affine.scale, affine.shift
    way: list[Affine | FloatPool | FloatUpsample] = [affine]  # back to the layer, each behind the next
    while isinstance(before := network[way[-1].source], FloatPool | FloatUpsample):
        way.append(before)
    pool = next((layer for layer in reversed(way) if isinstance(layer, FloatPool)), None)
    if not isinstance(before, FloatConv | FloatLinear):
        return _into_readers(network, affine)
    if scale.size != before.weight.shape[0]:
        raise affine.fail(f"acts on the flattened maps of {before.label!r}; put it before the Flatten")
    if isinstance(pool, AvgPool):
        raise affine.fail(
            f"follows {pool.title} {pool.label!r} without a ReLU before it; use Conv, BatchNorm, ReLU, {pool.title}"
        )
    if pool is not None and (scale < 0).any():
        worst = int(scale.argmin())
        raise affine.fail(
            f"scale {scale[worst]:g} of channel {worst} is negative after {pool.title} {pool.label!r}, so the two do "
            "not commute; put the BatchNorm before the pool"
        )
    for reader in way:
        if others := [x.label for x in network.readers(reader.source) if x is not reader]:
            raise affine.fail(
                f"follows {network.label(reader.source)!r}, which {others[0]!r} reads too; let both read it"
            )
    weight = before.weight * scale.reshape(-1, *[1] * (before.weight.ndim - 1))
    folded = replace(before, weight=weight, bias=before.bias * scale + shift)
    return network.edited([folded], {affine.name: affine.source})


def _into_readers(network: FloatNetwork, affine: Affine) -> FloatNetwork:
    """The affine map in the weights and biases of the Conv and Linear layers behind it, which pools and upsamplings may
    stand in front of."""
    behind, changed = [affine.name], list[FloatLayer]()
    for layer in network.layers:
        if not set(layer.sources) & set(behind):
            continue
        if isinstance(layer, FloatConv | FloatLinear):
            changed.append(_scaled(layer, affine))
            continue
        if isinstance(layer, Affine):
            changed.append(_composed(layer, affine))
            continue
        if not isinstance(layer, FloatPool | FloatUpsample):
            raise affine.fail(
                f"follows {network.label(affine.source)!r} and goes into {layer.title} {layer.label!r}; put it before "
                "the ReLU, or in front of a Conv or Linear"
            )
        if isinstance(layer, MaxPool) and (affine.scale < 0).any():
            raise affine.fail(
                f"has a negative scale, {affine.scale.min():g}, before {layer.title} {layer.label!r}; put it behind"
            )
        if isinstance(layer, AvgPool) and any(layer.padding) and affine.shift.any():
            raise affine.fail(f"shifts what {layer.title} {layer.label!r} pads with 0; put it behind the pool")
        behind.append(layer.name)
    if not changed:
        raise affine.fail("is followed by no Conv or Linear; end in one that gives the logits")
    return network.edited(changed, {affine.name: affine.source})


def _composed(then: Affine, affine: Affine) -> Affine:
    """`then` of what `affine` gives, as one map. One of the two may be per feature, in C,H,W order."""
    size = max(then.scale.size, affine.scale.size)
    (s1, t1), (s2, t2) = ([np.repeat(v, size // v.size) for v in (x.scale, x.shift)] for x in (affine, then))
    return replace(then, scale=s1 * s2, shift=t1 * s2 + t2)


def _scaled(layer: Synapse, affine: Affine) -> Synapse:
    """A layer that reads the affine map, behind what that reads."""
    scale, shift = affine.scale, affine.shift
    if isinstance(layer, FloatConv):
        if any(layer.padding) and shift.any():
            raise affine.fail(
                f"shifts what {layer.title} {layer.label!r} pads with 0, so that its rim differs; put it before the "
                "ReLU, or use padding 0"
            )
        return replace(layer, weight=layer.weight * layer.by_channel(scale), bias=layer.bias + layer.constant(shift))
    columns = layer.weight.shape[1] // len(scale)
    first, then = np.repeat(scale, columns), np.repeat(shift, columns)
    return replace(layer, weight=layer.weight * first, bias=layer.bias + layer.weight @ then)


def fold_normalisation(network: FloatNetwork) -> FloatNetwork:
    """The network without an affine map behind the input: it is in the weights, biases and padded values of the first
    Conv and Linear layers. The pixels there are those of the user, in [0, 1].

    Raises VolleyError where something else reads normalised pixels.
    """
    for layer in network.layers:
        if isinstance(layer, Affine):
            mean, std = -layer.shift / layer.scale, 1 / layer.scale
            changed = [_normalised(reader, mean, std) for reader in _first(network, layer, mean)]
            network = network.edited(changed, {layer.name: layer.source})
    return network


def _first(network: FloatNetwork, affine: Affine, mean: np.ndarray) -> Iterator[Synapse]:
    """The Conv and Linear layers that read the normalised input, themselves or through pools and upsamplings."""
    behind = [affine.name]
    for layer in network.layers:
        if not set(layer.sources) & set(behind):
            continue
        if isinstance(layer, FloatConv | FloatLinear):
            yield layer
            continue
        if isinstance(layer, MaxPool) and (affine.scale < 0).any():
            raise layer.fail("takes the largest of the negated input, before any Conv or Linear; put a Conv before it")
        if isinstance(layer, FloatRelu):
            if (mean > 0).any() or (affine.scale < 0).any() or np.isfinite(layer.ceiling):
                raise layer.fail("acts on the normalised input, before any Conv or Linear; remove it")
        elif isinstance(layer, AvgPool) and any(layer.padding) and np.any(mean != 0):
            raise layer.fail(
                "pads the normalised input with 0, which is no pixel value; use padding 0 or no normalisation"
            )
        elif not isinstance(layer, FloatPool | FloatUpsample):
            raise layer.fail("joins the normalised input with other maps; put a Conv in front, or normalise in that")
        behind.append(layer.name)


def _normalised(layer: Synapse, mean: np.ndarray, std: np.ndarray) -> Synapse:
    """(x - mean) / std folded into its weight, bias and padded value."""
    if isinstance(layer, FloatConv):
        pad = mean if any(layer.padding) and np.any(mean) else np.zeros(0)
        scaled = replace(layer, weight=layer.weight / layer.by_channel(std), pad=pad)
        return replace(scaled, bias=layer.bias - scaled.constant(mean))
    area = layer.weight.shape[1] // len(mean)  # columns in C,H,W order
    weight = layer.weight / np.repeat(std, area)
    return replace(layer, weight=weight, bias=layer.bias - weight @ np.repeat(mean, area))
