# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_uart_top bit by bit around the echo network of verif/tb/net: frames in packets, damaged ones, repeats,
registers."""

import json
import os
import random

import cocotb
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import ClockCycles, FallingEdge, Timer, with_timeout

from pyflow import registers as r
from verif.models.host import LAST, READ, RESET, S_BROKEN, S_LAST, STREAM, WAIT, WRITE
from verif.models.packet import framed, unframed
from verif.models.uart import levels
from verif.tb.axis import PERIOD_NS, params
from verif.tb.echo_constants import CHECKSUM, HASH
from verif.tb.uart import next_byte

NET = json.loads(os.environ["VOLLEY_NET"])
SIZE, CLASSES = NET["BYTES"], NET["CLASSES"]
BIT_NS = params()["CLK_HZ"] // params()["BAUD"] * PERIOD_NS

READY, ANSWERED, BUSY, ERROR = 1, 2, 4, 8  # LEDs


class Serial:
    def __init__(self, dut):
        self.dut, self.bytes, self.seq = dut, [], 0
        dut.clk.value = Immediate(0)
        dut.uart_rx.value, dut.aresetn.value = 1, 0
        Clock(dut.clk, PERIOD_NS, unit="ns").start(start_high=False)
        cocotb.start_soon(self._listen())

    async def _listen(self):
        await Timer(5 * PERIOD_NS, unit="ns")
        while True:
            byte, stopped = await next_byte(self.dut.uart_tx, BIT_NS)
            assert stopped, "no stop bit"
            self.bytes.append(byte)

    async def start(self):
        await ClockCycles(self.dut.clk, 4)
        assert await self.leds() == 0
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.clk, 4)
        assert await self.leds() == READY

    async def leds(self):
        seen = []
        for _ in range(5):
            await FallingEdge(self.dut.clk)
            seen.append(int(self.dut.stat_led.value))
        assert len(set(seen)) == 1, f"LEDs that flicker: {seen}"
        return seen[0]

    async def send(self, data):
        for byte in data:
            for level in levels(byte):
                self.dut.uart_rx.value = level
                await Timer(BIT_NS, unit="ns")

    async def answers(self, count):
        """The next packets, fewer if they take more than the time of two."""
        for _ in range(1200):
            if len(unframed(self.bytes)) >= count:
                break
            await Timer(BIT_NS, unit="ns")
        found, self.bytes = unframed(self.bytes), []
        return found

    async def answer(self):
        return next(iter(await self.answers(1)), None)

    async def ask(self, command, payload=(), repeat=False, address=0):
        self.seq = self.seq if repeat else self.seq + 1 & 0xFF
        await self.send(framed([self.seq, command, address & 0xFF, address >> 8, *payload]))
        response = await with_timeout(self.answer(), 10_000_000, "ns")
        assert response, response
        assert response[:2] == [self.seq, command], response
        return response[2], response[4:]

    async def read(self, address):
        status, data = await self.ask(READ, address=address)
        assert status == 0
        return int.from_bytes(bytes(data), "little")


def echo(frame):
    return [sum(frame[k::CLASSES]) for k in range(CLASSES)]


@cocotb.test()
async def frames_and_faults(dut):
    line = Serial(dut)
    await line.start()
    assert (await line.ask(RESET))[0] == 0
    assert await line.leds() == READY
    for n in range(8):
        frame = [random.getrandbits(8) for _ in range(SIZE)]
        whole = framed([line.seq + 1 & 0xFF, STREAM | LAST | WAIT, 0, 0, *frame])
        if n % 2:  # damaged on its way: no answer, then the same once more
            at = random.randrange(1, len(whole) - 1)
            bad = [*whole[:at], whole[at] ^ 1 << random.randrange(8), *whole[at + 1 :]]
            await line.send(bad)
            assert await line.answer() is None
            assert await line.leds() & ERROR
        expected = [*echo(frame), 0xC0DE0000 | n]
        data = [word >> 8 * k & 0xFF for word in expected for k in range(4)]
        assert await line.ask(STREAM | LAST | WAIT, frame) == (S_LAST, data)
        assert await line.leds() == READY | ANSWERED * ((n + 1) % 2)
        if n % 3 == 0:  # the answer got lost: it comes again, the frame is not counted twice
            assert await line.ask(STREAM | LAST | WAIT, frame, repeat=True) == (S_LAST, data)
    assert await line.read(r.FRAMES) == 8
    assert await line.read(r.ERRORS) == 0


@cocotb.test()
async def a_frame_without_its_end(dut):
    """Its logits come, its trailer does not, until a RESET ends the wait. Other packets wait; those for which there is
    no room are lost, a RESET among them still ends the wait."""
    line = Serial(dut)
    await line.start()
    await line.ask(RESET)
    frame = [random.getrandbits(8) for _ in range(SIZE)]
    await line.send(framed([2, STREAM | WAIT, 0, 0, *frame]))
    assert await line.answer() is None
    assert await line.leds() == READY | BUSY
    for _ in range(3):  # the second one waits for its turn, the third finds no room
        await line.send(framed([2, STREAM | WAIT, 0, 0, *frame]))
    assert await line.answer() is None
    assert await line.leds() & BUSY
    await line.send(framed([3, RESET, 0, 0]))
    words = [word >> 8 * k & 0xFF for word in echo(frame) for k in range(4)]
    assert await line.answers(3) == [[2, STREAM | WAIT, S_BROKEN, CLASSES, *words]] * 3
    await line.send(framed([4, READ, r.ID, 0]))
    assert await line.answer() == [4, READ, S_BROKEN, 1, *r.ID_VALUE_RESET.to_bytes(4, "little")]
    line.seq = 4
    assert await line.leds() == READY | ERROR
    assert (await line.ask(RESET))[0] == 0
    assert await line.leds() == READY
    status, data = await line.ask(STREAM | LAST | WAIT, frame)
    assert status == S_LAST
    assert data[: 4 * CLASSES] == words


@cocotb.test()
async def registers(dut):
    line = Serial(dut)
    await line.start()
    assert await line.read(r.FRAMES) == 0  # those of the test before are gone without a request
    await line.ask(RESET)
    assert await line.read(r.ID) == r.ID_VALUE_RESET
    assert await line.read(r.STRUCTURE) == HASH
    frame = [random.getrandbits(8) for _ in range(SIZE - 1)]  # short by one
    status, data = await line.ask(STREAM | LAST | WAIT, frame)
    assert status == S_LAST
    assert data[-4:] == [0, 1, *CHECKSUM.to_bytes(2, "little")]
    assert await line.read(r.ERRORS) == 1
    assert await line.read(r.FRAMES) == 1
    assert await line.ask(WRITE, [1, 0, 0, 0], address=r.ERRORS) == (0, [])
    assert await line.read(r.ERRORS) == 0
    await line.ask(STREAM | LAST | WAIT, frame)
    await line.ask(RESET)  # registers too
    assert await line.read(r.ERRORS) == 0
    assert await line.read(r.FRAMES) == 0
