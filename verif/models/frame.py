# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar models of volley_frame_guard and volley_frame_result."""

from __future__ import annotations

from collections.abc import Sequence

SHORT, LONG, KEEP = 1, 2, 4


def frame_guard(words: Sequence[tuple[int, int]], size: int) -> tuple[list[int], int]:
    """words: (data, tkeep) of one frame up to tlast. Returns its ceil(size / 4) words and flags.

    A word's place in the frame is its number; a byte that tkeep leaves out is 0. A null beat, one without any byte, has
    no place: a frame is what the others make of it, an empty one too.
    """
    words = [(data, keep) for data, keep in words if keep]
    count = -(-size // 4)
    flags = 0
    if len(words) < count:
        flags |= SHORT
    if len(words) > count:
        flags |= LONG
    result = [0] * count
    for n, (data, keep) in enumerate(words[:count]):
        wanted = min(4, size - 4 * n)
        for byte in range(4):
            kept = keep >> byte & 1
            if kept and byte < wanted:
                result[n] |= data & 0xFF << 8 * byte
            if n == count - 1 and kept != (byte < wanted):
                flags |= LONG if kept else SHORT
        hole = keep not in (0, 1, 3, 7, 15)
        if hole or (keep != 15 and n < min(len(words), count) - 1):
            flags |= KEEP
    return result, flags


def frame_result(logits: Sequence[int], flags: int, number: int, checksum: int) -> list[int]:
    """Words of one answer; the trailer comes last."""
    return [logit & 0xFFFFFFFF for logit in logits] + [checksum << 16 | flags << 8 | number % 256]
