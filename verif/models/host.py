# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_host_command: what a request does and what is answered (docs/formats.md)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

READ, WRITE, STREAM, RESET = range(4)
LAST, WAIT = 4, 8
S_LAST, S_ERROR, S_BROKEN = 1, 2, 4
WORDS = 63  # of a response


@dataclass
class Host:
    """registers: address -> value, an access elsewhere is a bus error. results: (word, last) waiting at the sink.
    frames, writes, resets: what came out, in order. A stream never blocks here."""

    registers: dict[int, int]
    results: deque[tuple[int, bool]] = field(default_factory=deque)
    frames: list[tuple[int, int, bool]] = field(default_factory=list)  # word, tkeep, tlast
    writes: list[tuple[int, int]] = field(default_factory=list)
    resets: int = 0
    broken: bool = False
    answered: list[int] = field(default_factory=list)  # the response to the request before
    seq: int = 0

    def execute(self, request: Sequence[int]) -> list[int]:
        seq, command, low, high, *payload = request
        operation, address = command & 3, (high << 8 | low) & 0xFFF
        if seq == self.seq and operation != RESET:
            status = self.answered[2] & ~S_BROKEN | S_BROKEN * self.broken
            return [seq, command, status, *self.answered[3:]]
        self.seq = seq
        words: list[int] = []
        status = 0
        parts = [payload[n : n + 4] for n in range(0, len(payload), 4)]
        if operation == RESET:
            self.resets, self.broken = self.resets + 1, False
        elif operation == READ:
            status |= 0 if address in self.registers else S_ERROR
            words.append(self.registers.get(address, 0))
        elif operation == WRITE:
            for part in parts:
                word = sum(byte << 8 * n for n, byte in enumerate(part))
                self.writes.append((address, word))
                status |= 0 if address in self.registers else S_ERROR
        elif not self.broken:
            for n, part in enumerate(parts):
                word = sum(byte << 8 * k for k, byte in enumerate(part))
                self.frames.append((word, (1 << len(part)) - 1, bool(command & LAST) and n == len(parts) - 1))
            while self.results and len(words) < WORDS and not status & S_LAST:
                word, last = self.results.popleft()
                words.append(word)
                status |= S_LAST * last
        data = [word >> 8 * n & 0xFF for word in words for n in range(4)]
        self.answered = [seq, command, status | S_BROKEN * self.broken, len(words), *data]
        return self.answered

    def cut(self) -> None:
        """A stream was stuck and a RESET came: the network is reset, the host is told."""
        self.resets, self.broken = self.resets + 1, True
