# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_encode_radix."""

from __future__ import annotations


def encode_radix(pixel: int, steps: int) -> int:
    """8-bit pixel to a `steps`-bit code: round half up, saturate."""
    if steps == 8:
        return pixel
    return min((pixel + (1 << (7 - steps))) >> (8 - steps), (1 << steps) - 1)
