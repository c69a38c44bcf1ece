# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_host_command: registers, frames and results, repeated requests, stuck streams, resets."""

import random
from collections.abc import Iterator

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from verif.models.host import LAST, READ, RESET, STREAM, WAIT, WORDS, WRITE, Host
from verif.tb.axis import FLOWS, TB, Beat
from verif.tb.coverage import declare, hit, waive

waive("full rate", "a response takes two cycles for each byte")
declare(
    "read",
    "write",
    "bus error",
    "stream",
    "result of many packets",
    "longest response",
    "odd number of bytes",
    "repeated",
    "stuck in the middle of a payload",
    "stuck behind a payload",
    "stuck without a result",
    "refused while broken",
    "read while broken",
    "payload that is not wanted",
    "busy",
    "results wait for a stream",
    "a RESET while nothing is stuck",
    "requests on the heels of a slow one",
)
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
        dut.rx_reset.value = 0
        self.sinks["m_frame"].in_reset = lambda: bool(int(dut.rst.value) or int(dut.net_rst.value))
        for task in (self._writes(), self._reads(), self._watch(), self._holds()):
            cocotb.start_soon(task)

    async def reset(self, cycles=1):
        await super().reset(cycles)
        self.model = Host(dict(REGISTERS))
        self.writes, self.resets, self.seq = [], 0, random.randrange(256)
        self.request(RESET)

    async def _watch(self):
        """Counts resets. Busy from a request's header to the last byte of its response, and only then waiting for
        anything of the bus or the network."""
        dut, busy, ends = self.dut, False, True  # of the cycle before; ends: it may be over with that
        waits = ("m_axi_ctrl_bready", "m_axi_ctrl_rready", "m_axi_ctrl_arvalid", "s_result_tready", "m_packet_tvalid")
        while True:
            await FallingEdge(dut.clk)
            await ReadOnly()
            if int(dut.rst.value):
                busy, ends = False, True
                continue
            self.resets += int(dut.net_rst.value)
            was, busy = busy, bool(int(dut.stat_busy.value))
            hit("busy", busy)
            assert busy or ends or not was, "stat_busy fell before the response had ended"
            assert busy or not any(int(getattr(dut, port).value) for port in waits), "waits without a request"
            ends = all(int(getattr(dut, f"m_packet_t{port}").value) for port in ("valid", "ready", "last"))

    async def _holds(self):
        """A word of a frame that is offered stays until it is taken or the network is in reset: up to the clock edge at
        which the network sees it, and not beyond."""
        dut, sink = self.dut, self.sinks["m_frame"]
        waits, reset = None, True  # offered and not taken in the cycle before; a reset at its end
        while True:
            await FallingEdge(dut.clk)
            await ReadOnly()
            offered = (sink.data.value, int(dut.m_frame_tlast.value)) if int(dut.m_frame_tvalid.value) else None
            if reset:
                assert offered is None
            elif waits:
                assert offered == waits, f"{waits} became {offered}"
            reset = bool(int(dut.rst.value) or int(dut.net_rst.value))
            waits = None if int(dut.m_frame_tready.value) else offered

    async def tell_reset(self):
        """As the receiver does when a whole RESET has come."""
        await FallingEdge(self.dut.clk)
        self.dut.rx_reset.value = 1
        await FallingEdge(self.dut.clk)
        self.dut.rx_reset.value = 0

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
        command |= random.getrandbits(4) << 4  # bits that mean nothing, but come back
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


def stalled_while(held: list[bool]) -> Iterator[bool]:
    return iter(lambda: held[0], None)


def result(words):
    return [(random.getrandbits(32), n == words - 1) for n in range(words)]


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def any_requests(dut, flow):
    tb = CommandTB(dut, flow)
    await tb.reset()
    left: list[tuple[int, bool]] = []  # results that the network has and the host has not
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
        await tb.settle()  # which results a stream finds depends on when it looks
        if kind != RESET and random.random() < 0.3:
            again = tb.model.answered
            tb.request(again[1] & 0xF, data(random.choice((0, 4, 9))), address, seq=tb.seq)
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
    others = (
        (READ, (), 4),
        (READ, data(6), 0x10),
        (WRITE, data(8), 0),
        (WRITE, data(4), 0x800),
        (RESET, (), 0),
        (READ, (), 0),
    )
    for n, (command, payload, address) in enumerate(others):
        tb.request(command, payload, address, [] if n else result(5))
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
    """A RESET that has come ends the wait, wherever it is: the network is reset, streams are refused, registers answer,
    the RESET heals. Any other packet waits."""
    tb = CommandTB(dut)
    for n in range(4):
        await tb.reset()
        await tb.settle()
        free = tb.sinks["m_frame"].stall
        tb.seq = tb.seq + 1 & 0xFF
        packet = [tb.seq, STREAM | LAST | WAIT, 0, 0, *data({"payload": 12, "behind": 4, "result": 0}[where])]
        if where != "result":
            stuck(tb, "m_frame")
        early = n == 3  # the RESET comes before the stream is stuck
        if early:
            await tb.tell_reset()
        tb.send([Beat(byte, k == len(packet) - 1) for k, byte in enumerate(packet)], "s_packet")
        tb.model.seq = tb.seq
        if not early:
            await tb.wait(60)
            assert not int(dut.stat_broken.value)
            assert int(dut.stat_busy.value)
        tb.model.cut()
        tb.model.answered = [tb.seq, packet[1], 4, 0]
        tb.expect([Beat(byte, n == 3) for n, byte in enumerate(tb.model.answered)], "m_packet")
        tb.request(STREAM | LAST, data(8))  # on the heels of the stuck one, which goes on waiting
        if not early:
            await tb.wait(100)
            assert not int(dut.stat_broken.value)
            assert int(dut.stat_busy.value)
            assert tb.sources["s_packet"].queue
            await tb.tell_reset()
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
        hit(
            {
                "payload": "stuck in the middle of a payload",
                "behind": "stuck behind a payload",
                "result": "stuck without a result",
            }[where]
        )


@cocotb.test()
async def requests_on_the_heels(dut):
    """Of a stream that is slow, both ways, and its own repetition: nothing is cut, each is answered in its turn."""
    tb = CommandTB(dut)
    await tb.reset()
    await tb.settle()
    for _ in range(12):
        blocked = [True]
        tb.sinks["m_frame"].stall = stalled_while(blocked)
        words = result(3)
        first = tb.request(STREAM | LAST | WAIT, data(8), 0, words)
        tb.sources["s_result"].queue.clear()
        tb.request(first[1] & 0xF, first[4:], seq=first[0])  # the host thinks that it was lost
        tb.request(READ, address=4)
        tb.request(WRITE, data(4), 4)
        await tb.wait(40)
        blocked[0] = False
        await tb.wait(random.choice((1, 5, 60)))
        tb.send([Beat(word, last) for word, last in words], "s_result")
        await tb.settle()
        hit("requests on the heels of a slow one")
    # A RESET that finds nothing stuck just waits for its turn.
    for _ in range(6):
        tb.request(STREAM | LAST | WAIT, data(4), 0, result(2))
        await tb.until(lambda: not tb.boards["m_packet"].expected, "response")
        await tb.tell_reset()
        tb.request(RESET)
        await tb.settle()
        hit("a RESET while nothing is stuck", not tb.model.broken)
    await tb.finish()


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
