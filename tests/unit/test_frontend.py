# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""torch.fx front end: the traced float network computes what torch computes; every refusal names its layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pyflow.errors import VolleyError
from pyflow.frontends import Normalize, trace
from pyflow.model.graph import Affine, FloatConv
from pyflow.model.order import spiking_form
from tests.unit.float_oracle import check, randomise, run_float, seq

SHAPE = (2, 8, 8)


class Functional(nn.Module):
    """Everything as functions and methods, with names that only the trace gives."""

    mean: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(2, 4, 3, padding="same"), nn.BatchNorm2d(4))
        self.second = nn.Conv2d(4, 6, (3, 1), stride=(2, 1), padding=(1, 0), bias=False)
        self.third = nn.Linear(6 * 2 * 4, 7)
        self.norm = nn.BatchNorm1d(7)
        self.weight = nn.Parameter(torch.randn(3, 7))
        self.register_buffer("mean", torch.tensor([0.3, 0.4]).view(1, 2, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = (x - self.mean) / 0.25
        x = F.max_pool2d(torch.relu(self.features(x)), 2)
        x = F.dropout2d(F.relu(self.second(x)), 0.5, self.training)
        x = x.view(x.size(0), -1)
        x = F.relu(self.norm(self.third(x)), inplace=True)
        return F.linear(x, self.weight)


def test_functional_model() -> None:
    network = check(Functional())
    assert " ".join(x.name for x in network.layers) == (
        "affine1 affine2 features_0 features_1 relu1 pool1 second relu2 flatten1 third norm relu3 fc1"
    )
    assert (
        " ".join(x.name for x in spiking_form(network).layers) == "features_0 relu1 pool1 second relu2 third relu3 fc1"
    )
    first = spiking_form(network).layers[0]
    assert isinstance(first, FloatConv)
    np.testing.assert_allclose(first.pad, [0.3, 0.4], rtol=1e-6)
    with_bn = network["features_1"]
    assert isinstance(with_bn, Affine)
    assert Path(with_bn.where.rpartition(":")[0]).name == "test_frontend.py"


class Views(nn.Module):
    def __init__(self, form: int) -> None:
        super().__init__()
        self.form, self.conv, self.fc = form, nn.Conv2d(2, 3, 3), nn.Linear(108, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x).relu_()
        n, c, h, w = x.shape
        forms = [
            lambda: torch.flatten(x, 1),
            lambda: x.flatten(1),
            lambda: x.reshape(x.shape[0], -1),
            lambda: x.view(-1, 108),
            lambda: x.view(n, c * h * w),
            lambda: x.flatten(start_dim=1),
            lambda: x.view((n, -1)),
            lambda: x.contiguous().flatten(1),
        ]
        return self.fc(forms[self.form]())


@pytest.mark.parametrize("form", range(8))
def test_every_way_to_flatten(form: int) -> None:
    check(Views(form))


@pytest.mark.parametrize(
    "model",
    [
        seq(c=nn.Conv2d(2, 4, 3), b=nn.BatchNorm2d(4), r=nn.ReLU(), p=nn.MaxPool2d(2), f=nn.Flatten(),
            l=nn.Linear(36, 3)),
        seq(c=nn.Conv2d(2, 4, 3), b=nn.BatchNorm2d(4), p=nn.MaxPool2d(3, 2, 1), r=nn.ReLU(), f=nn.Flatten(),
            l=nn.Linear(36, 3)),
        seq(c=nn.Conv2d(2, 4, 3), b=nn.BatchNorm2d(4, affine=False), r=nn.ReLU(), p=nn.AvgPool2d(2),
            c2=nn.Conv2d(4, 3, 3)),
        seq(n=Normalize([0.2, 0.6], [0.3, 0.5]), c=nn.Conv2d(2, 4, 3), r=nn.ReLU(),
            g=nn.AdaptiveAvgPool2d(1), f=nn.Flatten(), l=nn.Linear(4, 3)),
        seq(p=nn.MaxPool2d(2), i=nn.Identity(), f=nn.Flatten(), d=nn.Dropout(), l=nn.Linear(32, 3)),
        seq(b=nn.BatchNorm2d(2, affine=False), f=nn.Flatten(), l=nn.Linear(128, 3), b2=nn.BatchNorm1d(3)),
        seq(c=nn.Conv2d(2, 4, 3, padding="valid"), r=nn.ReLU(), p=nn.MaxPool2d(2, ceil_mode=True),
            f=nn.Flatten(), l=nn.Linear(36, 3)),
        seq(c=nn.Conv2d(2, 4, 3), r=nn.ReLU(), r2=nn.ReLU(), p=nn.AvgPool2d(2, padding=1,
            divisor_override=4), f=nn.Flatten(), l=nn.Linear(64, 3)),
    ],
)  # fmt: skip
def test_legal_models(model: nn.Module) -> None:
    check(model)


def test_pool_then_batchnorm_of_positive_scale() -> None:
    model: Any = seq(
        c=nn.Conv2d(2, 4, 3), p=nn.MaxPool2d(2), b=nn.BatchNorm2d(4), r=nn.ReLU(), f=nn.Flatten(), l=nn.Linear(36, 3)
    )
    randomise(model)
    model.b.weight.data = model.b.weight.data.abs()
    with torch.no_grad():
        x = torch.rand(4, *SHAPE)
        np.testing.assert_allclose(run_float(trace(model, SHAPE), x), model.eval()(x), atol=1e-5)
    model.b.weight.data[2] = -0.5
    with pytest.raises(VolleyError, match=r"'b'.*channel 2 is negative after MaxPool2d 'p'.*before the pool"):
        trace(model, SHAPE)


class Arithmetic(nn.Module):
    def __init__(self, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.function, self.head = function, nn.Linear(128, 3)
        self.register_buffer("std", torch.tensor([0.5, 0.25]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.function(self, x).flatten(1))


@pytest.mark.parametrize(
    "function",
    [
        lambda s, x: x * 2 - 1, lambda s, x: 2 * x - 1, lambda s, x: (x - 0.5) / s.std[:, None, None],
        lambda s, x: torch.div(torch.sub(x, 0.1), s.std.view(1, 2, 1, 1)), lambda s, x: x.sub(0.5).mul(3).contiguous(),
        lambda s, x: -0.5 + x,
    ],
)  # fmt: skip
def test_input_normalisation_as_arithmetic(function: Callable[..., torch.Tensor]) -> None:
    check(Arithmetic(function))


def test_model_is_not_changed() -> None:
    model = seq(c=nn.Conv2d(2, 4, 8), b=nn.BatchNorm2d(4)).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    trace(model, SHAPE)
    assert model.training
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_names_are_identifiers_and_unique() -> None:
    model = nn.Sequential(
        nn.Conv2d(2, 2, 3), nn.ReLU(), nn.Sequential(nn.Conv2d(2, 2, 3), nn.ReLU()), nn.Flatten(), nn.Linear(32, 2)
    )
    names = [x.name for x in trace(model, SHAPE).layers]
    assert names[0] == "conv1"
    assert names[-1] == "fc1"
    assert len(set(names)) == len(names)
    assert all(n[0].isalpha() and set(n) <= set("abcdefghijklmnopqrstuvwxyz0123456789_") for n in names)
    mixed = trace(seq(Encode=nn.Conv2d(2, 2, 3), ReLU=nn.ReLU(), Input=nn.Conv2d(2, 2, 6)), SHAPE)
    assert [x.name for x in mixed.layers] == ["encode_2", "relu", "input_2"]


# ------------------------------------------------------------------ refusals
C, L = lambda **k: nn.Conv2d(2, 4, 3, **k), lambda n: nn.Linear(n, 3)
TAIL = {"r": nn.ReLU(), "f": nn.Flatten(), "l": L(144)}


def shifted(channels: int) -> nn.BatchNorm2d:
    """A BatchNorm whose mean is not 0."""
    norm = nn.BatchNorm2d(channels)
    assert norm.running_mean is not None
    norm.running_mean += 0.25
    return norm


REFUSED: dict[str, tuple[Any, str]] = {
    "sigmoid": (seq(c=C(), act=nn.Sigmoid()), r"'act' \(sigmoid\): acts on \[N, F\], its input is \[N, C, H, W\]"),
    "sigmoid-inside": (seq(f=nn.Flatten(), l=L(128), act=nn.Sigmoid(), m=L(3)), r"'act' \(sigmoid\): is not the last"),
    "softmax-of-images": (seq(f=nn.Flatten(), l=L(128), s=nn.Softmax(0)), r"'s' \(softmax\): over dimension 0"),
    "hardtanh": (seq(c=C(), act=nn.Hardtanh(), **TAIL), r"'act' \(clip\): limits -1.0, 1.0 are not supported; a lower"),
    "clips-a-sum": (seq(c=C(), s=nn.ReLU(), p=nn.AvgPool2d(3, 1, 1), a=nn.ReLU6(), **TAIL),
        r"'a'.*clips 'p', which has fired"),
    "pad-value": (seq(z=nn.ConstantPad2d(1, 0.5), c=C(), **TAIL), r"'z' \(Pad\): pads with 0.5"),
    "pad-cuts": (seq(z=nn.ZeroPad2d(-1), c=C(), **TAIL), r"'z' \(Pad\): padding .* cuts the map"),
    "pad-of-potentials": (seq(c=C(), z=nn.ZeroPad2d(1), p=nn.MaxPool2d(3, 1), **TAIL),
        r"'z' \(Pad\): pads with 0 what 'p'"),
    "pad-one-side": (seq(z=nn.ZeroPad2d((0, 1, 0, 1)), p=nn.AvgPool2d(3), c=nn.Conv2d(2, 4, 3)), "pads one side more"),
    "pad-of-nothing": (seq(c=nn.Conv2d(2, 4, 5), z=nn.ZeroPad2d(1), **TAIL), r"'z'.*stands in front of ReLU 'r'"),
    "transposed": (seq(c=nn.ConvTranspose2d(2, 4, 3)), r"'c' \(ConvTranspose2d\): not supported; use nearest"),
    "conv3d": (seq(c=nn.Conv3d(1, 1, 1)), r"'c' \(Conv3d\)"),
    "reflect": (seq(c=C(padding=1, padding_mode="reflect"), **TAIL), r"'c'.*padding_mode 'reflect'"),
    "kernel-fits": (seq(c=nn.Conv2d(2, 4, 9), **TAIL), r"'c'.*kernel \(9, 9\) does not fit its input of 8x8"),
    "channels": (seq(c=nn.Conv2d(3, 4, 3), **TAIL), r"'c'.*takes 3 channels, its input has 2"),
    "features": (seq(c=C(), r=nn.ReLU(), f=nn.Flatten(), l=L(99)), r"'l'.*takes 99 inputs, its input has 144"),
    "no-flatten": (seq(c=C(), r=nn.ReLU(), l=L(6)), r"'l' \(Linear\): acts on maps of 4x6x6; add a Flatten"),
    "conv-flat": (seq(f=nn.Flatten(), c=C()), r"'c' \(Conv2d\): follows a Flatten"),
    "two-convs": (seq(c=C(), d=nn.Conv2d(4, 4, 6)), r"'d' \(Conv2d\): follows 'c' without a ReLU"),
    "conv-pool-conv": (seq(c=C(), p=nn.MaxPool2d(2), d=nn.Conv2d(4, 4, 3)), r"'d'.*follows 'c' without a ReLU"),
    "ceil": (seq(c=C(), r=nn.ReLU(), p=nn.MaxPool2d(4, ceil_mode=True)), r"'p' \(MaxPool2d\): ceil_mode"),
    "ceil-avg": (seq(c=C(), r=nn.ReLU(), p=nn.AvgPool2d(4, ceil_mode=True)), r"'p' \(AvgPool2d\): ceil_mode"),
    "indices": (seq(c=C(), r=nn.ReLU(), p=nn.MaxPool2d(2, return_indices=True)), r"'p'.*return_indices"),
    "pool-dilation": (seq(c=C(), r=nn.ReLU(), p=nn.MaxPool2d(2, dilation=2)), r"'p'.*dilation 2"),
    "divisor": (seq(c=C(), r=nn.ReLU(), p=nn.AvgPool2d(2, divisor_override=3)), r"'p'.*divisor_override 3"),
    "count-pad": (seq(c=C(), r=nn.ReLU(), p=nn.AvgPool2d(2, padding=1, count_include_pad=False)),
        r"'p'.*count_include_pad"),
    "adaptive": (seq(c=C(), r=nn.ReLU(), p=nn.AdaptiveAvgPool2d(4)), r"'p'.*output size 4 does not divide 6x6"),
    "bn-after-relu": (seq(c=C(), r=nn.ReLU(), b=nn.BatchNorm2d(4)),
        r"'b' \(BatchNorm2d\): is followed by no Conv or Linear"),
    "bn-pads": (seq(c=C(), s=nn.ReLU(), b=shifted(4), d=nn.Conv2d(4, 4, 3, padding=1), **TAIL),
        "shifts what Conv2d 'd' pads"),
    "bn-no-stats": (seq(c=C(), b=nn.BatchNorm2d(4, track_running_stats=False)), r"'b'.*no running statistics"),
    "ends-in-relu": (seq(c=nn.Conv2d(2, 4, 8), r=nn.ReLU()), r"ends in ReLU 'r'"),
    "ends-in-map": (seq(c=C()), r"'c'.*is the last layer but its output is 6x6"),
    "no-layer": (seq(f=nn.Flatten()), "has no Conv or Linear"),
    "relu-on-normalised": (seq(n=Normalize(0.5, 0.5), r=nn.ReLU(), c=nn.Conv2d(2, 4, 8)), r"'r'.*normalised input"),
    "avg-pads-normalised": (seq(n=Normalize(0.5, 0.5), p=nn.AvgPool2d(2, padding=1), c=nn.Conv2d(2, 4, 5)),
        r"'p'.*pads the normalised"),
    "flatten-dims": (seq(c=C(), r=nn.ReLU(), f=nn.Flatten(2)), r"'f' \(Flatten\): start_dim 2"),
    "std": (seq(n=Normalize([0.5, 0.5], [0.5, -1.0]), c=nn.Conv2d(2, 4, 8)),
        r"'n' \(Normalize\): std -1 is not above 0"),
    "norm-channels": (seq(n=Normalize([0.5] * 3, 1.0), c=nn.Conv2d(2, 4, 8)), r"'n'.*3 values for 2 channels"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name(case: str) -> None:
    model, message = REFUSED[case]
    with pytest.raises(VolleyError, match=message) as e:
        trace(model, SHAPE)
    assert "\n" not in str(e.value)


class Wild(nn.Module):
    def __init__(self, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.function = function
        self.conv1, self.conv2, self.head = (
            nn.Conv2d(2, 2, 3, padding=1),
            nn.Conv2d(2, 2, 3, padding=1),
            nn.Linear(128, 3),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.function(self, x).flatten(1))


WILD = {
    "if": (lambda s, x: x if x.sum() > 0 else -x, "torch.fx cannot trace it"),
    "raise": (lambda s, x: 1 / 0, "torch.fx cannot trace it .ZeroDivisionError"),
    "tanh": (lambda s, x: torch.tanh(s.conv1(x)), r"'tanh' \(tanh\): not supported; train with ReLU"),
    "clamp": (lambda s, x: s.conv1(x).clamp(-1, 6), r"'clamp'.*limits -1, 6.*a lower limit of 0"),
    "view": (lambda s, x: x.view(x.size(0), 2, 64), r"'view'.*is not a Flatten"),
    "batch": (lambda s, x: x.view(x.size(0) * 2, -1), "computes with the batch size"),
    "divide": (lambda s, x: 1 / x, "divides by the activations"),
    "negative": (lambda s, x: F.max_pool2d(1 - x, 3, 1, 1), "takes the largest of the negated input"),
    "mean": (lambda s, x: F.relu(s.conv1(x)).mean(1), r"'mean'.*needs the map dimensions, \(2, 3\)"),
    "indices": (lambda s, x: F.max_pool2d(x, 2, return_indices=True)[0], "max_pool2d_with_indices"),
}


@pytest.mark.parametrize("case", WILD)
def test_functions_refused_by_name(case: str) -> None:
    function, message = WILD[case]
    with pytest.raises(VolleyError, match=message) as e:
        trace(Wild(function), SHAPE)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda s, x: x.unsqueeze(1), r"'unsqueeze' \(unsqueeze\): not supported; give images as \[N, C, H, W\], seq"),
        (lambda s, x: s.conv1(x).permute(0, 2, 3, 1), r"'permute' .* in front of a Linear permute its weights instead"),
        (lambda s, x: F.relu(s.conv1(x))[:, :1], r"'getitem' .* parts of an activation cannot be taken"),
        (lambda s, x: s.conv1(x) * (x > 0), r"'gt' .* values cannot be compared; relu or clamp\(0, b\) do"),
        (lambda s, x: F.relu(s.conv1(x)).sum((2, 3)), r"'sum_1' .* use mean\(\(2, 3\)\), and weights"),
        (lambda s, x: x.view(x.size(0), 2, 64), "'view' .* is not a Flatten"),
        (lambda s, x: torch.cat((x, x), 1), "'cat' .* with themselves"),
    ],
)
def test_a_refused_function_has_its_line(function: Callable[..., Any], message: str) -> None:
    at = f"test_frontend.py:{function.__code__.co_firstlineno}"
    with pytest.raises(VolleyError, match=rf"{message}.* \(.*{at}\)$") as e:
        trace(Wild(function), SHAPE)
    assert str(e.value).count(at) == 1


def test_clamp_from_zero_is_relu() -> None:
    check(Wild(lambda s, x: torch.clamp(s.conv1(x), min=0)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(value: float) -> None:
    model: Any = seq(first=nn.Conv2d(2, 4, 8))
    model.first.weight.data[1, 0, 2, 3] = value
    with pytest.raises(VolleyError, match=r"'first' \(Conv2d\): weight\[1, 0, 2, 3\] is (nan|inf)"):
        trace(model, SHAPE)


def test_two_inputs_and_two_outputs() -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return x + y

    class Out(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x.flatten(1), x

    with pytest.raises(VolleyError, match="second input 'y'"):
        trace(Two(), SHAPE)
    with pytest.raises(VolleyError, match="returns tuple"):
        trace(Out(), SHAPE)
