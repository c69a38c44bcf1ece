# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What a network takes, and the bytes in which a host sends it. Python 3.8 and numpy: boards run this too."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyflow.errors import VolleyError

DARK = 31  # of 255: largest value of images that were hardly meant to be so dark
MASK = 1  # of 255: largest value of integers that were hardly meant as grey levels, even of one frame
DIVIDED_TWICE = 2.5 / 255  # of 1: what images of [0, 1] are below when they are divided by 255 once more
FLAGS = ("short frame", "long frame", "bad tkeep", "cut by a reset")  # of a trailer, from bit 8 up


def decided(scores: np.ndarray, cut: float = 0.0) -> np.ndarray:
    """int64 [N]: the class of each row of `scores` [N, classes]: that of the largest, the first on ties. A single score
    is a yes or no: 1 where it is above `cut`."""
    if scores.shape[1] == 1:
        return (scores[:, 0] > cut).astype(np.int64)
    return np.asarray(scores.argmax(1), dtype=np.int64)


def labels_of(classes: int) -> int:
    """How many labels so many scores tell apart."""
    return max(2, classes)


def flag_names(flags: int) -> list[str]:
    """What the error flags of a trailer, or of the register ERRORS, say of a frame."""
    return [name for bit, name in enumerate(FLAGS) if flags >> bit & 1]


def as_array(x: Any, what: str) -> np.ndarray:
    """`x` as an array: arrays, lists, tensors of torch (on any device, with a gradient, in bfloat16). Raises
    VolleyError, naming it `what`, for anything that is no block of numbers."""
    if hasattr(x, "detach") and hasattr(x, "cpu"):
        if getattr(x, "is_meta", False):
            raise VolleyError(f"{what}: is a tensor on the meta device, without values; give the images themselves")
        x = x.detach().cpu()
        if str(getattr(x, "dtype", "")) == "torch.bfloat16":
            x = x.float()
    kind = type(x).__name__
    if hasattr(x, "batch_size") or "DataLoader" in kind or hasattr(x, "__next__"):
        raise VolleyError(f"{what}: is a {kind}, needs images in one array; join its batches (numpy.concatenate)")
    try:
        array = np.asarray(x)
    except (TypeError, ValueError, RuntimeError) as e:
        raise VolleyError(f"{what}: {kind} is no array of numbers ({e})") from None
    if array.dtype == object:
        raise VolleyError(f"{what}: {kind} is no array of numbers; give [N, C, H, W]")
    return array


class NearlyBlack(UserWarning):
    """Images that were hardly meant to be so dark."""


def pictures(x: np.ndarray, what: str, dark: int = DARK) -> np.ndarray:
    """`x` as it is meant, the one rule for images: floats are in [0, 1], bool is 0.0 and 1.0, integers are grey levels
    0..255. Floats come back as they are, bool as float32, integers as integers.

    Raises VolleyError, naming it `what`, for anything else. Warns of images that are nearly black: integers up to
    `dark`, floats of less than three grey levels.
    """
    if x.dtype == bool:
        return x.astype(np.float32)
    whole = np.issubdtype(x.dtype, np.integer)
    if not whole and not np.issubdtype(x.dtype, np.floating):
        raise VolleyError(f"{what}: dtype {x.dtype} is no image; give integers 0..255, bool, or floats in [0, 1]")
    if not x.size:
        return x
    low, high, top = float(x.min()), float(x.max()), 255 if whole else 1
    if not (low >= 0 and high <= top):
        bad = ~((x >= 0) & (x <= top))
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise VolleyError(
            f"{what}: value {x[where].item()!r} at {where} is outside 0..{top} ({x.dtype} images); "
            f"{_scaling(low, high, bool(whole))}"
        )
    if whole and high <= dark:
        white = max(1, int(high))
        also = ", or bool" if white == 1 else ""
        warnings.warn(
            f"{what}: largest value is {int(high)} of 255, so the images are nearly black; if {int(high)} is white, "
            f"give floats, x / {white}{also}",
            NearlyBlack,
            stacklevel=3,
        )
    elif not whole and 0 < high < DIVIDED_TWICE:
        warnings.warn(
            f"{what}: largest value is {high:.2g} of 1, so the images are nearly black; if they were divided by 255 "
            "twice, divide once",
            NearlyBlack,
            stacklevel=3,
        )
    return x


def _scaling(low: float, high: float, whole: bool) -> str:
    """What to do with values that are outside of the range of images."""
    if not whole and -1 <= low < 0 and high <= 1:
        return "give (x + 1) / 2, and put pyflow.frontends.Normalize(0.5, 0.5) first in the model"
    if not whole and low >= 0 and 1 < high < 1.1:
        return "give numpy.clip(x, 0, 1)"
    if not whole and low >= 0 and 1 < high <= 255:
        white = 255 if high > 127 else round(high, 3) if high % 1 else int(high)
        also = ", or uint8" if white == 255 else ""
        return (
            f"give x / {white}{also}, and put pyflow.frontends.Normalize(0, 1 / {white}) first in a model that was "
            "trained on x"
        )
    return "scale the images, normalise in the model (pyflow.frontends.Normalize)"


def real(x: np.ndarray, what: str) -> np.ndarray:
    """Images, as pictures() takes them, as float32 in [0, 1]."""
    x = pictures(x, what)
    if not np.issubdtype(x.dtype, np.integer):
        return x.astype(np.float32, copy=False)
    grey = x.astype(np.float32)
    grey /= np.float32(255)
    return grey


@dataclass(frozen=True)
class InputFormat:
    """Frames of a network. shape: (C, H, W). encoding: "pixel", "signal" or "rate". steps: T of an input with time,
    0 of one without. block: TB, steps of a byte of spikes (1 of all others). network: its name, for messages."""

    network: str
    shape: tuple[int, int, int]
    encoding: str = "pixel"
    steps: int = 0
    block: int = 1

    @property
    def passes(self) -> int:
        """Raster scans per frame."""
        return self.steps // self.block if self.steps else 1

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame, as to_bytes() lays them out."""
        c, h, w = self.shape
        return self.passes * c * h * w

    def check(self, x: Any) -> np.ndarray:
        """Checked input as int64: [N, C, H, W], or [N, T, C, H, W] where the input has time.

        x: pixels and signals: float in [0, 1] (becomes floor(255 x + 1/2)), bool (0.0 or 1.0) or integers 0..255;
        spikes: 0 or 1.
        Of that shape; what is 1 may be left out: H ([N, C, L]), H and W ([N, C]), C and H ([N, F]). Raises
        VolleyError on another shape, NaN or a value out of range.
        """
        x = as_array(x, "input")
        c, h, w = self.shape
        time = (self.steps,) if self.steps else ()
        shapes = [(c, h, w), *([(c, w)] if h == 1 else [])]
        shapes += [*([(c,)] if h == w == 1 else []), *([(w,)] if c == h == 1 else [])]
        if x.shape[1:] not in [(*time, *s) for s in shapes] or not x.ndim:
            want = "x".join(map(str, (*time, *self.shape)))
            axes = "N,T,C,H,W" if time else "N,C,H,W"
            raise VolleyError(
                f"input: shape {x.shape} does not fit network {self.network!r}, which takes [N, {want}] ({axes})"
            )
        x = x.reshape(len(x), *time, c, h, w)
        if self.encoding != "rate":
            x = pictures(x, "input", dark=MASK if self.encoding == "pixel" else 0)  # counts of events may be small
            if np.issubdtype(x.dtype, np.integer):
                return np.asarray(x, np.int64)
            return np.asarray(np.floor(x.astype(np.float64) * 255 + 0.5), np.int64)
        numbers = x.dtype == bool or np.issubdtype(x.dtype, np.integer) or np.issubdtype(x.dtype, np.floating)
        if not numbers:
            raise VolleyError(f"input: dtype {x.dtype} is no spikes; give 0 and 1")
        bad = (x != 0) & (x != 1)
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            raise VolleyError(f"input: value {x[where].item()!r} at {where} is neither 0 nor 1 ({x.dtype} spikes)")
        return np.asarray(x, np.int64)

    def to_bytes(self, x: Any) -> np.ndarray:
        """Input `x`, as check() takes it, as a host sends it: uint8 [N, passes * H * W * C], pass by pass, raster
        order, channel fastest. A byte is a pixel, a sample, or the TB steps of a neuron (earliest most significant).
        """
        values = self.check(x)
        if self.steps:
            n, _, *shape = values.shape
            steps = values.reshape(n, self.passes, self.block, *shape)
            if self.encoding == "rate":
                steps = steps << np.arange(self.block)[::-1].reshape(-1, 1, 1, 1)
            values = steps.sum(2)
        return np.moveaxis(values, -3, -1).reshape(len(values), self.frame_bytes).astype(np.uint8)

    def to_json(self) -> dict[str, Any]:
        return {"shape": list(self.shape), "encoding": self.encoding, "steps": self.steps, "block": self.block}
