# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A serial line as cocotb benches see it: 8N1."""

from __future__ import annotations

from typing import Any

from cocotb.triggers import FallingEdge, Timer


async def next_byte(pin: Any, bit_ns: int) -> tuple[int, bool]:
    """The next byte that `pin` sends, sampled in the middle of its bits, and whether its stop bit is there."""
    await FallingEdge(pin)
    await Timer(bit_ns * 3 // 2, unit="ns")
    byte = 0
    for n in range(8):
        byte |= int(pin.value) << n
        await Timer(bit_ns, unit="ns")
    return byte, bool(int(pin.value))
