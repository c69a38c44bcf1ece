# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Layers in torch: the float forward for calibration and the pieces of the fake-quantised one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F

from pyflow.bars import bar
from pyflow.conversion.specs import JoinSpec, Layout, NeuronSpec, PoolSpec, SynapseSpec, UpsampleSpec
from pyflow.graph import INPUT
from pyflow.model.equalise import Span
from pyflow.model.graph import (
    Affine,
    AvgPool,
    FloatAdd,
    FloatConcat,
    FloatConv,
    FloatLayer,
    FloatLinear,
    FloatNetwork,
    FloatPad,
    FloatRelu,
    FloatSquash,
    FloatUpsample,
    MaxPool,
)
from pyflow.shapes import as_maps

NOISE = 1e-9  # of a layer's largest value: what float64 sums differ by where they should not
OUTERMOST = 99.9  # percentile of a channel's values that counts as its largest
SQUASHES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "softmax": lambda x: F.softmax(x, 1),
    "log_softmax": lambda x: F.log_softmax(x, 1),
    "sigmoid": torch.sigmoid,
}


def synapse(spec: SynapseSpec, x: torch.Tensor, weight: torch.Tensor, pad: torch.Tensor | None) -> torch.Tensor:
    """Weighted sum without bias. pad: value of a padded tap per channel, [Ci] (None is 0)."""
    layer = spec.layer
    if not isinstance(layer, FloatConv):
        return F.linear(x.flatten(1), weight)[:, :, None, None]
    return _conv(layer, x, weight, pad)


def _conv(layer: FloatConv, x: torch.Tensor, weight: torch.Tensor, pad: torch.Tensor | None) -> torch.Tensor:
    groups = x.shape[1] if layer.depthwise else 1
    if pad is None:
        return F.conv2d(x, weight, None, layer.stride, layer.padding, 1, groups)
    # Zero padding around x - pad, and the constant put back: exact for integers.
    everywhere = pad[None, :, None, None].expand(-1, -1, *weight.shape[2:])
    constant = F.conv2d(everywhere, weight, groups=groups).flatten()
    return F.conv2d(x - pad[:, None, None], weight, constant, layer.stride, layer.padding, 1, groups)


def pool(spec: PoolSpec, x: torch.Tensor) -> torch.Tensor:
    """Maximum, or sum (not mean) over the kernel."""
    p = spec.layer
    if isinstance(p, MaxPool):
        return F.max_pool2d(x, p.kernel, p.stride, p.padding)
    return F.avg_pool2d(x, p.kernel, p.stride, p.padding, divisor_override=1)


def upsample(layer: FloatUpsample, x: torch.Tensor) -> torch.Tensor:
    """Rows and pixels repeated."""
    return x.repeat_interleave(layer.scale[0], 2).repeat_interleave(layer.scale[1], 3)


def join(layer: FloatLayer, operands: list[torch.Tensor]) -> torch.Tensor:
    """Sum, or concatenation of channels."""
    return torch.cat(operands, 1) if isinstance(layer, FloatConcat) else functools.reduce(torch.add, operands)


def float_values(
    network: FloatNetwork, images: np.ndarray, dtype: torch.dtype = torch.float64
) -> dict[str, torch.Tensor]:
    """Every layer's output of a float network, computed in `dtype`: [N, C, H, W] by its name.

    images: float [N, C, H, W] or [N, C, L]."""
    values = {INPUT: as_maps(torch.from_numpy(np.ascontiguousarray(images)).to(dtype))}
    for layer in network.layers:
        first, *others = (values[source] for source in layer.sources)
        values[layer.name] = _float_layer(layer, first, others)
    return values


def _float_layer(layer: FloatLayer, x: torch.Tensor, others: list[torch.Tensor]) -> torch.Tensor:
    match layer:
        case FloatConv():
            weight, bias, pad = (torch.tensor(a).to(x) for a in (layer.weight, layer.bias, layer.pad))
            return _conv(layer, x, weight, pad if layer.pad.size else None) + bias[:, None, None]
        case FloatLinear():
            weight, bias = (torch.tensor(a).to(x) for a in (layer.weight, layer.bias))
            return F.linear(x.flatten(1), weight, bias)[:, :, None, None]
        case FloatRelu():
            return torch.clamp(x, 0, layer.ceiling)
        case FloatPad():
            return F.pad(x, (layer.before[1], layer.after[1], layer.before[0], layer.after[0]))
        case FloatSquash():
            return SQUASHES[layer.what](x.flatten(1))[:, :, None, None]
        case MaxPool():
            return F.max_pool2d(x, layer.kernel, layer.stride, layer.padding)
        case AvgPool():
            return F.avg_pool2d(x, layer.kernel, layer.stride, layer.padding)
        case FloatUpsample():
            return upsample(layer, x)
        case Affine():
            scale, shift = (torch.tensor(a).to(x)[:, None, None] for a in (layer.scale, layer.shift))
            whole = x if len(layer.scale) == x.shape[1] else x.flatten(1)[:, :, None, None]
            return whole * scale + shift
        case FloatAdd() | FloatConcat():
            return join(layer, [x, *others])
    return x.flatten(1)[:, :, None, None]  # Flatten


def spans(network: FloatNetwork, images: np.ndarray) -> dict[str, Span]:
    """What reaches every ReLU of a float network, channel by channel. images: float [N, C, H, W] or [N, C, L]."""
    values, found = float_values(network, images), dict[str, Span]()
    for layer in network.layers:
        if isinstance(layer, FloatRelu):
            rows = values[layer.source].transpose(0, 1).flatten(1).numpy()
            low, high = rows.min(1), np.array([_outermost(row) for row in rows])
            steady = np.ptp(rows, 1) <= NOISE * np.abs(rows).max()
            found[layer.name] = Span(low, np.where(steady, np.maximum(low, 0), high))
    return found


def _outermost(row: np.ndarray) -> float:
    """The largest positive value but for outliers; of a channel that never fires, how far it moves."""
    some = row[row > 0]
    return float(np.percentile(some, OUTERMOST) if some.size else np.ptp(row))


def encode(plan: Layout, x: torch.Tensor) -> torch.Tensor:
    """Float images in [0, 1] -> input codes, as the radix encoder makes them (kept in x's dtype)."""
    t = plan.input_bits
    pixels = torch.floor(x.double() * 255 + 0.5).to(torch.int64)
    if t < 8:
        pixels = torch.clamp((pixels + (1 << (7 - t))) >> (8 - t), max=2**t - 1)
    return pixels.to(x.dtype)


def batches(x: np.ndarray, size: int, title: str) -> Iterator[torch.Tensor]:
    """Batches of x as tensors of their own, since a user's model may write to them; with a progress bar (quiet unless
    stderr is a terminal and it takes a while)."""
    for start in bar(title, "batch", over=range(0, len(x), size)):
        yield torch.from_numpy(np.array(x[start : start + size]))


@torch.no_grad()
def activations(plan: Layout, images: np.ndarray, per_batch: int, seed: int) -> dict[str, np.ndarray]:
    """Samples of every ReLU's output in the float network on encoded images: float64 vectors by the neuron's key.

    images: float [N, C, H, W] in [0, 1]. per_batch: at most so many values of one layer from 256 images.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, list[np.ndarray]] = {spec.key: [] for spec in plan.neurons if spec.steps}
    for batch in batches(images, 256, "calibrate"):
        for key, outputs in _real(plan, encode(plan, batch.double()) * plan.input_scale):
            values = outputs.flatten().numpy()
            found[key].append(values if values.size <= per_batch else rng.choice(values, per_batch, replace=False))
    return {key: np.concatenate(values) for key, values in found.items()}


def _real(plan: Layout, images: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    """(key, output) of every neuron in float64."""
    values = {INPUT: images}
    for spec in plan.specs:
        operands = [values[source] for source in spec.layer.sources if source in values]
        if isinstance(spec, SynapseSpec):
            x = synapse(spec, operands[0], torch.tensor(spec.weight), padding(plan, spec))
            values[spec.name] = x + torch.tensor(spec.bias)[:, None, None]
        elif isinstance(spec, PoolSpec):
            x = pool(spec, operands[0])
            values[spec.name] = x if isinstance(spec.layer, MaxPool) else x / spec.area
        elif isinstance(spec, UpsampleSpec):
            values[spec.name] = upsample(spec.layer, operands[0])
        elif isinstance(spec, JoinSpec):
            values[spec.name] = join(spec.layer, operands)
        elif isinstance(spec, NeuronSpec) and spec.steps:
            driving = *(part.name for part in spec.synapses), *(skip for skip, _ in spec.skips)
            potential = functools.reduce(torch.add, map(values.__getitem__, driving))
            values[spec.name] = torch.clamp(potential, 0, spec.ceiling)
            yield spec.key, values[spec.name]


def padding(plan: Layout, spec: SynapseSpec) -> torch.Tensor | None:
    """Real value of the padding codes."""
    if not spec.pad_code.size:
        return None
    alone = spec.codes.alone
    assert alone is not None
    return torch.from_numpy(spec.pad_code * plan.input_scale / alone.divisor)
