# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_fifo: order, full rate, latency, exact capacity, stat_count, reset."""

import itertools
import random

import cocotb
from cocotb.triggers import FallingEdge

from verif.models.stream import fifo
from verif.tb.axis import FLOWS, TB, Beat, params
from verif.tb.coverage import declare, hit, of_parameters

WIDTH, DEPTH = params()["DATA_W"], params()["DEPTH"]
LATENCY = 1 if DEPTH == 2 else 2
of_parameters(
    {
        "DEPTH is 2": DEPTH == 2,
        "DEPTH - 1 is a power of two": DEPTH > 2 and (DEPTH - 1).bit_count() == 1,
        "DEPTH is a power of two": DEPTH > 2 and DEPTH.bit_count() == 1,
    }
)
declare("full", "empty again", "more beats than DEPTH went through", "full when reset")


def random_beats(count: int) -> list[Beat]:
    return [Beat(random.getrandbits(WIDTH), random.random() < 0.3) for _ in range(count)]


async def watch_count(tb: TB) -> None:
    """stat_count says in every cycle how many beats are inside."""
    while True:
        await FallingEdge(tb.dut.clk)
        assert int(tb.dut.stat_count.value) == len(tb.source.accepted) - len(tb.sink.accepted)


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def order(dut, flow):
    tb = TB(dut, flow)
    await tb.reset()
    cocotb.start_soon(watch_count(tb))
    beats = [Beat(0), Beat((1 << WIDTH) - 1, True), *random_beats(3 * DEPTH + 200)]  # wraps three times
    tb.expect(Beat(*b) for b in fifo(beats))
    tb.send(beats)
    await tb.finish()
    hit("empty again", int(dut.stat_count.value) == 0)
    hit("more beats than DEPTH went through", len(tb.sink.accepted) > DEPTH)
    if flow == "full":
        delays = {m - s for s, m in zip(tb.source.accepted, tb.sink.accepted, strict=True)}
        assert delays == {LATENCY}
        assert tb.sink.accepted[-1] - tb.sink.accepted[0] == len(beats) - 1


@cocotb.test()
async def capacity_then_drain(dut):
    """Stalled, it takes exactly DEPTH beats; then it drains and refills at one beat a cycle."""
    hold = DEPTH + 20
    tb = TB(dut, stalls={"m_axis": itertools.chain(itertools.repeat(True, hold), itertools.repeat(False))})
    await tb.reset()
    beats = random_beats(3 * DEPTH + 5)
    tb.expect(Beat(*b) for b in fifo(beats))
    tb.send(beats)
    await tb.wait(hold - 8)
    assert len(tb.source.accepted) == DEPTH
    assert int(dut.stat_count.value) == DEPTH
    hit("full")
    await tb.finish()
    assert tb.sink.accepted[-1] - tb.sink.accepted[0] == len(beats) - 1


@cocotb.test()
async def reset_in_the_middle(dut):
    tb = TB(dut, "slow_sink")
    await tb.reset()
    for _ in range(5):
        beats = random_beats(DEPTH + 10)
        tb.expect(beats)
        tb.send(beats)
        await tb.wait(random.randrange(2, DEPTH + 10))
        hit("full when reset", int(dut.stat_count.value) == DEPTH)
        await tb.reset()
        assert int(dut.stat_count.value) == 0
    beats = random_beats(DEPTH + 50)
    tb.expect(beats)
    tb.send(beats)
    await tb.finish()
