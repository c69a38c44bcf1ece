# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_step_delay."""

from __future__ import annotations

from collections.abc import Sequence


def step_delay(passes: Sequence[Sequence[int]], per_frame: int, delay: int = 1) -> list[list[int]]:
    """passes[p][beat] in to passes out, `per_frame` of them a frame, each `delay` passes later."""
    return [[0] * len(beats) if p % per_frame < delay else list(passes[p - delay]) for p, beats in enumerate(passes)]
