# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Code as people write it: arguments with defaults, clips, affine maps one behind the other, vectors. It converts into
its function, or one line names the true cause."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pyflow import data
from pyflow.conversion import convert, finetune
from pyflow.data import Dataset
from pyflow.errors import VolleyError
from pyflow.graph import Network

X = np.random.default_rng(0).random((64, 1, 8, 8), dtype=np.float32)
V = X.reshape(64, 64)


class Model(nn.Module):
    """`function` of its layers, the images and three arguments that nobody gives."""

    def __init__(self, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc = nn.Conv2d(1, 8, 3, padding=1), nn.Linear(128, 5)
        self.one, self.two = nn.BatchNorm2d(8), nn.BatchNorm2d(8)
        self.most = nn.Parameter(torch.tensor(2.0))
        for parameter in (*self.one.parameters(), *self.two.parameters()):
            parameter.data.uniform_(0.5, 1.5)
        self.function = function

    def forward(self, x: torch.Tensor, mask: Any = None, scale: float = 2.0, flag: bool = False) -> torch.Tensor:
        return self.function(self, x, mask, scale, flag)

    def head(self, y: torch.Tensor) -> torch.Tensor:
        return self.fc(F.max_pool2d(y, 2).flatten(1))

    def body(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.conv(x)))


def _masked(s: Model, x: torch.Tensor, mask: Any, scale: float, flag: bool) -> torch.Tensor:
    if mask is not None:
        x = x * mask
    if flag:
        x = -x
    return s.body(x) * scale


def _made(s: Model, x: torch.Tensor, mask: Any, *_: Any) -> torch.Tensor:
    if mask is None:
        mask = 0.5
    return s.body(x * mask)


def close(network: Network, model: nn.Module, x: np.ndarray) -> bool:
    with torch.no_grad():
        want = model.eval()(torch.tensor(x)).double().numpy()
    got = network.run(x) * network.logit_scale
    return bool(np.abs(got - want).max() < 0.12 * np.abs(want - want.mean(0)).max())


@pytest.mark.parametrize(
    "function",
    [
        _masked,
        _made,
        lambda s, x, *_: s.body(F.relu6(x)),
        lambda s, x, *_: s.body(x.clamp(0, 1)),
        lambda s, x, *_: s.body(F.max_pool2d(x, 3, 1, 1).clamp(min=0, max=1.5)),
        lambda s, x, *_: s.head(F.relu6(F.max_pool2d(F.relu6(s.conv(x)), 3, 1, 1))),
        lambda s, x, *_: s.head(s.conv(x).clamp(torch.tensor(0.0), s.most)),
        lambda s, x, *_: s.head(s.two(s.one(torch.relu(s.conv(x))) * 2 + 0.5)),
        lambda s, x, *_: s.fc(s.two(F.max_pool2d(s.one(torch.relu(s.conv(x))), 2)).flatten(1) * 2 - 0.3),
        lambda s, x, *_: s.body(x.double().float()),
    ],
    ids=["mask", "made", "relu6", "clamp", "pool, clip", "twice", "limits", "affine", "pool, affine", "double"],
)
def test_converts_into_its_function(function: Callable[..., torch.Tensor]) -> None:
    model = Model(function)
    assert close(convert(model, X, timesteps=8, weight_bits=8, percentile=100), model, X)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda s, x, *_: s.body(x.clamp(0, 0.5)), "clips the input, whose pixels are in 0..1; clip the images before"),
        (
            lambda s, x, *_: s.head(s.conv(x).clamp(torch.zeros(8, 1, 1), torch.ones(8, 1, 1))),
            r"^layer 'clamp' \(clip\): limits of several numbers",
        ),
        (
            lambda s, x, *_: s.body(F.pad(x, (1, 1, 1, 1), value=1.0)),
            r"^layer 'pad' \(Pad\): pads with 1.0, .* needs 0",
        ),
        (lambda s, x, *_: s.body(F.pad(x, (1, 1, 1, 1), mode="reflect")), r"^layer 'pad' \(Pad\): mode 'reflect'"),
        (lambda s, x, *_: s.body(x.flip(3)), r"^layer 'flip' \(flip\): not supported"),
        (lambda s, x, *_: F.pad(s.body(x), (0, 1)), r"^layer 'pad' \(Pad\): follows a Flatten"),
    ],
)
def test_the_true_cause_is_named(function: Callable[..., torch.Tensor], message: str) -> None:
    with pytest.raises(VolleyError, match=message) as e:
        convert(Model(function), X)
    assert "\n" not in str(e.value)
    assert "not understood" not in str(e.value)


# ------------------------------------------------------------------ vectors
def mlp() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.BatchNorm1d(64), nn.Linear(64, 32), nn.ReLU(), nn.BatchNorm1d(32), nn.Linear(32, 5)).eval()


def test_vectors_are_converted_and_run() -> None:
    model = mlp()
    network = convert(model, V, timesteps=8, weight_bits=8)
    assert network.input_shape == (1, 1, 64)
    assert close(network, model, V)
    np.testing.assert_array_equal(network.run(V), network.run(V[:, None, None]))
    np.testing.assert_array_equal(network.run(V), network.run(V[:, None]))


def test_vectors_in_a_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "my.npz", x=V, y=np.arange(64) % 5)
    found = data.load(str(tmp_path / "my.npz"))
    assert found.shape == (64,)
    assert data.load(str(tmp_path / "my.npz"), sequences=True).shape == (1, 64)
    for shape in ((1, 1, 64), (64, 1, 1)):  # of a radix network, of a spiking one
        assert data.fit(found, shape).shape == shape
    assert convert(mlp(), found.calibration).input_shape == (1, 1, 64)


def test_vectors_are_fine_tuned() -> None:
    y = np.arange(64) % 5
    tuned = finetune(mlp(), Dataset("v", V, y, V, y), epochs=1)
    assert tuned.accuracy == float((tuned.network.run(V).argmax(1) == y).mean())


def test_a_convolution_of_vectors_is_refused() -> None:
    with pytest.raises(VolleyError, match=r"layer '0' \(Conv2d\): acts on \[N, C, H, W\], its input is \[N, F\]"):
        convert(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4, 5)), V)
