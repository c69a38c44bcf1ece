# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Networks of Lava-DL (.net files, HDF5): trained integers, taken as they are.

Lava's membrane and current count 1/64 of a weight unit. Weights are all multiples of a power of two, 2^s; ours are the
weights divided by it, and FRAC = 6 + s. So v, i, thresholds, biases and decays are Lava's own numbers. One thing
differs: Lava rounds the decay of a negative number toward zero, we round it down (docs/frameworks.md has the count).
"""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pyflow.edges import StateEdge
from pyflow.errors import VolleyError
from pyflow.frontends.hdf5 import Tree, read_tree
from pyflow.graph import INPUT, Network
from pyflow.operators import (
    Accumulate,
    Conv,
    DepthwiseConv,
    Direct,
    Encode,
    Encoding,
    LIFNeuron,
    Linear,
    Operator,
    Readout,
)
from pyflow.operators.encode import MAX_STEPS
from pyflow.shapes import map_shape

CURE = "give a file that export_hdf5 of lava-dl wrote"
FRAC = 6  # bits of v below a weight unit
DECAY = 12  # F
WIDTH = 24  # bits of v and i
MAX_LAYERS = 64
MOST_WEIGHT = 127  # steps, W = 8
LEVELS = 255  # of a pixel

NEURONS = ("CUBA", "LOIHI")
# Kind of layer -> (fields that it has, fields that it may have).
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "input": (("shape", "neuron"), ("weight", "bias")),
    "dense": (("shape", "neuron", "weight"), ("bias", "delay", "inFeatures", "outFeatures")),
    "conv": (("shape", "neuron", "weight", "stride", "padding", "dilation", "groups"),
             ("bias", "delay", "kernelSize", "inChannels", "outChannels")),
    "flatten": (("shape",), ()),
}  # fmt: skip
# The neuron's: needed, known. scaleRho and tauRho shape the gradient in training.
NEEDED = ("iDecay", "vDecay", "vThMant")
KNOWN = ("type", *NEEDED, "refDelay", "gradedSpike", "wgtExp", "theta", "scaleRho", "tauRho")


def read_lava(
    path: str | os.PathLike[str],
    *,
    steps: int | None = None,
    images: bool = False,
    input_shape: tuple[int, ...] | None = None,
    name: str | None = None,
) -> Network:
    """The network of integers in a .net file. steps: T, default what the file has as its sample's length.

    images: the input is images [N, C, H, W] in [0, 1] that stay, of input_shape, which neurons in front of the first
    layer make spikes of: v <- v + x, fires above 1, reset to 0 (the coding of Lava-DL's MNIST tutorial). Else the input
    is spikes over time. A file with an input layer of its own takes images in any case, as input_codes() makes them.
    The answer is the number of spikes of each neuron of the last layer.

    Raises VolleyError naming the layer whose integers have no form here, with the number and the limit.
    """
    tree = read_tree(path, CURE)
    layers = tree.get("layer")
    if not isinstance(layers, dict) or not layers:
        raise VolleyError(f"{path}: is no network of Lava, it has no group 'layer'; {CURE}")
    if sorted(layers) != sorted(map(str, range(len(layers)))) or len(layers) > MAX_LAYERS:
        raise VolleyError(
            f"{path}: its layers must be called 0 to {MAX_LAYERS - 1} at most, one after the other; {CURE}"
        )
    if odd := [key for key in tree if key not in ("layer", "simulation")]:
        raise VolleyError(f"{path}: has {odd[0][:60]!r} beside its layers, which is not known; {CURE}")
    if steps is None:
        steps = _sample_length(tree)
    if steps is None:
        raise VolleyError(f"{path}: does not say how many time steps a sample has; give steps")
    if type(steps) is not int or not 1 <= steps <= MAX_STEPS:
        raise VolleyError(f"steps {steps!r} must be an integer from 1 to {MAX_STEPS:,}")
    found = [_Layer(path, n, layers[str(n)]) for n in range(len(layers))]
    return _Network(path, found, steps).network(images, input_shape, name or Path(path).stem.lower())


def _sample_length(tree: Tree) -> int | None:
    value = tree["simulation"].get("tSample") if isinstance(tree.get("simulation"), dict) else None
    whole = isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "iu"
    return int(value.reshape(-1)[0]) if whole else None  # type: ignore[union-attr]


def inputs_of(path: str | os.PathLike[str]) -> int:
    """How many inputs the first layer takes of every time step; 0 where the file does not say, or takes images."""
    layers = read_tree(path, CURE).get("layer")
    first = layers.get("0") if isinstance(layers, dict) else None
    weight = first.get("weight") if isinstance(first, dict) and _text(first.get("type")) == "dense" else None
    return int(weight.shape[1]) if isinstance(weight, np.ndarray) and weight.ndim == 2 else 0


def input_codes(network: Network, images: np.ndarray) -> np.ndarray:
    """What a network whose file has an input layer takes: Lava's currents of images in [0, 1], from 0 up; int64.

    Lava's own input layer gets trunc(2*weight*x - weight + bias) in every step. The codes count that from its least.
    """
    weight, bias = (network.meta["lava_input"][key] for key in ("weight", "bias"))
    currents: np.ndarray = np.trunc(2 * weight * np.asarray(images, np.float64) - weight + bias) + weight - bias
    return currents.astype(np.int64)


class _Layer:
    """One layer of the file; its fields are checked when they are asked for."""

    def __init__(self, path: Any, number: int, content: Any) -> None:
        self.where = f"{path}: layer {number}"
        if not isinstance(content, dict):
            raise self.fail("is no group")
        self.content: Tree = content
        self.kind = _text(content.get("type"))
        if self.kind not in KINDS:
            raise self.fail(f"kind {self.kind[:40]!r} is not supported; supported: {', '.join(KINDS)}")
        self.where += f" ({self.kind})"
        needed, optional = KINDS[self.kind]
        if absent := [key for key in needed if key not in content]:
            raise self.fail(f"has no {absent[0]}")
        if odd := [key for key in content if key not in (*needed, *optional, "type")]:
            raise self.fail(f"has {odd[0][:60]!r}, which is not known; nothing of a network is left out")
        self.shape = map_shape(self.sizes("shape", 3))
        self.name = f"layer{number}"

    def fail(self, message: str) -> VolleyError:
        return VolleyError(f"{self.where}: {message}")

    def integers(self, key: str, of: Tree | None = None) -> np.ndarray:
        """int64 of what is stored as integers, or as floats that are some."""
        value = (self.content if of is None else of).get(key)
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf" or not value.size:
            raise self.fail(f"{key} holds no numbers")
        found = value.astype(np.float64)
        if not np.isfinite(found).all() or (found != np.rint(found)).any() or np.abs(found).max() >= 2**31:
            raise self.fail(f"{key} must be integers below 2^31")
        return found.astype(np.int64)

    def number(self, key: str, of: Tree | None = None) -> int:
        values = self.integers(key, of).ravel()
        if (values != values[0]).any():
            raise self.fail(f"{key} is {int(values.min())} to {int(values.max())}; needs one number for the layer")
        return int(values[0])

    def sizes(self, key: str, most: int) -> tuple[int, ...]:
        values = self.integers(key).ravel()
        if not 1 <= values.size <= most or values.min() < 0 or values.max() > 1 << 16:
            raise self.fail(f"{key} {values.tolist()[:8]} must be up to {most} sizes")
        return tuple(map(int, values))

    def pair(self, key: str) -> tuple[int, int]:
        values = self.sizes(key, 2)
        return values[0], values[-1]

    # ------------------------------------------------------------------ synapses
    def weights(self) -> tuple[np.ndarray, int, int]:
        """(int8 weights in steps of 2^s, s, W)."""
        values = self.integers("weight")
        if values.size > 1 << 24:
            raise self.fail(f"has {values.size:,} weights, at most {1 << 24:,}")
        every = int(np.bitwise_or.reduce(values.ravel()))
        shift = min((every & -every).bit_length() - 1, FRAC) if every else 0
        steps = values >> shift
        worst = int(max(steps.max(), -steps.min()))
        if worst > MOST_WEIGHT:
            value = int(values.ravel()[np.abs(values).argmax()])
            raise self.fail(
                f"weight {value} is {worst} steps of {1 << shift}, the layer's unit; at most {MOST_WEIGHT} (8 bits)"
            )
        return steps.astype(np.int8), shift, max(2, worst.bit_length() + 1)

    # ------------------------------------------------------------------ neurons
    def neuron(self, source: str, channels: int, shift: int) -> LIFNeuron:
        """The layer's neurons behind `source`, which counts weights in steps of 2^shift."""
        own = self.known_neuron()
        exponent = self.number("wgtExp", own) if "wgtExp" in own else 0
        if not 0 <= (frac := FRAC + shift + exponent) <= 14:
            raise self.fail(f"neuron: wgtExp {exponent} is not supported with weights in steps of {1 << shift}")
        theta = self.per_channel("vThMant", own, channels) << FRAC
        if theta.min() < 0 or theta.max() >= 1 << (WIDTH - 1):
            raise self.fail(f"neuron: vThMant {int(theta.min()) >> FRAC} .. {int(theta.max()) >> FRAC} is out of range")
        if "theta" in own and not np.array_equal(self.per_channel("theta", own, channels), theta):
            raise self.fail("neuron: theta is not 64 times vThMant")
        bias = np.zeros(0, np.int64)
        if "bias" in self.content and self.kind != "input":
            bias = self.per_channel("bias", self.content, channels) << FRAC
        return LIFNeuron(
            self.name, (source,), theta=theta + 1, bias=bias if bias.any() else bias[:0], frac=frac, width=WIDTH,
            reset="hard", **self.decays(own, channels),
        )  # fmt: skip

    def known_neuron(self) -> Tree:
        """The fields of the layer's neuron, none of them of a kind that has no form here."""
        own = self.content["neuron"]
        if not isinstance(own, dict) or (kind := _text(own.get("type"))) not in NEURONS:
            what = kind[:40] if isinstance(own, dict) else "missing"
            raise self.fail(f"neuron {what!r} is not supported; supported: {', '.join(NEURONS)}")
        if odd := [key for key in own if key not in KNOWN]:
            raise self.fail(f"neuron has {odd[0][:60]!r}, which is not known")
        for key, only in (("refDelay", 1), ("gradedSpike", 0)):
            if key in own and (value := self.number(key, own)) != only:
                raise self.fail(f"neuron: {key} {value} is not supported; needs {only}")
        return own

    def decays(self, own: Tree, channels: int) -> dict[str, Any]:
        """Of membrane and current, as LIFNeuron has them."""
        kept, current = self.kept("vDecay", own, channels), self.kept("iDecay", own, channels)
        if current.size > 1:
            raise self.fail("neuron: iDecay differs from channel to channel; needs one for the layer")
        settings: dict[str, Any] = {}
        if not kept.any():
            settings = {"leak": "shift", "leak_shift": 0}
        elif (kept != 1 << DECAY).any():
            settings = {"leak": "multiply", "alpha": np.broadcast_to(kept, channels).copy(), "leak_frac": DECAY}
        if current[0]:
            settings |= {"current": "new", "current_width": WIDTH}
            if current[0] != 1 << DECAY:
                settings |= {"current_leak": "multiply", "current_alpha": int(current[0]), "current_frac": DECAY}
        return settings

    def per_channel(self, key: str, of: Tree, channels: int) -> np.ndarray:
        """int64 [C]."""
        values = self.integers(key, of).ravel()
        if values.size not in (1, channels):
            raise self.fail(f"{key} has {values.size} values for {channels} channels")
        return np.broadcast_to(values, channels).copy()

    def kept(self, key: str, own: Tree, channels: int) -> np.ndarray:
        """Of 4096, what stays of a state in a step: [C], or [1] where it is the same."""
        values = self.per_channel(key, own, channels)
        if values.min() < 0 or values.max() > 1 << DECAY:
            raise self.fail(f"neuron: {key} {int(values.min())} .. {int(values.max())} is outside 0..{1 << DECAY}")
        kept: np.ndarray = (1 << DECAY) - values
        return kept[:1] if (kept == kept[0]).all() else kept

    def delay(self) -> int:
        """Time steps by which its spikes are late."""
        if "delay" not in self.content:
            return 0
        values = self.integers("delay").ravel()
        if values.min() < 0 or (values != values[0]).any():
            raise self.fail(
                f"delay {int(values.min())} to {int(values.max())}: needs one number of 0 or more for the layer"
            )
        return int(values[0])


class _Network:
    def __init__(self, path: Any, layers: list[_Layer], steps: int) -> None:
        self.path, self.layers, self.steps = path, layers, steps
        self.operators: list[Operator] = []
        self.edges: list[StateEdge] = []
        self.meta: dict[str, Any] = {"encoding": "spikes"}

    def add(self, op: Operator) -> str:
        self.operators.append(op)
        return op.name

    def network(self, images: bool, input_shape: tuple[int, ...] | None, name: str) -> Network:
        first, layers = self.layers[0], self.layers
        if first.kind == "input":
            shape, source, layers, images = first.shape, self.input_layer(first), self.layers[1:], True
        else:
            shape = self.taken(first, input_shape)
            source = self.encoder(shape) if images else INPUT
        for layer in layers:
            source = self.layer(layer, source)
        self.add(Accumulate("total", (source,)))
        last = next(op for op in reversed(self.operators) if isinstance(op, LIFNeuron))
        self.add(Readout("logits", ("total",), bias=np.zeros(last.theta.size)))
        try:
            return Network(
                name, shape, tuple(self.operators), 1.0, tuple(self.edges), self.meta,
                Encoding.PIXEL if images else Encoding.RATE, 1 if images else self.steps,
            )  # fmt: skip
        except VolleyError as e:
            raise VolleyError(f"{self.path}: {e}") from None

    def taken(self, first: _Layer, given: tuple[int, ...] | None) -> tuple[int, int, int]:
        """(C, H, W) of the input."""
        if first.kind == "flatten":
            raise first.fail("is first; the network needs a dense or conv layer")
        weight = first.content["weight"]
        if first.kind == "conv" and given is None:
            raise first.fail("is first, so the file does not say how large its input is; give input_shape")
        count = weight.shape[1] if isinstance(weight, np.ndarray) and weight.ndim > 1 else 0
        shape = (count, 1, 1) if given is None else map_shape(given)
        if first.kind == "dense" and math.prod(shape) != count:
            raise first.fail(f"takes {count} inputs, input_shape {given} has {math.prod(shape)}")
        return shape

    def encoder(self, shape: tuple[int, int, int]) -> str:
        """Neurons that add up a pixel in every step, fire above 255, and start again from 0."""
        potential = self.still(shape)
        return self.add(LIFNeuron(
            "spikes", (potential,), theta=np.full(shape[0], LEVELS + 1), width=LEVELS.bit_length() + 2, reset="hard"
        ))  # fmt: skip

    def input_layer(self, layer: _Layer) -> str:
        """Neurons that Lava drives with currents of an image."""
        weight = layer.number("weight") if "weight" in layer.content else 1 << FRAC
        bias = layer.number("bias") if "bias" in layer.content else 0
        if not 1 <= 2 * weight <= LEVELS:
            raise layer.fail(f"weight {weight} makes {2 * weight + 1} levels of a pixel; at most {LEVELS + 1}")
        self.meta["lava_input"] = {"weight": weight, "bias": bias}
        channels = layer.shape[0]
        neuron = layer.neuron(self.still(layer.shape), channels, 0)
        least = np.full(channels, (bias - weight) << FRAC, np.int64)
        return self.add(replace(neuron, bias=least) if least.any() else neuron)

    def still(self, shape: tuple[int, int, int]) -> str:
        """The image as potentials, in every step."""
        self.add(Encode("encode", (INPUT,), steps=8))
        self.add(DepthwiseConv("pixels", ("encode",), weight=np.ones((shape[0], 1, 1, 1), np.int8), weight_bits=2))
        return self.add(Direct("pixels_direct", ("pixels",), steps=self.steps))

    def layer(self, layer: _Layer, source: str) -> str:
        if layer.kind == "flatten":
            return source  # a Linear reads maps in the order C, H, W
        weight, shift, bits = layer.weights()
        potential = f"{layer.name}_synapses"
        if layer.kind == "dense":
            if weight.ndim == 1:
                weight = weight.reshape(math.prod(layer.shape), -1)
            rows = weight.reshape(len(weight), -1)[:, :, None, None]
            self.add(Linear(potential, (source,), weight=rows, weight_bits=bits))
        else:
            self.add(self.conv(layer, potential, source, weight, bits))
        channels = len(weight) if layer.kind == "conv" or layer.shape[1:] == (1, 1) else math.prod(layer.shape)
        spikes = self.add(layer.neuron(potential, channels, shift))
        if not (delay := layer.delay()):
            return spikes
        self.edges.append(StateEdge(spikes, f"{spikes}_late", delay))
        return f"{spikes}_late"

    def conv(self, layer: _Layer, name: str, source: str, weight: np.ndarray, bits: int) -> Operator:
        if weight.ndim == 5 and weight.shape[4] == 1:
            weight = weight[:, :, :, :, 0]
        if weight.ndim != 4:
            raise layer.fail(f"weight {weight.shape} must be [Co, Ci, KH, KW], of one time step")
        if layer.pair("dilation") != (1, 1):
            raise layer.fail(f"dilation {layer.pair('dilation')} is not supported; needs 1")
        groups = layer.number("groups")
        if groups != 1 and weight.shape[1] != 1:
            raise layer.fail(f"groups {groups} is not supported; needs 1, or one for each channel")
        kind = Conv if groups == 1 else DepthwiseConv
        stride, padding = layer.pair("stride"), layer.pair("padding")
        return kind(
            name, (source,), kernel=weight.shape[2:], stride=stride, padding=padding, weight=weight, weight_bits=bits
        )


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.dtype == object and value.size == 1:
        return str(value.reshape(-1)[0])
    return ""
