# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_rom: every word, one cycle after its address, also in every cycle; rdata holds while re is low."""

import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge

from verif.tb.axis import PERIOD_NS, pack, params, unpack
from verif.tb.coverage import declare, hit, of_parameters

P = params()
WORDS = [int(word, 16) for word in Path(P["INIT_FILE"]).read_text().split()]
PORTS, ADDR_W = P.get("PORTS", 1), (P["DEPTH"] - 1).bit_length()
of_parameters({"DEPTH is no power of two": P["DEPTH"].bit_count() > 1, "several ports": PORTS > 1})
declare("first word", "last word", "read behind a read", "output holds while the address changes")


async def start(dut) -> None:
    dut.re.value = 0
    dut.clk.value = Immediate(0)  # no edge from the random bits of time 0
    Clock(dut.clk, PERIOD_NS, unit="ns").start(start_high=False)
    await FallingEdge(dut.clk)


def read_words(dut) -> list[int]:
    """Of each port."""
    return unpack(int(dut.rdata.value), P["DATA_W"], PORTS)


@cocotb.test()
async def every_word(dut):
    await start(dut)
    for address, word in enumerate(WORDS):
        dut.re.value, dut.raddr.value = 1, pack([address] * PORTS, ADDR_W)
        await FallingEdge(dut.clk)
        assert set(read_words(dut)) == {word}, f"address {address}"
        dut.re.value, dut.raddr.value = 0, 0
        await FallingEdge(dut.clk)
        assert set(read_words(dut)) == {word}, f"address {address} did not hold"
    assert len(WORDS) == P["DEPTH"]


@cocotb.test()
async def random_reads(dut):
    await start(dut)
    before = None  # addresses whose words are at the outputs
    read = False  # in the cycle before
    for _ in range(20 * len(WORDS)):
        address = [random.choice((0, len(WORDS) - 1, random.randrange(len(WORDS)))) for _ in range(PORTS)]
        re = random.random() < 0.6
        dut.re.value, dut.raddr.value = re, pack(address, ADDR_W)
        await FallingEdge(dut.clk)
        hit("output holds while the address changes", not re and before is not None and address != before)
        hit("read behind a read", re and read and address != before)
        before, read = address if re else before, re
        if before is not None:
            assert read_words(dut) == [WORDS[at] for at in before], f"addresses {before}"
            hit("first word", 0 in before)
            hit("last word", len(WORDS) - 1 in before)
