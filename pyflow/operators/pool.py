# SPDX-License-Identifier: Apache-2.0
"""Pooling of spike words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pyflow.hardware import Cost, Folding, ceil_div
from pyflow.operators.base import Encoding, Tensor, Windowed


@dataclass(frozen=True, slots=True, eq=False)
class Pool(Windowed):
    """Common part of the pooling operators; padded taps carry code 0."""

    def __post_init__(self) -> None:
        self._check_window()
        if any(p >= k for p, k in zip(self.padding, self.kernel, strict=True)):
            raise self._fail(f"padding {self.padding} must be smaller than the kernel {self.kernel}")

    def cycles(self, folding: Folding, source: Tensor) -> int:
        c, h, w = source.shape
        return ceil_div(c, folding.lanes) * h * w

    def cost(self, folding: Folding, source: Tensor) -> Cost:
        # The planner gives pooling a full window; a pair of words takes a comparison and a choice, 1.75 LUT a bit.
        pairs, word = self.kernel[0] * self.kernel[1] - 1, folding.lanes * source.bits
        return self.window_cost(folding, source) + Cost(lut=1.75 * pairs * word, ff=max(1, pairs) * word)


@dataclass(frozen=True, slots=True, eq=False)
class MaxPool(Pool):
    """Maximum of radix words; commutes with the monotone neuron."""

    kind: ClassVar[str] = "maxpool"

    def infer(self, source: Tensor) -> Tensor:
        self._want(source, Encoding.RADIX)
        return Tensor(self.name, (source.shape[0], *self.spatial(source)), Encoding.RADIX, source.steps, source.bound)

    def run(self, x: np.ndarray) -> np.ndarray:
        return self.windows(x).max(axis=(4, 5))


@dataclass(frozen=True, slots=True, eq=False)
class SumPool(Pool):
    """Sum of radix words: average pooling with the divisor left to the next scale (or neuron)."""

    kind: ClassVar[str] = "sumpool"

    def infer(self, source: Tensor) -> Tensor:
        self._want(source, Encoding.RADIX)
        bound = source.bound * self.kernel[0] * self.kernel[1]
        return Tensor(self.name, (source.shape[0], *self.spatial(source)), Encoding.RADIX, bound.bit_length(), bound)

    def run(self, x: np.ndarray) -> np.ndarray:
        return self.windows(x).sum(axis=(4, 5))
