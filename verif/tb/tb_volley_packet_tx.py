# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_packet_tx: a packet's bytes with checksum, escapes and end marks; reset in a packet."""

import random

import cocotb

from verif.models.packet import END, ESC, framed
from verif.tb.axis import FLOWS, TB, Beat
from verif.tb.coverage import declare, hit

declare("an escape in the checksum", "an escape in the last byte", "a packet of one byte")


def push(tb, packet):
    tb.send([Beat(byte, n == len(packet) - 1) for n, byte in enumerate(packet)])
    line = framed(packet)
    tb.expect(line)
    hit("an escape in the checksum", ESC in line[-8:-1] and packet[-1] not in (END, ESC))
    hit("an escape in the last byte", packet[-1] in (END, ESC))
    hit("a packet of one byte", len(packet) == 1)


def random_packet():
    return [random.choice((END, ESC, 0xDC, 0xDD, random.getrandbits(8))) for _ in range(random.randint(1, 30))]


def bench(dut, flow="full"):
    return TB(dut, flow, sources=("s_packet",), sinks=("m_byte",))


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def packets(dut, flow):
    tb = bench(dut, flow)
    await tb.reset()
    for _ in range(60):
        push(tb, random_packet())
    await tb.finish()
    if flow == "full":  # nothing is lost: a byte a cycle
        assert tb.sink.accepted[-1] - tb.sink.accepted[0] == len(tb.sink.accepted) - 1


@cocotb.test()
async def reset_in_a_packet(dut):
    tb = bench(dut, "both")
    await tb.reset()
    for _ in range(30):
        for _ in range(3):
            push(tb, random_packet())
        await tb.wait(random.randint(2, 120))
        await tb.reset()
        push(tb, random_packet())
        await tb.finish()
