# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Sequences [N, C, L]: 1-D models compute what torch computes, become what their twins of height 1 become, and are
refused for the same reasons, by the names of their own layers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pyflow import data
from pyflow.conversion import convert, finetune
from pyflow.errors import VolleyError
from pyflow.frontends import Normalize, takes_sequences, trace
from pyflow.model.graph import FloatConv, FloatPool
from pyflow.model.order import spiking_form
from tests.unit.float_oracle import check, randomise, seq

SHAPE = (2, 20)
SEQUENCES = np.random.default_rng(4).random((24, *SHAPE)).astype(np.float32)


class Functional(nn.Module):
    """Everything as functions and methods."""

    mean: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv1d(2, 4, 3, padding="same"), nn.BatchNorm1d(4))
        self.weight = nn.Parameter(torch.randn(6, 4, 5))
        self.register_buffer("mean", torch.tensor([0.3, 0.4]).view(1, 2, 1))
        self.fc = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = (x - self.mean) / 0.25
        x = F.max_pool1d(torch.relu(self.features(x)), 3, stride=2, padding=1)
        x = F.dropout1d(F.relu(F.conv1d(x, self.weight, stride=2, padding=(2,))), 0.5, self.training)
        return self.fc(F.avg_pool1d(x, kernel_size=(5,)).squeeze(-1))


def test_functional_model() -> None:
    network = check(Functional(), SHAPE)
    assert network.input_shape == (2, 1, 20)
    names = "features_0 relu1 pool1 conv1 relu2 pool2 fc"
    assert " ".join(x.name for x in spiking_form(network).layers) == names
    conv, pool = network["conv1"], network["pool1"]
    assert isinstance(conv, FloatConv)
    assert isinstance(pool, FloatPool)
    assert (conv.weight.shape, conv.stride, conv.padding) == ((6, 4, 1, 5), (1, 2), (0, 2))
    assert (pool.kernel, pool.stride, pool.padding) == ((1, 3), (1, 2), (0, 1))


@pytest.mark.parametrize(
    "model",
    [
        seq(c=nn.Conv1d(2, 4, 5), b=nn.BatchNorm1d(4), r=nn.ReLU(), p=nn.MaxPool1d(2), f=nn.Flatten(),
            l=nn.Linear(32, 3)),
        seq(c=nn.Conv1d(2, 4, 4, stride=3, padding=2), r=nn.ReLU(), p=nn.AvgPool1d(3, 2, 1), c2=nn.Conv1d(4, 3, 4)),
        seq(n=Normalize([0.2, 0.6], [0.3, 0.5]), c=nn.Conv1d(2, 4, 3, padding=1), r=nn.ReLU(),
            g=nn.AdaptiveAvgPool1d(1), f=nn.Flatten(), l=nn.Linear(4, 3)),
        seq(p=nn.MaxPool1d(3, 3, 1), i=nn.Identity(), d=nn.Dropout1d(), f=nn.Flatten(), l=nn.Linear(14, 3)),
        seq(b=nn.BatchNorm1d(2, affine=False), f=nn.Flatten(), l=nn.Linear(40, 5), b1=nn.BatchNorm1d(5), r=nn.ReLU(),
            l2=nn.Linear(5, 3), b2=nn.BatchNorm1d(3)),
        seq(c=nn.Conv1d(2, 4, 1), p=nn.MaxPool1d(5, ceil_mode=True), r=nn.ReLU(), r2=nn.ReLU(), f=nn.Flatten(),
            l=nn.Linear(16, 3)),
        seq(c=nn.Conv1d(2, 3, 20, padding_mode="circular")),
    ],
)  # fmt: skip
def test_legal_models(model: nn.Sequential) -> None:
    check(model, SHAPE)
    assert takes_sequences(model) == any("1d" in type(m).__name__ for m in model if "Norm" not in type(m).__name__)


class Head(nn.Module):
    """A function of the map in front of a Linear."""

    def __init__(self, function: Callable[..., torch.Tensor], features: int) -> None:
        super().__init__()
        self.function, self.conv, self.fc = function, nn.Conv1d(2, 3, 5), nn.Linear(features, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.function(torch.relu(self.conv(x))))


@pytest.mark.parametrize(
    ("function", "features"),
    [
        (lambda x: x.flatten(1), 48),
        (lambda x: x.view(x.size(0), -1), 48),
        (lambda x: x.reshape(x.shape[0], x.shape[1] * x.shape[2]), 48),
        (lambda x: x.mean(2), 3),
        (lambda x: x.mean(-1, keepdim=True).squeeze(2), 3),
        (lambda x: x.mean((2,)), 3),
        (lambda x: F.adaptive_avg_pool1d(x, 1).squeeze(), 3),
    ],
)
def test_every_way_to_flatten(function: Callable[..., torch.Tensor], features: int) -> None:
    check(Head(function, features), SHAPE)


def model(axes: int) -> nn.Module:
    """The same network and weights on [N, C, L] (axes = 1) or [N, C, 1, L] (2)."""

    def sides(value: int, other: int) -> Any:
        return value if axes == 1 else (other, value)

    def conv(ci: int, co: int, kernel: int, stride: int, padding: int) -> nn.Module:
        kind = nn.Conv1d if axes == 1 else nn.Conv2d
        return kind(ci, co, sides(kernel, 1), sides(stride, 1), sides(padding, 0))

    def pool(kinds: tuple[type[nn.Module], type[nn.Module]], kernel: int, stride: int, padding: int) -> nn.Module:
        return kinds[axes - 1](sides(kernel, 1), sides(stride, 1), sides(padding, 0))

    torch.manual_seed(3)
    norm = nn.BatchNorm1d if axes == 1 else nn.BatchNorm2d
    net = seq(
        norm=Normalize([0.3, 0.5], [0.4, 0.3]), c1=conv(2, 5, 5, 1, 2), b1=norm(5), r1=nn.ReLU(),
        p1=pool((nn.MaxPool1d, nn.MaxPool2d), 3, 2, 1), c2=conv(5, 4, 3, 2, 1), r2=nn.ReLU(),
        p2=pool((nn.AvgPool1d, nn.AvgPool2d), 2, 2, 0), f=nn.Flatten(), l1=nn.Linear(8, 6), b2=nn.BatchNorm1d(6),
        r3=nn.ReLU(), l2=nn.Linear(6, 3),
    )  # fmt: skip
    return randomise(net)


def test_becomes_what_its_twin_of_height_1_becomes() -> None:
    one, two = convert(model(1), SEQUENCES), convert(model(2), SEQUENCES[:, :, None])
    assert one.input_shape == two.input_shape == (2, 1, 20)
    assert one.meta == two.meta
    assert any(op.arrays().get("pad_code", np.zeros(1)).any() for op in one.operators), "no padding code to compare"
    for a, b in zip(one.operators, two.operators, strict=True):
        assert (type(a), a.name, a.inputs) == (type(b), b.name, b.inputs)
        for name, array in a.arrays().items():
            np.testing.assert_array_equal(array, b.arrays()[name], err_msg=f"{a.name}.{name}")
    maps = SEQUENCES[:, :, None]
    np.testing.assert_array_equal(one.run(maps), two.run(maps))
    with torch.no_grad():
        real = model(1).eval()(torch.from_numpy(SEQUENCES)).numpy()
    precise = convert(model(1), SEQUENCES, timesteps=8, weight_bits=8)
    assert np.abs(precise.run(maps) * precise.logit_scale - real).max() < 0.05 * np.abs(real).max()


def test_every_form_of_calibration() -> None:
    want = convert(model(1), SEQUENCES)
    traced = trace(model(1), SHAPE, name=want.name)
    stated: Any = model(1)
    stated.input_shape = SHAPE
    for net in (
        convert(model(1), SEQUENCES, input_shape=SHAPE),
        convert(traced, SEQUENCES),
        convert(traced, SEQUENCES[:, :, None]),
        convert(stated, SEQUENCES[:, :, None]),
    ):
        np.testing.assert_array_equal(net.run(SEQUENCES[:, :, None]), want.run(SEQUENCES[:, :, None]))


def test_fine_tuning_equals_its_integer_network() -> None:
    y = np.arange(24) % 3
    part = data.Dataset("sequences", SEQUENCES[:16], y[:16], SEQUENCES[16:], y[16:])
    shapes = set()

    def augment(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        shapes.add(tuple(x.shape[1:]))
        return x

    tuned = finetune(model(1), part, epochs=2, batch_size=8, augment=augment, teacher=model(1).eval())
    assert shapes == {SHAPE}, "augmentation and teacher see the model's own form"
    logits = tuned.network.run(part.x_test[:, :, None])
    assert tuned.accuracy == (logits.argmax(1) == part.y_test).mean()
    with torch.no_grad():
        fake = tuned.model(torch.from_numpy(part.x_test)).numpy()
    np.testing.assert_array_equal(fake, (logits * tuned.network.logit_scale).astype(np.float32))


# ------------------------------------------------------------------ refusals
C = lambda **k: nn.Conv1d(2, 4, 3, **k)  # noqa: E731
REFUSED = {
    "circular": (seq(c=C(padding=1, padding_mode="circular")), r"'c' \(Conv1d\): padding_mode 'circular'"),
    "kernel-fits": (seq(c=nn.Conv1d(2, 4, 25, padding=2)),
        r"'c' \(Conv1d\): kernel \(25,\) does not fit its input of 20 with padding \(2,\)"),
    "channels": (seq(c=nn.Conv1d(3, 4, 3)), r"'c' \(Conv1d\): weight takes 3 channels, its input has 2"),
    "no-flatten": (seq(c=C(), r=nn.ReLU(), l=nn.Linear(18, 2)), r"'l' \(Linear\): acts on maps of 4x18; add a Flatten"),
    "conv-flat": (seq(f=nn.Flatten(), c=C()), r"'c' \(Conv1d\): follows a Flatten; needs \[N, C, L\]"),
    "pool-flat": (seq(f=nn.Flatten(), p=nn.MaxPool1d(2)), r"'p' \(MaxPool1d\): follows a Flatten; needs \[N, C, L\]"),
    "conv2d": (seq(c=nn.Conv2d(2, 4, 3)), r"'c' \(Conv2d\): acts on \[N, C, H, W\], its input is \[N, C, L\]"),
    "pool2d": (seq(p=nn.MaxPool2d(2)), r"'p' \(MaxPool2d\): acts on \[N, C, H, W\], its input is \[N, C, L\]"),
    "global2d": (seq(p=nn.AdaptiveAvgPool2d(1)), r"'p' \(AdaptiveAvgPool2d\): acts on \[N, C, H, W\]"),
    "norm2d": (seq(c=C(), b=nn.BatchNorm2d(4)), r"'b' \(BatchNorm2d\): acts on \[N, C, H, W\], its input is"),
    "two-convs": (seq(c=C(), d=nn.Conv1d(4, 4, 3)), r"'d' \(Conv1d\): follows 'c' without a ReLU"),
    "ceil": (seq(p=nn.MaxPool1d(3, ceil_mode=True)), r"'p' \(MaxPool1d\): ceil_mode on 20 makes a partial window"),
    "ceil-avg": (seq(p=nn.AvgPool1d(3, ceil_mode=True)), r"'p' \(AvgPool1d\): ceil_mode on 20"),
    "indices": (seq(p=nn.MaxPool1d(2, return_indices=True)), r"'p' \(MaxPool1d\): return_indices"),
    "pool-dilation": (seq(p=nn.MaxPool1d(2, dilation=2)), r"'p' \(MaxPool1d\): dilation 2"),
    "count-pad": (seq(p=nn.AvgPool1d(2, padding=1, count_include_pad=False)), r"'p' \(AvgPool1d\): count_include_pad"),
    "pool-fits": (seq(p=nn.AvgPool1d(21)), r"'p' \(AvgPool1d\): kernel \(21,\) does not fit its input of 20"),
    "adaptive": (seq(p=nn.AdaptiveAvgPool1d(3)), r"'p' \(AdaptiveAvgPool1d\): output size 3 does not divide 20"),
    "lp-pool": (seq(p=nn.LPPool1d(2, 2)), r"'p' \(LPPool1d\): not supported; supported: Conv1d/2d"),
    "norm-after-relu": (seq(c=C(), r=nn.ReLU(), b=nn.BatchNorm1d(4)), r"'b' \(BatchNorm1d\): is followed by no"),
    "ends-in-map": (seq(c=C()), r"'c' \(Conv1d\): is the last layer but its output is 1x18"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name(case: str) -> None:
    net, message = REFUSED[case]
    with pytest.raises(VolleyError, match=message) as e:
        trace(net, SHAPE)
    assert "\n" not in str(e.value)


def test_pool_then_batchnorm_of_negative_scale() -> None:
    net: Any = seq(c=C(), p=nn.MaxPool1d(2), b=nn.BatchNorm1d(4), r=nn.ReLU(), f=nn.Flatten(), l=nn.Linear(36, 3))
    net.b.weight.data[2] = -0.5
    with pytest.raises(VolleyError, match=r"channel 2 is negative after MaxPool1d 'p'.*before the pool"):
        trace(net, SHAPE)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda x: x.mean((1, 2)),
            r"'mean'.*over \(1, 2\) is not supported; needs the map dimensions.*2 of \[N, C, L\]",
        ),
        (lambda x: x.squeeze(-1), r"'squeeze'.*on \(3, 16\) is not a Flatten"),
        (lambda x: F.conv2d(x, torch.ones(1, 3, 3, 3)), r"'conv2d' \(Conv2d\): acts on \[N, C, H, W\]"),
        (lambda x: F.max_pool1d(x, 2, return_indices=True)[0], "max_pool1d_with_indices"),
        (lambda x: x.view(x.size(0), 3, 4, 4), r"'view'.*is not a Flatten of \(3, 16\)"),
    ],
)
def test_functions_refused_by_name(function: Callable[..., torch.Tensor], message: str) -> None:
    with pytest.raises(VolleyError, match=message):
        trace(Head(function, 3), SHAPE)


def test_images_for_a_1d_model_and_shapes_that_are_neither() -> None:
    net = seq(c=C(), r=nn.ReLU(), f=nn.Flatten(), l=nn.Linear(72, 3))
    with pytest.raises(VolleyError, match=r"'c' \(Conv1d\): acts on \[N, C, L\], its input is \[N, C, H, W\]"):
        trace(net, (2, 8, 8))
    with pytest.raises(VolleyError, match=r"\(Conv1d\): acts on \[N, C, L\], its input is \[N, F\]"):
        trace(net, (20,))
    with pytest.raises(VolleyError, match=r"calibration: shape \(24, 2, 20\) does not fit.*\[N, 2, 21\]"):
        convert(net, SEQUENCES, input_shape=(2, 21))
    assert takes_sequences(net)
    assert not takes_sequences(nn.Sequential(OrderedDict(f=nn.Flatten(), l=nn.Linear(2, 2))))
