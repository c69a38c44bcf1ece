# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_broadcast: every source gets every beat once, none waits for another, latency 0, 1 beat/cycle."""

import itertools
import random

import cocotb

from verif.models.stream import broadcast
from verif.tb.axis import FLOWS, TB, Beat, params
from verif.tb.coverage import declare, hit, of_parameters
from verif.tb.slices import Slices

WIDTH, N = params()["DATA_W"], params()["N"]
SINKS = [f"m_axis{i}" for i in range(N)]
of_parameters({"one source": N == 1, "two sources": N == 2, "more than two": N > 2})
declare("all take a beat at once", "a beat under way when reset", *(f"{sink} latest" for sink in SINKS))


def bench(dut, flow="full", **stalls) -> TB:
    return TB(Slices(dut, {"m_axis": N}), flow, sinks=SINKS, stalls=stalls)


def push(tb: TB, count: int) -> list[Beat]:
    beats = [Beat(random.getrandbits(WIDTH), random.random() < 0.3) for _ in range(count)]
    for sink, copy in zip(SINKS, broadcast(beats, N), strict=True):
        tb.expect([Beat(*beat) for beat in copy], sink)
    tb.send(beats)
    return beats


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def copies(dut, flow):
    tb = bench(dut, flow)
    await tb.reset()
    beats = push(tb, 300)
    await tb.finish()
    at = zip(*(sink.accepted for sink in tb.sinks.values()), strict=True)
    hit("all take a beat at once", N > 1 and any(len(set(cycles)) == 1 for cycles in at))
    if flow == "full":
        assert all(sink.accepted == tb.source.accepted for sink in tb.sinks.values())
        assert tb.source.accepted[-1] - tb.source.accepted[0] == len(beats) - 1


@cocotb.test()
@cocotb.parametrize(late=SINKS)
async def only_the_beat_waits_for_the_latest(dut, late):
    """The others take a beat as soon as it is offered; the sink's goes in the cycle of the latest."""
    tb = bench(dut, **{late: itertools.cycle([True] * 4 + [False])})
    await tb.reset()
    push(tb, 40)
    await tb.finish()
    taken = tb.source.accepted
    assert tb.sinks[late].accepted == taken
    for sink in tb.sinks.keys() - {late}:
        assert tb.sinks[sink].accepted[1:] == [at + 1 for at in taken[:-1]]
        hit(f"{late} latest", all(a < b for a, b in zip(tb.sinks[sink].accepted, taken, strict=True)))


@cocotb.test()
async def reset_in_the_middle(dut):
    """A source that had the cut beat takes the first one after reset all the same."""
    tb = bench(dut, "both")
    await tb.reset()
    for pause in range(1, 20):
        before = {name: len(sink.accepted) for name, sink in tb.sinks.items()}
        push(tb, 30)
        await tb.wait(pause)
        hit("a beat under way when reset", len({len(tb.sinks[name].accepted) - n for name, n in before.items()}) > 1)
        await tb.reset(then=lambda: push(tb, 5))
        await tb.finish()
