# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What the tests of the front ends share: a traced float network, layer by layer, against its model in torch."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from pyflow.frontends import FloatNetwork, trace
from pyflow.graph import INPUT
from pyflow.model.graph import (
    Affine,
    AvgPool,
    Flatten,
    FloatAdd,
    FloatConcat,
    FloatConv,
    FloatLayer,
    FloatLinear,
    FloatPad,
    FloatRelu,
    FloatUpsample,
    MaxPool,
)
from pyflow.model.order import spiking_form
from pyflow.shapes import as_maps


def seq(**layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(layers))


def run_float(network: FloatNetwork, x: torch.Tensor) -> torch.Tensor:
    """The FloatNetwork in torch float64, layer by layer. x: images [N, C, H, W] or sequences [N, C, L]."""
    values = {INPUT: as_maps(x).double()}
    for layer in network.layers:
        first, *others = (values[source] for source in layer.sources)
        values[layer.name] = _layer(layer, first, others)
    return values[network.layers[-1].name].flatten(1)


def _layer(layer: FloatLayer, x: torch.Tensor, others: list[torch.Tensor]) -> torch.Tensor:
    match layer:
        case FloatConv():
            py, px = layer.padding
            pad = torch.tensor(layer.pad if layer.pad.size else np.zeros(x.shape[1]))[:, None, None]
            framed = F.pad(x - pad, (px, px, py, py)) + pad
            groups = x.shape[1] if layer.depthwise else 1
            return F.conv2d(framed, torch.tensor(layer.weight), torch.tensor(layer.bias), layer.stride, groups=groups)
        case FloatLinear():
            y: torch.Tensor = F.linear(x.flatten(1), torch.tensor(layer.weight), torch.tensor(layer.bias))
            return y[:, :, None, None]
        case FloatRelu():
            return F.relu(x)
        case FloatPad():
            return F.pad(x, (layer.before[1], layer.after[1], layer.before[0], layer.after[0]))
        case MaxPool():
            return F.max_pool2d(x, layer.kernel, layer.stride, layer.padding)
        case AvgPool():
            return F.avg_pool2d(x, layer.kernel, layer.stride, layer.padding)
        case FloatUpsample():
            return F.interpolate(x, (x.shape[2] * layer.scale[0], x.shape[3] * layer.scale[1]), mode="nearest-exact")
        case Affine():
            shape = (-1, *[1] * (x.ndim - 2))
            return x * torch.tensor(layer.scale).reshape(shape) + torch.tensor(layer.shift).reshape(shape)
        case FloatAdd():
            return x + sum(others)
        case FloatConcat():
            return torch.cat([x, *others], 1)
    assert isinstance(layer, Flatten)
    return x.flatten(1)[:, :, None, None]


def randomise(model: nn.Module, seed: int = 0) -> nn.Module:
    """Weights and BatchNorm statistics of either sign."""
    g = torch.Generator().manual_seed(seed)
    for m in model.modules():
        if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) and m.running_mean is not None and m.running_var is not None:
            m.running_mean.copy_(torch.randn(m.num_features, generator=g))
            m.running_var.copy_(torch.rand(m.num_features, generator=g) + 0.2)
            if m.affine:
                m.weight.data = torch.randn(m.num_features, generator=g)
                m.bias.data = torch.randn(m.num_features, generator=g)
    return model


def check(model: nn.Module, shape: tuple[int, ...] = (2, 8, 8)) -> FloatNetwork:
    """The traced network, after it has computed what `model` computes, with random statistics, on random samples."""
    randomise(model)
    network = trace(model, shape)
    x = torch.rand(5, *shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        want = model.double().eval()(x.double()).flatten(1)
    for form in (network, spiking_form(network)):
        np.testing.assert_allclose(run_float(form, x).numpy(), want.numpy(), atol=1e-6)
    return network
