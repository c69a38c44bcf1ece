# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Layers in integers before their numbers are known: T, W, bounds and units. Conversion, calibration and fine-tuning
walk the same list of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pyflow.conversion.quantise import Part, Quantised, Rounding, Skip, quantise_neuron, quantise_readout
from pyflow.graph import INPUT
from pyflow.model.graph import FloatConv, FloatLayer, FloatNetwork, FloatPool, FloatRelu, FloatUpsample, Synapse


@dataclass(frozen=True, slots=True)
class Segment:
    """Channels whose codes have one unit: that of `unit`, a neuron or INPUT, by `divisor`."""

    unit: str
    divisor: int
    channels: int


@dataclass(frozen=True, slots=True)
class Codes:
    """A tensor of codes. steps: T; bound: the largest."""

    segments: tuple[Segment, ...]
    steps: int
    bound: int

    @property
    def alone(self) -> Segment | None:
        """The one unit that they have, if they have one."""
        return self.segments[0] if len({(s.unit, s.divisor) for s in self.segments}) == 1 else None

    def scale(self, scales: Mapping[str, float]) -> np.ndarray:
        """Real value of one code of every channel: float64 [C]. scales: by unit."""
        return np.concatenate([np.full(s.channels, scales[s.unit] / s.divisor) for s in self.segments])


@dataclass(frozen=True, slots=True, eq=False)
class Spec:
    """A layer in integers. codes: of its output; of a Conv or Linear, which makes potentials, of its input."""

    layer: FloatLayer
    codes: Codes

    @property
    def name(self) -> str:
        return self.layer.name


@dataclass(frozen=True, slots=True, eq=False)
class PoolSpec(Spec):
    """A pool on codes. fire: an averaging sum is fired back to T bits, being too wide or to be joined with others."""

    layer: FloatPool
    fire: bool

    @property
    def area(self) -> int:
        return self.layer.kernel[0] * self.layer.kernel[1]


@dataclass(frozen=True, slots=True, eq=False)
class UpsampleSpec(Spec):
    """The same codes on a larger map."""

    layer: FloatUpsample


@dataclass(frozen=True, slots=True, eq=False)
class SynapseSpec(Spec):
    """A Conv or Linear. pad_code: int64 [Ci], or empty where padding is code 0. bits: W. exponent: e, where it is
    given."""

    layer: Synapse
    pad_code: np.ndarray
    bits: int
    exponent: int | None

    @property
    def weight(self) -> np.ndarray:
        return self.layer.weight

    @property
    def bias(self) -> np.ndarray:
        return self.layer.bias

    def unit(self, scales: Mapping[str, float]) -> float:
        """Real value of one code of its input, the largest if channels differ."""
        alone = self.codes.alone
        return scales[alone.unit] / alone.divisor if alone else float(self.codes.scale(scales).max())

    def columns(self, scales: Mapping[str, float]) -> np.ndarray | None:
        """What brings the weights of inputs of other units to that of unit(), weight by weight; None where all have
        it."""
        if self.codes.alone:
            return None
        ratio = self.codes.scale(scales) / self.unit(scales)
        if isinstance(self.layer, FloatConv):
            return self.layer.by_channel(ratio)
        return np.repeat(ratio, self.weight.shape[1] // len(ratio))

    def part(self, scales: Mapping[str, float], moments: Mapping[str, Rounding] | None = None) -> Part:
        """What quantisation needs: weights by the unit of its input, which those of other units are brought to."""
        columns = self.columns(scales)
        weight = self.weight if columns is None else self.weight * columns
        known = None if moments is None else moments[self.name]
        return Part(weight, self.unit(scales), self.codes.bound, self.bits, known)


@dataclass(frozen=True, slots=True, eq=False)
class NeuronSpec(Spec):
    """What fires: a ReLU, or, with no codes of its own (steps 0), the readout. synapses: names of those whose
    potentials it adds; skips: of tensors of codes that are added to them."""

    synapses: tuple[SynapseSpec, ...]
    skips: tuple[tuple[str, Codes], ...]

    @property
    def key(self) -> str:
        """The name of the layer whose output it fires: of its Conv or Linear, or of the sum."""
        return self.layer.source if isinstance(self.layer, FloatRelu) else self.layer.name

    @property
    def label(self) -> str:
        return self.synapses[-1].layer.label

    def place(self, name: str) -> int:
        """Of a Conv or Linear among its synapses."""
        return [part.name for part in self.synapses].index(name)

    @property
    def steps(self) -> int:
        return self.codes.steps

    @property
    def ceiling(self) -> float:
        """What its output is clipped at; infinite where it is not."""
        return self.layer.ceiling if isinstance(self.layer, FloatRelu) else float("inf")

    @property
    def bias(self) -> np.ndarray:
        """float64 [Co], of its layers together."""
        bias = self.synapses[0].bias
        for spec in self.synapses[1:]:
            bias = bias + spec.bias
        return bias

    def quantised(
        self,
        scales: Mapping[str, float],
        ratio: np.ndarray | None = None,
        moments: Mapping[str, Rounding] | None = None,
    ) -> Quantised:
        """Its integers. scales: by unit; ratio: clipping, None searches."""
        parts = [spec.part(scales, moments) for spec in self.synapses]
        given = [spec.exponent for spec in self.synapses if spec.exponent is not None]
        common: dict[str, Any] = {"ratio": ratio, "name": self.label, "exponent": given[0] if given else None}
        if not self.steps:
            return quantise_readout(parts[0], self.bias, **common)
        skips = [Skip(codes.scale(scales), codes.bound) for _, codes in self.skips]
        s_out = scales[self.codes.segments[0].unit]
        return quantise_neuron(parts, self.bias, s_out=s_out, steps_out=self.steps, skips=skips, **common)


@dataclass(frozen=True, slots=True, eq=False)
class JoinSpec(Spec):
    """A sum or a concatenation of codes."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The whole network in integers, before its weights are known. network: in spiking form. specs: in topological
    order, the readout last. pad_error: largest rounding of a padding code, in codes."""

    network: FloatNetwork
    input_bits: int
    specs: tuple[Spec, ...]
    pad_error: float

    @property
    def input_scale(self) -> float:
        return input_scale(self.input_bits)

    @property
    def synapses(self) -> tuple[SynapseSpec, ...]:
        return tuple(spec for spec in self.specs if isinstance(spec, SynapseSpec))

    @property
    def neurons(self) -> tuple[NeuronSpec, ...]:
        """All that fires, and the readout."""
        return tuple(spec for spec in self.specs if isinstance(spec, NeuronSpec))

    @property
    def driven(self) -> dict[str, NeuronSpec]:
        """By Conv or Linear: the neuron that it drives."""
        return {part.name: spec for spec in self.neurons for part in spec.synapses}

    @property
    def ceilings(self) -> dict[str, float]:
        """The largest unit that neurons which clip can have: no code is above what they clip at."""
        found: dict[str, float] = {}
        for spec in self.neurons:
            if spec.steps and np.isfinite(spec.ceiling):
                unit, most = spec.codes.segments[0].unit, spec.ceiling / (2**spec.steps - 1)
                found[unit] = min(found.get(unit, most), most)
        return found

    @property
    def units(self) -> tuple[str, ...]:
        """The neurons whose scale is to be chosen; others share theirs."""
        own = dict.fromkeys(spec.codes.segments[0].unit for spec in self.neurons if spec.steps)
        return tuple(unit for unit in own if unit != INPUT)

    def scales(self, chosen: Mapping[str, float]) -> dict[str, float]:
        """Real value of one code, by unit. chosen: of `units`."""
        return {INPUT: self.input_scale, **chosen}

    def with_weights(self, weights: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Layout:
        """The same layout around other (weight, bias) pairs, by synapse."""

        def synapse(spec: SynapseSpec) -> SynapseSpec:
            weight, bias = weights[spec.name]
            return replace(spec, layer=replace(spec.layer, weight=weight, bias=bias))

        def other(spec: Spec) -> Spec:
            if isinstance(spec, SynapseSpec):
                return synapse(spec)
            return replace(spec, synapses=tuple(map(synapse, spec.synapses))) if isinstance(spec, NeuronSpec) else spec

        return replace(self, specs=tuple(map(other, self.specs)))


def input_scale(bits: int) -> float:
    """s_in of the encoder."""
    return 2.0 ** (8 - bits) / 255
