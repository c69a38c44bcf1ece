# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_packet_rx: good packets come out whole, whatever happens to a line's bytes nothing else does."""

import random

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from verif.models.host import RESET
from verif.models.packet import END, ESC, checksum, enclosed, framed, unframed
from verif.tb.axis import TB, Beat, changing_stall, cycle, params
from verif.tb.coverage import declare, hit, waive

SIZE = params()["SIZE"]
FAULTS = ("flipped bit", "lost byte", "doubled byte", "cut off", "noise in front", "swapped bytes")
declare(
    *FAULTS,
    "longest packet",
    "one byte too long",
    "shortest packet",
    "one byte too short",
    "wrong escape",
    "escape in front of the end",
    "waits behind another",
    "dropped behind a waiting one",
    "reset in a packet",
    "RESET told",
    "RESET dropped and told",
    "another operation",
)
waive("s_axis idle", "the line is no stream")


class LineTB(TB):
    def __init__(self, dut, **options):
        super().__init__(dut, sources=(), sinks=("m_packet",), **options)
        self.bad = self.told = 0
        self.bytes = []  # of the line since the last reset
        dut.rx_valid.value = 0
        cocotb.start_soon(self._watch())

    async def _watch(self):
        while True:
            await FallingEdge(self.dut.clk)
            await ReadOnly()
            if not int(self.dut.rst.value):
                self.bad += int(self.dut.stat_bad.value)
                self.told += int(self.dut.rx_reset.value)
                hit("waits behind another", int(self.dut.stat_waiting.value) and int(self.dut.m_packet_tvalid.value))

    async def line(self, data, gap=lambda: 1):
        """Bytes, each followed by `gap` cycles at least."""
        for byte in data:
            self.bytes.append(byte)
            await FallingEdge(self.dut.clk)
            self.dut.rx_valid.value, self.dut.rx_data.value = 1, byte
            await FallingEdge(self.dut.clk)
            self.dut.rx_valid.value, self.dut.rx_data.value = 0, random.getrandbits(8)
            for _ in range(gap() - 1):
                await FallingEdge(self.dut.clk)

    def check_told(self):
        """rx_reset has told of every whole RESET so far, and of nothing else."""
        operations = [packet[1] & 3 for packet in unframed(self.bytes, SIZE)]
        assert self.told == operations.count(RESET)
        hit("RESET told", self.told)
        hit("another operation", len(operations) > self.told)

    async def reset(self, cycles=1):
        self.check_told()
        await super().reset(cycles)
        self.bytes, self.told = [], 0

    async def finish(self):
        await super().finish()
        self.check_told()

    def expect_packet(self, packet):
        self.expect([Beat(byte, n == len(packet) - 1) for n, byte in enumerate(packet)])

    async def drained(self):
        await self.until(lambda: not self._pending(), "end of the packets")
        await self.wait(6)


def random_packet(length=None):
    """Many special bytes among others."""
    length = length or random.randint(4, SIZE - 4)
    return [random.choice((END, ESC, 0xDC, 0xDD, random.getrandbits(8))) for _ in range(length)]


def damaged(data, fault):
    data, at = list(data), random.randrange(1, len(data) - 1)
    if fault == "flipped bit":
        data[at] ^= 1 << random.randrange(8)
    elif fault == "lost byte":
        del data[at]
    elif fault == "doubled byte":
        data.insert(at, data[at])
    elif fault == "cut off":
        del data[at:]
    elif fault == "swapped bytes":
        data[at], data[at - 1] = data[at - 1], data[at]
    else:
        data = [random.getrandbits(8) for _ in range(random.randint(1, 2 * SIZE))] + data
    hit(fault)
    return data


@cocotb.test()
@cocotb.parametrize(flow=["full", "ready_after_valid"])
async def good_packets(dut, flow):
    tb = LineTB(dut, flow=flow)
    await tb.reset()
    for n in range(40):
        packet = random_packet({0: 4, 1: SIZE - 4}.get(n))
        hit("shortest packet", len(packet) == 4)
        hit("longest packet", len(packet) == SIZE - 4)
        tb.expect_packet(packet)
        await tb.line(framed(packet), lambda: random.choice((1, 1, 2, 5)))
        await tb.drained()
    await tb.finish()
    assert tb.bad == 0


@cocotb.test()
async def latency_and_rate(dut):
    tb = LineTB(dut)
    await tb.reset()
    packet = random_packet(SIZE - 4)
    tb.expect_packet(packet)
    await tb.line(framed(packet)[:-1])
    await FallingEdge(dut.clk)
    tb.dut.rx_valid.value, tb.dut.rx_data.value = 1, END
    start = cycle()
    await FallingEdge(dut.clk)
    tb.dut.rx_valid.value = 0
    await tb.finish()
    assert tb.sink.accepted[0] - start == 3
    assert tb.sink.accepted[-1] - tb.sink.accepted[0] == len(packet) - 1


@cocotb.test()
async def damage(dut):
    """What comes out is what the model finds, and each damaged line is followed by a packet that must come."""
    tb = LineTB(dut, stalls={"m_packet": changing_stall()})
    await tb.reset()
    for n in range(240):
        data = damaged(framed(random_packet(random.randint(4, min(24, SIZE - 4)))), FAULTS[n % len(FAULTS)])
        after = random_packet(random.randint(4, min(12, SIZE - 4)))
        for part in (data, framed(after)):
            line = [*part, END]
            for packet in unframed(line, SIZE):
                tb.expect_packet(packet)
            await tb.line(line)
            await tb.drained()
    await tb.finish()
    assert tb.bad > 100


@cocotb.test()
async def directed(dut):
    tb = LineTB(dut)
    await tb.reset()
    long = random_packet(SIZE - 3)
    short = [1, 2, 3]
    cases = {
        "one byte too long": framed(long),
        "one byte too short": framed(short),
        "wrong escape": [END, 1, ESC, 0x11, *framed([1, 2, 3, 4])[1:]],
        "escape in front of the end": [*framed([1, 2, 3, 4])[:-1], ESC, END],
    }
    # As the checksum counts plain bytes, a wrong escape has to be refused by itself.
    body = [1, 2, 3, 4, ESC]
    cases["wrong escape"] = [END, 1, 2, 3, 4, ESC, 0x11, *framed(body)[7:]]
    for name, line in cases.items():
        before = tb.bad
        assert unframed(line, SIZE) == []
        await tb.line(line)
        await tb.wait(8)
        assert tb.bad == before + 1, name
        hit(name)
        tb.expect_packet([9, 8, 7, 6])
        await tb.line(framed([9, 8, 7, 6]))
        await tb.drained()
    for length in (1 << n for n in range(SIZE.bit_length())):  # each bit of the count by itself
        before = tb.bad
        await tb.line([*[0x55] * length, END])
        await tb.wait(2)
        assert tb.bad == before + 1, length
    before = tb.bad
    await tb.line([END] * 7)
    await tb.finish()
    assert tb.bad == before
    assert checksum([1, 2, 3, 4]) == list((0xB63CFBCD).to_bytes(4, "little"))  # zlib.crc32


@cocotb.test()
async def every_bit_of_the_checksum(dut):
    """The register behind the packet is wrong in one bit, and the packet is dropped."""
    tb = LineTB(dut)
    await tb.reset()
    packet = [1, 2, 3, 4]
    for bit in range(32):
        error = 1 << bit
        for _ in range(32):  # back to the checksum's bits that end in this one
            error = ((error ^ 0xEDB88320) << 1 | 1) if error >> 31 else error << 1
        wrong = [byte ^ error >> 8 * n & 0xFF for n, byte in enumerate(checksum(packet))]
        await tb.line(enclosed([*packet, *wrong]))
        await tb.wait(2)
        assert tb.bad == bit + 1
    tb.expect_packet(packet)
    await tb.line(framed(packet))
    await tb.finish()


@cocotb.test()
async def one_waits_the_next_is_dropped(dut):
    blocked = [True]

    def stall():
        while True:
            yield blocked[0]

    tb = LineTB(dut, stalls={"m_packet": stall()})
    await tb.reset()
    for n in range(8):
        blocked[0] = True
        first, second, third = (random_packet(random.randint(4, SIZE - 4)) for _ in range(3))
        third[1] = third[1] & ~3 | n % 4
        tb.expect_packet(first)
        tb.expect_packet(second)
        before = tb.bad
        await tb.line(framed(first))
        await tb.wait(5)
        assert not int(dut.stat_waiting.value)
        await tb.line(framed(second))
        await tb.wait(5)
        assert int(dut.stat_waiting.value)
        await tb.line(framed(third)[:-1])
        blocked[0] = random.random() < 0.5  # room at last, but this packet has lost its beginning
        await tb.wait(3 * SIZE)
        await tb.line([END])
        await tb.wait(5)
        assert tb.bad == before + 1
        hit("dropped behind a waiting one")
        hit("RESET dropped and told", third[1] & 3 == RESET)
        tb.check_told()
        blocked[0] = False
        await tb.drained()
    await tb.finish()


@cocotb.test()
async def reset_in_a_packet(dut):
    tb = LineTB(dut, stalls={"m_packet": changing_stall()})
    await tb.reset()
    for _ in range(30):
        lines = [*framed(random_packet()), *framed(random_packet())]
        lines = lines[: random.randint(1, len(lines))]
        for packet in unframed(lines, SIZE):
            tb.expect_packet(packet)
        await tb.line(lines)
        await tb.wait(random.randint(0, 6))
        await tb.reset()
        hit("reset in a packet")
        packet = random_packet()
        tb.expect_packet(packet)
        await tb.line(framed(packet)[random.getrandbits(1) :])  # the mark in front is a courtesy
        await tb.drained()
    await tb.finish()
