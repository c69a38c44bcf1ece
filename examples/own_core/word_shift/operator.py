# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The operator Coarsen: what it means, and the core that does it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from pyflow.operators import Encoding, Operator, Tensor
from pyflow.planning.builder import Builder
from pyflow.planning.lowering.registry import lowers
from pyflow.planning.netlist import Stream
from word_shift.core import WordShift


@dataclass(frozen=True, slots=True, eq=False)
class Coarsen(Operator):
    """floor(word / 2^drop): a radix word of T steps loses its last `drop` ones."""

    drop: int = 1
    kind: ClassVar[str] = "coarsen"

    def infer(self, source: Tensor) -> Tensor:
        self._want(source, Encoding.RADIX)
        if not 1 <= self.drop < source.steps:
            raise self._fail(f"drop = {self.drop} is outside 1..T-1 = {source.steps - 1}")
        return replace(source, name=self.name, steps=source.steps - self.drop, bound=source.bound >> self.drop)

    def run(self, x: np.ndarray) -> np.ndarray:
        words: np.ndarray = x >> self.drop
        return words


@lowers(Coarsen)
def coarsen(b: Builder, op: Coarsen, stream: Stream) -> Stream:
    out = b.output(b.tensors[op.name], stream.lanes)
    return b.join(WordShift(stream.lanes, stream.bits, out.bits), op.name, [("word", stream)], [("word", out)])
