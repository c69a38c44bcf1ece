# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_synapse_array: every time step by itself, as the neurons see it."""

from __future__ import annotations

from collections.abc import Sequence


def spike(word: int, t: int, steps: int) -> int:
    """Spike of time step t; the earliest step is the MSB."""
    return word >> (steps - 1 - t) & 1


def per_step(
    slices: Sequence[Sequence[int]], weights: Sequence[Sequence[Sequence[int]]], steps: int
) -> list[list[int]]:
    """Potentials [o][t] of one window. slices[fold][i]: spike words; weights[fold][o][i]."""
    potentials = [[0] * steps for _ in weights[0]]
    for words, rows in zip(slices, weights, strict=True):
        for o, row in enumerate(rows):
            for t in range(steps):
                potentials[o][t] += sum(w for w, word in zip(row, words, strict=True) if spike(word, t, steps))
    return potentials


def synapse_array(slices: Sequence[Sequence[int]], weights: Sequence[Sequence[Sequence[int]]], steps: int) -> list[int]:
    """Potentials [o] of one window, its steps added up: step t counts 2^(steps-1-t)."""
    potentials = []
    for over_time in per_step(slices, weights, steps):
        horner = 0
        for acc in over_time:
            horner = 2 * horner + acc
        potentials.append(horner)
    return potentials
