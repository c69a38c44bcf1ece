# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Log-mel codes: against the formula in floats, bit for bit from run to run, and what is refused."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from pyflow.errors import VolleyError
from pyflow.runtime.logmel import LogMel, log2_codes

HEARD = 12 * 26  # L above which the floors of a and b say nothing


def sound(kind: str, count: int = 7000) -> np.ndarray:
    """int16 [count], of integers alone: the same on every computer."""
    n = np.arange(count, dtype=np.int64)
    if kind == "noise":
        state, out = 1, []
        for _ in range(count):
            state = (1103515245 * state + 12345) % 2**31
            out.append((state >> 15) - 2**15)
        return np.array(out, np.int16)
    if kind == "sweep":  # a triangle wave whose period falls, with a slow envelope
        phase = n * (40 + n // 40) % 16384
        return ((np.abs(phase - 8192) - 4096) * (n % 2000) // 600).astype(np.int16)
    return np.where(n // 37 % 2, 32767, -32768).astype(np.int16)  # rails


def in_floats(mel: LogMel, samples: np.ndarray) -> np.ndarray:
    """L of the definition, nothing rounded."""
    tables = mel.tables()
    padded = np.zeros((mel.frames - 1) * mel.hop + mel.size)
    padded[: len(samples)] = samples[: len(padded)]
    windows = np.stack([padded[f * mel.hop : f * mel.hop + mel.size] for f in range(mel.frames)])
    spectrum = np.fft.rfft(windows * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(mel.size) / mel.size)))
    return np.asarray(12 * np.log2(np.maximum(1, np.abs(spectrum) ** 2 @ tables.mel_exact)))


@pytest.mark.parametrize("kind", ["noise", "sweep", "rails"])
@pytest.mark.parametrize("mel", [LogMel(), LogMel(16000, 512, 160, 40, 20), LogMel(8000, 128, 64, 12, 9)], ids=str)
def test_formula_in_floats(kind: str, mel: LogMel) -> None:
    level, exact = mel.levels(sound(kind)), in_floats(mel, sound(kind))
    heard = exact > HEARD
    assert heard.mean() > 0.4
    assert np.abs(level - exact)[heard].max() < 1


@pytest.mark.parametrize("kind", ["noise", "sweep", "rails"])
def test_sums_are_exact(kind: str) -> None:
    """The products in float64 are those in int64."""
    mel = LogMel()
    windows = sound(kind)[: 25 * 256].reshape(25, 256)
    wave = mel.tables().wave
    assert (wave == wave.astype(np.int64)).all()
    np.testing.assert_array_equal(
        (windows.astype(float) @ wave).astype(np.int64), windows.astype(np.int64) @ wave.astype(np.int64)
    )


@pytest.mark.parametrize(
    ("kind", "stored"),
    [("noise", "123905c4f53b919f"), ("sweep", "570fe3c921e777d1"), ("rails", "c6d53f818bbe16d5")],
)
def test_same_bits_everywhere(kind: str, stored: str) -> None:
    """Checksums that one computer made: another, with other libraries, makes the same codes."""
    assert hashlib.sha256(LogMel().codes(sound(kind)).tobytes()).hexdigest()[:16] == stored


@pytest.mark.parametrize("mel", [LogMel(), LogMel(16000, 512, 160, 40, 20)], ids=str)
def test_no_table_entry_near_a_half(mel: LogMel) -> None:
    """A library whose cosine is off by 1e-9 rounds every entry alike."""
    tables = mel.tables()
    for exact in (tables.wave_exact, tables.mel_exact, tables.log_exact):
        assert np.abs(exact - np.floor(exact) - 0.5).min() > 1e-7


def test_logarithm() -> None:
    log = LogMel().tables().log
    energy = np.array([1, 2, 3, 255, 256, 257, 2**40, 2**62])
    codes = log2_codes(energy, log)
    assert codes[0] == 0
    assert codes[-1] == 12 * 62
    assert np.abs(codes - 12 * np.log2(energy)).max() < 0.6
    assert (np.diff(log2_codes(np.arange(1, 5000), log)) >= 0).all()


def test_silence_ends_and_long_recordings() -> None:
    mel, heard = LogMel(), sound("noise")
    assert not mel.codes(np.zeros(0, np.int16)).any()
    assert not mel.codes(np.zeros(9000, np.int16)).any()
    codes = mel.codes(heard)
    assert codes.shape == (32, 32)
    assert codes.dtype == np.uint8
    assert codes.max() == 255
    np.testing.assert_array_equal(codes, mel.codes(np.concatenate([heard, heard])))
    short = mel.codes(heard[:2000])
    assert short[:8].all()
    assert not short[10:].any()


def test_half_as_loud_is_the_same() -> None:
    """A code counts from the loudest place."""
    heard = sound("noise")
    quiet = (heard >> 1).astype(np.int16)
    difference = LogMel().codes(heard).astype(int) - LogMel().codes(quiet)
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LogMel(hop=0), r"log-mel: hop 0 is outside 1\.\.1024"),
        (lambda: LogMel(size=4096), r"log-mel: size 4096 is outside 16\.\.1024"),
        (lambda: LogMel(size=64, channels=40), "lies between two of 33 frequencies; use fewer channels"),
        (lambda: LogMel().codes(np.zeros(8)), r"samples are float64 \(8,\); needs one vector of int16"),
        (lambda: LogMel().codes(np.zeros((8, 2), np.int16)), r"samples are int16 \(8, 2\); needs one vector"),
    ],
)
def test_refused(make: object, message: str) -> None:
    with pytest.raises(VolleyError, match=message):
        make()  # type: ignore[operator]
