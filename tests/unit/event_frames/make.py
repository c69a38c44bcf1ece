# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Makes frames.npz: `python tests/unit/event_frames/make.py`, in an environment of its own that has tonic 1.7.0
(`pip install tonic==1.7.0`) and nothing of Volley.

A camera of 16 x 16 pixels sees a bar that moves right, left, down or up: its front edge makes ON events, its back edge
OFF events, both with jitter, and noise lies over all. tonic's ToFrame counts events into T = 8 frames.

x_train, x_test: int16 [N, T, 2, 16, 16], as tonic gives them. y_train, y_test: int64 [N].
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tonic.transforms import ToFrame

SIDE, STEPS, WIDTH, LASTS = 16, 8, 3, 100_000  # pixels, frames, of the bar, microseconds
SENSOR = (SIDE, SIDE, 2)
EVENT = np.dtype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])
NOISE = 30


def recording(direction: int, rng: np.random.Generator) -> np.ndarray:
    """Events of a bar; direction: 0 right, 1 left, 2 down, 3 up."""
    times, places, polarities = [], [], []
    for front in range(SIDE + WIDTH):
        at = front if direction % 2 == 0 else SIDE - 1 - front
        back = at - WIDTH if direction % 2 == 0 else at + WIDTH
        for place, on in ((at, True), (back, False)):
            if 0 <= place < SIDE:
                across = np.flatnonzero(rng.random(SIDE) < 0.8)
                times.append(LASTS * (front + rng.random(len(across))) / (SIDE + WIDTH))
                places += [(place, other) if direction < 2 else (other, place) for other in across]
                polarities += [on] * len(across)
    times.append(LASTS * rng.random(NOISE))
    places += [tuple(spot) for spot in rng.integers(0, SIDE, (NOISE, 2))]
    polarities += list(rng.random(NOISE) < 0.5)
    events = np.zeros(len(places), EVENT)
    events["t"] = np.concatenate(times)
    events["x"], events["y"] = np.array(places).T
    events["p"] = polarities
    return np.sort(events, order="t")


def main() -> None:
    rng = np.random.default_rng(0)
    to_frame = ToFrame(sensor_size=SENSOR, n_time_bins=STEPS)
    arrays: dict[str, Any] = {}
    for part, count in (("train", 160), ("test", 40)):
        y = np.arange(count) % 4
        arrays[f"x_{part}"] = np.stack([to_frame(recording(int(direction), rng)) for direction in y])
        arrays[f"y_{part}"] = y
    np.savez_compressed(Path(__file__).parent / "frames.npz", **arrays)
    print({name: (array.dtype, array.shape, array.max()) for name, array in arrays.items()})


if __name__ == "__main__":
    main()
