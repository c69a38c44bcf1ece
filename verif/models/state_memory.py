# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_state_memory: one state per beat, void in a frame's first pass."""

from __future__ import annotations

from typing import NamedTuple


class Taken(NamedTuple):
    """What a beat gets. state: None where it means nothing (first pass)."""

    state: int | None
    first: bool
    last_pass: bool
    last_beat: bool


class StateMemory:
    """take() and put() each go through the beats in raster order, pass by pass."""

    def __init__(self, beats: int, passes: int) -> None:
        self.beats, self.passes = beats, passes
        self.states = [0] * beats
        self.reset()

    def reset(self) -> None:
        """Counters only: the states stay, and the first pass does not look at them."""
        self.taken = self.put_back = 0

    @property
    def room(self) -> bool:
        """Whether the state of the next beat is not in flight."""
        return self.passes == 1 or self.taken - self.put_back < self.beats

    def take(self) -> Taken:
        number, beat = divmod(self.taken, self.beats)
        self.taken += 1
        number %= self.passes
        return Taken(
            self.states[beat] if number else None, number == 0, number == self.passes - 1, beat == self.beats - 1
        )

    def put(self, state: int) -> None:
        """Next state of the oldest beat in flight."""
        self.states[self.put_back % self.beats] = state
        self.put_back += 1
