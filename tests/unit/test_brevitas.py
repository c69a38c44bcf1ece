# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Modules of Brevitas, imported as they are. Brevitas is no part of the development environment, whose setuptools it
would replace: these tests run in one of its own (onnx_files/make.py). Its exported files are tested everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

pytest.importorskip("brevitas", reason="brevitas has an environment of its own")

import brevitas.nn as qnn
from brevitas.quant import Int8WeightPerTensorFixedPoint, Uint8ActPerTensorFixedPoint

from pyflow import convert
from pyflow.data import load
from pyflow.errors import VolleyError
from tests.unit.brevitas_nets import NETS, Cnn, trained

X = np.asarray(np.rint(255 * load("digits").x_train[:64]) / 255, np.float32)  # grey levels, as the chip sees them


@pytest.mark.parametrize("name", NETS)
def test_codes_are_those_of_brevitas(name: str) -> None:
    torch.manual_seed(1)
    model = trained(Cnn(**NETS[name]), 2).train()
    network = convert(model, X)  # compares every code
    assert model.training
    assert network.meta["trained"]["codes"] > 10_000
    assert network.meta["trained"]["at_boundary"] == 0
    with torch.no_grad():
        want = model.eval()(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(network.run(X) * network.logit_scale, want, atol=network.logit_scale + 1e-5)


class Branches(nn.Module):
    """One quantiser for both ways of a concatenation and of a sum; reshape with the batch."""

    input_shape = (1, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.a = qnn.QuantConv2d(1, 3, 3, weight_bit_width=4)
        self.b = qnn.QuantConv2d(1, 3, 3, weight_bit_width=3, weight_scaling_per_output_channel=True)
        self.relu = qnn.QuantReLU(bit_width=4)
        self.last = qnn.QuantLinear(6 * 36, 4, bias=True, weight_bit_width=4)
        self.out = qnn.QuantIdentity(bit_width=8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = self.relu(self.a(x)), self.relu(self.b(x))
        x = torch.cat([a + b, F.max_pool2d(b, 1) + a], 1)
        return self.out(self.last(x.reshape(x.size(0), -1)))


def test_one_quantiser_of_two_branches() -> None:
    torch.manual_seed(0)
    model = Branches().train()
    for _ in range(5):
        model(torch.from_numpy(X))
    network = convert(model.eval(), X)
    assert [op.kind for op in network.operators].count("neuron") == 2
    assert network.meta["trained"]["codes"] == 2 * 64 * 3 * 36


def test_powers_of_two_meet_ties() -> None:
    torch.manual_seed(0)
    act = {"act_quant": Uint8ActPerTensorFixedPoint, "bit_width": 4}
    model = nn.Sequential(
        qnn.QuantConv2d(1, 3, 3, bias=False, weight_quant=Int8WeightPerTensorFixedPoint, weight_bit_width=4),
        qnn.QuantReLU(**act),
        nn.Flatten(),
        qnn.QuantLinear(108, 4, bias=False, weight_bit_width=4),
    )
    for _ in range(5):
        model(torch.from_numpy(X))
    network = convert(model.eval(), X)  # pixels are worth 1/255, so that nothing is a tie
    assert network.meta["trained"]["at_boundary"] == 0


def test_what_is_refused() -> None:
    ends = nn.Flatten(), qnn.QuantLinear(72, 3, bias=False)
    model = nn.Sequential(qnn.QuantConv2d(1, 2, 3, weight_bit_width=4), *ends)
    with pytest.raises(VolleyError, match=r"layer '2' \(QuantLinear\): reads '0', which is no code without sign"):
        convert(model.eval(), X)
    tanh = nn.Sequential(qnn.QuantConv2d(1, 2, 3), qnn.QuantTanh(), *ends)
    with pytest.raises(VolleyError, match=r"layer '1' \(QuantTanh\): is not supported among trained integers"):
        convert(tanh.eval(), X)
    with pytest.raises(VolleyError, match="timesteps: does not go with"):
        convert(model, X, timesteps=3)
