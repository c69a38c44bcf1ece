# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Every mistake is one line that names what is wrong and what would work; nothing is left half-written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyflow
from pyflow import zoo
from pyflow.__main__ import main
from pyflow.build import Build
from pyflow.errors import VolleyError
from pyflow.graph import Network


def fails(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert main(list(args)) == 2
    err = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in err if not line.startswith("warning:")]) == 1, err
    return err[-1]


def write_model(folder: Path, body: str) -> None:
    (folder / "net.py").write_text(f"import torch\nfrom torch import nn\n{body}\n")


def data(folder: Path, shape: tuple[int, ...] = (40, 1, 8, 8), **arrays: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    own: dict[str, Any] = {"x": rng.random(shape).astype(np.float32), "y": rng.integers(0, 3, shape[0])}
    np.savez(folder / "d.npz", **(own | arrays))


TAIL = "nn.Flatten(), nn.Linear(4*6*6, 3)"
MODELS: dict[str, tuple[str, str]] = {
    "layer": ("def build(): return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Sigmoid(), " + TAIL + ")", "Sigmoid"),
    "option": (
        "def build(): return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, padding_mode='reflect'), nn.ReLU(), "
        + TAIL
        + ")",
        "padding_mode",
    ),
    "order": (
        "def build(): return nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.Conv2d(4, 4, 1), nn.ReLU(), "
        "nn.Flatten(), nn.Linear(36, 3))",
        "ReLU",
    ),
    "untraceable": (
        "class N(nn.Module):\n  def forward(self, x):\n    return x if x.sum() > 0 else -x\ndef build(): return N()",
        "trace",
    ),
    "nan": (
        "def build():\n  m = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), "
        + TAIL
        + ")\n  m[0].weight.data[0] = float('nan')\n  return m",
        "nan",
    ),
    "no function": ("x = 1", "build"),
    "raises": ("def build(): raise RuntimeError('boom')", "boom"),
}


@pytest.mark.parametrize("case", MODELS)
def test_models(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    body, word = MODELS[case]
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path, body)
    data(tmp_path)
    assert word.lower() in fails(capsys, "sim", "--net", "net.py:build", "--data", "d.npz").lower()
    assert not (tmp_path / "build").exists()


GOOD = "def build(): return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), " + TAIL + ")"
DATA: dict[str, tuple[Callable[[Path], object], str]] = {
    "range": (lambda p: data(p, x=np.full((4, 1, 8, 8), 3.0, np.float32), y=np.zeros(4, np.int64)), "0..1"),
    "shape": (lambda p: data(p, (40, 1, 5, 5)), "takes 144 inputs, its input has 36"),
    "empty": (lambda p: data(p, x=np.zeros((0, 1, 8, 8), np.float32), y=np.zeros(0, np.int64)), "empty"),
    "corrupt": (lambda p: (p / "d.npz").write_bytes(b"PK\x03\x04 not really"), "d.npz"),
    "missing": (lambda p: None, "d.npz"),
}


@pytest.mark.parametrize("case", DATA)
def test_data(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    make, word = DATA[case]
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path, GOOD)
    make(tmp_path)
    assert word.lower() in fails(capsys, "sim", "--net", "net.py:build", "--data", "d.npz").lower()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--net", "nonsense"], ["nonsense", "digits", "lenet5"]),
        (["--board", "nonsense"], ["nonsense", "pynq-z2"]),
        (["--cycles", "3"], ["3", "nearest is 32"]),
        (["--net", "lenet5"], ["DATA_DIR"]),
        (["--net", "lenet5", "--data-dir", "nowhere"], ["nowhere"]),
        (["--net", "missing.vly"], ["missing.vly", "no such file"]),
        (["--folding", "missing.json"], ["missing.json"]),
        (["--frames", "0"], ["--frames", "1"]),
        (["--finetune", "3"], ["--finetune", "digits"]),
        (["--data", "nonsense"], ["nonsense", "digits"]),
    ],
)
def test_options(
    args: list[str],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    message = fails(capsys, "sim", *args)
    for word in words:
        assert word in message
    assert not list(tmp_path.glob("build/*/rtl"))


@pytest.mark.parametrize(
    ("layer", "change", "word"),
    [
        ("conv2", {"pe": 17}, "1..16"),
        ("conv2", {"pe": 0}, "at least 1"),
        ("conv2", {"lanes": 9}, "1..8"),
        ("conv2", {"slice": "row"}, "column"),
        ("conv2", {"tp": 3}, "TP = 3"),
        ("conv2", {"speed": 2}, "speed"),
        ("conv2", {"slice": "tap", "window_depth": 8}, "power of two"),
        ("conv9", {"pe": 1}, "conv9"),
        ("conv2", {"slice": "all", "lanes": 4, "pe": 4}, "slice=all"),
        ("fc", {"pe": 1, "memory": "const"}, "one row"),
    ],
)
def test_foldings(layer: str, change: dict[str, object], word: str, tmp_path: Path) -> None:
    network = zoo.load("digits")
    build = pyflow.compile(network, out_dir=tmp_path, cycles_per_frame=400)
    folding = json.loads((tmp_path / "folding.json").read_text())
    folding["layers"].setdefault(layer, {}).update(change)
    with pytest.raises(VolleyError, match=word) as error:
        pyflow.compile(network, out_dir=tmp_path, folding=folding)
    assert layer in str(error.value) or "folding" in str(error.value)
    assert json.loads((tmp_path / "folding.json").read_text()) == build.plan.folding_json()  # the old one is whole


def test_out_dir(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(VolleyError, match=r"file.*cannot be written.*writable folder"):
        pyflow.compile(zoo.load("digits"), out_dir=tmp_path / "file" / "x", cycles_per_frame=400)
    assert (tmp_path / "file").read_text() == "mine"


def test_out_dir_never_loses_what_is_not_ours(tmp_path: Path) -> None:
    network = zoo.load("digits")
    (tmp_path / "rtl").mkdir()
    (tmp_path / "rtl" / "mine.sv").write_text("mine")
    with pytest.raises(VolleyError, match=r"mine.sv was not written by Volley"):
        pyflow.compile(network, out_dir=tmp_path, cycles_per_frame=400)
    assert (tmp_path / "rtl" / "mine.sv").read_text() == "mine"
    (tmp_path / "rtl" / "mine.sv").unlink()
    (tmp_path / "notes.txt").write_text("mine too")
    for cycles in (400, 800):  # its own files are replaced
        build = pyflow.compile(network, out_dir=tmp_path, cycles_per_frame=cycles)
    assert json.loads((tmp_path / "folding.json").read_text()) == build.plan.folding_json()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "folding.json", "host", "network.vly", "notes.txt", "rtl", "written.json"
    ]  # fmt: skip
    (tmp_path / "host" / "mine.npy").write_text("mine")
    with pytest.raises(VolleyError, match=r"mine.npy was not written by Volley"):
        pyflow.compile(network, out_dir=tmp_path, cycles_per_frame=400)
    assert (tmp_path / "host" / "mine.npy").read_text() == "mine"


@pytest.mark.parametrize(
    ("option", "word"),
    [
        (["--timesteps", "0"], "1..8"),
        (["--weight-bits", "0"], "2..8"),
        (["--frames", "-5"], "--frames -5"),
        (["--seed", "-1"], "--seed -1"),
        (["--json", "."], "--json"),
    ],
)
def test_option_values(option: list[str], word: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path, GOOD)
    data(tmp_path)
    assert word in fails(capsys, "sim", "--net", "net.py:build", "--data", "d.npz", *option)


def test_labels_beyond_the_outputs(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path, GOOD)
    data(tmp_path, y=np.full(40, 99))
    message = fails(capsys, "sim", "--net", "net.py:build", "--data", "d.npz")
    assert "labels go up to 99" in message
    assert "3 outputs" in message


def test_layer_names_that_the_top_uses(tmp_path: Path, monkeypatch, capsys) -> None:
    from torch import nn

    for name in ("m_logit", "s_pixel", "pixel"):
        model = nn.Sequential()
        model.add_module(name, nn.Conv2d(1, 2, 3))
        model.add_module("r", nn.ReLU())
        model.add_module("f", nn.Flatten())
        model.add_module("l", nn.Linear(8, 2))
        network = pyflow.convert(model, np.random.default_rng(0).random((8, 1, 4, 4)).astype(np.float32))
        assert name not in {op.name for op in network.operators}
        pyflow.compile(network, out_dir=tmp_path / name)


def test_saved_networks(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "n.vly"
    network = zoo.load("digits")
    network.save(path)
    first = path.read_bytes()
    network.save(path)
    assert path.read_bytes() == first, "same network, same bytes"
    path.write_bytes(first[: len(first) // 2])
    with pytest.raises(VolleyError, match=r"n.vly.*save it again"):
        Network.load(path)
    network.save(path)
    with zipfile.ZipFile(path) as z:
        entries = {n: z.read(n) for n in z.namelist()}
    document = json.loads(entries["network.json"])
    document["version"] = 99
    entries["network.json"] = json.dumps(document).encode()
    with zipfile.ZipFile(path, "w") as z:
        for name, content in entries.items():
            z.writestr(name, content)
    with pytest.raises(VolleyError, match=r"version 99.*upgrade"):
        Network.load(path)
    with pytest.raises(VolleyError, match="writable"):
        network.save(tmp_path / "no" / "such" / "folder.vly")
    assert os.listdir(tmp_path) == ["n.vly"]


def test_frames(digits_small: Build) -> None:
    for x, word in (
        (np.zeros((0, 1, 8, 8), np.float32), "no frames"),
        (np.zeros((2, 1, 8, 9), np.float32), "shape"),
        (np.full((2, 1, 8, 8), np.nan, np.float32), "outside 0..1"),
        (np.full((2, 1, 8, 8), 256), "outside 0..255"),
        (np.zeros((2, 1, 8, 8), complex), "dtype"),
    ):
        with pytest.raises(VolleyError, match=word):
            digits_small.simulate(x)


@pytest.fixture
def digits_small(tmp_path: Path) -> Build:
    return pyflow.compile(zoo.load("digits"), out_dir=tmp_path / "b", cycles_per_frame=256)
