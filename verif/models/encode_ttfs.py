# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_encode_ttfs."""

from __future__ import annotations


def encode_ttfs(pixel: int, t: int, steps: int) -> int:
    """Spike of a pixel at step t of `steps`."""
    return int(pixel > 0 and t == (255 - pixel) * steps // 256)
