# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""ONNX files in: the integers of a file are those of the PyTorch model that it was exported from."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install volley-snn[onnx]")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from pyflow import convert  # noqa: E402
from pyflow.__main__ import main  # noqa: E402
from pyflow.errors import VolleyError  # noqa: E402
from pyflow.frontends import load_model  # noqa: E402
from pyflow.frontends.onnx import file as onnx_file  # noqa: E402
from pyflow.frontends.onnx import open_onnx  # noqa: E402
from pyflow.graph import Network  # noqa: E402
from pyflow.operators import RadixNeuron, Readout, Synapse  # noqa: E402
from pyflow.zoo import lenet5  # noqa: E402
from tests.unit.branches import random_model  # noqa: E402

FILES = Path(__file__).parent / "onnx_files"
ZOO = Path(lenet5.__file__).parent
SHAPE = (2, 8, 6)
X = np.random.default_rng(1).random((24, *SHAPE)).astype(np.float32)


def exported(model: nn.Module, path: Path, x: np.ndarray, *, open_batch: bool = False) -> Path:
    """By the exporter that is part of torch; BatchNorm stays as it is."""
    axes: dict[str, Any] = {"dynamic_axes": {"x": {0: "n"}}, "input_names": ["x"]} if open_batch else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (torch.from_numpy(x[:1]),), str(path), dynamo=False, do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE, **axes,
        )  # fmt: skip
    return path


def same_integers(one: Network, other: Network) -> None:
    assert [op.kind for op in one.operators] == [op.kind for op in other.operators]
    for a, b in zip(one.operators, other.operators, strict=True):
        fields = ("weight",) if isinstance(a, Synapse) else ("bias", "theta") if isinstance(a, RadixNeuron) else ()
        for field in (*fields, *(("bias",) if isinstance(a, Readout) else ())):
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field), err_msg=f"{a.name} {field}")
        assert getattr(a, "exponent", 0) == getattr(b, "exponent", 0)


@pytest.mark.parametrize("seed", range(12))
def test_random_models_give_the_same_integers(seed: int, tmp_path: Path) -> None:
    model = random_model(seed).eval()
    path = exported(model, tmp_path / "net.onnx", X, open_batch=bool(seed % 2))
    same_integers(convert(path, X), convert(model, X, input_shape=SHAPE))


SEQUENCE = nn.Sequential(nn.Conv1d(1, 4, 5, 2), nn.ReLU6(), nn.MaxPool1d(3, 2), nn.Conv1d(4, 3, 3), nn.ReLU(),
                         nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(3, 2))  # fmt: skip
VECTOR = nn.Sequential(nn.Linear(9, 7), nn.Hardtanh(0, 0.5), nn.Linear(7, 3), nn.Softmax(1))
IMAGES = nn.Sequential(nn.ZeroPad2d((1, 0, 2, 1)), nn.Conv2d(2, 6, 3, dilation=2, groups=2), nn.ReLU(),
                       nn.Upsample(scale_factor=2), nn.Conv2d(6, 5, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(1),
                       nn.Flatten(), nn.Dropout(), nn.Linear(5, 3), nn.LogSoftmax(1))  # fmt: skip


class Functions(nn.Module):
    """As people write it: view with the batch, functional pools, the mean of the map, normalisation by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.fc = nn.Conv2d(2, 4, 3, bias=False), nn.Conv2d(4, 3, 1), nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = (x - 0.3) / 0.5
        x = torch.clamp(nn.functional.max_pool2d(self.conv1(x), 2), 0, 2)
        x = torch.relu(self.conv2(x)).mean((2, 3))
        return self.fc(x.view(x.size(0), -1))


@pytest.mark.parametrize(
    ("model", "shape"), [(SEQUENCE, (1, 40)), (VECTOR, (9,)), (IMAGES, SHAPE), (Functions(), SHAPE)]
)
def test_layers_give_the_same_integers(model: nn.Module, shape: tuple[int, ...], tmp_path: Path) -> None:
    x = np.random.default_rng(2).random((24, *shape)).astype(np.float32)
    path = exported(model.eval(), tmp_path / "net.onnx", x, open_batch=isinstance(model, Functions))
    same_integers(convert(path, x, timesteps=3), convert(model, x, timesteps=3, input_shape=shape))


def outside(path: Path) -> Path:
    """LeNet-5 whose weights lie in the shipped .safetensors, as external data."""
    proto = onnx.load(path)
    raw = (ZOO / "lenet5.safetensors").read_bytes()
    (path.parent / "lenet5.safetensors").write_bytes(raw)
    for tensor in proto.graph.initializer:
        place = raw.find(tensor.raw_data)
        assert place > 0, tensor.name
        size = len(tensor.raw_data)
        tensor.ClearField("raw_data")
        for key, value in (("location", "lenet5.safetensors"), ("offset", place), ("length", size)):
            tensor.external_data.add(key=key, value=str(value))
        tensor.data_location = TensorProto.EXTERNAL
    path.write_bytes(proto.SerializeToString())
    return path


@pytest.mark.slow
def test_lenet5_has_the_same_integers_through_torch_and_onnx(tmp_path: Path) -> None:
    model = load_model(f"{ZOO / 'lenet5.py'}:build", ZOO / "lenet5.safetensors")
    assert isinstance(model, nn.Module)
    x = np.random.default_rng(0).random((64, *lenet5.INPUT_SHAPE)).astype(np.float32)
    want = convert(model, x)
    path = exported(model, tmp_path / "lenet5.onnx", x)
    found = convert(path, x)
    same_integers(found, want)
    np.testing.assert_array_equal(found.run(x), want.run(x))
    assert outside(path).stat().st_size < 10_000
    same_integers(convert(path, x), want)


def test_the_other_exporter_gives_the_same_integers() -> None:
    """onnx_files/digits.onnx, by torch.onnx.export(dynamo=True)."""
    model = load_model(f"{ZOO / 'digits.py'}:build", ZOO / "digits.safetensors")
    x = np.random.default_rng(0).random((64, 1, 8, 8)).astype(np.float32)
    same_integers(convert(FILES / "digits.onnx", x), convert(model, x))  # type: ignore[arg-type]


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.vly"
    assert main(["convert", "--net", str(FILES / "digits.onnx"), "--data", "digits", "--out", str(out)]) == 0
    assert "float 98" in capsys.readouterr().out
    assert Network.load(out).name == "digits"
    assert main(["convert", "--net", str(FILES / "plain_qonnx.onnx"), "--data", "digits", "--out", str(out)]) == 0
    assert Network.load(out).meta["accuracy_snn"] > 0.85
    for extra, message in (
        (["--weights", "a.pt"], "--weights: does not go with .*, whose weights are in it"),
        (["--timesteps", "3"], "--timesteps: does not go with .*, whose integers were trained"),
    ):
        command = ["convert", "--net", str(FILES / "plain_qonnx.onnx"), "--data", "digits", "--out", str(out), *extra]
        assert main(command) == 2
        import re

        assert re.search(message, capsys.readouterr().err)


# ---------------------------------------------------------------------- what is refused
def written(path: Path, nodes: list[Any], size: tuple[Any, ...] = (1, 2, 8, 6), opset: int = 18, **held: Any) -> Path:
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", size), ("y", None))]
    tensors = [numpy_helper.from_array(np.asarray(v, None), k) for k, v in held.items()]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]), path)
    return path


W = np.ones((3, 2, 3, 3), np.float32)
NODES: dict[str, tuple[list[Any], str]] = {
    "an operator": (
        [helper.make_node("LeakyRelu", ["x"], ["y"], "act")],
        r"layer 'act' \(LeakyRelu\): is an operator that is not supported; train with ReLU; supported: Conv",
    ),
    "a domain": (
        [helper.make_node("FusedConv", ["x"], ["y"], "f", domain="com.microsoft")],
        r"layer 'f' \(FusedConv\): is an operator of domain 'com.microsoft' that is not supported",
    ),
    "a weight that is computed": (
        [helper.make_node("Conv", ["x", "x"], ["y"], "c")],
        r"layer 'c' \(Conv\): the weight is computed from the input; needs a constant",
    ),
    "partial windows": (
        [helper.make_node("MaxPool", ["x"], ["y"], "p", kernel_shape=[3, 4], strides=[3, 4], ceil_mode=1)],
        r"layer 'p' \(MaxPool2d\): ceil_mode on 8x6",
    ),
    "a pool that leaves padding out": (
        [helper.make_node("AveragePool", ["x"], ["y"], "p", kernel_shape=[3, 3], pads=[1, 1, 1, 1])],
        "count_include_pad=False with padding",
    ),
    "a mean over channels": (
        [helper.make_node("ReduceMean", ["x", "axes"], ["y"], "m")],
        r"layer 'm' \(ReduceMean\): over axes \[1\] is not supported; needs those of the map, \[2, 3\]",
    ),
    "a transposition": (
        [helper.make_node("Transpose", ["x"], ["y"], "t", perm=[0, 2, 3, 1])],
        r"layer 't' \(Transpose\): attribute perm .* export the model in \[N, C, H, W\] order",
    ),
    "a bilinear resize": (
        [helper.make_node("Resize", ["x", "", "scales"], ["y"], "r", mode="linear")],
        r"layer 'r' \(Resize\): attribute mode 'linear' mixes neighbours",
    ),
    "a resize that shifts": (
        [helper.make_node("Resize", ["x", "", "scales"], ["y"], "r", mode="nearest", nearest_mode="ceil",
                          coordinate_transformation_mode="asymmetric")],
        "'asymmetric' with nearest_mode 'ceil' shifts the map",
    ),
    "a reshape to maps": (
        [helper.make_node("Reshape", ["x", "shape"], ["y"], "r")],
        r"layer 'r' \(Reshape\): to \[1, 4, 4, 6\] is no Flatten",
    ),
    "a clip from below 0": (
        [helper.make_node("Clip", ["x", "low"], ["y"], "c")],
        r"layer 'c' \(clip\): limits -1.0, None are not supported",
    ),
    "no input": (
        [helper.make_node("Relu", ["nothing"], ["y"], "r")], "reads tensor 'nothing', which no earlier node makes",
    ),
    "the batch in arithmetic": (
        [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Mul", ["s", "s"], ["t"], "m"),
         helper.make_node("Reshape", ["x", "t"], ["y"], "r")],
        r"layer 'm' \(Mul\): computes with the size of the batch",
    ),
    "a map at the end": ([helper.make_node("Conv", ["x", "w"], ["y"], "c")], "is the last layer but its output is 6x4"),
    "a kernel without end": (
        [helper.make_node("MaxPool", ["x"], ["y"], "p", kernel_shape=[1, 1], pads=[2**40, 0, 2**40, 0])], "padding",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NODES)
def test_nodes_are_refused_by_name(case: str, tmp_path: Path) -> None:
    nodes, message = NODES[case]
    path = written(tmp_path / "a.onnx", nodes, w=W, axes=np.array([1]), scales=np.array([1, 1, 2, 2], np.float32),
                   shape=np.array([1, 4, 4, 6]), low=np.float32(-1))  # fmt: skip
    with pytest.raises(VolleyError, match=message):
        convert(path, X)


def test_a_mistake_of_the_front_end_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is asked itself: a layer that is read wrongly does not pass."""
    from pyflow.frontends.onnx import operators

    path = exported(random_model(1).eval(), tmp_path / "net.onnx", X)
    monkeypatch.setitem(operators.OPERATORS, "Conv", lambda b, given: broken(b, given))
    right = operators._conv

    def broken(b: Any, given: Any) -> Any:
        given.values[1] = given.values[1][..., ::-1]
        return right(b, given)

    with pytest.raises(VolleyError, match=r"layer .*\(Conv2d\): gives other values .* a mistake of ours"):
        convert(path, X)


def nested(depth: int) -> bytes:
    """Graphs in attributes of nodes of graphs."""
    inner = b""
    for _ in range(depth):
        for field in (6, 5, 1):  # attribute.g, node.attribute, graph.node
            size, length = len(inner), b""
            while True:
                length += bytes([size & 127 | (128 if size > 127 else 0)])
                size >>= 7
                if not size:
                    break
            inner = bytes([field << 3 | 2]) + length + inner
    return inner


def good() -> bytes:
    return (FILES / "digits.onnx").read_bytes()


def of_structure(monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setattr(onnx_file, "MAX_STRUCTURE", 1000)
    return good()


CONTENTS: dict[str, tuple[Callable[[pytest.MonkeyPatch], bytes], str]] = {
    "nothing": (lambda _: b"", "holds 0 nodes"),
    "half": (lambda _: good()[: len(good()) // 2], "is no ONNX model, or a damaged one"),
    "text": (lambda _: b"no model\n" * 99, "is no ONNX model|holds 0 nodes"),
    "a thousand levels": (lambda _: b"\x3a" + nested(1000)[1:], "is no ONNX model|more than|holds 0 nodes"),
    "too much of structure": (of_structure, "bytes beside weights are more than the 1,000 that are read"),
}


@pytest.mark.parametrize("case", CONTENTS)
def test_damaged_files(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, message = CONTENTS[case]
    path = tmp_path / "a.onnx"
    path.write_bytes(make(monkeypatch))
    with pytest.raises(VolleyError, match=message) as e:
        open_onnx(path)
    assert "\n" not in str(e.value)


def test_structure_is_counted_without_weights() -> None:
    raw, proto = good(), onnx.load_from_string(good())
    weights = sum(len(t.raw_data) for t in proto.graph.initializer)
    assert weights > 10_000
    assert onnx_file._weights(raw, 0, len(raw), onnx_file._WAYS) == weights


def test_weights_outside(tmp_path: Path) -> None:
    model = load_model(f"{ZOO / 'lenet5.py'}:build", ZOO / "lenet5.safetensors")
    assert isinstance(model, nn.Module)
    x = np.zeros((1, *lenet5.INPUT_SHAPE), np.float32)
    path = outside(exported(model, tmp_path / "a.onnx", x))
    for name, message in (
        ("../lenet5.safetensors", "must be in a file beside"),
        ("none", "no such file; it belongs to"),
    ):
        proto = onnx.load(path, load_external_data=False)
        proto.graph.initializer[0].external_data[0].value = name
        (tmp_path / "b.onnx").write_bytes(proto.SerializeToString())
        with pytest.raises(VolleyError, match=message):
            open_onnx(tmp_path / "b.onnx")
    (tmp_path / "lenet5.safetensors").write_bytes(b"short")
    with pytest.raises(VolleyError, match=r"lenet5\.safetensors ends after 0 of 600 bytes"):
        open_onnx(path)


def test_graphs_that_are_no_models(tmp_path: Path) -> None:
    relu = [helper.make_node("Relu", ["x"], ["y"], "r")]
    for message, options in (
        ("opset 99 is not supported; needs one from 7 to", {"opset": 99}),
        ("has 5 axes; needs", {"size": (1, 2, 3, 4, 5)}),
    ):
        with pytest.raises(VolleyError, match=message):
            open_onnx(written(tmp_path / "a.onnx", relu, **options))
    proto = onnx.load(written(tmp_path / "a.onnx", relu))
    proto.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1]))
    onnx.save(proto, tmp_path / "a.onnx")
    with pytest.raises(VolleyError, match=r"has 2 inputs \(x, z\); needs one tensor"):
        open_onnx(tmp_path / "a.onnx")
    with pytest.raises(VolleyError, match=r"takes \[N, 1, 8, 8\], the data are \[1, 9, 9\]|does not fit the model"):
        convert(FILES / "digits.onnx", np.zeros((4, 1, 9, 9), np.float32))
