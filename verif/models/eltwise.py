# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar models of volley_add, volley_residual and volley_sew: one number, or one word."""

from __future__ import annotations


def add(a: int, b: int, shift: int = 0) -> int:
    return a + 2**shift * b


def residual(acc: int, word: int, m: int, exponent: int) -> int:
    return 2**exponent * acc + m * word


def sew(a: int, b: int, mode: int) -> int:
    """Spike words; mode 0: AND, 1: IAND."""
    return (~a if mode else a) & b
