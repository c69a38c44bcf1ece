# SPDX-License-Identifier: Apache-2.0
"""volley_rom: every word, one cycle after its address; rdata holds while re is low."""

from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge

from verif.tb.axis import PERIOD_NS, params


@cocotb.test()
async def every_word(dut):
    words = [int(word, 16) for word in Path(params()["INIT_FILE"]).read_text().split()]
    dut.clk.value = Immediate(0)  # no edge from the random bits of time 0
    cocotb.start_soon(Clock(dut.clk, PERIOD_NS, unit="ns").start(start_high=False))
    await FallingEdge(dut.clk)
    for address, word in enumerate(words):
        dut.re.value, dut.raddr.value = 1, address
        await FallingEdge(dut.clk)
        assert int(dut.rdata.value) == word, f"address {address}"
        dut.re.value, dut.raddr.value = 0, 0
        await FallingEdge(dut.clk)
        assert int(dut.rdata.value) == word, f"address {address} did not hold"
