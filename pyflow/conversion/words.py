# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What the tensors of a spiking float network are in every time step: spikes or other words, or potentials.

Words are numbers without sign, which synapses read as they read spikes: the input, averages and sums of spikes, and
their maxima. One code of them has a real value.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from pyflow.graph import INPUT
from pyflow.model.graph import (
    Affine,
    AvgPool,
    Edge,
    FloatAdd,
    FloatConcat,
    FloatConv,
    FloatLayer,
    FloatLinear,
    FloatNetwork,
    FloatUpsample,
    MaxPool,
    Synapse,
)
from pyflow.model.recurrent import PASSING, are_words
from pyflow.model.spiking import FloatGate, FloatNeuron, SpikingModel

DEARER = 2  # times the products of a pool of its own: from there on an average has one


def are_spikes(model: SpikingModel) -> dict[str, bool]:
    """By tensor, INPUT too: is it 0 or 1 in every time step?"""
    network, words = model.network, are_words(model.network)
    found = {INPUT: model.timed and not model.signal} | {
        x.name: words[x.name] and not isinstance(x, AvgPool | FloatAdd) for x in network.layers
    }
    while wrong := [
        x.name for x in network.layers
        if found[x.name] and not isinstance(x, FloatNeuron) and not all(found[s] for s in x.sources)
    ]:  # fmt: skip
        found |= dict.fromkeys(wrong, False)
    return found


def codes(model: SpikingModel) -> dict[str, float]:
    """The real value of one code of INPUT and of every layer that gives words. Raises VolleyError where words of unlike
    codes are joined."""
    network = model.network
    words = are_words(network)
    found = {INPUT: model.code} | {x.name: 1.0 for x in network.layers if isinstance(x, FloatNeuron)}
    left = [x for x in network.layers if words[x.name] and x.name not in found]
    while left:  # in loops, what is read one step later stands behind its reader
        layer = next((x for x in left if all(s in found for s in x.sources)), None)
        if layer is None:
            raise left[0].fail("depends on itself without a neuron between; put one into the loop")
        own = [found[s] for s in layer.sources]
        if max(own) > min(own) * (1 + 1e-9):
            raise layer.fail(
                f"joins numbers of unlike steps, {max(own):.3g} and {min(own):.3g}, as an image or an average has "
                "beside spikes; put a Conv or Linear in front of each and add those"
            )
        found[layer.name] = own[0] / (math.prod(layer.kernel) if isinstance(layer, AvgPool) else 1)
        left.remove(layer)
    return found


# ------------------------------------------------------------------ order
def check_order(model: SpikingModel) -> None:
    """Raises VolleyError naming a layer that has no form over time where it stands."""
    network, words, spikes = model.network, are_words(model.network), are_spikes(model)
    for layer in network.layers:
        if wrong := _wrong(network, words, layer):
            raise layer.fail(wrong)
        if isinstance(layer, FloatGate) and not all(spikes[s] for s in layer.sources):
            raise layer.fail("multiplies what are no spikes of 0 and 1; put it behind the neurons")
        if late := [e.source for e in layer.inputs if e.delay and not spikes[e.source]]:
            raise layer.fail(
                f"reads {network.label(late[0])!r} one time step later, which are no spikes; let it read spikes"
            )
    codes(model)
    last = network.layers[-1]
    if network.shapes[last.name][1:] != (1, 1) or isinstance(last, PASSING):
        raise last.fail("is the last layer; end in a Linear, or in neurons behind one")


def _wrong(network: FloatNetwork, words: dict[str, bool], layer: FloatLayer) -> str:
    """Why `layer` has no form over time; empty where it has one."""
    given = [words[s] for s in layer.sources]
    match layer:
        case FloatNeuron() if given[0]:
            return "needs the potentials of a Conv or Linear; put one in front"
        case FloatAdd() if any(given) and not all(given):
            return "adds spikes to potentials; needs the potentials of a Conv or Linear; put one in front"
        case FloatConv() | FloatLinear() if not given[0]:
            return f"follows {network.label(layer.source)!r} without a neuron between them; merge the two"
        case AvgPool() if not given[0]:
            return "averages potentials that others read too; put it behind the neuron"
        case MaxPool() if not given[0]:
            others = [x for x in network.readers(layer.name) if not isinstance(x, FloatNeuron)]
            return f"takes the largest potential for {others[0].label!r}; put neurons behind it" if others else ""
        case FloatUpsample() if not given[0] or layer.source == INPUT:
            return "repeats what are no spikes of neurons; put it behind the neuron, which gives the same"
        case FloatConcat() | FloatGate() if not all(given):
            return "joins potentials; put it behind the neurons"
    if isinstance(layer, FloatNeuron | FloatConv | FloatLinear | PASSING):
        return ""
    return "has no form over time; use Conv, Linear, neurons, pools, upsampling, sums and concatenations"


def gated(network: FloatNetwork) -> FloatNetwork:
    """The network where a product with 1 - x is one with x, inverted."""
    for name in [x.name for x in network.layers if isinstance(x, FloatGate)]:
        gate = network[name]
        assert isinstance(gate, FloatGate)
        inverses = [x for s in gate.sources if isinstance(x := network[s], Affine) and _is_inverse(x)]
        if not inverses:
            continue
        inverse = inverses[0]
        if len(inverses) > 1 or network.readers(inverse.name) != (gate,):
            raise inverse.fail("is 1 - x of spikes; only one product with other spikes may read it")
        edge = next(e for e in gate.inputs if e.source != inverse.name)
        changed = replace(gate, inverted=True, inputs=(Edge(inverse.name), edge))
        network = network.edited([changed], {inverse.name: inverse.source})
    return network


def _is_inverse(layer: Affine) -> bool:
    return bool((layer.scale == -1).all() and (layer.shift == 1).all())


# ------------------------------------------------------------------ averages
def averages_into_weights(model: SpikingModel) -> SpikingModel:
    """Averages of words in the weights of the layers behind them, a sum of sums, where that takes few products more.
    The others are sums of their own."""
    network = model.network
    for pool in [x for x in network.layers if isinstance(x, AvgPool)]:
        if not are_words(network)[pool.source]:
            continue
        bits = 8 if pool.source == INPUT and (model.signal or not model.timed) else 1
        readers = network.readers(pool.name)
        if any(pool.padding) or not all(_spreads(reader, pool, network, bits) for reader in readers):
            continue
        changed: list[FloatLayer] = [_averaging(reader, pool, network) for reader in readers]  # type: ignore[arg-type]
        network = network.edited(changed, {pool.name: pool.source})
    return replace(model, network=network)


def _spreads(reader: FloatLayer, pool: AvgPool, network: FloatNetwork, bits: int) -> bool:
    """Is the average for `reader` best taken by its weights? bits: of a word that is averaged."""
    if not isinstance(reader, FloatConv | FloatLinear) or (isinstance(reader, FloatConv) and any(reader.padding)):
        return False
    taps = math.prod(pool.kernel)
    summed = (taps * (2**bits - 1)).bit_length()
    own = math.prod(reader.weight.shape[2:] if isinstance(reader, FloatConv) else network.shapes[pool.name][1:])
    if isinstance(reader, FloatConv):
        spread = math.prod((k - 1) * s + p for k, s, p in zip(
            reader.weight.shape[2:], pool.stride, pool.kernel, strict=True))  # fmt: skip
    else:
        spread = math.prod(network.shapes[pool.source][1:])
    return bool(spread * bits <= DEARER * own * summed)


def _averaging(reader: Synapse, pool: AvgPool, network: FloatNetwork) -> Synapse:
    (kh, kw), (sh, sw) = pool.kernel, pool.stride
    if isinstance(reader, FloatLinear):
        c, h, w = network.shapes[pool.source]
        _, ph, pw = network.shapes[pool.name]
        weight = reader.weight.reshape(-1, c, ph, pw)
        spread = np.zeros((len(weight), c, h, w))
        for y in range(ph):
            for x in range(pw):
                spread[:, :, y * sh : y * sh + kh, x * sw : x * sw + kw] += weight[:, :, y : y + 1, x : x + 1]
        return replace(reader, weight=spread.reshape(len(weight), -1) / (kh * kw))
    co, ci, rh, rw = reader.weight.shape
    spread = np.zeros((co, ci, (rh - 1) * sh + kh, (rw - 1) * sw + kw))
    for y in range(rh):
        for x in range(rw):
            spread[:, :, y * sh : y * sh + kh, x * sw : x * sw + kw] += reader.weight[:, :, y : y + 1, x : x + 1]
    stride = (reader.stride[0] * sh, reader.stride[1] * sw)
    return replace(reader, weight=spread / (kh * kw), stride=stride)
