# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A sequence is a map of height 1: [N, C, L] of a 1-D model is [N, C, 1, L] in the integer network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any, TypeVar

from pyflow.errors import VolleyError

Array = TypeVar("Array")  # numpy or torch


def check_shape(shape: Any, what: str) -> tuple[int, ...]:
    """(C, H, W) of one image or (C, L) of one sequence, as integers. Raises VolleyError on anything else."""
    sizes = tuple(shape) if isinstance(shape, Iterable) and not isinstance(shape, str | bytes | Mapping) else ()
    whole = all(isinstance(n, Integral) and not isinstance(n, bool) for n in sizes)
    if len(sizes) not in (2, 3) or not whole or min(sizes) < 1:
        hint = "; leave out the batch" if len(sizes) == 4 else ""
        raise VolleyError(f"{what} {shape!r} is neither (C, H, W) nor (C, L), positive integers{hint}")
    return tuple(map(int, sizes))


def map_shape(shape: Sequence[int]) -> tuple[int, int, int]:
    """(C, H, W) of one sample of shape (C, H, W) or (C, L)."""
    c, *sides = (int(n) for n in shape)
    h, w = sides if len(sides) == 2 else (1, *sides)
    return c, h, w


def as_maps(x: Array) -> Array:
    """Images [N, C, H, W] as they are; sequences [N, C, L] as [N, C, 1, L]."""
    return x[:, :, None] if x.ndim == 3 else x  # type: ignore[attr-defined, index]
