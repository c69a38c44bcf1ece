# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_encode_delta."""

from __future__ import annotations


def encode_delta(samples: list[int], theta: int, sigma: bool) -> list[tuple[int, int]]:
    """(ON, OFF) of one channel at each step of a frame."""
    q, spikes = 0, []
    for x in samples:
        d = x - q
        on, off = int(d >= theta), int(d <= -theta)
        q = q + theta * (on - off) if sigma else x
        spikes.append((on, off))
    return spikes
