# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_uart_tx: the level of the line in every cycle; back-to-back bytes, pauses, reset in a byte."""

import random

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from verif.models.uart import levels
from verif.tb.axis import TB, params, random_stall
from verif.tb.coverage import hit

DIVISOR = params()["DIVISOR"]


class Wire:
    """Records uart_tx in every cycle, with the cycle in which each byte was taken."""

    def __init__(self, dut, stall=0.0):
        self.tb = TB(dut, sources=("s_byte",), sinks=(), stalls={"s_byte": random_stall(stall)})
        self.dut = dut
        self.line: list[int] = []
        self.taken: list[int] = []  # indices into line
        cocotb.start_soon(self._record())

    async def _record(self):
        before = 0
        while True:
            await FallingEdge(self.dut.clk)
            await ReadOnly()
            self.line.append(int(self.dut.uart_tx.value))
            now = len(self.tb.source.accepted)
            if now != before:
                self.taken.append(len(self.line) - 1)
                before = now

    async def takes(self, count):
        await self.tb.until(lambda: len(self.taken) >= count, f"byte {count - 1} taken", 10 * DIVISOR + 5000)

    async def check(self, sent):
        await self.tb.until(lambda: not self.tb.source.queue, "byte taken", 100 * DIVISOR)
        await self.tb.wait(11 * DIVISOR)
        expected = [1] * len(self.line)
        for at, byte in zip(self.taken, sent, strict=True):
            wave = [level for level in levels(byte) for _ in range(DIVISOR)]
            expected[at + 1 : at + 1 + len(wave)] = wave
        assert self.line == expected[: len(self.line)]


@cocotb.test()
@cocotb.parametrize(stall=[0.0, 0.99])
async def every_byte(dut, stall):
    wire = Wire(dut, stall)
    await wire.tb.reset()
    wire.line, wire.taken = [], []
    sent = random.sample(range(256), 256)
    wire.tb.send(sent)
    for n in range(len(sent)):
        await wire.takes(n + 1)
    await wire.check(sent)
    gaps = {b - a for a, b in zip(wire.taken, wire.taken[1:], strict=False)}
    assert min(gaps) == 10 * DIVISOR
    if not stall:
        assert gaps == {10 * DIVISOR}


@cocotb.test()
async def reset_in_a_byte(dut):
    wire = Wire(dut)
    await wire.tb.reset()
    for _ in range(20):
        wire.tb.send([0, 0])
        await wire.tb.wait(random.randint(2, 15 * DIVISOR))
        hit("reset in mid-frame", wire.tb.source.queue)
        await wire.tb.reset()
        wire.line, wire.taken = [], []
        byte = random.getrandbits(8)
        wire.tb.send([byte])
        await wire.check([byte])
