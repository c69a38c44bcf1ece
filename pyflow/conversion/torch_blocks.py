# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Blocks in torch: the float forward for calibration and the pieces of the fake-quantised one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from pyflow.bars import bar
from pyflow.conversion.layout import BlockSpec, Layout, PoolSpec
from pyflow.frontends.float_graph import FloatConv, MaxPool


def synapse(spec: BlockSpec, x: torch.Tensor, weight: torch.Tensor, pad: torch.Tensor | None) -> torch.Tensor:
    """Weighted sum without bias. pad: value of a padded tap per channel, [Ci] (None is 0)."""
    layer = spec.block.synapse
    if not isinstance(layer, FloatConv):
        return F.linear(x.flatten(1), weight)[:, :, None, None]
    if pad is None:
        return F.conv2d(x, weight, None, layer.stride, layer.padding)
    # Zero padding around x - pad, and the constant put back: exact for integers.
    constant = (weight * pad[:, None, None]).sum((1, 2, 3))
    return F.conv2d(x - pad[:, None, None], weight, constant, layer.stride, layer.padding)


def pool(spec: PoolSpec, x: torch.Tensor) -> torch.Tensor:
    """Maximum, or sum (not mean) over the kernel."""
    p = spec.pool
    if isinstance(p, MaxPool):
        return F.max_pool2d(x, p.kernel, p.stride, p.padding)
    return F.avg_pool2d(x, p.kernel, p.stride, p.padding, divisor_override=1)


def encode(plan: Layout, x: torch.Tensor) -> torch.Tensor:
    """Float images in [0, 1] -> input codes, as the radix encoder makes them (kept in x's dtype)."""
    t = plan.input_bits
    pixels = torch.floor(x.double() * 255 + 0.5).to(torch.int64)
    if t < 8:
        pixels = torch.clamp((pixels + (1 << (7 - t))) >> (8 - t), max=2**t - 1)
    return pixels.to(x.dtype)


def batches(x: np.ndarray, size: int, title: str) -> Iterator[torch.Tensor]:
    """Batches of x as tensors, with a progress bar (quiet unless stderr is a terminal and it takes a while)."""
    for start in bar(title, "batch", over=range(0, len(x), size)):
        yield torch.from_numpy(np.ascontiguousarray(x[start : start + size]))


@torch.no_grad()
def activations(plan: Layout, images: np.ndarray, per_batch: int, seed: int) -> list[np.ndarray]:
    """Samples of every ReLU's output in the float network on encoded images: one float64 vector per firing block.

    images: float [N, C, H, W] in [0, 1]. per_batch: at most so many values of one layer from 256 images.
    """
    rng = np.random.default_rng(seed)
    found: list[list[np.ndarray]] = [[] for spec in plan.specs if spec.steps]
    for batch in batches(images, 256, "calibrate"):
        x = encode(plan, batch.double()) * plan.input_scale
        x = _real_pools(plan.front, x)
        for i, spec in enumerate(plan.specs):
            if not spec.steps:
                break
            pad = torch.from_numpy(spec.pad_code * plan.input_scale / spec.divisor) if spec.pad_code.size else None
            x = synapse(spec, x, torch.tensor(spec.weight), pad) + torch.tensor(spec.bias)[:, None, None]
            x = torch.relu(x)
            values = x.flatten().numpy()
            found[i].append(values if values.size <= per_batch else rng.choice(values, per_batch, replace=False))
            x = _real_pools(spec.pools, x)
    return [np.concatenate(f) for f in found]


def _real_pools(pools: Sequence[PoolSpec], x: torch.Tensor) -> torch.Tensor:
    for p in pools:
        x = pool(p, x)
        if not isinstance(p.pool, MaxPool):
            x = x / (p.pool.kernel[0] * p.pool.kernel[1])
    return x
