# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""pyflow.runtime against volley_uart_top, bit by bit. Faults: none, flip (a bit of the line, either way), lose, double
(a byte), noise (bytes of nobody), reset (the button), cable (pulled and back), hash, weights (other files), load
(weights, while bits flip)."""

import errno
import random
from itertools import groupby

import cocotb
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, Event, First, Timer

from pyflow.runtime.serial import SerialLink
from verif.models.uart import levels
from verif.tb.axis import PERIOD_NS, params
from verif.tb.runtime import FAULT, FILES, OTHER, campaign, clock, refuse_others, reload, session
from verif.tb.uart import next_byte

BIT_NS = params()["CLK_HZ"] // params()["BAUD"] * PERIOD_NS
BYTE_NS = 10 * BIT_NS
RATES = (0.003, 0.01, 0.03)  # faults per byte


class Line:
    """The cable and what hangs on it."""

    def __init__(self, dut):
        self.dut, self.received, self.arrived = dut, bytearray(), Event()
        self.out = False  # the cable is pulled
        self.fault, self.faults, self.rate = "", 0, 0.0
        dut.clk.value = Immediate(0)
        dut.uart_rx.value, dut.aresetn.value = 1, 0
        Clock(dut.clk, PERIOD_NS, unit="ns").start(start_high=False)
        cocotb.start_soon(self._listen())

    async def start(self):
        await ClockCycles(self.dut.clk, 4)
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.clk, 4)

    def _strikes(self, fault):
        hit = self.fault == fault and random.random() < self.rate
        self.faults += hit
        return hit

    def _copies(self):
        """Of a byte that arrive."""
        return 0 if self._strikes("lose") else 2 if self._strikes("double") else 1

    async def _listen(self):
        await Timer(5 * PERIOD_NS, unit="ns")
        while True:
            byte, _ = await next_byte(self.dut.uart_tx, BIT_NS)
            if self._strikes("flip"):
                byte ^= 1 << random.randrange(8)
            if not self.out:
                self.received += bytes([byte] * self._copies())
                self.arrived.set()

    async def put(self, data):
        for byte in data:
            for _ in range(self._copies()):
                bits = list(levels(byte))
                if self._strikes("flip"):
                    bits[random.randrange(len(bits))] ^= 1
                for level, run in groupby(bits):
                    self.dut.uart_rx.value = 1 if self.out else level
                    await Timer(BIT_NS * len(list(run)), unit="ns")
                self.dut.uart_rx.value = 1
            if random.random() < 0.05:  # an operating system pauses
                await Timer(random.randrange(1, 2 * BYTE_NS), unit="ns")

    async def take(self, count):
        """At most `count` bytes; waits for the first, but not long."""
        self.arrived.clear()
        if not self.received:
            await First(self.arrived.wait(), Timer(20 * BYTE_NS, unit="ns"))
        data = bytes(self.received[:count])
        del self.received[:count]
        return data

    # ------------------------------------------------------------------ faults
    async def noise(self):
        while self.fault == "noise":
            await Timer(random.randrange(1, 100 * BYTE_NS), unit="ns")
            if self.fault == "noise" and int(self.dut.uart_rx.value):
                self.faults += 1
                self.received += random.choice([b"\xc0", bytes([random.getrandbits(8)]), b"\xdb"])
                self.arrived.set()

    async def button(self):
        await Timer(random.randrange(1, 400 * BYTE_NS), unit="ns")
        self.faults += 1
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.clk, random.randrange(1, 50))
        self.dut.aresetn.value = 1

    async def pull(self):
        await Timer(random.randrange(1, 400 * BYTE_NS), unit="ns")
        self.faults += 1
        self.out = True
        await Timer(random.randrange(1, 400 * BYTE_NS), unit="ns")
        self.out = False


class Port:
    """A serial port as pyserial has it; every call gives simulated time."""

    def __init__(self, line):
        if line.out:
            raise OSError(errno.ENOENT, "No such file or directory")
        self.line = line
        line.received.clear()

    def _there(self):
        if self.line.out:
            raise OSError(errno.EIO, "Input/output error")

    def write(self, data):
        self._there()
        resume(self.line.put)(data)
        self._there()

    @property
    def in_waiting(self):
        return len(self.line.received)

    def read(self, count):
        self._there()
        data = resume(self.line.take)(count)
        self._there()
        return data

    def close(self):
        pass


async def _sleep(seconds):
    await Timer(round(seconds * 1e9), unit="ns")


async def _struck(dut, line):
    """The fault may come behind the last frame."""
    while not line.faults or not int(dut.aresetn.value):
        await Timer(BYTE_NS, unit="ns")


@cocotb.test()
async def every_seed(dut):
    line = Line(dut)
    await line.start()
    baud = 1e9 / BIT_NS

    def connect():
        frame_s = 4 * FILES.latency_cycles * PERIOD_NS * 1e-9
        return SerialLink(
            lambda: Port(line),
            baud,
            frame_s,
            reconnect_s=3000 * BYTE_NS * 1e-9,
            slack_s=40 * BYTE_NS * 1e-9,
            clock=clock,
            sleep=resume(_sleep),
        )

    def inject():
        line.faults, line.fault, line.rate = 0, "flip" if FAULT == "load" else FAULT, random.choice(RATES)
        if FAULT in ("noise", "reset", "cable"):
            cocotb.start_soon({"noise": line.noise, "reset": line.button, "cable": line.pull}[FAULT]())

    async def back():
        while line.out or not line.faults:
            await Timer(BYTE_NS, unit="ns")

    def heal():
        line.fault = ""
        if FAULT == "cable":
            resume(back)()

    struck = [0]

    async def seed():
        await bridge(refuse_others)(connect)
        if FAULT == "load":
            assert OTHER is not None
            return await bridge(reload)(connect, OTHER, inject, heal)
        done = await bridge(session)(connect, inject, heal)
        struck[0] += line.faults
        if FAULT in ("none", "hash", "weights"):
            assert not done.failures
            assert not done.repeated
        if FAULT in ("reset", "cable"):
            await _struck(dut, line)
            assert not done.failures
            await ClockCycles(dut.clk, 100)
        return done

    await campaign(seed)
    assert struck[0] or FAULT in ("none", "hash", "weights", "load")
