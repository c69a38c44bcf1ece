# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_encode_phase."""

from __future__ import annotations


def encode_phase(pixel: int, t: int) -> int:
    """Spike of a pixel at step t."""
    return pixel >> (7 - t % 8) & 1
