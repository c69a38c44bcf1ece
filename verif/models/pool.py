# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar models of volley_pool_max, volley_pool_sum and volley_pool_or."""

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
