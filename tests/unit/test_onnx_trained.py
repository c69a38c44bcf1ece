# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Trained integers in: every code is the one that the model had in its framework. The files are Brevitas's own
(onnx_files/make.py)."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install volley-snn[onnx]")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from pyflow import convert  # noqa: E402
from pyflow.data import load  # noqa: E402
from pyflow.errors import VolleyError  # noqa: E402
from pyflow.graph import Network  # noqa: E402
from pyflow.model.boundaries import Channel, NoIntegers, first_potentials, fitted  # noqa: E402
from pyflow.operators import RadixNeuron, Synapse  # noqa: E402
from pyflow.zoo import load as shipped  # noqa: E402

FILES = Path(__file__).parent / "onnx_files"
NETS = ("plain", "int8_bias", "norm", "pooled", "wide")


@pytest.mark.parametrize("form", ["qonnx", "qcdq"])
@pytest.mark.parametrize("name", NETS)
def test_codes_are_those_of_brevitas(name: str, form: str) -> None:
    path = FILES / f"{name}_{form}.onnx"
    if not path.exists():
        assert (name, form) == ("int8_bias", "qcdq"), "Brevitas refuses that alone"
        return
    data = load("digits")
    network = convert(path, data.x_train[:64])
    with np.load(FILES / f"{name}.npz") as stored:
        want = dict(stored)
    x = data.x_test[: len(want["logits"])]
    logits, codes = network.run(x, trace=True)
    neurons = [op.name for op in network.operators if isinstance(op, RadixNeuron)]
    modules = [key for key in ("relu1", "relu2", "mean") if key in want]
    assert len(neurons) == len(modules)
    for neuron, module in zip(neurons, modules, strict=True):
        np.testing.assert_array_equal(codes[neuron], want[module], err_msg=f"{neuron} is {module}")
    np.testing.assert_allclose(logits * network.logit_scale, want["logits"], atol=network.logit_scale + 1e-5)
    assert network.meta["trained"]["codes"] > 10_000
    assert network.meta["trained"]["at_boundary"] == 0
    assert all(op.exponent <= 10 for op in network.operators if isinstance(op, RadixNeuron))


def test_both_forms_give_the_same_weights() -> None:
    images = load("digits").x_train[:8]
    one, other = (convert(FILES / f"plain_{form}.onnx", images) for form in ("qonnx", "qcdq"))
    for a, b in zip(one.operators, other.operators, strict=True):
        if isinstance(a, Synapse):
            assert isinstance(b, Synapse)
            np.testing.assert_array_equal(a.weight, b.weight)
            assert a.weight_bits == b.weight_bits == 4


# ---------------------------------------------------------------------- a network that is written by hand
def quant(name: str, source: str, made: str, **attributes: Any) -> Any:
    inputs = [source, f"{name}_scale", "zero", f"{name}_bits"]
    options: dict[str, Any] = {"signed": 0, "narrow": 0, "rounding_mode": "ROUND"} | attributes
    return helper.make_node("Quant", inputs, [made], name, domain="qonnx.custom_op.general", **options)


class Writer:
    """Nodes and constants of a file with Quant nodes."""

    def __init__(self, size: tuple[int, ...]) -> None:
        self.nodes: list[Any] = []
        self.held: list[Any] = []
        self.size, self.last = size, "x"
        self.hold("zero", np.float32(0))

    def hold(self, name: str, value: object) -> str:
        self.held.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def quant(self, name: str, scale: float, bits: int, *, source: str = "", **attributes: Any) -> str:
        self.hold(f"{name}_scale", np.asarray(scale, np.float32))
        self.hold(f"{name}_bits", np.float32(bits))
        made = f"{name}_out"
        self.nodes.append(quant(name, source or self.last, made, **attributes))
        if not source:
            self.last = made
        return made

    def synapse(
        self, op: str, name: str, weight: np.ndarray, scale: object, bias: object = None, **options: Any
    ) -> None:
        self.hold(f"{name}_w", (weight * np.asarray(scale, np.float32)).astype(np.float32))
        made = self.quant(f"{name}_weight", scale, 8, source=f"{name}_w", signed=1, narrow=1)  # type: ignore[arg-type]
        inputs = [self.last, made]
        if bias is not None:
            inputs.append(self.hold(f"{name}_b", np.asarray(bias, np.float32)))
        self.add(op, name, inputs, **options)

    def add(self, op: str, name: str, inputs: list[str] | None = None, **options: Any) -> None:
        self.nodes.append(helper.make_node(op, inputs or [self.last], [f"{name}_out"], name, **options))
        self.last = f"{name}_out"

    def save(self, path: Path) -> Path:
        values = [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", self.size), (self.last, None))
        ]
        graph = helper.make_graph(self.nodes, "g", values[:1], values[1:], self.held)
        domains = [helper.make_opsetid("", 20), helper.make_opsetid("qonnx.custom_op.general", 2)]
        onnx.save(helper.make_model(graph, opset_imports=domains), path)
        return path


def lenet5_as_qonnx(path: Path) -> Path:
    """The shipped LeNet-5 with its integer weights, as a trained network would be."""
    network, w = shipped("lenet5"), Writer((1, 1, 32, 32))
    report = {layer["name"]: layer for layer in network.meta["conversion"]["layers"]}
    operators = {op.name: op for op in network.operators}
    w.quant("inp", report["conv1"]["input_scale"] * (1 - 1e-6), 4)  # pixels 8, 24, … go up, as in the encoder
    for op in network.operators:
        if isinstance(op, Synapse):
            layer = report[op.name]
            driven = next(o for o in network.operators if op.name in o.inputs)
            theta = getattr(driven, "theta", None)
            s_in, bias = layer["input_scale"], driven.bias  # type: ignore[attr-defined]
            if theta is None:
                scale = np.full(1, network.logit_scale * 2**driven.exponent / s_in)  # type: ignore[attr-defined]
                real = bias * network.logit_scale
            else:
                scale = 2.0**driven.exponent * layer["output_scale"] / (theta * s_in)  # type: ignore[attr-defined]
                real = (bias - theta // 2) / theta * layer["output_scale"]
            weight = op.weight
            if op.kind == "conv":
                w.synapse("Conv", op.name, weight, scale.reshape(-1, 1, 1, 1), real, strides=[1, 1])
            else:
                if operators[op.inputs[0]].kind != "neuron" or op.name == "fc1":
                    w.add("Flatten", f"flat_{op.name}")
                w.synapse("Gemm", op.name, weight[:, :, 0, 0], scale.reshape(-1, 1), real, transB=1)
            if theta is not None:
                w.add("Relu", f"relu_{op.name}")
                w.quant(f"act_{op.name}", layer["output_scale"], 4)
        elif op.kind == "maxpool":
            w.add("MaxPool", op.name, kernel_shape=[2, 2], strides=[2, 2])
    return w.save(path)


def test_lenet5_as_qonnx_has_the_same_integers(tmp_path: Path) -> None:
    want, images = shipped("lenet5"), np.random.default_rng(0).integers(0, 256, (40, 1, 32, 32)).astype(np.uint8)
    images[:, :, :, ::3] = 0
    network = convert(lenet5_as_qonnx(tmp_path / "lenet5.onnx"), images)
    weights = [[op.weight for op in net.operators if isinstance(op, Synapse)] for net in (network, want)]
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(network.run(images).argmax(1), want.run(images).argmax(1))


def small(path: Path, *, scale: float = 0.07, ratio: float = 0.9, bits: int = 4, bias: float = 0.013, **q: Any) -> Path:
    w, rng = Writer((1, 2, 5, 5)), np.random.default_rng(3)
    w.synapse("Conv", "conv", rng.integers(-7, 8, (3, 2, 3, 3)), scale, np.full(3, bias))
    w.add("Relu", "relu")
    w.quant("act", ratio, bits, **q)
    w.add("Flatten", "flat")
    w.synapse("Gemm", "fc", rng.integers(-7, 8, (4, 27)), scale, transB=1)
    return w.save(path)


X = np.random.default_rng(1).integers(0, 256, (64, 2, 5, 5)).astype(np.uint8)


def test_rounding_down_is_another_network(tmp_path: Path) -> None:
    even = convert(small(tmp_path / "a.onnx", ratio=0.1), X)
    down = convert(small(tmp_path / "b.onnx", ratio=0.1, rounding_mode="FLOOR"), X)
    ours, theirs = (n.run(X, trace=["act"])[1]["act"] for n in (even, down))
    assert (ours >= theirs).all()
    assert (ours != theirs).mean() > 0.1


def test_a_tie_is_named_and_may_go_up(tmp_path: Path) -> None:
    """A potential lies right between two codes, and one threshold cannot always go to the even one."""
    w = Writer((1, 1, 1, 4))
    w.quant("inp", 1 / 255, 8)
    w.synapse("Conv", "conv", np.ones((1, 1, 1, 1), np.int64), 1.0)
    w.add("Relu", "relu")
    w.quant("act", 16 * float(np.float32(1 / 255)), 4)
    w.add("Flatten", "flat")
    w.synapse("Gemm", "fc", np.ones((2, 4), np.int64), 0.5, transB=1)
    path, x = w.save(tmp_path / "ties.onnx"), np.arange(256, dtype=np.uint8).reshape(64, 1, 1, 4)
    with pytest.raises(VolleyError, match=r"layer 'act' \(Quant\): channel 0: .* code \d+ .*ties='up' rounds ties up"):
        convert(path, x)
    network = convert(path, x, ties="up")
    codes = network.run(x, trace=["act"])[1]["act"].ravel()
    np.testing.assert_array_equal(codes, np.minimum((np.arange(256) + 8) // 16, 15))
    assert network.meta["trained"]["at_boundary"] > 0


REFUSED = {
    "a scale per input channel": (
        lambda w: w.synapse("Conv", "c", np.ones((2, 2, 1, 1)), np.ones((1, 2, 1, 1))),
        "per inp",
    ),
    "a float weight": (
        lambda w: (
            w.quant("i", 1 / 255, 8) and w.add("Conv", "c", [w.last, w.hold("v", np.ones((2, 2, 1, 1), np.float32))])
        ),
        r"layer 'c' \(Conv\): weight is not quantised",
    ),
    "a large weight": (
        lambda w: (
            w.synapse("Conv", "c", np.full((2, 2, 1, 1), 127), 1.0, group=1)
            or w.add("Relu", "r")
            or w.quant("q", 1.0, 9)
        ),
        r"layer 'q' \(Quant\): gives codes up to 511",
    ),
    "signed activations": (
        lambda w: (
            w.synapse("Conv", "c", np.ones((2, 2, 1, 1)), 1.0)
            or (w.quant("q", 1.0, 4, signed=1) and w.synapse("Conv", "d", np.ones((2, 2, 1, 1)), 1.0))
        ),
        r"layer 'd' \(Conv\): reads 'q', which is no code without sign",
    ),
    "an input that is rounded otherwise": (
        lambda w: w.quant("q", 0.01, 8) and w.synapse("Conv", "d", np.ones((2, 2, 1, 1)), 1.0),
        r"layer 'q' \(Quant\): rounds pixels to other codes",
    ),
    "narrow codes": (
        lambda w: (
            w.synapse("Conv", "c", np.full((2, 2, 1, 1), 9), 1.0)
            or w.add("Relu", "r")
            or w.quant("q", 1.0, 4, narrow=1)
        ),
        r"ends at code 14; needs 2\^T - 1",
    ),
    "another rounding": (
        lambda w: w.synapse("Conv", "c", np.ones((2, 2, 1, 1)), 1.0) or w.quant("q", 1.0, 4, rounding_mode="CEIL"),
        "attribute rounding_mode 'CEIL' is not supported",
    ),
    "two layers without a quantiser": (
        lambda w: (
            w.synapse("Conv", "c", np.ones((2, 2, 1, 1)), 1.0) or w.synapse("Conv", "d", np.ones((2, 2, 1, 1)), 1.0)
        ),
        r"layer 'd' \(Conv\): reads 'c', which is no code",
    ),
    "logits of unlike units": (
        lambda w: w.add("Flatten", "f") or w.synapse("Gemm", "d", np.ones((2, 50)), np.array([[1.0], [2.0]]), transB=1),
        r"layer 'd' \(Gemm\): its channels have scales .* train the last layer with one weight scale",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_exact_form_is_refused_by_name(case: str, tmp_path: Path) -> None:
    make, message = REFUSED[case]
    w = Writer((1, 2, 5, 5))
    make(w)
    with pytest.raises(VolleyError, match=message):
        convert(w.save(tmp_path / "a.onnx"), X)


def test_options_of_another_conversion(tmp_path: Path) -> None:
    path = small(tmp_path / "a.onnx")
    for options, message in (
        ({"timesteps": 3}, "timesteps: does not go with"),
        ({"weight_bits": 3}, "weight_bits: does not go with"),
        ({"ties": "down"}, "ties: 'down' is neither"),
    ):
        with pytest.raises(VolleyError, match=message):
            convert(path, X, **options)


# ---------------------------------------------------------------------- the search itself
def codes(channel: Channel, h: np.ndarray, steps: int) -> list[int]:
    """By fractions, which Python rounds half to even."""
    return [min(max(round((int(x) + channel.shift) / channel.ratio), 0), 2**steps - 1) for x in h]


@pytest.mark.parametrize("steps", [1, 2, 4, 6, 8])
def test_every_potential_has_its_code(steps: int) -> None:
    rng = np.random.default_rng(steps)
    channels = []
    for _ in range(12):
        ratio = Fraction(float(np.float32(np.exp(rng.uniform(0, 4)))))
        reach = int(ratio * 2**steps) + 2
        low, high = sorted(rng.integers(-reach, reach, 2).tolist())
        channels.append(Channel(ratio, Fraction(float(np.float32(rng.normal() * reach / 3))), low, high))
    found = fitted(channels, steps)
    assert found.exponent <= 16
    for channel, theta, bias in zip(channels, found.theta, found.bias, strict=True):
        h = np.arange(channel.low, channel.high + 1)[:4000]
        ours = np.clip(((h << found.exponent) + bias) // theta, 0, 2**steps - 1)
        np.testing.assert_array_equal(ours, codes(channel, h, steps))


def test_e_is_the_smallest() -> None:
    """By search over every theta and b."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        channel = Channel(
            Fraction(int(rng.integers(100, 500)), 100), Fraction(int(rng.integers(-300, 300)), 100), -20, 20
        )
        found, h = fitted([channel], 3), np.arange(-20, 21)
        want = np.array(codes(channel, h, 3))
        if not found.exponent:
            continue
        e = found.exponent - 1
        for theta in range(1, 6 << e):
            bias = np.arange(-(8 * theta) - (20 << e) - 1, 8 * theta + (20 << e) + 1)[:, None]
            assert not (np.clip(((h << e) + bias) // theta, 0, 7) == want).all(1).any()


def test_ties() -> None:
    channel = Channel(Fraction(16), Fraction(3), -500, 500)
    with pytest.raises(NoIntegers) as e:
        fitted([Channel(Fraction(17), Fraction(0), -9, 500), channel], 4)
    assert (e.value.channel, e.value.tie) == (1, True)
    assert fitted([channel], 4, "up").exponent == 0
    assert first_potentials(channel, 2, "even").tolist() == [6, 21, 38]
    assert first_potentials(channel, 2, "up").tolist() == [5, 21, 37]
    assert first_potentials(channel, 2, "floor").tolist() == [13, 29, 45]


def test_an_imported_network_is_saved(tmp_path: Path) -> None:
    network = convert(small(tmp_path / "a.onnx"), X)
    network.save(tmp_path / "a.vly")
    np.testing.assert_array_equal(Network.load(tmp_path / "a.vly").run(X), network.run(X))
