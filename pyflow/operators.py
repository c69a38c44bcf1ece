# SPDX-License-Identifier: Apache-2.0
"""Operators of the integer network. Each answers infer(), run(), cycles() and cost().

All arithmetic is exact integer arithmetic; `docs/numerics.md` is the authority. A radix spike word is
carried as its code (the T-bit unsigned number), so `acc[t]` summed by Horner is one product with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import ClassVar

import numpy as np

from pyflow import hardware as hw
from pyflow.errors import VolleyError
from pyflow.hardware import Cost, Folding, ceil_div


class Encoding(StrEnum):
    PIXEL = "pixel"  # 8-bit unsigned, one word per channel
    RADIX = "radix"  # T-bit word, earliest step in the MSB
    RATE = "rate"  # T-bit word, popcount is the value
    POTENTIAL = "potential"  # signed integer, not spikes


@dataclass(frozen=True, slots=True)
class Tensor:
    """One stream of the network. shape: (C, H, W). steps: T of the spike word (8 for pixels, 1 for
    potentials). bound: largest magnitude that can occur."""

    name: str
    shape: tuple[int, int, int]
    encoding: Encoding
    steps: int
    bound: int

    @property
    def bits(self) -> int:
        """Width of one word on the stream."""
        return hw.signed_width(self.bound) if self.encoding is Encoding.POTENTIAL else self.steps


def _frozen(array: np.ndarray, dtype: type) -> np.ndarray:
    out = np.array(array, dtype=dtype)
    out.setflags(write=False)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """name: unique; also the name of the output tensor. inputs: names of the operands' tensors."""

    name: str
    inputs: tuple[str, ...]
    kind: ClassVar[str] = ""

    def infer(self, *sources: Tensor) -> Tensor:
        """Output tensor for these operands. Raises VolleyError where the operator is illegal there."""
        raise NotImplementedError

    def run(self, *values: np.ndarray) -> np.ndarray:
        """Integer execution: int64 [N, C, H, W] in, int64 [N, C', H', W'] out."""
        raise NotImplementedError

    def cycles(self, folding: Folding, *sources: Tensor) -> int:
        """Busy cycles per frame of the core alone, never stalled."""
        raise NotImplementedError

    def cost(self, folding: Folding, *sources: Tensor) -> Cost:
        return Cost()

    def arrays(self) -> dict[str, np.ndarray]:
        return {f.name: getattr(self, f.name) for f in fields(self) if isinstance(getattr(self, f.name), np.ndarray)}

    def _fail(self, message: str) -> VolleyError:
        return VolleyError(f"{self.kind} {self.name!r}: {message}")

    def _want(self, source: Tensor, *encodings: Encoding) -> None:
        if source.encoding not in encodings:
            raise self._fail(f"input {source.name!r} is {source.encoding}, needs {' or '.join(encodings)}")


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


def _span(size: int, kernel: int, stride: int, padding: int) -> int:
    return (size + 2 * padding - kernel) // stride + 1


@dataclass(frozen=True, slots=True, eq=False)
class Windowed(Operator):
    """An operator over a sliding kernel window."""

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)

    def _check_window(self) -> None:
        if min(self.kernel) < 1 or min(self.stride) < 1:
            raise self._fail(f"kernel {self.kernel} and stride {self.stride} must be positive")
        if min(self.padding) < 0:
            raise self._fail(f"padding {self.padding} must not be negative")

    def spatial(self, source: Tensor) -> tuple[int, int]:
        """(H', W') of the output."""
        _, h, w = source.shape
        sides = zip((h, w), self.kernel, self.stride, self.padding, strict=True)
        out = tuple(_span(size, kernel, stride, padding) for size, kernel, stride, padding in sides)
        if min(out) < 1:
            raise self._fail(f"kernel {self.kernel} does not fit the {h}x{w} input with padding {self.padding}")
        return out  # type: ignore[return-value]

    def windows(self, x: np.ndarray, pad_code: np.ndarray | int = 0) -> np.ndarray:
        """[N, C, H, W] -> view [N, C, H', W', KH, KW]."""
        py, px = self.padding
        if py or px:
            n, c, h, w = x.shape
            padded = np.empty((n, c, h + 2 * py, w + 2 * px), x.dtype)
            padded[:] = np.broadcast_to(np.asarray(pad_code, x.dtype), (c,))[None, :, None, None]
            padded[:, :, py : py + h, px : px + w] = x
            x = padded
        view = np.lib.stride_tricks.sliding_window_view(x, self.kernel, axis=(2, 3))
        return view[:, :, :: self.stride[0], :: self.stride[1]]

    def line_cost(self, folding: Folding, source: Tensor) -> Cost:
        """Line buffer: a bank per kernel row, and the rotation that puts the rows in order."""
        c, h, w = source.shape
        kh, groups, word = self.kernel[0], ceil_div(c, folding.lanes), folding.lanes * source.bits
        depth = max(2, ceil_div(folding.rows or kh, kh) * w * groups)
        bank = hw.ram_cost(word, depth)
        # A multiplexer of up to 3 rows and the mask of a padded one fit a LUT6. Rows of disjoint windows
        # never move.
        fixed = self.stride[0] == kh and h % kh == 0 and self.padding[0] == 0
        rotate = kh * word * (0 if fixed else 1 if kh <= 3 else kh / 2)
        control = Cost(lut=2 * hw.CONTROL_LUT + kh * (depth - 1).bit_length(), ff=45 + kh * word)  # + output register
        return Cost(*(kh * v for v in bank.as_tuple())) + Cost(lut=rotate) + control

    def full_cost(self, folding: Folding, source: Tensor, word: int) -> Cost:
        """Window registers of columns of `word` bits, a mask bit for each where there is padding."""
        kw, groups = self.kernel[1], ceil_div(source.shape[0], folding.lanes)
        mask = kw * word if any(self.padding) else 0
        if groups > 2:  # the way from one column to the next is an SRL
            return Cost(lut=hw.CONTROL_LUT + mask + (kw - 1) * word, ff=word + 20)
        return Cost(lut=hw.CONTROL_LUT + mask, ff=((kw - 1) * groups + 1) * word + 20)

    def fold_cost(self, folding: Folding, items: int, word: int, span: int) -> Cost:
        """Folded window: a buffer of items of `word` bits that holds `span` of them, `items` at a time new."""
        depth = folding.window_depth or 1 << max(1, (span + items - 1).bit_length())
        place = 30 if any(self.padding) else 0  # is the item on the map?
        return hw.ram_cost(word, depth) + Cost(lut=2 * hw.CONTROL_LUT + place, ff=word + 2 * hw.CONTROL_FF)

    def window_cost(self, folding: Folding, source: Tensor) -> Cost:
        """Line buffer and window as `folding.slice` has them; shared by convolution and pooling."""
        c, _, w = source.shape
        (kh, kw), sx = self.kernel, self.stride[1]
        groups, word = ceil_div(c, folding.lanes), folding.lanes * source.bits
        if folding.slice == "all":
            return self.line_cost(folding, source) + self.full_cost(folding, source, kh * word)
        if folding.slice == "column":
            return self.line_cost(folding, source) + self.fold_cost(folding, sx * groups, kh * word, kw * groups)
        return self.fold_cost(folding, sx * groups, word, ((kh - 1) * w + kw) * groups)


@dataclass(frozen=True, slots=True, eq=False)
class Synapse(Windowed):
    """Common part of Conv and Linear: potentials sum_i w[o,i] * code_i.

    weight: int8 [Co, Ci, KH, KW]. weight_bits: W, narrow signed. pad_code: uint8 [Ci], the code a
    padded tap carries (not 0 where the input normalisation moves the zero).
    """

    weight: np.ndarray = field(default_factory=lambda: np.zeros((1, 1, 1, 1), np.int8))
    weight_bits: int = 4
    pad_code: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        if not 2 <= self.weight_bits <= 8:
            raise self._fail(f"W = {self.weight_bits} weight bits is outside 2..8")
        limit = 2 ** (self.weight_bits - 1) - 1
        weight = np.asarray(self.weight)
        if weight.size and (int(weight.max()) > limit or int(weight.min()) < -limit):
            worst = int(weight.flat[np.abs(weight.astype(np.int64)).argmax()])
            raise self._fail(f"weight {worst} is outside +-{limit} (W = {self.weight_bits}, narrow)")
        object.__setattr__(self, "weight", _frozen(weight, np.int8))
        object.__setattr__(self, "pad_code", _frozen(self.pad_code, np.int64))
        self._check_window()

    def matrix(self, source: Tensor) -> np.ndarray:
        """Weights as int64 [Co, H or KH, W or KW, C]: columns in stream order (channel fastest)."""
        return self.weight.astype(np.int64).transpose(0, 2, 3, 1)

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
        return ceil_div(self.weight.shape[0], folding.pe), slices * ceil_div(c, folding.lanes)

    def simd(self, folding: Folding, source: Tensor) -> int:
        kh, kw, _ = self.taps(source)
        return folding.lanes * {"all": kh * kw, "column": kh, "tap": 1}[folding.slice]

    def steps_per_cycle(self, folding: Folding, source: Tensor) -> int:
        tp = folding.tp or source.steps
        if source.steps % tp:
            raise self._fail(f"TP = {tp} does not divide T = {source.steps}")
        return tp

    def cycles(self, folding: Folding, source: Tensor) -> int:
        fo, fi = self.folds(folding, source)
        c, h, w = source.shape
        taps_in = ceil_div(c, folding.lanes) * h * w
        return max(taps_in, fo * fi * self.outputs(source) * (source.steps // self.steps_per_cycle(folding, source)))

    def cost(self, folding: Folding, source: Tensor) -> Cost:
        fo, fi = self.folds(folding, source)
        pe, simd, tp = folding.pe, self.simd(folding, source), self.steps_per_cycle(folding, source)
        width, depth = pe * simd * self.weight_bits, fo * fi
        if folding.memory == "auto":
            block = hw.goes_to_block_ram(width, depth)
        else:
            block = folding.memory in ("block", "writable")
        total = self.array_cost(pe, simd, tp, depth, source.steps // tp, self.infer(source).bits if fi > 1 else 0)
        total += hw.source_cost(width, depth, block=block) + Cost(weight_bits=width * depth)
        return total + self.input_cost(folding, source)

    def array_cost(self, pe: int, simd: int, tp: int, depth: int, passes: int, acc: int) -> Cost:
        """Synapse array fed from `depth` rows of weights, `passes` cycles per slice, adding slices up in
        `acc` bits (0: one slice)."""
        tree, tree_w = hw.tree_cost(simd, self.weight_bits), self.weight_bits + (simd - 1).bit_length()
        # A weight bit that is the same in all rows gives a register or adder bit that dissolves: about half
        # of a tree of constants does. Few rows also means few different columns, and equal ones are shared.
        same = 0.5 ** (depth - 1)
        gated = simd * tp * min(pe * self.weight_bits, 2 ** min(depth, 32) - 1)
        lut = pe * tp * tree.lut * (1 - 0.55 * same) + pe * (tp - 1) * (tree_w + 1)
        ff = pe * tp * tree.ff * (1 - 0.35 * same) + pe * (tp - 1) * (tree_w + 3) + gated
        lut += simd * tp * (depth > 1)  # reset of the weight registers
        lut += simd * tp * (ceil_div(passes, 4) if passes > 1 else 0)  # choice of this cycle's steps
        horner = pe * (tree_w + passes * tp) * (passes > 1)
        result = pe * (acc or tree_w + passes * tp)
        return Cost(lut=lut + horner + pe * acc + hw.CONTROL_LUT, ff=ff + horner + result + hw.CONTROL_FF)

    def input_cost(self, folding: Folding, source: Tensor) -> Cost:
        """What brings the slices to the array."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False)
class Conv(Synapse):
    """Spiking 2-D convolution, cross-correlation as in torch.nn.Conv2d (groups = 1, dilation = 1)."""

    kind: ClassVar[str] = "conv"

    def infer(self, source: Tensor) -> Tensor:
        self._want(source, Encoding.RADIX)
        co, ci = self.weight.shape[:2]
        if ci != source.shape[0]:
            raise self._fail(f"weight has {ci} input channels, input {source.name!r} has {source.shape[0]}")
        if self.pad_code.size not in (0, ci):
            raise self._fail(f"pad_code has {self.pad_code.size} entries, needs {ci}")
        if self.pad_code.size and int(self.pad_code.max()) > source.bound:
            raise self._fail(f"pad_code {int(self.pad_code.max())} is outside 0..{source.bound}")
        bound = int(np.abs(self.weight.astype(np.int64)).reshape(co, -1).sum(1).max()) * source.bound
        return Tensor(self.name, (co, *self.spatial(source)), Encoding.POTENTIAL, 1, bound)

    def taps(self, source: Tensor) -> tuple[int, int, int]:
        return (*self.kernel, source.shape[0])

    def input_cost(self, folding: Folding, source: Tensor) -> Cost:
        whole = (self.kernel, self.stride, self.folds(folding, source)[0]) == ((1, 1), (1, 1), 1)
        return Cost() if whole and folding.slice == "tap" else self.window_cost(folding, source)

    def outputs(self, source: Tensor) -> int:
        h, w = self.spatial(source)
        return h * w

    def run(self, x: np.ndarray) -> np.ndarray:
        # BLAS on float is exact here: every partial sum is an integer below 2^24 (2^53).
        co = self.weight.shape[0]
        limit = int(np.abs(self.weight.astype(np.int64)).reshape(co, -1).sum(1).max()) * max(1, int(x.max(initial=0)))
        dtype = np.float32 if limit < 2**24 else np.float64
        view = self.windows(x.astype(dtype), self.pad_code if self.pad_code.size else 0)
        out = np.tensordot(view, self.weight.astype(dtype), axes=((1, 4, 5), (1, 2, 3)))
        return np.ascontiguousarray(out.transpose(0, 3, 1, 2)).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Linear(Synapse):
    """Fully connected layer. weight: int8 [Co, C*H*W, 1, 1], columns in PyTorch's C,H,W order."""

    kind: ClassVar[str] = "linear"

    def infer(self, source: Tensor) -> Tensor:
        self._want(source, Encoding.RADIX)
        co, ci = self.weight.shape[:2]
        c, h, w = source.shape
        if ci != c * h * w:
            raise self._fail(f"weight has {ci} inputs, input {source.name!r} has {c}x{h}x{w} = {c * h * w}")
        bound = int(np.abs(self.weight.astype(np.int64)).reshape(co, -1).sum(1).max()) * source.bound
        return Tensor(self.name, (co, 1, 1), Encoding.POTENTIAL, 1, bound)

    def matrix(self, source: Tensor) -> np.ndarray:
        c, h, w = source.shape
        return self.weight.astype(np.int64).reshape(-1, c, h, w).transpose(0, 2, 3, 1)

    def taps(self, source: Tensor) -> tuple[int, int, int]:
        # The frame is one pixel whose "taps" are the H*W positions, each of C channels.
        c, h, w = source.shape
        return (h, w, c)

    def input_cost(self, folding: Folding, source: Tensor) -> Cost:
        c, h, w = source.shape
        if self.folds(folding, source)[0] == 1:
            return Cost()
        vector = h * w * ceil_div(c, folding.lanes)  # sent once per output fold; the next one comes in meanwhile
        return self.fold_cost(folding, vector, folding.lanes * source.bits, vector)

    def outputs(self, source: Tensor) -> int:
        return 1

    def run(self, x: np.ndarray) -> np.ndarray:
        flat = x.reshape(len(x), -1)
        w = self.weight.reshape(self.weight.shape[0], -1)
        limit = int(np.abs(w.astype(np.int64)).sum(1).max()) * max(1, int(flat.max(initial=0)))
        dtype = np.float32 if limit < 2**24 else np.float64
        return (flat.astype(dtype) @ w.T.astype(dtype)).astype(np.int64)[:, :, None, None]


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

    def __post_init__(self) -> None:
        object.__setattr__(self, "theta", _frozen(self.theta, np.int64))
        object.__setattr__(self, "bias", _frozen(self.bias, np.int64))
        if not 1 <= self.steps <= 8:
            raise self._fail(f"T = {self.steps} is outside 1..8")
        if not 0 <= self.exponent <= 24:
            raise self._fail(f"exponent e = {self.exponent} is outside 0..24")
        if self.theta.shape != self.bias.shape or self.theta.ndim != 1:
            raise self._fail(f"theta {self.theta.shape} and bias {self.bias.shape} must be one vector each")
        if int(self.theta.min()) < 1:
            raise self._fail(f"theta {int(self.theta.min())} of channel {int(self.theta.argmin())} must be positive")
        # Keeps every potential far inside int64 (reference) and 48 bits (hardware).
        if int(self.theta.max()) >= 2**36 or int(np.abs(self.bias).max()) >= 2**46:
            raise self._fail("theta or bias needs more than 46 bits; lower e or raise the weight scale")

    def infer(self, source: Tensor) -> Tensor:
        self._want(source, Encoding.POTENTIAL, Encoding.RADIX)
        if self.theta.size != source.shape[0]:
            raise self._fail(f"{self.theta.size} thresholds for {source.shape[0]} channels")
        return Tensor(self.name, source.shape, Encoding.RADIX, self.steps, 2**self.steps - 1)

    def clamped_bias(self, source: Tensor) -> np.ndarray:
        bound = source.bound << self.exponent
        return np.clip(self.bias, -bound - 1, self.theta * 2**self.steps + bound)

    def potential_width(self, source: Tensor) -> int:
        """V_W of DESIGN: wide enough that no potential and no comparison can overflow."""
        bound = source.bound << self.exponent
        peak = bound + np.abs(self.clamped_bias(source))
        return hw.signed_width(int(np.maximum(peak, self.theta << (self.steps - 1)).max()))

    def run(self, h: np.ndarray) -> np.ndarray:
        v = (h << self.exponent) + self.bias[None, :, None, None]
        return np.clip(v // self.theta[None, :, None, None], 0, 2**self.steps - 1)

    def cycles(self, folding: Folding, source: Tensor) -> int:
        c, h, w = source.shape
        return ceil_div(c, folding.pe) * h * w * (self.steps if folding.neuron == "serial" else 1)

    def cost(self, folding: Folding, source: Tensor) -> Cost:
        width, theta = self.potential_width(source), int(self.theta.max()).bit_length()
        rows = ceil_div(source.shape[0], folding.pe)
        if folding.neuron == "serial":
            # Per bit: integrate, compare, subtract or keep or load; a constant threshold saves one of them.
            lut, ff = (3.2 if rows > 1 else 2.3) * width, width + theta * (rows > 1) + 3 * self.steps
        elif rows > 1:
            # Per step and bit: compare, subtract or keep; v and theta travel through the stages.
            lut, ff = 1.9 * width * self.steps, 1.55 * width * self.steps
        else:  # thresholds are constants
            lut, ff = 0.9 * width * self.steps, 0.9 * width * self.steps
        bias = hw.signed_width(int(np.abs(self.clamped_bias(source)).max()))
        param, lanes = folding.pe * (theta + bias), folding.pe
        return Cost(lut=lanes * lut, ff=lanes * ff) + hw.source_cost(
            param, rows, block=hw.goes_to_block_ram(param, rows)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Readout(Operator):
    """The last layer does not fire: logit = 2^e * h + b."""

    bias: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    exponent: int = 0
    kind: ClassVar[str] = "readout"

    def __post_init__(self) -> None:
        object.__setattr__(self, "bias", _frozen(self.bias, np.int64))

    def infer(self, source: Tensor) -> Tensor:
        self._want(source, Encoding.POTENTIAL)
        if self.bias.size != source.shape[0]:
            raise self._fail(f"{self.bias.size} biases for {source.shape[0]} channels")
        bound = (source.bound << self.exponent) + int(np.abs(self.bias).max())
        if bound >= 2**31:
            raise self._fail(f"a logit can reach {bound}, which needs more than 32 bits; lower e = {self.exponent}")
        return Tensor(self.name, source.shape, Encoding.POTENTIAL, 1, bound)

    def run(self, h: np.ndarray) -> np.ndarray:
        return (h << self.exponent) + self.bias[None, :, None, None]

    def cycles(self, folding: Folding, source: Tensor) -> int:
        return ceil_div(source.shape[0], folding.pe) * source.shape[1] * source.shape[2]

    def cost(self, folding: Folding, source: Tensor) -> Cost:
        bits, bias = self.infer(source).bits, hw.signed_width(int(np.abs(self.bias).max()))
        rows = ceil_div(source.shape[0], folding.pe)
        # The bias meets only the bits of the potential; those above are its sign.
        return Cost(lut=folding.pe * source.bits * 0.8 + 5, ff=folding.pe * bits + 5) + hw.source_cost(
            folding.pe * bias, rows, block=hw.goes_to_block_ram(folding.pe * bias, rows)
        )


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


OPERATORS: dict[str, type[Operator]] = {
    op.kind: op for op in (Encode, Conv, Linear, RadixNeuron, Readout, MaxPool, SumPool)
}
