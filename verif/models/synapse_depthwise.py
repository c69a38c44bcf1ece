# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_synapse_depthwise: every channel by itself, as an array of one window that it alone is in."""

from __future__ import annotations

from collections.abc import Sequence

from verif.models.synapse_array import per_step, synapse_array

Words = Sequence[Sequence[int]]  # [tap][channel], spike words of a window
Kernels = Sequence[Sequence[Sequence[int]]]  # [channel][output][tap]


def depthwise_per_step(window: Words, kernels: Kernels, steps: int) -> list[list[int]]:
    """Potentials [output][t], the outputs of channel 0 first."""
    potentials = []
    for channel, own in enumerate(kernels):
        potentials += per_step([[words[channel] for words in window]], [own], steps)
    return potentials


def synapse_depthwise(window: Words, kernels: Kernels, steps: int) -> list[int]:
    """Potentials [output], their steps added up."""
    potentials = []
    for channel, own in enumerate(kernels):
        potentials += synapse_array([[words[channel] for words in window]], [own], steps)
    return potentials
