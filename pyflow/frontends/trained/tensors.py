# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What is known of the tensors and layers of a network whose integers training has chosen. Real numbers are
fractions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pyflow import operators as ops
from pyflow.errors import VolleyError

MAX_BITS = 8
LEVELS = 255  # of a pixel, which is real in 0 … 1
Shape = tuple[int, int, int]
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Where a layer stands, for messages. label: the user's name of it; kind: the framework's."""

    label: str
    kind: str

    def fail(self, message: str) -> VolleyError:
        return VolleyError(f"layer {self.label!r} ({self.kind}): {message}")


def rounded(x: np.ndarray, rounding: str) -> np.ndarray:
    """To whole numbers, as a Quantiser does."""
    if rounding == "floor":
        return np.asarray(np.floor(x))
    return np.asarray(np.rint(x) if rounding == "even" else np.copysign(np.floor(np.abs(x) + 0.5), x))


@dataclass(frozen=True, slots=True, eq=False)
class Quantiser:
    """code = clamp(round(x / scale), low, high). rounding: "even" to the nearest, ties to even; "up" to the nearest,
    ties up; "floor" down."""

    scale: Fraction
    low: int
    high: int
    rounding: str = "even"


@dataclass(frozen=True, slots=True, eq=False)
class Weight:
    """integers: int64 [Co, ...]; scale: float64 [Co] or [1], of an output channel's; bits: W as it was trained."""

    integers: np.ndarray
    scale: np.ndarray
    bits: int


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """shape: (C, H, W); axes: map axes that the framework sees, 0 of vectors. layer: what made it."""

    shape: Shape
    axes: int
    layer: Layer

    @property
    def size(self) -> tuple[int, ...]:
        """Sizes after the batch, as the framework sees them."""
        if self.axes == 0:
            return (int(np.prod(self.shape)),)
        return (self.shape[0], *self.shape[3 - self.axes :])


@dataclass(frozen=True, slots=True, eq=False)
class Codes(Stream):
    """name: of the operator's tensor, INPUT for pixels. scale: of one code; bound: the largest. before, after: zeros
    around the map, (y, x), that whoever reads it adds."""

    name: str
    scale: Fraction
    steps: int
    bound: int
    before: Pair = (0, 0)
    after: Pair = (0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Potential(Stream):
    """scale * (h + shift), by channel. operator: a Conv or Linear that is not in the network yet, with its weights as
    they are now. fires: has a ReLU been met? behind: what acts on its codes once it has fired. ends: a function that
    may only stand at the end, a softmax or a signed quantiser."""

    operator: ops.Synapse
    reach: tuple[np.ndarray, np.ndarray]
    scale: tuple[Fraction, ...]
    shift: tuple[Fraction, ...]
    fires: bool = False
    ceiling: float = float("inf")
    behind: tuple[Callable[[str, str], ops.Operator], ...] = ()
    ends: Layer | None = None
