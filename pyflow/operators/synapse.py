# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Synapse layers: potentials from spike words and weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from pyflow import hardware as hw
from pyflow.hardware import Cost, Folding, ceil_div
from pyflow.operators.base import SPIKES, Encoding, Tensor, Windowed, frozen, magnitude


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

    def folds(self, folding: Folding, source: Tensor) -> tuple[int, int]:
        """(output folds, input folds)."""
        kh, kw, c = self.taps(source)
        slices = {"all": 1, "column": kw, "tap": kh * kw}[folding.slice]
        slices *= ceil_div(c, folding.lanes)
        if folding.events:  # at most: where no word is zero
            slices = ceil_div(slices * folding.lanes, folding.events)
        return ceil_div(self.weight.shape[0], folding.pe), slices

    def simd(self, folding: Folding, source: Tensor) -> int:
        if folding.events:
            return folding.events
        kh, kw, _ = self.taps(source)
        return folding.lanes * {"all": kh * kw, "column": kh, "tap": 1}[folding.slice]

    def steps_per_cycle(self, folding: Folding, source: Tensor) -> int:
        steps = source.beat_steps
        tp = folding.tp or steps
        if steps % tp:
            raise self._fail(f"TP = {tp} does not divide the {steps} time steps of a beat")
        return tp

    def cycles(self, folding: Folding, source: Tensor) -> int:
        fo, fi = self.folds(folding, source)
        c, h, w = source.shape
        groups = ceil_div(c, folding.lanes)
        interval = source.beat_steps // self.steps_per_cycle(folding, source)
        busy = fo * fi * self.outputs(source) // self.row_windows(source, folding.pix).pix * interval
        if folding.slice == "all" and self.kernel != (1, 1):
            # The window's shift register waits while the array works: shifts that complete no window add up.
            busy += self.idle_shifts(source, folding.pix) * groups
        return max(groups * h * w // folding.pix, busy)

    def cost(self, folding: Folding, source: Tensor, sums: Cost | None = None) -> Cost:
        """sums: cells of volley_synapse_sum with free weights, where they are known better than by counting."""
        fo, fi = self.folds(folding, source)
        pe, simd, tp = folding.pe, self.simd(folding, source), self.steps_per_cycle(folding, source)
        width, depth = pe * simd * self.weight_bits, fo * fi
        if folding.memory == "auto":
            block = hw.goes_to_block_ram(width, depth)
        else:
            block = folding.memory in ("block", "writable")
        acc = self.infer(source).number_bits if fi > 1 else 0
        cycles = source.beat_steps // tp
        total = self.sum_cost(pe, simd, tp, depth, sums, per_step=source.timed)
        total += self.accumulation_cost(pe, simd, tp, cycles, acc, per_step=source.timed)
        total = sum([total] * folding.pix, Cost())
        total += hw.source_cost(width, depth, block=block) + Cost(weight_bits=width * depth)
        return total + self.input_cost(folding, source)

    def sum_cost(self, pe: int, simd: int, tp: int, depth: int, sums: Cost | None = None, *, per_step: bool) -> Cost:
        """volley_synapse_sum fed from `depth` rows of weights: `sums` with free ones, or trees counted here.
        `per_step`: a sum for each step, no weighted sum over them."""
        if sums is not None and sums.dsp:
            return sums
        # A weight bit that is the same in all rows gives a register that dissolves. Few rows also means few different
        # columns, and equal ones are shared.
        gated = simd * tp * min(pe * self.weight_bits, 2 ** min(depth, 32) - 1)
        if sums is not None:
            # The rows of compressors are cells by name, which synthesis takes as they are: constants leave all of them.
            return Cost(lut=sums.lut, ff=sums.ff - simd * tp * pe * self.weight_bits + gated)
        same = 0.5 ** (depth - 1)  # of adders, about half of a tree of constants dissolves
        tree, tree_w = hw.tree_cost(simd, self.weight_bits), self.weight_bits + (simd - 1).bit_length()
        lut = pe * tp * tree.lut * (1 - 0.55 * same)
        ff = pe * tp * tree.ff * (1 - 0.35 * same) + gated
        lut += simd * tp * (depth > 1)  # reset of the weight registers
        if not per_step:
            lut += pe * (tp - 1) * (tree_w + 1)
            ff += pe * (tp - 1) * (tree_w + 3)
        return Cost(lut=lut, ff=ff)

    def accumulation_cost(self, pe: int, simd: int, tp: int, cycles: int, acc: int, *, per_step: bool) -> Cost:
        """What volley_synapse_array adds to the sums: `cycles` per slice, slices added up in `acc` bits (0: one)."""
        tree_w = self.weight_bits + (simd - 1).bit_length()
        choice = simd * tp * (ceil_div(cycles, 4) if cycles > 1 else 0)  # of this cycle's steps
        steps = cycles * tp
        total = Cost(lut=choice + hw.CONTROL_LUT, ff=hw.CONTROL_FF)
        if per_step:
            result = pe * steps * (acc or tree_w)
            return total + Cost(lut=result if acc else 0, ff=result)
        horner = pe * (tree_w + steps) * (cycles > 1)
        return total + Cost(lut=horner + pe * acc, ff=horner + pe * (acc or tree_w + steps))

    def input_cost(self, folding: Folding, source: Tensor) -> Cost:
        """What brings the slices to the array."""
        raise NotImplementedError

    def _spikes_in(self, source: Tensor) -> None:
        """Refuses what is not made of spikes, and what no neuron can decode."""
        self._refuse_phase(source)
        self._want(source, Encoding.RADIX, *SPIKES)
        if source.timed and self.pad_code.any():
            raise self._fail(f"a padding code is for static inputs, {source.name!r} has time steps; leave it 0")

    def _potential(self, source: Tensor, spatial: tuple[int, int]) -> Tensor:
        """Output: potentials, one per step where the input has time."""
        shape = (self.weight.shape[0], *spatial)
        steps, bound = source.steps if source.timed else 1, self.gain() * source.bound
        return Tensor(self.name, shape, Encoding.POTENTIAL, steps, bound, source.timed, source.block)


@dataclass(frozen=True, slots=True, eq=False)
class Conv(Synapse):
    """Spiking 2-D convolution, cross-correlation as in torch.nn.Conv2d (groups = 1, dilation = 1)."""

    kind: ClassVar[str] = "conv"
    pixelwise: ClassVar[bool] = True

    def infer(self, source: Tensor) -> Tensor:
        self._spikes_in(source)
        ci = self.weight.shape[1]
        if ci != source.shape[0]:
            raise self._fail(f"weight has {ci} input channels, input {source.name!r} has {source.shape[0]}")
        if self.pad_code.size not in (0, ci):
            raise self._fail(f"pad_code has {self.pad_code.size} entries, needs {ci}")
        for code in (self.pad_code.min(initial=0), self.pad_code.max(initial=0)):
            if not 0 <= code <= source.bound:
                raise self._fail(f"pad_code {code} is outside 0..{source.bound}")
        return self._potential(source, self.spatial(source))

    def taps(self, source: Tensor) -> tuple[int, int, int]:
        return (*self.kernel, source.shape[0])

    def input_cost(self, folding: Folding, source: Tensor) -> Cost:
        whole = (self.kernel, self.stride, self.folds(folding, source)[0]) == ((1, 1), (1, 1), 1)
        return Cost() if whole and folding.slice == "tap" else self.window_cost(folding, source)

    def outputs(self, source: Tensor) -> int:
        h, w = self.spatial(source)
        return h * w

    def run(self, x: np.ndarray) -> np.ndarray:
        dtype = self.exact_float(x)
        view = self.windows(x.astype(dtype), self.pad_code if self.pad_code.size else 0)
        out = np.tensordot(view, self.weight.astype(dtype), axes=((1, 4, 5), (1, 2, 3)))
        return np.ascontiguousarray(out.transpose(0, 3, 1, 2)).astype(np.int64)


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

    def cost(self, folding: Folding, source: Tensor, sums: Cost | None = None) -> Cost:
        if not folding.events:
            return Synapse.cost(self, folding, source, sums)
        (c, h, w), (fo, _), events = source.shape, self.folds(folding, source), folding.events
        lanes, pe, tp = folding.lanes, folding.pe, self.steps_per_cycle(folding, source)
        beats = h * w * ceil_div(c, lanes)
        inputs, depth, width = beats * lanes, fo * beats * lanes, pe * self.weight_bits
        acc, cycles = self.infer(source).number_bits, source.beat_steps // tp
        address = (depth - 1).bit_length()
        total = hw.event_list_cost(lanes, events, inputs, source.bits, fo, folding.window_depth)
        total += Cost(lut=events * address + 2 * address, ff=events * (address + 2 * source.bits) + address)
        if folding.memory in ("block", "writable") or (folding.memory == "auto" and hw.goes_to_block_ram(width, depth)):
            copies = events if folding.memory == "writable" else ceil_div(events, 2)  # two reads of a memory
            total += Cost(bram=copies * hw.bram36(width, depth, dual=folding.memory != "writable" and events > 1))
        else:
            total += Cost(lut=events * width * depth / 16, ff=events * width)
        total += self.sum_cost(pe, events, tp, depth, sums, per_step=source.timed)
        total += self.accumulation_cost(pe, events, tp, cycles, acc, per_step=source.timed)
        return total + Cost(weight_bits=width * depth)

    def input_cost(self, folding: Folding, source: Tensor) -> Cost:
        c, h, w = source.shape
        if self.folds(folding, source)[0] == 1:
            return Cost()
        vector = h * w * ceil_div(c, folding.lanes)  # sent once per output fold; the next one comes in meanwhile
        return self.fold_cost(folding, vector, folding.lanes * source.bits, vector)

    def outputs(self, source: Tensor) -> int:
        return 1

    def run(self, x: np.ndarray) -> np.ndarray:
        dtype = self.exact_float(x)
        w: np.ndarray = self.weight.reshape(self.weight.shape[0], -1).astype(dtype)
        sums: np.ndarray = (x.reshape(len(x), -1).astype(dtype) @ w.T).astype(np.int64)[:, :, None, None]
        return sums
