# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_uart_rx and volley_uart_tx: 8N1."""

from __future__ import annotations

from collections.abc import Sequence


def levels(byte: int) -> list[int]:
    """Levels of the line, a bit time each: start bit, eight data bits from the lowest, stop bit."""
    return [0, *(byte >> n & 1 for n in range(8)), 1]


def received(line: Sequence[int], divisor: int) -> list[tuple[int, int]]:
    """(cycle, byte) of each byte that a receiver finds; line: its level in every cycle, high before the first.

    A falling edge starts a byte, unless the line is high again half a bit later; then one sample a bit. The next edge
    counts from behind the last sample on. The cycle is that of the stop bit's sample, without which there is no byte.
    """
    found: list[tuple[int, int]] = []
    at = 0
    while (first := at + divisor // 2) < len(line):
        if line[at] or not (at == 0 or line[at - 1]):
            at += 1
            continue
        if line[first]:
            at = first + 1
            continue
        samples = line[first + divisor : first + 9 * divisor + 1 : divisor]
        if len(samples) < 9:
            break
        if samples[8]:
            found.append((first + 9 * divisor, sum(bit << n for n, bit in enumerate(samples[:8]))))
        at = first + 9 * divisor + 1
    return found
