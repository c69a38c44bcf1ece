# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Upsampling: a larger map of the same numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from pyflow.operators.base import Operator, Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Upsample(Operator):
    """Nearest neighbour by whole factors: out(y, x) = in(floor(y / sy), floor(x / sx)). Of numbers of any kind, since
    none is changed; it commutes with every neuron, per neuron and step.

    scale: (sy, sx), times each row and each pixel is repeated.
    """

    scale: tuple[int, int] = (2, 2)
    kind: ClassVar[str] = "upsample"
    pixelwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Operator.__post_init__(self)
        if min(self.scale) < 1:
            raise self._fail(f"scale {self.scale} must be at least 1")

    def infer(self, source: Tensor) -> Tensor:
        self._refuse_phase(source)
        c, h, w = source.shape
        return replace(source, name=self.name, shape=(c, h * self.scale[0], w * self.scale[1]))

    def run(self, x: np.ndarray) -> np.ndarray:
        return x.repeat(self.scale[0], 2).repeat(self.scale[1], 3)
