# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Networks of Brevitas for the digits. Needs brevitas, which is no part of the development environment:
`pip install brevitas==0.13.4 onnxscript onnxoptimizer` in one of its own."""

from __future__ import annotations

from typing import Any

import brevitas.nn as qnn
import torch
import torch.nn.functional as F
from brevitas.quant import Int8Bias, Uint8ActPerTensorFloat
from torch import nn

from pyflow.data import load

SHAPE = (1, 8, 8)


class Cnn(nn.Module):
    """Two convolutions and a linear layer. bits: of weights and activations; int8_bias: quantised ones, which need
    the scale of the input; norm: BatchNorm between convolution and ReLU; pooled: functional pools, and an average of
    the last map that is quantised again."""

    input_shape = SHAPE

    def __init__(
        self,
        bits: int = 4,
        act_bits: int = 4,
        int8_bias: bool = False,
        norm: bool = False,
        pooled: bool = False,
        encoded: bool = True,
    ) -> None:
        super().__init__()
        weights: dict[str, Any] = {"weight_bit_width": bits, "bias_quant": Int8Bias if int8_bias else None}
        unsigned = {"act_quant": Uint8ActPerTensorFloat, "return_quant_tensor": True}
        self.inp = qnn.QuantIdentity(**unsigned) if encoded else nn.Identity()
        self.conv1 = qnn.QuantConv2d(1, 6, 3, padding=1, weight_scaling_per_output_channel=True, **weights)
        self.bn1 = nn.BatchNorm2d(6) if norm else nn.Identity()
        self.relu1 = qnn.QuantReLU(bit_width=act_bits, return_quant_tensor=True)
        self.conv2 = qnn.QuantConv2d(6, 8, 3, **weights)
        self.relu2 = qnn.QuantReLU(bit_width=act_bits, return_quant_tensor=True)
        self.mean = qnn.QuantIdentity(bit_width=act_bits, **unsigned) if pooled else None
        self.fc = qnn.QuantLinear(8 if pooled else 32, 10, bias=True, weight_bit_width=bits, bias_quant=None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu1(self.bn1(self.conv1(self.inp(x))))
        x = self.relu2(self.conv2(x))
        if self.mean is not None:
            x = self.mean(F.avg_pool2d(x, 6, 6, 0, False, True, None))
        else:
            x = F.max_pool2d(x, 3)
        return self.fc(torch.flatten(x, 1))


def trained(model: nn.Module, epochs: int = 8) -> nn.Module:
    """`model` after some epochs on the digits, in eval()."""
    torch.manual_seed(0)
    data = load("digits")
    x, y = torch.from_numpy(data.x_train), torch.from_numpy(data.y_train)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            optimiser.zero_grad()
            F.cross_entropy(model(x[batch]), y[batch]).backward()
            optimiser.step()
    return model.eval()


def accuracy(model: nn.Module) -> float:
    data = load("digits")
    with torch.no_grad():
        return float((model(torch.from_numpy(data.x_test)).argmax(1).numpy() == data.y_test).mean())


NETS: dict[str, dict[str, Any]] = {
    "plain": {},
    "int8_bias": {"int8_bias": True},
    "norm": {"norm": True, "encoded": False, "bits": 3},
    "pooled": {"pooled": True, "act_bits": 3, "bits": 5},
    "wide": {"bits": 8, "act_bits": 6},
}
