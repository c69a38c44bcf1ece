# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Depthwise convolutions: what PyTorch writes as one becomes one, and computes what a dense kernel with zeros does."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import pyflow
from benchmarks.depthwise import dense
from pyflow.conversion import FakeQuant
from pyflow.conversion.layout import Options
from pyflow.conversion.radix import calibrate, prepare
from pyflow.errors import VolleyError
from pyflow.frontends import Normalize
from pyflow.graph import INPUT, Network
from pyflow.measure import activity
from pyflow.operators import Conv, DepthwiseConv, Encode, Linear, Operator, RadixNeuron, Readout
from pyflow.planning.board import load_board
from pyflow.planning.folding import Folding
from pyflow.planning.lowering.synapse import check_folding
from pyflow.planning.memories import weight_rows
from pyflow.planning.planner import plan

SHAPE = (4, 8, 8)
X = np.random.default_rng(0).random((64, *SHAPE), dtype=np.float32)
SEQUENCES = np.random.default_rng(1).random((64, 4, 30), dtype=np.float32)


def norm(channels: int) -> nn.BatchNorm2d:
    """Scales of either sign, over two decades."""
    made = nn.BatchNorm2d(channels)
    made.weight.data = torch.logspace(-1, 1, channels) * (-1.0) ** torch.arange(channels)
    made.bias.data, made.running_mean = 0.3 * torch.randn(channels), 0.1 * torch.randn(channels)
    return made


def net(*layers: nn.Module, out: int, classes: int = 5) -> nn.Module:
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(out, classes)).eval()


class Written(nn.Module):
    """A depthwise convolution as a function, between two branches."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.fc = nn.Conv2d(4, 2, 1), nn.Conv2d(4, 3, 3, padding=1), nn.Linear(80, 5)
        self.weight = nn.Parameter(torch.randn(5, 1, 3, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        both = torch.cat([F.relu(self.a(x)), F.relu(4 * self.b(x))], 1)
        return self.fc(F.relu(F.conv2d(both, self.weight, None, 2, 1, 1, 5)).flatten(1))


def separable(*, stride: int = 1, padding: int | str = 1, dilation: int = 1, m: int = 1, k: int = 3) -> nn.Conv2d:
    return nn.Conv2d(4, 4 * m, k, stride, padding, dilation, groups=4)


# Model, and [K, K] of its depthwise layer as it is laid out.
MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int]]] = {
    "first": (lambda: net(separable(), nn.ReLU(), out=256), (3, 3)),
    "BatchNorm, ReLU6": (
        lambda: net(nn.Conv2d(4, 4, 1), nn.ReLU6(), separable(), norm(4), nn.ReLU6(), out=256), (3, 3)
    ),
    "BatchNorm behind ReLU": (
        lambda: net(nn.Conv2d(4, 4, 1), nn.ReLU(), norm(4), separable(padding=0), nn.ReLU(), out=144), (3, 3)
    ),
    "stride": (lambda: net(separable(stride=2), nn.ReLU(), out=64), (3, 3)),
    "same": (lambda: net(separable(padding="same", k=4), nn.ReLU(), out=256), (5, 5)),
    "dilation": (lambda: net(separable(dilation=2, padding=2), nn.ReLU(), out=256), (5, 5)),
    "depth multiplier": (lambda: net(separable(m=3, k=5, padding=2), nn.ReLU(), out=768), (5, 5)),
    "1 x 1": (lambda: net(separable(k=1, padding=0), nn.ReLU(), out=256), (1, 1)),
    "average of potentials": (lambda: net(separable(), nn.AvgPool2d(2), nn.ReLU(), out=64), (4, 4)),
    "normalised": (
        lambda: net(Normalize([0.5, 0.2, 0.4, 0.3], [0.2, 0.3, 0.4, 0.1]), separable(m=2), nn.ReLU(), out=512), (3, 3)
    ),
    "maximum before ReLU": (lambda: net(separable(), nn.MaxPool2d(2), nn.ReLU(), out=64), (3, 3)),
    "inputs of two units": (Written, (3, 3)),
}  # fmt: skip


def depthwise_of(network: Network) -> DepthwiseConv:
    (op,) = (op for op in network.operators if isinstance(op, DepthwiseConv))
    return op


def laid_dense(network: Network) -> Network:
    """The same network with dense kernels."""

    def other(op: Operator) -> Operator:
        return dense(op, network.sources(op)[0].shape[0]) if isinstance(op, DepthwiseConv) else op

    return Network(network.name, network.input_shape, tuple(map(other, network.operators)), network.logit_scale)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_becomes_depthwise_and_computes_the_same(name: str) -> None:
    torch.manual_seed(0)
    make, kernel = MODELS[name]
    model = make()
    network = pyflow.convert(model, X, timesteps=8, weight_bits=8, input_bits=8, percentile=100)
    op = depthwise_of(network)
    assert op.weight.shape[1:] == (1, *kernel)
    # Exactly what dense kernels with zeros give, and nearly what the module does.
    np.testing.assert_array_equal(network.run(X), laid_dense(network).run(X))
    wanted = model(torch.from_numpy(X)).detach().numpy()
    assert np.abs(network.run(X) * network.logit_scale - wanted).max() < 0.04 * np.ptp(wanted)


def test_sequences() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv1d(4, 8, 5, 2, 2, groups=4), nn.ReLU(), nn.Conv1d(8, 6, 1), nn.ReLU(), nn.Flatten(), nn.Linear(90, 3)
    ).eval()
    network = pyflow.convert(model, SEQUENCES, timesteps=8, weight_bits=8, input_bits=8, percentile=100)
    assert depthwise_of(network).weight.shape == (8, 1, 1, 5)
    wanted = model(torch.from_numpy(SEQUENCES)).detach().numpy()
    assert np.abs(network.run(SEQUENCES) * network.logit_scale - wanted).max() < 0.04 * np.ptp(wanted)


@pytest.mark.parametrize(("groups", "inputs", "outputs"), [(2, 4, 4), (1, 1, 4), (2, 4, 6)])
def test_other_groups_are_dense(groups: int, inputs: int, outputs: int) -> None:
    torch.manual_seed(0)
    model = net(nn.Conv2d(inputs, outputs, 3, padding=1, groups=groups), nn.ReLU(), out=outputs * 64)
    network = pyflow.convert(model, X[:, :inputs])
    convolutions = [op for op in network.operators if isinstance(op, Conv)]
    assert [op.kind for op in convolutions] == ["conv"]
    assert convolutions[0].weight.shape == (outputs, inputs, 3, 3)


def test_every_channel_has_a_weight_scale_of_its_own() -> None:
    """Kernels of unlike sizes, all with the whole range of their weights."""
    torch.manual_seed(0)
    conv = separable()
    conv.weight.data *= torch.tensor([1.0, 0.5, 0.2, 0.1])[:, None, None, None]
    network = pyflow.convert(net(conv, nn.ReLU(), out=256), X, weight_bits=4, percentile=100)
    assert (np.abs(depthwise_of(network).weight).max((1, 2, 3)) >= 6).all()
    (layer, *_) = network.meta["conversion"]["layers"]
    assert layer["weight_error"] < 0.08


@pytest.mark.parametrize(
    "name", ["BatchNorm, ReLU6", "dilation", "normalised", "depth multiplier", "inputs of two units"]
)
def test_fine_tuning_sees_the_same_integers(name: str) -> None:
    torch.manual_seed(0)
    plan_of, images = prepare(MODELS[name][0](), X, Options(3, 4, 5))
    fake = FakeQuant(plan_of, calibrate(plan_of, images))
    with torch.no_grad():
        for p in fake.parameters():
            p.add_(0.05 * torch.randn(p.shape) * p.abs().mean())
        logits = fake(torch.from_numpy(X)).numpy()
    network = fake.network()
    np.testing.assert_array_equal(logits, (network.run(X) * network.logit_scale).astype(np.float32))
    op = depthwise_of(network)
    if name == "dilation":
        assert not op.weight[:, :, 1::2].any()
        assert not op.weight[:, :, :, 1::2].any()


WEIGHT = np.random.default_rng(2).integers(-7, 8, (10, 1, 3, 3))


def made(**changes: Any) -> Network:
    """Five channels of two outputs each, between an encoder and a readout."""
    conv = DepthwiseConv("conv", ("encode",), padding=(1, 1), **{"weight": WEIGHT, "weight_bits": 4, **changes})
    ones = np.ones(len(conv.weight), np.int64)
    operators = (
        Encode("encode", (INPUT,), 4),
        conv,
        RadixNeuron("fire", ("conv",), 9 * ones, 0 * ones, steps=4),
        Linear("fc", ("fire",), weight=np.ones((2, 300, 1, 1)), weight_bits=2),
        Readout("logits", ("fc",), bias=np.zeros(2)),
    )
    return Network("probe", (5, 6, 5), operators)


def test_a_file_keeps_it(tmp_path: Path) -> None:
    network = made()
    network.save(tmp_path / "probe.vly")
    again = Network.load(tmp_path / "probe.vly")
    np.testing.assert_array_equal(depthwise_of(again).weight, WEIGHT)
    x = np.random.default_rng(3).integers(0, 256, (4, *network.input_shape))
    np.testing.assert_array_equal(again.run(x), network.run(x))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": WEIGHT[:9]}, "weight has 9 kernels, no multiple of the 5 channels of input 'encode'"),
        ({"weight": WEIGHT.reshape(5, 2, 3, 3)}, r"weight \(5, 2, 3, 3\) must be \[Ci \* M, 1, KH, KW\]"),
        ({"pad_code": np.ones(4)}, "pad_code has 4 entries, needs 5"),
    ],
)
def test_what_it_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(VolleyError, match=message):
        made(**changes)


@pytest.mark.parametrize(
    ("folding", "message"),
    [
        ({"lanes": 2, "pe": 2}, "pe=2, but lanes=2 channels of a depthwise layer have 4 outputs; use pe=4"),
        ({"lanes": 2, "pe": 4, "slice": "tap"}, "slice=tap, but a depthwise layer takes whole windows; use slice=all"),
        ({"lanes": 2, "pe": 4, "body": "mult"}, "body=mult, but a depthwise layer's sums are of LUTs; use body=lut"),
        ({"lanes": 6, "pe": 10}, "lanes=6 is above its 5 input channels"),
        ({"lanes": 2, "pe": 4, "pix": 5}, "pix=5 pixels per beat need a convolution with whole windows"),
        ({"lanes": 2, "pe": 4, "memory": "const"}, "memory=const holds one row, this folding has 3"),
        ({"lanes": 2, "pe": 4, "window_depth": 64}, "its window is not folded; leave window_depth out"),
    ],
)
def test_foldings_that_are_refused(folding: dict[str, Any], message: str) -> None:
    network = made()
    with pytest.raises(VolleyError, match=message):
        check_folding(depthwise_of(network), Folding(**folding), network)


def test_rows_of_its_memory() -> None:
    """A row per channel group, in it channel, output, kx, ky; zeros for what lies beyond the last channel."""
    network = made()
    op, (source,) = depthwise_of(network), network.sources(depthwise_of(network))
    rows = weight_rows(op, Folding(pe=4, lanes=2), source)
    assert rows.shape == (3, 2 * 2 * 9)
    for group, lane, output in itertools.product(range(3), range(2), range(2)):
        own = rows[group].reshape(2, 2, 3, 3)[lane, output]
        channel = 2 * group + lane
        wanted = WEIGHT[2 * channel + output, 0].T if channel < 5 else 0 * own
        np.testing.assert_array_equal(own, wanted)


def test_operations_are_those_of_its_kernels() -> None:
    network = made()
    x = np.full((1, *network.input_shape), 255)
    _, operations, every = activity(network, x)
    inside = np.lib.stride_tricks.sliding_window_view(np.pad(np.ones((6, 5)), 1), (3, 3)).sum()
    fc = 2 * 300 * 4
    assert every == 10 * inside * 4 + fc
    fired = float(np.bitwise_count(network.run(x, trace=True)[1]["fire"]).sum())
    assert operations == 10 * inside * 4 + 2 * fired


@pytest.mark.parametrize("cycles", [60, 200, 2000])
def test_its_plan_stores_and_multiplies_no_more(cycles: int) -> None:
    found = plan(made(), load_board("pynq-z2"), cycles_per_frame=cycles)
    (inst,) = (inst for inst in found.netlist.instances if inst.layer == "conv" and inst.memory)
    assert inst.memory
    lanes = found.netlist.foldings["conv"].lanes
    padding = (-5 % lanes) * 2 * 9 * 4
    assert inst.memory.width * inst.memory.depth == WEIGHT.size * 4 + padding
    assert inst.sink.frame_beats == -(-5 // lanes) * 30 // inst.sink.pix
    assert found.schedule.cycles_per_frame <= cycles
