# SPDX-License-Identifier: Apache-2.0
"""The encoder at the network's input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pyflow.hardware import Cost, Folding, ceil_div
from pyflow.operators.base import Encoding, Operator, Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Encode(Operator):
    """Radix encoder: min((p + 2^(7-T)) >> (8-T), 2^T - 1), and p itself for T = 8."""

    steps: int = 4
    kind: ClassVar[str] = "encode"

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 8:
            raise self._fail(f"T = {self.steps} is outside 1..8")

    def infer(self, source: Tensor) -> Tensor:
        self._want(source, Encoding.PIXEL)
        return Tensor(self.name, source.shape, Encoding.RADIX, self.steps, 2**self.steps - 1)

    def run(self, x: np.ndarray) -> np.ndarray:
        if self.steps == 8:
            return x
        return np.minimum((x + (1 << (7 - self.steps))) >> (8 - self.steps), 2**self.steps - 1)

    def cycles(self, folding: Folding, source: Tensor) -> int:
        c, h, w = source.shape
        return ceil_div(c, folding.lanes) * h * w

    def cost(self, folding: Folding, source: Tensor) -> Cost:
        # Rounding is a carry chain; saturation is the register's set.
        return Cost(lut=folding.lanes * 2 if self.steps < 8 else 0, ff=folding.lanes * self.steps + 2)
