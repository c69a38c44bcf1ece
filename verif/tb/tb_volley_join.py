# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_join: pairs, tlast of a whatever b's says, latency 0, 1 beat/cycle."""

import itertools
import random

import cocotb

from verif.models.stream import join
from verif.tb.axis import FLOWS, TB, Beat, params
from verif.tb.coverage import declare, hit

A_W, B_W = params()["A_W"], params()["B_W"]
declare("tlast of a alone", "tlast of b alone", "tlast of both", "s_a late", "s_b late")


def bench(dut, flow="full", **stalls) -> TB:
    return TB(dut, flow, sources=("s_a", "s_b"), stalls=stalls)


def push(tb: TB, count: int) -> None:
    a, b = ([Beat(random.getrandbits(w), random.random() < 0.3) for _ in range(count)] for w in (A_W, B_W))
    tb.send(a, "s_a")
    tb.send(b, "s_b")
    tb.expect(Beat(*beat) for beat in join(a, b, A_W))
    marks = {(x.last, y.last) for x, y in zip(a, b, strict=True)}
    hit("tlast of a alone", (True, False) in marks)
    hit("tlast of b alone", (False, True) in marks)
    hit("tlast of both", (True, True) in marks)


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def pairs(dut, flow):
    tb = bench(dut, flow)
    await tb.reset()
    push(tb, 300)
    await tb.finish()
    assert tb.sources["s_a"].accepted == tb.sources["s_b"].accepted == tb.sink.accepted
    if flow == "full":
        assert tb.sink.accepted[-1] - tb.sink.accepted[0] == 299


@cocotb.test()
@cocotb.parametrize(late=["s_a", "s_b"])
async def one_side_is_late(dut, late):
    tb = bench(dut, **{late: itertools.cycle([True] * 5 + [False] * 2)})
    await tb.reset()
    push(tb, 60)
    await tb.finish()
    # Both are taken in the same cycle, so the difference is how long the other one waited for this one.
    other = "s_b" if late == "s_a" else "s_a"
    hit(f"{late} late", tb.sources[other].waited - tb.sources[late].waited > 60)


@cocotb.test()
async def reset_in_the_middle(dut):
    tb = bench(dut, "both")
    await tb.reset()
    for pause in range(1, 10):
        push(tb, 30)
        await tb.wait(pause)
        await tb.reset()
        push(tb, 5)
        await tb.finish()
