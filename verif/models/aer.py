# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar models of volley_aer_pack and volley_aer_unpack.

A spike is (address, step), the end of a pass None. A word holds `steps` steps, the earliest in the most
significant bit; a beat is a list of words, one per lane; a pass has `beats` beats.
"""

from __future__ import annotations

from collections.abc import Sequence

Event = tuple[int, int] | None
Beat = list[int]


def aer_pack(words: Sequence[Sequence[int]], steps: int, beats: int) -> list[list[Event]]:
    """Whole passes to the events of each beat, in the order in which they leave."""
    sent: list[list[Event]] = []
    for n, lanes in enumerate(words):
        beat = n % beats
        events: list[Event] = [
            (beat * len(lanes) + lane, step)
            for lane, word in enumerate(lanes)
            for step in range(steps)
            if word >> (steps - 1 - step) & 1
        ]
        sent.append(events + [None] * (beat == beats - 1))
    return sent


def aer_unpack(events: Sequence[Event], lanes: int, steps: int, beats: int) -> tuple[list[tuple[Beat, bool]], int]:
    """((words, ends a pass) of every beat of the passes that were ended, events dropped)."""
    sent: list[tuple[Beat, bool]] = []
    dropped, latest = 0, (-1, -1)
    words = [[0] * lanes for _ in range(beats)]
    for event in events:
        if event is None:
            sent += [(beat, n == beats - 1) for n, beat in enumerate(words)]
            latest, words = (-1, -1), [[0] * lanes for _ in range(beats)]
        elif event <= latest or event[0] >= beats * lanes or event[1] >= steps:
            dropped += 1
        else:
            latest = event
            address, step = event
            words[address // lanes][address % lanes] |= 1 << (steps - 1 - step)
    return sent, dropped
