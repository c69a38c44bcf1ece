# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The float network that every front end makes: a graph of layers with float64 weights, without torch.

It holds what the model computes, layer by layer; dropout is gone, BatchNorm an `Affine`. The passes of `affine.py` and
`order.py` make of it what integer spikes can compute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np

from pyflow.errors import VolleyError
from pyflow.model.wiring import Edge as Edge
from pyflow.model.wiring import Shape as Shape
from pyflow.model.wiring import inferred


@dataclass(frozen=True, slots=True, eq=False)
class FloatLayer:
    """name: unique, only [a-z0-9_]. label: what the user calls it, for messages. inputs: what it reads.
    where: file and line of the user's code that calls it; "" where that is not known. module: is the label the path of
    one of the model's modules?"""

    name: str
    label: str
    inputs: tuple[Edge, ...] = field(default=(), kw_only=True)
    where: str = field(default="", kw_only=True)
    module: bool = field(default=False, kw_only=True)
    kind: ClassVar[str] = ""
    operands: ClassVar[int] = 1  # of inputs; 0: two or more
    flattens: ClassVar[bool] = False  # its output is a vector

    @property
    def title(self) -> str:
        """What the framework calls this kind of layer."""
        return self.kind

    @property
    def source(self) -> str:
        """The name of what it reads first, of most layers the only one."""
        return self.inputs[0].source

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(edge.source for edge in self.inputs)

    def reading(self, *sources: str) -> Self:
        """The same layer behind others, with the delays that it has."""
        pairs = zip(self.inputs, sources, strict=True)
        return replace(self, inputs=tuple(replace(edge, source=source) for edge, source in pairs))

    def fail(self, message: str) -> VolleyError:
        at = f" ({self.where})" if self.where else ""
        return VolleyError(f"layer {self.label!r} ({self.title}): {message}{at}")

    def infer(self, *shapes: Shape) -> Shape:
        """(C, H, W) of every input -> (C, H, W) of the output. Raises VolleyError where they do not fit."""
        return shapes[0]


def _check_finite(layer: FloatConv | FloatLinear) -> None:
    for what in ("weight", "bias"):
        array = np.array(getattr(layer, what), np.float64)
        bad = ~np.isfinite(array)
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            raise layer.fail(
                f"{what}{list(where)} is {array[where]} ({int(bad.sum())} such values); needs finite weights"
            )
        array.setflags(write=False)
        object.__setattr__(layer, what, array)


@dataclass(frozen=True, slots=True, eq=False)
class FloatWindow(FloatLayer):
    """A layer over a sliding window. axes: of the framework's layer, 2 on [N, C, H, W], 1 on [N, C, L], 0 on [N, F];
    the numbers here are those of a map in any case, H = 1 and KH = 1 for a sequence."""

    axes: int = field(default=2, kw_only=True)

    @property
    def title(self) -> str:
        return f"{self.kind}{self.axes}d" if self.axes else self.kind

    def own(self, sides: tuple[int, int]) -> tuple[int, ...]:
        """Of a (y, x) pair, what the framework's layer has."""
        return sides[2 - self.axes :]

    def spatial(
        self,
        shape: Shape,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int],
    ) -> tuple[int, int]:
        """(H', W') of the output."""
        h, w = (
            (s + 2 * p - k) // st + 1 if s + 2 * p >= k else 0
            for s, k, st, p in zip(shape[1:], kernel, stride, padding, strict=True)
        )
        if h < 1 or w < 1:
            size = "x".join(map(str, self.own(shape[1:])))
            raise self.fail(
                f"kernel {self.own(kernel)} does not fit its input of {size} with padding {self.own(padding)}"
            )
        return h, w


@dataclass(frozen=True, slots=True, eq=False)
class FloatConv(FloatWindow):
    """weight: float64 [Co, Ci, KH, KW], bias: float64 [Co]. pad: float64 [Ci], value of a padded position; empty where
    that is 0. free: bool like weight, taps that the user's layer has; empty where it has all (no groups, dilation 1).
    depthwise: weight is [Ci * M, 1, KH, KW], outputs c*M … c*M + M-1 read channel c.
    """

    weight: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    pad: np.ndarray = field(default_factory=lambda: np.zeros(0))
    free: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    depthwise: bool = False
    kind: ClassVar[str] = "Conv"

    def __post_init__(self) -> None:
        _check_finite(self)

    def infer(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        co, ci, kh, kw = self.weight.shape
        if self.depthwise and co % shape[0]:
            raise self.fail(f"weight has {co} kernels, no multiple of its input's {shape[0]} channels")
        if not self.depthwise and ci != shape[0]:
            raise self.fail(f"weight takes {ci} channels, its input has {shape[0]}")
        return (co, *self.spatial(shape, (kh, kw), self.stride, self.padding))

    def by_channel(self, values: np.ndarray) -> np.ndarray:
        """A value per input channel [Ci] in the place of the weights that read it: multiplies `weight`."""
        if self.depthwise:
            return np.repeat(values, len(self.weight) // len(values))[:, None, None, None]
        return values[None, :, None, None]

    def constant(self, values: np.ndarray) -> np.ndarray:
        """Its sums, [Co], where every position of channel c is values[c], and without bias."""
        if self.depthwise:
            return np.asarray(self.weight.sum((1, 2, 3)) * self.by_channel(values)[:, 0, 0, 0])
        return np.asarray(np.einsum("oikl,i->o", self.weight, values))


@dataclass(frozen=True, slots=True, eq=False)
class FloatLinear(FloatLayer):
    """weight: float64 [Co, C*H*W] in C,H,W order, bias: float64 [Co]."""

    weight: np.ndarray
    bias: np.ndarray
    kind: ClassVar[str] = "Linear"

    def __post_init__(self) -> None:
        _check_finite(self)

    def infer(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if self.weight.shape[1] != int(np.prod(shape)):
            raise self.fail(f"weight takes {self.weight.shape[1]} inputs, its input has {int(np.prod(shape))}")
        return (self.weight.shape[0], 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class FloatRelu(FloatLayer):
    """ceiling: what it clips at; infinite where it does not (ReLU6: 6)."""

    ceiling: float = float("inf")
    kind: ClassVar[str] = "ReLU"

    @property
    def title(self) -> str:
        return self.kind if np.isinf(self.ceiling) else f"clip to 0..{self.ceiling:g}"

    def __post_init__(self) -> None:
        if not self.ceiling > 0:
            raise self.fail("needs an upper limit above 0")


@dataclass(frozen=True, slots=True, eq=False)
class FloatPad(FloatLayer):
    """Zeros around a map. before, after: (y, x) rows and columns."""

    before: tuple[int, int] = (0, 0)
    after: tuple[int, int] = (0, 0)
    kind: ClassVar[str] = "Pad"

    def infer(self, *shapes: Shape) -> Shape:
        ((c, h, w),) = shapes
        if min(*self.before, *self.after) < 0:
            raise self.fail(f"padding {(*self.before, *self.after)} cuts the map; needs 0 or more")
        return c, h + self.before[0] + self.after[0], w + self.before[1] + self.after[1]


@dataclass(frozen=True, slots=True, eq=False)
class FloatSquash(FloatLayer):
    """A function of the logits that keeps their order: what the hardware gives is in front of it. what: softmax,
    log_softmax or sigmoid."""

    what: str = "softmax"
    kind: ClassVar[str] = "Softmax"

    @property
    def title(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True, eq=False)
class FloatPool(FloatWindow):
    kernel: tuple[int, int] = (2, 2)
    stride: tuple[int, int] = (2, 2)
    padding: tuple[int, int] = (0, 0)

    def infer(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if any(2 * p > k for p, k in zip(self.padding, self.kernel, strict=True)):
            raise self.fail(f"padding {self.own(self.padding)} is more than half the kernel {self.own(self.kernel)}")
        return (shape[0], *self.spatial(shape, self.kernel, self.stride, self.padding))


@dataclass(frozen=True, slots=True, eq=False)
class MaxPool(FloatPool):
    kind: ClassVar[str] = "MaxPool"


@dataclass(frozen=True, slots=True, eq=False)
class AvgPool(FloatPool):
    """Mean over the whole kernel; padded positions count as 0 (count_include_pad)."""

    kind: ClassVar[str] = "AvgPool"


@dataclass(frozen=True, slots=True, eq=False)
class FloatUpsample(FloatLayer):
    """Nearest neighbour by whole factors. scale: (y, x), times a row and a pixel is repeated."""

    scale: tuple[int, int] = (2, 2)
    kind: ClassVar[str] = "Upsample"

    def infer(self, *shapes: Shape) -> Shape:
        ((c, h, w),) = shapes
        return c, h * self.scale[0], w * self.scale[1]


@dataclass(frozen=True, slots=True, eq=False)
class Flatten(FloatLayer):
    """(C, H, W) -> vector in C,H,W order."""

    kind: ClassVar[str] = "Flatten"
    flattens: ClassVar[bool] = True

    def infer(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        return (int(np.prod(shape)), 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Affine(FloatLayer):
    """scale * x + shift per channel: BatchNorm, or normalisation of the input. scale, shift: float64 [C]. what: the
    framework's layer or function."""

    scale: np.ndarray
    shift: np.ndarray
    what: str = "Affine"
    kind: ClassVar[str] = "Affine"

    @property
    def title(self) -> str:
        return self.what

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale).all() and np.isfinite(self.shift).all()):
            raise self.fail("scale or shift is not finite; check its weights and running statistics")

    def infer(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        values = {self.scale.size, self.shift.size}
        if not values <= {shape[0]} and not values <= {int(np.prod(shape))}:  # the latter of flattened maps
            raise self.fail(f"has {max(values)} values for {shape[0]} channels")
        return shape


@dataclass(frozen=True, slots=True, eq=False)
class FloatAdd(FloatLayer):
    """The sum of all its inputs, element by element: a residual connection."""

    kind: ClassVar[str] = "add"
    operands: ClassVar[int] = 0

    def infer(self, *shapes: Shape) -> Shape:
        if len(set(shapes)) > 1:
            first, other = ("x".join(map(str, s)) for s in sorted(set(shapes))[:2])
            raise self.fail(f"adds maps of {first} and {other}; needs equal shapes")
        return shapes[0]


@dataclass(frozen=True, slots=True, eq=False)
class FloatConcat(FloatLayer):
    """The channels of its inputs, one after the other."""

    kind: ClassVar[str] = "cat"
    operands: ClassVar[int] = 0

    def infer(self, *shapes: Shape) -> Shape:
        if len({s[1:] for s in shapes}) > 1:
            first, other = ("x".join(map(str, s)) for s in sorted({s[1:] for s in shapes})[:2])
            raise self.fail(f"joins maps of {first} and {other}; needs maps of one size")
        return (sum(s[0] for s in shapes), *shapes[0][1:])


Synapse = FloatConv | FloatLinear


@dataclass(frozen=True, slots=True, eq=False)
class FloatNetwork:
    """input_shape: (C, H, W) of pixels in [0, 1]. layers: in topological order, but for edges with a delay; the last
    one gives the logits. shapes: (C, H, W) of INPUT and of every layer's output, by name. left_out: the function of the
    logits that stood at the end, as in FloatSquash.

    Raises VolleyError where a layer reads what no earlier one makes, or its input does not fit.
    """

    name: str
    input_shape: Shape
    layers: tuple[FloatLayer, ...]
    shapes: dict[str, Shape] = field(init=False)
    left_out: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shapes", inferred(self.input_shape, self.layers))

    def __getitem__(self, name: str) -> FloatLayer | None:
        """The layer of that name; None for INPUT."""
        return next((layer for layer in self.layers if layer.name == name), None)

    @property
    def cut(self) -> float:
        """Above which a single output says yes."""
        return 0.5 if isinstance(last := self.layers[-1], FloatSquash) and last.what == "sigmoid" else 0.0

    def readers(self, name: str) -> tuple[FloatLayer, ...]:
        return tuple(layer for layer in self.layers if name in layer.sources)

    def label(self, name: str) -> str:
        """What the user calls it."""
        layer = self[name]
        return "the input" if layer is None else layer.label

    def edited(self, changed: Iterable[FloatLayer] = (), moved: Mapping[str, str] | None = None) -> FloatNetwork:
        """The network with layers of the same name in the place of old ones, and others gone.

        changed: layers, each for that of its name. moved: by the name of a layer that goes away, what its readers
        read instead.
        """
        new, gone = {layer.name: layer for layer in changed}, dict(moved or {})
        waits = {(x.name, edge.source): edge.delay for x in self.layers for edge in x.inputs}

        def moved_edge(edge: Edge) -> Edge:
            source, delay = edge.source, edge.delay
            while source in gone:
                delay += waits.get((source, gone[source]), 0)
                source = gone[source]
            return edge if source == edge.source else Edge(source, delay, self.shapes[source] if delay else None)

        kept = [new.get(layer.name, layer) for layer in self.layers if layer.name not in gone]
        ends = [replace(x, inputs=tuple(map(moved_edge, x.inputs))) for x in kept]
        return replace(self, layers=tuple(ends))
