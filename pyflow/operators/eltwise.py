# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Operators of two tensors, element by element: the joints of residual and SEW networks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from pyflow.operators.base import SPIKES, Encoding, Operator, Tensor, magnitude

MOST_SHIFT = 16
NUMBERS = (Encoding.POTENTIAL, Encoding.COUNT)


@dataclass(frozen=True, slots=True, eq=False)
class Elementwise(Operator):
    """Common part: two operands of one shape, and of one time."""

    operands: ClassVar[int] = 2
    pixelwise: ClassVar[bool] = True

    def _alike(self, a: Tensor, b: Tensor) -> None:
        for what, left, right in (
            ("shape", "x".join(map(str, a.shape)), "x".join(map(str, b.shape))),
            ("time", _time(a), _time(b)),
        ):
            if left != right:
                raise self._fail(f"{what} of {a.name!r}, {left}, is not that of {b.name!r}, {right}")

    def _refuse(self, a: Tensor, b: Tensor, wanted: str) -> Exception:
        return self._fail(f"inputs {a.name!r} and {b.name!r} are {a.encoding} and {b.encoding}, needs {wanted}")


def _time(tensor: Tensor) -> str:
    return f"{tensor.steps} time steps" if tensor.timed else "static"


@dataclass(frozen=True, slots=True, eq=False)
class Add(Elementwise):
    """a + b: of spikes and counts a count (SEW ADD); of radix words a word of one step more. a + 2^shift * b of
    potentials, or one and counts: a potential."""

    shift: int = 0
    kind: ClassVar[str] = "add"

    def __post_init__(self) -> None:
        Operator.__post_init__(self)
        if type(self.shift) is not int or not 0 <= self.shift <= MOST_SHIFT:
            raise self._fail(f"shift = {self.shift!r} is outside 0..{MOST_SHIFT}")

    def infer(self, a: Tensor, b: Tensor) -> Tensor:
        self._alike(a, b)
        out = replace(a, name=self.name, bound=a.bound + (b.bound << self.shift))
        if self.shift and Encoding.POTENTIAL not in (a.encoding, b.encoding):
            raise self._refuse(a, b, "a potential for a shift")
        if Encoding.COUNT in (a.encoding, b.encoding) and {a.encoding, b.encoding} <= {Encoding.COUNT, *SPIKES}:
            return replace(out, encoding=Encoding.COUNT)
        if a.encoding in NUMBERS and b.encoding in NUMBERS:
            return replace(out, encoding=Encoding.POTENTIAL)
        if a.encoding is not b.encoding or a.encoding not in (Encoding.RADIX, *SPIKES):
            raise self._refuse(a, b, "potentials, counts and spikes, or two of the same words")
        if a.encoding in SPIKES:
            return replace(out, encoding=Encoding.COUNT)
        if a.steps != b.steps:
            raise self._fail(f"words of {a.name!r} have T = {a.steps}, of {b.name!r} T = {b.steps}; need the same T")
        return replace(out, steps=a.steps + 1)

    def run(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        sums: np.ndarray = a + (b << self.shift)
        return sums


@dataclass(frozen=True, slots=True, eq=False)
class Sew(Elementwise):
    """Common part of the spike-element-wise connections (SEW-ResNet, arXiv 2102.04159) that stay spikes."""

    def infer(self, a: Tensor, b: Tensor) -> Tensor:
        self._alike(a, b)
        if a.encoding is not b.encoding or a.encoding not in SPIKES:
            raise self._refuse(a, b, "two of the same spikes")
        return replace(a, name=self.name)


@dataclass(frozen=True, slots=True, eq=False)
class And(Sew):
    """a and b, per step."""

    kind: ClassVar[str] = "and"

    def run(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        spikes: np.ndarray = a & b
        return spikes


@dataclass(frozen=True, slots=True, eq=False)
class IAnd(Sew):
    """not a and b, per step."""

    kind: ClassVar[str] = "iand"

    def run(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        spikes: np.ndarray = (1 - a) & b
        return spikes


@dataclass(frozen=True, slots=True, eq=False)
class Residual(Elementwise):
    """2^e * potential + m * word, of a potential and the spikes (or radix words) that skip its layer. What
    fires behind it has e = 0.

    multiplier: int64 [C], m. exponent: e.
    """

    multiplier: np.ndarray = field(default_factory=lambda: np.ones(1, np.int64))
    exponent: int = 0
    kind: ClassVar[str] = "residual"

    def __post_init__(self) -> None:
        Elementwise.__post_init__(self)
        self._check_exponent(self.exponent)
        if self.multiplier.ndim != 1 or not self.multiplier.size:
            raise self._fail(f"multiplier {self.multiplier.shape} must be one vector")

    def infer(self, potential: Tensor, skip: Tensor) -> Tensor:
        self._want(potential, Encoding.POTENTIAL)
        self._want(skip, Encoding.RADIX, *SPIKES)
        self._alike(potential, skip)
        if self.multiplier.size != potential.shape[0]:
            raise self._fail(f"{self.multiplier.size} multipliers for {potential.shape[0]} channels")
        bound = (potential.bound << self.exponent) + magnitude(self.multiplier) * skip.bound
        if bound >= 2**46:  # keeps every potential far inside int64 (reference) and 48 bits (hardware)
            raise self._fail(f"a potential can reach {bound}, which needs more than 46 bits; lower e or m")
        return replace(potential, name=self.name, bound=bound)

    def most(self, potential: Tensor, skip: Tensor) -> int:
        """Largest |m| where weights can be loaded: the skip may move a potential 16 times as far as the weights do.
        Raises VolleyError where this one is larger."""
        limit = max(1, (potential.bound << (self.exponent + 4)) // skip.bound)
        worst = int(np.abs(self.multiplier).argmax())
        if abs(int(self.multiplier[worst])) > limit:
            raise self._fail(
                f"memory=writable: multiplier {self.multiplier[worst]} of channel {worst} is outside +-{limit}; lower m"
            )
        return limit

    def run(self, h: np.ndarray, x: np.ndarray) -> np.ndarray:
        sums: np.ndarray = (h << self.exponent) + self.multiplier[None, :, None, None] * x
        return sums


@dataclass(frozen=True, slots=True, eq=False)
class Concat(Operator):
    """The channels of a, then those of b."""

    kind: ClassVar[str] = "concat"
    operands: ClassVar[int] = 2

    def infer(self, a: Tensor, b: Tensor) -> Tensor:
        for operand in (a, b):
            self._refuse_phase(operand)
        same = (
            ("map", "x".join(map(str, a.shape[1:])), "x".join(map(str, b.shape[1:]))),
            ("encoding", a.encoding, b.encoding),
            ("T", a.steps, b.steps),
            ("time", _time(a), _time(b)),
            ("number of bits", a.number_bits, b.number_bits),
        )
        for what, left, right in same:
            if left != right:
                raise self._fail(f"{what} of {a.name!r}, {left}, is not that of {b.name!r}, {right}")
        channels = a.shape[0] + b.shape[0]
        return replace(a, name=self.name, shape=(channels, *a.shape[1:]), bound=max(a.bound, b.bound))

    def run(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.concatenate((a, b), 1)
