# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The integer Network of a layout and its scales."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyflow import operators as ops
from pyflow.conversion.quantise import Quantised
from pyflow.conversion.specs import JoinSpec, Layout, NeuronSpec, PoolSpec, SynapseSpec, UpsampleSpec
from pyflow.graph import INPUT, Network
from pyflow.model.graph import AvgPool, FloatConcat, FloatConv

log = logging.getLogger(__name__)


def assemble(
    plan: Layout,
    scales: Mapping[str, float],
    ratios: Mapping[str, np.ndarray] | None = None,
    *,
    name: str | None = None,
    meta: Mapping[str, Any] | None = None,
    integers: Mapping[str, Quantised] | None = None,
) -> Network:
    """The integer Network. scales: real value of one code, by unit; ratios: clipping by neuron, None searches.
    integers: by neuron, where they are known (see rounding.py); else weights are rounded to the nearest.

    Warns about all-zero channels. `meta["conversion"]` is the report: scales, clipping, rounding.
    """
    return _Assembly(plan, plan.scales(scales), ratios, integers).network(name, meta)


class _Assembly:
    def __init__(
        self,
        plan: Layout,
        scales: Mapping[str, float],
        ratios: Mapping[str, np.ndarray] | None,
        integers: Mapping[str, Quantised] | None = None,
    ) -> None:
        self.plan, self.scales = plan, scales
        self.integers = integers or {
            spec.key: spec.quantised(scales, None if ratios is None else ratios[spec.key]) for spec in plan.neurons
        }
        self.driven = plan.driven
        self.operators: list[ops.Operator] = [ops.Encode("encode", (INPUT,), plan.input_bits)]
        self.taken = {INPUT, "encode", *(layer.name for layer in plan.network.layers)}
        self.tensors = {INPUT: "encode"}  # of the layer's spikes or potentials
        self.report: list[dict[str, Any]] = []
        self.logit_scale = 1.0

    def network(self, name: str | None, meta: Mapping[str, Any] | None) -> Network:
        plan = self.plan
        for spec in plan.specs:
            if isinstance(spec, SynapseSpec):
                self._synapse(spec)
            elif isinstance(spec, NeuronSpec):
                self._neuron(spec)
            elif isinstance(spec, PoolSpec):
                self._pool(spec)
            elif isinstance(spec, UpsampleSpec):
                source = self.tensors[spec.layer.source]
                self.tensors[spec.name] = self._append(ops.Upsample, spec.name, source, scale=spec.layer.scale)
            elif isinstance(spec, JoinSpec):
                kind = ops.Concat if isinstance(spec.layer, FloatConcat) else ops.Add
                self.tensors[spec.name] = self._chained(kind, spec.name, [self.tensors[s] for s in spec.layer.sources])
        conversion = {"input_bits": plan.input_bits, "pad_code_error": plan.pad_error, "layers": self.report}
        left_out = {"left_out": plan.network.left_out} if plan.network.left_out else {}
        if plan.pad_error:
            log.info("padding codes are rounded by up to %.3f codes", plan.pad_error)
        return Network(
            name or plan.network.name,
            plan.network.input_shape,
            tuple(self.operators),
            self.logit_scale,
            meta={**(meta or {}), **left_out, "conversion": conversion},
        )

    def _append(self, kind: type[ops.Operator], name: str, *inputs: str, **values: Any) -> str:
        self.operators.append(kind(name, inputs, **values))
        return name

    def _unique(self, wish: str) -> str:
        while wish in self.taken:
            wish += "_"
        self.taken.add(wish)
        return wish

    def _chained(self, kind: type[ops.Operator], name: str, tensors: Sequence[str]) -> str:
        """All of `tensors` joined, two by two; the last is called `name`."""
        joined = tensors[0]
        for n, tensor in enumerate(tensors[1:], 2):
            own = name if n == len(tensors) else self._unique(f"{name}_{n}")
            joined = self._append(kind, own, joined, tensor)
        return joined

    def _synapse(self, spec: SynapseSpec) -> None:
        layer, neuron = spec.layer, self.driven[spec.name]
        place, integers = neuron.place(spec.name), self.integers[neuron.key]
        weight, source = integers.weights[place], self.tensors[layer.source]
        if isinstance(layer, FloatConv):
            self._append(
                ops.DepthwiseConv if layer.depthwise else ops.Conv,
                spec.name,
                source,
                weight=weight,
                kernel=layer.weight.shape[2:],
                stride=layer.stride,
                padding=layer.padding,
                pad_code=spec.pad_code,
                weight_bits=spec.bits,
            )
        else:
            self._append(ops.Linear, spec.name, source, weight=weight[:, :, None, None], weight_bits=spec.bits)
        self.tensors[spec.name] = spec.name
        self.report.append(_report(spec, neuron, integers, place, self.scales))

    def _neuron(self, spec: NeuronSpec) -> None:
        q = self.integers[spec.key]
        if q.theta is None:
            self._append(ops.Readout, self._unique(f"{spec.key}_readout"), spec.key, bias=q.bias, exponent=q.exponent)
            self.logit_scale = spec.synapses[0].unit(self.scales) * float(q.scales[0][0]) / 2**q.exponent
            return
        # The sum has the name of the layer that it is, whatever its last operator adds.
        potentials = [part.name for part in spec.synapses]
        skips = list(zip(spec.skips, q.skips, strict=True))
        potential, exponent = potentials[0], q.exponent
        if len(potentials) > 1:
            potential = self._chained(ops.Add, self._unique(f"{spec.key}_sum") if skips else spec.key, potentials)
        for n, ((skip, _), multiplier) in enumerate(skips, 1):
            own = spec.key if n == len(skips) else self._unique(f"{spec.key}_{n}")
            values = {"multiplier": multiplier, "exponent": exponent}
            potential, exponent = self._append(ops.Residual, own, potential, self.tensors[skip], **values), 0
        name = self._unique(f"{spec.key}_neuron")
        values = {"theta": q.theta, "bias": q.bias, "exponent": exponent, "steps": spec.steps}
        self.tensors[spec.name] = self._append(ops.RadixNeuron, name, potential, **values)

    def _pool(self, spec: PoolSpec) -> None:
        pool = spec.layer
        window = {"kernel": pool.kernel, "stride": pool.stride, "padding": pool.padding}
        kind = ops.SumPool if isinstance(pool, AvgPool) else ops.MaxPool
        self.tensors[spec.name] = self._append(kind, spec.name, self.tensors[pool.source], **window)
        if spec.fire:
            ones = np.ones(self.plan.network.shapes[spec.name][0], np.int64)
            values = {"theta": spec.area * ones, "bias": spec.area // 2 * ones, "steps": spec.codes.steps}
            name = self._unique(f"{spec.name}_neuron")
            self.tensors[spec.name] = self._append(ops.RadixNeuron, name, spec.name, **values)


def _report(
    spec: SynapseSpec, neuron: NeuronSpec, q: Quantised, place: int, scales: Mapping[str, float]
) -> dict[str, Any]:
    part = spec.part(scales)
    rows = part.weight.reshape(len(part.weight), -1)
    zero = np.flatnonzero(~rows.any(1))
    if zero.size and not neuron.skips and len(neuron.synapses) == 1:
        shown = ", ".join(map(str, zero[:8])) + (" …" if zero.size > 8 else "")
        warnings.warn(
            f"layer {spec.layer.label!r}: {zero.size} of {len(rows)} channels have only zero weights "
            f"({shown}); each is a constant and could be pruned",
            stacklevel=5,
        )
    real = q.weights[place].reshape(len(rows), -1) * q.scales[place][:, None]
    power = float((rows**2).sum())
    return {
        "name": spec.name,
        "weight_bits": spec.bits,
        "steps": neuron.steps,
        "input_scale": part.s_in,
        "output_scale": scales[neuron.codes.segments[0].unit] if neuron.steps else None,
        "exponent": q.exponent,
        "theta_min": None if q.theta is None else int(q.theta.min()),
        "theta_max": None if q.theta is None else int(q.theta.max()),
        "weight_error": float(np.sqrt(((real - rows) ** 2).sum() / power)) if power else 0.0,
        "clip_ratio_min": float(q.ratio.min()),
        "zero_channels": int(zero.size),
    }
