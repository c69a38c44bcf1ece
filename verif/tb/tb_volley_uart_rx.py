# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_uart_rx: every byte value, clocks that differ, glitches, missing stop bits, a line held low, reset;
every byte in its cycle for any levels."""

import random

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly, Timer

from verif.models.uart import levels, received
from verif.tb.axis import PERIOD_NS, TB, cycle, params
from verif.tb.coverage import declare, hit

DIVISOR = params()["DIVISOR"]
declare(
    "a byte right behind another",
    "a pause between bytes",
    "fast sender",
    "slow sender",
    "glitch",
    "no stop bit",
    "line held low",
    "reset in a byte",
    "line low in a reset",
    "glitch just too short",
    "shortest start bit",
)


class Line:
    """Drives uart_rx bit by bit at a period of its own, and collects the bytes."""

    def __init__(self, dut):
        self.tb = TB(dut, sources=(), sinks=())
        self.dut, self.bit_ps = dut, DIVISOR * PERIOD_NS * 1000
        self.got: list[int] = []
        self.at: list[int] = []
        dut.uart_rx.value = 1
        cocotb.start_soon(self._collect())

    async def _collect(self):
        while True:
            await FallingEdge(self.dut.clk)
            await ReadOnly()
            if int(self.dut.rx_valid.value) and not int(self.dut.rst.value):
                self.got.append(int(self.dut.rx_data.value))
                self.at.append(cycle())

    async def drive(self, bits):
        for bit in bits:
            self.dut.uart_rx.value = bit
            await Timer(self.bit_ps, unit="ps")

    async def idle(self, bits: float):
        self.dut.uart_rx.value = 1
        await Timer(max(1, round(bits * self.bit_ps)), unit="ps")

    async def check(self, expected):
        await self.idle(12)
        assert self.got == expected, f"expected {bytes(expected).hex(' ')}, got {bytes(self.got).hex(' ')}"
        self.got = []


@cocotb.test()
@cocotb.parametrize(skew=[-0.02, 0.0, 0.02])
async def every_byte(dut, skew):
    line = Line(dut)
    await line.tb.reset()
    await line.idle(3)
    line.bit_ps = round(line.bit_ps * (1 + skew))
    hit("fast sender", skew < 0)
    hit("slow sender", skew > 0)
    sent = random.sample(range(256), 256)
    for byte in sent:
        await line.drive(levels(byte))
        pause = random.choice((0, 0, 0.3, 1, 2.7))
        if pause:
            await line.idle(pause)
        hit("a pause between bytes" if pause else "a byte right behind another")
    await line.check(sent)


@cocotb.test()
async def latency(dut):
    line = Line(dut)
    await line.tb.reset()
    await line.idle(3)
    await FallingEdge(dut.clk)
    start = cycle()
    await line.drive(levels(0xA5))
    await line.check([0xA5])
    assert line.at[0] - start == DIVISOR // 2 + 9 * DIVISOR + 3


@cocotb.test()
async def disturbed(dut):
    """A glitch is no byte; a byte without its stop bit is dropped; a line held low gives nothing."""
    line = Line(dut)
    await line.tb.reset()
    await line.idle(3)
    for _ in range(20):
        dut.uart_rx.value = 0
        await Timer(random.randint(1, (DIVISOR // 2 - 1) * PERIOD_NS * 1000), unit="ps")
        await line.idle(2)
        hit("glitch")
        byte = random.getrandbits(8)
        await line.drive(levels(byte))
        await line.check([byte])
        await line.drive([*levels(random.getrandbits(8))[:-1], 0])
        hit("no stop bit")
        await line.idle(12)
        assert line.got == []
    await line.drive([0] * 35)
    hit("line held low")
    await line.check([])
    await line.drive(levels(0x5A))
    await line.check([0x5A])


@cocotb.test()
async def reset_in_a_byte(dut):
    line = Line(dut)
    await line.tb.reset()
    await line.idle(3)
    for _ in range(20):
        await line.drive(levels(random.getrandbits(8))[: random.randint(1, 9)])
        dut.uart_rx.value = 1
        await line.tb.reset()
        hit("reset in a byte")
        line.got = []
        byte = random.getrandbits(8)
        await line.idle(1)
        await line.drive(levels(byte))
        await line.check([byte])


def waveform(cycles):
    """Levels of a line, one a cycle: bytes whose bits differ in length, glitches of any length, breaks, noise."""
    line: list[int] = []
    while len(line) < cycles:
        kind = random.randrange(6)
        if kind < 2:
            bit = DIVISOR * random.uniform(0.94, 1.06)
            wave = levels(random.getrandbits(8))
            line += [wave[int(n / bit)] for n in range(int(10 * bit))]
        elif kind == 2:
            low = random.choice((DIVISOR // 2, DIVISOR // 2 + 1, random.randint(1, 2 * DIVISOR)))
            hit("glitch just too short", low == DIVISOR // 2)
            hit("shortest start bit", low == DIVISOR // 2 + 1)
            line += [0] * low
        elif kind == 3:
            line += [1] * random.randint(1, 4 * DIVISOR)
        elif kind == 4:
            line += [0] * random.randint(9 * DIVISOR, 12 * DIVISOR)
        else:
            line += [random.getrandbits(1) for _ in range(random.randint(1, 3 * DIVISOR))]
    return line


@cocotb.test()
async def any_levels(dut):
    """Every byte in its cycle, whatever the line does; behind a reset the line counts as having been high."""
    tb = TB(dut, sources=(), sinks=())
    dut.uart_rx.value = 1
    await tb.reset()
    for _ in range(25):
        got, line = [], waveform(random.choice((5, 12, 40, 40)) * DIVISOR)
        for n, level in enumerate([*line, 1, 1]):  # two cycles from a sample to its byte
            dut.rst.value, dut.uart_rx.value = 0, level
            await FallingEdge(dut.clk)
            if int(dut.rx_valid.value):
                got.append((n - 2, int(dut.rx_data.value)))
        assert got == received(line, DIVISOR)
        level = random.getrandbits(1)
        dut.rst.value, dut.uart_rx.value = 1, level
        hit("line low in a reset", not level)
        await FallingEdge(dut.clk)
