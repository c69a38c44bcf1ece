# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_host_command: registers, frames and results, repeated requests, stuck streams, resets."""

import random

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge

from verif.models.host import LAST, READ, RESET, STREAM, WAIT, WORDS, WRITE, Host
from verif.tb.axis import FLOWS, TB, Beat
from verif.tb.coverage import declare, hit, waive

waive("full rate", "a response takes two cycles for each byte")
declare("read", "write", "bus error", "stream", "result of many packets", "longest response", "odd number of bytes",
        "repeated", "stuck in the middle of a payload", "stuck behind a payload", "stuck without a result",
        "refused while broken", "read while broken", "payload that is not wanted", "busy", "results wait for a stream")
REGISTERS = {address: random.getrandbits(32) for address in (0, 4, 0x7FC, 0xFFC)}


class _WithKeep:
    """tkeep above tdata, as a sink reads it."""

    def __init__(self, data, keep):
        self.data, self.keep = data, keep

    def __len__(self):
        return 36

    @property
    def value(self):
        keep = int(self.keep.value)
        mask = sum(0xFF << 8 * n for n in range(4) if keep >> n & 1)
        return keep << 32 | int(self.data.value) & mask  # bytes that tkeep leaves out mean nothing


class CommandTB(TB):
    def __init__(self, dut, flow="full"):
        super().__init__(dut, flow, sources=("s_packet", "s_result"), sinks=("m_packet", "m_frame"))
        self.sinks["m_frame"].data = _WithKeep(dut.m_frame_tdata, dut.m_frame_tkeep)
        self.model = Host(dict(REGISTERS))
        self.writes, self.resets, self.seq = [], 0, 0
        self.slow = flow != "full"
        for port in ("awready", "wready", "bvalid", "arready", "rvalid"):
            getattr(dut, f"m_axi_ctrl_{port}").value = 0
        dut.s_packet_waiting.value = 0
        for task in (self._writes(), self._reads(), self._watch()):
            cocotb.start_soon(task)

    async def reset(self, cycles=1):
        await super().reset(cycles)
        self.model = Host(dict(REGISTERS))
        self.writes, self.resets, self.seq = [], 0, 0
        self.request(RESET)

    async def _watch(self):
        while True:
            await FallingEdge(self.dut.clk)
            await ReadOnly()
            if not int(self.dut.rst.value):
                self.resets += int(self.dut.net_rst.value)
                hit("busy", int(self.dut.stat_busy.value))

    def _pause(self):
        return random.randrange(4) if self.slow else 0

    async def _writes(self):
        """AXI4-Lite slave: address and data in any order."""
        dut = self.dut
        while True:
            await FallingEdge(dut.clk)
            address = data = None
            order = [random.getrandbits(1), random.getrandbits(1)]
            while address is None or data is None:
                dut.m_axi_ctrl_awready.value = int(address is None and (order[0] or data is not None))
                dut.m_axi_ctrl_wready.value = int(data is None and (order[1] or address is not None or not order[0]))
                await ReadOnly()
                if int(dut.rst.value):
                    address = data = None
                else:
                    if int(dut.m_axi_ctrl_awready.value) and int(dut.m_axi_ctrl_awvalid.value):
                        address = int(dut.m_axi_ctrl_awaddr.value)
                    if int(dut.m_axi_ctrl_wready.value) and int(dut.m_axi_ctrl_wvalid.value):
                        data = int(dut.m_axi_ctrl_wdata.value)
                await FallingEdge(dut.clk)
            dut.m_axi_ctrl_awready.value = dut.m_axi_ctrl_wready.value = 0
            await self.wait(self._pause())
            self.writes.append((address, data))
            dut.m_axi_ctrl_bvalid.value = 1
            dut.m_axi_ctrl_bresp.value = 0 if address in REGISTERS else random.choice((2, 3))
            await ReadOnly()
            assert int(dut.m_axi_ctrl_bready.value) or int(dut.rst.value)
            await FallingEdge(dut.clk)
            dut.m_axi_ctrl_bvalid.value = 0

    async def _reads(self):
        dut = self.dut
        while True:
            await FallingEdge(dut.clk)
            dut.m_axi_ctrl_arready.value = 0
            await self.wait(self._pause())
            dut.m_axi_ctrl_arready.value = 1
            await ReadOnly()
            if not int(dut.m_axi_ctrl_arvalid.value) or int(dut.rst.value):
                continue
            address = int(dut.m_axi_ctrl_araddr.value)
            await FallingEdge(dut.clk)
            dut.m_axi_ctrl_arready.value = 0
            await self.wait(self._pause())
            dut.m_axi_ctrl_rvalid.value = 1
            dut.m_axi_ctrl_rdata.value = REGISTERS.get(address, 0)
            dut.m_axi_ctrl_rresp.value = 0 if address in REGISTERS else random.choice((2, 3))
            await ReadOnly()
            assert int(dut.m_axi_ctrl_rready.value) or int(dut.rst.value)
            await FallingEdge(dut.clk)
            dut.m_axi_ctrl_rvalid.value = 0

    def request(self, command, payload=(), address=0, results=(), seq=None):
        """Send a request, expect what it does. results: (word, last) that the network has by then."""
        self.seq = (self.seq + 1) % 256 if seq is None else seq
        packet = [self.seq, command, address & 0xFF, random.getrandbits(4) << 4 | address >> 8, *payload]
        self.model.results.extend(results)
        sent = len(self.model.frames)
        self.send([Beat(word, last) for word, last in results], "s_result")
        self.send([Beat(byte, n == len(packet) - 1) for n, byte in enumerate(packet)], "s_packet")
        response = self.model.execute(packet)
        self.expect([Beat(byte, n == len(response) - 1) for n, byte in enumerate(response)], "m_packet")
        self.expect([Beat(keep << 32 | word, last) for word, keep, last in self.model.frames[sent:]], "m_frame")
        return packet

    async def settle(self):
        await self.until(lambda: not self._pending(), "end of the requests")
        await self.wait(3)
        assert self.writes == self.model.writes
        assert self.resets == self.model.resets
        assert bool(int(self.dut.stat_broken.value)) == self.model.broken


def data(count):
    return [random.getrandbits(8) for _ in range(count)]


def result(words):
    return [(random.getrandbits(32), n == words - 1) for n in range(words)]


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def any_requests(dut, flow):
    tb = CommandTB(dut, flow)
    await tb.reset()
    left = []  # results that the network has and the host has not
    for _ in range(70):
        kind = random.choice((READ, WRITE, STREAM, STREAM, STREAM, RESET))
        address = random.choice((*REGISTERS, 0x10, 0x800))
        if kind == READ:
            payload = data(random.choice((0, 0, 0, 5)))
            tb.request(READ, payload, address)
            hit("read")
            hit("payload that is not wanted", payload)
            hit("bus error", address not in REGISTERS)
        elif kind == WRITE:
            tb.request(WRITE, data(4 * random.choice((0, 1, 1, 7))), address)
            hit("write")
            hit("bus error", address not in REGISTERS)
        elif kind == STREAM:
            payload = data(random.choice((0, 1, 3, 4, 8, 30, 248)))
            left = left or (result(random.choice((1, 5, WORDS, WORDS + 1, 150))) if random.random() < 0.7 else [])
            now, left = left[:WORDS], left[WORDS:]
            tb.request(STREAM | random.choice((0, LAST)) | (WAIT if now else 0), payload, 0, now)
            hit("stream")
            hit("odd number of bytes", len(payload) % 4)
            hit("longest response", len(now) == WORDS)
            hit("result of many packets", left)
        else:
            tb.request(RESET)
        await tb.settle()  # a request on the heels of another would end its wait
        if kind != RESET and random.random() < 0.3:
            again = tb.model.answered
            tb.request(again[1], data(random.choice((0, 4, 9))), address, seq=tb.seq)
            hit("repeated")
            await tb.settle()
    await tb.finish()


@cocotb.test()
async def a_result_ends_with_its_last_word(dut):
    """The next one waits right behind it, for the next request."""
    tb = CommandTB(dut)
    await tb.reset()
    await tb.settle()
    results = [word for _ in range(4) for word in result(random.randint(1, 3))]
    tb.request(STREAM | LAST | WAIT, data(4), results=results)
    while tb.model.results:
        await tb.until(lambda: not tb.boards["m_packet"].expected, "response")
        tb.request(STREAM | LAST | WAIT, data(4))
    await tb.settle()
    await tb.finish()


@cocotb.test()
@cocotb.parametrize(flow=["full", "both"])
async def results_wait_for_a_stream(dut, flow):
    """Whatever else is asked for meanwhile takes none of them."""
    tb = CommandTB(dut, flow)
    await tb.reset()
    await tb.settle()
    others = (READ, (), 4), (READ, data(6), 0x10), (WRITE, data(8), 0), (WRITE, data(4), 0x800), (RESET,), (READ,)
    for n, request in enumerate(others):
        tb.request(*request, results=[] if n else result(5))
        await tb.until(lambda: not tb.boards["m_packet"].expected, "response")
        hit("results wait for a stream")
    tb.request(READ, data(5), seq=tb.seq)
    await tb.until(lambda: not tb.boards["m_packet"].expected, "response")
    tb.request(STREAM | LAST | WAIT, data(4))
    await tb.settle()
    await tb.finish()


def stuck(tb, name):
    """The sink of `name` takes nothing any more."""
    def stall():
        while True:
            yield True

    tb.sinks[name].stall = stall()


@cocotb.test()
@cocotb.parametrize(where=["payload", "behind", "result"])
async def a_stuck_stream_gives_way(dut, where):
    """Another packet ends the wait: the network is reset, streams are refused, registers answer, a reset heals."""
    tb = CommandTB(dut)
    cocotb.start_soon(_forget(tb))
    for _ in range(4):
        await tb.reset()
        await tb.settle()
        free = tb.sinks["m_frame"].stall
        tb.seq = tb.seq + 1 & 0xFF
        packet = [tb.seq, STREAM | LAST | WAIT, 0, 0, *data({"payload": 12, "behind": 4, "result": 0}[where])]
        if where != "result":
            stuck(tb, "m_frame")
        tb.send([Beat(byte, n == len(packet) - 1) for n, byte in enumerate(packet)], "s_packet")
        tb.model.seq = tb.seq
        await tb.wait(60)
        assert not int(dut.stat_broken.value) and int(dut.stat_busy.value)
        tb.model.cut()
        tb.model.answered = [tb.seq, packet[1], 4, 0]
        tb.expect([Beat(byte, n == 3) for n, byte in enumerate(tb.model.answered)], "m_packet")
        if where == "payload":
            dut.s_packet_waiting.value = 1
            await tb.until(lambda: not tb.sources["s_packet"].queue, "end of the payload")
            dut.s_packet_waiting.value = 0
        tb.request(STREAM | LAST, data(8))
        hit("refused while broken")
        await tb.settle()
        tb.sinks["m_frame"].stall = free
        tb.request(READ, address=4)
        hit("read while broken")
        await tb.settle()
        tb.request(RESET)
        tb.request(STREAM | LAST | WAIT, data(9), 0, result(3))
        await tb.settle()
        await tb.finish()
        hit({"payload": "stuck in the middle of a payload", "behind": "stuck behind a payload",
             "result": "stuck without a result"}[where])


async def _forget(tb):
    """As a network does: whatever was offered is gone in the cycle of its reset."""
    while True:
        await RisingEdge(tb.dut.clk)
        await ReadOnly()
        if int(tb.dut.net_rst.value):
            tb.sinks["m_frame"]._held = None


@cocotb.test()
async def reset_at_any_time(dut):
    tb = CommandTB(dut, "both")
    await tb.reset()
    for _ in range(25):
        await tb.settle()
        if random.getrandbits(1):
            tb.request(STREAM | LAST | WAIT, data(random.choice((4, 30))), 0, result(5))
        else:
            tb.request(random.choice((READ, WRITE)), data(4), 4)
        await tb.wait(random.randrange(2, 90))
        await tb.reset()
        await tb.settle()
        tb.request(STREAM | LAST | WAIT, data(10), 0, result(4))
        await tb.settle()
    await tb.finish()
