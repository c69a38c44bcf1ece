# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar models of volley_event_list and volley_synapse_event."""

from __future__ import annotations

import random
from collections.abc import Sequence

from verif.models.synapse_array import per_step, synapse_array

Event = tuple[int, int]  # place, word


def event_rows(beats: Sequence[Sequence[int]], events: int) -> list[list[Event]]:
    """Rows of one frame: its words that are not zero, `events` a row. beats[b][lane]: words."""
    lanes = len(beats[0])
    found = [(b * lanes + lane, word) for b, words in enumerate(beats) for lane, word in enumerate(words) if word]
    return [found[n : n + events] for n in range(0, max(1, len(found)), events)]


def cycles_in(beats: Sequence[Sequence[int]], events: int) -> int:
    """Cycles in which volley_event_list takes one frame in, never stalled."""
    picks = min(events, len(beats[0]))
    return sum(max(1, -(-sum(word != 0 for word in words) // picks)) for words in beats)


def cycles_out(beats: Sequence[Sequence[int]], events: int, replay: int) -> int:
    """Cycles in which it sends one frame, never stalled."""
    return replay * len(event_rows(beats, events))


def synapse_event(
    rows: Sequence[Sequence[Event]], weights: Sequence[Sequence[int]], steps: int, each_step: bool
) -> list[int]:
    """Numbers of one window: potentials [o], or of each output one per step, the last one first.

    weights[place][o]: of the window's output fold.
    """
    slices = [[word for _, word in row] for row in rows]
    named = [[[weights[place][o] for place, _ in row] for o in range(len(weights[0]))] for row in rows]
    if each_step:
        return [acc for over_time in per_step(slices, named, steps) for acc in reversed(over_time)]
    return synapse_array(slices, named, steps)


def image(pe: int, width: int, rows: int) -> str:
    """Weights from rail to rail, drawn by the sizes; the lowest is no weight of a network, but a legal one."""
    rng = random.Random(pe * 1000 + rows)
    low, top = 1 << (width - 1), (1 << (width - 1)) - 1
    fields = [
        [rng.choice((low, top, top + 2, rng.getrandbits(width))) & (2 * low - 1) for _ in range(pe)]
        for _ in range(rows)
    ]
    return "\n".join(f"{sum(w << (width * o) for o, w in enumerate(row)):0{-(-pe * width // 4)}x}" for row in fields)
