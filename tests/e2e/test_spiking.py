# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Networks over time, with a state edge and with a skip connection, on real digits: bit-exact on every stream,
cycles as predicted. The networks are those of examples/spiking/."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pyflow
from pyflow import data
from pyflow.frontends import load_model
from pyflow.graph import Network

REPO = Path(__file__).resolve().parents[2]
NETS = REPO / "examples" / "spiking" / "nets.py"


def network(name: str) -> Network:
    built = load_model(f"{NETS}:{name}")
    assert isinstance(built, Network)
    return built


def documented(name: str) -> tuple[str, str]:
    """Accuracy and cycles per frame that the example's page gives for a network."""
    rows = NETS.with_name("README.md").read_text(encoding="utf-8").splitlines()
    (cells,) = ([cell.strip() for cell in row.split("|")] for row in rows if row.startswith(f"| `{name}` |"))
    return cells[3], cells[4]


@pytest.mark.parametrize(
    ("name", "frames", "steps", "block", "accuracy"),
    [("rate_cnn", 24, 16, 4, 0.96), ("recurrent", 6, 100, 1, 0.88), ("residual", 60, 4, 1, 0.93)],
)
def test_every_stream_is_exact(name: str, frames: int, steps: int, block: int, accuracy: float, tmp_path: Path) -> None:
    net = network(name)
    digits = data.load("digits")
    reached = (net.run(digits.x_test).argmax(1) == digits.y_test).mean()
    assert reached >= accuracy
    assert (net.tensors["encode"].steps, net.time_block) == (steps, block)
    x = digits.x_test[:frames]
    build = pyflow.compile(net, out_dir=tmp_path)
    result = build.simulate(x, taps=frames)
    assert build.first_mismatch(x, result) is None
    np.testing.assert_array_equal(result.logits, net.run(x))
    assert result.latency_cycles == build.plan.latency_cycles
    assert result.cycles_per_frame == build.plan.cycles_per_frame
    shown = f"{100 * reached:.1f} %", f"{result.cycles_per_frame:,.0f}"
    assert documented(name) == shown, "examples/spiking/README.md"
    rough = build.simulate(x, taps=frames, solo=0, stall_in=0.4, stall_out=0.4, seed=1)
    assert build.first_mismatch(x, rough) is None
    np.testing.assert_array_equal(rough.logits, net.run(x))


def test_make_sim_takes_an_integer_network(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pyflow", "sim", "--net", f"{NETS}:rate_cnn", "--out", str(tmp_path / "build")]
    done = subprocess.run(
        [*command, "--frames", "20", "--time-block", "4"], cwd=REPO, env=os.environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "build" / "report.json").read_text())
    assert report["mismatches"] == 0
    assert report["frames_compared"] == 20
    assert report["cycles_per_frame"] == report["predicted_cycles_per_frame"] == 4 * 64
    for row in report["layers"]:
        assert row["measured_cycles"] == pytest.approx(row["predicted_cycles"], rel=0.01), row["name"]
    bad = subprocess.run([*command, "--time-block", "3"], cwd=REPO, env=os.environ, capture_output=True, text=True)
    assert bad.returncode == 2
    assert "time_block = 3 must be one of 1, 2, 4, 8, 16" in bad.stderr
    bad = subprocess.run([*command, "--weight-bits", "4"], cwd=REPO, env=os.environ, capture_output=True, text=True)
    assert bad.returncode == 2
    assert "does not go with the integer network" in bad.stderr
