# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What every operator of the integer network answers: infer() and run().

All arithmetic is exact integer arithmetic; `docs/numerics.md` is the authority. A radix spike word is
carried as its code (the T-bit unsigned number), so `acc[t]` summed by Horner is one product with it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar, get_type_hints

import numpy as np

from pyflow.errors import VolleyError
from pyflow.integers import signed_width


class Encoding(StrEnum):
    PIXEL = "pixel"  # 8-bit unsigned, one word per channel, static
    SIGNAL = "signal"  # 8-bit unsigned, one per time step
    RADIX = "radix"  # T-bit word, earliest step in the MSB; static
    RATE = "rate"  # spikes that all count alike
    TTFS = "ttfs"  # spikes of which the first counts, by its time
    PHASE = "phase"  # step t counts 2^-(1 + t mod 8)
    COUNT = "count"  # unsigned integer, not spikes
    POTENTIAL = "potential"  # signed integer, not spikes


SPIKES = (Encoding.RATE, Encoding.TTFS)  # trains of spikes that synapses and pools take
WORDS = (Encoding.SIGNAL, Encoding.COUNT)  # numbers without sign per time step: to a synapse, words of their bits


@dataclass(frozen=True, slots=True)
class Tensor:
    """One stream of the network. shape: (C, H, W). steps: T (of a static tensor: of its word; 8 for pixels,
    1 for static potentials). bound: largest magnitude of a number (1 for spikes). timed: has a value for each
    of `steps` time steps. block: TB, the steps that a beat carries (docs/numerics.md, Time)."""

    name: str
    shape: tuple[int, int, int]
    encoding: Encoding
    steps: int
    bound: int
    timed: bool = False
    block: int = 1

    @property
    def number_bits(self) -> int:
        """Width of one number: of a word, or of one step of a timed tensor."""
        match self.encoding:
            case Encoding.POTENTIAL:
                return signed_width(self.bound)
            case Encoding.COUNT:
                return max(1, self.bound.bit_length())
            case Encoding.RATE | Encoding.TTFS | Encoding.PHASE:
                return 1
            case Encoding.SIGNAL | Encoding.PIXEL:
                return 8
        return self.steps

    @property
    def bits(self) -> int:
        """Width of one lane of the stream: TB numbers of a timed tensor."""
        return self.number_bits * (self.block if self.timed else 1)

    @property
    def word(self) -> bool:
        """Is it a number without sign in every time step?"""
        return self.encoding in WORDS

    @property
    def beat_steps(self) -> int:
        """Binary planes of a lane's beat: TB steps, or the bits of a word, each of which counts as a step does in a
        static word."""
        if self.word:
            return self.number_bits
        return self.block if self.timed else self.steps

    @property
    def per_step(self) -> bool:
        """Do a beat's planes give a sum each? Those of a word give one."""
        return self.timed and not self.word

    @property
    def passes(self) -> int:
        """Raster scans per frame."""
        return self.steps // self.block if self.timed else 1


def frozen(array: np.ndarray, dtype: type) -> np.ndarray:
    out: np.ndarray = np.array(array, dtype=dtype)
    out.setflags(write=False)
    return out


def magnitude(values: np.ndarray) -> int:
    """Largest |value|, exact (np.abs of the lowest int64 is negative)."""
    return max(int(values.max()), -int(values.min()))


SHAPES = {int: (), bool: (), tuple[int, int]: (2,)}  # of the integers in a field of that type; arrays have any


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """name: unique; also the name of the output tensor. inputs: names of the operands' tensors.

    Every number is an integer: __post_init__ makes arrays read-only int64 and scalars int, and refuses what that
    would change. Of the fields in `narrow`, int8 stays int8: eight times as much would be for nothing. An operator
    with a __post_init__ of its own calls it first.
    """

    name: str
    inputs: tuple[str, ...]
    kind: ClassVar[str] = ""
    operands: ClassVar[int] = 1
    narrow: ClassVar[tuple[str, ...]] = ()
    pixelwise: ClassVar[bool] = False  # its core takes several pixels per beat
    each_step: ClassVar[bool] = True  # a timed operand is worked on step by step: run() sees [N, C, H, W]

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for key in (f.name for f in fields(self) if hints[f.name] in (*SHAPES, np.ndarray)):
            hint, given = hints[key], getattr(self, key)
            value: Any = self._integers(key, given)
            if hint is not np.ndarray:
                if value.shape != SHAPES[hint]:
                    raise self._fail(f"{key} {given!r} must be {'two integers' if SHAPES[hint] else 'one integer'}")
                value = tuple(value.tolist()) if SHAPES[hint] else hint(value)
            object.__setattr__(self, key, value)

    def _integers(self, key: str, given: Any) -> np.ndarray:
        """`given` as read-only int64; floats only where they are whole."""
        try:
            array = np.asarray(given)
        except ValueError:  # rows of unequal length
            raise self._fail(f"{key} is no array: its rows differ in length") from None
        if array.dtype.kind not in "biuf":
            raise self._fail(f"{key} has dtype {array.dtype}, needs integers of 64 bits")
        if key in self.narrow and array.dtype == np.int8:
            return frozen(array, np.int8)
        with np.errstate(invalid="ignore"):
            values = frozen(array, np.int64)
        changed = values != array
        if changed.any():
            raise self._fail(f"{key} {array[changed][0]} is not an integer of 64 bits; scale and round it first")
        return values

    def check_operands(self) -> None:
        """Raises VolleyError where `inputs` names more or fewer tensors than infer() and run() take."""
        if len(self.inputs) != self.operands:
            names = ", ".join(map(repr, self.inputs)) or "none"
            takes = "1 input" if self.operands == 1 else f"{self.operands} inputs"
            raise self._fail(f"takes {takes}, not {len(self.inputs)} ({names})")

    def infer(self, *sources: Tensor) -> Tensor:
        """Output tensor for these operands. Raises VolleyError where the operator is illegal there."""
        raise NotImplementedError

    def needs_one_step(self, *sources: Tensor) -> bool:
        """Does its core take one time step per beat only?"""
        return False

    def run(self, *values: np.ndarray) -> np.ndarray:
        """Integer execution: int64 [N, C, H, W] in, int64 [N, C', H', W'] out.

        Where `each_step` is False, a timed operand or result is whole: int64 [N, T, C, H, W].
        """
        raise NotImplementedError

    def arrays(self) -> dict[str, np.ndarray]:
        return {f.name: getattr(self, f.name) for f in fields(self) if isinstance(getattr(self, f.name), np.ndarray)}

    def _fail(self, message: str) -> VolleyError:
        return VolleyError(f"{self.kind} {self.name!r}: {message}")

    def _want(self, source: Tensor, *encodings: Encoding) -> None:
        if source.encoding not in encodings:
            raise self._fail(f"input {source.name!r} is {source.encoding}, needs {' or '.join(encodings)}")

    def _check_exponent(self, exponent: int) -> None:
        if not 0 <= exponent <= 24:
            raise self._fail(f"exponent e = {exponent} is outside 0..24")

    def _refuse_phase(self, source: Tensor) -> None:
        if source.encoding is Encoding.PHASE:
            raise self._fail(f"input {source.name!r} is phase-coded, which no neuron decodes; use radix with T = 8")


@dataclass(frozen=True, slots=True, eq=False)
class Stateful(Operator):
    """An operator with a state per neuron, carried from step to step."""

    each_step: ClassVar[bool] = False

    def initial(self, frames: int, *sources: Tensor) -> Any:
        """State at the start of a frame, for a batch of `frames`; arrays [N, C, H, W]."""
        raise NotImplementedError

    def step(self, state: Any, *values: np.ndarray) -> tuple[np.ndarray, Any]:
        """(output [N, C', H', W'], new state) of one time step; values: int64 [N, C, H, W]."""
        raise NotImplementedError

    def run_steps(self, *values: np.ndarray, sources: tuple[Tensor, ...]) -> np.ndarray:
        """All steps of a frame: int64 [N, T, C, H, W] in, int64 [N, T, C', H', W'] out."""
        state, out = self.initial(len(values[0]), *sources), []
        for t in range(values[0].shape[1]):
            y, state = self.step(state, *(v[:, t] for v in values))
            out.append(y)
        return np.stack(out, 1)


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
