# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Which class an answer says, with several outputs and with one; what stands at the end and is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import pyflow
from pyflow.__main__ import main
from pyflow.frames import decided
from tests.e2e.test_inputs import run

X = np.random.default_rng(0).random((40, 1, 8, 8), np.float32)
FAST = ("--cycles", "600")


def model(outputs: int, end: nn.Module) -> nn.Sequential:
    """Its first logit is above 0 for half of the images."""
    torch.manual_seed(0)
    found = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, outputs), end)
    with torch.no_grad():
        found[3].bias -= found[:4](torch.from_numpy(X))[:, 0].median()
    return found


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(
        "import torch\nfrom torch import nn\nfrom tests.e2e.test_decision import model\n"
        "def yes(): return model(1, nn.Sigmoid())\n"
        "def bare(): return model(1, nn.Identity())\n"
        "def three(): return model(3, nn.LogSoftmax(1))\n"
    )
    return tmp_path


def test_a_class_is_the_largest_or_a_yes() -> None:
    assert decided(np.array([[1, 3, 3], [0, -1, -2]])).tolist() == [1, 0]
    assert decided(np.array([[0], [1], [-1]])).tolist() == [0, 1, 0]
    assert decided(np.array([[0.4], [0.6]]), 0.5).tolist() == [0, 1]


@pytest.mark.parametrize("net", ["yes", "bare"])
def test_one_output_is_a_decision_everywhere(net: str, here: Path, capsys: Any) -> None:
    """As a probability above 1/2 where the model ends in a Sigmoid, which is a logit above 0."""
    own = model(1, nn.Sigmoid() if net == "yes" else nn.Identity())
    with torch.no_grad():
        scores = own(torch.from_numpy(X))[:, 0].numpy()
    middle = 0.5 if net == "yes" else 0.0
    assert 0 < (scores > middle).sum() < 40, "all answers are alike: the test tells nothing"
    np.savez(here / "d.npz", x=X, y=scores > middle)  # labels are True and False
    status, out, _ = run(capsys, "compile", "--net", f"net.py:{net}", "--data", "d.npz", *FAST)
    assert status == 0
    assert "accuracy:  float 100.00 %, integer" in out
    network = pyflow.convert(own, X)
    integer = float(((network.run(X)[:, 0] > 0) == (scores > middle)).mean())
    assert f"integer {100 * integer:.2f} %" in out
    status, out, _ = run(capsys, "sim", "--net", f"net.py:{net}", "--data", "d.npz", *FAST)
    assert status == 0
    assert f"SNN in RTL {100 * integer:.2f} %" in out


def test_what_is_left_out_is_said(here: Path, capsys: Any) -> None:
    np.savez(here / "x.npz", x=X)
    _, out, _ = run(capsys, "compile", "--net", "net.py:three", "--data", "x.npz", *FAST)
    assert "left out:  log_softmax at the end" in out
    network = pyflow.convert(model(3, nn.Softmax(1)), X)
    assert network.meta["left_out"] == "softmax"
    assert network.summary().endswith("softmax at the end is left out")
    assert "left_out" not in pyflow.convert(model(3, nn.Identity()), X).meta


def test_labels_beyond_the_outputs_give_no_accuracy_at_all(here: Path, capsys: Any) -> None:
    np.savez(here / "d.npz", x=X, y=np.arange(40) % 3 + 1)
    _, out, said = run(capsys, "compile", "--net", "net.py:three", "--data", "d.npz", *FAST)
    assert "accuracy:" not in out
    assert any("labels go up to 3 (they count from 1? subtract it)" in line for line in said)


def test_verbose_goes_before_a_command_and_behind_it(here: Path) -> None:
    np.savez(here / "x.npz", x=X)
    assert main(["compile", "-v", "--net", "net.py:three", "--data", "x.npz", *FAST]) == 0
