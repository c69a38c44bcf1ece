# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Synapse layers: potentials from spike words and weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from pyflow.operators.base import SPIKES, WORDS, Encoding, Tensor, Windowed, frozen, magnitude

MAX_WORD_BITS = 16  # of a number per time step


@dataclass(frozen=True, slots=True, eq=False)
class Synapse(Windowed):
    """Common part of Conv and Linear: potentials sum_i w[o,i] * code_i.

    weight: int8 [Co, Ci, KH, KW]; a kernel left at its default is (KH, KW). weight_bits: W, narrow signed.
    pad_code: int64 [Ci], the code a padded tap carries (not 0 where the input normalisation moves the zero).
    """

    weight: np.ndarray = field(default_factory=lambda: np.zeros((1, 1, 1, 1), np.int8))
    weight_bits: int = 4
    pad_code: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    narrow: ClassVar[tuple[str, ...]] = ("weight",)

    def __post_init__(self) -> None:
        Windowed.__post_init__(self)
        weight = self.weight
        if weight.ndim != 4 or not weight.size:
            raise self._fail(f"weight {weight.shape} must be [Co, Ci, KH, KW], none of them 0")
        if self.kernel == (1, 1):
            object.__setattr__(self, "kernel", weight.shape[2:])
        if self.kernel != weight.shape[2:]:
            raise self._fail(f"kernel {self.kernel} is not that of weight {weight.shape}; use {weight.shape[2:]}")
        if not 2 <= self.weight_bits <= 8:
            raise self._fail(f"W = {self.weight_bits} weight bits is outside 2..8")
        limit = 2 ** (self.weight_bits - 1) - 1
        if magnitude(weight) > limit:
            worst = max(int(weight.max()), int(weight.min()), key=abs)
            raise self._fail(f"weight {worst} is outside +-{limit} (W = {self.weight_bits}, narrow)")
        object.__setattr__(self, "weight", frozen(weight, np.int8))
        if self.pad_code.ndim != 1:
            raise self._fail(f"pad_code {self.pad_code.shape} must be one vector")
        self._check_window()

    def matrix(self, source: Tensor) -> np.ndarray:
        """Weights as int64 [Co, H or KH, W or KW, C]: columns in stream order (channel fastest)."""
        return self.weight.astype(np.int64).transpose(0, 2, 3, 1)

    def gain(self) -> int:
        """Largest potential that codes of 1 can give: the largest sum of |w| of an output."""
        rows = self.weight.reshape(self.weight.shape[0], -1)
        return int(np.abs(rows, dtype=np.int16).sum(1, dtype=np.int64).max())

    def readers(self, source: Tensor) -> int:
        """Outputs per pixel that read an input channel."""
        return len(self.weight)

    def exact_float(self, codes: np.ndarray) -> type:
        """Float type in which BLAS is exact on `codes`: every partial sum is an integer below 2^24 (2^53)."""
        top = max(1, int(codes.max(initial=0)), int(self.pad_code.max(initial=0)))
        return np.float32 if self.gain() * top < 2**24 else np.float64

    def taps(self, source: Tensor) -> tuple[int, int, int]:
        """(KH, KW, Ci) as the hardware sees the window."""
        raise NotImplementedError

    def outputs(self, source: Tensor) -> int:
        """Output pixels per frame."""
        raise NotImplementedError

    def needs_one_step(self, *sources: Tensor) -> bool:
        """A word of several bits per step takes the place that a radix word has in a beat."""
        return sources[0].word

    def _spikes_in(self, source: Tensor) -> None:
        """Refuses what is made neither of spikes nor of words, and what no neuron can decode."""
        self._refuse_phase(source)
        self._want(source, Encoding.RADIX, *SPIKES, *WORDS)
        if source.word and source.number_bits > MAX_WORD_BITS:
            raise self._fail(
                f"input {source.name!r} reaches {source.bound} in a step, {source.number_bits} bits; takes words of at "
                f"most {MAX_WORD_BITS}: pool or add less in front, or put a lif neuron there"
            )
        if source.per_step and self.pad_code.any():
            raise self._fail(f"a padding code is for pixels and words, {source.name!r} are spikes; leave it 0")

    def _potential(self, source: Tensor, spatial: tuple[int, int]) -> Tensor:
        """Output: potentials, one per step where the input has time."""
        shape = (self.weight.shape[0], *spatial)
        steps, bound = source.steps if source.timed else 1, self.gain() * source.bound
        return Tensor(self.name, shape, Encoding.POTENTIAL, steps, bound, source.timed, source.block)


@dataclass(frozen=True, slots=True, eq=False)
class Conv(Synapse):
    """Spiking 2-D convolution, cross-correlation as in torch.nn.Conv2d (groups = 1, dilation = 1). Every output reads
    every channel."""

    kind: ClassVar[str] = "conv"
    pixelwise: ClassVar[bool] = True

    def infer(self, source: Tensor) -> Tensor:
        self._spikes_in(source)
        ci = source.shape[0]
        self._check_channels(source)
        if self.pad_code.size not in (0, ci):
            raise self._fail(f"pad_code has {self.pad_code.size} entries, needs {ci}")
        for code in (self.pad_code.min(initial=0), self.pad_code.max(initial=0)):
            if not 0 <= code <= source.bound:
                raise self._fail(f"pad_code {code} is outside 0..{source.bound}")
        return self._potential(source, self.spatial(source))

    def _check_channels(self, source: Tensor) -> None:
        """Refuses a weight that does not belong to the channels of `source`."""
        ci = self.weight.shape[1]
        if ci != source.shape[0]:
            raise self._fail(f"weight has {ci} input channels, input {source.name!r} has {source.shape[0]}")

    def taps(self, source: Tensor) -> tuple[int, int, int]:
        return (*self.kernel, source.shape[0])

    def outputs(self, source: Tensor) -> int:
        h, w = self.spatial(source)
        return h * w

    def run(self, x: np.ndarray) -> np.ndarray:
        dtype = self.exact_float(x)
        view = self.windows(x.astype(dtype), self.pad_code if self.pad_code.size else 0)
        out = np.tensordot(view, self.weight.astype(dtype), axes=((1, 4, 5), (1, 2, 3)))
        return np.ascontiguousarray(out.transpose(0, 3, 1, 2)).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class DepthwiseConv(Conv):
    """Convolution in which every channel has kernels of its own, as torch.nn.Conv2d with groups = Ci.

    weight: int8 [Ci * M, 1, KH, KW]; outputs c*M … c*M + M-1 read channel c, M is the depth multiplier.
    """

    kind: ClassVar[str] = "depthwise"

    def __post_init__(self) -> None:
        Conv.__post_init__(self)
        if self.weight.shape[1] != 1:
            raise self._fail(f"weight {self.weight.shape} must be [Ci * M, 1, KH, KW]")

    def _check_channels(self, source: Tensor) -> None:
        co, ci = self.weight.shape[0], source.shape[0]
        if co % ci:
            raise self._fail(
                f"weight has {co} kernels, no multiple of the {ci} channels of input {source.name!r}; "
                "needs as many for each"
            )

    def readers(self, source: Tensor) -> int:
        """M."""
        return len(self.weight) // source.shape[0]

    def run(self, x: np.ndarray) -> np.ndarray:
        dtype = self.exact_float(x)
        view = self.windows(x.astype(dtype), self.pad_code if self.pad_code.size else 0)
        kernels: np.ndarray = self.weight.astype(dtype).reshape(x.shape[1], -1, *self.kernel)
        out: np.ndarray = np.einsum("nchwyx,cmyx->ncmhw", view, kernels)
        return out.reshape(len(x), -1, *out.shape[3:]).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Linear(Synapse):
    """Fully connected layer. weight: int8 [Co, C*H*W, 1, 1], columns in PyTorch's C,H,W order."""

    kind: ClassVar[str] = "linear"

    def __post_init__(self) -> None:
        Synapse.__post_init__(self)
        if self.kernel != (1, 1):
            raise self._fail(f"weight {self.weight.shape} must be [Co, C*H*W, 1, 1]")

    def infer(self, source: Tensor) -> Tensor:
        self._spikes_in(source)
        ci = self.weight.shape[1]
        c, h, w = source.shape
        if ci != c * h * w:
            raise self._fail(f"weight has {ci} inputs, input {source.name!r} has {c}x{h}x{w} = {c * h * w}")
        return self._potential(source, (1, 1))

    def matrix(self, source: Tensor) -> np.ndarray:
        c, h, w = source.shape
        return self.weight.astype(np.int64).reshape(-1, c, h, w).transpose(0, 2, 3, 1)

    def taps(self, source: Tensor) -> tuple[int, int, int]:
        # The frame is one pixel whose "taps" are the H*W positions, each of C channels.
        c, h, w = source.shape
        return (h, w, c)

    def outputs(self, source: Tensor) -> int:
        return 1

    def run(self, x: np.ndarray) -> np.ndarray:
        dtype = self.exact_float(x)
        w: np.ndarray = self.weight.reshape(self.weight.shape[0], -1).astype(dtype)
        sums: np.ndarray = (x.reshape(len(x), -1).astype(dtype) @ w.T).astype(np.int64)[:, :, None, None]
        return sums
