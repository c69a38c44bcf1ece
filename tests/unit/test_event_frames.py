# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Frames of an event camera as tonic's ToFrame makes them, [N, T, C, H, W], from training to integers.

tonic wrote the frames (event_frames/make.py); it is not needed here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

for _package in ("snntorch", "spikingjelly", "norse"):
    pytest.importorskip(_package, reason=f"{_package} is not installed: pip install volley-snn[oracle]")

import snntorch as snn  # noqa: E402

from pyflow.conversion import convert, finetune  # noqa: E402
from pyflow.data import Dataset  # noqa: E402
from pyflow.operators import Encoding  # noqa: E402
from tests.unit.spiking_nets import loud  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
FILE = Path(__file__).parent / "event_frames" / "frames.npz"
STEPS, SHAPE = 8, (2, 16, 16)


class Directions(nn.Module):
    """Which way does the bar go? A loop over [N, T, C, H, W]; a neuron for each of the four ways."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif1 = nn.Conv2d(2, 8, 4, stride=4), snn.Leaky(beta=0.75)
        self.fc, self.lif2 = nn.Linear(8 * 16, 4), snn.Leaky(beta=0.75, reset_mechanism="none")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem1, mem2 = self.lif1.reset_mem(), self.lif2.reset_mem()
        total = torch.zeros(x.shape[0], 4)
        for t in range(x.shape[1]):
            spk, mem1 = self.lif1(self.conv(x[:, t]), mem1)
            _, mem2 = self.lif2(self.fc(spk.flatten(1)), mem2)
            total = total + mem2
        return total


@pytest.fixture(scope="module")
def data() -> Dataset:
    """tonic gives int16. Integers are grey levels to Volley, so counts are whole floats."""
    with np.load(FILE) as stored:
        raw = {name: stored[name] for name in stored.files}
    assert raw["x_train"].dtype == np.int16
    assert raw["x_train"].shape[1:] == (STEPS, *SHAPE)
    assert raw["x_train"].max() > 1
    x_train, x_test = (raw[name].astype(np.float32) for name in ("x_train", "x_test"))
    return Dataset("bars", x_train, raw["y_train"], x_test, raw["y_test"])


def test_the_file_is_small() -> None:
    assert FILE.stat().st_size <= 100_000


def test_frames_train_in_integers_and_convert(data: Dataset) -> None:
    """From random weights, with W = 4: the front edge's ON events come before the OFF events of the back edge."""
    torch.manual_seed(0)
    model = loud(Directions(), 4).eval()
    network = convert(model, data.x_train, time_axis=1, weight_bits=4)
    assert (network.input_encoding, network.input_steps) == (Encoding.SIGNAL, STEPS)
    counts = data.x_test.astype(np.uint8)  # as a host sends them
    tuned = finetune(model, data, time_axis=1, weight_bits=4, epochs=10, batch_size=16, learning_rate=0.02)
    right = float((tuned.network.run(counts).argmax(1) == data.y_test).mean())
    assert right == tuned.accuracy > 0.9
