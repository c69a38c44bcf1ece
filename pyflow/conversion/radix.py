# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""convert(): a trained float model becomes an integer radix-coded spiking network."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from torch import nn

from pyflow.conversion import fidelity, rounding
from pyflow.conversion.assemble import assemble
from pyflow.conversion.guard import check_function
from pyflow.conversion.images import check_images
from pyflow.conversion.imported import convert_trained, has_integers, refuse_options
from pyflow.conversion.layout import Options, layout
from pyflow.conversion.onnx_file import captured, is_onnx_model, opened
from pyflow.conversion.over_time import check_options, convert_spiking
from pyflow.conversion.quantise import round_scale
from pyflow.conversion.specs import Layout
from pyflow.conversion.torch_blocks import activations, spans
from pyflow.errors import VolleyError
from pyflow.frames import as_array
from pyflow.frontends.plain import is_fake_quantised
from pyflow.frontends.spiking.neurons import is_spiking
from pyflow.frontends.torch_fx import trace
from pyflow.graph import INPUT, Network
from pyflow.model.equalise import absorbed, equalised
from pyflow.model.graph import Affine, FloatNetwork
from pyflow.model.order import spiking_form
from pyflow.operators import Add, RadixNeuron, Readout, Residual, Synapse
from pyflow.shapes import as_maps, check_shape

if TYPE_CHECKING:
    from pyflow.frontends.onnx import OnnxModel

log = logging.getLogger(__name__)
ENCODINGS = ("radix",)
SAMPLES = 1 << 18  # values per layer and batch that calibration looks at
RATE_FRAMES = 256  # of calibration on which the words that are not zero are counted
GREY_SCALE = 1 / 64  # a factor of the input that is no normalisation of [0, 1]
MSE_STEPS = np.linspace(0.3, 1.0, 36)


def convert(
    model: nn.Module | FloatNetwork | OnnxModel | str | os.PathLike[str],
    calibration: np.ndarray,
    encoding: str = "radix",
    timesteps: int | Mapping[str, int] = 4,
    weight_bits: int | Mapping[str, int] | None = None,
    input_bits: int | None = None,
    seed: int = 0,
    *,
    name: str | None = None,
    percentile: float | str = 99.9,
    input_shape: tuple[int, ...] | None = None,
    like: Network | None = None,
    ties: str = "even",
    **over_time: Any,
) -> Network:
    """Convert a trained model to a Network of integers; same arguments, same network.

    model: nn.Module (its eval() behaviour; not changed), a traced FloatNetwork, or the path of an .onnx file.
    calibration: images [N, C, H, W], sequences [N, C, L] or vectors [N, F], a few hundred typical ones: floats in
        [0, 1], bool, or integers 0..255, which are divided by 255. They are not written to.
    timesteps: T, 1..8, of every layer's output, or {layer: T} with an optional "default".
    weight_bits: W, 2..8, likewise; default 4, of a spiking model 8.
    input_bits: T of the input encoder, default `timesteps`. seed: of the sampling of activations.
    percentile: of a layer's positive outputs that becomes its largest code, or "mse" for the smallest squared error.
    name: of the network. input_shape: (C, H, W), (C, L) or (F,), default the model's attribute `input_shape`, else
        that of calibration.
    like: a network of the same layers, whose exponents e are taken. With one folding both then have the same structure:
        the weights of one can be loaded into a design of the other, where its memories are writable.
    ties: of a model whose integers were trained (QONNX, QuantizeLinear, Brevitas) and are imported as they are: "even",
        as they were trained, or "up" where a tie shall go to the larger code.
    over_time: run, steps, readout, time_axis of a model with neurons of snnTorch, SpikingJelly or Norse, which
        convert_spiking() converts; calibration is then its sample.

    Raises VolleyError for unsupported layers, options or images. Warns about all-zero channels.
    Method: radix coding as in E3NE (arXiv 2111.10027); thresholds exact by construction (docs/numerics.md).
    """
    spiking = isinstance(model, nn.Module) and is_spiking(model)
    check_options(over_time, spiking)
    if isinstance(model, nn.Module) and spiking:
        bits = 8 if weight_bits is None else weight_bits
        given = {"timesteps": timesteps != 4, "input_bits": input_bits, "like": like, "percentile": percentile != 99.9}
        if odd := next((key for key, value in given.items() if value), None):
            raise VolleyError(f"{odd}: does not go with a spiking model, whose loop gives the time steps; leave it out")
        return convert_spiking(model, calibration, weight_bits=bits, name=name, **over_time)  # type: ignore[arg-type]
    if isinstance(model, str | os.PathLike):
        model = opened(model)
    if has_integers(model):
        refuse_options(timesteps=timesteps != 4, weight_bits=weight_bits, input_bits=input_bits, like=like)
        return convert_trained(model, calibration, name=name, input_shape=input_shape, ties=ties)
    if ties != "even":
        raise VolleyError("ties: is for models whose integers were trained, which this one's were not; leave it out")
    weight_bits = 4 if weight_bits is None else weight_bits
    if encoding not in ENCODINGS:
        raise VolleyError(f"encoding {encoding!r} is not supported yet; use {', '.join(ENCODINGS)}")
    check_seed(seed)
    if like is not None and not isinstance(like, Network):
        raise VolleyError(f"like: is {type(like).__name__}, needs a pyflow.Network")
    if name is not None and not isinstance(name, str):
        raise VolleyError(f"name: {name!r} is not a string")
    options = Options(timesteps, weight_bits, input_bits, {} if like is None else exponents(like))
    plan, images = prepare(model, calibration, options, name=name, input_shape=input_shape)
    scales = calibrate(plan, images, percentile=percentile, seed=seed)
    integers = rounding.quantised(plan, plan.scales(scales), images)
    network = assemble(plan, scales, name=name, meta={"encoding": encoding, "seed": seed}, integers=integers)
    if like is not None and (difference := first_difference(network, like)):
        raise VolleyError(f"like: network {like.name!r} is of another structure: {difference}")
    network, found = measured(network, plan, scales, images)
    fidelity.warn(found)
    return network


def measured(
    network: Network, plan: Layout, scales: Mapping[str, float], images: np.ndarray
) -> tuple[Network, list[fidelity.Fidelity]]:
    """(`network` with what `images` tell of it in its meta: how many words are not zero, and in the conversion report
    what the integers keep of the float network; the latter)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is odd of the images was said when they came in
        found = fidelity.compared(plan, scales, network, images)
        network = network.with_rates(images[:RATE_FRAMES])
    conversion = {**network.meta["conversion"], "fidelity": fidelity.records(found)}
    return network.with_meta(conversion=conversion), found


def check_seed(seed: object) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise VolleyError(f"seed: {seed!r} is not an integer from 0 on")


def first_difference(network: Network, like: Network) -> str:
    """In what `like` first differs in structure, which is all but the numbers; "" if it does not."""
    if network.input_shape != like.input_shape:
        return f"its input is {like.input_shape}, here it is {network.input_shape}"
    for op, other in zip(network.operators, like.operators, strict=False):
        where = f"layer {op.name!r} ({op.kind})"
        if op.kind != other.kind:
            return f"{where} is {other.name!r} ({other.kind}) there"
        if op.name != other.name:
            return f"{where} is called {other.name!r} there"
        for field in fields(op):
            mine, its = getattr(op, field.name), getattr(other, field.name)
            if isinstance(mine, np.ndarray):
                mine, its = mine.shape, its.shape
            if mine != its:
                return f"{where} has {field.name} {mine}, there it is {its}"
    for ops, where in ((network.operators, "there"), (like.operators, "here")):
        rest = ops[min(len(network.operators), len(like.operators)) :]
        if rest:
            return f"layer {rest[0].name!r} ({rest[0].kind}) is missing {where}"
    return ""


def exponents(network: Network) -> dict[str, int]:
    """e of every convolution and linear layer: of what fires or sums behind it."""
    found: dict[str, int] = {}
    for op in reversed(network.operators):
        if isinstance(op, RadixNeuron | Readout | Residual):
            found[op.inputs[0]] = op.exponent
        elif isinstance(op, Add) and op.name in found:
            found |= dict.fromkeys(op.inputs, found[op.name])
    return {op.name: found[op.name] for op in network.operators if isinstance(op, Synapse)}


def prepare(
    model: nn.Module | FloatNetwork | OnnxModel,
    calibration: np.ndarray,
    options: Options,
    *,
    name: str | None = None,
    input_shape: tuple[int, ...] | None = None,
) -> tuple[Layout, np.ndarray]:
    """(layout, checked calibration images [N, C, H, W])."""
    images = as_array(calibration, "calibration")
    if images.ndim not in (2, 3, 4):
        raise VolleyError(f"calibration: shape {images.shape} is neither [N, C, H, W], [N, C, L] nor [N, F]")
    given = getattr(model, "input_shape", images.shape[1:]) if input_shape is None else input_shape
    shape = model.input_shape if isinstance(model, FloatNetwork) else check_shape(given, "model: input_shape")
    images = check_images(images, shape, "calibration")
    if isinstance(model, FloatNetwork):
        network = model
    elif is_onnx_model(model):
        network = captured(model, images.reshape(len(images), *shape), name=name)
    else:
        module = cast("nn.Module", model)  # trace() refuses everything else
        network = trace(module, shape, name=name)
        check_function(module, network, images.reshape(len(images), *shape))
        if is_fake_quantised(module):
            warnings.warn(
                f"model {network.name!r} has fake quantisers of torch.ao: weights are taken as they round them, "
                "activations are rounded by Volley, to T bits",
                stacklevel=3,
            )
    check_division(network)
    images = as_maps(images)
    return layout(_equalised(spiking_form(network), images), options), images


def _equalised(network: FloatNetwork, images: np.ndarray) -> FloatNetwork:
    """The network with channels of like ranges on a few of the images, in spiking form as before."""
    few = fidelity.some_of(network, images)
    network, found = absorbed(network, spans(network, few))
    network, factors = equalised(network, found)
    for name, factor in factors.items():
        if count := int((factor != 1).sum()):
            log.info("layer %r: %d of %d channels are brought to its range", name, count, len(factor))
    return network


def check_division(network: FloatNetwork) -> None:
    """Warns of a model that divides its input by a number of grey levels: images here are in [0, 1] already."""
    scales: dict[str, np.ndarray] = {INPUT: np.ones(1)}
    for layer in network.layers:
        if isinstance(layer, Affine) and layer.source in scales:
            scales[layer.name] = scales[layer.source].max() * np.abs(layer.scale)
            chained = any(isinstance(reader, Affine) for reader in network.readers(layer.name))
            if not chained and 0 < (most := float(scales[layer.name].max())) <= GREY_SCALE:
                warnings.warn(
                    f"layer {layer.label!r} ({layer.title}): divides the input by {1 / most:.4g}, but images come in "
                    f"[0, 1] (integers are divided by 255 before); divide once: take it out of forward()",
                    stacklevel=3,
                )


def calibrate(plan: Layout, images: np.ndarray, *, percentile: float | str = 99.9, seed: int = 0) -> dict[str, float]:
    """The real value of one code, by unit: of a neuron, or of several that share it.

    images: float32 [N, C, H, W] in [0, 1]. percentile: 0..100, or "mse". Warns if a layer never fires.
    """
    if percentile != "mse" and (not isinstance(percentile, int | float | np.number) or not 0 < percentile <= 100):
        raise VolleyError(f"percentile: {percentile!r} is neither in (0, 100] nor 'mse'")
    samples = activations(plan, images, SAMPLES, seed)
    scales: dict[str, float] = {}
    for spec in plan.neurons:
        if not spec.steps:
            continue
        values, top, unit = samples[spec.key], 2**spec.steps - 1, spec.codes.segments[0].unit
        values = values[values > 0]  # the others are 0 at any scale
        if values.size:
            peak = _mse_peak(values, top) if percentile == "mse" else float(np.percentile(values, float(percentile)))
        else:
            warnings.warn(
                f"layer {spec.label!r}: no output is ever positive on the calibration images",
                stacklevel=3,
            )
            peak = 1.0
        if unit == INPUT and peak > 1.05 * plan.input_scale * top:
            raise VolleyError(
                f"layer {spec.label!r}: reaches {peak:.3g} on the calibration images; it is added to the input, in "
                f"whose unit it ends at {plan.input_scale * top:.3g}; put a Conv or Linear on the input's branch"
            )
        if unit != INPUT:
            scales[unit] = max(scales.get(unit, 0.0), round_scale(peak / top))
        reached = top * (plan.input_scale if unit == INPUT else scales[unit])
        if reached > spec.ceiling * (1 + 1 / top):
            raise VolleyError(
                f"layer {spec.label!r}: clips at {spec.ceiling:g}; it is added to others, in whose unit it ends at "
                f"{reached:.3g}; use a plain ReLU, or clip all of them"
            )
    return scales


def _mse_peak(values: np.ndarray, top: int) -> float:
    """Largest represented value with the smallest squared rounding and clipping error. values: positive."""
    peaks = MSE_STEPS * values.max()
    errors = [((np.clip(np.rint(values / (p / top)), 0, top) * (p / top) - values) ** 2).mean() for p in peaks]
    return float(peaks[int(np.argmin(errors))])
