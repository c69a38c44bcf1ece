# SPDX-License-Identifier: Apache-2.0
"""Scalar model of volley_synapse_array: every time step by itself, as the neurons see it."""

from __future__ import annotations

from collections.abc import Sequence


def spike(word: int, t: int, steps: int) -> int:
    """Spike of time step t; the earliest step is the MSB."""
    return word >> (steps - 1 - t) & 1


def synapse_array(slices: Sequence[Sequence[int]], weights: Sequence[Sequence[Sequence[int]]], steps: int) -> list[int]:
    """Potentials of one window. slices[fold][i]: spike words; weights[fold][o][i]."""
    potentials = [0] * len(weights[0])
    for words, rows in zip(slices, weights, strict=True):
        for o, row in enumerate(rows):
            horner = 0
            for t in range(steps):
                acc = sum(w for w, word in zip(row, words, strict=True) if spike(word, t, steps))
                horner = 2 * horner + acc
            potentials[o] += horner
    return potentials
