# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What an ONNX file itself answers, by the reference implementation of the onnx package: every tensor, node by node."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from pyflow.errors import VolleyError
from pyflow.frontends.onnx.file import Graph
from pyflow.frontends.onnx.quantisers import QONNX, ROUNDINGS
from pyflow.frontends.trained import rounded


def values(graph: Graph, images: np.ndarray) -> dict[str, np.ndarray]:
    """By name, every tensor that a node makes of `images`: float [N, ...]. A file of a fixed batch is asked batch by
    batch; what is over of the images is left out. Raises VolleyError where the file cannot be run."""
    kind = np.float64 if graph.proto.graph.input[0].type.tensor_type.elem_type == 11 else np.float32
    x = np.ascontiguousarray(images, kind)
    batch = graph.size[0] or len(x)
    made = {name for node in graph.nodes for name in node.outputs if name}
    found: dict[str, list[np.ndarray]] = {}
    try:
        evaluator = ReferenceEvaluator(graph.proto, new_ops=[*OPERATORS, *(OLD if graph.opset < 19 else [])])
        for start in range(0, len(x) - batch + 1, batch):
            step: Any = evaluator.run(None, {graph.input: x[start : start + batch]}, intermediate=True)
            for name in made & set(step):
                found.setdefault(name, []).append(np.asarray(step[name]))
    except Exception as e:  # of numpy and of every operator's own
        cause = str(e).partition("\n")[0][:120]
        raise VolleyError(f"{graph.path}: cannot be run on {x.shape} ({type(e).__name__}: {cause})") from None
    if not found:
        raise VolleyError(f"{graph.path}: takes batches of {batch}, there are {len(x)} images; export a batch of 1")
    return {name: np.concatenate(parts) if parts[0].ndim else parts[0] for name, parts in found.items()}


class _Quant(OpRun):
    """Quant of QONNX, by its text: x / scale + zero point, clamped, rounded, and back."""

    def _run(
        self, x: Any, scale: Any, zero: Any, bits: Any, narrow: int = 0, rounding_mode: Any = "ROUND", signed: int = 1
    ) -> tuple[np.ndarray]:
        low = (narrow - 2.0 ** (bits - 1)) if signed else 0.0
        high = 2.0 ** (bits - 1) - 1 if signed else 2.0**bits - 1 - narrow
        real = np.clip(x / scale + zero, low, high)
        mode = rounding_mode.decode() if isinstance(rounding_mode, bytes) else rounding_mode
        whole = rounded(real, ROUNDINGS[mode.upper()])
        return (((whole - zero) * scale).astype(x.dtype),)


class _BipolarQuant(OpRun):
    def _run(self, x: Any, scale: Any) -> tuple[np.ndarray]:
        return ((np.where(x >= 0, 1.0, -1.0) * scale).astype(x.dtype),)


def _along(x: Any, scale: Any, axis: int) -> Any:
    """A scale per channel of `axis`, so that it broadcasts."""
    return scale.reshape([-1 if n == axis % x.ndim else 1 for n in range(x.ndim)]) if scale.size > 1 else scale


class QuantizeLinear(OpRun):
    """Of opsets before 19, which the reference implementation does not have."""

    op_domain = ""

    def _run(self, x: Any, scale: Any, zero: Any = None, axis: int = 1, **_: Any) -> tuple[np.ndarray]:
        kind = np.uint8 if zero is None else zero.dtype
        limits = np.iinfo(kind)
        whole = np.rint(x / _along(x, scale, axis)) + (0 if zero is None else _along(x, zero, axis))
        return (np.clip(whole, limits.min, limits.max).astype(kind),)


class DequantizeLinear(OpRun):
    """Of opsets before 19."""

    op_domain = ""

    def _run(self, x: Any, scale: Any, zero: Any = None, axis: int = 1, **_: Any) -> tuple[np.ndarray]:
        whole = x.astype(np.float32) - (0 if zero is None else _along(x, zero, axis).astype(np.float32))
        return (np.asarray(whole * _along(x, scale, axis), np.float32),)


OLD: list[type[OpRun]] = [QuantizeLinear, DequantizeLinear]
OPERATORS: list[type[OpRun]] = [
    type(name, (kind,), {"op_domain": domain})
    for domain in QONNX
    for name, kind in (("Quant", _Quant), ("IntQuant", _Quant), ("BipolarQuant", _BipolarQuant))
]
