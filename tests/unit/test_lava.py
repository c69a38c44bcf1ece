# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Networks of Lava-DL: integers as they are, Lava's own numbers but for the rounding of negative ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install volley-snn[nir]")

import pyflow  # noqa: E402
from benchmarks import lava  # noqa: E402
from pyflow.errors import VolleyError  # noqa: E402
from pyflow.frontends.lava import input_codes  # noqa: E402
from pyflow.graph import Network  # noqa: E402
from pyflow.operators import LIFNeuron, Synapse  # noqa: E402
from verif.models import lava_lif  # noqa: E402
from verif.models.lava_lif import Counts, Dense  # noqa: E402

Tree = dict[str, Any]
STEPS = 12
NEURON = {"type": "CUBA", "iDecay": 410, "vDecay": 410, "vThMant": 6, "refDelay": 1, "gradedSpike": False}


def dense(rows: int, columns: int, seed: int = 0, **others: Any) -> Tree:
    weight = 2.0 * np.random.default_rng(seed).integers(-20, 21, (rows, columns))
    shape = np.array([rows])
    return {"type": "dense", "shape": shape, "weight": weight, "neuron": NEURON, "inFeatures": columns} | others


def conv(co: int, ci: int, k: int, shape: list[int], **others: Any) -> Tree:
    weight = 2.0 * np.random.default_rng(1).integers(-9, 10, (co, ci, k, k, 1))
    sides = {"stride": np.array([2, 2]), "padding": np.array([1, 1]), "dilation": np.array([1, 1]), "groups": 1}
    return {"type": "conv", "shape": np.array(shape), "weight": weight, "neuron": NEURON} | sides | others


def save(path: Path, layers: list[Tree], **others: Tree) -> Path:
    def put(group: Any, tree: Tree) -> None:
        for key, value in tree.items():
            if isinstance(value, dict):
                put(group.create_group(key), value)
            else:
                group.create_dataset(key, data=[value.encode()] if isinstance(value, str) and key == "type" else value)

    with h5py.File(path, "w") as file:
        put(file, {"layer": {str(n): layer for n, layer in enumerate(layers)}, **others})
    return path


def neurons(network: Network) -> list[LIFNeuron]:
    return [op for op in network.operators if isinstance(op, LIFNeuron)]


def spikes(*shape: int) -> np.ndarray:
    return (np.random.default_rng(2).random(shape) < 0.3).astype(np.uint8)


# ------------------------------------------------------------------ exact
def test_the_numbers_are_those_of_the_file(lava_dir: Path) -> None:
    network = pyflow.read_lava(lava_dir / "mnist.net", steps=20)
    with h5py.File(lava_dir / "mnist.net") as file:
        stored = [np.asarray(file[f"layer/{n}/weight"]) for n in range(3)]
    synapses = [op for op in network.operators if isinstance(op, Synapse)]
    for synapse, weight in zip(synapses, stored, strict=True):
        assert np.array_equal(2 * synapse.weight[:, :, 0, 0].astype(int), weight)
    for op in neurons(network):
        assert (op.frac, op.width, op.current_width, op.reset, op.refractory) == (7, 24, 24, "hard", 0)
        assert (set(op.alpha.tolist()), op.leak_frac, op.current_alpha, op.current_frac) == ({3686}, 12, 3686, 12)
        assert set(op.theta.tolist()) == {64 * 64 + 1}


@pytest.mark.slow
def test_spikes_are_those_of_a_lava_that_rounds_down(lava_dir: Path, data_dir: Path) -> None:
    """All of 100 images, input coding included; Lava itself rounds negative numbers toward zero."""
    from pyflow.data import load

    images = load("mnist", data_dir).x_test[:100]
    network = pyflow.read_lava(lava_dir / "mnist.net", steps=16, images=True, input_shape=(1, 28, 28))
    ours, theirs, same, counts = lava.compared(network, lava.layers(lava_dir / "mnist.net"), images)
    assert same
    assert (ours == theirs).mean() > 0.97
    assert 0.5 < counts.otherwise / counts.decays < 0.8
    assert counts.wrapped == 0


@pytest.mark.parametrize(
    ("decays", "bias"), [((410, 410), 0), ((0, 1000), 3), ((4096, 1024), -2), ((2000, 0), 1), ((50, 4096), 2)]
)
def test_every_decay(decays: tuple[int, int], bias: int, tmp_path: Path) -> None:
    neuron = NEURON | {"iDecay": decays[0], "vDecay": decays[1]}
    layers = [dense(9, 7, 0, neuron=neuron, bias=np.full(9, float(bias))), dense(5, 9, 3, neuron=neuron)]
    network = pyflow.read_lava(save(tmp_path / "x.net", layers), steps=STEPS)
    x = spikes(20, STEPS, 7)
    model = [
        Dense(x["weight"].astype(int), *decays, 6, np.asarray(x.get("bias", np.zeros(1))).astype(int)) for x in layers
    ]
    want = lava_lif.run(model, x, down=True)
    logits, trace = network.run(x, trace=["layer0", "layer1"])
    for n, spiked in enumerate(want):
        assert spiked.any()
        assert np.array_equal(trace[f"layer{n}"].reshape(spiked.shape) != 0, spiked)
    assert np.array_equal(logits, want[1].sum(1))


def test_lava_rounds_toward_zero() -> None:
    """The model itself, by hand: -65 * 3686 / 4096 is -58.49."""
    for down, want in ((False, -58), (True, -59)):
        counts = Counts()
        found = lava_lif.Neurons(Dense(np.zeros((1, 1)), 410, 410, 6), 1, down, counts)
        assert found.decay(np.array([[-65]]), 410).item() == want
        assert (counts.negative, counts.otherwise) == (1, 1)


def test_convolutions(tmp_path: Path) -> None:
    import torch

    layers: list[Tree] = [conv(4, 2, 3, [4, 4, 4]), {"type": "flatten", "shape": np.array([64])}, dense(3, 64, 4)]
    network = pyflow.read_lava(save(tmp_path / "x.net", layers), steps=STEPS, input_shape=(2, 8, 8))
    x = spikes(6, STEPS, 2, 8, 8)
    kernel = torch.tensor(layers[0]["weight"][..., 0])
    sums = torch.nn.functional.conv2d(torch.tensor(x.reshape(-1, 2, 8, 8)).double(), kernel, stride=2, padding=1)
    first = lava_lif.Neurons(Dense(np.zeros((64, 1)), 410, 410, 6), 6, True, Counts())
    steps = sums.numpy().astype(np.int64).reshape(6, STEPS, 64)
    fired = np.stack([first.step(steps[:, t]) for t in range(STEPS)], 1)
    want = lava_lif.run([Dense(layers[2]["weight"].astype(int), 410, 410, 6)], fired, down=True)[0]
    assert want.any()
    assert np.array_equal(network.run(x), want.sum(1))


def test_an_input_layer_takes_lavas_currents(lava_dir: Path) -> None:
    network = pyflow.read_lava(lava_dir / "tiny.net")
    assert (network.input_shape, network.classes) == ((3, 16, 16), 36)
    images = np.random.default_rng(0).random((3, 3, 16, 16))
    images[0, 0, 0, :3] = (0, 0.01, 1)
    codes = input_codes(network, images)
    assert (codes.min(), codes.max()) == (0, 72)
    _, trace = network.run(codes, trace=["layer0"])
    currents = np.trunc(2 * 36 * images - 36 + 34).astype(np.int64).reshape(3, -1)
    lone = lava_lif.Neurons(Dense(np.zeros((768, 1)), 4096, 1024, 25), 3, True, Counts())
    want = np.stack([lone.step(currents) for _ in range(64)], 1)
    assert np.array_equal(trace["layer0"].reshape(want.shape) != 0, want)


def test_a_delay_is_a_state_edge(tmp_path: Path) -> None:
    layers = [dense(6, 5, 0, delay=np.full(6, 2)), dense(4, 6, 3)]
    network = pyflow.read_lava(save(tmp_path / "x.net", layers), steps=STEPS)
    assert [(edge.source, edge.delay) for edge in network.state_edges] == [("layer0", 2)]
    x = spikes(5, STEPS, 5)
    first = lava_lif.run([Dense(layers[0]["weight"].astype(int), 410, 410, 6)], x, down=True)[0]
    late = np.concatenate([np.zeros_like(first[:, :2]), first[:, :-2]], 1)
    want = lava_lif.run([Dense(layers[1]["weight"].astype(int), 410, 410, 6)], late, down=True)[0]
    assert want.any()
    assert np.array_equal(network.run(x), want.sum(1))


def test_the_sample_says_how_long_it_is(tmp_path: Path) -> None:
    path = save(tmp_path / "x.net", [dense(3, 4)], simulation={"Ts": 1, "tSample": 9})
    assert pyflow.read_lava(path).input_steps == 9


# ------------------------------------------------------------------ refused
def wide(value: float) -> np.ndarray:
    weight = dense(3, 4)["weight"]
    weight[1, 2] = value
    return np.asarray(weight)


REFUSED: dict[str, tuple[list[Tree], str]] = {
    "9 bits": ([dense(3, 4, weight=wide(-256))], "weight -256 is 128 steps of 2, the layer's unit; at most 127"),
    "odd": ([dense(3, 4, weight=wide(129))], "weight 129 is 129 steps of 1"),
    "no integer": ([dense(3, 4, weight=wide(0.5))], "layer 0 (dense): weight must be integers below 2^31"),
    "NaN": ([dense(3, 4, weight=wide(np.nan))], "weight must be integers"),
    "sizes": ([dense(3, 4), dense(2, 5)], "weight has 5 inputs, input 'layer0' has 3x1x1"),
    "kind": ([dense(3, 4) | {"type": "pool"}], "kind 'pool' is not supported; supported: input, dense, conv, flatten"),
    "field": ([dense(3, 4, weight_norm=1)], "has 'weight_norm', which is not known"),
    "neuron": ([dense(3, 4, neuron=NEURON | {"type": "SDNN"})], "neuron 'SDNN' is not supported; supported: CUBA,"),
    "refractory": ([dense(3, 4, neuron=NEURON | {"refDelay": 3})], "refDelay 3 is not supported; needs 1"),
    "graded": ([dense(3, 4, neuron=NEURON | {"gradedSpike": True})], "gradedSpike 1 is not supported; needs 0"),
    "threshold": ([dense(3, 4, neuron=NEURON | {"vThMant": -1})], "vThMant -1 .. -1 is out of range"),
    "decay": ([dense(3, 4, neuron=NEURON | {"vDecay": 5000})], "vDecay 5000 .. 5000 is outside 0..4096"),
    "theta": ([dense(3, 4, neuron=NEURON | {"theta": 5})], "theta is not 64 times vThMant"),
    "exponent": ([dense(3, 4, neuron=NEURON | {"wgtExp": -9})], "wgtExp -9 is not supported"),
    "delays": ([dense(3, 4, delay=np.arange(3)), dense(2, 3)], "delay 0 to 2: needs one number of 0 or more"),
    "bias": ([dense(3, 4, bias=np.ones(2))], "bias has 2 values for 3 channels"),
    "dilation": ([conv(4, 2, 3, [4, 4, 4], dilation=np.array([2, 2]))], "dilation (2, 2) is not supported"),
    "a map": ([conv(4, 2, 3, [4, 4, 4])], "reads a map of 4x4"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, tmp_path: Path) -> None:
    layers, word = REFUSED[case]
    path = save(tmp_path / "bad.net", layers)
    with pytest.raises(VolleyError) as error:
        pyflow.read_lava(path, steps=STEPS, input_shape=(2, 8, 8) if layers[0]["type"] == "conv" else None)
    assert word in str(error.value), error.value
    assert "bad.net" in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_network_of_lava(tmp_path: Path) -> None:
    (tmp_path / "x.net").write_text("hello")
    with h5py.File(tmp_path / "y.net", "w") as file:
        file["a"] = 1
    for name, word in (
        ("x.net", "not a readable HDF5 file"),
        ("y.net", "has no group 'layer'"),
        ("z.net", "no such file"),
    ):
        with pytest.raises(VolleyError, match=word):
            pyflow.read_lava(tmp_path / name, steps=3)
    with pytest.raises(VolleyError, match="give steps"):
        pyflow.read_lava(save(tmp_path / "w.net", [dense(3, 4)]))
