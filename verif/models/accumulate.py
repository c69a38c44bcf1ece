# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_accumulate."""

from __future__ import annotations

from collections.abc import Iterable


def accumulate(numbers: Iterable[int]) -> int:
    """One neuron's numbers, a step each, to their sum."""
    total = 0
    for number in numbers:
        total += number
    return total
