# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Pooling of spike words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from pyflow.operators.base import SPIKES, WORDS, Encoding, Stateful, Tensor, Windowed


@dataclass(frozen=True, slots=True, eq=False)
class Pool(Windowed):
    """Common part of the pooling operators; padded taps carry code 0."""

    def __post_init__(self) -> None:
        Windowed.__post_init__(self)
        self._check_window()
        if any(p >= k for p, k in zip(self.padding, self.kernel, strict=True)):
            raise self._fail(f"padding {self.padding} must be smaller than the kernel {self.kernel}")

    def _pooled(self, source: Tensor) -> Tensor:
        """Output tensor where a pool's result is of the kind of its operands."""
        return replace(source, name=self.name, shape=(source.shape[0], *self.spatial(source)))

    def _want_spikes(self, source: Tensor) -> None:
        if source.encoding not in SPIKES:
            hint = "; a maximum of radix words is maxpool" if source.encoding is Encoding.RADIX else ""
            raise self._fail(f"input {source.name!r} is {source.encoding}, needs {' or '.join(SPIKES)}{hint}")


@dataclass(frozen=True, slots=True, eq=False)
class MaxPool(Pool):
    """Maximum of radix words, which commutes with the monotone neuron; over time also of counts, samples and potentials
    in each step. Padded taps are never the largest potential."""

    kind: ClassVar[str] = "maxpool"
    pixelwise: ClassVar[bool] = True

    def infer(self, source: Tensor) -> Tensor:
        if source.encoding in SPIKES:
            raise self._fail(
                f"input {source.name!r} is {source.encoding}, needs radix; pool spikes by orpool (trained with a "
                "maximum per step) or gatedpool (converted)"
            )
        self._want(source, Encoding.RADIX, Encoding.POTENTIAL, *WORDS)
        return self._pooled(source)

    def run(self, x: np.ndarray) -> np.ndarray:
        lowest = min(0, int(x.min(initial=0)))  # of numbers without sign 0, as padded taps carry there
        pooled: np.ndarray = self.windows(x, lowest).max(axis=(4, 5))
        return pooled


def sum_steps(steps: int, kernel: tuple[int, int]) -> int:
    """T of a sum of words of `steps`, one for each tap: what the largest words would need. Codes may be smaller, where
    the words are sums themselves; cores know words, not codes."""
    largest: int = kernel[0] * kernel[1] * ((1 << steps) - 1)
    return largest.bit_length()


@dataclass(frozen=True, slots=True, eq=False)
class SumPool(Pool):
    """Sum of radix words: average pooling with the divisor left to the next scale (or neuron). Over time a sum in
    each step: of spikes their number, of counts and samples a count."""

    kind: ClassVar[str] = "sumpool"
    pixelwise: ClassVar[bool] = True

    def infer(self, source: Tensor) -> Tensor:
        self._want(source, Encoding.RADIX, *SPIKES, *WORDS)
        out, taps = self._pooled(source), self.kernel[0] * self.kernel[1]
        bound = source.bound * taps
        if source.encoding is not Encoding.RADIX:  # as wide as the core makes it, see sum_steps()
            return replace(out, encoding=Encoding.COUNT, bound=taps * ((1 << source.number_bits) - 1))
        return replace(out, steps=sum_steps(source.steps, self.kernel), bound=bound)

    def run(self, x: np.ndarray) -> np.ndarray:
        pooled: np.ndarray = self.windows(x).sum(axis=(4, 5))
        return pooled


@dataclass(frozen=True, slots=True, eq=False)
class OrPool(Pool):
    """Per step, whether any tap spikes: the maximum of spikes."""

    kind: ClassVar[str] = "orpool"
    pixelwise: ClassVar[bool] = True

    def infer(self, source: Tensor) -> Tensor:
        self._want_spikes(source)
        return self._pooled(source)

    def run(self, x: np.ndarray) -> np.ndarray:
        pooled: np.ndarray = self.windows(x).max(axis=(4, 5))
        return pooled


@dataclass(frozen=True, slots=True, eq=False)
class GatedMaxPool(Pool, Stateful):
    """Per window the spikes of one tap, the winner: among the taps that spike in the earliest step in which any
    does, the first one, counted as windows travel: column by column, each from top to bottom."""

    kind: ClassVar[str] = "gatedpool"

    def infer(self, source: Tensor) -> Tensor:
        self._want_spikes(source)
        return self._pooled(source)

    def initial(self, frames: int, source: Tensor) -> np.ndarray:
        """Winner of each window, -1 while there is none."""
        return np.full((frames, source.shape[0], *self.spatial(source)), -1)

    def step(self, state: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        view = self.windows(x).swapaxes(4, 5)
        taps = view.reshape(*view.shape[:4], -1)
        state = np.where((state < 0) & taps.any(-1), taps.argmax(-1), state)
        word = np.take_along_axis(taps, np.maximum(state, 0)[..., None], -1)[..., 0]
        return np.where(state < 0, 0, word), state
