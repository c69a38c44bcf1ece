# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_encode_rate."""

from __future__ import annotations

from collections.abc import Iterator


def draws(seed: int) -> Iterator[int]:
    """r[0], r[1], ...: the low bytes of the LFSR, eight shifts apart."""
    state = seed
    while True:
        yield state & 255
        for _ in range(8):
            bit = state & 1
            state >>= 1
            if bit:
                state ^= 0xA3000000


def encode_rate_random(pixels: list[int], steps: int, seed: int) -> list[list[int]]:
    """Spikes [t][n] of a frame; pixels in raster order, channel fastest."""
    r = draws(seed)
    return [[int(next(r) < p) for p in pixels] for _ in range(steps)]


def encode_rate_regular(pixel: int, t: int) -> int:
    """Spike of a pixel at step t."""
    return int(((t + 1) * pixel + 128) // 256 > (t * pixel + 128) // 256)
