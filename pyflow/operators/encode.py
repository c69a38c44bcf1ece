# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The encoders at the network's input: pixels and signals to spikes (docs/numerics.md, Encoders with time)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

import numpy as np

from pyflow.operators.base import Encoding, Operator, Stateful, Tensor

MAX_STEPS = 2**23  # of a frame: an encoder's product of T and an 8-bit pixel has 32 bits (volley_scale)


@dataclass(frozen=True, slots=True, eq=False)
class Encode(Operator):
    """Radix encoder: min((p + 2^(7-T)) >> (8-T), 2^T - 1), and p itself for T = 8."""

    steps: int = 4
    kind: ClassVar[str] = "encode"
    pixelwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Operator.__post_init__(self)
        if not 1 <= self.steps <= 8:
            raise self._fail(f"T = {self.steps} is outside 1..8")

    def infer(self, source: Tensor) -> Tensor:
        self._want(source, Encoding.PIXEL)
        return Tensor(self.name, source.shape, Encoding.RADIX, self.steps, 2**self.steps - 1)

    def run(self, x: np.ndarray) -> np.ndarray:
        if self.steps == 8:
            return x
        codes: np.ndarray = np.minimum((x + (1 << (7 - self.steps))) >> (8 - self.steps), 2**self.steps - 1)
        return codes


# ---------------------------------------------------------------------- static values to values over time
@dataclass(frozen=True, slots=True, eq=False)
class OverTime(Operator):
    """Makes a static tensor one of `steps` time steps: int64 [N, C, H, W] to [N, T, C, H, W]."""

    steps: int = 16
    each_step: ClassVar[bool] = False
    takes: ClassVar[Encoding] = Encoding.PIXEL
    gives: ClassVar[Encoding] = Encoding.RATE

    def __post_init__(self) -> None:
        Operator.__post_init__(self)
        if not 1 <= self.steps <= MAX_STEPS:
            raise self._fail(f"T = {self.steps} is outside 1..{MAX_STEPS}")

    def infer(self, source: Tensor) -> Tensor:
        self._want(source, self.takes)
        if source.timed:
            raise self._fail(f"input {source.name!r} has {source.steps} time steps already")
        return Tensor(self.name, source.shape, self.gives, self.steps, 1, timed=True, block=self.steps)


@lru_cache(maxsize=4)
def _draws(seed: int, count: int) -> np.ndarray:
    """r[0 .. count-1] of the LFSR, uint8. The step from one draw to the next is linear over GF(2): the states so
    far, each moved on by as many draws as there are, are as many again."""
    images: np.ndarray = np.uint32(1) << np.arange(32, dtype=np.uint32)
    for _ in range(8):  # what becomes of each bit of the state in one draw
        images = (images >> 1) ^ np.where(images & 1, np.uint32(0xA3000000), np.uint32(0))

    def moved(states: np.ndarray) -> np.ndarray:
        out = np.zeros_like(states)
        for bit, image in enumerate(images):
            out ^= (states >> np.uint32(bit) & np.uint32(1)) * image
        return out

    states = np.array([seed], np.uint32)
    while states.size < count:
        states = np.concatenate([states, moved(states[: count - states.size])])
        images = moved(images)
    draws: np.ndarray = states.astype(np.uint8)
    draws.setflags(write=False)
    return draws


@dataclass(frozen=True, slots=True, eq=False)
class RateEncode(OverTime):
    """Rate encoder: a pixel p spikes in about p/256 of the steps.

    mode "random": where a draw of the LFSR, seeded anew in every frame, is below p. "regular": where the floor
    of (t*p + 128)/256 grows, so that the first t steps hold floor((t*p + 128)/256) spikes.
    """

    mode: str = "random"
    seed: int = 1
    kind: ClassVar[str] = "encode_rate"

    def __post_init__(self) -> None:
        OverTime.__post_init__(self)
        if self.mode not in ("random", "regular"):
            raise self._fail(f"mode={self.mode!r} is unknown; use random or regular")
        if not 1 <= self.seed < 2**32:
            raise self._fail(f"seed = {self.seed} is outside 1..{2**32 - 1}")

    def run(self, x: np.ndarray) -> np.ndarray:
        p = x[:, None]
        if self.mode == "random":
            _, c, h, w = x.shape
            r = _draws(self.seed, self.steps * h * w * c).reshape(self.steps, h, w, c)  # channel fastest
            return (r.transpose(0, 3, 1, 2) < p).astype(np.int64)
        return np.diff((_steps(self.steps + 1) * p + 128) // 256, axis=1)


def _steps(count: int) -> np.ndarray:
    """t = 0 .. count-1 as [T, 1, 1, 1]."""
    return np.arange(count).reshape(-1, 1, 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class TTFSEncode(OverTime):
    """Time to first spike: one spike, at step floor((255 - p)*T/256); none for p = 0."""

    kind: ClassVar[str] = "encode_ttfs"
    gives: ClassVar[Encoding] = Encoding.TTFS

    def run(self, x: np.ndarray) -> np.ndarray:
        p = x[:, None]
        return np.asarray((p > 0) & (_steps(self.steps) == (255 - p) * self.steps // 256), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class PhaseEncode(OverTime):
    """Phase encoder: the pixel's eight bits, the highest first, over and over."""

    kind: ClassVar[str] = "encode_phase"
    gives: ClassVar[Encoding] = Encoding.PHASE

    def run(self, x: np.ndarray) -> np.ndarray:
        bits: np.ndarray = x[:, None] >> (7 - _steps(self.steps) % 8) & 1
        return bits


@dataclass(frozen=True, slots=True, eq=False)
class BurstEncode(OverTime):
    """Burst encoder: floor((count*p + 255)/256) spikes from step 0 on, isi_max - floor((isi_max - isi_min)*p/256)
    steps apart, as far as T goes."""

    isi_min: int = 1
    isi_max: int = 4
    count: int = 4
    kind: ClassVar[str] = "encode_burst"

    def __post_init__(self) -> None:
        OverTime.__post_init__(self)
        if not 1 <= self.isi_min <= self.isi_max <= MAX_STEPS:
            raise self._fail(f"isi_min = {self.isi_min}, isi_max = {self.isi_max} must rise within 1..{MAX_STEPS}")
        if not 1 <= self.count <= 255:
            raise self._fail(f"count = {self.count} is outside 1..255")

    def run(self, x: np.ndarray) -> np.ndarray:
        p, t = x[:, None], _steps(self.steps)
        isi = self.isi_max - (self.isi_max - self.isi_min) * p // 256
        spikes = (self.count * p + 255) // 256
        return np.asarray((t % isi == 0) & (t // isi < spikes), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Direct(OverTime):
    """Direct current: a static potential, the same at every step.

    No core of its own: the replay core sends the frame again in every pass. A beat carries one number per lane for
    all its steps, so only a LIF neuron reads it, or any operator where TB = 1.
    """

    kind: ClassVar[str] = "direct"
    takes: ClassVar[Encoding] = Encoding.POTENTIAL
    gives: ClassVar[Encoding] = Encoding.POTENTIAL

    def infer(self, source: Tensor) -> Tensor:
        return replace(OverTime.infer(self, source), bound=source.bound)

    def run(self, x: np.ndarray) -> np.ndarray:
        return np.broadcast_to(x[:, None], (len(x), self.steps, *x.shape[1:]))


# ---------------------------------------------------------------------- signals
@dataclass(frozen=True, slots=True, eq=False)
class DeltaEncode(Stateful):
    """Encoder of a signal's changes; channel c spikes ON (channel c) and OFF (channel C + c).

    d = x[t] - q is compared with theta and -theta. mode "delta": q is the sample before. "sigma-delta": q follows
    the spikes, q += theta*(ON - OFF). q is 0 at the start of a frame.
    """

    mode: str = "delta"
    theta: int = 16
    kind: ClassVar[str] = "encode_delta"

    def __post_init__(self) -> None:
        Stateful.__post_init__(self)
        if self.mode not in ("delta", "sigma-delta"):
            raise self._fail(f"mode={self.mode!r} is unknown; use delta or sigma-delta")
        if not 1 <= self.theta <= 255:
            raise self._fail(f"theta = {self.theta} is outside 1..255")

    def infer(self, source: Tensor) -> Tensor:
        self._want(source, Encoding.SIGNAL)
        c, h, w = source.shape
        return Tensor(self.name, (2 * c, h, w), Encoding.RATE, source.steps, 1, timed=True, block=source.block)

    def initial(self, frames: int, source: Tensor) -> np.ndarray:
        """q, int64 [N, C, H, W]."""
        return np.zeros((frames, *source.shape), np.int64)

    def step(self, state: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        d = x - state
        on, off = (d >= self.theta).astype(np.int64), (d <= -self.theta).astype(np.int64)
        after = x if self.mode == "delta" else state + self.theta * (on - off)
        return np.concatenate([on, off], 1), after
