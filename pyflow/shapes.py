# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A sequence is a map of height 1: [N, C, L] of a 1-D model is [N, C, 1, L] in the integer network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Array = TypeVar("Array")  # numpy or torch


def map_shape(shape: Sequence[int]) -> tuple[int, int, int]:
    """(C, H, W) of one sample of shape (C, H, W) or (C, L)."""
    c, *sides = (int(n) for n in shape)
    h, w = sides if len(sides) == 2 else (1, *sides)
    return c, h, w


def as_maps(x: Array) -> Array:
    """Images [N, C, H, W] as they are; sequences [N, C, L] as [N, C, 1, L]."""
    return x[:, :, None] if x.ndim == 3 else x  # type: ignore[attr-defined, index]
