# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_encode_burst."""

from __future__ import annotations


def encode_burst(pixel: int, t: int, isi_min: int, isi_max: int, count: int) -> int:
    """Spike of a pixel at step t: `count` of them at most, `isi_min` to `isi_max` steps apart."""
    isi = isi_max - (isi_max - isi_min) * pixel // 256
    spikes = (count * pixel + 255) // 256
    return int(t in [k * isi for k in range(spikes)])
