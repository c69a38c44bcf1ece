# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_skid: order, full rate, latency 1, capacity 2, reset."""

import itertools
import random

import cocotb

from verif.models.stream import skid
from verif.tb.axis import FLOWS, TB, Beat, params
from verif.tb.coverage import declare, hit

WIDTH = params()["DATA_W"]
declare("holds two beats", "reset while it holds two")


def random_beats(count: int) -> list[Beat]:
    return [Beat(random.getrandbits(WIDTH), random.random() < 0.3) for _ in range(count)]


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def order(dut, flow):
    tb = TB(dut, flow)
    await tb.reset()
    beats = [Beat(0), Beat((1 << WIDTH) - 1, True), *random_beats(300)]
    tb.expect(Beat(*b) for b in skid(beats))
    tb.send(beats)
    await tb.finish()
    if flow == "full":
        assert [m - s for s, m in zip(tb.source.accepted, tb.sink.accepted, strict=True)] == [1] * len(beats)
        assert tb.sink.accepted[-1] - tb.sink.accepted[0] == len(beats) - 1


@cocotb.test()
async def holds_two_beats(dut):
    tb = TB(dut, stalls={"m_axis": itertools.repeat(True)})
    await tb.reset()
    tb.send(random_beats(5))
    await tb.wait(20)
    assert len(tb.source.accepted) == 2
    hit("holds two beats")


@cocotb.test()
async def reset_in_the_middle(dut):
    tb = TB(dut, "both")
    await tb.reset()
    for _ in range(5):
        beats = random_beats(20)
        tb.expect(beats)
        tb.send(beats)
        await tb.wait(random.randrange(2, 15))
        hit("reset while it holds two", not int(dut.s_axis_tready.value))
        await tb.reset()
    beats = random_beats(50)
    tb.expect(beats)
    tb.send(beats)
    await tb.finish()
