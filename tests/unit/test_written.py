# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""PyTorch as people write it: each model converts, and computes the module's function. The guard compares the float
graph in convert() itself; here the integers are held against the module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import pyflow
from pyflow.conversion import finetune
from pyflow.data import Dataset
from pyflow.errors import VolleyError
from pyflow.frontends import trace
from pyflow.model.graph import FloatConv
from pyflow.operators import Conv

SHAPE = (2, 8, 8)
X = np.random.default_rng(0).random((256, *SHAPE), dtype=np.float32)


def seq(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers)


def head(features: int, classes: int = 5) -> nn.Sequential:
    return seq(nn.Flatten(), nn.Linear(features, classes))


def norm(*, signs: bool = False, shifts: bool = True) -> nn.BatchNorm2d:
    """A BatchNorm of 4 channels as training leaves it. signs: some scales negative."""
    made = nn.BatchNorm2d(4).eval()
    made.running_mean = torch.tensor([0.1, 0.2, 0.05, 0.3]) * shifts
    made.running_var = torch.tensor([0.5, 2.0, 1.0, 0.7])
    made.weight.data = torch.tensor([1.0, 0.5, 1.5, 0.8]) * (torch.tensor([1, -1, 1, -1]) if signs else 1)
    made.bias.data = torch.tensor([0.1, -0.2, 0.0, 0.2]) * shifts
    return made


class Written(nn.Module):
    """forward() as given: a function of the modules and the input."""

    def __init__(self, forward: Callable[..., torch.Tensor], *modules: nn.Module) -> None:
        super().__init__()
        self.parts, self.written = nn.ModuleList(modules), forward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.written(self.parts, x)


class Shapes(nn.Module):
    """Asks for shapes, has defaults, reshapes by what it unpacked."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(2, 4, 3), nn.Linear(144, 5)

    def forward(self, x: torch.Tensor, mask: None = None, scale: float = 1.0) -> torch.Tensor:
        assert x.shape[1] == 2
        assert x.dim() == 4
        if x.shape[-1] > 4:
            x = x.to(torch.float32)
        y = F.relu(self.conv(x))
        for _ in range(x.shape[1] - 1):
            y = y.to("cpu")
        b, c, h, w = y.shape
        return -self.fc(y.reshape(b, c * h * w)) * scale


def compiled(model: nn.Module) -> Any:
    return torch.compile(model)


CONV = (nn.Conv2d(2, 4, 3), nn.Linear(144, 5))
MODELS: dict[str, Callable[[], nn.Module]] = {
    "ReLU6": lambda: seq(nn.Conv2d(2, 4, 3), nn.ReLU6(), head(144)),
    "a clip that bites": lambda: seq(nn.Conv2d(2, 4, 3), nn.Hardtanh(0, 0.1), nn.MaxPool2d(2), head(36)),
    "clamp with limits": lambda: Written(lambda m, x: m[1](m[0](x).clamp(0, 0.1).flatten(1)), *CONV),
    "a clip behind a pool": lambda: seq(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Hardtanh(0, 0.1), head(36)),
    "a clip of two": lambda: Written(
        lambda m, x: m[2](torch.cat([m[0](x), m[1](x)], 1).clamp(0, 0.1).flatten(1)),
        nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 3), nn.Linear(144, 5),
    ),
    "groups": lambda: seq(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3, groups=2), nn.ReLU(), head(128)),
    "depthwise": lambda: seq(
        nn.Conv2d(2, 4, 3), nn.ReLU6(), nn.Conv2d(4, 4, 3, groups=4, padding=1), norm(signs=True), nn.ReLU6(),
        nn.Conv2d(4, 6, 1), nn.ReLU6(), nn.MaxPool2d(2), head(54),
    ),
    "dilation": lambda: seq(nn.Conv2d(2, 4, 3, dilation=2, padding=2), nn.ReLU(), head(256)),
    "dilation of sequences": lambda: seq(nn.Conv2d(2, 4, (3, 2), dilation=(2, 3)), nn.ReLU(), head(4 * 4 * 5)),
    "same of an even kernel": lambda: seq(nn.Conv2d(2, 4, (4, 2), padding="same"), nn.ReLU(), head(256)),
    "ZeroPad2d": lambda: seq(nn.ZeroPad2d((1, 2, 0, 3)), nn.Conv2d(2, 4, 3), nn.ReLU(), head(4 * 9 * 9)),
    "padding of one side": lambda: seq(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(2, 4, 3, stride=2), nn.ReLU(), head(64)),
    "padding twice": lambda: seq(nn.ZeroPad2d(1), nn.ZeroPad2d((1, 0, 0, 0)), nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(),
        head(4 * 10 * 11)),
    "F.pad in front of pools": lambda: Written(
        lambda m, x: m[1](F.max_pool2d(F.pad(F.relu(m[0](x)), (1, 1, 1, 1)), 2).flatten(1)),
        nn.Conv2d(2, 4, 3), nn.Linear(64, 5),
    ),
    "adaptive average": lambda: seq(
        nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d((2, None)), head(64)
    ),
    "adaptive maximum": lambda: seq(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool2d((4, 2)), head(32)),
    "amax": lambda: Written(lambda m, x: m[1](F.relu(m[0](x)).amax((2, 3))), nn.Conv2d(2, 4, 3), nn.Linear(4, 5)),
    "average of a 1x1 convolution": lambda: seq(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ),
    "average of a convolution": lambda: seq(
        nn.Conv2d(2, 4, 3, padding=1, stride=2), nn.AvgPool2d(2), norm(), nn.ReLU(), head(16)
    ),
    "a map per class": lambda: seq(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ),
    "BatchNorm behind ReLU": lambda: seq(
        nn.Conv2d(2, 4, 3), nn.ReLU(), norm(signs=True), nn.Conv2d(4, 4, 3), nn.ReLU(), head(64)
    ),
    "BatchNorm behind ReLU, padded": lambda: seq(
        nn.Conv2d(2, 4, 3), nn.ReLU(), norm(shifts=False), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), head(144)
    ),
    "BatchNorm between pools": lambda: seq(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.AvgPool2d(2), norm(), nn.MaxPool2d(3), head(4)
    ),
    "BatchNorm between a convolution and its average": lambda: seq(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 1), norm(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ),
    "pad between pools": lambda: seq(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.ZeroPad2d(1), nn.MaxPool2d(2), head(16)
    ),
    "size by keyword": lambda: Written(lambda m, x: m[1](F.relu(m[0](x)).view(x.size(dim=0), -1)), *CONV),
    "shapes, defaults, negation": Shapes,
    "1 - x": lambda: Written(lambda m, x: m[1](F.relu(m[0](1 - x)).flatten(1)), *CONV),
    "compiled": lambda: compiled(seq(nn.Conv2d(2, 4, 3), nn.ReLU(), head(144))),
    "in parallel": lambda: nn.DataParallel(seq(nn.Conv2d(2, 4, 3), nn.ReLU(), head(144))),
}  # fmt: skip
ENDS: dict[str, tuple[nn.Module, Callable[[torch.Tensor], torch.Tensor]]] = {
    "Softmax": (nn.Softmax(-1), lambda x: F.softmax(x, 1)),
    "LogSoftmax": (nn.LogSoftmax(1), lambda x: F.log_softmax(x, 1)),
    "Sigmoid": (nn.Sigmoid(), torch.sigmoid),
}


def plain(model: nn.Module) -> nn.Module:
    """What is inside of torch.compile, which would build a program to run it."""
    return getattr(model, "_orig_mod", model).eval()


def answers(model: nn.Module) -> np.ndarray:
    with torch.no_grad():
        found: np.ndarray = plain(model)(torch.from_numpy(X)).double().numpy()
    return found


def close(got: np.ndarray, want: np.ndarray) -> bool:
    """Within a tenth of the spread, as 8-bit codes and weights are."""
    return bool(np.sqrt(((got - want) ** 2).mean()) < 0.12 * (want - want.mean(0)).std())


@pytest.mark.parametrize("name", MODELS)
def test_converts_to_the_same_function(name: str) -> None:
    torch.manual_seed(0)
    model = MODELS[name]()
    network = pyflow.convert(model, X, timesteps=8, weight_bits=8, input_shape=SHAPE, percentile=100)
    assert close(network.run(X) * network.logit_scale, answers(model))


@pytest.mark.parametrize("name", ENDS)
def test_an_end_that_keeps_the_order_is_left_out(name: str) -> None:
    torch.manual_seed(0)
    end, function = ENDS[name]
    body = seq(nn.Conv2d(2, 4, 3), nn.ReLU(), head(144))
    network = pyflow.convert(seq(body, end), X, timesteps=8, weight_bits=8)
    logits = network.run(X) * network.logit_scale
    assert close(logits, answers(body))
    assert close(function(torch.from_numpy(logits)).numpy(), answers(seq(body, end)))


def test_a_clip_is_not_left_out() -> None:
    """The largest code is what the model clips at, though without the clip there would be more."""
    torch.manual_seed(0)
    model = seq(nn.Conv2d(2, 4, 3), nn.Hardtanh(0, 0.05), head(144))
    plain_relu = seq(model[0], nn.ReLU(), model[2])
    assert not close(answers(plain_relu), answers(model))
    network = pyflow.convert(model, X, timesteps=8, weight_bits=8)
    assert close(network.run(X) * network.logit_scale, answers(model))


def test_fine_tuning_keeps_what_is_no_weight_of_the_model() -> None:
    torch.manual_seed(0)
    model = seq(
        nn.Conv2d(2, 4, 3, dilation=2), nn.Hardtanh(0, 0.4), nn.Conv2d(4, 8, 3, groups=2, padding=1), nn.ReLU6(),
        head(128, 3),
    )  # fmt: skip
    y = (X.mean((1, 2, 3)) * 40).astype(np.int64) % 3
    data = Dataset("made", X, y, X[:64], y[:64])
    tuned = finetune(trace(model, SHAPE), data, epochs=2, timesteps=3, weight_bits=3).network
    float_layers = [layer for layer in trace(model, SHAPE).layers if isinstance(layer, FloatConv)]
    convolutions = [op for op in tuned.operators if isinstance(op, Conv)]
    for layer, op in zip(float_layers, convolutions, strict=True):
        assert layer.free.size
        assert not op.weight[~layer.free].any()
        assert op.weight[layer.free].any()


def test_the_batch_size_decides_nothing() -> None:
    for condition in ("x.shape[0] > 2", "len(x) == 3", "x.shape[0] == 1", "x.size(0) > 64", "x.shape[0] % 64 == 0"):
        space: dict[str, Any] = {"nn": nn, "F": F}
        exec(
            "class Net(nn.Module):\n"
            "    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(128, 3)\n"
            f"    def forward(self, x):\n        if {condition}:\n            x = x * 2\n"
            "        return self.fc(x.flatten(1))\n",
            space,
        )
        with pytest.raises(VolleyError, match=r"depends on the batch size|asks for the batch size"):
            trace(space["Net"](), SHAPE)


class Tripled(nn.DataParallel):
    """A wrapper of the user's own, which does something."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.module(1 - x)
        return answer


def hooked(wrapper: nn.Module) -> nn.Module:
    wrapper.register_forward_hook(lambda _m, _i, output: output * 3)
    return wrapper


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (hooked(nn.DataParallel(seq(head(128)))), "model 'DataParallel': has a forward hook"),
        (Tripled(seq(head(128))), r"is wrapped in Tripled; give model\.module"),
        (seq(nn.Conv2d(2, 4, 3, dilation=100_000, padding=100_000), nn.ReLU(), head(256)), "laid out with zeros"),
        (seq(nn.Conv2d(2, 4, 3), nn.ReLU(), norm(), nn.MaxPool2d(2), nn.ZeroPad2d(1), nn.MaxPool2d(2), head(16)),
         "pads with 0 what '5' takes the largest of"),
        (seq(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d((2,)), head(16)), "its settings are not understood"),
    ],
)  # fmt: skip
def test_never_another_function_without_a_word(model: nn.Module, message: str) -> None:
    with pytest.raises(VolleyError, match=message):
        pyflow.convert(model, X, input_shape=SHAPE)
