# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Good ONNX files, and mutants of their structure: fields of any message changed, doubled, moved or left out."""

from __future__ import annotations

from typing import Any

import numpy as np

from verif.fuzz.mutate import Rng, pick

NUMBERS = (0, -1, 1, 2, 3, 7, 255, 2**16, 2**23, 2**31 - 1, 2**40, 2**62)
WORDS = ("", "x", "y", "w", "Conv", "Gemm", "Relu", "Quant", "DequantizeLinear", "Reshape", "Loop", "\x1b[2J",
         "a" * 3000, "../x", "/dev/zero", "pads", "VALID", "SAME_UPPER", "location")  # fmt: skip


def seeds() -> list[bytes]:
    """A float network, and one with quantisers, both for images 1 x 4 x 4."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    held = {
        "w": rng.normal(size=(2, 1, 3, 3)), "b": rng.normal(size=2), "v": rng.normal(size=(3, 8)), "one": 1.0,
        "zero": 0.0, "bits": 4.0, "shape": np.array([1, -1]),
    }  # fmt: skip

    def file(nodes: list[Any], last: str) -> bytes:
        used = {name for node in nodes for name in node.input}
        tensors = [
            numpy_helper.from_array(np.asarray(v, np.int64 if k == "shape" else np.float32), k)
            for k, v in held.items()
            if k in used
        ]
        ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", [1, 1, 4, 4]), (last, None))]
        graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], tensors)
        sets = [helper.make_opsetid("", 18), helper.make_opsetid("qonnx.custom_op.general", 2)]
        return bytes(helper.make_model(graph, opset_imports=sets).SerializeToString())

    def quant(source: str, made: str, **options: Any) -> Any:
        options = {"signed": 1, "narrow": 1, "rounding_mode": "ROUND", **options}
        return helper.make_node(
            "Quant", [source, "one", "zero", "bits"], [made], domain="qonnx.custom_op.general", **options
        )

    plain = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], "conv", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("Reshape", ["r", "shape"], ["f"], "flat"),
        helper.make_node("Gemm", ["f", "v"], ["y"], "fc", transB=1),
        helper.make_node("Softmax", ["y"], ["z"], "end", axis=1),
    ]
    trained = [
        quant("w", "qw"),
        helper.make_node("Conv", ["x", "qw", "b"], ["c"], "conv", pads=[1, 1, 1, 1], strides=[2, 2]),
        quant("c", "r", signed=0, narrow=0),
        helper.make_node("MaxPool", ["r"], ["p"], "pool", kernel_shape=[1, 1]),
        helper.make_node("Flatten", ["p"], ["f"], "flat"),
        quant("v", "qv"),
        helper.make_node("Gemm", ["f", "qv"], ["y"], "fc", transB=1),
    ]
    return [file(plain, "z"), file(trained, "y")]


def _places(message: Any) -> list[tuple[Any, Any]]:
    """Every (message, field) that holds something."""
    found, pending = [], [message]
    while pending:
        inner = pending.pop()
        for field, value in inner.ListFields():
            found.append((inner, field))
            if field.message_type is not None:
                pending += list(value) if field.is_repeated else [value]
    return found


def structural(rng: Rng, seed: bytes) -> bytes:
    """One to three fields changed."""
    import onnx

    model = onnx.ModelProto.FromString(seed)
    for _ in range(int(rng.integers(1, 4))):
        places = _places(model)
        if not places:
            break
        message, field = pick(rng, places)
        _changed(rng, message, field, pick(rng, places))
    return bytes(model.SerializeToString())


def _changed(rng: Rng, message: Any, field: Any, other: tuple[Any, Any]) -> None:
    if rng.random() < 0.2:
        message.ClearField(field.name)
        return
    if field.message_type is not None:
        _moved(rng, message, field, other)
        return
    values = getattr(message, field.name)
    try:
        if not field.is_repeated:
            setattr(message, field.name, _value(rng, values))
        elif len(values) and rng.random() < 0.7:
            place = int(rng.integers(len(values)))
            values[place] = _value(rng, values[place])
        else:
            values.extend([_value(rng, v) for v in list(values)[:2]])
    except (ValueError, TypeError):  # what the field does not take
        message.ClearField(field.name)


def _value(rng: Rng, old: Any) -> Any:
    if isinstance(old, bytes):
        return pick(rng, (b"", old[:-1], old + b"\0", rng.bytes(len(old) or 1), b"\xff" * len(old), b"CEIL"))
    if isinstance(old, str):
        return pick(rng, WORDS)
    if isinstance(old, float):
        return pick(rng, (0.0, -1.0, float("nan"), float("inf"), 1e30, 1e-30))
    return pick(rng, NUMBERS)


def _moved(rng: Rng, message: Any, field: Any, other: tuple[Any, Any]) -> None:
    """Messages of a field: one more, one less, in another order, or that of another place."""
    if not field.is_repeated:
        there, its = other
        if its.message_type is field.message_type and not its.is_repeated:
            getattr(message, field.name).CopyFrom(type(getattr(message, field.name)).FromString(
                getattr(there, its.name).SerializeToString()))  # fmt: skip
        return
    held = getattr(message, field.name)
    place = int(rng.integers(len(held)))
    match int(rng.integers(3)):
        case 0:
            del held[place]
        case 1:
            held.add().CopyFrom(held[place])
        case _:
            kept = [type(x).FromString(x.SerializeToString()) for x in held]
            del held[:]
            held.extend(reversed(kept))
