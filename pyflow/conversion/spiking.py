# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""From a spiking float network to integers: weights in W bits, thresholds and leaks in fractions of a weight unit.

A neuron's potential counts 2^-frac of a unit u, the real value of one weight step times one input code. Every
channel has its own u, so all weights use their bits. Thresholds are then rounded to 2^-frac*u, leaks to 2^-F.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pyflow.conversion.loops import Loops, drivers, image_shift
from pyflow.conversion.membrane import logits, membrane
from pyflow.conversion.quantise import best_ratio
from pyflow.conversion.words import are_spikes, averages_into_weights, check_order, codes, gated
from pyflow.errors import VolleyError
from pyflow.graph import INPUT, Network
from pyflow.model.affine import fold_affine, fold_normalisation
from pyflow.model.graph import (
    AvgPool,
    FloatAdd,
    FloatConcat,
    FloatConv,
    FloatLayer,
    FloatLinear,
    FloatPool,
    FloatUpsample,
    MaxPool,
    Synapse,
)
from pyflow.model.order import drop_flatten
from pyflow.model.recurrent import are_words, parted, recurrent_form, scaled_terms
from pyflow.model.rewrite import fold_padding, merge_averages
from pyflow.model.spiking import FloatGate, FloatNeuron, SpikingModel, drop_rectifiers
from pyflow.operators import (
    Accumulate,
    Add,
    And,
    Concat,
    Conv,
    DepthwiseConv,
    Direct,
    Encode,
    Encoding,
    IAnd,
    LIFNeuron,
    Linear,
    Operator,
    OrPool,
    Readout,
    SumPool,
    Upsample,
)
from pyflow.operators import MaxPool as OpMaxPool

MOST_SHIFT = 15
LEAK_BITS = 12  # F of a leak that is no shift
WIDEST = 32


@dataclass(frozen=True, slots=True)
class Precision:
    """weight_bits: W, of every synapse layer. frac: fraction bits of a potential. widths: bits of a layer's
    membrane; the widest where it is not named."""

    weight_bits: int
    frac: int
    widths: tuple[tuple[str, int], ...] = ()


def ordered(model: SpikingModel) -> SpikingModel:
    """In the order that spikes over time can compute: affine maps are in weights, averages of spikes too where that is
    cheap.

    Raises VolleyError naming what has no such form.
    """
    network = parted(model).network
    for apply in (
        drop_flatten, drop_rectifiers, gated, scaled_terms, fold_padding, merge_averages, fold_affine,
        fold_normalisation,
    ):  # fmt: skip
        network = apply(network)
    model = recurrent_form(averages_into_weights(replace(model, network=network)))
    check_order(model)
    return model


# ------------------------------------------------------------------ integers
def integers(model: SpikingModel, precision: Precision, **meta: Any) -> Network:
    """The network of integers. model: as `ordered` gives it. meta: kept in the network."""
    return _Integers(model, precision).network(meta)


def unrounded(model: SpikingModel, precision: Precision) -> dict[str, np.ndarray]:
    """Weights in the unit of their integers, before they are rounded, by layer. model: as `ordered` gives it."""
    made = _Integers(model, precision)
    made.network({})
    return made.exact


class _Integers:
    def __init__(self, model: SpikingModel, precision: Precision) -> None:
        self.model, self.precision = model, precision
        self.float = model.network
        self.operators: list[Operator] = []
        self.loops = Loops(model)
        self.codes = codes(model)  # real value of one code of a tensor of words
        self.words, self.spikes = are_words(model.network), are_spikes(model)
        self.units: dict[str, np.ndarray] = {}  # of potentials: float64 [C], real value of one
        self.biases: dict[str, np.ndarray] = {}  # float64 [C] that is still to be added to potentials
        self.names: dict[str, str] = {}  # of a float layer, the operator that makes its values
        self.exact: dict[str, np.ndarray] = {}  # weights before they are rounded
        self.still: set[str] = set()  # operators whose values are the same in every time step
        self.one_step = False  # a beat of several steps has one number of a still tensor, which a sum cannot take

    def network(self, meta: dict[str, Any]) -> Network:
        model = self.model
        if model.timed:
            self.names[INPUT] = INPUT
        else:
            self.names[INPUT] = self._add(Encode("encode", (INPUT,), steps=8))
            self.still.add("encode")
        encoding = Encoding.SIGNAL if model.signal else Encoding.RATE if model.timed else Encoding.PIXEL
        for layer in self.float.layers:
            self._layer(layer)
        scale = self._readout(self.float.layers[-1])
        return Network(
            model.network.name, self.float.input_shape, tuple(self.operators), scale * model.scale,
            self.loops.edges,
            meta={"encoding": "spikes", **meta},
            input_encoding=encoding,
            input_steps=model.steps if model.timed else 1,
            time_block=1 if self.one_step else 0,
        )  # fmt: skip

    def _add(self, op: Operator) -> str:
        self.operators.append(op)
        return op.name

    def _layer(self, layer: FloatLayer) -> None:
        sources = [self.loops.read(e) if e.delay else self.names[e.source] for e in layer.inputs]
        match layer:
            case FloatConv() | FloatLinear():
                self._synapse(layer, sources[0])
            case FloatAdd() if not self.words[layer.name]:
                self._sum(layer, sources)
            case FloatNeuron():
                self._neuron(layer, sources[0])
            case MaxPool() if not self.words[layer.name]:
                self.names[layer.name] = self._still(self._pool(OpMaxPool, layer, sources[0]), sources)
                self.units[layer.name], self.biases[layer.name] = self.units[layer.source], self.biases[layer.source]
            case _:
                self.names[layer.name] = self._still(self._joined(layer, sources), sources)

    def _joined(self, layer: FloatLayer, sources: list[str]) -> str:
        """The operator that makes words of words."""
        match layer:
            case FloatAdd() | FloatConcat():
                return self._chain(Add if isinstance(layer, FloatAdd) else Concat, layer.name, sources)
            case FloatGate():
                return self._add((IAnd if layer.inverted else And)(layer.name, (sources[0], sources[1])))
            case MaxPool():
                return self._pool(OrPool if self.spikes[layer.source] else OpMaxPool, layer, sources[0])
            case AvgPool():
                return self._pool(SumPool, layer, sources[0])
            case FloatUpsample():
                return self._add(Upsample(layer.name, (sources[0],), layer.scale))
        raise layer.fail("has no form over time")

    def _chain(self, kind: type[Add | Concat], name: str, sources: list[str]) -> str:
        """Operators of two, one behind the other; the last one has the name."""
        made = sources[0]
        for n, other in enumerate(sources[1:], 2):
            made = self._add(kind(name if n == len(sources) else f"{name}_{n}", (made, other)))
        return made

    def _pool(self, kind: type[OpMaxPool | OrPool | SumPool], layer: FloatPool, source: str) -> str:
        return self._add(kind(layer.name, (source,), layer.kernel, layer.stride, layer.padding))

    def _still(self, name: str, sources: list[str]) -> str:
        """`name`, which is the same in every time step where all that it is made of is."""
        if all(s in self.still for s in sources):
            self.still.add(name)
        return name

    def _synapse(self, layer: Synapse, source: str) -> None:
        limit = (1 << (self.precision.weight_bits - 1)) - 1
        together = drivers(self.float, layer)
        units = [_unit(d.weight, self.codes[d.source], limit) for d in together]
        shift = image_shift(together, units, self.codes)  # of spikes that are added to an image
        shifts = [shift * (self.codes[d.source] == 1) for d in together]
        unit = np.max([u / 2.0**s for u, s in zip(units, shifts, strict=True)], axis=0)
        if self._needs_one_unit(layer):
            unit = np.full_like(unit, unit.max())
        unit = unit * 2.0 ** shifts[[d.name for d in together].index(layer.name)]
        scale = (unit / self.codes[layer.source]).reshape(-1, *[1] * (layer.weight.ndim - 1))
        self.exact[layer.name] = layer.weight / scale
        weight = np.clip(np.rint(self.exact[layer.name]), -limit, limit).astype(np.int8)
        pad = np.zeros(0, np.int64)
        if isinstance(layer, FloatConv):
            if layer.pad.size:
                pad = np.clip(np.rint(layer.pad / self.codes[layer.source]), 0, 255).astype(np.int64)
            op: Operator = (DepthwiseConv if layer.depthwise else Conv)(
                layer.name, (source,), kernel=weight.shape[2:], stride=layer.stride, padding=layer.padding,
                weight=weight, weight_bits=self.precision.weight_bits, pad_code=pad,
            )  # fmt: skip
        else:
            op = Linear(layer.name, (source,), weight=weight[:, :, None, None], weight_bits=self.precision.weight_bits)
        self.names[layer.name], self.units[layer.name], self.biases[layer.name] = self._add(op), unit, layer.bias
        if source in self.still:
            self.still.add(layer.name)

    def _needs_one_unit(self, layer: FloatLayer) -> bool:
        """Is one real value of a weight step needed for the whole layer? By logits, and by a reset to another value
        than the rest."""
        behind = self.float.readers(layer.name)
        while any(isinstance(r, FloatAdd | MaxPool) for r in behind):
            behind = self.float.readers(behind[0].name)
        neuron = next((r.neuron for r in behind if isinstance(r, FloatNeuron)), None)
        if neuron is None or (self.model.read and neuron is self.float.layers[-1].neuron):  # type: ignore[attr-defined]
            return True
        return neuron.reset == "hard" and neuron.v_reset != neuron.v_leak

    def _moving(self, name: str) -> str:
        """`name`, in every time step."""
        if name not in self.still:
            return name
        return self._add(Direct(f"{name}_direct", (name,), steps=self.model.steps))

    def _sum(self, layer: FloatLayer, sources: list[str]) -> None:
        still = all(s in self.still for s in sources)
        self.one_step |= not still and any(s in self.still for s in sources)
        terms = [(name, self.units[s]) for name, s in zip(sources, layer.sources, strict=True)]
        (name, unit), *others = sorted(terms, key=lambda term: float(term[1].max()))  # the finest first
        name = name if still else self._moving(name)
        for n, (other, coarse) in enumerate(others, 2):
            last = n == len(sources)
            shift = round(float(np.log2(coarse.max() / unit.max())))
            pair = (name, other if still else self._moving(other))
            name = self._add(Add(layer.name if last else f"{layer.name}_{n}", pair, shift=shift))
        if still:
            self.still.add(name)
        self.names[layer.name], self.units[layer.name] = name, unit
        self.biases[layer.name] = np.sum([self.biases[s] for s in layer.sources], axis=0)

    def _neuron(self, layer: FloatNeuron, source: str) -> None:
        unit, bias = self.units[layer.source], self.biases[layer.source]
        op = _lif(layer, self._moving(source), unit, bias, self.precision)
        if self.model.read and layer is self.float.layers[-1]:
            op, self.units[layer.name] = membrane(op, self.model, layer), unit * layer.neuron.gain / 2.0**op.frac
        self.names[layer.name] = self._add(op)

    def _readout(self, last: FloatLayer) -> float:
        """What is read of the last layer; the real value of one logit."""
        if self.model.read:
            unit = float(self.units[last.name][0])
            self._add(logits(self.model, self.names[last.name], unit, self.float.shapes[last.name][0]))
            return unit
        counted = self._add(Accumulate("total", (self._moving(self.names[last.name]),)))
        channels = self.float.shapes[last.name][0]
        if isinstance(last, FloatNeuron):
            self._add(Readout("logits", (counted,), bias=np.zeros(channels)))
            return 1.0
        unit = float(self.units[last.name][0])
        self._add(Readout("logits", (counted,), bias=np.rint(self.biases[last.name] * self.model.steps / unit)))
        return unit


def _unit(weight: np.ndarray, code: float, limit: int) -> np.ndarray:
    """float64 [Co]: the real value of one weight step times one code, per output: the largest weight, or less where
    clipping it lowers the squared error."""
    rows = np.abs(weight.reshape(len(weight), -1))
    peak = rows.max(1, initial=0)
    peak = np.where(peak > 0, peak, max(1.0, float(peak.max(initial=0))))
    best = best_ratio(rows, lambda r: peak * r / limit, limit)
    return np.asarray(peak * best / limit * code)


def _lif(layer: FloatNeuron, source: str, unit: np.ndarray, bias: np.ndarray, precision: Precision) -> LIFNeuron:
    neuron, frac = layer.neuron, precision.frac
    one = 2.0**frac / (unit * neuron.gain)  # of a real potential
    channels = len(unit)

    def potential(value: float | np.ndarray) -> np.ndarray:
        """In integers per channel, relative to the rest."""
        return (np.broadcast_to(value, channels) - neuron.v_leak) * one

    fires = np.round(potential(neuron.theta), 6) if neuron.fires else np.zeros(channels)
    if (fires < 0).any():
        raise layer.fail(f"threshold {float(np.min(neuron.theta)):g} is below its rest, {neuron.v_leak:g}")
    theta = (np.floor(fires) + 1 if neuron.strict else np.ceil(fires)).astype(np.int64)
    settings: dict[str, Any] = {}
    if neuron.reset == "soft":
        settings["reset_amount"] = np.rint(np.broadcast_to(neuron.theta, channels) * one).astype(np.int64)
    if neuron.reset == "hard" and neuron.v_reset != neuron.v_leak:
        settings["v_reset"] = int(np.rint(potential(neuron.v_reset)[0]))
    if neuron.v0 != neuron.v_leak:
        settings["v0"] = np.rint(potential(neuron.v0)).astype(np.int64)
    if neuron.current != "none":
        kind, shift, alpha, bits = _leak(layer, np.array([neuron.current_decay]), 1)
        settings |= {
            "current": neuron.current, "current_leak": kind, "current_shift": shift, "current_width": WIDEST,
            "current_alpha": int(alpha[0]) if alpha.size else 0, "current_frac": bits, "current_bias": True,
        }  # fmt: skip
    kind, shift, alpha, bits = _leak(layer, neuron.decay, channels)
    drive = np.rint(bias / unit * 2.0**frac).astype(np.int64)
    width = dict(precision.widths).get(layer.name, WIDEST)
    return LIFNeuron(
        layer.name, (source,), theta=theta, frac=frac, width=width, leak=kind, leak_shift=shift, alpha=alpha,
        leak_frac=bits, reset=neuron.reset, reset_order=neuron.order, refractory=neuron.refractory,
        bias=drive if drive.any() else np.zeros(0, np.int64), **settings,
    )  # fmt: skip


def _leak(layer: FloatNeuron, decay: np.ndarray, channels: int) -> tuple[str, int, np.ndarray, int]:
    """(kind, shift, alpha, F) of what stays of a state in a step."""
    none = np.zeros(0, np.int64)
    if not ((decay >= 0) & (decay <= 1)).all():
        raise layer.fail(f"keeps {float(decay.min()):g} .. {float(decay.max()):g} of its state in a step; needs 0 to 1")
    if (decay == 1).all():
        return "none", 0, none, 0
    if decay.size == 1:
        for k in range(MOST_SHIFT + 1):
            if abs(float(decay[0]) - (1 - 2.0**-k)) < 1e-7:
                return "shift", k, none, 0
    alpha = np.rint(np.broadcast_to(decay, channels) * 2.0**LEAK_BITS).astype(np.int64)
    return "multiply", 0, alpha, LEAK_BITS


def state_ranges(network: Network, x: np.ndarray) -> dict[str, int]:
    """Largest magnitude of the membrane of each layer of neurons on `x`, before any is clipped."""
    layers = [op for op in network.operators if isinstance(op, LIFNeuron)]
    trace = network.run(x, trace={op.inputs[0] for op in layers})[1] if layers else {}
    found = {}
    for op in layers:
        values = trace[op.inputs[0]]
        state, most = op.initial(len(values), network.sources(op)[0]), 0
        for t in range(values.shape[1]):
            _, state = op.step(state, values[:, t])
            most = max(most, int(np.abs(state.v).max(initial=0)), int(np.abs(state.i).max(initial=0)))
        found[op.name] = most
    return found


def fitted_widths(network: Network, x: np.ndarray, spare: int = 1) -> Sequence[tuple[str, int]]:
    """Bits for the membranes on `x`, with `spare` bits above what they reach, and room for the threshold."""
    ranges = state_ranges(network, x)
    return tuple(
        (op.name, min(WIDEST, spare + 1 + max(ranges[op.name], int(op.theta.max())).bit_length()))
        for op in network.operators
        if isinstance(op, LIFNeuron)
    )


def check_bits(weight_bits: int) -> int:
    if type(weight_bits) is not int or not 2 <= weight_bits <= 8:
        raise VolleyError(
            f"weight_bits {weight_bits!r} must be an integer from 2 to 8, of all layers of a spiking model"
        )
    return weight_bits
