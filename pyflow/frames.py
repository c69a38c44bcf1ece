# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What a network takes, and the bytes in which a host sends it. Python 3.8 and numpy: boards run this too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pyflow.errors import VolleyError

FLAGS = ("short frame", "long frame", "bad tkeep", "cut by a reset")  # of a trailer, from bit 8 up


def flag_names(flags: int) -> list[str]:
    """What the error flags of a trailer, or of the register ERRORS, say of a frame."""
    return [name for bit, name in enumerate(FLAGS) if flags >> bit & 1]


def as_array(x: Any, what: str) -> np.ndarray:
    """`x` as an array: arrays, lists, tensors of torch (on any device, with a gradient, in bfloat16). Raises
    VolleyError, naming it `what`, for anything that is no block of numbers."""
    if hasattr(x, "detach") and hasattr(x, "cpu"):
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

        x: pixels and signals: float in [0, 1] (becomes floor(255 x + 1/2)) or integers 0..255; spikes: 0 or 1.
        Of that shape; H and W may be left out where they are 1 ([N, C, L] for a 1-D network). Raises
        VolleyError on another shape, NaN or a value out of range.
        """
        x = as_array(x, "input")
        c, h, w = self.shape
        spikes = self.encoding == "rate"
        time = (self.steps,) if self.steps else ()
        shapes = [(c, h, w), *([(c, w)] if h == 1 else []), *([(c,)] if h == w == 1 else [])]
        if x.shape[1:] not in [(*time, *s) for s in shapes] or not x.ndim:
            want = "x".join(map(str, (*time, *self.shape)))
            axes = "N,T,C,H,W" if time else "N,C,H,W"
            raise VolleyError(
                f"input: shape {x.shape} does not fit network {self.network!r}, which takes [N, {want}] ({axes})"
            )
        x = x.reshape(len(x), *time, c, h, w)
        if x.dtype == bool and spikes:
            x = x.astype(np.int64)
        if not (np.issubdtype(x.dtype, np.integer) or np.issubdtype(x.dtype, np.floating)):
            raise VolleyError(f"input: dtype {x.dtype} is neither integer pixels nor float images")
        whole = np.issubdtype(x.dtype, np.integer)
        top = 255 if whole and not spikes else 1
        bad = ~((x >= 0) & (x <= top))
        if spikes:
            bad |= (x != 0) & (x != 1)
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            kind = "spikes" if spikes else "images"
            limit = "neither 0 nor 1" if spikes else f"outside 0..{top}"
            raise VolleyError(f"input: value {x[where].item()!r} at {where} is {limit} ({x.dtype} {kind})")
        if whole or spikes:
            return np.asarray(x, np.int64)
        return np.asarray(np.floor(x.astype(np.float64) * 255 + 0.5), np.int64)

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
