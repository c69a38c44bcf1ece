# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The cores that keep a state per neuron from pass to pass, and are no neurons: volley_pool_gated, volley_accumulate.

Frames of PASSES passes of BEATS beats: values, latency, cycles per beat, reset within a frame. With TLAST=random in
the environment the tlast that comes in is noise (the core built without assertions).
"""

import itertools
import os
import random
from typing import Any

import cocotb

from verif.models.accumulate import accumulate
from verif.models.pool_gated import pool_gated
from verif.tb.axis import FLOWS, TB, Beat, pack, params
from verif.tb.coverage import declare, hit, of_parameters

CORE = os.environ["VOLLEY_CORE"]
NOISE = os.environ.get("TLAST") == "random"
P = params()
LANES, BEATS, PASSES = P["LANES"], P["BEATS"], P["PASSES"]
INTERVAL = 2 if BEATS == 1 and PASSES > 1 else 1  # the next beat's state is that of the beat before
if CORE == "volley_pool_gated":
    SOURCE, SINK, LATENCY, BLOCK, TAPS = "s_window", "m_spike", 2, P["TB"], P["TAPS"]
    OUT_PASSES = PASSES
    of_parameters({"one tap": TAPS == 1})
    declare(
        "no tap spikes",
        "taps tie",
        "last tap wins",
        "won in the first step",
        "won in the last step",
        "won in a later pass",
        "a loser spikes alone",
    )

    def neuron() -> list[Any]:
        """[tap][t]. Each tap silent up to a step, then it fires for sure: ties and near misses abound."""
        steps = range(PASSES * BLOCK)
        start = random.choice((0, len(steps) - 1, len(steps), random.randrange(len(steps))))
        first = [start + random.randrange(3) if random.random() < 0.7 else len(steps) for _ in range(TAPS)]
        trains = [[int(t == f or (t > f and random.random() < 0.5)) for t in steps] for f in first]
        cover(trains)
        return trains

    def cover(trains: list[list[int]]) -> None:
        out, steps = pool_gated(trains), PASSES * BLOCK
        won = out.index(1) if any(out) else None
        hit("no tap spikes", won is None)
        hit("won in the first step", steps > 1 and won == 0)
        hit("won in the last step", steps > 1 and won == steps - 1)
        hit("won in a later pass", won is not None and won >= BLOCK)
        if won is not None:
            winners = [tap for tap, train in enumerate(trains) if train[won]]
            hit("taps tie", len(winners) > 1)
            hit("last tap wins", TAPS > 1 and winners == [TAPS - 1])
        hit("a loser spikes alone", any(not out[t] and any(train[t] for train in trains) for t in range(steps)))

    def beat_in(lanes: list[list[Any]], steps: slice) -> int:
        return pack([word(train[steps]) for tap in zip(*lanes, strict=True) for train in tap], BLOCK)

    def beat_out(lanes: list[list[Any]], steps: slice) -> int:
        return pack([word(pool_gated(trains)[steps]) for trains in lanes], BLOCK)

    def word(spikes: list[int]) -> int:
        return int("".join(map(str, spikes)), 2)  # earliest step in the MSB

else:
    SOURCE, SINK, LATENCY, BLOCK = "s_acc", "m_acc", (P["STEPS"] - 1).bit_length() + 2, P["STEPS"]
    OUT_PASSES = 1
    SIGN = ("unsigned", "signed")[P["IN_SIGNED"]]
    of_parameters({"steps no power of two": BLOCK.bit_count() > 1})
    declare(*(f"{sign}: sum on the {rail} rail" for sign in ("unsigned", "signed") for rail in ("lower", "upper")))
    RAILS = (-(1 << P["IN_W"] - 1), (1 << P["IN_W"] - 1) - 1) if P["IN_SIGNED"] else (0, (1 << P["IN_W"]) - 1)

    def neuron() -> list[Any]:
        """[t]: a rail throughout, or anything."""
        low, high = random.choice((RAILS, RAILS, (RAILS[0],) * 2, (RAILS[1],) * 2))
        numbers = [random.randint(low, high) for _ in range(PASSES * BLOCK)]
        hit(f"{SIGN}: sum on the lower rail", set(numbers) == {RAILS[0]})
        hit(f"{SIGN}: sum on the upper rail", set(numbers) == {RAILS[1]})
        return numbers

    def beat_in(lanes: list[list[Any]], steps: slice) -> int:
        return pack([x for numbers in lanes for x in reversed(numbers[steps])], P["IN_W"])

    def beat_out(lanes: list[list[Any]], steps: slice) -> int:  # noqa: ARG001
        return pack([accumulate(numbers) for numbers in lanes], P["OUT_W"])


of_parameters(
    {
        "one pass": PASSES == 1,
        "several passes": PASSES > 1,
        "one step per pass": BLOCK == 1,
        "a beat waits for the one before it": INTERVAL == 2,
    }
)
declare("reset in a later pass")


def push(tb: TB, frames: int) -> None:
    for _ in range(frames):
        beats = [[neuron() for _ in range(LANES)] for _ in range(BEATS)]
        for n, (p, lanes) in enumerate(itertools.product(range(PASSES), beats)):
            last, steps = n % BEATS == BEATS - 1, slice(p * BLOCK, (p + 1) * BLOCK)
            tb.send([Beat(beat_in(lanes, steps), bool(random.getrandbits(1)) if NOISE else last)])
            if p >= PASSES - OUT_PASSES:
                tb.expect([Beat(beat_out(lanes, steps), last)])


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def frames(dut, flow):
    tb = TB(dut, flow, sources=(SOURCE,), sinks=(SINK,))
    await tb.reset()
    push(tb, 12)
    await tb.finish()
    if flow == "full":
        taken = tb.source.accepted
        assert taken[-1] - taken[len(taken) // 2] == INTERVAL * (len(taken) - 1 - len(taken) // 2)
        if INTERVAL == 1:
            frame = itertools.cycle([False] * BEATS * (PASSES - OUT_PASSES) + [True] * BEATS * OUT_PASSES)
            summed = [at for at, leaves in zip(taken, frame, strict=False) if leaves]
            assert {m - s for s, m in zip(summed, tb.sink.accepted, strict=True)} == {LATENCY}


@cocotb.test()
async def reset_in_the_middle(dut):
    tb = TB(dut, "both", sources=(SOURCE,), sinks=(SINK,))
    await tb.reset()
    for _ in range(8):
        before = len(tb.source.accepted)
        push(tb, 3)
        await tb.wait(random.randrange(2, 3 * BEATS * PASSES + 10))
        hit("reset in a later pass", (len(tb.source.accepted) - before) // BEATS % PASSES)
        await tb.reset(1)
        push(tb, 2)
        await tb.finish()
