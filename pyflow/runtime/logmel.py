# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Log-mel codes of sound, in integers: what a host sends to a network that listens.

With samples x (16 bit), frame f, window position n, frequency k, channel m:

    a[f,k] = (sum_n x[HOP*f + n]*C[n,k]) >> 20        C = round(2^20*hann[n]*cos(2*pi*k*n/SIZE))
    b[f,k] = (sum_n x[HOP*f + n]*S[n,k]) >> 20        S = round(2^20*hann[n]*sin(2*pi*k*n/SIZE))
    E[f,m] = max(1, sum_k G[k,m]*(a^2 + b^2))         G = round(2^12*triangle m of the mel scale)
    L[f,m] = 12*e + R[i]                              e = floor(log2 E), i the 8 bits behind E's leading one
                                                      R = round(12*log2(1 + i/256))
    code   = clip(L - max(255, max L) + 255, 0, 255)

A code is 1/12 of an octave of power, 0.25 dB; 255 is the loudest place of the recording, 0 lies 64 dB below it. Samples
beyond the end count as 0. All sums are of integers: the codes are the same on every computer. No entry of C, S, G or R
lies so near a half that libraries of functions could round it differently; a test holds that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from pyflow.errors import VolleyError

WAVE_BITS, MEL_BITS = 20, 12  # fraction bits of C and S, of G
PER_OCTAVE = 12  # codes per octave of power
MANTISSA = 8  # bits behind the leading one that the logarithm reads
TOP = 255
LOWEST_HZ = 60.0
MOST_SIZE = 1024  # keeps E below 2^62: the powers of all frequencies add up to less than SIZE*sum x^2 = 2^50


class Tables(NamedTuple):
    """wave: float64 [SIZE, 2*K] of integers, C beside S. mel: G, int64 [K, M]. log: R, int64 [256]. Each with what it
    rounds."""

    wave: np.ndarray
    wave_exact: np.ndarray
    mel: np.ndarray
    mel_exact: np.ndarray
    log: np.ndarray
    log_exact: np.ndarray


@dataclass(frozen=True)
class LogMel:
    """rate: samples per second. size: samples of a window. hop: samples from one to the next. channels, frames: of the
    codes; a longer recording is cut."""

    rate: int = 8000
    size: int = 256
    hop: int = 200
    channels: int = 32
    frames: int = 32

    def __post_init__(self) -> None:
        for name, low, high in (("rate", 1000, 192000), ("size", 16, MOST_SIZE), ("hop", 1, MOST_SIZE),
                                ("channels", 1, 256), ("frames", 1, 65536)):  # fmt: skip
            value = getattr(self, name)
            if not low <= value <= high:
                raise VolleyError(f"log-mel: {name} {value} is outside {low}..{high}")
        if not self.tables().mel.any(0).all():
            raise VolleyError(
                f"log-mel: a channel of {self.channels} lies between two of {self.size // 2 + 1} frequencies; "
                "use fewer channels or a larger size"
            )

    def tables(self) -> Tables:
        return _tables(self.rate, self.size, self.channels)

    def codes(self, samples: np.ndarray) -> np.ndarray:
        """uint8 [frames, channels] of int16 `samples`, one recording.

        Raises VolleyError if they are no vector of int16.
        """
        samples = np.asarray(samples)
        if samples.ndim != 1 or samples.dtype != np.int16:
            raise VolleyError(f"log-mel: samples are {samples.dtype} {samples.shape}; needs one vector of int16")
        level = self.levels(samples)
        return np.asarray(np.clip(level - max(TOP, int(level.max())) + TOP, 0, TOP).astype(np.uint8))

    def levels(self, samples: np.ndarray) -> np.ndarray:
        """L: int64 [frames, channels], in 1/12 octaves of power."""
        tables = self.tables()
        needed = (self.frames - 1) * self.hop + self.size
        padded = np.zeros(needed)
        padded[: len(samples)] = samples[:needed]
        at = np.arange(self.frames)[:, None] * self.hop + np.arange(self.size)
        # Integers in float64: every partial sum is below 2^15*2^20*2^10 = 2^45, below 2^53, and so exact in any order.
        wave = (padded[at] @ tables.wave).astype(np.int64) >> WAVE_BITS
        real, imaginary = wave[:, : self.size // 2 + 1], wave[:, self.size // 2 + 1 :]
        energy = np.maximum(1, (real * real + imaginary * imaginary) @ tables.mel)
        return log2_codes(energy, tables.log)


def log2_codes(energy: np.ndarray, log: np.ndarray) -> np.ndarray:
    """12*log2 of int64 `energy`, 1 .. 2^62, by table."""
    exponent, rest = np.zeros_like(energy), energy.copy()
    for shift in (32, 16, 8, 4, 2, 1):
        large = rest >> shift > 0
        exponent += large * shift
        rest = np.where(large, rest >> shift, rest)
    # The bits behind the leading one, moved to the place of the table's index.
    mantissa = np.where(exponent > MANTISSA, energy >> np.maximum(exponent - MANTISSA, 0),
                        energy << np.maximum(MANTISSA - exponent, 0))  # fmt: skip
    return np.asarray(PER_OCTAVE * exponent + log[mantissa - (1 << MANTISSA)])


@lru_cache(maxsize=8)
def _tables(rate: int, size: int, channels: int) -> Tables:
    n, k = np.arange(size), np.arange(size // 2 + 1)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / size)
    turn = 2 * np.pi / size * (n[:, None] * k % size)
    wave = np.concatenate([hann[:, None] * np.cos(turn), hann[:, None] * np.sin(turn)], axis=1) * 2.0**WAVE_BITS

    def mel(hz: np.ndarray | float) -> np.ndarray:
        return np.asarray(2595.0 * np.log10(1.0 + np.asarray(hz) / 700.0))

    edges = 700.0 * (10.0 ** (np.linspace(mel(LOWEST_HZ), mel(rate / 2), channels + 2) / 2595.0) - 1.0)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    hz = (k * rate / size)[:, None]
    triangle = np.maximum(0.0, np.minimum((hz - low) / (centre - low), (high - hz) / (high - centre))) * 2.0**MEL_BITS
    log = PER_OCTAVE * np.log2(1 + np.arange(1 << MANTISSA) / (1 << MANTISSA))
    return Tables(np.rint(wave), wave, np.rint(triangle).astype(np.int64), triangle, np.rint(log).astype(np.int64), log)
