# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Chooses T, W, widths and units for every tensor of a network: its layers in integers, before their numbers are
known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pyflow.conversion.specs import (
    Codes,
    JoinSpec,
    Layout,
    NeuronSpec,
    PoolSpec,
    Segment,
    Spec,
    SynapseSpec,
    UpsampleSpec,
    input_scale,
)
from pyflow.errors import VolleyError
from pyflow.graph import INPUT
from pyflow.model.graph import (
    AvgPool,
    FloatAdd,
    FloatConcat,
    FloatConv,
    FloatLinear,
    FloatNetwork,
    FloatPool,
    FloatRelu,
    FloatUpsample,
    Synapse,
)
from pyflow.model.order import fired, spiking_form
from pyflow.operators.pool import sum_steps

MAX_STEPS = 8
WHOLE = (int, np.int64, np.int32)  # types of an option that is out of range, not of another kind


@dataclass(frozen=True, slots=True)
class Options:
    """timesteps, weight_bits: one number, or {layer: number} with an optional "default". input_bits: T of the
    encoder, default `timesteps`. exponents: {layer: e} of layers whose e is given; the others choose theirs."""

    timesteps: int | Mapping[str, int] = 4
    weight_bits: int | Mapping[str, int] = 4
    input_bits: int | None = None
    exponents: Mapping[str, int] = field(default_factory=dict)


def _option(value: int | Mapping[str, int], what: str, low: int, high: int, layers: Sequence[Synapse]) -> list[int]:
    """One number per layer, checked."""
    names = [layer.name for layer in layers]
    if isinstance(value, Mapping):
        labels = {layer.label: layer.name for layer in layers}
        known = {labels.get(k, k): v for k, v in value.items()}
        unknown = [k for k in known if k not in names and k != "default"]
        if unknown:
            raise VolleyError(f"{what}: unknown layer {unknown[0]!r}; layers are {', '.join(names)} (and 'default')")
        missing = [n for n in names if n not in known and "default" not in known]
        if what == "timesteps":
            missing = [n for n in missing if n != names[-1]]  # the readout has none
        if missing:
            raise VolleyError(f"{what}: no value for layer {missing[0]!r}; add it, or a 'default'")
        found: list[Any] = [known.get(n, known.get("default", low)) for n in names]
    else:
        found = [value] * len(names)
    for n, v in zip(names, found, strict=True):
        if isinstance(v, bool) or not isinstance(v, int | np.integer) or not low <= v <= high:
            kind = f"is a {type(v).__name__}; needs an integer inside" if type(v) not in WHOLE else "is outside"
            raise VolleyError(f"{what}: {v!r} of layer {n!r} {kind} {low}..{high}")
    return [int(v) for v in found]


def layout(network: FloatNetwork, options: Options) -> Layout:
    """Choose T, W, widths and units of every tensor. Raises VolleyError for illegal options or orders of layers."""
    network = spiking_form(network)
    synapses = [layer for layer in network.layers if isinstance(layer, FloatConv | FloatLinear)]
    names = [layer.name for layer in synapses]
    steps = dict(zip(names, _option(options.timesteps, "timesteps", 1, MAX_STEPS, synapses), strict=True))
    bits = dict(zip(names, _option(options.weight_bits, "weight_bits", 2, 8, synapses), strict=True))
    default = options.timesteps.get("default", 4) if isinstance(options.timesteps, Mapping) else options.timesteps
    given = default if options.input_bits is None else options.input_bits
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or not 1 <= given <= MAX_STEPS:
        raise VolleyError(f"input_bits: {given!r} is outside 1..{MAX_STEPS}")
    return _Layer(network, int(given), steps, bits, options.exponents).all()


class _Layer:
    """Goes through a network in spiking form, layer by layer."""

    def __init__(
        self,
        network: FloatNetwork,
        input_bits: int,
        steps: Mapping[str, int],
        bits: Mapping[str, int],
        exponents: Mapping[str, int],
    ) -> None:
        self.network, self.input_bits = network, input_bits
        self.steps, self.bits, self.exponents = steps, bits, exponents
        channels = network.input_shape[0]
        self.codes = {INPUT: Codes((Segment(INPUT, 1, channels),), input_bits, 2**input_bits - 1)}
        self.synapses: dict[str, SynapseSpec] = {}
        self.shared = _shared_units(network)
        self.has_fired = fired(network)
        self.joined = _joined(network)
        self.pad_error = 0.0

    def all(self) -> Layout:
        specs: list[Spec] = []
        for layer in self.network.layers:
            if isinstance(layer, FloatConv | FloatLinear):
                specs.append(self._synapse(layer))
                if layer is self.network.layers[-1]:
                    specs.append(NeuronSpec(layer, Codes((), 0, 0), (self.synapses[layer.name],), ()))
            elif isinstance(layer, FloatRelu):
                specs.append(self._neuron(layer))
            elif isinstance(layer, FloatPool):
                specs.append(self._pool(layer))
            elif isinstance(layer, FloatUpsample):
                specs.append(UpsampleSpec(layer, self.codes[layer.source]))
            elif isinstance(layer, FloatAdd | FloatConcat) and self.has_fired[layer.name]:
                specs.append(JoinSpec(layer, self._join(layer)))
            elif not isinstance(layer, FloatAdd):  # of potentials: its neuron has them
                raise layer.fail("has no spiking form")
            if self.has_fired[layer.name]:
                self.codes[layer.name] = specs[-1].codes
        return Layout(self.network, self.input_bits, tuple(specs), self.pad_error)

    def _synapse(self, layer: Synapse) -> SynapseSpec:
        codes, name = self.codes[layer.source], layer.name
        pad = np.zeros(0, np.int64)
        if isinstance(layer, FloatConv) and layer.pad.size:
            alone = codes.alone
            assert alone is not None  # what is behind a normalised input has its unit
            pad, error = _pad_code(layer, input_scale(self.input_bits) / alone.divisor, codes.bound)
            self.pad_error = max(self.pad_error, error)
        spec = SynapseSpec(layer, codes, pad, self.bits[name], self.exponents.get(name))
        self.synapses[name] = spec
        return spec

    def _neuron(self, layer: FloatRelu) -> NeuronSpec:
        before = self.network[layer.source]
        sources = before.sources if isinstance(before, FloatAdd) else (layer.source,)
        synapses = tuple(self.synapses[s] for s in sources if s in self.synapses)
        for spec in synapses[1:]:
            if self.steps[spec.name] != self.steps[synapses[0].name]:
                raise spec.layer.fail(
                    f"timesteps {self.steps[spec.name]}, its sum with {synapses[0].layer.label!r} has "
                    f"{self.steps[synapses[0].name]}; needs the same"
                )
        steps = self.steps[synapses[0].name]
        unit = self.shared.get(layer.name, layer.name)
        codes = Codes((Segment(unit, 1, self.network.shapes[layer.name][0]),), steps, 2**steps - 1)
        skips = tuple((s, self.codes[s]) for s in sources if s not in self.synapses)
        return NeuronSpec(layer, codes, synapses, skips)

    def _pool(self, layer: FloatPool) -> PoolSpec:
        codes, fire = self.codes[layer.source], False
        if isinstance(layer, AvgPool):
            area = layer.kernel[0] * layer.kernel[1]
            steps = sum_steps(codes.steps, layer.kernel)
            fire = steps > MAX_STEPS or layer.name in self.joined
            if fire:
                codes = replace(codes, bound=2**codes.steps - 1)
            else:
                segments = tuple(replace(s, divisor=s.divisor * area) for s in codes.segments)
                codes = Codes(segments, steps, codes.bound * area)
        return PoolSpec(layer, codes, fire)

    def _join(self, layer: FloatAdd | FloatConcat) -> Codes:
        operands = [self.codes[source] for source in layer.sources]
        steps = {codes.steps for codes in operands}
        if len(steps) > 1:
            raise layer.fail(
                f"joins words of T = {' and '.join(map(str, sorted(steps)))}; give what it reads the same timesteps "
                "(and input_bits)"
            )
        first = operands[0]
        if isinstance(layer, FloatConcat):
            segments = tuple(s for codes in operands for s in codes.segments)
            return Codes(segments, first.steps, max(codes.bound for codes in operands))
        if len(operands) > 2:
            raise layer.fail(
                f"adds {len(operands)} activations that have fired; needs two, or a Conv or Linear among them"
            )
        if first.steps == MAX_STEPS:
            raise layer.fail(f"adds words of {MAX_STEPS} bits, which makes {MAX_STEPS + 1}; use timesteps up to 7")
        alone = [codes.alone for codes in operands]
        if None in alone or (alone[0].unit, alone[0].divisor) != (alone[1].unit, alone[1].divisor):  # type: ignore[union-attr]
            raise layer.fail(
                "adds {!r} and {!r}, whose codes cannot have one unit; put a Conv or Linear on one of them".format(
                    *map(self.network.label, layer.sources)
                )
            )
        return Codes(first.segments, first.steps + 1, sum(codes.bound for codes in operands))


def _shared_units(network: FloatNetwork) -> dict[str, str]:
    """The unit of each neuron that does not have its own: codes that are added need one for all. What then still
    differs is refused where the sum is met."""
    has_fired, units, groups = fired(network), {INPUT: {INPUT}}, list[set[str]]()
    for layer in network.layers:
        read = set[str]().union(*(units.get(source, set()) for source in layer.sources))
        if isinstance(layer, FloatAdd) and has_fired[layer.name]:
            merged = [group for group in groups if group & read]
            groups = [group for group in groups if group not in merged] + [read.union(*merged)]
        units[layer.name] = {layer.name} if isinstance(layer, FloatRelu) else read if has_fired[layer.name] else set()
    order = {name: n for n, name in enumerate(network.shapes)}
    return {name: min(group, key=order.__getitem__) for group in groups for name in group}


def _joined(network: FloatNetwork) -> set[str]:
    """Names of what comes, itself or through pools and upsamplings, to a join that wants words of one length and
    unit."""
    has_fired, found = fired(network), set[str]()
    for layer in reversed(network.layers):
        joins = isinstance(layer, FloatConcat | FloatAdd) and has_fired[layer.name]
        if joins or (isinstance(layer, FloatPool | FloatUpsample) and layer.name in found):
            found |= set(layer.sources)
    return found


def _pad_code(layer: FloatConv, s_in: float, bound: int) -> tuple[np.ndarray, float]:
    """Code of a padded position, and its rounding."""
    ideal = layer.pad / s_in
    code = np.clip(np.rint(ideal), 0, bound).astype(np.int64)
    error = np.abs(code - ideal)
    if error.max() >= 1:
        worst = int(error.argmax())
        raise layer.fail(
            f"zero padding after normalisation is pixel value {layer.pad[worst]:g} of channel {worst}, outside "
            "0..1; use padding 0 or a mean inside 0..1"
        )
    return code, float(error.max())
