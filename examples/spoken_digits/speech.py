# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The Free Spoken Digit Dataset as log-mel codes, and its split.

DATA is the folder of its recordings (`7_jackson_32.wav`: digit, speaker, take; 8 kHz, mono, 16 bit), or an .npz:
audio int16 of all recordings one after another, offset [N + 1] where each begins, label, speaker and take [N].
"""

from __future__ import annotations

import re
import wave
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from pyflow.errors import VolleyError
from pyflow.runtime import LogMel

TEST = range(5)  # takes: the authors' split
VALIDATION = range(5, 10)  # takes of the training set that chose settings and epochs
WHERE = "get the Free Spoken Digit Dataset (Jakobovski et al.; on GitHub as free-spoken-digit-dataset)"
NAME = re.compile(r"(\d)_([a-z]+)_(\d+)\.wav")


@dataclass(frozen=True, eq=False)
class Speech:
    """codes: uint8 [N, T, C]. late: the same recordings, half a hop later. label, speaker, take: int64 [N]."""

    codes: np.ndarray
    late: np.ndarray
    label: np.ndarray
    speaker: np.ndarray
    take: np.ndarray

    def chosen(self, mask: np.ndarray) -> Speech:
        return Speech(self.codes[mask], self.late[mask], self.label[mask], self.speaker[mask], self.take[mask])

    @property
    def test(self) -> Speech:
        return self.chosen(np.isin(self.take, TEST))

    @property
    def train(self) -> Speech:
        return self.chosen(~np.isin(self.take, TEST))


def load(path: str | Path, mel: LogMel) -> Speech:
    """Raises VolleyError naming what is missing or no such file."""
    path = Path(path)
    if path.is_dir():
        recordings, label, speaker, take = _folder(path, mel.rate)
    elif path.suffix == ".npz" and path.is_file():
        recordings, label, speaker, take = _archive(path)
    else:
        raise VolleyError(
            f"data {str(path)!r}: is no folder of .wav files and no .npz; {WHERE} and give DATA=its folder"
        )
    return Speech(
        np.stack([mel.codes(r) for r in recordings]),
        np.stack([mel.codes(r[mel.hop // 2 :]) for r in recordings]),
        *(np.asarray(x, np.int64) for x in (label, speaker, take)),
    )


def _folder(path: Path, rate: int) -> tuple[list[np.ndarray], list[int], list[int], list[int]]:
    matches = ((NAME.fullmatch(file.name), file) for file in path.iterdir())
    found = sorted((match.groups(), file) for match, file in matches if match)
    if not found:
        raise VolleyError(f"data {str(path)!r}: holds no file named as 7_jackson_32.wav; give the folder recordings")
    names = sorted({groups[1] for groups, _ in found})
    recordings = []
    for _, file in found:
        try:
            with wave.open(str(file)) as sound:
                kind = (sound.getframerate(), sound.getnchannels(), sound.getsampwidth())
                samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(np.int16)
        except (wave.Error, EOFError, ValueError) as e:
            raise VolleyError(f"{file}: is no readable .wav file ({e}); get it again") from None
        if kind != (rate, 1, 2):
            raise VolleyError(
                f"{file}: has {kind[0]} Hz, {kind[1]} channels, {8 * kind[2]} bit; needs {rate} Hz, 1, 16"
            )
        recordings.append(samples)
    groups = [g for g, _ in found]
    return recordings, [int(g[0]) for g in groups], [names.index(g[1]) for g in groups], [int(g[2]) for g in groups]


def _archive(path: Path) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            audio, offset = file["audio"], file["offset"]
            label, speaker, take = file["label"], file["speaker"], file["take"]
    except (KeyError, ValueError, OSError) as e:
        raise VolleyError(f"{path}: needs audio, offset, label, speaker, take ({e}); {WHERE}") from None
    if audio.dtype != np.int16 or len(offset) != len(label) + 1:
        raise VolleyError(
            f"{path}: audio is {audio.dtype} with {len(offset)} offsets; needs int16 and {len(label) + 1}"
        )
    recordings = [audio[a:b] for a, b in pairwise(offset)]
    return recordings, label, speaker, take
