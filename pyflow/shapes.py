# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A sequence is a map of height 1: [N, C, L] of a 1-D model is [N, C, 1, L] in the integer network. A vector is a
sequence of one channel: [N, F] is [N, 1, 1, F]."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any, TypeVar

from pyflow.errors import VolleyError

Array = TypeVar("Array")  # numpy or torch


def check_shape(shape: Any, what: str) -> tuple[int, ...]:
    """(C, H, W) of one image, (C, L) of one sequence or (F,) of one vector, as integers. Raises VolleyError on anything
    else."""
    sizes = tuple(shape) if isinstance(shape, Iterable) and not isinstance(shape, str | bytes | Mapping) else ()
    whole = all(isinstance(n, Integral) and not isinstance(n, bool) for n in sizes)
    if len(sizes) not in (1, 2, 3) or not whole or min(sizes) < 1:
        hint = "; leave out the batch" if len(sizes) == 4 else ""
        raise VolleyError(f"{what} {shape!r} is neither (C, H, W), (C, L) nor (F,), positive integers{hint}")
    return tuple(map(int, sizes))


def map_shape(shape: Sequence[int]) -> tuple[int, int, int]:
    """(C, H, W) of one sample of shape (C, H, W), (C, L) or (F,)."""
    c, h, w = (*[1] * (3 - len(shape)), *map(int, shape)) if len(shape) != 2 else (int(shape[0]), 1, int(shape[1]))
    return c, h, w


def as_maps(x: Array) -> Array:
    """Images [N, C, H, W] as they are; sequences [N, C, L] as [N, C, 1, L], vectors [N, F] as [N, 1, 1, F]."""
    if x.ndim == 2:  # type: ignore[attr-defined]
        return x[:, None, None]  # type: ignore[index, no-any-return]
    return x[:, :, None] if x.ndim == 3 else x  # type: ignore[attr-defined, index]
