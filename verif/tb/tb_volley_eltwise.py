# SPDX-License-Identifier: Apache-2.0
"""The cores without state that work element by element: volley_add, volley_residual, volley_sew, volley_pool_or, and
volley_pool_sum on spikes (a lane per step).

They share their tests: values, latency, 1 beat/cycle, one sink later than the others, reset.
"""

import itertools
import os
import random

import cocotb

from verif.models.eltwise import add, residual, sew
from verif.models.pool import pool, union
from verif.tb.axis import FLOWS, TB, Beat, pack, params

CORE = os.environ["COCOTB_TOPLEVEL"]
P = params()
COUNT = 150
LATENCY = 1


def rail_or_random(width: int, signed: bool) -> int:
    low, high = (-(1 << width - 1), (1 << width - 1) - 1) if signed else (0, (1 << width) - 1)
    return random.choice((low, high, random.randint(low, high)))


def fitting(draw, formula, width: int, signed: bool = True) -> tuple[int, ...]:
    """Operands of `draw` whose result fits: the core's bound is the sum's, not that of the operands' rails."""
    while True:
        operands = draw()
        result = formula(*operands)
        if -(1 << width - 1) * signed <= result < 1 << width - signed:
            return (*operands, result)


if CORE == "volley_add":
    SOURCES, SINK = ("s_a", "s_b"), "m_sum"
    A, B = (P["A_W"], P["A_SIGNED"]), (P["B_W"], P["B_SIGNED"])

    def vector():
        a, b, out = zip(*(
            fitting(lambda: (rail_or_random(*A), rail_or_random(*B)), add, P["OUT_W"], A[1] or B[1])
            for _ in range(P["LANES"])), strict=True)
        return (pack(a, A[0]), pack(b, B[0])), pack(out, P["OUT_W"])

elif CORE == "volley_residual":
    SOURCES, SINK = ("s_acc", "s_skip", "s_param"), "m_acc"

    def vector():
        multipliers = [rail_or_random(P["M_W"], True) for _ in range(P["LANES"])]
        acc, word, _, out = zip(*(
            fitting(lambda m=m: (rail_or_random(P["ACC_W"], True), rail_or_random(P["WORD_W"], False), m),
                    lambda acc, word, m: residual(acc, word, m, P["EXPONENT"]), P["OUT_W"])
            for m in multipliers for _ in range(P["STEPS"])), strict=True)
        return (pack(acc, P["ACC_W"]), pack(word, P["WORD_W"]), pack(multipliers, P["M_W"])), pack(out, P["OUT_W"])

elif CORE == "volley_sew":
    SOURCES, SINK = ("s_a", "s_b"), "m_spike"

    def vector():
        a, b = ([random.getrandbits(P["TB"]) for _ in range(P["LANES"])] for _ in SOURCES)
        return (pack(a, P["TB"]), pack(b, P["TB"])), pack([sew(*w, P["MODE"]) for w in zip(a, b, strict=True)], P["TB"])

elif CORE == "volley_pool_or":
    SOURCES, SINK = ("s_window",), "m_spike"

    def vector():
        density = random.choice((0, 1, 2))  # AND of as many random words
        words = [random.getrandbits(P["LANES"] * P["TB"]) for _ in range(P["TAPS"])]
        for _ in range(density):
            words = [word & random.getrandbits(P["LANES"] * P["TB"]) for word in words]
        return (pack(words, P["LANES"] * P["TB"]),), pool([[w] for w in words], union)[0]

else:  # volley_pool_sum with WORD_W = 1: LANES counts the steps as well
    SOURCES, SINK = ("s_window",), "m_spike"
    BLOCK = int(os.environ["BLOCK"])  # TB
    CHANNELS, TAPS = P["LANES"] // BLOCK, P["TAPS"]
    LATENCY = max(1, (TAPS - 1).bit_length())

    def vector():
        spikes = [[[random.getrandbits(1) for _ in range(BLOCK)] for _ in range(CHANNELS)] for _ in range(TAPS)]
        words = [int("".join(map(str, train)), 2) for tap in spikes for train in tap]  # earliest step in the MSB
        counts = [[sum(tap[c][t] for tap in spikes) for t in range(BLOCK)] for c in range(CHANNELS)]
        numbers = [n for steps in counts for n in reversed(steps)]  # and in the most significant number
        return (pack(words, BLOCK),), pack(numbers, TAPS.bit_length())


def push(tb: TB, count: int = COUNT) -> None:
    for _ in range(count):
        (inputs, output), last = vector(), random.random() < 0.3
        for name, data in zip(SOURCES, inputs, strict=True):
            tb.send([Beat(data, last)], name)
        tb.expect([Beat(output, last)])


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def values(dut, flow):
    tb = TB(dut, flow, sources=SOURCES, sinks=(SINK,))
    await tb.reset()
    push(tb)
    await tb.finish()
    if flow == "full":
        for source in tb.sources.values():
            assert {m - s for s, m in zip(source.accepted, tb.sink.accepted, strict=True)} == {LATENCY}
        assert tb.sink.accepted[-1] - tb.sink.accepted[0] == COUNT - 1


@cocotb.test()
@cocotb.parametrize(late=list(SOURCES))
async def one_sink_is_late(dut, late):
    tb = TB(dut, sources=SOURCES, sinks=(SINK,), stalls={late: itertools.cycle([True] * 3 + [False] * 2)})
    await tb.reset()
    push(tb, 40)
    await tb.finish()


@cocotb.test()
async def reset_in_the_middle(dut):
    tb = TB(dut, "both", sources=SOURCES, sinks=(SINK,))
    await tb.reset()
    for pause in range(2, 20, 3):
        push(tb, 40)
        await tb.wait(pause)
        await tb.reset(1)
        push(tb, 10)
        await tb.finish()
