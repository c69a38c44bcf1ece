# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_pool_gated."""

from __future__ import annotations

from collections.abc import Sequence


def pool_gated(trains: Sequence[Sequence[int]]) -> list[int]:
    """trains[tap][t], the spikes of one window over all steps of a frame, to out[t]."""
    winner, out = None, []
    for spikes in zip(*trains, strict=True):
        if winner is None and any(spikes):
            winner = spikes.index(1)
        out.append(0 if winner is None else spikes[winner])
    return out
