# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_encode_event."""

from __future__ import annotations


def encode_event(byte: int, block: int) -> int:
    """The spike word of a host's byte: its low `block` bits."""
    return byte % (1 << block)
