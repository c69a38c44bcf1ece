# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What each torch function and tensor method means: one small handler each, in the table FUNCTIONS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pyflow.frontends.builder import Activations, Builder, fail
from pyflow.frontends.torch_layers import (
    adaptive_pool,
    array_of,
    avg_pool,
    clip,
    conv,
    flatten,
    linear,
    max_pool,
    pad,
    relu,
    squash,
)
from pyflow.frontends.torch_upsample import upsample
from pyflow.model.graph import FloatAdd, FloatConcat, MaxPool


@dataclass(frozen=True, slots=True)
class Call:
    """One call in the traced graph; args[0] is the stream, except where an operator has it second."""

    name: str
    called: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def rest(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments after the stream."""
        kwargs = {k: v for k, v in self.kwargs.items() if k not in ("input", "inplace")}
        return self.args[1:], kwargs


def _call(function: Callable[..., None], **fixed: Any) -> Callable[[Builder, Call], None]:
    def handler(b: Builder, c: Call) -> None:
        args, kwargs = c.rest()
        function(b, c.name, *args, named=False, **fixed, **kwargs)

    return handler


def _relu(b: Builder, c: Call) -> None:
    relu(b, c.name, named=False)


def _clamp(b: Builder, c: Call) -> None:
    args, kwargs = c.rest()
    low = args[0] if args else kwargs.get("min")
    high = args[1] if len(args) > 1 else kwargs.get("max")
    clip(b, c.name, low, high, named=False)


def _hardtanh(b: Builder, c: Call) -> None:
    args, kwargs = c.rest()
    limits = {"min_val": -1.0, "max_val": 1.0, **dict(zip(("min_val", "max_val"), args, strict=False)), **kwargs}
    clip(b, c.name, limits["min_val"], limits["max_val"], named=False)


def _squash(b: Builder, c: Call) -> None:
    args, kwargs = c.rest()
    dim = args[0] if args else kwargs.get("dim")
    squash(b, c.name, c.called, dim, named=False)


def _negated(b: Builder, c: Call) -> None:
    b.affine(c.name, c.called, np.array([-1.0]), np.zeros(1), named=False)


def _to(b: Builder, c: Call) -> None:
    """To another device or float type: the numbers stay."""
    given = [*c.args[1:], *c.kwargs.values()]
    odd = [v for v in given if isinstance(v, torch.dtype) and not v.is_floating_point]
    if odd:
        raise fail(c.name, c.called, f"to {odd[0]} rounds the activations, which is not supported; leave it out")
    b.identity(c.name)


def _view(b: Builder, c: Call) -> None:
    """view / reshape that only flattens: (batch, -1), (batch, F), (-1, F)."""
    sizes = c.args[1] if len(c.args) == 2 and isinstance(c.args[1], tuple | list) else c.args[1:]
    features = int(np.prod(b.stream.size))
    if (
        len(sizes) != 2
        or sizes[1] not in (-1, features)
        or not (sizes[0] == "batch" or (sizes[0] == -1 and sizes[1] == features))
    ):
        raise fail(c.name, c.called, f"to {tuple(sizes)} is not a Flatten of {b.stream.size}; use x.flatten(1)")
    flatten(b, c.name, named=False)


def _map_axes(b: Builder, dim: int | Sequence[int] | None) -> bool:
    """Are these the axes of the map, (2, 3) of images or 2 of sequences?"""
    rank = 1 + len(b.stream.size)
    dims = dim if isinstance(dim, tuple | list) else () if dim is None else (dim,)
    return not b.stream.flat and {d % rank for d in dims} == set(range(2, rank))


def _squeeze(b: Builder, c: Call) -> None:
    if b.stream.flat or b.stream.shape[1:] != (1, 1):
        raise fail(c.name, c.called, f"on {b.stream.size} is not a Flatten; use x.flatten(1)")
    dim = c.args[1] if len(c.args) > 1 else c.kwargs.get("dim")
    if dim is None or _map_axes(b, dim):
        flatten(b, c.name, named=False)
    else:
        raise fail(c.name, c.called, f"of dimension {dim} is not supported; use x.flatten(1)")


def _over_map(b: Builder, c: Call, **options: Any) -> None:
    """mean and amax over the map: a global pool."""
    dim = c.args[1] if len(c.args) > 1 else c.kwargs.get("dim")
    keep = c.args[2] if len(c.args) > 2 else c.kwargs.get("keepdim", False)
    if not _map_axes(b, dim):
        raise fail(c.name, c.called, f"over {dim} is not supported; needs the map dimensions, (2, 3) or 2 of [N, C, L]")
    adaptive_pool(b, c.name, named=False, axes=b.stream.axes, **options)
    if not keep:
        flatten(b, c.name, named=False)


def _known(c: Call, *keywords: str) -> None:
    """Refuses keywords that are not understood, as out= is."""
    if odd := sorted(set(c.kwargs) - set(keywords)):
        raise fail(c.name, c.called, f"{odd[0]}= is not supported; leave it out")


def _arithmetic(b: Builder, c: Call) -> None:
    """x op constant (number or per-channel buffer): only as normalisation of the input, or foldable."""
    _known(c, "input", "other", "alpha", "rounding_mode")
    streams_first = not isinstance(c.args[0], float | int | torch.Tensor)
    constant = c.args[1 if streams_first else 0]
    if not isinstance(constant, float | int | torch.Tensor):
        raise fail(c.name, c.called, "needs a number or a per-channel buffer beside the activations")
    if c.kwargs.get("alpha", 1) != 1 or c.kwargs.get("rounding_mode") is not None:
        raise fail(c.name, c.called, "alpha and rounding_mode are not supported")
    value = array_of(constant) if isinstance(constant, torch.Tensor) else np.float64(constant)
    channels = b.stream.size[0]
    after = b.stream.size[1:]
    if np.size(value) != 1:
        want = (channels, *[1] * len(after))
        shape = np.shape(value)
        if tuple([1] * (len(want) + 1 - len(shape))) + shape != (1, *want):
            raise fail(c.name, c.called, f"constant of shape {shape} is not one number per channel {want}")
    flat = np.ravel(value)
    op = c.called.strip("_").removeprefix("i")
    zero, one = np.zeros_like(flat), np.ones_like(flat)
    if op == "add":
        scale, shift = one, flat
    elif op in ("sub", "subtract", "rsub"):
        scale, shift = (one, -flat) if streams_first else (-one, flat)
    elif op in ("mul", "multiply"):
        scale, shift = flat, zero
    elif streams_first and (flat != 0).all():
        scale, shift = 1 / flat, zero
    else:
        raise fail(c.name, c.called, "divides by the activations or by zero, which is not supported")
    b.affine(c.name, c.called, scale, shift, named=False)


def _identity(b: Builder, c: Call) -> None:
    b.identity(c.name)


def _copy(b: Builder, _: Call) -> None:
    b.copy()


def _add(b: Builder, c: Call) -> None:
    """x + y of two activations."""
    _known(c, "input", "other", "alpha")
    if c.kwargs.get("alpha", 1) != 1:
        raise fail(c.name, c.called, f"alpha = {c.kwargs['alpha']} is not supported; needs 1")
    values = [*c.args, *(c.kwargs[key] for key in ("input", "other") if key in c.kwargs)]
    if values[0] is values[1]:
        raise fail(c.name, c.called, "adds activations to themselves; scale the weights before instead")
    b.join(FloatAdd, c.name, values)


def _cat(b: Builder, c: Call) -> None:
    """torch.cat of activations, along their channels."""
    _known(c, "tensors", "dim", "axis")
    streams = c.args[0] if c.args else c.kwargs["tensors"]
    dim = c.args[1] if len(c.args) > 1 else c.kwargs.get("dim", c.kwargs.get("axis", 0))
    if not all(isinstance(s, Activations) for s in streams):
        raise fail(c.name, c.called, "joins activations with a constant, which is not supported")
    rank = 1 + len(streams[0].size)
    if dim % rank != 1:
        raise fail(c.name, c.called, f"along dimension {dim} is not supported; needs that of the channels, 1")
    if len({id(s) for s in streams}) < len(streams):
        raise fail(c.name, c.called, "joins activations with themselves, which is not supported")
    if len(streams) == 1:
        b.read(streams[0], c.name)
        b.copy()
    else:
        b.join(FloatConcat, c.name, streams)


def in_place(call: Call) -> bool:
    """Does the call write its result over its operand?"""
    augmented = call.called in ("iadd", "isub", "imul", "itruediv")
    method = call.called.endswith("_") and not call.called.endswith("__")
    return augmented or method or bool(call.kwargs.get("inplace"))


FUNCTIONS: dict[str, Callable[[Builder, Call], None]] = {
    "relu": _relu,
    "clamp": _clamp,
    "clamp_min": _clamp,
    "clip": _clamp,
    "conv1d": _call(conv),
    "conv2d": _call(conv),
    "linear": _call(linear),
    **{f"max_pool{n}d": _call(max_pool, axes=n) for n in (1, 2)},
    **{f"avg_pool{n}d": _call(avg_pool, axes=n) for n in (1, 2)},
    **{f"adaptive_avg_pool{n}d": _call(adaptive_pool, axes=n) for n in (1, 2)},
    **{f"adaptive_max_pool{n}d": _call(adaptive_pool, axes=n, kind=MaxPool) for n in (1, 2)},
    **dict.fromkeys(("interpolate", "upsample"), _call(upsample)),
    "relu6": lambda b, c: relu(b, c.name, named=False, ceiling=6),
    "hardtanh": _hardtanh,
    "pad": _call(pad),
    **dict.fromkeys(("softmax", "log_softmax", "sigmoid"), _squash),
    "neg": _negated,
    "negative": _negated,
    "to": _to,
    "amax": lambda b, c: _over_map(b, c, kind=MaxPool),
    "flatten": _call(flatten),
    "view": _view,
    "reshape": _view,
    "squeeze": _squeeze,
    "mean": _over_map,
    "dropout": _identity,
    "dropout1d": _identity,
    "dropout2d": _identity,
    "feature_dropout": _identity,
    "contiguous": _identity,
    "float": _identity,
    "double": _identity,
    "detach": _identity,
    "clone": _copy,
    **dict.fromkeys(("add", "sub", "mul", "truediv", "div", "divide", "subtract", "multiply"), _arithmetic),
    **dict.fromkeys(("iadd", "isub", "imul", "itruediv"), _arithmetic),
}
ALWAYS_JOIN = ("cat", "concat", "concatenate")  # even of one
# Of several activations.
JOINS: dict[str, Callable[[Builder, Call], None]] = {
    **dict.fromkeys(("add", "iadd"), _add),
    **dict.fromkeys(ALWAYS_JOIN, _cat),
}
