# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What each ONNX operator means as a float layer: one small handler each, in the table OPERATORS. The layers, with what
is refused of them, are those of PyTorch's front end (torch_layers.py)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from pyflow.errors import VolleyError
from pyflow.frontends import torch_functions as functions
from pyflow.frontends import torch_layers as layers
from pyflow.frontends.builder import Activations, Builder
from pyflow.frontends.onnx import attributes
from pyflow.frontends.onnx.file import STANDARD, Node
from pyflow.frontends.onnx.walk import Given
from pyflow.frontends.torch_upsample import upsample
from pyflow.model.graph import FloatAdd, FloatConcat, MaxPool

Float = Given[Activations]
HINTS = {
    **dict.fromkeys(("LeakyRelu", "PRelu", "Elu", "Gelu", "HardSwish", "Tanh", "Selu", "Mish"), "train with ReLU"),
    "ConvTranspose": "use nearest upsampling and a Conv",
    "DepthToSpace": "use nearest upsampling and a Conv",
    "ArgMax": "end in the logits, and leave it out",
    "TopK": "end in the logits, and leave it out",
    **dict.fromkeys(("If", "Loop", "Scan"), "export a model without control flow"),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), "spikes over time are converted from PyTorch (docs/models.md)"),
    **dict.fromkeys(("QLinearConv", "ConvInteger", "MatMulInteger", "QLinearMatMul", "DynamicQuantizeLinear"),
                    "export with QuantizeLinear and DequantizeLinear (QDQ format)"),
}  # fmt: skip
SUPPORTED = (
    "Conv, Gemm, MatMul, Relu, Clip from 0, MaxPool, AveragePool, GlobalAveragePool, GlobalMaxPool, ReduceMean, "
    "ReduceMax, BatchNormalization, Add, Sub, Mul, Div, Sum, Concat, Pad with 0, Resize to whole factors, Flatten, "
    "Reshape, Squeeze, Identity, Dropout, Softmax, LogSoftmax and Sigmoid at the end, Quant, QuantizeLinear, "
    "DequantizeLinear"
)


def refuse(node: Node) -> VolleyError:
    known = f"{HINTS[node.op]}; " if node.op in HINTS else ""
    where = "" if node.domain in STANDARD else f" of domain {node.domain!r}"
    return node.fail(f"is an operator{where} that is not supported; {known}supported: {SUPPORTED}")


def _stream(b: Builder, given: Float, place: int = 0) -> Activations:
    """Goes on behind an input that must depend on the network's input."""
    value = given.values[place] if place < len(given.values) else None
    if not isinstance(value, Activations):
        raise given.node.fail(f"input {place} is {'missing' if value is None else 'a constant'}; needs activations")
    b.read(value, given.node.label)
    return value


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array, np.float64))


def _conv(b: Builder, given: Float) -> Activations:
    stream, node = _stream(b, given), given.node
    weight = given.constant(1, "the weight")
    axes = weight.ndim - 2
    b.want(node.label, "Conv", 1, 2)
    if axes != stream.axes:
        raise node.fail(f"weight {weight.shape} is for maps of {axes} axes, its input has {stream.axes}")
    taps, stride, dilation = weight.shape[2:], node.numbers("strides"), node.numbers("dilations")
    bias = _tensor(given.constant(2, "the bias").ravel()) if given.has(2) else None
    padding = padded(b, given, taps, stride or [1] * axes, dilation or [1] * axes)
    layers.conv(b, node.label, _tensor(weight), bias, stride or 1, padding, dilation or 1, int(node.number("group", 1)))
    return b.stream


def padded(b: Builder, given: Float, taps: Any, stride: list[int], dilation: list[int]) -> list[int]:
    """Padding that is the same on both sides; what is not becomes a layer of its own."""
    before, after = attributes.sides(given.node, taps, stride, dilation, b.stream.size[1:])
    if before == after:
        return before
    flat = [v for pair in zip(reversed(before), reversed(after), strict=True) for v in pair]
    layers.pad(b, given.node.label, flat, named=False)
    return [0] * len(before)


def _gemm(b: Builder, given: Float) -> Activations:
    _stream(b, given)
    node = given.node
    if node.number("transA", 0):
        raise node.fail("attribute transA is 1, which is not supported; needs 0")
    weight = given.constant(1, "the weight") * np.float64(node.number("alpha", 1.0))
    weight = weight if node.number("transB", 0) else weight.T
    bias = None
    if given.has(2):
        bias = np.broadcast_to(given.constant(2, "the bias") * np.float64(node.number("beta", 1.0)), (1, len(weight)))
    return _linear(b, given, weight, bias)


def _matmul(b: Builder, given: Float) -> Activations:
    _stream(b, given)
    return _linear(b, given, given.constant(1, "the weight").T, None)


def _linear(b: Builder, given: Float, weight: np.ndarray, bias: np.ndarray | None) -> Activations:
    if weight.ndim != 2:
        raise given.node.fail(f"weight has {weight.ndim} axes; needs 2")
    layers.linear(b, given.node.label, _tensor(weight), None if bias is None else _tensor(bias.ravel()))
    return b.stream


def _relu(b: Builder, given: Float) -> Activations:
    _stream(b, given)
    layers.relu(b, given.node.label)
    return b.stream


def _clip(b: Builder, given: Float) -> Activations:
    _stream(b, given)
    low, high = attributes.limits(given)
    layers.clip(b, given.node.label, low, high)
    return b.stream


def _pool(b: Builder, given: Float, largest: bool) -> Activations:
    stream, node = _stream(b, given), given.node
    kernel = node.numbers("kernel_shape") or []
    b.want(node.label, node.op, 1, 2)
    if len(kernel) != stream.axes:
        raise node.fail(f"attribute kernel_shape {kernel} is not that of maps of {stream.axes} axes")
    if any(node.outputs[1:]):
        raise node.fail("gives indices too, which are not supported; use its first output alone")
    stride, dilation = (node.numbers(key) or [1] * stream.axes for key in ("strides", "dilations"))
    before, after = attributes.sides(node, kernel, stride, dilation, stream.size[1:])
    if before != after:
        raise node.fail(f"pads {before} before and {after} after; needs the same on both sides")
    ceil = bool(node.number("ceil_mode", 0))
    if largest:
        layers.max_pool(b, node.label, kernel, stride, before, dilation, ceil, axes=stream.axes)
    elif max(dilation) > 1:
        raise node.fail(f"dilations {dilation} are not supported; needs 1")
    else:
        counted = bool(node.number("count_include_pad", 0))
        layers.avg_pool(b, node.label, kernel, stride, before, ceil, counted, axes=stream.axes)
    return b.stream


def _global_pool(b: Builder, given: Float, **kind: Any) -> Activations:
    stream = _stream(b, given)
    b.want(given.node.label, given.node.op, 1, 2)
    layers.adaptive_pool(b, given.node.label, axes=stream.axes, **kind)
    return b.stream


def _reduce(b: Builder, given: Float, **kind: Any) -> Activations:
    stream, node = _stream(b, given), given.node
    rank = 1 + len(stream.size)
    axes = {int(a) % rank for a in given.option("axes", 1) or range(rank)}
    if stream.flat or axes != set(range(2, rank)):
        raise node.fail(f"over axes {sorted(axes)} is not supported; needs those of the map, {list(range(2, rank))}")
    layers.adaptive_pool(b, node.label, axes=stream.axes, **kind)
    if not node.number("keepdims", 1):
        layers.flatten(b, node.label, named=False)
    return b.stream


def _flatten(b: Builder, given: Float) -> Activations:
    stream = _stream(b, given)
    if int(given.node.number("axis", 1)) % (1 + len(stream.size)) != 1:
        raise given.node.fail(f"axis {given.node.number('axis', 1)} is not supported; needs 1")
    layers.flatten(b, given.node.label)
    return b.stream


def _reshape(b: Builder, given: Float) -> Activations:
    stream, node = _stream(b, given), given.node
    if attributes.flattens(given, stream.size):
        layers.flatten(b, node.label)
    return b.stream


def _squeeze(b: Builder, given: Float) -> Activations:
    stream, node = _stream(b, given), given.node
    rank = 1 + len(stream.size)
    axes = given.option("axes", 1)
    if (
        stream.flat
        or stream.size[1:] != (1,) * stream.axes
        or {a % rank for a in axes or range(2, rank)} != set(range(2, rank))
    ):
        raise node.fail(f"axes {axes} of {stream.size} is no Flatten, which is supported; use flatten(1) in the model")
    layers.flatten(b, node.label)
    return b.stream


def _batch_norm(b: Builder, given: Float) -> Activations:
    _stream(b, given)
    b.affine(given.node.label, given.node.op, *attributes.normalisation(given))
    return b.stream


def _arithmetic(b: Builder, given: Float, function: str) -> Activations:
    """Of two activations, or of one and a constant per channel."""
    node = given.node
    if len(given.values) != 2:
        raise node.fail(f"has {len(given.values)} inputs; needs 2")
    if len(given.streams) == 2:
        if function != "add":
            raise node.fail("of two activations has no spiking form")
        return _join(b, given, FloatAdd)
    b.read(given.streams[0], node.label)
    args = tuple(_shaped(v) if isinstance(v, np.ndarray) else v for v in given.values)
    functions.FUNCTIONS[function](b, functions.Call(node.label, function, args, {}))
    return b.stream


def _shaped(constant: np.ndarray) -> torch.Tensor:
    """As a tensor, with the axes of one number for all alone."""
    return _tensor(constant.reshape(()) if constant.size == 1 else constant)


def _join(b: Builder, given: Float, kind: type[FloatAdd | FloatConcat]) -> Activations:
    streams, node = given.streams, given.node
    if len(streams) < len(given.values):
        raise node.fail("joins activations with a constant, which is not supported")
    if len({id(s) for s in streams}) < len(streams):
        raise node.fail("joins activations with themselves; scale the weights before instead")
    if len(streams) == 1:
        return streams[0]
    b.join(kind, node.label, streams)
    return b.stream


def _concat(b: Builder, given: Float) -> Activations:
    axis = int(given.node.number("axis", 1))
    if not given.streams or axis % (1 + len(given.streams[0].size)) != 1:
        raise given.node.fail(f"axis {axis} is not supported; needs that of the channels, 1")
    return _join(b, given, FloatConcat)


def _pad(b: Builder, given: Float) -> Activations:
    stream, node = _stream(b, given), given.node
    layers.pad(
        b,
        node.label,
        attributes.map_pads(given, stream.axes),
        node.text("mode", "constant"),
        attributes.pad_value(given),
    )
    return b.stream


def _resize(b: Builder, given: Float) -> Activations:
    stream = _stream(b, given)
    b.want(given.node.label, given.node.op, 1, 2)
    upsample(b, given.node.label, scale_factor=attributes.whole_factors(given, stream.size), mode="nearest-exact")
    return b.stream


def _nothing(b: Builder, given: Float) -> Activations:
    return _stream(b, given)


def _dropout(b: Builder, given: Float) -> Activations:
    if given.has(2) and given.constant(2, "training_mode").any():
        raise given.node.fail("training_mode is true; export the model in eval()")
    return _nothing(b, given)


def _cast(b: Builder, given: Float) -> Activations:
    if given.node.number("to", 1) not in (1, 11):
        raise given.node.fail(f"to type {given.node.number('to', 1)} rounds the activations; needs float32 or float64")
    return _nothing(b, given)


def _transpose(b: Builder, given: Float) -> Activations:
    stream, node = _stream(b, given), given.node
    perm = node.numbers("perm") or list(reversed(range(1 + len(stream.size))))
    if perm != list(range(1 + len(stream.size))):
        raise node.fail(
            f"attribute perm {perm} moves axes, which is not supported; export the model in [N, C, H, W] order"
        )
    return stream


def _squash(b: Builder, given: Float, what: str) -> Activations:
    _stream(b, given)
    axis = int(given.node.number("axis", -1 if given.opset >= 13 else 1))
    layers.squash(b, given.node.label, what, axis)
    return b.stream


def _negated(b: Builder, given: Float) -> Activations:
    _stream(b, given)
    functions.FUNCTIONS["neg"](b, functions.Call(given.node.label, "neg", (), {}))
    return b.stream


OPERATORS: dict[str, Callable[[Builder, Float], Activations]] = {
    "Conv": _conv,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Relu": _relu,
    "Clip": _clip,
    "MaxPool": partial(_pool, largest=True),
    "AveragePool": partial(_pool, largest=False),
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": partial(_global_pool, kind=MaxPool),
    "ReduceMean": _reduce,
    "ReduceMax": partial(_reduce, kind=MaxPool),
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "BatchNormalization": _batch_norm,
    **{op: partial(_arithmetic, function=f) for op, f in
       (("Add", "add"), ("Sub", "sub"), ("Mul", "mul"), ("Div", "div"))},
    "Sum": partial(_join, kind=FloatAdd),
    "Neg": _negated,
    "Concat": _concat,
    "Pad": _pad,
    "Resize": _resize,
    "Upsample": _resize,
    "Identity": _nothing,
    "Dropout": _dropout,
    "Cast": _cast,
    "Transpose": _transpose,
    "Softmax": partial(_squash, what="softmax"),
    "LogSoftmax": partial(_squash, what="log_softmax"),
    "Sigmoid": partial(_squash, what="sigmoid"),
}  # fmt: skip
