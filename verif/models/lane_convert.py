# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_lane_convert."""

from __future__ import annotations

from collections.abc import Sequence


def beats_per_pixel(channels: int, lanes: int) -> int:
    return -(-channels // lanes)


def to_beats(words: Sequence[int], lanes: int) -> list[list[int]]:
    """One pixel's words as beats of `lanes` lanes, the last one padded with code 0."""
    return [
        [words[c] if c < len(words) else 0 for c in range(first, first + lanes)]
        for first in range(0, len(words), lanes)
    ]


def lane_convert(
    beats: Sequence[tuple[Sequence[int], bool]], lanes_out: int, channels: int
) -> list[tuple[list[int], bool]]:
    """beats: (lane values, tlast) of whole pixels. Returns the same pixels with `lanes_out` lanes a beat."""
    result: list[tuple[list[int], bool]] = []
    words: list[int] = []
    for lanes, last in beats:
        words += lanes
        if len(words) >= channels:  # the pixel is complete; what is above `channels` was padding
            pixel = to_beats(words[:channels], lanes_out)
            result += [(beat, last and n == len(pixel) - 1) for n, beat in enumerate(pixel)]
            words = []
    return result
