# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What a bench is to reach, beside what it reached."""

from __future__ import annotations

from collections.abc import Sequence

MET, MISSED, NO_GOAL = "met", "missed", "–"


def verdict(reached: float, goal: float | None, *, least: bool = False) -> str:
    """Is `reached` at most `goal` (least: at least)? A dash where there is none."""
    if goal is None:
        return NO_GOAL
    return MET if (reached >= goal if least else reached <= goal) else MISSED


def status(*tables: Sequence[Sequence[str]]) -> int:
    """Exit status of a bench: 1 where a row of its tables misses its goal."""
    return int(any(MISSED in row for rows in tables for row in rows))
