# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What becomes of a potential: a spike word, a logit, or a sum over time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from pyflow.integers import signed_width
from pyflow.operators.base import Encoding, Operator, Tensor, magnitude


@dataclass(frozen=True, slots=True, eq=False)
class RadixNeuron(Operator):
    """v = 2^e * h + b; word = clamp(floor(v / theta), 0, 2^T - 1), by T compare-and-subtract steps.

    theta: int64 [C], positive. bias: int64 [C], rounding floor(theta/2) included, clamped to
    [-bound-1, theta*2^T + bound], which changes no code (docs/numerics.md).
    """

    theta: np.ndarray = field(default_factory=lambda: np.ones(1, np.int64))
    bias: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    exponent: int = 0
    steps: int = 4
    kind: ClassVar[str] = "neuron"
    pixelwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Operator.__post_init__(self)
        if not 1 <= self.steps <= 8:
            raise self._fail(f"T = {self.steps} is outside 1..8")
        self._check_exponent(self.exponent)
        if self.theta.shape != self.bias.shape or self.theta.ndim != 1 or not self.theta.size:
            raise self._fail(f"theta {self.theta.shape} and bias {self.bias.shape} must be one vector each")
        if int(self.theta.min()) < 1:
            raise self._fail(f"theta {int(self.theta.min())} of channel {int(self.theta.argmin())} must be positive")
        # Keeps every potential far inside int64 (reference) and 48 bits (hardware).
        if int(self.theta.max()) >= 2**36 or magnitude(self.bias) >= 2**46:
            raise self._fail("theta or bias needs more than 46 bits; lower e or raise the weight scale")

    def infer(self, source: Tensor) -> Tensor:
        self._want(source, Encoding.POTENTIAL, Encoding.RADIX)
        if source.timed:
            raise self._fail(f"input {source.name!r} has time steps; use a lif neuron")
        if self.theta.size != source.shape[0]:
            raise self._fail(f"{self.theta.size} thresholds for {source.shape[0]} channels")
        return Tensor(self.name, source.shape, Encoding.RADIX, self.steps, 2**self.steps - 1)

    def clamped_bias(self, source: Tensor) -> np.ndarray:
        bound = source.bound << self.exponent
        start: np.ndarray = np.clip(self.bias, -bound - 1, self.theta * 2**self.steps + bound)
        return start

    def bounded(self, source: Tensor) -> RadixNeuron:
        """A neuron of the same codes whose theta and bias have a bound that is the layer's: see most()."""
        theta, bound = self.most(source, any_weights=True)[0], source.bound << self.exponent
        over, bias = self.theta > theta, self.clamped_bias(source)
        code = np.where(over, (bias + bound) // self.theta, 0)
        moved = code * theta + np.minimum(bias - code * self.theta, bound)
        return replace(self, theta=np.minimum(self.theta, theta), bias=np.where(over, moved, bias))

    def most(self, source: Tensor, *, any_weights: bool = False) -> tuple[int, int]:
        """Largest theta and magnitude of a clamped bias: here, or of any bounded() neuron that reads `source`."""
        if not any_weights:
            return int(self.theta.max()), magnitude(self.clamped_bias(source))
        bound = source.bound << self.exponent
        if bound >= 2**34:
            raise self._fail(f"memory=writable: potentials of any weights reach {bound}, 2^34; lower e or W")
        theta = 2 * bound + 2
        return theta, (theta << self.steps) + bound

    def potential_width(self, source: Tensor, *, any_weights: bool = False) -> int:
        """V_W of the core: wide enough that no potential and no comparison can overflow."""
        theta, bias = self.most(source, any_weights=any_weights)
        return signed_width(max((source.bound << self.exponent) + bias, theta << (self.steps - 1)))

    def run(self, h: np.ndarray) -> np.ndarray:
        v = (h << self.exponent) + self.bias[None, :, None, None]
        codes: np.ndarray = np.clip(v // self.theta[None, :, None, None], 0, 2**self.steps - 1)
        return codes


@dataclass(frozen=True, slots=True, eq=False)
class Readout(Operator):
    """The last layer does not fire: logit = 2^e * h + b."""

    bias: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    exponent: int = 0
    kind: ClassVar[str] = "readout"

    def __post_init__(self) -> None:
        Operator.__post_init__(self)
        self._check_exponent(self.exponent)
        if self.bias.ndim != 1 or not self.bias.size:
            raise self._fail(f"bias {self.bias.shape} must be one vector")

    def infer(self, source: Tensor) -> Tensor:
        self._want(source, Encoding.POTENTIAL)
        if source.timed:
            raise self._fail(f"input {source.name!r} has time steps; accumulate over time first")
        if self.bias.size != source.shape[0]:
            raise self._fail(f"{self.bias.size} biases for {source.shape[0]} channels")
        bound = (source.bound << self.exponent) + magnitude(self.bias)
        if bound >= 2**31:
            raise self._fail(f"a logit can reach {bound}, which needs more than 32 bits; lower e = {self.exponent}")
        return Tensor(self.name, source.shape, Encoding.POTENTIAL, 1, bound)

    def run(self, h: np.ndarray) -> np.ndarray:
        sums: np.ndarray = (h << self.exponent) + self.bias[None, :, None, None]
        return sums


@dataclass(frozen=True, slots=True, eq=False)
class Accumulate(Operator):
    """Sum over time: the number of spikes, the integral of potentials. Static; a readout may follow. The first
    spike of a TTFS train counts by its time, which a sum loses: refused."""

    kind: ClassVar[str] = "accumulate"
    each_step: ClassVar[bool] = False

    def infer(self, source: Tensor) -> Tensor:
        if source.encoding is Encoding.TTFS:
            raise self._fail(
                f"input {source.name!r} is ttfs, whose times a sum would lose; put a conv or linear and a lif neuron "
                "in front, or encode by rate"
            )
        self._want(source, Encoding.RATE, Encoding.COUNT, Encoding.POTENTIAL)
        if not source.timed:
            raise self._fail(f"input {source.name!r} has no time steps to sum over; read it as it is")
        return Tensor(self.name, source.shape, Encoding.POTENTIAL, 1, source.steps * source.bound)

    def run(self, x: np.ndarray) -> np.ndarray:
        sums: np.ndarray = x.sum(1)
        return sums
