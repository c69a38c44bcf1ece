# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_regs against the map: every address, writes bit by bit, sticky errors, pulses, resets. A 64-bit counter is
read in one piece, each by itself, whatever it does between the two words."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge, ReadOnly

from pyflow import registers as r
from verif.models.registers import COUNTERS, READ_ONLY, Registers
from verif.tb.axis import PERIOD_NS
from verif.tb.coverage import declare, hit

ADDRESSES = sorted({value for name, value in vars(r).items() if isinstance(value, int) and name.isupper()
                    and not name.endswith("_RESET")} | {place + 4 for place in COUNTERS.values()})  # fmt: skip
FULL = (1 << 32) - 1
declare("an error set and cleared at once", "part of a word written", "an address that is not there")


def drawn(width: int) -> int:
    return random.choice((0, (1 << width) - 1, random.getrandbits(width)))


@cocotb.test()
async def every_register(dut):
    dut.clk.value = Immediate(0)
    Clock(dut.clk, PERIOD_NS, unit="ns").start(start_high=False)
    inputs = {name: len(getattr(dut, name)) for name in (*READ_ONLY, *COUNTERS, "hwset")}
    dut.rst.value, dut.req.value = 1, 0
    for name in inputs:
        getattr(dut, name).value = 0
    await FallingEdge(dut.clk)
    await FallingEdge(dut.clk)
    model = Registers()
    for _ in range(6000):
        await FallingEdge(dut.clk)
        hardware = {name: drawn(width) for name, width in inputs.items()}
        hardware["hwset"] = random.getrandbits(3) & random.getrandbits(3) & random.getrandbits(3)
        for name, value in hardware.items():
            getattr(dut, name).value = value
        dut.rst.value = rst = int(random.random() < 0.01)
        known = random.random() < 0.9
        address = random.choice(ADDRESSES) if known else 4 * random.getrandbits(10)
        write, data = random.getrandbits(1), drawn(32)
        bits = sum(0xFF << 8 * byte for byte in range(4) if random.random() < 0.75)
        asked = random.random() < 0.8
        dut.req.value, dut.is_wr.value, dut.addr.value = int(asked), write, address
        dut.wdata.value, dut.biten.value = data, bits
        await ReadOnly()
        assert (int(dut.rd_ack.value), int(dut.wr_ack.value)) == (asked and not write, asked and write)
        assert not int(dut.stall.value)
        assert not int(dut.err.value)
        outputs = {"soft_reset": model.soft_reset, "memory": model.memory, "load": model.load, "probe": model.probe}
        for name, value in outputs.items():
            assert int(getattr(dut, name).value) == value, name
        written = asked and write and bits
        assert int(dut.memory_written.value) == int(bool(written and address == r.MEMORY))
        assert int(dut.load_written.value) == int(bool(written and address == r.LOAD))
        if asked and not write:
            expected = model.read(address, hardware)
            assert expected is None or int(dut.rdata.value) == expected, f"address {address:#x}"
        cleared = data & bits if written and address == r.ERRORS else 0
        hit("an error set and cleared at once", bool(cleared & hardware["hwset"]))
        hit("part of a word written", bool(written and bits != FULL))
        hit("an address that is not there", asked and address not in ADDRESSES)
        model.clock((write, address, data, bits) if asked else None, hardware, bool(rst))
    assert len(model.kept) == 3
