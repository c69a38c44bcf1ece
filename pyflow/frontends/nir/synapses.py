# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""NIR's nodes without state: their shapes, and the Conv and Linear layers that they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pyflow.frontends.kernels import MOST_WEIGHTS, undilated, ungrouped
from pyflow.frontends.nir.graph import Node
from pyflow.frontends.nir.neurons import per_channel
from pyflow.model.graph import AvgPool, Edge, FloatConv, FloatLinear, Shape

KINDS = ("Affine", "Linear", "Conv1d", "Conv2d")
POOLS = ("SumPool2d", "AvgPool2d")
NOWHERE = (Edge("nothing"),)  # of a layer whose place is not known yet


@dataclass(frozen=True, slots=True)
class Stream:
    """What a node gives. shape: (C, H, W). axes: of its map, 2, 1 (a sequence) or 0 (a vector)."""

    shape: Shape
    axes: int


def behind(node: Node, source: Stream) -> Stream:
    """What `node` gives where it reads `source`. Raises VolleyError where it cannot."""
    if node.kind in ("Affine", "Linear"):
        return Stream(layer(node, "layer").infer(source.shape), 0)
    if node.kind in ("Conv1d", "Conv2d", *POOLS):
        axes = 1 if node.kind == "Conv1d" else 2
        if source.axes != axes:
            want = ("[C, L]", "[C, H, W]")[axes - 1]
            raise node.fail(f"acts on {want}, its input has the shape {_own(source)}")
        if node.kind in POOLS:
            kernel, stride, padding = window(node)
            pool = AvgPool("layer", node.path, kernel, stride, padding, inputs=NOWHERE)
            return Stream(pool.infer(source.shape), axes)
        return Stream(layer(node, "layer").infer(source.shape), axes)
    if node.kind == "Flatten":
        start, end = node.integers("start_dim"), node.integers("end_dim")
        # With an axis of the batch, or without: exporters do both. What is behind tells whether it fits.
        if start not in ((0,), (1,)) or end not in ((-1,), (source.axes,), (source.axes + 1,)):
            raise node.fail(f"flattens the axes {start} to {end} of {_own(source)}; needs all of them")
        return Stream((math.prod(source.shape), 1, 1), 0)
    return source


def _own(stream: Stream) -> tuple[int, ...]:
    return (stream.shape[0], *stream.shape[3 - stream.axes :])


def layer(node: Node, name: str) -> FloatConv | FloatLinear:
    """The layer of an Affine, Linear, Conv1d or Conv2d, without its inputs."""
    weight = node.numbers("weight")
    axes = {"Conv1d": 1, "Conv2d": 2}.get(node.kind, 0)
    if weight.ndim != 2 + axes:
        raise node.fail(f"weight {weight.shape} must have {2 + axes} axes")
    bias = node.numbers("bias") if "bias" in node.fields else np.zeros(len(weight))
    if bias.size not in (1, len(weight)):
        raise node.fail(f"bias has {bias.size} values for {len(weight)} outputs")
    bias = np.broadcast_to(bias.ravel(), len(weight)).copy()
    if not axes:
        return FloatLinear(name, node.path, weight, bias, inputs=NOWHERE)
    return _conv(node, name, weight.reshape(*weight.shape[:2], *((1,) * (2 - axes)), *weight.shape[2:]), bias, axes)


def _conv(node: Node, name: str, weight: np.ndarray, bias: np.ndarray, axes: int) -> FloatConv:
    stride, dilation = _sides(node, "stride", axes, 1), _sides(node, "dilation", axes, 1)
    groups = node.integers("groups")
    if len(groups) != 1 or groups[0] < 1 or len(weight) % groups[0]:
        raise node.fail(f"groups {groups} must divide its {len(weight)} outputs")
    if min(*stride, *dilation) < 1:
        raise node.fail(f"stride {stride} and dilation {dilation} must be at least 1")
    depthwise = groups[0] > 1 and weight.shape[1] == 1
    laid = 1 if depthwise else groups[0]
    size = len(weight) * weight.shape[1] * laid
    for taps, step in zip(weight.shape[2:], dilation, strict=True):
        size *= (taps - 1) * step + 1
    if size > MOST_WEIGHTS:
        raise node.fail(f"groups {groups}, dilation {dilation}: {size:,} weights with zeros, at most {MOST_WEIGHTS:,}")
    dense, free = ungrouped(*undilated(weight, dilation), laid)
    return FloatConv(
        name, node.path, dense, bias, stride, _padding(node, axes, (dense.shape[2], dense.shape[3])),
        free=np.zeros(0, bool) if free.all() else free, depthwise=depthwise, axes=axes, inputs=NOWHERE,
    )  # fmt: skip


def _padding(node: Node, axes: int, kernel: tuple[int, int]) -> tuple[int, int]:
    """kernel: (KH, KW), with its dilation."""
    value = node.fields["padding"]
    if value.dtype != object:
        return _sides(node, "padding", axes, 0)
    words = {str(word) for word in value.reshape(-1)}
    if words == {"valid"}:
        return (0, 0)
    if words != {"same"} or any(k % 2 == 0 for k in kernel):
        raise node.fail(f"padding {sorted(words)} of a kernel {kernel} is not supported; give numbers")
    return (kernel[0] // 2, kernel[1] // 2)


def window(node: Node) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """(kernel, stride, padding) of a pool."""
    kernel, stride, padding = (_sides(node, key, 2, 1) for key in ("kernel_size", "stride", "padding"))
    if min(*kernel, *stride) < 1 or min(padding) < 0:
        raise node.fail(f"kernel {kernel}, stride {stride}, padding {padding}: needs 1, 1 and 0 at least")
    return kernel, stride, padding


def _sides(node: Node, name: str, axes: int, other: int) -> tuple[int, int]:
    """(y, x) of one number or of one for each axis. other: that of an axis which a sequence does not have."""
    values = node.integers(name)
    if len(values) not in (1, axes) or max(values) > 1 << 16 or min(values) < 0:
        raise node.fail(f"{name} {values} must be {axes} numbers of at most 65,536")
    y, x = [other] * (2 - axes) + list(values if len(values) == axes else values * axes)
    return y, x


def scale(node: Node, shape: Shape) -> np.ndarray:
    """float64 [C] of a Scale, or one number per value."""
    values = node.numbers("scale")
    if not np.isfinite(values).all():
        raise node.fail("scale is infinite")
    if values.size == math.prod(shape) and values.size != shape[0]:
        rows = values.reshape(shape[0], -1)
        return values.ravel() if (rows != rows[:, :1]).any() else rows[:, 0].copy()
    return np.broadcast_to(per_channel(node, "scale", shape), shape[0]).copy()
