# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Rounds the weights of a network on calibration images, layer by layer, so that its potentials change little.

A layer sees what the integers before it give, not what the float network gave. Its weights are first moved to where
they make the best of that, then rounded one column after the other: what rounding one changes in the sums is taken back
by those that are still to be rounded, as far as their inputs go together. What is left on average goes into the bias.

Method: GPTQ (arXiv 2210.17323), which is optimal brain surgeon (Hassibi and Stork 1993) with a fixed order; bias
correction as in Nagel et al. 2019 (arXiv 1906.04721).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from pyflow.conversion.fidelity import some_of
from pyflow.conversion.quantise import Quantised
from pyflow.conversion.specs import JoinSpec, Layout, NeuronSpec, PoolSpec, Spec, SynapseSpec, UpsampleSpec
from pyflow.conversion.torch_blocks import encode, join, padding, pool, synapse, upsample
from pyflow.graph import INPUT
from pyflow.model.graph import FloatConv, MaxPool

PRODUCTS = 1 << 31  # for the moments of a layer, about
BLOCK = 128  # columns
FEWEST, MOST = 32, 1024  # images
VALUES = 1 << 23  # of all layers on all images, where that is not fewer than FEWEST
DAMPING = 0.01  # of the mean variance, added to each: directions that the sample hardly shows

Tensors = dict[str, torch.Tensor]  # float64 [N, C, H, W], by the name of the layer that makes them


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Of what the weights of a layer are multiplied with, in real values; G is 1, or of a depthwise layer the channels.

    real, coded: float64 [G, n], means in the float network and in the integers. variance: float64 [G, n, n], of the
    coded ones. missing: float64 [G, n, n], covariance of what the codes lack (real less coded) with the codes.
    """

    real: np.ndarray
    coded: np.ndarray
    variance: np.ndarray
    missing: np.ndarray

    def rounded(self, rows: np.ndarray, scale: np.ndarray, limit: int) -> np.ndarray:
        """Integers within +-limit for weights [Co, n], in units of scale [Co]."""
        groups, n = self.real.shape
        spread = self.variance.diagonal(axis1=1, axis2=2)
        damped = self.variance + (DAMPING * spread.mean(1) + 1e-12)[:, None, None] * np.eye(n)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(torch.from_numpy(damped))).numpy()
        weights = (rows / scale[:, None]).reshape(groups, -1, n)
        weights = weights + weights @ self.missing @ inverse
        order = np.argsort(-spread, axis=1, kind="stable")  # the most driven first: the others take back what is lost
        group = np.arange(groups)[:, None, None]
        ordered = torch.from_numpy(inverse[group, order[:, :, None], order[:, None, :]])
        upper = torch.linalg.cholesky(ordered, upper=True).numpy()
        left = np.take_along_axis(weights, order[:, None, :], 2)
        codes = np.empty_like(left)
        for start in range(0, n, BLOCK):  # what a block loses reaches the columns behind it in one product
            end = min(n, start + BLOCK)
            lost = np.empty((*left.shape[:2], end - start))
            for j in range(start, end):
                codes[:, :, j] = np.clip(np.rint(left[:, :, j]), -limit, limit)
                lost[:, :, j - start] = (left[:, :, j] - codes[:, :, j]) / upper[:, j, j][:, None]
                left[:, :, j + 1 : end] -= lost[:, :, j - start, None] * upper[:, None, j, j + 1 : end]
            left[:, :, end:] -= lost @ upper[:, start:end, end:]
        found = np.empty_like(codes)
        np.put_along_axis(found, np.broadcast_to(order[:, None, :], codes.shape), codes, 2)
        integers: np.ndarray = found.reshape(rows.shape)
        return integers

    def shift(self, rows: np.ndarray, rounded: np.ndarray) -> np.ndarray:
        """float64 [Co]: by how much the potentials fall on average with the weights `rounded` in the place of
        `rows`."""
        groups, n = self.real.shape
        before, after = (w.reshape(groups, -1, n) for w in (rows, rounded))
        means = np.einsum("gon,gn->go", before, self.real) - np.einsum("gon,gn->go", after, self.coded)
        return np.asarray(means.ravel())


@torch.no_grad()
def quantised(plan: Layout, scales: Mapping[str, float], images: np.ndarray) -> dict[str, Quantised]:
    """The integers of every neuron and of the readout, by key. scales: by unit, as Layout.scales() gives them;
    images: float [N, C, H, W] in [0, 1]."""
    few = some_of(plan.network, images, fewest=FEWEST, most=MOST, values=VALUES)
    pixels = encode(plan, torch.from_numpy(few).double()) * plan.input_scale
    real: Tensors = {INPUT: pixels}
    coded: Tensors = {INPUT: pixels}
    found: dict[str, Quantised] = {}
    for spec in plan.specs:
        if isinstance(spec, SynapseSpec):
            x = synapse(spec, real[spec.layer.source], torch.tensor(spec.weight), padding(plan, spec))
            real[spec.name] = x + torch.tensor(spec.bias)[:, None, None]
        elif isinstance(spec, NeuronSpec):
            known = {
                part.name: _moments(plan, part, scales, real[part.layer.source], coded[part.layer.source])
                for part in spec.synapses
            }
            found[spec.key] = integers = spec.quantised(scales, None, known)
            if spec.steps:
                driving = *(part.name for part in spec.synapses), *(skip for skip, _ in spec.skips)
                potential = functools.reduce(torch.add, map(real.__getitem__, driving))
                real[spec.name] = torch.clamp(potential, 0, spec.ceiling)
                coded[spec.name] = _fired(plan, spec, scales, integers, coded)
        else:
            for values in (real, coded):
                values[spec.name] = _passed(spec, values)
    return found


def _passed(spec: Spec, values: Tensors) -> torch.Tensor:
    operands = [values[source] for source in spec.layer.sources]
    if isinstance(spec, PoolSpec):
        x = pool(spec, operands[0])
        return x if isinstance(spec.layer, MaxPool) else x / spec.area
    if isinstance(spec, UpsampleSpec):
        return upsample(spec.layer, operands[0])
    assert isinstance(spec, JoinSpec)
    return join(spec.layer, operands)


def _fired(
    plan: Layout, spec: NeuronSpec, scales: Mapping[str, float], integers: Quantised, coded: Tensors
) -> torch.Tensor:
    """Real values of the codes that a neuron gives."""
    unit = scales[spec.codes.segments[0].unit]
    assert integers.theta is not None
    bias = (integers.bias - integers.theta // 2) * (unit / integers.theta)
    potential = torch.tensor(bias)[:, None, None]
    for part, weight, scale in zip(spec.synapses, integers.weights, integers.scales, strict=True):
        real = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
        if (columns := part.columns(scales)) is not None:
            real = real / columns
        potential = potential + synapse(part, coded[part.layer.source], torch.tensor(real), padding(plan, part))
    for skip, _ in spec.skips:
        potential = potential + coded[skip]
    return torch.clamp(torch.floor(potential / unit + 0.5), 0, 2**spec.steps - 1) * unit


def _moments(
    plan: Layout, spec: SynapseSpec, scales: Mapping[str, float], real: torch.Tensor, coded: torch.Tensor
) -> Moments:
    x, y = (_taps(plan, spec, values) for values in (real, coded))
    if (columns := spec.columns(scales)) is not None:
        taps = np.broadcast_to(columns, spec.weight.shape).reshape(len(x), -1, x.shape[2])[:, :1]
        x, y = (z / torch.tensor(taps) for z in (x, y))
    mean_x, mean_y = x.mean(1, keepdim=True), y.mean(1, keepdim=True)
    x, y = x - mean_x, y - mean_y
    variance, both = (z.transpose(1, 2) @ y / y.shape[1] for z in (y, x))
    return Moments(mean_x[:, 0].numpy(), mean_y[:, 0].numpy(), variance.numpy(), (both - variance).numpy())


def _taps(plan: Layout, spec: SynapseSpec, x: torch.Tensor) -> torch.Tensor:
    """What the weights of an output are multiplied with, a row for each sum: [G, sums, n]."""
    layer = spec.layer
    if not isinstance(layer, FloatConv):
        return x.flatten(1)[None]
    (py, px), kernel = layer.padding, layer.weight.shape[2:]
    _, h, w = plan.network.shapes[layer.name]
    n = layer.weight[0].size
    x = x[: max(FEWEST // 2, PRODUCTS // (n * n * h * w))]
    pad = padding(plan, spec)
    filled = x if pad is None else x - pad[:, None, None]
    filled = F.pad(filled, (px, px, py, py))
    windows = F.unfold(filled if pad is None else filled + pad[:, None, None], kernel, stride=layer.stride)
    apart = windows.unflatten(1, (x.shape[1], -1)) if layer.depthwise else windows[:, None]
    return apart.permute(1, 0, 3, 2).flatten(1, 2)
