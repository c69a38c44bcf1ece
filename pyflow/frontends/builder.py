# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Builds a FloatNetwork layer by layer: shapes, readable unique names, and the folding of affine maps
(BatchNorm, input normalisation) into the layer before them or into the input."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pyflow.errors import VolleyError
from pyflow.frontends.float_graph import (
    AvgPool,
    Flatten,
    FloatConv,
    FloatLayer,
    FloatLinear,
    FloatNetwork,
    FloatPool,
    FloatRelu,
    FloatWindow,
    MaxPool,
)
from pyflow.shapes import map_shape

PREFIX = {FloatConv: "conv", FloatLinear: "fc", FloatRelu: "relu", MaxPool: "pool", AvgPool: "pool", Flatten: "flatten"}
FORMS = ("[N, F]", "[N, C, L]", "[N, C, H, W]")  # of activations, by their map axes
RESERVED = {"input", "encode", "pixel", "s_pixel", "m_logit"}


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """The activations at one point. shape: (C, H, W); axes: those of the map that the framework sees, 2 of
    images, 1 of sequences [N, C, L], 0 of vectors [N, C*H*W]."""

    shape: tuple[int, int, int]
    axes: int = 2
    producer: str = "the input"

    @property
    def flat(self) -> bool:
        return self.axes == 0

    @property
    def size(self) -> tuple[int, ...]:
        """Sizes after the batch, as the framework sees them."""
        return (int(np.prod(self.shape)),) if self.flat else (self.shape[0], *self.shape[3 - self.axes :])


class Builder:
    """Appends layers to a chain. Every method may raise VolleyError naming `label`."""

    def __init__(self, name: str, input_shape: Sequence[int]) -> None:
        """input_shape: (C, H, W) of images or (C, L) of sequences."""
        self.name = name
        self.input_shape = map_shape(input_shape)
        self.layers: list[FloatLayer] = []
        self.stream = Stream(self.input_shape, len(input_shape) - 1)
        self._names = set(RESERVED)
        self._counts: dict[str, int] = {}
        self._scale = np.ones(input_shape[0])  # of the input: y = scale * x + shift
        self._shift = np.zeros(input_shape[0])

    def check_latest(self, stream: Stream, label: str) -> None:
        """Refuse a layer that reads anything but the end of the chain."""
        if stream is not self.stream:
            raise VolleyError(
                f"layer {label!r}: reads {stream.producer!r}, which another layer reads too; residual and "
                "branching networks come later, use a chain of layers"
            )

    def want(self, label: str, kind: str, *axes: int) -> None:
        """Refuse a layer that does not act on activations of so many map axes."""
        if self.stream.axes in axes:
            return
        forms = " or ".join(FORMS[a] for a in axes)
        what = f"layer {label!r} ({kind})"
        if self.stream.flat:
            raise VolleyError(f"{what}: follows a Flatten; needs {forms}")
        raise VolleyError(f"{what}: acts on {forms}, its input is {FORMS[self.stream.axes]}")

    def identity(self, label: str) -> None:
        """A layer that does nothing in inference (Dropout, Identity)."""

    def add(self, kind: type[FloatLayer], label: str, named: bool = True, **values: object) -> None:
        """Append a layer. named: label is the user's own name, else a counted one is made."""
        layer = kind(self._unique(PREFIX[kind], label, named), label, **values)
        if isinstance(layer, FloatWindow):
            self.want(label, layer.title, layer.axes)
        if isinstance(layer, FloatLinear) and not self.stream.flat:
            raise layer.fail(f"acts on maps of {'x'.join(map(str, self.stream.size))}; add a Flatten before it")
        if isinstance(layer, Flatten):
            shape, axes = self.stream.shape, 0  # the spikes stay maps: weights are in C,H,W order
        else:
            shape, axes = layer.infer(self.stream.shape), self.stream.axes
        self.layers.append(layer)
        self.stream = Stream(shape, axes, label)

    def affine(self, label: str, kind: str, scale: np.ndarray, shift: np.ndarray) -> None:
        """y = scale * x + shift per channel: BatchNorm or input normalisation, folded at once."""
        scale, shift = np.asarray(scale, np.float64), np.asarray(shift, np.float64)
        what = f"layer {label!r} ({kind})"
        if not (np.isfinite(scale).all() and np.isfinite(shift).all()):
            raise VolleyError(f"{what}: scale or shift is not finite; check its weights and running statistics")
        channels = self.stream.size[0]
        if any(a.size not in (1, channels) for a in (scale, shift)):
            raise VolleyError(f"{what}: has {max(scale.size, shift.size)} values for {channels} channels")
        scale, shift = np.broadcast_to(scale.ravel(), channels), np.broadcast_to(shift.ravel(), channels)
        if not self.layers:
            self._front(what, scale, shift)
        else:
            self._fold(what, scale, shift)
        self.stream = replace(self.stream, producer=label)

    def _front(self, what: str, scale: np.ndarray, shift: np.ndarray) -> None:
        if (scale <= 0).any():
            raise VolleyError(f"{what}: scales the input by {scale.min():g}; needs a positive factor (std > 0)")
        self._scale, self._shift = self._scale * scale, self._shift * scale + shift

    def _fold(self, what: str, scale: np.ndarray, shift: np.ndarray) -> None:
        index, pooled = len(self.layers) - 1, None
        while index >= 0 and isinstance(self.layers[index], FloatPool | Flatten):
            if not isinstance(self.layers[index], Flatten):
                pooled = self.layers[index]
            index -= 1
        synapse = self.layers[index] if index >= 0 else None
        if not isinstance(synapse, FloatConv | FloatLinear):
            after = synapse.label if synapse is not None else "the input"
            raise VolleyError(
                f"{what}: follows {after!r}; only an affine map right after a Conv or Linear, or first in the "
                "model, can be folded (put it before the ReLU)"
            )
        if scale.size != synapse.weight.shape[0]:
            raise VolleyError(f"{what}: acts on the flattened maps of {synapse.label!r}; put it before the Flatten")
        if isinstance(pooled, AvgPool):
            raise VolleyError(
                f"{what}: follows {pooled.title} {pooled.label!r} without a ReLU before it; "
                f"use Conv, BatchNorm, ReLU, {pooled.title}"
            )
        if pooled is not None and (scale < 0).any():
            worst = int(scale.argmin())
            raise VolleyError(
                f"{what}: scale {scale[worst]:g} of channel {worst} is negative after {pooled.title} {pooled.label!r}, "
                "so the two do not commute; put the BatchNorm before the pool"
            )
        weight = synapse.weight * scale.reshape(-1, *[1] * (synapse.weight.ndim - 1))
        self.layers[index] = replace(synapse, weight=weight, bias=synapse.bias * scale + shift)

    def finish(self) -> FloatNetwork:
        return FloatNetwork(
            self.name, self.input_shape, tuple(self.layers), -self._shift / self._scale, 1 / self._scale
        )

    def _unique(self, prefix: str, label: str, named: bool) -> str:
        name = re.sub(r"[^a-z0-9_]+", "_", label.lower()).strip("_") if named else ""
        if not name or not name[0].isalpha():
            while True:
                self._counts[prefix] = self._counts.get(prefix, 0) + 1
                name = f"{prefix}{self._counts[prefix]}"
                if name not in self._names:
                    break
        base, n = name, 1
        while name in self._names:
            n += 1
            name = f"{base}_{n}"
        self._names.add(name)
        return name
