# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Fine-tuning: the trained model and the converted network are the same integers; the shipped networks."""

from __future__ import annotations

import importlib
import os
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pyflow import data, zoo
from pyflow.conversion import FakeQuant, convert, finetune
from pyflow.conversion.finetune import accuracy
from pyflow.conversion.layout import Options
from pyflow.conversion.radix import calibrate, prepare
from pyflow.errors import VolleyError
from pyflow.frontends import Normalize
from pyflow.frontends.checkpoint import load_weights

IMAGES = np.random.default_rng(3).random((16, 2, 10, 9)).astype(np.float32)


def model(seed: int = 0) -> nn.Module:
    """Normalisation with padding codes, BatchNorm of either sign, max and average pools, a dead channel."""
    torch.manual_seed(seed)
    net: Any = nn.Sequential(OrderedDict(
        norm=Normalize([0.2, 0.7], [0.4, 0.3]), conv1=nn.Conv2d(2, 6, 3, padding=1), bn=nn.BatchNorm2d(6),
        relu1=nn.ReLU(),
        pool1=nn.AvgPool2d(2), conv2=nn.Conv2d(6, 5, 3, stride=2, padding=1), pool2=nn.MaxPool2d(2), relu2=nn.ReLU(),
        flatten=nn.Flatten(), fc1=nn.Linear(5, 7), relu3=nn.ReLU(), fc2=nn.Linear(7, 4),
    ))  # fmt: skip
    net.bn.weight.data, net.bn.bias.data = torch.randn(6), torch.randn(6)
    net.conv2.weight.data[3] = 0
    return net


def fake_quant(steps: int, bits: int, input_bits: int, seed: int = 0) -> FakeQuant:
    plan, images = prepare(model(seed), IMAGES, Options(steps, bits, input_bits))
    return FakeQuant(plan, calibrate(plan, images))


@pytest.mark.filterwarnings("ignore:layer")
@pytest.mark.parametrize("input_bits", [2, 8])
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("steps", [1, 3, 4, 8])
def test_codes_and_logits_are_those_of_the_integer_network(steps: int, bits: int, input_bits: int) -> None:
    fake = fake_quant(steps, bits, input_bits, seed=steps)
    with torch.no_grad():  # away from the calibrated point, as in training
        for p in fake.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(bits)) * p.abs().mean())
    codes: dict[str, torch.Tensor] = {}
    logits = fake(torch.tensor(IMAGES), codes).detach().numpy()
    net = fake.network()
    got, traced = net.run(IMAGES, trace=True)
    assert list(codes) == ["conv1", "conv2", "fc1"]
    for name, value in codes.items():
        np.testing.assert_array_equal(value.numpy(), traced[f"{name}_neuron"], err_msg=name)
    np.testing.assert_array_equal(logits, (got * net.logit_scale).astype(np.float32))


def test_large_sums_stay_exact() -> None:
    torch.manual_seed(0)
    plan, images = prepare(nn.Sequential(nn.Flatten(), nn.Linear(180, 600), nn.ReLU(), nn.Linear(600, 900), nn.ReLU(),
                                         nn.Linear(900, 3)), IMAGES, Options(8, 8))  # fmt: skip
    fake = FakeQuant(plan, calibrate(plan, images))
    codes: dict[str, torch.Tensor] = {}
    fake(torch.tensor(IMAGES), codes)
    _, traced = fake.network().run(IMAGES, trace=True)
    for name, value in codes.items():
        np.testing.assert_array_equal(value.numpy(), traced[f"{name}_neuron"])


@pytest.mark.filterwarnings("ignore:layer")
def test_untrained_fake_quant_is_what_convert_gives() -> None:
    net, fake = convert(model(), IMAGES, input_bits=8), fake_quant(4, 4, 8)
    # float32 parameters: a weight half-way between two integers may round either way
    assert np.abs(net.run(IMAGES) * net.logit_scale - fake(torch.tensor(IMAGES)).detach().numpy()).max() < 0.2


@pytest.mark.filterwarnings("ignore:layer")
def test_every_parameter_learns() -> None:
    fake = fake_quant(4, 4, 4)
    torch.nn.functional.cross_entropy(fake(torch.tensor(IMAGES)), torch.arange(16) % 4).backward()
    for name, p in fake.named_parameters():
        assert p.grad is not None, name
        assert torch.isfinite(p.grad).all(), name
        assert p.grad.abs().sum() > 0, name


def test_gradients_are_those_of_the_smooth_network() -> None:
    """At T = W = 8 rounding is fine: the straight-through gradient is near the float network's."""
    torch.manual_seed(1)
    net: Any = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8 * 7, 3))
    plan, images = prepare(net, IMAGES, Options(8, 8))
    fake = FakeQuant(plan, calibrate(plan, images, percentile=100))
    y = torch.arange(16) % 3
    for module in (net, fake):
        torch.nn.functional.cross_entropy(module(torch.tensor(IMAGES)), y).backward()
    for got, want in zip(
        [*fake.weights, *fake.biases], [net[0].weight, net[3].weight, net[0].bias, net[3].bias], strict=True
    ):
        assert got.grad is not None
        assert want.grad is not None
        assert torch.cosine_similarity(got.grad.flatten(), want.grad.flatten(), 0) > 0.98
        assert float(got.grad.norm() / want.grad.norm()) == pytest.approx(1, abs=0.1)


def small_digits(n: int = 300) -> data.Dataset:
    d = data.load("digits")
    return replace(d, x_train=d.x_train[:n], y_train=d.y_train[:n], x_test=d.x_test[:100], y_test=d.y_test[:100])


@pytest.mark.slow
def test_finetune_improves_and_is_the_network_it_trained() -> None:
    torch.manual_seed(0)
    d = small_digits()
    net = importlib.import_module("pyflow.zoo.digits").build()
    options = {"timesteps": 3, "weight_bits": 3, "epochs": 15, "seed": 1, "learning_rate": 5e-3, "batch_size": 16}
    tuned, again = (finetune(net, d, name="tiny", **options) for _ in range(2))  # type: ignore[arg-type]
    assert tuned.losses[-1] < 0.6 * tuned.losses[0]
    assert len(tuned.losses) == 15
    assert float((tuned.network.run(d.x_test).argmax(1) == d.y_test).mean()) == tuned.accuracy > 0.7
    assert tuned.network.name == "tiny"
    assert tuned.network.meta == again.network.meta
    for a, b in zip(tuned.network.operators, again.network.operators, strict=True):
        assert all(np.array_equal(v, b.arrays()[k]) for k, v in a.arrays().items())


def test_finetune_refuses_by_name() -> None:
    net = importlib.import_module("pyflow.zoo.digits").build()
    d = small_digits(10)
    with pytest.raises(VolleyError, match="'digits': has no training images"):
        finetune(net, replace(d, x_train=d.x_train[:0], y_train=d.y_train[:0]))
    with pytest.raises(VolleyError, match="epochs 0"):
        finetune(net, d, epochs=0)
    with pytest.raises(VolleyError, match="has label 12, the network only 10 outputs"):
        finetune(net, replace(d, y_train=d.y_train * 0 + 12))


# ------------------------------------------------------------------ zoo
def test_shipped_digits() -> None:
    net, d = zoo.load("digits"), data.load("digits")
    accuracy = float((net.run(d.x_test).argmax(1) == d.y_test).mean())
    assert accuracy == net.meta["accuracy_snn"] >= 0.97
    assert net.meta["test_images"] == 360
    assert net.meta["command"].startswith("python -m pyflow.zoo.train digits")
    assert sum(o.weight.size for o in net.operators if hasattr(o, "weight")) < 10_000


@pytest.mark.parametrize("name", ["digits", "lenet5"])
def test_shipped_files_belong_together(name: str) -> None:
    net = zoo.load(name)
    assert name in zoo.names()
    assert net.meta["timesteps"] == net.meta["weight_bits"] == 4
    module = importlib.import_module(f"pyflow.zoo.{name}")
    built = module.build()
    weights = Path(str(module.__file__)).with_suffix(".safetensors")
    load_weights(built, weights)
    assert weights.stat().st_size < 2_000_000
    assert net.input_shape == module.INPUT_SHAPE
    assert [m.out_features for m in built.modules() if isinstance(m, nn.Linear)][-1] == net.classes == 10


@pytest.mark.slow
@pytest.mark.skipif("DATA_DIR" not in os.environ, reason="needs DATA_DIR with MNIST")
def test_shipped_lenet5() -> None:
    net = zoo.load("lenet5")
    d = data.load("mnist", os.environ["DATA_DIR"], net.input_shape)
    accuracy = float((net.run(d.x_test).argmax(1) == d.y_test).mean())
    assert accuracy == net.meta["accuracy_snn"] >= 0.992


def test_unknown_network() -> None:
    with pytest.raises(VolleyError, match="'alexnet' is not shipped; shipped are digits"):
        zoo.load("alexnet")


class _Odd(torch.nn.Module):
    """Returns what it is told to, or does it."""

    def __init__(self, does: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.does = does

    def forward(self, x: torch.Tensor) -> Any:
        return self.does(x)


@pytest.mark.parametrize(
    ("does", "message"),
    [
        (lambda x: 7, r"model '_Odd': returns int, needs a tensor"),
        (lambda x: x, r"returns float32 \(2, 1, 4, 4\) of 2 images, needs real numbers \[N, classes\]"),
        (lambda x: x.flatten(1).to(torch.complex64), r"returns complex64 \(2, 16\)"),
        (lambda x: x.flatten(1) @ torch.ones(3, 3), r"fails on images \(2, 1, 4, 4\) \(RuntimeError: mat1"),
        (lambda x: sys.exit(0), r"fails on images \(2, 1, 4, 4\) \(SystemExit: 0\)"),
    ],
)
def test_a_model_that_gives_no_scores(does: Callable[[torch.Tensor], Any], message: str) -> None:
    with pytest.raises(VolleyError, match=message):
        accuracy(_Odd(does), np.zeros((2, 1, 4, 4), np.float32), np.zeros(2, np.int64))
