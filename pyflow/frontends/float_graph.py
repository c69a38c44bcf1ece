# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The float network that every front end produces: a chain of layers with float64 weights, without torch.

BatchNorm is already folded and dropout removed. `normalize` is the affine map of the input pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from pyflow.errors import VolleyError


@dataclass(frozen=True, slots=True, eq=False)
class FloatLayer:
    """name: unique, only [a-z0-9_]. label: what the user calls it, for messages."""

    name: str
    label: str
    kind: ClassVar[str] = ""

    @property
    def title(self) -> str:
        """What the framework calls this kind of layer."""
        return self.kind

    def fail(self, message: str) -> VolleyError:
        return VolleyError(f"layer {self.label!r} ({self.title}): {message}")

    def infer(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """(C, H, W) in -> (C, H, W) out."""
        return shape


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
    """A layer over a sliding window. axes: of the framework's layer, 2 on [N, C, H, W] or 1 on [N, C, L]; the
    numbers here are those of a map in any case, H = 1 and KH = 1 for a sequence."""

    axes: int = field(default=2, kw_only=True)

    @property
    def title(self) -> str:
        return f"{self.kind}{self.axes}d"

    def own(self, sides: tuple[int, int]) -> tuple[int, ...]:
        """Of a (y, x) pair, what the framework's layer has."""
        return sides[2 - self.axes :]

    def spatial(
        self,
        shape: tuple[int, int, int],
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
    """weight: float64 [Co, Ci, KH, KW], bias: float64 [Co], zero padding."""

    weight: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    kind: ClassVar[str] = "Conv"

    def __post_init__(self) -> None:
        _check_finite(self)

    def infer(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        co, ci, kh, kw = self.weight.shape
        if ci != shape[0]:
            raise self.fail(f"weight takes {ci} channels, its input has {shape[0]}")
        return (co, *self.spatial(shape, (kh, kw), self.stride, self.padding))


@dataclass(frozen=True, slots=True, eq=False)
class FloatLinear(FloatLayer):
    """weight: float64 [Co, C*H*W] in C,H,W order, bias: float64 [Co]."""

    weight: np.ndarray
    bias: np.ndarray
    kind: ClassVar[str] = "Linear"

    def __post_init__(self) -> None:
        _check_finite(self)

    def infer(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        if self.weight.shape[1] != int(np.prod(shape)):
            raise self.fail(f"weight takes {self.weight.shape[1]} inputs, its input has {int(np.prod(shape))}")
        return (self.weight.shape[0], 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class FloatRelu(FloatLayer):
    kind: ClassVar[str] = "ReLU"


@dataclass(frozen=True, slots=True, eq=False)
class FloatPool(FloatWindow):
    kernel: tuple[int, int] = (2, 2)
    stride: tuple[int, int] = (2, 2)
    padding: tuple[int, int] = (0, 0)

    def infer(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
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
class Flatten(FloatLayer):
    """(C, H, W) -> vector in C,H,W order."""

    kind: ClassVar[str] = "Flatten"

    def infer(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        return (int(np.prod(shape)), 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class FloatNetwork:
    """input_shape: (C, H, W) of pixels in [0, 1]. mean, std: float64 [C]; the first layer sees (x - mean)/std."""

    name: str
    input_shape: tuple[int, int, int]
    layers: tuple[FloatLayer, ...]
    mean: np.ndarray = field(default_factory=lambda: np.zeros(0))
    std: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        c = self.input_shape[0]
        object.__setattr__(
            self, "mean", np.broadcast_to(self.mean if np.size(self.mean) else 0.0, (c,)).astype(np.float64)
        )
        object.__setattr__(
            self, "std", np.broadcast_to(self.std if np.size(self.std) else 1.0, (c,)).astype(np.float64)
        )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all() and (self.std > 0).all()):
            raise VolleyError(
                f"model {self.name!r}: input normalisation mean {self.mean.tolist()} std {self.std.tolist()};"
                " needs finite means and positive stds"
            )
        shape = self.input_shape
        for layer in self.layers:
            shape = layer.infer(shape)
