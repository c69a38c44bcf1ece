# SPDX-License-Identifier: Apache-2.0
"""Scalar models of volley_pool_max and volley_pool_sum."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def pool(window: Sequence[Sequence[int]], reduce: Callable[[Sequence[int]], int]) -> list[int]:
    """window[tap][lane] to one word per lane; `reduce` is max or sum."""
    return [reduce(words) for words in zip(*window, strict=True)]
