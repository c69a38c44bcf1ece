# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""An ONNX file as a list of nodes and constants, read in bounded memory.

Protobuf makes up to 100 bytes of one byte of structure, and of a weight's bytes one. So everything but weights is
limited before any of it is parsed. Nothing of a file is executed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from pyflow.errors import VolleyError
from pyflow.reading import open_file, read_bytes

CURE = "give a model that torch.onnx.export or onnx.save wrote"
MAX_FILE = 256 << 20  # bytes
MAX_STRUCTURE = 8 << 20  # bytes of a file that are no weights
MAX_NODES = 20_000
OPSETS = range(7, onnx.defs.onnx_opset_version() + 1)
STANDARD = ("", "ai.onnx")
# Of the messages of onnx.proto: the fields on the way from a file to the bytes of its weights.
_GRAPH, _NODE, _INITIALIZER, _ATTRIBUTE, _TENSOR, _FLOATS, _RAW = 7, 1, 5, 5, 5, 4, 9
_WEIGHTS: dict[int, Any] = {_FLOATS: None, _RAW: None}
_WAYS = {_GRAPH: {_INITIALIZER: _WEIGHTS, _NODE: {_ATTRIBUTE: {_TENSOR: _WEIGHTS}}}}


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One node. label: what messages call it, unique in its file. inputs: names of tensors, "" for one left out."""

    op: str
    domain: str
    label: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    def fail(self, message: str) -> VolleyError:
        return VolleyError(f"layer {self.label!r} ({self.op}): {message}")

    def text(self, name: str, default: str = "") -> str:
        """An attribute that is a word."""
        value = self.attributes.get(name, default)
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

    def number(self, name: str, default: float) -> Any:
        value = self.attributes.get(name, default)
        if not isinstance(value, int | float):
            raise self.fail(f"attribute {name} is {type(value).__name__}, needs a number")
        return value

    def numbers(self, name: str) -> list[int] | None:
        """An attribute that is a list of integers; None where the node has none."""
        value = self.attributes.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(v, int) for v in value):
            raise self.fail(f"attribute {name} is {value!r}, needs a list of integers")
        return value


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """nodes: those that lead to the output, in order. constants: what the file holds, by name. input, output: names of
    the two tensors; size: of the input with its batch, None where the file leaves one open. opset: of the standard
    operators. proto: of these nodes, with all weights in it."""

    path: str
    nodes: tuple[Node, ...]
    constants: dict[str, np.ndarray] = field(repr=False)
    input: str
    output: str
    size: tuple[int | None, ...]
    opset: int
    proto: onnx.ModelProto = field(repr=False)


def read(path: str | Path) -> Graph:
    """Raises VolleyError where the file is no ONNX model of one input and one output, or beyond the limits."""
    raw = read_bytes(path, f"{CURE}, with large weights outside of it (external data)", MAX_FILE)
    structure = len(raw) - _weights(raw, 0, len(raw), _WAYS)
    if structure > MAX_STRUCTURE:
        raise VolleyError(
            f"{path}: {structure:,} bytes beside weights are more than the {MAX_STRUCTURE:,} that are read; save "
            "weights as raw data, and leave out the exporter's metadata"
        )
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(raw)
    except DecodeError:
        raise VolleyError(f"{path}: is no ONNX model, or a damaged one; {CURE}") from None
    if not 1 <= len(proto.graph.node) <= MAX_NODES:
        raise VolleyError(f"{path}: holds {len(proto.graph.node)} nodes, needs 1 to {MAX_NODES:,}; {CURE}")
    return _graph(str(path), proto)


def _weights(raw: bytes, at: int, end: int, ways: dict[int, Any]) -> int:
    """How many of raw[at:end], a message, are the bytes of weights. What cannot be read counts as structure."""
    found = 0
    for number, start, stop in _fields(raw, at, end):
        if number in ways:
            inner = ways[number]
            found += stop - start if inner is None else _weights(raw, start, stop, inner)
    return found


def _fields(raw: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(number, start, stop) of the fields of a message that are strings of bytes; see protobuf.dev, "Encoding"."""
    while at < end:
        key, at = _varint(raw, at, end)
        kind = key & 7
        if kind == 0:
            _, at = _varint(raw, at, end)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        elif kind == 2:
            length, at = _varint(raw, at, end)
            if at + length > end:
                return
            yield key >> 3, at, at + length
            at += length
        else:
            return


def _varint(raw: bytes, at: int, end: int) -> tuple[int, int]:
    """(value, where it ends)"""
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = raw[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    return end + 1, end  # beyond the message, which ends here


# ------------------------------------------------------------------ what is in it
def _graph(path: str, proto: onnx.ModelProto) -> Graph:
    opset = _opset(path, proto)
    inputs, outputs = ([v.name for v in x] for x in (proto.graph.input, proto.graph.output))
    if len(proto.graph.initializer) > MAX_NODES:
        raise VolleyError(f"{path}: holds {len(proto.graph.initializer):,} tensors, at most {MAX_NODES:,}; {CURE}")
    held = {t.name for t in proto.graph.initializer}
    inputs = [name for name in inputs if name not in held]  # files of IR version 3 list weights among the inputs
    for names, what in ((inputs, "inputs"), (outputs, "outputs")):
        if len(names) != 1:
            raise VolleyError(f"{path}: the graph has {len(names)} {what} ({_some(names)}); needs one tensor")
    if proto.graph.sparse_initializer:
        raise VolleyError(f"{path}: has sparse weights, which are not supported; save them as dense tensors")
    _keep_needed(path, proto.graph, outputs[0])
    constants = {t.name: _array(path, t) for t in proto.graph.initializer}
    nodes = _nodes(proto)
    local = {(f.domain, f.name) for f in proto.functions}
    if called := next((n for n in nodes if (n.domain, n.op) in local), None):
        raise called.fail("is a function of the file, which is not supported; inline it (onnx.inliner)")
    size = _size(path, next(v for v in proto.graph.input if v.name == inputs[0]))
    return Graph(path, nodes, constants, inputs[0], outputs[0], size, opset, proto)


def _opset(path: str, proto: onnx.ModelProto) -> int:
    found = [o.version for o in proto.opset_import if o.domain in STANDARD]
    if len(found) != 1 or found[0] not in OPSETS:
        raise VolleyError(
            f"{path}: opset {_some(map(str, found))} is not supported; needs one from {OPSETS[0]} to {OPSETS[-1]}"
        )
    return int(found[0])


def _some(names: Any) -> str:
    names = list(names)
    return ", ".join(name[:40] for name in names[:4]) + (" …" if len(names) > 4 else "") if names else "none"


def _keep_needed(path: str, graph: onnx.GraphProto, output: str) -> None:
    """Drops nodes and weights that the output does not depend on."""
    needed = {output}
    for place in reversed(range(len(graph.node))):
        node = graph.node[place]
        if needed & set(node.output):
            needed |= set(node.input)
        else:
            del graph.node[place]
    for place in reversed(range(len(graph.initializer))):
        if graph.initializer[place].name not in needed:
            del graph.initializer[place]
    del graph.value_info[:]
    made = [name for node in graph.node for name in node.output if name]
    if len(set(made)) < len(made):
        twice = next(name for name in made if made.count(name) > 1)
        raise VolleyError(f"{path}: two nodes make tensor {twice[:60]!r}; {CURE}")


def _array(path: str, tensor: onnx.TensorProto) -> np.ndarray:
    """The numbers of a tensor; those of another file are brought into the tensor itself."""
    where = f"{path}: tensor {tensor.name[:60]!r}"
    try:
        kind = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
    except (KeyError, TypeError, ValueError):
        raise VolleyError(f"{where}: type {tensor.data_type} is not known; use float32") from None
    if kind.kind not in "biuf" or min(tensor.dims, default=0) < 0:
        raise VolleyError(f"{where}: is {kind} of shape {list(tensor.dims)}; needs an array of float32 or integers")
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        tensor.raw_data = _external(path, where, tensor, math.prod(tensor.dims) * kind.itemsize)
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]
    try:
        return np.asarray(onnx.numpy_helper.to_array(tensor))
    except (ValueError, TypeError, OverflowError) as e:
        raise VolleyError(
            f"{where}: its numbers do not fill {list(tensor.dims)} ({str(e).splitlines()[0][:80]})"
        ) from None


def _external(path: str, where: str, tensor: onnx.TensorProto, size: int) -> bytes:
    """Its bytes, from a file in the folder of the model."""
    known = {entry.key: entry.value for entry in tensor.external_data}
    name = known.get("location", "")
    if not name or Path(name).name != name or name in (".", ".."):
        raise VolleyError(f"{where}: is in {name[:80]!r}; weights outside must be in a file beside the model")
    try:
        offset, length = int(known.get("offset", "0")), int(known.get("length", size))
    except ValueError:
        offset = length = -1
    if offset < 0 or length != size:
        raise VolleyError(f"{where}: {length} bytes at {offset} of {name} are not the {size} of {list(tensor.dims)}")
    with open_file(Path(path).parent / name, "it belongs to the ONNX file; copy both") as stream:
        stream.seek(offset)
        found = stream.read(size)
    if len(found) != size:
        raise VolleyError(f"{where}: {name} ends after {len(found)} of {size} bytes at {offset}; copy it again")
    return found


def _nodes(proto: onnx.ModelProto) -> tuple[Node, ...]:
    used: set[str] = set()
    return tuple(_node(n, used) for n in proto.graph.node)


def _node(proto: onnx.NodeProto, used: set[str]) -> Node:
    label = _label(proto)
    if label in used:
        label = f"{label} ({proto.output[0] if proto.output else len(used)})"
    used.add(label)
    attributes: dict[str, Any] = {}
    for attribute in proto.attribute:
        try:
            attributes[attribute.name] = onnx.helper.get_attribute_value(attribute)
        except ValueError:
            attributes[attribute.name] = None
    return Node(proto.op_type, proto.domain, label, tuple(proto.input), tuple(proto.output), attributes)


def _label(proto: onnx.NodeProto) -> str:
    """What a layer is called: as its weight is, where that is a parameter of a module; else as the node is."""
    for name in map(str, proto.input[1:2]):
        if name.endswith(".weight"):
            return name.removesuffix(".weight")
        if ".act_quant." in name:  # the scale of a quantiser of Brevitas
            return name.partition(".act_quant.")[0]
    plain = str(proto.name).strip("/").removesuffix(f"/{proto.op_type}")
    return plain or str(proto.output[0] if proto.output else proto.op_type)


def _size(path: str, value: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    tensor = value.type.tensor_type
    if tensor.elem_type not in (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE):
        kind = onnx.TensorProto.DataType.Name(tensor.elem_type) if tensor.elem_type in range(24) else tensor.elem_type
        raise VolleyError(f"{path}: input {value.name!r} is {kind}; needs FLOAT, images in [0, 1]")
    sizes = tuple(d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in tensor.shape.dim)
    if len(sizes) not in (2, 3, 4):
        raise VolleyError(
            f"{path}: input {value.name!r} has {len(sizes)} axes; needs [N, C, H, W], [N, C, L] or [N, F]"
        )
    return sizes
