# SPDX-License-Identifier: Apache-2.0
"""Scalar model of volley_uart_rx and volley_uart_tx: 8N1."""

from __future__ import annotations


def levels(byte: int) -> list[int]:
    """Levels of the line, a bit time each: start bit, eight data bits from the lowest, stop bit."""
    return [0, *(byte >> n & 1 for n in range(8)), 1]
