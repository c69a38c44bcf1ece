# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Samples of a spiking model: what their numbers stand for, and the frames of the network that they are.

Without an axis of time they are images, by the one rule for images (pyflow.frames.pictures). With one they are spikes
of 0 and 1; or samples by the rule for images, floats in [0, 1] or integers 0..255; or counts of events, whole floats.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from pyflow.errors import VolleyError
from pyflow.frames import as_array, pictures
from pyflow.model.spiking import PIXEL

COUNTS = 255  # the largest count of events in a step: a byte of the host


def checked(sample: Any, time_axis: int | None) -> tuple[torch.Tensor, float]:
    """(`sample` as float32, what the model takes; the real value of one code where it changes and is no spikes, else
    0). Raises VolleyError where it is out of range."""
    if time_axis not in (None, 0, 1):
        raise VolleyError(f"time_axis {time_axis!r} must be 0 ([T, N, ...]), 1 ([N, T, ...]), or None for no time")
    array = as_array(sample, "sample")
    if time_axis is None:
        return _grey(array), 0.0
    if array.dtype.kind not in "buif":
        raise VolleyError(f"sample: dtype {array.dtype} is no train of spikes and no signal; give numbers")
    if bool(((array == 0) | (array == 1)).all()):
        return torch.from_numpy(np.array(array, np.float32)), 0.0
    if array.dtype.kind == "f" and float(array.max()) > 1:
        return _counts(array), 1.0
    return _grey(array), PIXEL


def _grey(array: np.ndarray) -> torch.Tensor:
    array = pictures(array, "sample")
    levels = 255 if np.issubdtype(array.dtype, np.integer) else 1
    return torch.from_numpy(np.array(array, np.float32) / np.float32(levels))


def _counts(array: np.ndarray) -> torch.Tensor:
    bad = ~((array >= 0) & (array <= COUNTS) & (array == np.floor(array)))
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise VolleyError(
            f"sample: value {array[where].item()!r} at {where}; numbers over time are samples in [0, 1], integers "
            f"0..255 that stand for x / 255, or counts of events, whole floats up to {COUNTS}"
        )
    return torch.from_numpy(np.array(array, np.float32))


def as_frames(values: torch.Tensor, time_axis: int | None, code: float = 0.0) -> np.ndarray:
    """As Network.run takes them: [N, C, H, W], or [N, T, C, H, W]. code: as checked() gives it; counts are integers."""
    array = values.numpy()
    if time_axis is not None:
        array = np.moveaxis(array, time_axis, 1) if time_axis else np.swapaxes(array, 0, 1)
    if code == 1:
        array = array.astype(np.uint8)
    own = 1 if time_axis is None else 2
    shape = array.shape[own:]
    full = {1: (*shape, 1, 1), 2: (shape[0], 1, *shape[1:]), 3: shape}[len(shape)]
    return array.reshape(*array.shape[:own], *full)
