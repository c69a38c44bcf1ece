# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What each operator means in a file of trained integers, in the table OPERATORS. Quantisers are in quantisers.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from pyflow.frontends import kernels
from pyflow.frontends import torch_layers as layers
from pyflow.frontends.onnx import attributes
from pyflow.frontends.onnx.file import Node
from pyflow.frontends.onnx.operators import refuse
from pyflow.frontends.onnx.quantisers import (
    QUANTISING,
    Dequantised,
    Importer,
    Levels,
    Trained,
    layer_of,
    real_of,
    stream_of,
)
from pyflow.frontends.onnx.walk import walk
from pyflow.frontends.trained import Codes, Potential, Stream, Weight
from pyflow.graph import Network


def network(importer: Importer) -> Network:
    """The integers of a file. Raises VolleyError naming the node that has no exact form."""
    answer, _ = walk(importer.graph, importer.builder.start, Stream, lambda s: s.size, OPERATORS, importer, refuse)
    importer.rounded = isinstance(answer, Potential) and answer.ends is not None
    return importer.builder.finish(answer)


def _clip(importer: Importer, given: Trained) -> Any:
    low, high = attributes.limits(given)
    value = given.values[0]
    if isinstance(value, Levels):
        low, high = value.low if low is None else int(low), value.high if high is None else int(high)
        bits = max(abs(high), abs(low + 1)).bit_length() + (low < 0)
        return replace(value, low=max(low, value.low), high=min(high, value.high), bits=max(1, bits))
    if low != 0:
        raise given.node.fail(f"limits {low}, {high} are not supported; {layers.HINTS['clamp']}")
    return importer.builder.relu(layer_of(given.node), stream_of(given), float("inf") if high is None else high)


# ---------------------------------------------------------------------- synapses
def _weight(given: Trained, integers: np.ndarray, value: Dequantised) -> Weight:
    """integers: [Co, ...], those of `value` in the place that the layer wants them in."""
    scale = np.asarray(value.scale, np.float64)
    if scale.size not in (1, len(integers)):
        raise given.node.fail(f"weight has {scale.size} scales; needs one, or one per output channel")
    return Weight(integers, scale.ravel(), value.bits)


def _trained(given: Trained, place: int) -> Dequantised:
    value = given.values[place] if place < len(given.values) else None
    if not isinstance(value, Dequantised):
        raise given.node.fail("weight is not quantised, as activations are; quantise both, or neither")
    return value


def _conv(importer: Importer, given: Trained) -> Stream:
    node, source, value = given.node, stream_of(given), _trained(given, 1)
    axes = value.integers.ndim - 2
    if axes not in (1, 2) or axes != source.axes:
        raise node.fail(f"weight {value.integers.shape} is for maps of {axes} axes, its input has {source.axes}")
    if value.scale.size > 1 and np.shape(value.scale)[0] == 1:
        raise node.fail("weight has a scale per input channel; needs one, or one per output channel")
    stride, dilation = (node.numbers(key) or [1] * axes for key in ("strides", "dilations"))
    before, after = attributes.sides(node, value.integers.shape[2:], stride, dilation, source.size[1:])
    groups, kernel = int(node.number("group", 1)), value.integers
    depthwise = groups > 1 and kernel.shape[1] == 1
    kernel = kernel.reshape(*kernel.shape[:2], *layers.kernel_sides(kernel.shape[2:], axes))
    apart = layers.kernel_sides(dilation, axes)
    dense, _ = kernels.laid_out(node.label, node.op, kernel, apart, 1 if depthwise else groups)
    bias = real_of(given, 2, "the bias").ravel() if given.has(2) else None
    return importer.builder.conv(
        layer_of(node), source, _weight(given, dense.astype(np.int64), value), bias, layers.kernel_sides(stride, axes),
        layers.padding_sides(before, axes), layers.padding_sides(after, axes), depthwise,
    )  # fmt: skip


def _gemm(importer: Importer, given: Trained) -> Stream:
    node = given.node
    for name, needed in (("transA", 0), ("alpha", 1.0), ("beta", 1.0)):
        if node.number(name, needed) != needed:
            raise node.fail(f"attribute {name} is {node.number(name, needed)}, needs {needed:g}")
    bias = real_of(given, 2, "the bias") if given.has(2) else None
    return _linear(importer, given, bool(node.number("transB", 0)), bias)


def _linear(importer: Importer, given: Trained, transposed: bool = False, bias: np.ndarray | None = None) -> Stream:
    source, value = stream_of(given), _trained(given, 1)
    if value.integers.ndim != 2:
        raise given.node.fail(f"weight has {value.integers.ndim} axes; needs 2")
    integers = value.integers if transposed else value.integers.T
    scale = value.scale if transposed or value.scale.ndim < 2 else value.scale.T
    if scale.ndim == 2 and scale.shape[1] > 1:
        raise given.node.fail("weight has a scale per input; needs one, or one per output")
    weight = _weight(given, integers, replace(value, scale=scale))
    wide = None if bias is None else np.broadcast_to(bias, (1, len(integers))).ravel()
    return importer.builder.linear(layer_of(given.node), source, weight, wide)


# ---------------------------------------------------------------------- the others
def _relu(importer: Importer, given: Trained) -> Stream:
    return importer.builder.relu(layer_of(given.node), stream_of(given))


def _batch_norm(importer: Importer, given: Trained) -> Stream:
    return importer.builder.affine(layer_of(given.node), stream_of(given), *attributes.normalisation(given))


def _arithmetic(importer: Importer, given: Trained) -> Stream:
    """Of two activations, or of one and a constant per channel."""
    node, builder = given.node, importer.builder
    if len(given.values) != 2:
        raise node.fail(f"has {len(given.values)} inputs; needs 2")
    if len(given.streams) == 2:
        if node.op != "Add":
            raise node.fail("of two activations has no spiking form")
        return builder.add(layer_of(node), given.streams)
    first = isinstance(given.values[0], Stream)
    source = stream_of(given, 0 if first else 1)
    value = real_of(given, 1 if first else 0, "the other input")
    shape = (source.size[0], *[1] * (len(source.size) - 1))
    if value.size != 1 and tuple([1] * (1 + len(shape) - value.ndim)) + value.shape != (1, *shape):
        raise node.fail(f"constant of shape {value.shape} is not one number per channel {shape}")
    value = value.ravel()
    one, zero = np.ones(1), np.zeros(1)
    if node.op == "Div" and (not first or not value.all()):
        raise node.fail("divides by the activations or by zero, which is not supported")
    scale, shift = {
        "Add": (one, value),
        "Sub": (one, -value) if first else (-one, value),
        "Mul": (value, zero),
        "Div": (1 / np.where(value, value, 1), zero),
    }[node.op]
    return builder.affine(layer_of(node), source, scale, shift)


def _pool(importer: Importer, given: Trained, largest: bool) -> Stream:
    node, source = given.node, stream_of(given)
    kernel, axes = node.numbers("kernel_shape") or [], source.axes
    if not axes or len(kernel) != axes or any(node.outputs[1:]):
        raise node.fail(f"kernel {kernel} does not fit maps of {axes} axes, or gives indices too")
    stride, dilation = (node.numbers(key) or [1] * axes for key in ("strides", "dilations"))
    before, after = attributes.sides(node, kernel, stride, dilation, source.size[1:])
    partial_window = node.number("ceil_mode", 0) and any(
        (n + 2 * p - k) % s for n, p, k, s in zip(source.size[1:], before, kernel, stride, strict=True)
    )
    if before != after or max(dilation) > 1 or partial_window:
        raise node.fail("pads one side more, is dilated or makes a partial window (ceil_mode), which is not supported")
    if not largest and any(before) and not node.number("count_include_pad", 0):
        raise node.fail(f"count_include_pad=0 with pads {before} is not supported; needs 1")
    window = layers.kernel_sides(kernel, axes), layers.kernel_sides(stride, axes), layers.padding_sides(before, axes)
    return _pooled(importer, node, source, *window, largest=largest)


def _pooled(importer: Importer, node: Node, source: Stream, *window: tuple[int, int], largest: bool) -> Stream:
    pool = importer.builder.max_pool if largest else importer.builder.avg_pool
    return pool(layer_of(node), source, *window)


def _global_pool(importer: Importer, given: Trained, largest: bool) -> Stream:
    source = stream_of(given)
    if not source.axes:
        raise given.node.fail("acts on maps, its input is [N, F]")
    whole = source.shape[1:]
    return _pooled(importer, given.node, source, whole, whole, (0, 0), largest=largest)


def _reduce(importer: Importer, given: Trained, largest: bool) -> Stream:
    source, node = stream_of(given), given.node
    rank = 1 + len(source.size)
    axes = {int(a) % rank for a in given.option("axes", 1) or range(rank)}
    if axes != set(range(2, rank)):
        raise node.fail(f"over axes {sorted(axes)} is not supported; needs those of the map, {list(range(2, rank))}")
    pooled = _global_pool(importer, given, largest)
    return pooled if node.number("keepdims", 1) else importer.builder.flatten(pooled)


def _reshape(importer: Importer, given: Trained) -> Any:
    if isinstance(given.values[0], Dequantised):
        return _moved(given, lambda x: x.reshape(given.sizes(1, "the shape")))
    source = stream_of(given)
    return importer.builder.flatten(source) if attributes.flattens(given, source.size) else source


def _flatten(importer: Importer, given: Trained) -> Stream:
    source = stream_of(given)
    if int(given.node.number("axis", 1)) % (1 + len(source.size)) != 1:
        raise given.node.fail(f"axis {given.node.number('axis', 1)} is not supported; needs 1")
    return importer.builder.flatten(source)


def _squeeze(importer: Importer, given: Trained) -> Stream:
    source = stream_of(given)
    if any(side != 1 for side in source.size[1:]):
        raise given.node.fail(f"of {source.size} is no Flatten, which is supported; use flatten(1) in the model")
    return importer.builder.flatten(source)


def _moved(given: Trained, move: Callable[[np.ndarray], np.ndarray]) -> Dequantised:
    """Trained numbers in another order, with their scales."""
    value: Dequantised = given.values[0]
    integers, scale = move(value.integers), np.asarray(value.scale)
    if scale.size > 1:
        scale = move(np.broadcast_to(scale, value.integers.shape))
        for axis in range(scale.ndim):
            first = scale.take([0], axis)
            scale = first if (scale == first).all() else scale
    return replace(value, integers=integers, scale=scale)


def _transpose(_: Importer, given: Trained) -> Any:
    perm = given.node.numbers("perm")
    if isinstance(given.values[0], Dequantised):
        return _moved(given, lambda x: np.transpose(x, perm))
    source = stream_of(given)
    if perm != list(range(1 + len(source.size))):
        raise given.node.fail(f"attribute perm {perm} moves axes, which is not supported; export in [N, C, H, W] order")
    return source


def _pad(importer: Importer, given: Trained) -> Codes:
    source, node = stream_of(given), given.node
    if node.text("mode", "constant") != "constant" or attributes.pad_value(given) != 0:
        raise node.fail("pads with other numbers than 0, which is not supported")
    pads = attributes.map_pads(given, source.axes) + [0, 0] * (2 - source.axes)
    return importer.builder.pad(layer_of(node), source, (pads[2], pads[0]), (pads[3], pads[1]))


def _resize(importer: Importer, given: Trained) -> Stream:
    source = stream_of(given)
    factors = attributes.whole_factors(given, source.size)
    return importer.builder.upsample(layer_of(given.node), source, layers.kernel_sides(factors, source.axes))


def _concat(importer: Importer, given: Trained) -> Codes:
    axis = int(given.node.number("axis", 1))
    if len(given.streams) < len(given.values) or axis % (1 + len(given.streams[0].size)) != 1:
        raise given.node.fail(f"along axis {axis} or with constants is not supported; needs channels of activations, 1")
    return importer.builder.concat(layer_of(given.node), given.streams)


def _nothing(_: Importer, given: Trained) -> Any:
    if given.node.op == "Dropout" and given.has(2) and given.constant(2, "training_mode").any():
        raise given.node.fail("training_mode is true; export the model in eval()")
    return given.values[0]


def _ends(_: Importer, given: Trained) -> Stream:
    source = stream_of(given)
    if not isinstance(source, Potential):
        raise given.node.fail("is not the last layer, where it keeps the order of logits; elsewhere use ReLU")
    return replace(source, ends=layer_of(given.node))


OPERATORS: dict[str, Callable[[Importer, Trained], Any]] = {
    **QUANTISING,
    "Clip": _clip,
    "Conv": _conv,
    "Gemm": _gemm,
    "MatMul": _linear,
    "Relu": _relu,
    "BatchNormalization": _batch_norm,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _arithmetic),
    "MaxPool": partial(_pool, largest=True),
    "AveragePool": partial(_pool, largest=False),
    "GlobalMaxPool": partial(_global_pool, largest=True),
    "GlobalAveragePool": partial(_global_pool, largest=False),
    "ReduceMax": partial(_reduce, largest=True),
    "ReduceMean": partial(_reduce, largest=False),
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Pad": _pad,
    "Resize": _resize,
    "Upsample": _resize,
    "Concat": _concat,
    **dict.fromkeys(("Identity", "Dropout", "Cast"), _nothing),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Sigmoid"), _ends),
}
