# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Two clocks for cocotb benches: unlike periods, phases, jitter; the ports of each for the agents of axis.py."""

import random

import cocotb
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge, Timer

# Periods of the first and the second clock, phase of the second, most that an edge of either is early or late [ps]
CLOCKS = {
    "1:1": (10_000, 10_000, 0, 0), "1:1 later": (10_000, 10_000, 3_300, 0), "3:7": (6_000, 14_000, 0, 0),
    "7:3": (14_000, 6_000, 0, 0), "1:10": (2_000, 20_000, 700, 0), "10:1": (20_000, 2_000, 700, 0),
    "jitter": (10_000, 9_900, 0, 1_500),
}  # fmt: skip


class Side:
    """A DUT with the clock and the reset that Source and Sink of axis.py look at. active_low: of the reset's port."""

    def __init__(self, dut, clk, rst, active_low=False):
        self.dut, self.clk = dut, getattr(dut, clk)
        self.rst = ActiveLow(getattr(dut, rst)) if active_low else getattr(dut, rst)

    def __getattr__(self, name):
        return getattr(self.dut, name)

    async def reset(self, cycles=1, begun=lambda: None):
        """A reset of this side alone; what `begun` says when it begins, which no agent has sampled yet."""
        await FallingEdge(self.clk)
        self.rst.value = 1
        found = begun()
        for _ in range(cycles):
            await FallingEdge(self.clk)
        self.rst.value = 0
        return found


class ActiveLow:
    """A port as if it were active high."""

    def __init__(self, port):
        self.port = port

    @property
    def value(self):
        return 1 - int(self.port.value)

    @value.setter
    def value(self, active):
        self.port.value = 1 - active


def start(name, first, second):
    """Start both sides' clocks, out of reset."""
    one, other, phase, jitter = CLOCKS[name]
    for side, period, late in ((first, one, 0), (second, other, phase)):
        side.rst.value, side.clk.value = 0, Immediate(0)
        cocotb.start_soon(_clock(side.clk, period, late, jitter))


async def _clock(clk, period, phase, jitter):
    if phase:
        await Timer(phase, "ps")
    while True:
        for value in (0, 1):
            await Timer(period // 2 + (random.randint(-jitter, jitter) if jitter else 0), "ps")
            clk.value = value
