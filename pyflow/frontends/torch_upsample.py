# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Upsample and interpolate: nearest neighbour by whole factors; all else is refused by name."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from pyflow.frontends.builder import Builder, fail
from pyflow.graph import MAX_NUMBERS
from pyflow.model.graph import FloatUpsample

MODES = ("nearest", "nearest-exact")  # of whole factors the same
KIND = "Upsample"


def upsample(
    b: Builder,
    label: str,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,  # noqa: ARG001  (of whole factors it changes nothing)
    antialias: bool = False,
    named: bool = True,
) -> None:
    """To a map of `size`, or one larger by `scale_factor`: of both, one number or one of every map axis."""
    if mode not in MODES:
        raise fail(label, KIND, f"mode {mode!r} mixes neighbours, which is not supported; use mode='nearest'")
    if align_corners is not None or antialias:
        raise fail(label, KIND, "align_corners and antialias are of other modes; leave them out")
    b.want(label, KIND, 1, 2)
    sizes = b.stream.size[1:]
    given = scale_factor if size is None else size
    each = list(given) if isinstance(given, tuple | list) else [given] * len(sizes)
    wanted = [float(v) * (side if size is None else 1) for v, side in zip(each, sizes, strict=True)]
    if any(w % side or w < side for w, side in zip(wanted, sizes, strict=True)):
        what = f"scale_factor {scale_factor}" if size is None else f"size {size}"
        raise fail(label, KIND, f"{what} is no whole factor of {'x'.join(map(str, sizes))}; use one, from 1 on")
    if (numbers := b.stream.size[0] * math.prod(wanted)) > MAX_NUMBERS:
        raise fail(label, KIND, f"makes {numbers:,.0f} numbers, at most {MAX_NUMBERS:,}; use a smaller factor")
    scale = [int(w) // side for w, side in zip(wanted, sizes, strict=True)]
    for factor, side in zip(scale, sizes, strict=True):
        _check_inverse(label, mode, factor, side)
    if max(scale) == 1:
        b.copy()
    else:
        b.add(FloatUpsample, label, named, scale=(1, *scale)[-2:])


def _check_inverse(label: str, mode: str, factor: int, side: int) -> None:
    """Refuses a factor whose inverse torch rounds down, as that of 41: a pixel's first repetition is then of the one
    before."""
    ramp = torch.arange(side, dtype=torch.float32)
    made = F.interpolate(ramp[None, None], size=side * factor, mode=mode)[0, 0]
    if not torch.equal(made, ramp.repeat_interleave(factor)):
        raise fail(label, KIND, f"torch rounds 1/{factor}, which shifts the map by a pixel; use mode='nearest-exact'")


def upsample_module(b: Builder, label: str, m: nn.Upsample) -> None:
    upsample(b, label, m.size, m.scale_factor, m.mode, m.align_corners, m.recompute_scale_factor)
