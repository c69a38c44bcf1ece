# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Upsampling in a model: captured as torch computes it, in each of its forms, and refused by name where it has no
spiking form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pyflow import operators as ops
from pyflow.conversion import convert
from pyflow.errors import VolleyError
from pyflow.frontends import Normalize, trace
from pyflow.graph import INPUT
from pyflow.model.graph import FloatUpsample
from pyflow.model.order import spiking_form
from pyflow.operators import Encoding, Tensor
from tests.unit.branches import U, headed
from tests.unit.float_oracle import check, seq

SHAPE = (2, 4, 6)
IMAGES = np.random.default_rng(2).random((24, *SHAPE)).astype(np.float32)
Function = Callable[[torch.Tensor], torch.Tensor]


class Middle(nn.Module):
    """conv, `function`, head. relu: behind the function, else in front of it."""

    def __init__(self, function: Function, features: int, relu: bool = False) -> None:
        super().__init__()
        self.function, self.relu = function, relu
        self.conv, self.head = nn.Conv2d(2, 2, 3, padding=1), nn.Linear(features, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        y = self.function(y).relu() if self.relu else self.function(y.relu())
        logits: torch.Tensor = self.head(y.flatten(1))
        return logits


WAYS: dict[str, tuple[Function, tuple[int, int]]] = {
    "module": (nn.Upsample(scale_factor=2), (2, 2)),
    "module-of-size": (nn.Upsample((8, 18)), (2, 3)),
    "old-module": (nn.UpsamplingNearest2d(scale_factor=3), (3, 3)),
    "exact": (nn.Upsample(scale_factor=(1.0, 4.0), mode="nearest-exact"), (1, 4)),
    "function": (lambda x: F.interpolate(x, scale_factor=2.0, recompute_scale_factor=True), (2, 2)),
    "size": (lambda x: F.interpolate(x, 12), (3, 2)),
    "size-of-another": (lambda x: F.interpolate(F.max_pool2d(x, 2), size=x.shape[-2:]), (2, 2)),
    "old-function": (lambda x: F.upsample(x, scale_factor=2, mode="nearest"), (2, 2)),
}


@pytest.mark.filterwarnings("ignore:`nn.functional.upsample` is deprecated")
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_write_it(way: str, relu: bool) -> None:
    function, scale = WAYS[way]
    features = function(torch.zeros(1, *SHAPE)).numel()
    network = check(Middle(function, features, relu), SHAPE)
    layers = [x for x in spiking_form(network).layers if isinstance(x, FloatUpsample)]
    assert [x.scale for x in layers] == [scale]
    kinds = [op.kind for op in convert(Middle(function, features, relu).eval(), IMAGES).operators]
    assert kinds.index("neuron") < kinds.index("upsample")  # the fewer neurons


def test_on_sequences() -> None:
    model = seq(c=nn.Conv1d(2, 3, 3), u=nn.Upsample(scale_factor=3), r=nn.ReLU(), d=nn.Conv1d(3, 2, 4), s=nn.ReLU(),
                f=nn.Flatten(), l=nn.Linear(18, 3))  # fmt: skip
    layer = check(model, (2, 6))["u"]
    assert isinstance(layer, FloatUpsample)
    assert layer.scale == (1, 3)


def test_by_one_is_nothing() -> None:
    network = trace(Middle(nn.Upsample(scale_factor=1), 48), SHAPE)
    assert not any(isinstance(layer, FloatUpsample) for layer in network.layers)


@pytest.mark.parametrize(
    "model",
    [
        seq(c=nn.Conv2d(2, 3, 3), u=nn.Upsample(scale_factor=2), b=nn.BatchNorm2d(3), r=nn.ReLU(), f=nn.Flatten(),
            l=nn.Linear(96, 3)),
        seq(c=nn.Conv2d(2, 3, 3), r=nn.ReLU(), b=nn.BatchNorm2d(3), u=nn.Upsample(scale_factor=2), f=nn.Flatten(),
            l=nn.Linear(96, 3)),
        seq(c=nn.Conv2d(2, 3, 3, padding=1), r=nn.ReLU(), u=nn.Upsample(scale_factor=2), z=nn.ZeroPad2d(1),
            p=nn.MaxPool2d(3, 2), f=nn.Flatten(), l=nn.Linear(72, 3)),
        seq(n=Normalize([0.2, 0.4], 0.3), u=nn.Upsample(scale_factor=2), c=nn.Conv2d(2, 2, 3, padding=1), r=nn.ReLU(),
            f=nn.Flatten(), l=nn.Linear(192, 3)),
    ],
    ids=["norm-behind", "norm-in-front", "padded", "normalised"],
)  # fmt: skip
def test_what_passes_an_upsampling(model: nn.Module) -> None:
    check(model, SHAPE)


def test_a_norm_behind_a_pool_and_an_upsampling_keeps_its_rule() -> None:
    layers = {"c": nn.Conv2d(2, 3, 3, padding=1), "p": nn.MaxPool2d(2), "u": nn.Upsample(scale_factor=2),
              "b": nn.BatchNorm2d(3), "r": nn.ReLU(), "f": nn.Flatten(), "l": nn.Linear(72, 3)}  # fmt: skip
    for order in (("c", "p", "u", "b"), ("c", "u", "p", "b")):
        model: Any = seq(**{name: layers[name] for name in (*order, "r", "f", "l")})
        model.b.weight.data[1] = -0.5
        with pytest.raises(VolleyError, match=r"'b'.*channel 1 is negative after MaxPool2d 'p'"):
            trace(model, SHAPE)


def test_an_average_that_is_upsampled_and_joined_is_fired_back() -> None:
    class Join(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(4, 3, (4, 6))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x).relu()
            logits: torch.Tensor = self.head(torch.cat([x, F.interpolate(F.avg_pool2d(x, 2), scale_factor=2)], 1))
            return logits

    kinds = [op.kind for op in convert(Join().eval(), IMAGES).operators]
    assert kinds == ["encode", "conv", "neuron", "sumpool", "neuron", "upsample", "concat", "conv", "readout"]


@pytest.mark.parametrize("early", [False, True])
def test_the_integers_are_nearly_the_model(early: bool) -> None:
    model = headed(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), U(3, early), features=6 * 24)
    with torch.no_grad():
        want = model(torch.tensor(IMAGES)).numpy()
    network = convert(model, IMAGES, timesteps=7, weight_bits=8, percentile=100)
    assert np.abs(network.run(IMAGES) * network.logit_scale - want).max() < 0.05 * np.abs(want).max()


def interpolated(**options: object) -> Function:
    return lambda x: F.interpolate(x, **options)  # type: ignore[arg-type]


REFUSED: dict[str, tuple[Function, str]] = {
    "bilinear": (nn.Upsample(scale_factor=2, mode="bilinear"), r"'function' \(Upsample\): mode 'bilinear' mixes neigh"),
    "old-bilinear": (nn.UpsamplingBilinear2d(scale_factor=2), "mode 'bilinear' mixes neighbours.*use mode='nearest'"),
    "bicubic": (interpolated(scale_factor=2, mode="bicubic"), r"'interpolate' \(Upsample\): mode 'bicubic'"),
    "area": (interpolated(size=2, mode="area"), "mode 'area'"),
    "corners": (interpolated(scale_factor=2, align_corners=True), "align_corners and antialias are of other modes"),
    "fraction": (interpolated(scale_factor=1.5), r"scale_factor 1.5 is no whole factor of 4x6; use one, from 1 on"),
    "smaller": (interpolated(scale_factor=0.5), r"scale_factor 0.5 is no whole factor of 4x6"),
    "size": (interpolated(size=(8, 9)), r"size \(8, 9\) is no whole factor of 4x6"),
    "zero": (interpolated(size=0), "size 0 is no whole factor"),
    "endless": (nn.Upsample(scale_factor=float("inf")), "scale_factor inf is no whole factor"),
    "huge": (nn.Upsample(scale_factor=4096), r"makes 805,306,368 numbers, at most 4,194,304; use a smaller factor"),
    "rounded": (interpolated(scale_factor=41), r"torch rounds 1/41, which shifts the map .* use mode='nearest-exact'"),
    "axes": (interpolated(scale_factor=(2, 2, 2)), "arguments are not understood"),
    "none": (interpolated(), "arguments are not understood"),
    "flat": (lambda x: F.interpolate(x.flatten(1)[:, None], scale_factor=2), "'getitem'"),
    "transposed": (nn.ConvTranspose2d(2, 2, 2, 2),
                   r"ConvTranspose2d\): not supported; use nearest upsampling and a Conv: Upsample\(scale_factor="),
    "transposed-function": (lambda x: F.conv_transpose2d(x, torch.ones(2, 2, 2, 2), stride=2),
                            r"'conv_transpose2d' .*use nearest upsampling and a Conv"),
    "shuffle": (lambda x: F.pixel_shuffle(torch.cat([x, 2 * x], 1), 2), "use nearest upsampling and a Conv"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name(case: str) -> None:
    function, message = REFUSED[case]
    with pytest.raises(VolleyError, match=message) as e:
        trace(Middle(function, 48), SHAPE)
    assert "\n" not in str(e.value)


def test_without_a_relu() -> None:
    model = seq(c=nn.Conv2d(2, 3, 3), u=nn.Upsample(scale_factor=2), d=nn.Conv2d(3, 3, (4, 8)))
    with pytest.raises(VolleyError, match=r"'d' \(Conv2d\): follows 'c' without a ReLU"):
        trace(model, SHAPE)
    with pytest.raises(VolleyError, match=r"ends in Upsample 'u'"):
        trace(seq(c=nn.Conv2d(2, 3, 3), u=nn.Upsample(scale_factor=2)), SHAPE)


# ------------------------------------------------------------------ the operator
@pytest.mark.parametrize("encoding", [e for e in Encoding if e is not Encoding.PHASE])
def test_of_tensors_of_any_kind(encoding: Encoding) -> None:
    out = ops.Upsample("up", (INPUT,), (2, 3)).infer(Tensor(INPUT, (2, 3, 5), encoding, 4, 9, timed=True, block=2))
    assert out == Tensor("up", (2, 6, 15), encoding, 4, 9, timed=True, block=2)


def test_operator_refuses() -> None:
    with pytest.raises(VolleyError, match=r"upsample 'up': scale \(0, 2\) must be at least 1"):
        ops.Upsample("up", (INPUT,), (0, 2))
    with pytest.raises(VolleyError, match="phase-coded"):
        ops.Upsample("up", (INPUT,)).infer(Tensor(INPUT, (2, 3, 5), Encoding.PHASE, 8, 1, timed=True))
