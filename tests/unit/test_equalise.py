# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Channels of unlike ranges: brought to one by passes that keep the function, so that accuracy and area stay."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pyflow import data
from pyflow.conversion import convert
from pyflow.conversion.torch_blocks import float_values, spans
from pyflow.frontends import trace
from pyflow.graph import Network
from pyflow.model.equalise import absorbed, equalised
from pyflow.model.graph import FloatConv, FloatNetwork
from pyflow.model.order import spiking_form
from pyflow.planning.board import load_board
from pyflow.planning.planner import plan
from tests.unit.branches import Dense, Inception, Residual, Sum, randomise

DIGITS = data.load("digits")
BOARD = load_board("pynq-z2")
WIDTHS = 12, 12, 16, 16, 24
CHANNEL = 4  # the one that is scaled


@functools.cache
def trained(dead: bool = False) -> nn.Sequential:
    """Six layers on the digits, some 98 %; two CPU-seconds. dead: one channel of the first two never moves, so its
    variance decays to almost 0."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for n, (ci, co) in enumerate(zip((1, *WIDTHS), WIDTHS, strict=False)):
        layers += [nn.Conv2d(ci, co, 3, padding=1), nn.BatchNorm2d(co), nn.ReLU(), *[nn.MaxPool2d(2)] * (n % 2)]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * WIDTHS[-1], 10))
    x, y, epochs = torch.tensor(DIGITS.x_train), torch.tensor(DIGITS.y_train), 12
    optimiser = torch.optim.Adam(model.parameters())
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, total_steps=epochs * -(-len(x) // 64))
    for _ in range(epochs):
        for chosen in torch.randperm(len(x)).split(64):
            optimiser.zero_grad()
            F.cross_entropy(model(x[chosen]), y[chosen]).backward()
            optimiser.step()
            rates.step()
            if dead:
                for conv in (model[0], model[3]):
                    conv.weight.data[CHANNEL] = 0  # type: ignore[operator]
    return model.eval()


def parts(model: nn.Sequential) -> tuple[list[Any], list[Any]]:
    """(BatchNorm layers, the Conv or Linear behind each)."""
    norms = [m for m in model if isinstance(m, nn.BatchNorm2d)]
    return norms, [m for m in model if isinstance(m, nn.Conv2d | nn.Linear)][1:]


def scaled(factor: float) -> nn.Sequential:
    """The trained model with one channel of each layer times `factor`, which the next layer undoes."""
    model = copy.deepcopy(trained())
    with torch.no_grad():
        for norm, behind in zip(*parts(model), strict=True):
            norm.weight[CHANNEL] *= factor
            norm.bias[CHANNEL] *= factor
            columns = behind.weight.view(len(behind.weight), norm.num_features, -1)
            columns[:, CHANNEL] /= factor
    return model


def without_variance() -> nn.Sequential:
    model = trained(dead=True)
    assert parts(model)[0][0].running_var[CHANNEL] < 1e-9
    return model


def huge_bias() -> nn.Sequential:
    """One channel of the third layer is off by far."""
    model = copy.deepcopy(trained())
    with torch.no_grad():
        parts(model)[0][2].bias[CHANNEL] -= 1000
    return model


def share(model: nn.Module | Network) -> float:
    """Accuracy on the test images [%]."""
    with torch.no_grad():
        x = DIGITS.x_test
        logits = model.run(x) if isinstance(model, Network) else model(torch.tensor(x)).numpy()
    return float(100 * (logits.argmax(1) == DIGITS.y_test).mean())


@functools.cache
def plain(bits: int) -> Network:
    return convert(trained(), DIGITS.calibration, timesteps=bits, weight_bits=bits)


@functools.cache
def planned() -> tuple[float, dict[str, Any]]:
    """(LUTs, folding) of the trained model in 4 bits."""
    found = plan(plain(4), BOARD, cycles_per_frame=16384)
    return found.total.lut, found.folding_json()


CASES: dict[str, Callable[[], nn.Sequential]] = {
    **{f"x{factor:g}": functools.partial(scaled, factor) for factor in (1 / 30, 30, 300, 3000)},
    "no variance": without_variance,
    "a huge bias": huge_bias,
}


@pytest.mark.parametrize(("bits", "most"), [(4, 1.0), (8, 0.3)])
@pytest.mark.parametrize("name", CASES)
def test_channels_of_unlike_ranges_keep_accuracy_and_area(name: str, bits: int, most: float) -> None:
    model = CASES[name]()
    network = convert(model, DIGITS.calibration, timesteps=bits, weight_bits=bits)
    lost = share(plain(bits)) - share(network)
    assert lost - max(0, share(trained()) - share(model)) <= most + 1e-9  # what the float model has lost is its own
    if bits == 4:
        area, folding = planned()
        assert plan(network, BOARD, folding=folding).total.lut == pytest.approx(area, rel=0.02)


def test_equal_ranges_are_left_alone() -> None:
    form = spiking_form(trace(trained(), DIGITS.shape))
    found = spans(form, DIGITS.calibration[:64])
    same, factors = equalised(form, found)
    assert all((factor == 1).all() for factor in factors.values())
    assert same is form
    assert absorbed(form, found)[0] is form


def far(model: nn.Module, seed: int) -> FloatNetwork:
    """`model` with every channel that ReLU makes of another range, in spiking form."""
    form = spiking_form(trace(randomise(model, seed), (3, 8, 8)))
    rng = np.random.default_rng(seed)
    changed = []
    for layer in form.layers[:-1]:
        if isinstance(layer, FloatConv):
            rows = 10.0 ** rng.uniform(-3, 3, len(layer.weight))
            changed.append(replace(layer, weight=layer.weight * rows[:, None, None, None]))
    return form.edited(changed)


def block(*layers: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), *layers, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16 * channels, 5)
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: block(nn.MaxPool2d(3, 1, 1), channels=4),
        lambda: block(Residual(4, 4), Residual(4, 6, in_place=True), channels=6),
        lambda: block(Inception(4, late=True), channels=9),
        lambda: block(Dense(4), channels=8),
        lambda: block(Sum(4), channels=4),
        lambda: block(nn.Conv2d(4, 8, 3, padding=1, groups=4), nn.ReLU(), nn.Conv2d(8, 4, 1), nn.ReLU(), channels=4),
        lambda: block(nn.MaxPool2d(2), nn.Upsample(scale_factor=2), nn.Conv2d(4, 4, 1), nn.ReLU(), channels=4),
        lambda: block(nn.Conv2d(4, 5, 3, padding=1), nn.ReLU6(), nn.Conv2d(5, 4, 1), nn.ReLU(), channels=4),
    ],
    ids=["pools", "residual", "inception", "dense", "sum", "depthwise", "upsampling", "clips"],
)
def test_the_function_is_kept_to_the_last_bit(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(2)
    form, x = far(make(), 2), np.random.default_rng(3).random((32, 3, 8, 8))
    same, factors = equalised(form, spans(form, x))
    assert any((factor != 1).any() for factor in factors.values())
    before, after = float_values(form, x), float_values(same, x)
    last = form.layers[-1].name
    assert torch.equal(before[last], after[last])
    for name, factor in factors.items():
        assert torch.equal(after[name], before[name] * torch.tensor(factor)[:, None, None])
        if np.isfinite(getattr(form[name], "ceiling", np.inf)):
            assert (factor == 1).all()


@pytest.mark.parametrize(("padding", "groups"), [(0, 1), (0, 8), (1, 1)])
def test_a_constant_goes_into_the_biases_behind_it(padding: int, groups: int) -> None:
    """A channel that is about 1000 in every pixel; where a layer pads, the constant is part of its picture."""
    torch.manual_seed(0)
    model: Any = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(8, 8, 2, padding=padding, groups=groups), nn.ReLU()
    )
    model += nn.Sequential(nn.Flatten(), nn.Linear(8 * (2 + 2 * padding) ** 2, 5))
    with torch.no_grad():
        model[0].bias[2] += 1000
        reads = model[3].weight[:, 2] if groups == 1 else model[3].weight[:, 0] * (torch.arange(8) == 2)[:, None, None]
        model[3].bias -= 1000 * reads.sum((1, 2))
    x = DIGITS.calibration[:64]
    form = spiking_form(trace(model, DIGITS.shape))
    found = spans(form, x)
    less, moved = absorbed(form, found)
    if padding:
        assert less is form
        return
    assert max(span.high.max() for span in moved.values()) < 10
    before, after = (float_values(n, x)[form.layers[-1].name] for n in (form, less))
    torch.testing.assert_close(before, after, rtol=0, atol=1e-9)
    network = convert(model, x, timesteps=8, weight_bits=8)
    with torch.no_grad():
        want = model.double()(torch.tensor(x).double()).numpy()
    got = network.run(x) * network.logit_scale
    assert np.corrcoef(got.ravel(), want.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("moving", [0, 1])
@pytest.mark.parametrize("sign", [1, -1], ids=["fires", "dead"])
def test_channels_that_have_one_value(moving: int, sign: int) -> None:
    """What float rounding makes of a constant is neither a unit nor a range: behind a dead layer everything is one."""
    torch.manual_seed(1)
    model: Any = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    model += nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(32, 5))
    with torch.no_grad():
        model[0].weight[moving:] *= 1e-3
        model[0].bias[moving:] = -1
        model[2].weight[2:, :moving] = 0
        model[2].bias[:] = sign * torch.rand(8).abs() * 0.1
    network = convert(model, DIGITS.calibration[:64], timesteps=6, weight_bits=7)
    with torch.no_grad():
        want = model(torch.tensor(DIGITS.calibration[:64])).numpy()
    np.testing.assert_allclose(network.run(DIGITS.calibration[:64]) * network.logit_scale, want, atol=0.1)


def test_zeros_do_not_count_in_percentiles() -> None:
    """A layer that seldom fires has the unit that its positive values need."""
    model: Any = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 5))
    with torch.no_grad():
        model[0].weight.fill_(1.0)
        model[0].bias.zero_()
    x = np.zeros((64, 1, 8, 8), np.float32)
    x[:, 0, 0, 0] = 1.0
    scale = convert(model, x, percentile=50).meta["conversion"]["layers"][0]["output_scale"]
    assert scale == pytest.approx(240 / 255 / 15, rel=1e-3)  # 1.0 in an input of 4 bits
