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
from pyflow.frontends.float_graph import AvgPool, Flatten, FloatConv, FloatLinear, FloatRelu, MaxPool
from pyflow.shapes import as_maps


def seq(**layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(layers))


def run_float(network: FloatNetwork, x: torch.Tensor) -> torch.Tensor:
    """The FloatNetwork in torch float64, layer by layer. x: images [N, C, H, W] or sequences [N, C, L]."""
    x = (as_maps(x).double() - torch.tensor(network.mean)[:, None, None]) / torch.tensor(network.std)[:, None, None]
    for layer in network.layers:
        if isinstance(layer, FloatConv):
            x = F.conv2d(x, torch.tensor(layer.weight), torch.tensor(layer.bias), layer.stride, layer.padding)
        elif isinstance(layer, FloatLinear):
            x = F.linear(x.flatten(1), torch.tensor(layer.weight), torch.tensor(layer.bias))
        elif isinstance(layer, FloatRelu):
            x = F.relu(x)
        elif isinstance(layer, MaxPool):
            x = F.max_pool2d(x, layer.kernel, layer.stride, layer.padding)
        elif isinstance(layer, AvgPool):
            x = F.avg_pool2d(x, layer.kernel, layer.stride, layer.padding)
        else:
            assert isinstance(layer, Flatten)
            x = x.flatten(1)
    return x.flatten(1)


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
    np.testing.assert_allclose(run_float(network, x).numpy(), want.numpy(), atol=1e-6)
    return network
