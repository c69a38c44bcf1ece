# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The main job as a user runs it: a command, a table, a report."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pyflow.graph import Network
from pyflow.operators import RadixNeuron, Synapse
from pyflow.report import parsed
from pyflow.report.text import layer_table, summary
from verif.pictures.recording import lines_of

REPO = Path(__file__).resolve().parents[2]
MODEL = '''
from torch import nn

def build():
    """A model that is not shipped: two channels in, odd sizes, normalisation by batch norm."""
    return nn.Sequential(
        nn.Conv2d(2, 5, 3, stride=2, padding=1), nn.BatchNorm2d(5), nn.ReLU(),
        nn.Conv2d(5, 7, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(7 * 2 * 1, 4),
    )
'''


def pyflow(*args: str, cwd: Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    run = subprocess.run(
        [sys.executable, "-m", "pyflow", *args],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=900,
        env={**os.environ, "PYTHONPATH": str(REPO)},
    )
    assert run.returncode == status, run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    return run


@pytest.fixture
def own_model(tmp_path: Path) -> Path:
    """A folder with my_net.py, its weights and data, made by torch alone."""
    import torch
    from safetensors.torch import save_file

    (tmp_path / "my_net.py").write_text(MODEL)
    space: dict[str, object] = {}
    exec(MODEL, space)
    torch.manual_seed(1)
    model = space["build"]()  # type: ignore[operator]
    rng = np.random.default_rng(0)
    x, y = rng.random((120, 2, 13, 9)).astype(np.float32), rng.integers(0, 4, 120)
    model(torch.tensor(x))  # running statistics that are not the default
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    np.savez(tmp_path / "my.npz", x_train=x[:60], y_train=y[:60], x_test=x[60:], y_test=y[60:])
    return tmp_path


def test_digits(tmp_path: Path) -> None:
    run = pyflow("sim", "--json", "out.json", cwd=tmp_path)
    report = json.loads((tmp_path / "build" / "digits" / "report.json").read_text())
    parsed(report)
    assert json.loads((tmp_path / "out.json").read_text()) == report
    assert (report["frames_compared"], report["mismatches"]) == (360, 0)
    assert report["accuracy_snn"] >= 0.97
    assert report["cycles_per_frame"] == pytest.approx(report["predicted_cycles_per_frame"], rel=0.01)
    assert report["sim_frames_per_cpu_s"] > 200
    for text in ("conv1", "PE ", "busy cycles", "LUT", "fine-tuned", "0 mismatches"):
        assert text in run.stdout
    for layer in report["layers"]:
        assert layer["measured_cycles"] == layer["predicted_cycles"]
    again = pyflow("report", "build/digits/report.json", cwd=tmp_path)
    assert "0 mismatches" in again.stdout


def test_lenet5(tmp_path: Path, data_dir: Path) -> None:
    # `make bench-networks` takes all 10,000 frames.
    pyflow("sim", "--net", "lenet5", "--data", "mnist", "--data-dir", str(data_dir), "--frames", "2000", cwd=tmp_path)
    report = json.loads((tmp_path / "build" / "lenet5" / "report.json").read_text())
    assert (report["frames_compared"], report["mismatches"]) == (2000, 0)
    assert report["accuracy_snn"] >= 0.98
    assert report["cycles_per_frame"] <= 1100
    assert report["sim_frames_per_cpu_s"] > 100  # `make bench-networks` prints over 200; CI machines are shared
    assert report["cycles_per_frame"] == pytest.approx(report["predicted_cycles_per_frame"], rel=0.01)


def test_own_model(own_model: Path) -> None:
    run = pyflow(
        "sim",
        "--net",
        "my_net.py:build",
        "--weights",
        "w.safetensors",
        "--data",
        "my.npz",
        "--timesteps",
        "3",
        "--cycles",
        "400",
        "--board",
        "ulx3s-85f",
        cwd=own_model,
    )
    assert "60 frames compared, every logit; 0 mismatches" in run.stdout
    report = json.loads((own_model / "build" / "my_net-T3-C400-ulx3s-85f" / "report.json").read_text())
    assert report["accuracy_float"] is not None
    assert report["cycles_per_frame"] <= 400


MODEL_1D = """
from torch import nn

def build():
    return nn.Sequential(
        nn.Conv1d(2, 5, 4, stride=2, padding=3), nn.BatchNorm1d(5), nn.ReLU(), nn.MaxPool1d(3, 2, 1),
        nn.Conv1d(5, 7, 3), nn.ReLU(), nn.AvgPool1d(2), nn.Flatten(), nn.Linear(7 * 2, 4), nn.BatchNorm1d(4),
    )
"""
FUNCTIONAL_1D = """
import torch
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    input_shape = (2, 24)  # no layer tells that it takes sequences

    def __init__(self):
        super().__init__()
        self.kernel, self.fc = nn.Parameter(torch.linspace(-1, 1, 30).reshape(3, 2, 5)), nn.Linear(60, 4)

    def forward(self, x):
        return self.fc(torch.relu(F.conv1d(x, self.kernel)).flatten(1))

def build():
    torch.manual_seed(0)
    return Net()
"""


@pytest.fixture
def own_model_1d(tmp_path: Path) -> Path:
    """A folder with two models on sequences [N, C, L] and data for them."""
    (tmp_path / "my1d.py").write_text(MODEL_1D)
    (tmp_path / "functional.py").write_text(FUNCTIONAL_1D)
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "my1d.npz", x=rng.random((60, 2, 24)).astype(np.float32), y=rng.integers(0, 4, 60))
    return tmp_path


def test_own_1d_model(own_model_1d: Path) -> None:
    run = pyflow("sim", "--net", "my1d.py:build", "--data", "my1d.npz", cwd=own_model_1d)
    assert "60 frames compared, every logit; 0 mismatches" in run.stdout
    report = json.loads((own_model_1d / "build" / "my1d" / "report.json").read_text())
    assert report["accuracy_float"] is not None
    assert report["cycles_per_frame"] == report["predicted_cycles_per_frame"]
    assert report["latency_cycles"] == report["predicted_latency_cycles"]


def test_own_1d_model_step_by_step(own_model_1d: Path) -> None:
    from pyflow.graph import Network

    pyflow("convert", "--net", "functional.py:build", "--data", "my1d.npz", "--out", "my.vly", cwd=own_model_1d)
    network = Network.load(own_model_1d / "my.vly")
    assert network.input_shape == (2, 1, 24)
    pyflow("simulate", "--net", "my.vly", "--data", "my1d.npz", "--logits", "logits.npy", cwd=own_model_1d)
    x = np.load(own_model_1d / "my1d.npz")["x"]
    np.testing.assert_array_equal(np.load(own_model_1d / "logits.npy"), network.run(x))


def test_convert_compile_simulate_step_by_step(own_model: Path) -> None:
    pyflow(
        "convert",
        "--net",
        "my_net.py:build",
        "--weights",
        "w.safetensors",
        "--data",
        "my.npz",
        "--out",
        "my.vly",
        cwd=own_model,
    )
    pyflow("compile", "--net", "my.vly", "--out", "hw", cwd=own_model)
    folding = json.loads((own_model / "hw" / "folding.json").read_text())
    folding["layers"]["conv2"]["pe"] = 2
    folding["layers"]["conv2"]["slice"] = "tap"
    (own_model / "mine.json").write_text(json.dumps(folding))
    pyflow(
        "simulate",
        "--net",
        "my.vly",
        "--data",
        "my.npz",
        "--folding",
        "mine.json",
        "--out",
        "hw",
        "--frames",
        "20",
        "--logits",
        "logits.npy",
        cwd=own_model,
    )
    from pyflow.graph import Network

    x = np.load(own_model / "my.npz")["x_test"][:20]
    np.testing.assert_array_equal(np.load(own_model / "logits.npy"), Network.load(own_model / "my.vly").run(x))


def test_waves(tmp_path: Path) -> None:
    pyflow("sim", "--frames", "3", "--waves", "--frame", "2", cwd=tmp_path)
    text = (tmp_path / "build" / "digits" / "frame2.vcd").read_text(errors="replace")
    assert "$enddefinitions" in text
    assert "conv1_tdata" in text


def test_wheel_works_outside_the_checkout(tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            str(dist),
            str(REPO),
        ],
        check=True,
        capture_output=True,
        timeout=300,
    )
    (wheel,) = dist.glob("volley_snn-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert not [n for n in names if n.startswith(("verif", "tests", "build"))]
    # A fresh environment that borrows the installed dependencies, and nothing of the checkout.
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True, timeout=300)
    python = tmp_path / "env" / "bin" / "python"
    site = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
    )
    with zipfile.ZipFile(wheel) as z:
        z.extractall(site)
    borrowed = tmp_path / "borrowed"
    borrowed.mkdir()
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if "volley" not in entry.name and entry.suffix != ".pth" and entry.name != "pyflow":
            (borrowed / entry.name).symlink_to(entry)
    work = tmp_path / "work"
    work.mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PYTHONPATH": str(borrowed)}
    run = subprocess.run(
        [python, "-m", "pyflow", "sim", "--frames", "30", "--board", "icebreaker"],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "30 frames compared, every logit; 0 mismatches" in run.stdout
    where = subprocess.run(
        [python, "-c", "import pyflow; print(pyflow.__file__)"],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert str(site) in where


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_a_target_that_fails_says_why_in_one_line() -> None:
    command = ["make", "--no-print-directory", "bitstream", "BOARD=nonsense"]
    run = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    assert run.returncode != 0
    assert "'nonsense' is unknown; known: " in run.stderr


def test_the_recording_of_the_readme_is_such_a_run(tmp_path: Path) -> None:
    """Line by line what the command prints and what its report says, but for the speed of this machine."""
    said = lines_of((REPO / "docs" / "img" / "sim.svg").read_text(encoding="utf-8"))
    printed = pyflow("sim", "--out", "build/digits", cwd=tmp_path).stdout.splitlines()
    (speed,) = (n for n, line in enumerate(printed) if line.startswith("simulation speed"))
    assert said[0] == "$ make sim"
    assert said[1 : speed + 1] == [line.rstrip() for line in printed[:speed]], "make pictures"
    assert said[speed + 2 :] == printed[speed + 1 :]
    report = parsed(json.loads((tmp_path / "build" / "digits" / "report.json").read_text()))
    for line in (*layer_table(report.layers).splitlines(), *summary(report).splitlines()):
        assert line.rstrip() in said or line.startswith("simulation speed"), line


def test_a_number_for_each_layer(own_model: Path) -> None:
    """On the command line as in convert(): the network has them, and the folder tells them."""
    model = ["--net", "my_net.py:build", "--weights", "w.safetensors", "--data", "my.npz"]
    each = ["--timesteps", "default:3,conv1:2", "--weight-bits", "default:4,fc1:3"]
    pyflow("convert", *model, *each, "--out", "net.vly", cwd=own_model)
    network = Network.load(own_model / "net.vly")
    assert [op.steps for op in network.operators if isinstance(op, RadixNeuron)][:2] == [2, 3]
    assert [op.weight_bits for op in network.operators if isinstance(op, Synapse)] == [4, 4, 3]
    told = pyflow("folder", *model, *each, cwd=own_model).stdout.strip()
    assert told == "build/my_net-Tdefault_3_conv1_2-Wdefault_4_fc1_3"
    for wrong, message in (
        ("default:3,convX:2", "timesteps: unknown layer 'convX'"),
        ("default:3,conv1", "'conv1' is not layer:number, as in default:4,conv1:6"),
        ("conv1:2,conv1:3", "layer 'conv1' is there twice"),
        ("three", "invalid int value: 'three'"),
        ("default:3,conv1:9", "timesteps: 9 of layer 'conv1' is outside 1..8"),
    ):
        run = pyflow("convert", *model, "--timesteps", wrong, "--out", "x.vly", cwd=own_model, status=2)
        assert message in run.stderr
        assert run.stderr.strip().count("\n") <= 1
