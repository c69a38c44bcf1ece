# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_step_delay: passes delayed by DELAY, zeros without input, what it holds, latency, a closed loop, reset."""

import itertools
import os
import random

import cocotb

from verif.models.step_delay import step_delay
from verif.tb.axis import FLOWS, TB, Beat, params, random_stall
from verif.tb.coverage import declare, hit, of_parameters

NOISE = os.environ.get("TLAST") == "random"
P = params()
DATA_W, BEATS, PASSES, DELAY = P["DATA_W"], P["BEATS"], P["PASSES"], P["DELAY"]
ROOM = DELAY * BEATS + 1
LATENCY = 1 if ROOM == 2 else 2
of_parameters(
    {
        "one pass": PASSES == 1,
        "several passes": PASSES > 1,
        "one beat per pass": BEATS == 1,
        "several passes of delay": DELAY > 1,
        "nothing comes through": PASSES == DELAY,
    }
)
declare(
    "zeros before any input",
    "zeros before the frame before has come in",
    "full",
    "a pass dropped while full",
    "reset in a later pass",
)


def only_expected(tb: TB, stall=None):
    """Stall generator of the sink: the zeros of the frame behind the last one stay where they are."""
    stall = stall or itertools.repeat(False)
    return (next(stall) or not tb.boards["m_axis"].expected for _ in itertools.count())


def bench(dut, flow: str = "full") -> TB:
    pressure = FLOWS[flow][1]
    tb = TB(dut, flow)
    tb.sink.stall = only_expected(tb, random_stall(pressure or 0.0))
    return tb


def beats(pass_: list[int], noise: bool = False) -> list[Beat]:
    return [Beat(data, bool(random.getrandbits(1)) if noise else n == BEATS - 1) for n, data in enumerate(pass_)]


def held(tb: TB) -> int:
    """Beats inside, by what went over since the first reset."""
    kept = sum(n // BEATS % PASSES < PASSES - DELAY for n in range(len(tb.source.accepted)))
    return kept - sum(n // BEATS % PASSES >= DELAY for n in range(len(tb.sink.accepted)))


def push(tb: TB, frames: int) -> None:
    passes = [[random.getrandbits(DATA_W) for _ in range(BEATS)] for _ in range(frames * PASSES)]
    for sent, expected in zip(passes, step_delay(passes, PASSES, DELAY), strict=True):
        tb.send(beats(sent, NOISE))
        tb.expect(beats(expected))


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def frames(dut, flow):
    tb = bench(dut, flow)
    await tb.reset()
    push(tb, 10)
    await tb.finish()
    if flow == "full":
        for agent in (tb.source, tb.sink):
            assert agent.accepted[-1] - agent.accepted[0] == 10 * PASSES * BEATS - 1


@cocotb.test()
async def zeros_wait_for_nothing_and_room_is_exact(dut):
    tb = bench(dut)
    await tb.reset()
    tb.expect(beats([0] * BEATS) * DELAY)
    await tb.finish()
    assert not tb.source.accepted
    hit("zeros before any input", len(tb.sink.accepted) == DELAY * BEATS)
    # The sink stalls from here on: everything up to the first dropped pass, and the next frame's, meets the room.
    kept = BEATS * (PASSES - DELAY)
    tb.send([Beat(1, n % BEATS == BEATS - 1) for n in range(4 * BEATS * PASSES)])
    await tb.wait(4 * BEATS * PASSES + 10)
    frames, rest = divmod(ROOM, kept) if kept else (4, 0)
    expected = frames * PASSES * BEATS + rest
    assert len(tb.source.accepted) == min(expected, 4 * BEATS * PASSES)
    hit("full", held(tb) == ROOM)


@cocotb.test()
async def what_is_dropped_needs_no_room(dut):
    """The last passes go in though the FIFO has become full with those before them."""
    kept = BEATS * (PASSES - DELAY)
    if kept < ROOM:
        return  # never full
    tb = bench(dut)
    await tb.reset()
    frame = [Beat(1, n % BEATS == BEATS - 1) for n in range(PASSES * BEATS)]
    tb.expect([*beats([0] * BEATS) * DELAY, *frame[: kept - ROOM]])  # the sink stalls behind these
    tb.send(frame * 2)
    await tb.wait(4 * len(frame) + 10)
    assert len(tb.source.accepted) == len(frame)
    hit("a pass dropped while full", held(tb) == ROOM)


@cocotb.test()
async def latency(dut):
    if PASSES == DELAY:
        return  # nothing comes through
    tb = bench(dut)
    await tb.reset()
    tb.expect(beats([0] * BEATS) * DELAY)
    await tb.finish()
    for n in range(BEATS):
        tb.send([Beat(1, n == BEATS - 1)])
        tb.expect([Beat(1, n == BEATS - 1)])
        await tb.finish()
        assert tb.sink.accepted[-1] - tb.source.accepted[-1] == LATENCY


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def closed_loop(dut, flow):
    """What comes out goes in again, one more: step t of every frame is t // DELAY."""
    tb = bench(dut, flow)
    await tb.reset()
    compare = tb.sink.on_beat

    def feed(beat: Beat) -> None:
        compare(beat)
        tb.send([Beat((beat.data + 1) % (1 << DATA_W), beat.last)])

    tb.sink.on_beat = feed
    for _ in range(5):
        for t in range(PASSES):
            tb.expect(beats([t // DELAY % (1 << DATA_W)] * BEATS))
    await tb.finish()
    frame = PASSES * BEATS
    hit("zeros before the frame before has come in", tb.sink.accepted[frame] < tb.source.accepted[frame - 1])


@cocotb.test()
async def reset_in_the_middle(dut):
    tb = bench(dut, "both")
    await tb.reset()
    for _ in range(8):
        before = len(tb.source.accepted)
        push(tb, 3)
        await tb.wait(random.randrange(2, 3 * BEATS * PASSES + 10))
        hit("reset in a later pass", (len(tb.source.accepted) - before) // BEATS % PASSES)
        await tb.reset(1)
        push(tb, 2)
        await tb.finish()
