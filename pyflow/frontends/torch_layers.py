# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What each torch module means: one small handler each, in the table MODULES.

Layers on sequences [N, C, L] become those on maps of height 1: `_sides` is the one place that knows how.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from pyflow.errors import VolleyError
from pyflow.frontends.builder import Builder
from pyflow.frontends.normalize import Normalize
from pyflow.model.graph import AvgPool, Flatten, FloatConv, FloatLinear, FloatRelu, MaxPool

SUPPORTED = (
    "Conv1d/2d, BatchNorm1d/2d, ReLU, MaxPool1d/2d, AvgPool1d/2d, AdaptiveAvgPool1d/2d(1), Flatten, Linear, "
    "Dropout, Identity, pyflow.frontends.Normalize"
)
HINTS = {
    "relu6": "use ReLU: the T-bit code saturates by itself",
    "hardtanh": "use ReLU: the T-bit code saturates by itself",
    "clamp": "use ReLU: the T-bit code saturates by itself",
    "clip": "use ReLU: the T-bit code saturates by itself",
    "softmax": "remove it: the network's output is its logits",
    "log_softmax": "remove it: the network's output is its logits",
    "logsoftmax": "remove it: the network's output is its logits",
    "gelu": "train with ReLU",
    "silu": "train with ReLU",
    "sigmoid": "train with ReLU",
    "tanh": "train with ReLU",
    "leakyrelu": "train with ReLU",
    "leaky_relu": "train with ReLU",
    "elu": "train with ReLU",
    "hardswish": "train with ReLU",
}


def hint(kind: str) -> str:
    own = HINTS.get(kind.lower())
    return (own + "; " if own else "") + f"supported: {SUPPORTED}"


def fail(label: str, kind: str, message: str) -> VolleyError:
    return VolleyError(f"layer {label!r} ({kind}): {message}")


def _sides(value: Any, axes: int, other: int) -> tuple[int, int]:
    """(y, x) of a number or tuple of a layer on `axes` map axes; `other` is that of the axis it does not have."""
    own = [int(v) for v in value] if isinstance(value, tuple | list) else [int(value)]
    y, x = [other] * (2 - axes) + (own * axes if len(own) == 1 else own)
    return y, x


_kernel = _stride = _dilation = partial(_sides, other=1)
_padding = partial(_sides, other=0)


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
    kind = f"Conv{axes}d"
    if groups != 1 or _dilation(dilation, axes) != (1, 1):
        raise fail(label, kind, f"groups {groups}, dilation {dilation} are not supported; needs groups 1, dilation 1")
    if padding == "valid":
        padding = 0
    elif padding == "same":
        if any(k % 2 == 0 for k in kernel):
            raise fail(label, kind, f"padding 'same' of the even kernel {kernel} is lopsided; use an odd kernel")
        padding = tuple((k - 1) // 2 for k in kernel)
    w = array_of(weight)
    b.add(
        FloatConv,
        label,
        named,
        weight=w.reshape(*w.shape[:2], *_kernel(kernel, axes)),
        bias=np.zeros(len(w)) if bias is None else array_of(bias),
        stride=_stride(stride, axes),
        padding=_padding(padding, axes),
        axes=axes,
    )


def linear(b: Builder, label: str, weight: torch.Tensor, bias: torch.Tensor | None = None, named: bool = True) -> None:
    w = array_of(weight)
    b.add(FloatLinear, label, named, weight=w, bias=np.zeros(len(w)) if bias is None else array_of(bias))


def relu(b: Builder, label: str, named: bool = True) -> None:
    b.add(FloatRelu, label, named)


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


def global_average(b: Builder, label: str, output_size: Any = 1, named: bool = True, *, axes: int) -> None:
    kind = f"AdaptiveAvgPool{axes}d"
    b.want(label, kind, axes)
    sizes = b.stream.size[1:]
    wanted = output_size if isinstance(output_size, tuple | list) else (output_size,) * axes
    if any((s if w is None else w) != 1 for w, s in zip(wanted, sizes, strict=True)):
        raise fail(label, kind, f"output size {output_size} is not supported; needs 1")
    kernel = _kernel(sizes, axes)
    b.add(AvgPool, label, named, kernel=kernel, stride=kernel, axes=axes)


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


def _global_average_module(b: Builder, label: str, m: Any, axes: int) -> None:
    global_average(b, label, m.output_size, axes=axes)


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
    nn.AdaptiveAvgPool1d: partial(_global_average_module, axes=1),
    nn.AdaptiveAvgPool2d: partial(_global_average_module, axes=2),
    nn.Flatten: lambda b, label, m: flatten(b, label, m.start_dim, m.end_dim),
    nn.BatchNorm2d: batch_norm,
    nn.BatchNorm1d: batch_norm,
    nn.Dropout: _nothing,
    nn.Dropout1d: _nothing,
    nn.Dropout2d: _nothing,
    nn.AlphaDropout: _nothing,
    nn.Identity: _nothing,
    Normalize: lambda b, label, m: b.affine(
        label, "Normalize", 1 / array_of(m.std), -array_of(m.mean) / array_of(m.std)
    ),
}

SEQUENCE_LAYERS = (nn.Conv1d, nn.MaxPool1d, nn.AvgPool1d, nn.AdaptiveAvgPool1d)


def takes_sequences(model: nn.Module) -> bool:
    """Does `model` act on [N, C, L], by its layers?"""
    return any(isinstance(m, SEQUENCE_LAYERS) for m in model.modules())
