# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_ram: initial content, read-before-write on a collision, rdata holds while re is low."""

import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge

from verif.tb.axis import PERIOD_NS, params
from verif.tb.coverage import declare, hit, of_parameters

P = params()
WIDTH, DEPTH = P["DATA_W"], P["DEPTH"]
of_parameters({"image": "INIT_FILE" in P, "DEPTH is no power of two": DEPTH.bit_count() > 1})
declare("read and write of one address at once", "read of a word just written", "output holds beside a write")


@cocotb.test()
async def random_ports(dut):
    if P.get("INIT_FILE"):
        mem: list[int | None] = [int(word, 16) for word in Path(P["INIT_FILE"]).read_text().split()]
        assert len(mem) == DEPTH
    else:
        mem = [None] * DEPTH  # undefined until written
    dut.we.value = dut.re.value = 0
    dut.clk.value = Immediate(0)  # no edge from the random bits of time 0
    Clock(dut.clk, PERIOD_NS, unit="ns").start(start_high=False)
    read, written, compared = None, None, 0
    for step in range(40 * DEPTH):
        await FallingEdge(dut.clk)
        if read is not None:
            assert int(dut.rdata.value) == read, f"step {step}: expected {read:x}, got {int(dut.rdata.value):x}"
            compared += 1
        waddr, wdata = random.randrange(DEPTH), random.getrandbits(WIDTH)
        raddr = random.choice((waddr, random.randrange(DEPTH)))
        we, re = random.getrandbits(1), random.getrandbits(1)
        dut.we.value, dut.waddr.value, dut.wdata.value = we, waddr, wdata
        dut.re.value, dut.raddr.value = re, raddr
        hit("read and write of one address at once", re and we and raddr == waddr and mem[raddr] not in (None, wdata))
        hit("read of a word just written", re and raddr == written)
        hit("output holds beside a write", we and not re and read is not None)
        written = waddr if we else None
        if re:
            read = mem[raddr]
        if we:
            mem[waddr] = wdata
    assert compared > 10 * DEPTH
