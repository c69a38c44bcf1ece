# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What conversion and fine-tuning share: options, the quantised shape of every block, and assembly of the
integer Network from real weights and activation scales."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pyflow import operators as ops
from pyflow.conversion.quantise import QuantSynapse, quantise_readout, quantise_synapse
from pyflow.errors import VolleyError
from pyflow.frontends.blocks import Block, blocks
from pyflow.frontends.float_graph import AvgPool, FloatConv, FloatNetwork, FloatPool
from pyflow.graph import INPUT, Network

log = logging.getLogger(__name__)
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


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """A pool on codes. fire: an averaging sum too wide for 8 bits is fired back to `steps` bits."""

    pool: FloatPool
    fire: bool
    steps: int  # of its output
    bound: int


@dataclass(frozen=True, slots=True, eq=False)
class BlockSpec:
    """One block in integers, before its weights are known.

    weight, bias: real, input normalisation folded in. divisor: s_in = (previous scale) / divisor.
    bound_in: largest input code. pad_code: int64 [Ci], or empty where padding is code 0. steps: T of its
    output (0: readout). bits: W. exponent: e, where it is given.
    """

    block: Block
    weight: np.ndarray
    bias: np.ndarray
    divisor: int
    bound_in: int
    pad_code: np.ndarray
    steps: int
    bits: int
    pools: tuple[PoolSpec, ...]
    exponent: int | None = None

    @property
    def name(self) -> str:
        return self.block.synapse.name


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The whole network in integers, before its weights are known. input_scale: s_in of the encoder."""

    network: FloatNetwork
    input_bits: int
    front: tuple[PoolSpec, ...]
    specs: tuple[BlockSpec, ...]
    pad_error: float  # largest rounding of a padding code, in codes

    @property
    def input_scale(self) -> float:
        return 2.0 ** (8 - self.input_bits) / 255

    def input_scales(self, scales: Sequence[float]) -> list[float]:
        """s_in of every block. scales: s_out of every block that fires."""
        return [s / spec.divisor for s, spec in zip((self.input_scale, *scales), self.specs, strict=True)]

    def with_weights(self, weights: Sequence[tuple[np.ndarray, np.ndarray]]) -> Layout:
        """The same layout around other (weight, bias) pairs."""
        specs = tuple(replace(s, weight=w, bias=b) for s, (w, b) in zip(self.specs, weights, strict=True))
        return replace(self, specs=specs)


def _option(value: int | Mapping[str, int], what: str, low: int, high: int, layers: Sequence[Block]) -> list[int]:
    """One number per layer, checked."""
    names = [b.synapse.name for b in layers]
    if isinstance(value, Mapping):
        labels = {b.synapse.label: b.synapse.name for b in layers}
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
    """Choose T, W and widths of every tensor. Raises VolleyError for illegal options or orders of layers."""
    front, body = blocks(network)
    steps = _option(options.timesteps, "timesteps", 1, MAX_STEPS, body)
    bits = _option(options.weight_bits, "weight_bits", 2, 8, body)
    default = options.timesteps.get("default", 4) if isinstance(options.timesteps, Mapping) else options.timesteps
    given = default if options.input_bits is None else options.input_bits
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or not 1 <= given <= MAX_STEPS:
        raise VolleyError(f"input_bits: {given!r} is outside 1..{MAX_STEPS}")
    t = int(given)
    front_specs, divisor, bound = _pools(front, t, 2**t - 1)
    specs, pad_error = [], 0.0
    scale0 = 2.0 ** (8 - t) / 255
    for i, block in enumerate(body):
        weight, bias, pad = block.synapse.weight, block.synapse.bias, np.zeros(0, np.int64)
        if i == 0:
            weight, bias = _normalised(network, block)
            pad, pad_error = _pad_code(network, block, scale0 / divisor, bound)
        readout = i == len(body) - 1
        pools, next_divisor, next_bound = _pools(block.pools, steps[i], 2 ** steps[i] - 1)
        e = options.exponents.get(block.synapse.name)
        specs.append(BlockSpec(block, weight, bias, divisor, bound, pad, 0 if readout else steps[i], bits[i], pools, e))
        divisor, bound = next_divisor, next_bound
    return Layout(network, t, front_specs, tuple(specs), pad_error)


def _pools(pools: Sequence[FloatPool], steps: int, bound: int) -> tuple[tuple[PoolSpec, ...], int, int]:
    """(specs, divisor of the scale, largest code) after these pools."""
    out, divisor = [], 1
    for pool in pools:
        fire = False
        if isinstance(pool, AvgPool):
            area = pool.kernel[0] * pool.kernel[1]
            fire = (bound * area).bit_length() > MAX_STEPS
            if fire:
                bound = 2**steps - 1
            else:
                bound, divisor = bound * area, divisor * area
                steps = bound.bit_length()
        out.append(PoolSpec(pool, fire, steps, bound))
    return tuple(out), divisor, bound


def _normalised(network: FloatNetwork, block: Block) -> tuple[np.ndarray, np.ndarray]:
    """First layer acting on pixels: (x - mean) / std folded into its weight and bias."""
    weight, bias = block.synapse.weight, block.synapse.bias
    mean, std = network.mean, network.std
    if isinstance(block.synapse, FloatConv):
        weight = weight / std[None, :, None, None]
        return weight, bias - np.einsum("oikl,i->o", weight, mean)
    area = weight.shape[1] // len(mean)  # columns in C,H,W order
    weight = weight / np.repeat(std, area)
    return weight, bias - weight @ np.repeat(mean, area)


def _pad_code(network: FloatNetwork, block: Block, s_in: float, bound: int) -> tuple[np.ndarray, float]:
    """Code of a padded tap: the pixel value that normalises to 0. Empty where that is code 0 anyway."""
    synapse = block.synapse
    if not isinstance(synapse, FloatConv) or not any(synapse.padding) or not np.any(network.mean):
        return np.zeros(0, np.int64), 0.0
    ideal = network.mean / s_in
    code = np.clip(np.rint(ideal), 0, bound).astype(np.int64)
    error = np.abs(code - ideal)
    if error.max() >= 1:
        worst = int(error.argmax())
        raise synapse.fail(
            f"zero padding after normalisation is pixel value {network.mean[worst]:g} of channel {worst}, outside "
            "0..1; use padding 0 or a mean inside 0..1"
        )
    return code, float(error.max())


def quantise(spec: BlockSpec, s_in: float, s_out: float | None, ratio: np.ndarray | None = None) -> QuantSynapse:
    """Integers of one block. s_out: None for the readout."""
    common: dict[str, Any] = {
        "s_in": s_in,
        "bound_in": spec.bound_in,
        "bits": spec.bits,
        "ratio": ratio,
        "name": spec.block.synapse.label,
        "exponent": spec.exponent,
    }
    if s_out is None:
        return quantise_readout(spec.weight, spec.bias, **common)
    return quantise_synapse(spec.weight, spec.bias, s_out=s_out, steps_out=spec.steps, **common)


def assemble(
    plan: Layout,
    scales: Sequence[float],
    ratios: Sequence[np.ndarray] | None = None,
    *,
    name: str | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Network:
    """The integer Network. scales: s_out of every block that fires; ratios: clipping per block, None searches.

    Warns about all-zero channels. `meta["conversion"]` is the report: scales, clipping, rounding.
    """
    operators: list[ops.Operator] = [ops.Encode("encode", (INPUT,), plan.input_bits)]
    names = {INPUT, "encode", *(x.name for x in plan.network.layers)}

    def unique(wish: str) -> str:
        while wish in names:
            wish += "_"
        names.add(wish)
        return wish

    def append(kind: type[ops.Operator], op_name: str, **values: Any) -> None:
        operators.append(kind(op_name, (operators[-1].name,), **values))

    def append_pools(pools: Sequence[PoolSpec]) -> None:
        for p in pools:
            window = {"kernel": p.pool.kernel, "stride": p.pool.stride, "padding": p.pool.padding}
            append(ops.SumPool if isinstance(p.pool, AvgPool) else ops.MaxPool, p.pool.name, **window)
            if p.fire:
                area = p.pool.kernel[0] * p.pool.kernel[1]
                channels = np.ones(_channels(plan, p), np.int64)
                append(
                    ops.RadixNeuron,
                    unique(f"{p.pool.name}_neuron"),
                    theta=area * channels,
                    bias=area // 2 * channels,
                    steps=p.steps,
                )

    append_pools(plan.front)
    report: list[dict[str, Any]] = []
    logit_scale = 1.0
    for i, (spec, s_in) in enumerate(zip(plan.specs, plan.input_scales(scales), strict=True)):
        s_out = scales[i] if spec.steps else None
        q = quantise(spec, s_in, s_out, None if ratios is None else ratios[i])
        synapse = spec.block.synapse
        common: dict[str, Any] = {"weight_bits": spec.bits}
        if isinstance(synapse, FloatConv):
            append(
                ops.Conv,
                spec.name,
                weight=q.weight,
                kernel=synapse.weight.shape[2:],
                stride=synapse.stride,
                padding=synapse.padding,
                pad_code=spec.pad_code,
                **common,
            )
        else:
            append(ops.Linear, spec.name, weight=q.weight[:, :, None, None], **common)
        if q.theta is None:
            append(ops.Readout, unique(f"{spec.name}_readout"), bias=q.bias, exponent=q.exponent)
            logit_scale = s_in * float(q.scale[0]) / 2**q.exponent
        else:
            append(
                ops.RadixNeuron,
                unique(f"{spec.name}_neuron"),
                theta=q.theta,
                bias=q.bias,
                exponent=q.exponent,
                steps=spec.steps,
            )
        append_pools(spec.pools)
        report.append(_report(spec, q, s_in, s_out))
    conversion = {"input_bits": plan.input_bits, "pad_code_error": plan.pad_error, "layers": report}
    if plan.pad_error:
        log.info("padding code of %s is rounded by %.3f codes", plan.specs[0].name, plan.pad_error)
    return Network(
        name or plan.network.name,
        plan.network.input_shape,
        tuple(operators),
        logit_scale,
        meta={**(meta or {}), "conversion": conversion},
    )


def _channels(plan: Layout, pool: PoolSpec) -> int:
    """Channels that reach a pool."""
    channels = plan.network.input_shape[0]
    for spec in plan.specs:
        if any(p is pool for p in plan.front):
            break
        channels = len(spec.bias)
        if any(p is pool for p in spec.pools):
            break
    return channels


def _report(spec: BlockSpec, q: QuantSynapse, s_in: float, s_out: float | None) -> dict[str, Any]:
    rows = spec.weight.reshape(len(spec.weight), -1)
    zero = np.flatnonzero(~rows.any(1))
    if zero.size:
        shown = ", ".join(map(str, zero[:8])) + (" …" if zero.size > 8 else "")
        warnings.warn(
            f"layer {spec.block.synapse.label!r}: {zero.size} of {len(rows)} channels have only zero weights "
            f"({shown}); each is a constant and could be pruned",
            stacklevel=4,
        )
    real = q.weight.reshape(len(rows), -1) * q.scale[:, None]
    power = float((rows**2).sum())
    return {
        "name": spec.name,
        "weight_bits": spec.bits,
        "steps": spec.steps,
        "input_scale": s_in,
        "output_scale": s_out,
        "exponent": q.exponent,
        "theta_min": None if q.theta is None else int(q.theta.min()),
        "theta_max": None if q.theta is None else int(q.theta.max()),
        "weight_error": float(np.sqrt(((real - rows) ** 2).sum() / power)) if power else 0.0,
        "clip_ratio_min": float(q.ratio.min()),
        "zero_channels": int(zero.size),
    }
