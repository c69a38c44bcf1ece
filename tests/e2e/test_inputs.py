# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What commands and functions say of weights, data, networks and options that are not as they should be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import pyflow
from pyflow import data as datasets
from pyflow import zoo
from pyflow.__main__ import main
from pyflow.conversion import finetune
from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.measure import FRAMES, accuracies, accuracy_text

X = np.random.default_rng(0).random((40, 1, 8, 8), np.float32)
Y = np.random.default_rng(1).integers(0, 3, 40)


def body(channels: int = 2, **_: Any) -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Conv2d(1, channels, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(9 * channels, 3)
    return nn.Sequential(*layers)


MODEL = (
    "from torch import nn\ndef build():\n  return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), "
    "nn.Flatten(), nn.Linear(18, 3))\n"
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(MODEL)
    torch.save({"state_dict": body().state_dict()}, tmp_path / "w.ckpt")
    np.savez(tmp_path / "d.npz", x=X, y=Y)
    np.savez(tmp_path / "x.npz", x=X)
    return tmp_path


OWN = ("--net", "net.py:build", "--data", "d.npz")
FAST = ("--cycles", "600")


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, list[str]]:
    capsys.readouterr()
    status = main(list(args))
    out = capsys.readouterr()
    return status, out.out, out.err.strip().splitlines()


# ------------------------------------------------------------------ weights and accuracy
@pytest.mark.parametrize("command", ["compile", "convert"])
def test_random_weights_are_said_and_accuracy_is_shown(command: str, here: Path, capsys: Any) -> None:
    plan = FAST if command == "compile" else ("--out", "n.vly")
    status, _, said = run(capsys, command, *OWN, *plan)
    assert status == 0
    assert len(said) == 1
    assert said[0].startswith("warning: no weights given: ")
    assert "WEIGHTS=" in said[0]
    status, out, said = run(capsys, command, *OWN, *plan, "--weights", "w.ckpt", "--json", "o.json")
    assert (status, said) == (0, [])
    found = json.loads((here / "o.json").read_text())
    found = found.get("meta", found)
    model, network = body(), pyflow.convert(body(), X, name="net")
    with torch.no_grad():
        real = float((model(torch.from_numpy(X)).argmax(1).numpy() == Y).mean())
    whole = float((network.run(X).argmax(1) == Y).mean())
    assert (found["accuracy_float"], found["accuracy_snn"], found["accuracy_frames"]) == (real, whole, 40)
    assert f"float {100 * real:.2f} %, integer {100 * whole:.2f} % (40 test images of d.npz)" in out


@pytest.mark.parametrize("command", ["sim", "simulate", "estimate", "bitstream", "compile", "convert"])
def test_every_command_says_that_weights_are_random(command: str, here: Path, capsys: Any) -> None:
    """Before it does anything: a board that is not there ends it."""
    args = ("--board", "nowhere") if command != "convert" else ("--timesteps", "9")
    status, _, said = run(capsys, command, *OWN, *args)
    assert status == 2
    assert command == "bitstream" or any(line.startswith("warning: no weights given") for line in said)


def test_accuracy_of_what_was_converted_before(here: Path, capsys: Any) -> None:
    run(capsys, "convert", *OWN, "--weights", "w.ckpt", "--out", "n.vly")
    stored = Network.load("n.vly").meta
    assert {"accuracy_float", "accuracy_snn", "accuracy_frames"} <= stored.keys()
    _, out, _ = run(capsys, "compile", "--net", "n.vly", *FAST)
    assert f"accuracy:  float {100 * stored['accuracy_float']:.2f} %" in out
    np.savez(here / "e.npz", x=X[:8], y=Y[:8])
    _, out, _ = run(capsys, "compile", "--net", "n.vly", "--data", "e.npz", *FAST)
    assert "(8 test images of e.npz)" in out
    assert "float" not in out.split("accuracy:")[1].split("\n")[0]


def test_the_number_of_images_is_bounded_and_said() -> None:
    network = zoo.load("digits")
    x, y = np.zeros((1200, 1, 8, 8), np.float32), np.zeros(1200, np.int64)
    many = datasets.Dataset("many", x[:0], y[:0], x, y)
    found = accuracies(network, many)
    assert found["accuracy_frames"] == FRAMES
    text = accuracy_text({"data": "many", "test_images": 1200, "accuracy_float": 0.5, **found})
    assert text.startswith("float 50.00 %, integer ")
    assert text.endswith("of the first 1,000 (1,200 test images of many)")
    none = datasets.Dataset("none", x[:0], y[:0], x[:9], np.full(9, datasets.NO_LABEL))
    assert accuracies(network, none) == {}
    assert not none.labelled
    assert accuracy_text({"data": "none"}) == ""
    with pytest.warns(UserWarning, match="labels go up to 12, network 'digits' has 10 outputs; no accuracy"):
        assert accuracies(network, datasets.Dataset("odd", x[:0], y[:0], x[:9], np.full(9, 12))) == {}


# ------------------------------------------------------------------ data
def test_images_alone_will_do_where_no_label_is_needed(here: Path, capsys: Any) -> None:
    args = ("--net", "net.py:build", "--weights", "w.ckpt", "--data", "x.npz")
    for command, more in (("convert", ("--out", "n.vly")), ("compile", FAST)):
        status, out, said = run(capsys, command, *args, *more)
        assert (status, said) == (0, [])
        assert "accuracy" not in out
    status, _, said = run(capsys, "sim", *args)
    assert status == 2
    assert "holds x; needs arrays x_train, y_train, x_test, y_test (or x, y)" in said[-1]
    status, _, said = run(capsys, "convert", *args, "--finetune", "1")
    assert status == 2
    assert "needs arrays" in said[-1]
    found = datasets.load("x.npz", labels=False)
    assert not found.labelled
    assert np.array_equal(found.x_test, X)


@pytest.mark.parametrize(("top", "dark"), [(0, True), (1, True), (16, True), (31, True), (32, False), (255, False)])
def test_images_of_few_grey_levels_are_said(top: int, dark: bool, here: Path, recwarn: Any) -> None:
    images = np.round(X * top).astype(np.uint8)
    images.flat[0] = top
    np.savez("u.npz", x=images, y=Y)
    for use in (lambda: datasets.load("u.npz"), lambda: pyflow.convert(body(), images)):
        recwarn.clear()
        use()
        said = [str(w.message) for w in recwarn if "largest value" in str(w.message)]
        assert len(said) == dark
        assert not dark or (f"largest value is {top} of 255" in said[0] and f"x / {max(1, top)}" in said[0])


# ------------------------------------------------------------------ networks that do not fit
def test_exit_status_of_what_does_not_fit(here: Path, capsys: Any) -> None:
    fits = run(capsys, "compile", "--net", "digits", *FAST, "--json", "o.json")
    assert fits[0] == 0
    assert json.loads((here / "o.json").read_text())["fits"]
    small = ("--net", "digits", "--board", "icebreaker")
    status, out, _ = run(capsys, "compile", *small, "--cycles", "64", "--json", "o.json")
    assert status == 1
    assert "does NOT fit icebreaker: LUT" in out
    assert "raise CYCLES" in out
    found = json.loads((here / "o.json").read_text())
    assert not found["fits"]
    assert found["area"]["lut"][0] > found["area"]["lut"][1]
    assert (Path(found["folder"]) / "rtl").is_dir()
    given = str(Path(found["folder"]) / "folding.json")
    status, out, _ = run(capsys, "compile", *small, "--folding", given, "--out", "g")
    assert status == 1
    assert "does NOT fit" in out
    assert "change the folding" in out
    assert "raise CYCLES" not in out


NETS = {
    "a.onnx": "is no ONNX model|holds 0 nodes|no such file",
    "lif.nir": "(not a readable HDF5 file|no such file).*; give a graph that nir.write saved",
    "lava.net": "(not a readable HDF5 file|no such file).*; give a file that export_hdf5 of lava-dl wrote",
    "k.h5": "is a Keras model or another HDF5 file; not built",
    "t.tflite": "is a TensorFlow model; not built",
    "p.pt2": "is a program of torch.export",
    "whole.pt": "perhaps a whole module.* WEIGHTS=whole.pt",
    "e.ckpt": "WEIGHTS=e.ckpt",
    "w.safetensors": "WEIGHTS=w.safetensors",
    "p.pkl": "is a pickle, which is never loaded",
    "d.npz": "is data, not a network; give it as DATA=d.npz",
    "f.json": "FOLDING=f.json",
    "noend": "is an ONNX model; give a .vly or .onnx file, or FILE.py:FUNCTION",
    "folder": "is a folder",
    "net.py": "is not FILE.py:FUNCTION, for example my_net.py:build",
    "nothing": "is not shipped; shipped are digits, lenet5, or use FILE.py:FUNCTION",
}


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("net", NETS)
def test_files_of_other_kinds_as_networks(net: str, there: bool, here: Path, capsys: Any) -> None:
    import re

    if there and net == "folder":
        (here / net).mkdir()
    elif there and net != "nothing":
        (here / net).write_bytes(b"\x08\x07\x12\x07pytorch" + bytes(99))
    elif net in ("noend", "folder", "d.npz", "net.py"):
        return
    status, _, said = run(capsys, "compile", "--net", net)
    assert status == 2
    assert len(said) == 1
    assert re.search(NETS[net], said[0])
    assert there or net == "nothing" or "no such file" in said[0]


# ------------------------------------------------------------------ functions
def converted(**options: Any) -> Network:
    return pyflow.convert(body(), X, **options)


def loader() -> torch.utils.data.DataLoader[Any]:
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.tensor(X)), batch_size=8)


NETWORK: Any = converted()
# Any: what the calls below hand over is of the wrong type.
untyped: Any = pyflow
load: Any = datasets.load
tune: Any = finetune
DEEP = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 1), nn.ReLU(), nn.MaxPool2d(2), *list(body())[3:])
CALLS: dict[str, tuple[Callable[[], object], str]] = {
    "compile(model)": (lambda: untyped.compile(body()), r"net is Sequential, needs a pyflow.Network; convert it"),
    "compile(path)": (lambda: untyped.compile("n.vly"), "net is str, needs a pyflow.Network; Network.load"),
    "compile(None)": (lambda: untyped.compile(None), "net is NoneType"),
    "out_dir": (lambda: untyped.compile(NETWORK, out_dir=5), "out_dir: 5 is no path"),
    "folding": (lambda: pyflow.compile(NETWORK, folding=3), "folding: 3 is neither a file nor its content"),
    "board": (lambda: untyped.compile(NETWORK, board=3), "board 3 is unknown"),
    "cycles": (lambda: untyped.compile(NETWORK, cycles_per_frame=2.5), "cycles_per_frame=2.5 must be an integer"),
    "cycles True": (lambda: pyflow.compile(NETWORK, cycles_per_frame=True), "cycles_per_frame=True must be"),
    "time_block": (lambda: untyped.compile(NETWORK, time_block="x"), "time_block = 'x' must be an integer"),
    "trace": (lambda: NETWORK.run(X, trace=["nosuch"]), "no tensor 'nosuch' in 'sequential'; it has input, encode"),
    "trace str": (lambda: NETWORK.run(X, trace="nosuch"), "no tensor 'nosuch'"),
    "run(loader)": (lambda: NETWORK.run(loader()), "input: is a DataLoader, needs images in one array"),
    "run(None)": (lambda: NETWORK.run(None), "input: NoneType is no array of numbers"),
    "run(dict)": (lambda: NETWORK.run({}), "input: dict is no array of numbers"),
    "run(ragged)": (lambda: NETWORK.run([[1, 2], [3]]), "input: list is no array of numbers"),
    "run(complex)": (lambda: NETWORK.run(torch.tensor(X).to(torch.complex64)), "dtype complex64"),
    "load": (lambda: untyped.Network.load(5), "5 is no path"),
    "save": (lambda: NETWORK.save(5), "5 is no path"),
    "data.load": (lambda: load(5), "data 5 is unknown"),
    "data shape": (lambda: load("digits", input_shape=5), "5 is neither"),
    "convert(loader)": (lambda: untyped.convert(body(), loader()), "calibration: is a DataLoader, needs images"),
    "convert(None)": (lambda: untyped.convert(None, X), "model: is NoneType, needs a torch.nn.Module"),
    "convert(class)": (lambda: untyped.convert(nn.Linear, X), "model: is type, needs a torch.nn.Module"),
    "convert(state)": (lambda: untyped.convert(body().state_dict(), X), "model: is OrderedDict"),
    "calibration": (lambda: untyped.convert(body(), None), "calibration: NoneType is no array"),
    "calibration list": (lambda: untyped.convert(body(), [1, 2]), r"calibration: shape \(2,\)"),
    "timesteps True": (lambda: converted(timesteps=True), "timesteps: True of layer 'conv1' is a bool; needs an"),
    "timesteps None": (lambda: converted(timesteps=None), "timesteps: None .* is a NoneType; needs an integer"),
    "timesteps str": (lambda: converted(timesteps="4"), "timesteps: '4' .* is a str; needs an integer"),
    "timesteps float": (lambda: converted(timesteps=2.0), "timesteps: 2.0 .* is a float; needs an integer"),
    "timesteps by layer": (lambda: converted(timesteps={"conv1": "4", "default": 4}), "'4' .* is a str"),
    "weight_bits": (lambda: converted(weight_bits="4"), "weight_bits: '4' .* is a str; needs an integer inside 2..8"),
    "input_bits": (lambda: converted(input_bits="4"), "input_bits: '4'"),
    "seed": (lambda: converted(seed="a"), "seed: 'a' is not an integer from 0 on"),
    "seed None": (lambda: converted(seed=None), "seed: None is not an integer"),
    "seed float": (lambda: converted(seed=1.5), "seed: 1.5 is not an integer"),
    "percentile": (lambda: converted(percentile=None), "percentile: None is neither"),
    "name": (lambda: converted(name=5), "name: 5 is not a string"),
    "encoding": (lambda: converted(encoding=[]), "encoding .* is not supported yet"),
    "like": (lambda: converted(like="n.vly"), "like: is str, needs a pyflow.Network"),
    "like of another size": (lambda: converted(like=pyflow.convert(body(3), X)),
        r"of another structure: layer 'conv1' \(conv\) has weight \(2, 1, 3, 3\), there it is \(3, 1, 3, 3\)"),
    "like of more layers": (lambda: converted(like=pyflow.convert(DEEP, X)), "'pool1' .* is 'conv2' .conv. there"),
    "like of fewer layers": (lambda: pyflow.convert(DEEP, X, like=NETWORK), "'conv2' .* is 'pool1' .maxpool. there"),
    "like of other T": (lambda: converted(like=converted(timesteps=3)), "'encode' .encode. has steps 4, there it is 3"),
    "like of other W": (lambda: converted(like=converted(weight_bits=6)), "has weight_bits 4, there it is 6"),
    "like of another input": (lambda: converted(like=zoo.load("lenet5")), r"its input is \(1, 32, 32\), here"),
    "finetune(x)": (lambda: tune(body(), X), "data: is ndarray, needs a pyflow.data.Dataset"),
    "finetune epochs": (lambda: tune(body(), datasets.load("digits"), epochs="a"), "epochs: 'a' is not an integer"),
}  # fmt: skip


@pytest.mark.parametrize("case", CALLS)
def test_wrong_types_are_one_line(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    call, message = CALLS[case]
    with pytest.raises(VolleyError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_tensors_are_taken_as_they_come() -> None:
    want = NETWORK.run(X)
    for x in (torch.tensor(X), torch.tensor(X, requires_grad=True), nn.Parameter(torch.tensor(X)), X.tolist()):
        assert np.array_equal(NETWORK.run(x), want)
    half = torch.tensor(X).bfloat16()
    assert np.array_equal(NETWORK.run(half), NETWORK.run(half.float().numpy()))
    for x in (torch.tensor(X, requires_grad=True), torch.tensor(X)):
        again = untyped.convert(body(), x)
        assert np.array_equal(again.run(X), want)
    untyped.convert(body(), half)
    assert np.array_equal(converted(like=NETWORK).run(X), want)
    assert set(NETWORK.run(X, trace="encode")[1]) == {"encode"}
