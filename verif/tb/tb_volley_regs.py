# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_regs: a 64-bit counter is read in one piece, each by itself, whatever it does between the two words."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge, ReadOnly

from pyflow import registers as r
from verif.tb.axis import PERIOD_NS

COUNTERS = {"cycles": r.CYCLES, "in_stall": r.IN_STALL, "out_stall": r.OUT_STALL}


@cocotb.test()
async def words_of_one_cycle(dut):
    dut.clk.value = Immediate(0)
    Clock(dut.clk, PERIOD_NS, unit="ns").start(start_high=False)
    dut.rst.value, dut.req.value, dut.addr.value = 1, 0, 0
    await FallingEdge(dut.clk)
    await FallingEdge(dut.clk)
    dut.rst.value = 0
    kept = {}  # of a counter: the high word of the cycle in which its low word was read
    for n in range(600):
        await FallingEdge(dut.clk)
        values = {
            name: random.choice(((1 << 32) - 1, 1 << 32, (1 << 64) - 1, random.getrandbits(64))) for name in COUNTERS
        }  # anything, so also a carry between the words
        for name, value in values.items():
            getattr(dut, name).value = value
        name, high = random.choice(list(COUNTERS)), random.getrandbits(1)
        dut.req.value = asked = int(random.random() < 0.8)
        dut.addr.value = COUNTERS[name] + 4 * high
        await ReadOnly()
        word = int(dut.rdata.value)
        if asked and not high:
            assert word == values[name] & 0xFFFFFFFF
            kept[name] = values[name] >> 32
        elif asked and name in kept:
            assert word == kept[name], f"{name}, access {n}"
    assert len(kept) == 3
