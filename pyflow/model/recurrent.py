# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Passes over networks in time that bring loops into the form that integers compute: spikes wait, potentials do not.

A loop is an edge with a delay. What waits in it are the spikes of neurons: they are zeros before the first step, in the
framework and in hardware.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from pyflow.graph import INPUT
from pyflow.model.graph import (
    Affine,
    AvgPool,
    Edge,
    Flatten,
    FloatAdd,
    FloatConcat,
    FloatConv,
    FloatLayer,
    FloatLinear,
    FloatNetwork,
    FloatUpsample,
    MaxPool,
    Shape,
    Synapse,
)
from pyflow.model.spiking import FloatGate, FloatNeuron, SpikingModel

PASSING = MaxPool | AvgPool | FloatUpsample | FloatConcat | FloatAdd | FloatGate  # of words, what gives words


def are_words(network: FloatNetwork) -> dict[str, bool]:
    """Of INPUT and of every layer's output: is it spikes or other words, or else potentials?"""
    found = {INPUT: True} | {x.name: isinstance(x, FloatNeuron | PASSING) for x in network.layers}
    while wrong := [
        x.name for x in network.layers
        if found[x.name] and isinstance(x, PASSING) and not all(found[s] for s in x.sources)
    ]:  # fmt: skip
        found |= dict.fromkeys(wrong, False)
    return found


def recurrent_form(model: SpikingModel) -> SpikingModel:
    """The model with one synapse, and no more, in front of all that neurons add up, and delays in front of synapses.
    Raises VolleyError naming a loop that has no such form."""
    network = _waiting(_driven(_merged(model.network)))
    for layer in network.layers:
        if not model.timed and (late := next((e for e in layer.inputs if e.delay and e.source == INPUT), None)):
            raise layer.fail(
                f"reads the image of {late.delay} time step before, which is 0 in the first step alone; let it read "
                "the image itself"
            )
    return replace(model, network=network)


# ------------------------------------------------------------------ an image beside spikes
def parted(model: SpikingModel) -> SpikingModel:
    """The model where no Conv or Linear reads a concatenation of the image with spikes, or of maps of several sizes:
    each part has weights of its own, and they are added."""
    network = model.network
    for cat in [x for x in network.layers if isinstance(x, FloatConcat)]:
        maps = [_map(network, s) for s in cat.sources]
        image = not model.timed and any(name == INPUT for name, _ in maps)
        if not image and len({shape[1:] for _, shape in maps}) == 1:
            continue
        for reader in network.readers(cat.name):
            if isinstance(reader, FloatConv | FloatLinear) and not getattr(reader, "depthwise", False):
                network = _part(network, cat, reader)
        if not network.readers(cat.name):
            network = replace(network, layers=tuple(x for x in network.layers if x.name != cat.name))
    return replace(model, network=network)


def _map(network: FloatNetwork, name: str) -> tuple[str, Shape]:
    """(name, shape) of the map that `name` is, itself or flattened."""
    while isinstance(layer := network[name], Flatten):
        name = layer.source
    return name, network.shapes[name]


def _part(network: FloatNetwork, cat: FloatConcat, reader: Synapse) -> FloatNetwork:
    (edge,), start, parts = reader.inputs, 0, list[FloatLayer]()
    for n, read in enumerate(cat.inputs, 1):
        shape = network.shapes[read.source]
        count = shape[0] if isinstance(reader, FloatConv) else int(np.prod(shape))
        values = {"weight": reader.weight[:, start : start + count], "inputs": (_later(network, read, edge.delay),)}
        if isinstance(reader, FloatConv):
            values |= {k: a[:, start : start + count] for k in ("free",) if (a := getattr(reader, k)).size}
            values |= {"pad": reader.pad[start : start + count]} if reader.pad.size else {}
        bias = reader.bias if n == 1 else np.zeros_like(reader.bias)
        parts.append(replace(reader, name=_free(network, f"{reader.name}_part{n}"), bias=bias, **values))  # type: ignore[arg-type]
        start += count
    total = FloatAdd(
        reader.name, reader.label, inputs=tuple(Edge(x.name) for x in parts), where=reader.where, module=reader.module
    )
    return _with(network, reader, [*parts, total])


# ------------------------------------------------------------------ synapses
def _merged(network: FloatNetwork) -> FloatNetwork:
    """The network where a Linear behind others is one with them, where that has no more weights."""
    for name in [x.name for x in network.layers if isinstance(x, FloatLinear)]:
        layer = network[name]
        assert isinstance(layer, FloatLinear)
        total = network[layer.source]
        front = [network[s] for s in total.sources] if isinstance(total, FloatAdd) else [total]
        linears = [x for x in front if isinstance(x, FloatLinear)]
        ends = [*linears, *([total] if isinstance(total, FloatAdd) else [])]
        alone = all(len(network.readers(x.name)) == 1 for x in ends)
        if (
            len(linears) < len(front)
            or not alone
            or any(e.delay for x in (layer, *ends[len(linears) :]) for e in x.inputs)
        ):
            continue
        if any(e.delay for x in network.readers(name) for e in x.inputs if e.source == name):
            continue
        weights = [layer.weight @ x.weight for x in linears]
        if sum(w.size for w in weights) > layer.weight.size + sum(x.weight.size for x in linears):
            continue
        changed = [
            replace(x, weight=w, bias=layer.weight @ x.bias + (layer.bias if n == 0 else 0))
            for n, (x, w) in enumerate(zip(linears, weights, strict=True))
        ]
        network = network.edited(changed, {name: layer.source})
    return network


def _driven(network: FloatNetwork) -> FloatNetwork:
    """The network with a weight of 1 between spikes and a neuron, or potentials that they are added to."""
    fires = are_words(network)
    needs = {x.name for x in network.layers if isinstance(x, FloatNeuron)}
    for layer in reversed(network.layers):  # of sums, those that neurons alone read
        if isinstance(layer, FloatAdd):
            readers = {reader.name for reader in network.readers(layer.name)}
            if (readers and readers <= needs) or not all(fires[s] for s in layer.sources):
                needs.add(layer.name)
                fires[layer.name] = False
    for layer in [x for x in network.layers if x.name in needs]:
        fronts = list[FloatLayer]()
        edges = []
        for edge in layer.inputs:
            if not fires[edge.source]:
                edges.append(edge)
                continue
            channels = network.shapes[edge.source][0]
            name = _free(network, f"{layer.name}_of_{edge.source}")
            fronts.append(FloatConv(
                name, f"{layer.label} (weight 1)", np.ones((channels, 1, 1, 1)), np.zeros(channels), depthwise=True,
                axes=0, inputs=(edge,), where=layer.where,
            ))  # fmt: skip
            edges.append(Edge(name))
        if fronts:
            network = _with(network, layer, [*fronts, replace(layer, inputs=tuple(edges))])
    return network


def scaled_terms(network: FloatNetwork) -> FloatNetwork:
    """The network where an affine map of a sum of potentials is one of each term."""
    for affine in [x for x in network.layers if isinstance(x, Affine)]:
        total = network[affine.source]
        if (
            not isinstance(total, FloatAdd)
            or are_words(network)[total.name]
            or len(network.readers(total.name)) > 1
            or affine.inputs[0].delay
        ):
            continue
        network = _driven(network)
        total = network[affine.source]
        assert total is not None
        terms = [
            replace(
                affine, name=_free(network, f"{affine.name}_{n}"), inputs=(edge,),
                shift=affine.shift if n == 1 else np.zeros_like(affine.shift),
            )
            for n, edge in enumerate(total.inputs, 1)
        ]  # fmt: skip
        behind = replace(total, name=affine.name, inputs=tuple(Edge(x.name) for x in terms))
        parts = [[x] if x not in (affine, total) else [*terms, behind] if x is affine else [] for x in network.layers]
        network = replace(network, layers=tuple(itertools.chain.from_iterable(parts)))
    return network


# ------------------------------------------------------------------ delays
def _waiting(network: FloatNetwork) -> FloatNetwork:
    """The network where spikes alone are delayed: a delay of potentials is one of what its synapses read."""
    while True:
        fires = are_words(network)
        late = ((x, e) for x in network.layers for e in x.inputs if e.delay and not fires[e.source])
        if (found := next(late, None)) is None:
            return _sorted(network)
        reader, edge = found
        source = network[edge.source]
        assert source is not None
        if isinstance(source, FloatAdd) and _own(network, source):
            raise source.fail("adds to itself from step to step; a state needs a neuron of the framework")
        if others := [x.label for x in network.readers(source.name) if x is not reader]:
            raise source.fail(
                f"is read by {others[0]!r} and one time step later by {reader.label!r}; compute it twice, once for each"
            )
        if not isinstance(source, FloatConv | FloatLinear | FloatAdd):
            raise source.fail(f"is read one time step later by {reader.label!r}; let that read spikes of neurons")
        padded = isinstance(source, FloatConv) and source.pad.any()
        if not isinstance(source, FloatAdd) and (source.bias.any() or padded):
            raise source.fail(
                f"is read one time step later by {reader.label!r}, so that its bias is missing in the first step; use "
                "bias=False, or call it on the spikes of the step before"
            )
        now = [replace(e, delay=0, shape=None) if e == edge else e for e in reader.inputs]
        before = [_later(network, e, edge.delay) for e in source.inputs]
        changed = [replace(reader, inputs=tuple(now)), replace(source, inputs=tuple(before))]
        layers = {x.name: x for x in (*network.layers, *changed)}
        network = _ordered(network, list(layers.values()))


def _own(network: FloatNetwork, layer: FloatLayer) -> bool:
    """Does `layer` depend on itself without a neuron between?"""
    seen, waiting = set[str](), list(layer.sources)
    while waiting:
        name = waiting.pop()
        found = network[name]
        if name == layer.name:
            return True
        if found is not None and name not in seen and not isinstance(found, FloatNeuron):
            seen.add(name)
            waiting += found.sources
    return False


def _later(network: FloatNetwork, edge: Edge, delay: int) -> Edge:
    total = edge.delay + delay
    return Edge(edge.source, total, network.shapes[edge.source] if total else None)


def _sorted(network: FloatNetwork) -> FloatNetwork:
    return _ordered(network, list(network.layers))


def _ordered(network: FloatNetwork, layers: list[FloatLayer]) -> FloatNetwork:
    """The network of `layers`, in topological order but for delays, else in the order in which they stand."""
    found, names, left = list[FloatLayer](), {INPUT}, layers
    while left:
        ready = next((x for x in left if all(e.delay or e.source in names for e in x.inputs)), None)
        if ready is None:
            raise left[0].fail("depends on itself in one time step; read it one step later")
        found.append(ready)
        names.add(ready.name)
        left = [x for x in left if x is not ready]
    last = network.layers[-1].name  # gives the logits
    place = next(n for n, x in enumerate(found) if x.name == last)
    return replace(network, layers=(*found[:place], *found[place + 1 :], found[place]))


def _with(network: FloatNetwork, layer: FloatLayer, instead: list[FloatLayer]) -> FloatNetwork:
    """The network with `instead` in the place of `layer`."""
    parts = ([x] if x.name != layer.name else instead for x in network.layers)
    return replace(network, layers=tuple(itertools.chain.from_iterable(parts)))


def _free(network: FloatNetwork, name: str) -> str:
    names = itertools.chain([name], (f"{name}_{n}" for n in itertools.count(2)))
    return next(n for n in names if n not in network.shapes)
