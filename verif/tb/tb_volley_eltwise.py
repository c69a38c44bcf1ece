# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
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
from verif.tb.coverage import declare, hit, of_parameters

CORE = os.environ["VOLLEY_CORE"]
P = params()
COUNT = 150
LATENCY = 1 + P.get("DSP", 0)


def rails(width: int, signed: bool) -> tuple[int, int]:
    return (-(1 << width - 1), (1 << width - 1) - 1) if signed else (0, (1 << width) - 1)


def rail_or_random(width: int, signed: bool) -> int:
    low, high = rails(width, signed)
    return random.choice((low, high, random.randint(low, high)))


def fitting(draw, formula, width: int, signed: bool = True) -> tuple[int, ...]:
    """Operands of `draw` whose result fits: the core's bound is the sum's, not that of the operands' rails."""
    while True:
        operands = draw()
        result = formula(*operands)
        if -(1 << width - 1) * signed <= result < 1 << width - signed:
            return (*operands, result)


if CORE == "volley_add":
    SOURCES: tuple[str, ...] = ("s_a", "s_b")
    SINK = "m_sum"
    A, B = (P["A_W"], P["A_SIGNED"]), (P["B_W"], P["B_SIGNED"])
    SIGNS = ("unsigned", "mixed", "signed")
    SHIFT = P.get("B_SHIFT", 0)
    of_parameters(
        {f"{'un' * (not a)}signed a, {'un' * (not b)}signed b": (A[1], B[1]) == (a, b) for a in (0, 1) for b in (0, 1)}
        | {"b is shifted": SHIFT > 0, "b is shifted past a": SHIFT >= A[0]}
    )
    declare(*(f"{signs}: both on the {rail} rail" for signs in SIGNS for rail in ("lower", "upper")))

    def draw():
        return rail_or_random(*A), rail_or_random(*B)

    def vector():
        a, b, out = zip(
            *(fitting(draw, lambda a, b: add(a, b, SHIFT), P["OUT_W"], A[1] or B[1]) for _ in range(P["LANES"])),
            strict=True,
        )
        for rail, operands in zip(("lower", "upper"), zip(rails(*A), rails(*B), strict=True), strict=True):
            hit(f"{SIGNS[A[1] + B[1]]}: both on the {rail} rail", operands in zip(a, b, strict=True))
        return (pack(a, A[0]), pack(b, B[0])), pack(out, P["OUT_W"])

elif CORE == "volley_residual":
    SOURCES, SINK = ("s_acc", "s_skip", "s_param"), "m_acc"
    WORD_TOP = (1 << P["WORD_W"]) - 1
    OPERANDS = {
        name: (rails(P["ACC_W"], True)[k], word, rails(P["M_W"], True)[k])
        for name, k, word in (
            ("all on the upper rail", 1, WORD_TOP),
            ("all on the lower rail", 0, WORD_TOP),
            ("code 0 on the upper rail", 1, 0),
        )
    }
    of_parameters(
        {
            "exponent": P["EXPONENT"] > 0,
            "no exponent": P["EXPONENT"] == 0,
            "a multiplier for several steps": P["STEPS"] > 1,
            "spikes": P["WORD_W"] == 1,
            "a multiplier for each number": P.get("DSP", 0),
        }
    )
    declare(*OPERANDS)

    def vector():
        multipliers = [rail_or_random(P["M_W"], True) for _ in range(P["LANES"])]
        acc, word, m, out = zip(
            *(
                fitting(
                    lambda m=m: (rail_or_random(P["ACC_W"], True), rail_or_random(P["WORD_W"], False), m),
                    lambda acc, word, m: residual(acc, word, m, P["EXPONENT"]),
                    P["OUT_W"],
                )
                for m in multipliers
                for _ in range(P["STEPS"])
            ),
            strict=True,
        )
        for name, operands in OPERANDS.items():
            hit(name, operands in zip(acc, word, m, strict=True))
        return (pack(acc, P["ACC_W"]), pack(word, P["WORD_W"]), pack(multipliers, P["M_W"])), pack(out, P["OUT_W"])

elif CORE == "volley_sew":
    SOURCES, SINK = ("s_a", "s_b"), "m_spike"
    ROWS = [[f"{a} {operation} {b}" for a in (0, 1) for b in (0, 1)] for operation in ("AND", "IAND")]
    of_parameters({"one step": P["TB"] == 1, "several steps": P["TB"] > 1})
    declare(*ROWS[0], *ROWS[1])

    def vector():
        a, b = ([random.getrandbits(P["TB"]) for _ in range(P["LANES"])] for _ in SOURCES)
        for x, y in zip(a, b, strict=True):
            for bit in range(P["TB"]):
                hit(ROWS[P["MODE"]][(x >> bit & 1) * 2 + (y >> bit & 1)])
        return (pack(a, P["TB"]), pack(b, P["TB"])), pack([sew(*w, P["MODE"]) for w in zip(a, b, strict=True)], P["TB"])

elif CORE == "volley_pool_or":
    SOURCES, SINK = ("s_window",), "m_spike"
    PIX = P.get("PIX", 1)
    of_parameters(
        {
            "one tap": P["TAPS"] == 1,
            "TAPS is no power of two": P["TAPS"].bit_count() > 1,
            "several pixels per beat": PIX > 1,
        }
    )
    declare("no tap spikes", "first tap alone", "last tap alone", "every tap spikes")

    def window() -> list[int]:
        density = random.choice((0, 1, 2))  # AND of as many random words
        words = [random.getrandbits(P["LANES"] * P["TB"]) for _ in range(P["TAPS"])]
        for _ in range(density):
            words = [word & random.getrandbits(P["LANES"] * P["TB"]) for word in words]
        for bit in range(P["LANES"] * P["TB"]):
            taps = [word >> bit & 1 for word in words]
            hit("no tap spikes", not any(taps))
            hit("first tap alone", len(taps) > 1 and taps[0] and sum(taps) == 1)
            hit("last tap alone", len(taps) > 1 and taps[-1] and sum(taps) == 1)
            hit("every tap spikes", len(taps) > 1 and all(taps))
        return words

    def vector():
        pixels, width = [window() for _ in range(PIX)], P["LANES"] * P["TB"]
        joint = [pool([[w] for w in words], union)[0] for words in pixels]
        return (pack([w for words in pixels for w in words], width),), pack(joint, width)

else:  # volley_pool_sum with WORD_W = 1: LANES counts the steps as well
    SOURCES, SINK = ("s_window",), "m_spike"
    BLOCK = int(os.environ["BLOCK"])  # TB
    CHANNELS, TAPS = P["LANES"] // BLOCK, P["TAPS"]
    LATENCY = max(1, (TAPS - 1).bit_length())
    declare("spikes: no tap", "spikes: every tap", "spikes: counts of a lane differ from step to step")

    def vector():
        spikes = [[[random.getrandbits(1) for _ in range(BLOCK)] for _ in range(CHANNELS)] for _ in range(TAPS)]
        words = [int("".join(map(str, train)), 2) for tap in spikes for train in tap]  # earliest step in the MSB
        counts = [[sum(tap[c][t] for tap in spikes) for t in range(BLOCK)] for c in range(CHANNELS)]
        for steps in counts:
            hit("spikes: no tap", TAPS > 1 and 0 in steps)
            hit("spikes: every tap", TAPS > 1 and TAPS in steps)
            hit("spikes: counts of a lane differ from step to step", len(set(steps)) > 1)
        numbers = [n for steps in counts for n in reversed(steps)]  # and in the most significant number
        return (pack(words, BLOCK),), pack(numbers, TAPS.bit_length())


if len(SOURCES) > 1:
    declare(*(f"{name} late" for name in SOURCES))


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
    # All are taken in the same cycle, so the difference is how long the others waited for this one.
    waits = [source.waited - tb.sources[late].waited for name, source in tb.sources.items() if name != late]
    hit(f"{late} late", waits and min(waits) > 40)


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
