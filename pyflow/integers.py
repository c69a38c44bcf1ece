# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Integers: division that rounds up, the width of a signed number, and a number without its factors of two."""

from __future__ import annotations


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def signed_width(bound: int) -> int:
    """Bits of a signed number with magnitude at most `bound`: 1 + ceil(log2(1 + bound))."""
    return 1 + int(bound).bit_length()


def odd_part(n: int) -> int:
    """`n` without its factors of two, for n >= 1."""
    return n // (n & -n)
