# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""One pass over the nodes of an ONNX file: constants are worked out, the others are handed to a table of operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from pyflow.errors import VolleyError
from pyflow.frontends.onnx.constants import BATCH, FOLDS, MOVES
from pyflow.frontends.onnx.file import STANDARD, Graph, Node

# What numpy and a handler raise on attributes and shapes that are not what they should be.
NOT_UNDERSTOOD = (TypeError, ValueError, AttributeError, IndexError, KeyError, RuntimeError, ArithmeticError)
Stream = TypeVar("Stream")


@dataclass(frozen=True, slots=True, eq=False)
class Sizes:
    """A shape as numbers, in which the batch is BATCH."""

    value: np.ndarray


class Given(Generic[Stream]):
    """A node and the values of its inputs: streams, which depend on the network's input, and constants."""

    def __init__(self, node: Node, values: list[Any], opset: int, batch: int | None, kind: type[Stream]) -> None:
        self.node, self.values, self.opset, self.batch, self._kind = node, values, opset, batch, kind

    @property
    def streams(self) -> list[Stream]:
        return [v for v in self.values if isinstance(v, self._kind)]

    def has(self, place: int) -> bool:
        return place < len(self.values) and self.values[place] is not None

    def constant(self, place: int, what: str) -> np.ndarray:
        """An input that must be a constant."""
        value = self.values[place] if place < len(self.values) else None
        if isinstance(value, np.ndarray):
            return value
        raise self.node.fail(f"{what} is {'missing' if value is None else 'computed from the input'}; needs a constant")

    def sizes(self, place: int, what: str) -> list[int]:
        """An input that is a shape, in which 0 stands for the batch, or constant integers."""
        value = self.values[place] if place < len(self.values) else None
        array = value.value if isinstance(value, Sizes) else self.constant(place, what)
        return [int(v) for v in np.ravel(array)]

    def option(self, name: str, place: int, what: str = "") -> list[int] | None:
        """Integers that older opsets have as attribute `name`, newer ones as an input."""
        return self.sizes(place, what or name) if self.has(place) else self.node.numbers(name)


Handler = Callable[[Any, Given[Stream]], Stream]


def walk(
    graph: Graph,
    start: Stream,
    kind: type[Stream],
    size_of: Callable[[Stream], tuple[int, ...]],
    operators: Mapping[str, Handler[Stream]],
    builder: Any,
    refuse: Callable[[Node], VolleyError],
) -> tuple[Stream, dict[str, str]]:
    """(what the output is, by label of a node the tensor that it makes).

    start: of the input; kind: the class of all streams; size_of: the sizes of one after the batch. operators: by "Op"
    of the standard domain, or "domain:Op"; a handler takes the builder and the node's inputs, and returns a stream.
    """
    values: dict[str, Any] = {**graph.constants, graph.input: start, "": None}
    made: dict[str, str] = {}
    for node in graph.nodes:
        missing = next((name for name in node.inputs if name not in values), None)
        if missing is not None:
            raise node.fail(f"reads tensor {missing[:60]!r}, which no earlier node makes")
        given = [values[name] for name in node.inputs]
        if not node.outputs:
            raise node.fail("makes no tensor")
        try:
            result = _result(graph, node, given, size_of, operators, builder, refuse, kind)
        except NOT_UNDERSTOOD as e:
            if isinstance(e, VolleyError):
                raise
            cause = str(e).partition("\n")[0][:120]
            raise node.fail(f"its attributes or inputs are not understood ({type(e).__name__}: {cause})") from None
        values[node.outputs[0]] = result
        if isinstance(result, kind):
            made[node.label] = node.outputs[0]
    answer = values.get(graph.output)
    if not isinstance(answer, kind):
        raise VolleyError(f"{graph.path}: output {graph.output[:60]!r} does not depend on the input")
    return answer, made


def _result(
    graph: Graph,
    node: Node,
    given: list[Any],
    size_of: Callable[[Any], tuple[int, ...]],
    operators: Mapping[str, Handler[Any]],
    builder: Any,
    refuse: Callable[[Node], VolleyError],
    kind: type[Any],
) -> Any:
    name = node.op if node.domain in STANDARD else f"{node.domain}:{node.op}"
    if node.op == "Constant" and node.domain in STANDARD:
        return _constant(node)
    streams = [v for v in given if isinstance(v, kind)]
    if node.op == "Shape" and streams:
        return Sizes(np.array((BATCH, *size_of(streams[0])), np.int64))
    if not streams and name in FOLDS and not any(_is_trained(v) for v in given):
        return _folded(node, given)
    if name not in operators:
        raise refuse(node)
    return operators[name](builder, Given(node, given, graph.opset, graph.size[0], kind))


def _is_trained(value: Any) -> bool:
    """A constant that is more than an array: the other table knows what is done with it."""
    return value is not None and not isinstance(value, np.ndarray | Sizes)


def _folded(node: Node, given: list[Any]) -> Any:
    plain = [v.value if isinstance(v, Sizes) else v for v in given]
    if not any(isinstance(v, Sizes) for v in given):
        return np.asarray(FOLDS[node.op](node, plain))
    if node.op not in MOVES:
        raise node.fail("computes with the size of the batch, which is not supported; use flatten(1) in the model")
    return Sizes(np.asarray(MOVES[node.op](node, plain)))


def _constant(node: Node) -> np.ndarray:
    import onnx

    for key, kind in (("value_float", np.float32), ("value_int", np.int64), ("value_floats", np.float32),
                      ("value_ints", np.int64)):  # fmt: skip
        if key in node.attributes:
            return np.array(node.attributes[key], kind)
    value = node.attributes.get("value")
    if not isinstance(value, onnx.TensorProto) or value.data_location == onnx.TensorProto.EXTERNAL:
        raise node.fail("holds no tensor of numbers; save it as an initializer")
    array = np.asarray(onnx.numpy_helper.to_array(value))
    if array.dtype.kind not in "biuf":
        raise node.fail(f"holds {array.dtype}, needs numbers")
    return array
