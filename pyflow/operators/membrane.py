# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Neurons whose membrane is the answer: leaky integrators (LI), or spiking neurons with their reset."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from pyflow.operators.base import Encoding, Tensor
from pyflow.operators.lif import LIFNeuron

READS = ("last", "sum", "max")


@dataclass(frozen=True, slots=True, eq=False)
class MembraneReadout(LIFNeuron):
    """What is read of a neuron's membrane over a frame: static potentials; a readout may follow.

    read: v of the "last" step, its "sum" over time, or its "max". before_reset: v as it meets the threshold; else as
    the step leaves it. The neuron is that of LIFNeuron; a leaky integrator has reset "none", and any theta.
    """

    read: str = "last"
    before_reset: bool = False
    kind: ClassVar[str] = "membrane"

    def __post_init__(self) -> None:
        LIFNeuron.__post_init__(self)
        if self.read not in READS:
            raise self._fail(f"read {self.read!r} is unknown; use one of {', '.join(READS)}")

    def infer(self, source: Tensor) -> Tensor:
        LIFNeuron.infer(self, source)
        bound = (1 << (self.width - 1)) * (source.steps if self.read == "sum" else 1)
        return replace(source, name=self.name, encoding=Encoding.POTENTIAL, steps=1, bound=bound, timed=False, block=1)

    def run_steps(self, *values: np.ndarray, sources: tuple[Tensor, ...]) -> np.ndarray:
        """All steps of a frame: int64 [N, T, C, H, W] in, int64 [N, C, H, W] out."""
        state = self.initial(len(values[0]), *sources)
        read = np.zeros(0, np.int64)
        for t in range(values[0].shape[1]):
            met, state = self.advanced(state, values[0][:, t])
            v = met if self.before_reset else state.v
            if t and self.read != "last":
                v = read + v if self.read == "sum" else np.maximum(read, v)
            read = v
        return read

    def result_bits(self, steps: int) -> int:
        """Bits of the result so far, from step to step; steps: T."""
        return {"last": 0, "sum": self.width + (steps - 1).bit_length(), "max": self.width}[self.read]
