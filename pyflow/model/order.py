# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Passes that bring layers into an order that integer spikes can compute, and refuse by name what has none.

A neuron fires right behind its synapses. A maximum commutes with ReLU and with rounding, as an upsampling and a
concatenation do, so all three follow the neuron.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pyflow.errors import VolleyError
from pyflow.graph import INPUT
from pyflow.model.affine import fold_affine, fold_normalisation
from pyflow.model.graph import (
    AvgPool,
    Edge,
    Flatten,
    FloatAdd,
    FloatConcat,
    FloatConv,
    FloatLayer,
    FloatLinear,
    FloatNetwork,
    FloatPool,
    FloatRelu,
    FloatUpsample,
    MaxPool,
)
from pyflow.model.rewrite import close, drop_squash, fold_padding, merge_averages


def check_end(network: FloatNetwork) -> FloatNetwork:
    """The network; raises VolleyError where it does not end in a layer that gives logits."""
    if not any(isinstance(layer, FloatConv | FloatLinear) for layer in network.layers):
        raise VolleyError(f"model {network.name!r}: has no Conv or Linear; end it in one that gives the logits")
    last = network.layers[-1]
    if not isinstance(last, FloatConv | FloatLinear):
        raise VolleyError(
            f"model {network.name!r}: ends in {last.title} {last.label!r}; "
            "the last layer must be a Linear, or a Conv with 1x1 output, without ReLU (it gives the logits)"
        )
    _, h, w = network.shapes[last.name]
    if (h, w) != (1, 1):
        raise last.fail(f"is the last layer but its output is {h}x{w}; needs 1x1 (or a Linear after it)")
    return network


def drop_flatten(network: FloatNetwork) -> FloatNetwork:
    """The network without Flatten: the weights of a Linear layer are in C,H,W order, whatever the form of its maps."""
    return network.edited(moved={x.name: x.source for x in network.layers if isinstance(x, Flatten)})


def commute(network: FloatNetwork) -> FloatNetwork:
    """The network with every ReLU right behind what it acts on, in front of maxima, upsamplings and concatenations;
    without those that change nothing; and with a sum of sums as one."""
    network = _flat_sums(network)
    while True:
        has_fired, most = fired(network), _largest(network)
        for layer in network.layers:
            before = network[layer.source]
            if isinstance(layer, FloatRelu) and has_fired[layer.source] and layer.ceiling >= most[layer.source]:
                network = network.edited(moved={layer.name: layer.source})
                break
            if isinstance(layer, FloatRelu) and isinstance(before, FloatRelu):
                if network.readers(before.name) == (layer,):
                    both = replace(before, ceiling=min(before.ceiling, layer.ceiling))
                    network = network.edited([both], {layer.name: before.name})
                    break
            elif isinstance(layer, FloatRelu) and isinstance(before, MaxPool | FloatUpsample | FloatConcat):
                network = _exchanged(network, before, layer)
                break
        else:
            return network


def _largest(network: FloatNetwork) -> dict[str, float]:
    """What no value of INPUT, and of every layer's output, is above."""
    found = {INPUT: 1.0}
    for layer in network.layers:
        reads = [found[source] for source in layer.sources]
        if isinstance(layer, FloatRelu):
            found[layer.name] = min(layer.ceiling, *reads)
        elif isinstance(layer, FloatAdd):
            found[layer.name] = sum(reads)
        else:
            found[layer.name] = max(reads) if isinstance(layer, FloatConcat | FloatPool) else float("inf")
    return found


def _flat_sums(network: FloatNetwork) -> FloatNetwork:
    for layer in network.layers:
        sums = [x for x in map(network.__getitem__, layer.sources) if isinstance(x, FloatAdd)]
        inner = next((x for x in sums if network.readers(x.name) == (layer,)), None)
        if isinstance(layer, FloatAdd) and inner:
            edges = [edge for edge in layer.inputs if edge.source != inner.name]
            whole = replace(layer, inputs=(*inner.inputs, *edges))
            kept = tuple(whole if x is layer else x for x in network.layers if x is not inner)
            return _flat_sums(replace(network, layers=kept))
    return network


def _exchanged(network: FloatNetwork, before: MaxPool | FloatUpsample | FloatConcat, relu: FloatRelu) -> FloatNetwork:
    """`relu` in front of `before`, once for each of its inputs that has not fired."""
    if others := [x.label for x in network.readers(before.name) if x is not relu]:
        raise relu.fail(f"follows {before.label!r}, which {others[0]!r} reads too; put the ReLU before it")
    has_fired, layers = fired(network), list[FloatLayer]()
    free = (name for n in itertools.count(2) if (name := f"{relu.name}_{n}") not in network.shapes)
    names = [relu.name, *itertools.islice(free, len(before.inputs) - 1)]
    fronts = [
        replace(relu, name=name, inputs=(edge,))
        for name, edge in zip(names, before.inputs, strict=True)
        if not has_fired[edge.source] or np.isfinite(relu.ceiling)
    ]
    reads = {front.source: front.name for front in fronts}
    behind = replace(before, inputs=tuple(Edge(reads.get(source, source)) for source in before.sources))
    for layer in network.layers:
        if layer is before:
            layers += [*fronts, behind]
        elif layer is not relu:
            sources = tuple(before.name if edge.source == relu.name else edge.source for edge in layer.inputs)
            layers.append(layer.reading(*sources))
    return replace(network, layers=tuple(layers))


def fired(network: FloatNetwork) -> dict[str, bool]:
    """Of INPUT and of every layer's output: is it spikes, so that it is never negative?"""
    found = {INPUT: True}
    for layer in network.layers:
        ends = isinstance(layer, FloatConv | FloatLinear)
        found[layer.name] = isinstance(layer, FloatRelu) or (not ends and all(found[s] for s in layer.sources))
    return found


def check_order(network: FloatNetwork) -> FloatNetwork:
    """The network; raises VolleyError for an order of layers that integer spikes cannot reproduce."""
    has_fired = fired(network)
    for layer in network.layers:
        if isinstance(layer, FloatRelu) and layer.source == INPUT:
            raise layer.fail("clips the input, whose pixels are in 0..1; clip the images before")
        if isinstance(layer, FloatRelu) and has_fired[layer.source]:
            raise layer.fail(f"clips {network.label(layer.source)!r}, which has fired; put it where that fires")
        silent = [s for s in layer.sources if not has_fired[s]]
        for source in silent:
            _check_silent(network, layer, source)
        if not has_fired[layer.name]:
            _check_readers(network, layer)
    return network


def _synapse(network: FloatNetwork, name: str) -> str:
    """What the user calls the layer whose potentials `name` is."""
    layer = network[name]
    while isinstance(layer, FloatPool | FloatUpsample):
        layer = network[layer.source]
    return layer.label if layer is not None else "the input"


def _check_silent(network: FloatNetwork, layer: FloatLayer, source: str) -> None:
    """Refuses `layer` behind `source`, which has not fired."""
    label = _synapse(network, source)
    if isinstance(layer, FloatConv | FloatLinear):
        raise layer.fail(f"follows {label!r} without a ReLU between them; add a ReLU or merge the two")
    if isinstance(layer, AvgPool):
        raise layer.fail(f"average before the ReLU of {label!r} does not commute with it; put the ReLU first")
    before = network[source]
    if isinstance(layer, FloatAdd) and not isinstance(before, FloatConv | FloatLinear):
        raise layer.fail(f"adds {network.label(source)!r}, which has not fired; put a ReLU before it")
    if isinstance(layer, FloatConcat):
        raise layer.fail(f"joins {label!r}, which has not fired, with others; put a ReLU before it, or right behind it")


def _check_readers(network: FloatNetwork, layer: FloatLayer) -> None:
    """Refuses that several read potentials: their unit is that of the neuron that they drive."""
    readers = network.readers(layer.name)
    if len(readers) > 1:
        first, other = (x.label for x in readers[:2])
        raise layer.fail(f"is read by {first!r} and {other!r} before it fires; put a ReLU before the branch")


def check_no_delays(network: FloatNetwork) -> FloatNetwork:
    """The network; raises VolleyError for an edge with a delay."""
    for layer in network.layers:
        for edge in (e for e in layer.inputs if e.delay):
            raise layer.fail(
                f"reads {edge.source!r} of {edge.delay} time steps before; a network of pictures has no time, a radix "
                "word has all its steps in one beat"
            )
    return network


Pass = Callable[[FloatNetwork], FloatNetwork]
PASSES: tuple[Pass, ...] = (
    check_no_delays,
    drop_flatten,
    drop_squash,
    fold_padding,
    merge_averages,
    fold_affine,
    merge_averages,  # of a Conv that a BatchNorm was folded into
    fold_normalisation,
    commute,
    close,
    check_order,
    check_end,
)


def spiking_form(network: FloatNetwork) -> FloatNetwork:
    """The network in the order in which spikes compute it: Conv and Linear layers, sums of them and of spikes, a ReLU
    behind each but the last; pools and concatenations of spikes.

    Raises VolleyError for what has no such form, naming the layer.
    """
    for apply in PASSES:
        network = apply(network)
    return network
