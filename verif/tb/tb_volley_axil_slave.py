# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_axil_slave: every pin in every cycle, the rules of the bus, bounds, resets of one cycle at any time."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge, ReadOnly

from verif.models.axil import AxilSlave
from verif.tb.axil import PinMaster
from verif.tb.axis import PERIOD_NS, params

ADDRESSES = [4 * random.randrange(1 << params()["ADDR_W"] - 2) for _ in range(8)]
CHANNELS = ("aw", "w", "b", "ar", "r")


class SlaveTB:
    """The registers answer with another word in every cycle, so that one that is read a cycle late shows."""

    def __init__(self, dut):
        self.dut, self.model = dut, AxilSlave()
        dut.rst.value = 1
        dut.clk.value = Immediate(0)
        dut.req_rdata.value = 0
        Clock(dut.clk, PERIOD_NS, unit="ns").start(start_high=False)
        self.master = PinMaster(dut, "s_axil", lambda: bool(int(dut.rst.value)), ADDRESSES)
        self.asked, self.words = [], []
        self.master.on_answer = lambda _, data: self._compare(data)
        cocotb.start_soon(self._watch())

    def _compare(self, data):
        assert data == self.words.pop(0)

    async def _watch(self):
        dut, model = self.dut, self.model
        await FallingEdge(dut.clk)
        while True:
            await FallingEdge(dut.clk)
            dut.req_rdata.value = word = random.getrandbits(32)
            await ReadOnly()
            pins = {
                name: int(getattr(dut, f"s_axil_{name}").value)
                for name in (
                    "awvalid",
                    "wvalid",
                    "bready",
                    "arvalid",
                    "rready",
                    "awready",
                    "wready",
                    "bvalid",
                    "arready",
                    "rvalid",
                    "rdata",
                    "awaddr",
                    "araddr",
                    "wdata",
                    "wstrb",
                    "bresp",
                    "rresp",
                )
            }
            assert (pins["awready"], pins["wready"], pins["arready"]) == (model.write, model.write, model.read)
            assert (pins["bvalid"], pins["rvalid"]) == (model.bvalid, model.rvalid)
            assert pins["bresp"] == pins["rresp"] == 0
            assert not model.rvalid or pins["rdata"] == model.rdata
            assert int(dut.req_valid.value) == (model.write or model.read)
            if model.write or model.read:
                assert int(dut.req_write.value) == model.write
                assert int(dut.req_addr.value) == pins["awaddr" if model.write else "araddr"] & ~3
            if model.write:
                assert int(dut.req_wdata.value) == pins["wdata"]
                bits = sum(0xFF << 8 * n for n in range(4) if pins["wstrb"] >> n & 1)
                assert int(dut.req_biten.value) == bits
            if int(dut.rst.value):
                model = self.model = AxilSlave()
                self.words.clear()
                continue
            if model.read:
                self.words.append(word)
            aw, w, bready, ar, rready = (
                bool(pins[name]) for name in ("awvalid", "wvalid", "bready", "arvalid", "rready")
            )
            model.edge(aw, w, bready, ar, rready, word)

    async def reset(self, cycles=1):
        await FallingEdge(self.dut.clk)
        self.dut.rst.value = 1
        await self.wait(cycles)
        self.dut.rst.value = 0

    async def wait(self, cycles):
        for _ in range(cycles):
            await FallingEdge(self.dut.clk)


@cocotb.test()
async def any_traffic(dut):
    """Every pin as the model has it, at rates that change, the extremes among them."""
    tb = SlaveTB(dut)
    await tb.reset()
    for _ in range(150):
        tb.master.rates = {channel: random.choice((0.0, 0.2, 0.5, 0.8, 1.0)) for channel in CHANNELS}
        await tb.wait(random.randrange(5, 60))
    assert tb.master.written > 300
    assert tb.master.answered > 300


@cocotb.test()
async def full_rate(dut):
    """A request of each kind every two cycles, both at once."""
    tb = SlaveTB(dut)
    tb.master.rates = dict.fromkeys(CHANNELS, 1.0)
    await tb.reset()
    await tb.wait(200)
    assert tb.master.written >= 97
    assert tb.master.answered >= 97


@cocotb.test()
@cocotb.parametrize(waits=["b", "r"])
async def a_response_that_nobody_takes(dut, waits):
    """It holds back the requests of its own kind alone."""
    tb = SlaveTB(dut)
    tb.master.rates = dict.fromkeys(CHANNELS, 1.0) | {waits: 0.0}
    await tb.reset()
    await tb.wait(200)
    done = {"b": tb.master.written, "r": tb.master.answered}
    assert done.pop(waits) == 0
    assert min(done.values()) >= 97
    tb.master.rates[waits] = 1.0
    await tb.wait(200)
    assert min(tb.master.written, tb.master.answered) >= 97


@cocotb.test()
async def resets_at_any_time(dut):
    """Of one cycle too: nothing is offered behind its clock edge, and no response is one that was asked for before."""
    tb = SlaveTB(dut)
    await tb.reset()
    for _ in range(300):
        tb.master.rates = {channel: random.choice((0.1, 0.5, 1.0)) for channel in CHANNELS}
        await tb.wait(random.randrange(1, 20))
        await tb.reset(random.choice((1, 1, 2)))
    assert tb.master.resets >= 300
