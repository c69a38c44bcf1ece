# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar models of volley_pool_max, volley_pool_sum, volley_pool_or and volley_pool_accumulate."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def pool(window: Sequence[Sequence[int]], reduce: Callable[[Sequence[int]], int]) -> list[int]:
    """window[tap][lane] to one word per lane; `reduce` is max, sum or union."""
    return [reduce(words) for words in zip(*window, strict=True)]


def union(words: Sequence[int]) -> int:
    """Spike word that has a spike in every step in which one of `words` has."""
    out = 0
    for word in words:
        out |= word
    return out


def pool_map(
    frame: Sequence[Sequence[Sequence[int]]], kernel: tuple[int, int], reduce: Callable[[Sequence[int]], int]
) -> list[list[int]]:
    """frame[y][x][channel] to the words of each whole window in raster order; windows lie side by side."""
    (ky, kx), height, width = kernel, len(frame), len(frame[0])
    return [
        pool([frame[y + i][x + j] for i in range(ky) for j in range(kx)], reduce)
        for y in range(0, height - ky + 1, ky)
        for x in range(0, width - kx + 1, kx)
    ]
