# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Builds a FloatNetwork layer by layer: shapes, and readable unique names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pyflow.errors import VolleyError
from pyflow.graph import INPUT
from pyflow.model.graph import (
    Affine,
    AvgPool,
    Edge,
    Flatten,
    FloatAdd,
    FloatConcat,
    FloatConv,
    FloatLayer,
    FloatLinear,
    FloatNetwork,
    FloatPad,
    FloatRelu,
    FloatSquash,
    FloatUpsample,
    FloatWindow,
    MaxPool,
    Shape,
)
from pyflow.model.spiking import FloatGate, FloatNeuron
from pyflow.shapes import map_shape

PREFIX = {
    FloatConv: "conv",
    FloatLinear: "fc",
    FloatRelu: "relu",
    MaxPool: "pool",
    AvgPool: "pool",
    Flatten: "flatten",
    FloatPad: "pad",
    FloatUpsample: "up",
    FloatSquash: "squash",
    Affine: "affine",
    FloatAdd: "add",
    FloatConcat: "cat",
    FloatNeuron: "neuron",
    FloatGate: "and",
}
FORMS = ("[N, F]", "[N, C, L]", "[N, C, H, W]")  # of activations, by their map axes
RESERVED = {INPUT, "encode", "pixel", "s_pixel", "m_logit"}


def fail(label: str, kind: str, message: str) -> VolleyError:
    return VolleyError(f"layer {label!r} ({kind}): {message}")


@dataclass(slots=True, eq=False)
class Storage:
    """The memory of a framework's tensor, which views share. writer: what last changed it in place."""

    writes: int = 0
    writer: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Activations:
    """The activations at one point. shape: (C, H, W) of the maps; axes: those of the map that the framework sees, 2 of
    images, 1 of sequences [N, C, L], 0 of vectors [N, C*H*W]. layer: the name of what made them. writes: of its
    storage, when they were made."""

    shape: Shape
    axes: int
    layer: str = INPUT
    label: str = "the input"
    storage: Storage = field(default_factory=Storage)
    writes: int = 0

    @property
    def flat(self) -> bool:
        return self.axes == 0

    @property
    def size(self) -> tuple[int, ...]:
        """Sizes after the batch, as the framework sees them."""
        return (int(np.prod(self.shape)),) if self.flat else (self.shape[0], *self.shape[3 - self.axes :])


class Builder:
    """Adds layers to a graph, each behind `stream`. Every method may raise VolleyError naming `label`."""

    def __init__(self, name: str, input_shape: Sequence[int]) -> None:
        """input_shape: (C, H, W) of images, (C, L) of sequences or (F,) of vectors."""
        self.name = name
        self.input_shape = map_shape(input_shape)
        self.layers: list[FloatLayer] = []
        self.stream = Activations(self.input_shape, len(input_shape) - 1)
        self.where = ""  # file and line of what is added
        self._names = set(RESERVED)
        self._counts: dict[str, int] = {}

    def read(self, stream: Activations, label: str) -> None:
        """Go on behind `stream`. Raises VolleyError where its numbers are no longer there."""
        if stream.writes != stream.storage.writes:
            raise VolleyError(
                f"layer {label!r}: reads {stream.label!r} after {stream.storage.writer!r} has changed it in place; "
                "use the form that is not in place (inplace=False, x = x + y)"
            )
        self.stream = stream

    def want(self, label: str, kind: str, *axes: int) -> None:
        """Refuse a layer that does not act on activations of so many map axes."""
        if self.stream.axes in axes:
            return
        forms = " or ".join(FORMS[a] for a in axes)
        what = f"layer {label!r} ({kind})"
        if self.stream.flat and self.stream.layer != INPUT:
            raise VolleyError(f"{what}: follows a Flatten; needs {forms}")
        raise VolleyError(f"{what}: acts on {forms}, its input is {FORMS[self.stream.axes]}")

    def identity(self, label: str) -> None:
        """A layer that does nothing in inference (Dropout, Identity)."""

    def copy(self) -> None:
        """The same numbers in another place."""
        self.stream = replace(self.stream, storage=Storage(), writes=0)

    def in_place(self, before: Activations, label: str) -> None:
        """What was made of `before` lies where that lay."""
        if self.stream is before:
            return  # nothing was made
        before.storage.writes += 1
        before.storage.writer = label
        self.stream = replace(self.stream, storage=before.storage, writes=before.storage.writes)

    def add(self, kind: type[FloatLayer], label: str, named: bool = True, **values: object) -> None:
        """Add a layer. named: label is the user's own name, else a counted one is made."""
        layer = self._made(kind, label, named, (self.stream.layer,), values)
        if isinstance(layer, FloatWindow):
            self.want(label, layer.title, layer.axes)
        if isinstance(layer, FloatLinear) and not self.stream.flat:
            raise layer.fail(f"acts on maps of {'x'.join(map(str, self.stream.size))}; add a Flatten before it")
        if isinstance(layer, Flatten):  # a view of the same numbers
            # The spikes stay maps: weights are in C,H,W order.
            self.stream = replace(self.stream, axes=0, layer=layer.name, label=label)
        else:
            self.stream = Activations(layer.infer(self.stream.shape), self.stream.axes, layer.name, label)

    def affine(self, label: str, kind: str, scale: np.ndarray, shift: np.ndarray, named: bool = True) -> None:
        """y = scale * x + shift per channel: BatchNorm or input normalisation."""
        scale, shift = np.asarray(scale, np.float64), np.asarray(shift, np.float64)
        channels = self.stream.size[0]
        if any(a.size not in (1, channels) for a in (scale, shift)):
            raise VolleyError(
                f"layer {label!r} ({kind}): has {max(scale.size, shift.size)} values for {channels} channels"
            )
        if (scale == 1).all() and (shift == 0).all():
            self.copy()
            return
        scale, shift = np.broadcast_to(scale.ravel(), channels), np.broadcast_to(shift.ravel(), channels)
        self.add(Affine, label, named, scale=scale, shift=shift, what=kind)

    def join(self, kind: type[FloatAdd | FloatConcat | FloatGate], label: str, streams: Sequence[Activations]) -> None:
        """Add a layer that reads several streams."""
        for stream in streams:
            self.read(stream, label)
        layer = self._made(kind, label, False, tuple(s.layer for s in streams), {})
        if len({s.axes for s in streams}) > 1:
            first, other = sorted({FORMS[s.axes] for s in streams})[:2]
            raise layer.fail(f"joins {first} and {other}; needs activations of one form")
        shapes = [s.shape for s in streams]
        if kind is FloatConcat and streams[0].flat and len({s[1:] for s in shapes}) > 1:  # vectors of unlike maps
            shapes = [(*s.size, 1, 1) for s in streams]  # type: ignore[misc]
        self.stream = Activations(layer.infer(*shapes), streams[0].axes, layer.name, label)

    def finish(self) -> FloatNetwork:
        """The network whose logits are `stream`; what they do not depend on is left out."""
        sources = {layer.name: layer.sources for layer in self.layers}
        needed, waiting = set[str](), [self.stream.layer]
        while waiting:
            if (name := waiting.pop()) not in needed:
                needed.add(name)
                waiting += sources.get(name, ())
        return FloatNetwork(self.name, self.input_shape, tuple(x for x in self.layers if x.name in needed))

    def _made(
        self, kind: type[FloatLayer], label: str, named: bool, sources: Sequence[str], values: dict[str, object]
    ) -> FloatLayer:
        inputs = tuple(Edge(source) for source in sources)
        name = self._unique(PREFIX[kind], label, named)
        layer = kind(name, label, inputs=inputs, where=self.where, module=named, **values)
        self.layers.append(layer)
        return layer

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
