# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_replay: passes and their marks, cycles per frame, latency, room, reset. WRONG_LAST as in tb_volley_encode."""

import itertools
import os
import random

import cocotb

from verif.models.stream import replay
from verif.models.window import window_fold_cycles
from verif.tb.axis import FLOWS, TB, Beat, params
from verif.tb.coverage import declare, hit, of_parameters

P = params()
DATA_W, BEATS, PASSES, DEPTH = (P[k] for k in ("DATA_W", "BEATS", "PASSES", "DEPTH"))
CYCLES = window_fold_cycles([[list(range(BEATS))]], (1, 1), (1, 1), (0, 0), PASSES, DEPTH)
WRONG_LAST = bool(os.environ.get("WRONG_LAST"))
of_parameters(
    {
        "one pass": PASSES == 1,
        "several passes": PASSES > 1,
        "one beat per pass": BEATS == 1,
        "room for none of the next frame": DEPTH == BEATS,
        "for a part of it": BEATS < DEPTH < 2 * BEATS,
        "for all of it": DEPTH >= 2 * BEATS,
    }
)
declare("a beat comes in as one goes out", "the next frame comes in beside this one", "full", "reset in a later pass")


def push(tb: TB, frames: int) -> None:
    for _ in range(frames):
        frame = [random.getrandbits(DATA_W) for _ in range(BEATS)]
        tb.send(Beat(data, random.random() < 0.5 if WRONG_LAST else n == BEATS - 1) for n, data in enumerate(frame))
        tb.expect(Beat(*beat) for beat in replay(frame, PASSES))


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def frames(dut, flow):
    tb = TB(dut, flow)
    await tb.reset()
    push(tb, 8)
    await tb.finish()
    hit("a beat comes in as one goes out", set(tb.source.accepted) & set(tb.sink.accepted))
    hit(
        "the next frame comes in beside this one",
        PASSES > 1 and tb.source.accepted[BEATS] < tb.sink.accepted[BEATS * (PASSES - 1)],
    )
    if flow == "full":
        assert tb.sink.accepted[0] - tb.source.accepted[0] == 3
        ends = tb.sink.accepted[:: BEATS * PASSES]
        gaps = [b - a for a, b in itertools.pairwise(ends)][3:]
        assert set(gaps) == {CYCLES}, f"cycles per frame {gaps}, expected {CYCLES}"
        assert BEATS * PASSES + (DEPTH == BEATS) == CYCLES


@cocotb.test()
async def takes_what_fits(dut):
    """While nothing leaves, it takes DEPTH beats, of as many frames as that is, and no more.

    Two beats are in registers behind the store, which forgets a frame once the last one of it is there.
    """
    stalled = True

    def stall():
        while True:
            yield stalled

    tb = TB(dut, stalls={"m_axis": stall()})
    await tb.reset()
    push(tb, DEPTH // BEATS + 4)
    await tb.wait(2 * DEPTH + 20)
    assert len(tb.source.accepted) == DEPTH + 2 // (BEATS * PASSES) * BEATS
    hit("full", tb.source.waited)
    stalled = False
    await tb.finish()


@cocotb.test()
async def reset_in_the_middle(dut):
    tb = TB(dut, "both")
    await tb.reset()
    for _ in range(8):
        before = len(tb.sink.accepted)
        push(tb, 2)
        await tb.wait(random.randrange(2, 2 * BEATS * PASSES + 10))
        hit("reset in a later pass", (len(tb.sink.accepted) - before) // BEATS % PASSES)
        await tb.reset(1)
        push(tb, 1)
        await tb.finish()
