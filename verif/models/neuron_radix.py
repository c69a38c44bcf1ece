# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_neuron_radix: integrate, then fire step by step."""

from __future__ import annotations


def neuron_radix(h: int, theta: int, bias: int, exponent: int, steps: int) -> int:
    """Spike word; theta >= 1."""
    v = (h << exponent) + bias
    word = 0
    for t in range(steps):
        threshold = theta << (steps - 1 - t)
        fires = v >= threshold
        if fires:
            v -= threshold
        word = 2 * word + fires
    return word
