# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Arithmetic on constants and on shapes, which exporters leave in a graph: done while it is walked.

A size that is that of the batch is BATCH, 0, which Reshape takes for "as it is". Nothing here makes an array larger
than MAX_NUMBERS.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import numpy_helper

from pyflow.frontends.onnx.file import Node
from pyflow.graph import MAX_NUMBERS

BATCH = 0
Fold = Callable[[Node, list[np.ndarray | None]], np.ndarray]


def _axes(node: Node, given: list[np.ndarray | None], place: int = 1) -> list[int] | None:
    """Of an attribute, or in newer opsets of an input."""
    if len(given) > place and given[place] is not None:
        return [int(v) for v in np.ravel(given[place])]  # type: ignore[arg-type]
    return node.numbers("axes")


def _transpose(node: Node, given: list[np.ndarray | None]) -> np.ndarray:
    return np.transpose(_first(node, given), node.numbers("perm"))


def _first(node: Node, given: list[np.ndarray | None]) -> np.ndarray:
    if not given or given[0] is None:
        raise node.fail("has no input")
    return given[0]


def _reshape(node: Node, given: list[np.ndarray | None]) -> np.ndarray:
    x, sizes = _first(node, given), np.ravel(given[1]).tolist()  # type: ignore[arg-type]
    copied = not node.number("allowzero", 0)
    return np.reshape(x, [x.shape[n] if s == 0 and copied else s for n, s in enumerate(sizes)])


def _squeeze(node: Node, given: list[np.ndarray | None]) -> np.ndarray:
    axes = _axes(node, given)
    return np.squeeze(_first(node, given), None if axes is None else tuple(axes))


def _unsqueeze(node: Node, given: list[np.ndarray | None]) -> np.ndarray:
    return np.expand_dims(_first(node, given), tuple(_axes(node, given) or ()))


def _gather(node: Node, given: list[np.ndarray | None]) -> np.ndarray:
    index = np.asarray(given[1])
    if index.size > 64:
        raise node.fail(f"takes {index.size} slices of a constant; at most 64 are followed")
    return np.take(_first(node, given), index.astype(np.int64), int(node.number("axis", 0)))


def _slice(node: Node, given: list[np.ndarray | None]) -> np.ndarray:
    x = _first(node, given)
    if len(given) < 3:  # opset 9 and before
        starts, ends, axes = (node.numbers(key) for key in ("starts", "ends", "axes"))
        steps = None
    else:
        starts, ends, axes, steps = (
            None if v is None else [int(n) for n in np.ravel(v)] for v in (*given[1:], None, None)[:4]
        )
    places = [slice(None)] * x.ndim
    for n, (start, end) in enumerate(zip(starts or (), ends or (), strict=True)):
        places[axes[n] if axes else n] = slice(start, end, steps[n] if steps else 1)
    return x[tuple(places)]


def _concat(node: Node, given: list[np.ndarray | None]) -> np.ndarray:
    return np.concatenate([np.asarray(v) for v in given], int(node.number("axis", 0)))


def _cast(node: Node, given: list[np.ndarray | None]) -> np.ndarray:
    kinds = {1: np.float32, 6: np.int32, 7: np.int64, 11: np.float64}
    if (to := node.number("to", 0)) not in kinds:
        raise node.fail(f"to type {to} is not supported; needs float32, float64, int32 or int64")
    return _first(node, given).astype(kinds[to])


def _arithmetic(function: Callable[..., Any]) -> Fold:
    def fold(node: Node, given: list[np.ndarray | None]) -> np.ndarray:
        a, b = (np.asarray(v) for v in given)
        if (size := int(np.prod(np.broadcast_shapes(a.shape, b.shape), dtype=np.float64))) > MAX_NUMBERS:
            raise node.fail(f"makes a constant of {size:,} numbers; at most {MAX_NUMBERS:,}")
        with np.errstate(all="ignore"):
            return np.asarray(function(a, b))

    return fold


def _filled(node: Node, given: list[np.ndarray | None]) -> np.ndarray:
    """ConstantOfShape."""
    sizes = [int(v) for v in np.ravel(_first(node, given))]
    if math.prod(sizes) > MAX_NUMBERS:
        raise node.fail(f"makes a constant of {math.prod(sizes):,} numbers; at most {MAX_NUMBERS:,}")
    value = node.attributes.get("value")
    filler = np.zeros(1, np.float32) if value is None else np.asarray(numpy_helper.to_array(value)).ravel()[:1]
    return np.full(sizes, filler[0], filler.dtype)


def _divide(a: np.ndarray, b: np.ndarray) -> Any:
    return a // b if a.dtype.kind in "iu" else a / b


# What only moves sizes, the batch among them.
MOVES: dict[str, Fold] = {
    "Identity": _first,
    "Gather": _gather,
    "Slice": _slice,
    "Concat": _concat,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Cast": _cast,
}
FOLDS: dict[str, Fold] = {
    **MOVES,
    "Shape": lambda node, given: np.array(_first(node, given).shape, np.int64),
    "ConstantOfShape": _filled,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Add": _arithmetic(np.add),
    "Sub": _arithmetic(np.subtract),
    "Mul": _arithmetic(np.multiply),
    "Div": _arithmetic(_divide),
    "Neg": lambda node, given: -_first(node, given),
}
