# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A sequence is a map of height 1: [N, C, L] of a 1-D model is [N, C, 1, L] in the integer network."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, TypeVar

from pyflow.errors import VolleyError

Array = TypeVar("Array")  # numpy or torch


def check_shape(shape: Any, what: str) -> tuple[int, ...]:
    """(C, H, W) of one image or (C, L) of one sequence, as integers. Raises VolleyError on anything else."""
    whole = isinstance(shape, Sequence) and all(isinstance(n, Integral) and not isinstance(n, bool) for n in shape)
    if not whole or len(shape) not in (2, 3) or min(shape) < 1:
        four = isinstance(shape, Sequence) and not isinstance(shape, str) and len(shape) == 4
        hint = "; leave out the batch" if four else ""
        raise VolleyError(f"{what} {shape!r} is neither (C, H, W) nor (C, L), positive integers{hint}")
    return tuple(int(n) for n in shape)


def map_shape(shape: Sequence[int]) -> tuple[int, int, int]:
    """(C, H, W) of one sample of shape (C, H, W) or (C, L)."""
    c, *sides = (int(n) for n in shape)
    h, w = sides if len(sides) == 2 else (1, *sides)
    return c, h, w


def as_maps(x: Array) -> Array:
    """Images [N, C, H, W] as they are; sequences [N, C, L] as [N, C, 1, L]."""
    return x[:, :, None] if x.ndim == 3 else x  # type: ignore[attr-defined, index]
