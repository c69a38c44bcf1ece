# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What each torch module means: one small handler each, in the table MODULES.

Layers on sequences [N, C, L] become those on maps of height 1: `_sides` is the one place that knows how.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from pyflow.frontends.builder import Builder, fail
from pyflow.frontends.kernels import laid_out
from pyflow.frontends.normalize import Normalize
from pyflow.frontends.torch_upsample import upsample_module
from pyflow.model.graph import (
    AvgPool,
    Flatten,
    FloatConv,
    FloatLinear,
    FloatPad,
    FloatRelu,
    FloatSquash,
    MaxPool,
)

SUPPORTED = (
    "Conv1d/2d, BatchNorm1d/2d, ReLU, ReLU6, Hardtanh(0, b), MaxPool1d/2d, AvgPool1d/2d, AdaptiveAvgPool1d/2d, "
    "AdaptiveMaxPool1d/2d, Upsample(mode='nearest'), ZeroPad1d/2d, Flatten, Linear, Dropout, Identity, Softmax and "
    "LogSoftmax at the end, pyflow.frontends.Normalize"
)
HINTS = {
    "clamp": "a lower limit of 0 is what spikes can do",
    "clip": "a lower limit of 0 is what spikes can do",
    "hardtanh": "a lower limit of 0 is what spikes can do",
    **dict.fromkeys(
        (*(f"convtranspose{n}d" for n in (1, 2, 3)), *(f"conv_transpose{n}d" for n in (1, 2, 3))),
        "use nearest upsampling and a Conv: Upsample(scale_factor=stride), Conv",
    ),
    **dict.fromkeys(("pixelshuffle", "pixel_shuffle"), "use nearest upsampling and a Conv"),
    **dict.fromkeys(
        (
            "gelu",
            "silu",
            "tanh",
            "leakyrelu",
            "leaky_relu",
            "elu",
            "hardswish",
            "hardsigmoid",
            "prelu",
            "rrelu",
            "mish",
        ),
        "train with ReLU",
    ),
    **dict.fromkeys(
        ("groupnorm", "group_norm", "layernorm", "layer_norm", "instancenorm1d", "instancenorm2d", "instance_norm"),
        "train with BatchNorm",
    ),
    "unsqueeze": "give images as [N, C, H, W], sequences as [N, C, L], and leave it out",
    **dict.fromkeys(
        ("permute", "transpose", "moveaxis"),
        "give images as [N, C, H, W], sequences as [N, C, L]; in front of a Linear permute its weights instead",
    ),
    "getitem": "parts of an activation cannot be taken; cut the images before, or give the layer fewer outputs",
    **dict.fromkeys(("gt", "ge", "lt", "le", "where"), "values cannot be compared; relu or clamp(0, b) do"),
    **dict.fromkeys(("sum", "nansum"), "use mean((2, 3)), and weights that undo its division"),
    **dict.fromkeys(("matmul", "mm", "einsum"), "use nn.Linear or F.linear"),
}


def hint(kind: str) -> str:
    own = HINTS.get(kind.lower())
    return (own + "; " if own else "") + f"supported: {SUPPORTED}"


def _sides(value: Any, axes: int, other: int) -> tuple[int, int]:
    """(y, x) of a number or tuple of a layer on `axes` map axes; `other` is that of the axis it does not have."""
    own = [int(v) for v in value] if isinstance(value, tuple | list) else [int(value)]
    y, x = [other] * (2 - axes) + (own * axes if len(own) == 1 else own)
    return y, x


kernel_sides = _kernel = _stride = _dilation = partial(_sides, other=1)
padding_sides = _padding = partial(_sides, other=0)


def array_of(t: torch.Tensor) -> np.ndarray:
    return t.detach().to(torch.float64).numpy()


# ------------------------------------------------------------------ layers, from modules or functions
def conv(
    b: Builder,
    label: str,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    named: bool = True,
) -> None:
    kernel = tuple(weight.shape[2:])
    axes = len(kernel)
    w = array_of(weight)
    dense = w.reshape(*w.shape[:2], *_kernel(kernel, axes))
    apart = _dilation(dilation, axes)
    depthwise = groups > 1 and w.shape[1] == 1  # a group is a channel
    laid = 1 if depthwise else groups
    dense, free = laid_out(label, f"Conv{axes}d", dense, apart, laid)
    if padding == "valid":
        padding = 0
    elif padding == "same":
        reach = tuple((size - 1) for size in dense.shape[4 - axes :])
        padding = tuple(r // 2 for r in reach)
        if any(r % 2 for r in reach):  # torch puts the odd one behind
            pad(b, label, [v for r in reversed(reach) for v in (r // 2, r - r // 2)], named=False)
            padding = 0
    b.add(
        FloatConv,
        label,
        named,
        weight=dense,
        bias=np.zeros(len(w)) if bias is None else array_of(bias),
        stride=_stride(stride, axes),
        padding=_padding(padding, axes),
        free=np.zeros(0, bool) if free.all() else free,
        depthwise=depthwise,
        axes=axes,
    )


def pad(
    b: Builder, label: str, pad: Sequence[int], mode: str = "constant", value: float | None = 0, named: bool = True
) -> None:
    """Zeros around the map. pad: as F.pad has it, the last axis first, (before, after) of each."""
    sides = [int(v) for v in pad]
    if mode != "constant":
        raise fail(label, "Pad", f"mode {mode!r} is not supported; needs 'constant', which pads with 0")
    if value not in (0, None):
        raise fail(label, "Pad", f"pads with {value}, which is not supported; needs 0")
    b.want(label, "Pad", 1, 2)
    if len(sides) % 2 or len(sides) > 2 * b.stream.axes:
        raise fail(label, "Pad", f"{tuple(sides)} is not (before, after) of the {b.stream.axes} map axes")
    pairs = [sides[i : i + 2] for i in range(0, len(sides), 2)] + [[0, 0]] * (2 - len(sides) // 2)
    before, after = ((pairs[1][n], pairs[0][n]) for n in (0, 1))
    b.add(FloatPad, label, named, before=before, after=after)


def linear(b: Builder, label: str, weight: torch.Tensor, bias: torch.Tensor | None = None, named: bool = True) -> None:
    w = array_of(weight)
    b.add(FloatLinear, label, named, weight=w, bias=np.zeros(len(w)) if bias is None else array_of(bias))


def relu(b: Builder, label: str, named: bool = True, *, ceiling: float = float("inf")) -> None:
    b.add(FloatRelu, label, named, ceiling=float(ceiling))


def clip(b: Builder, label: str, low: Any, high: Any, named: bool = True) -> None:
    """clamp, hardtanh: to low..high."""
    low, high = (x.item() if isinstance(x, torch.Tensor) and x.numel() == 1 else x for x in (low, high))
    if isinstance(low, torch.Tensor) or isinstance(high, torch.Tensor):
        raise fail(label, "clip", "limits of several numbers are not supported; give one for all channels")
    if low != 0:
        raise fail(label, "clip", f"limits {low}, {high} are not supported; {HINTS['clamp']}")
    relu(b, label, named, ceiling=float("inf") if high is None else float(high))


def squash(b: Builder, label: str, what: str, dim: int | None, named: bool = True) -> None:
    """softmax, log_softmax, sigmoid of the logits."""
    b.want(label, what, 0)
    if what != "sigmoid" and dim not in (1, -1):
        raise fail(label, what, f"over dimension {dim} is not supported; needs that of the classes, 1")
    b.add(FloatSquash, label, named, what=what)


def max_pool(
    b: Builder,
    label: str,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    named: bool = True,
    *,
    axes: int,
) -> None:
    kind = f"MaxPool{axes}d"
    if _dilation(dilation, axes) != (1, 1):
        raise fail(label, kind, f"dilation {dilation} is not supported; needs 1")
    if return_indices:
        raise fail(label, kind, "return_indices is not supported; needs False")
    _pool(b, label, MaxPool, kernel_size, stride, padding, ceil_mode, named, axes)


def avg_pool(
    b: Builder,
    label: str,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    named: bool = True,
    *,
    axes: int,
) -> None:
    kind, (kh, kw) = f"AvgPool{axes}d", _kernel(kernel_size, axes)
    if divisor_override not in (None, kh * kw):
        raise fail(label, kind, f"divisor_override {divisor_override} is not supported; needs None ({kh * kw})")
    if not count_include_pad and any(_padding(padding, axes)):
        raise fail(label, kind, f"count_include_pad=False with padding {padding} is not supported; needs True")
    _pool(b, label, AvgPool, kernel_size, stride, padding, ceil_mode, named, axes)


def _pool(
    b: Builder,
    label: str,
    kind: type[MaxPool] | type[AvgPool],
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    named: bool,
    axes: int,
) -> None:
    kernel, pad = _kernel(kernel_size, axes), _padding(padding, axes)
    step = kernel if stride is None or stride == [] else _stride(stride, axes)
    title = f"{kind.kind}{axes}d"
    b.want(label, title, axes)
    if ceil_mode and any(
        (s + 2 * p - k) % st for s, p, k, st in zip(b.stream.shape[1:], pad, kernel, step, strict=True)
    ):
        size = "x".join(map(str, b.stream.size[1:]))
        raise fail(label, title, f"ceil_mode on {size} makes a partial window; needs ceil_mode=False")
    b.add(kind, label, named, kernel=kernel, stride=step, padding=pad, axes=axes)


def adaptive_pool(
    b: Builder,
    label: str,
    output_size: Any = 1,
    named: bool = True,
    *,
    axes: int,
    kind: type[MaxPool] | type[AvgPool] = AvgPool,
    return_indices: bool = False,
) -> None:
    """To a map of output_size, whose windows are equal and do not overlap."""
    title = f"Adaptive{kind.kind}{axes}d"
    b.want(label, title, axes)
    if return_indices:
        raise fail(label, title, "return_indices is not supported; needs False")
    sizes = b.stream.size[1:]
    asked = output_size if isinstance(output_size, tuple | list) else (output_size,) * axes
    wanted = [s if w is None else int(w) for w, s in zip(asked, sizes, strict=True)]
    if any(w < 1 or s % w for w, s in zip(wanted, sizes, strict=True)):
        size = "x".join(map(str, sizes))
        raise fail(label, title, f"output size {output_size} does not divide {size}; use one that does")
    kernel = _kernel([s // w for w, s in zip(wanted, sizes, strict=True)], axes)
    b.add(kind, label, named, kernel=kernel, stride=kernel, axes=axes)


def flatten(b: Builder, label: str, start_dim: int = 1, end_dim: int = -1, named: bool = True) -> None:
    dims = 1 + len(b.stream.size)
    if (start_dim % dims, end_dim % dims) != (1, dims - 1):
        raise fail(label, "Flatten", f"start_dim {start_dim}, end_dim {end_dim} is not supported; needs 1, -1")
    if not b.stream.flat:
        b.add(Flatten, label, named)


def batch_norm(b: Builder, label: str, m: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    kind = type(m).__name__
    b.want(label, kind, *((2,) if isinstance(m, nn.BatchNorm2d) else (0, 1)))
    if m.running_mean is None or m.running_var is None:
        raise fail(label, kind, "has no running statistics; train with track_running_stats=True")
    inverse = 1 / np.sqrt(array_of(m.running_var) + m.eps)
    scale = inverse * (array_of(m.weight) if m.affine else 1.0)
    shift = (array_of(m.bias) if m.affine else 0.0) - array_of(m.running_mean) * scale
    b.affine(label, kind, scale, shift)


def _conv_module(b: Builder, label: str, m: nn.Conv1d | nn.Conv2d) -> None:
    if m.padding_mode != "zeros" and m.padding not in (0, (0,), (0, 0), "valid"):
        raise fail(label, type(m).__name__, f"padding_mode {m.padding_mode!r} is not supported; needs 'zeros'")
    conv(b, label, m.weight, m.bias, m.stride, m.padding, m.dilation, m.groups)


def _max_pool_module(b: Builder, label: str, m: Any, axes: int) -> None:
    max_pool(b, label, m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode, m.return_indices, axes=axes)


def _avg_pool_module(b: Builder, label: str, m: Any, axes: int) -> None:
    divisor = getattr(m, "divisor_override", None)  # AvgPool1d has none
    avg_pool(b, label, m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad, divisor, axes=axes)


def _adaptive_module(b: Builder, label: str, m: Any, axes: int, kind: type[MaxPool] | type[AvgPool] = AvgPool) -> None:
    adaptive_pool(b, label, m.output_size, axes=axes, kind=kind, return_indices=getattr(m, "return_indices", False))


def _normalize(b: Builder, label: str, m: Normalize) -> None:
    mean, std = array_of(m.mean), array_of(m.std)
    if (std <= 0).any():
        raise fail(label, "Normalize", f"std {std.min():g} is not above 0")
    b.affine(label, "Normalize", 1 / std, -mean / std)


def _nothing(b: Builder, label: str, _: nn.Module) -> None:
    b.identity(label)


MODULES: dict[type[nn.Module], Callable[[Builder, str, Any], None]] = {
    nn.Conv1d: _conv_module,
    nn.Conv2d: _conv_module,
    nn.Linear: lambda b, label, m: linear(b, label, m.weight, m.bias),
    nn.ReLU: lambda b, label, _: relu(b, label),
    nn.MaxPool1d: partial(_max_pool_module, axes=1),
    nn.MaxPool2d: partial(_max_pool_module, axes=2),
    nn.AvgPool1d: partial(_avg_pool_module, axes=1),
    nn.AvgPool2d: partial(_avg_pool_module, axes=2),
    nn.AdaptiveAvgPool1d: partial(_adaptive_module, axes=1),
    nn.AdaptiveAvgPool2d: partial(_adaptive_module, axes=2),
    nn.AdaptiveMaxPool1d: partial(_adaptive_module, axes=1, kind=MaxPool),
    nn.AdaptiveMaxPool2d: partial(_adaptive_module, axes=2, kind=MaxPool),
    nn.ReLU6: lambda b, label, _: relu(b, label, ceiling=6),
    nn.Hardtanh: lambda b, label, m: clip(b, label, m.min_val, m.max_val),
    nn.Upsample: upsample_module,
    nn.ZeroPad1d: lambda b, label, m: pad(b, label, m.padding),
    nn.ZeroPad2d: lambda b, label, m: pad(b, label, m.padding),
    nn.ConstantPad1d: lambda b, label, m: pad(b, label, m.padding, value=m.value),
    nn.ConstantPad2d: lambda b, label, m: pad(b, label, m.padding, value=m.value),
    nn.Softmax: lambda b, label, m: squash(b, label, "softmax", m.dim),
    nn.LogSoftmax: lambda b, label, m: squash(b, label, "log_softmax", m.dim),
    nn.Sigmoid: lambda b, label, _: squash(b, label, "sigmoid", None),
    nn.Flatten: lambda b, label, m: flatten(b, label, m.start_dim, m.end_dim),
    nn.BatchNorm2d: batch_norm,
    nn.BatchNorm1d: batch_norm,
    nn.Dropout: _nothing,
    nn.Dropout1d: _nothing,
    nn.Dropout2d: _nothing,
    nn.AlphaDropout: _nothing,
    nn.Identity: _nothing,
    Normalize: _normalize,
}

SEQUENCE_LAYERS = (nn.Conv1d, nn.MaxPool1d, nn.AvgPool1d, nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d)


def takes_sequences(model: nn.Module) -> bool:
    """Does `model` act on [N, C, L], by its layers?"""
    return any(isinstance(m, SEQUENCE_LAYERS) for m in model.modules())
