# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The cores that turn one beat into one beat: volley_encode_radix, volley_readout, volley_pool_max, volley_pool_sum.

They share their tests: values, latency, 1 beat/cycle, reset.
"""

import os
import random

import cocotb

from verif.models.encode_radix import encode_radix
from verif.models.pool import pool
from verif.models.readout import readout
from verif.tb.axis import FLOWS, TB, Beat, pack, params
from verif.tb.coverage import declare, hit, of_parameters

CORE = os.environ["VOLLEY_CORE"]
P = params()
PIX = P.get("PIX", 1)
LANES = P["LANES"]  # of a pixel
if CORE != "volley_readout":
    of_parameters({"several pixels per beat": PIX > 1})

if CORE == "volley_encode_radix":
    SOURCES: tuple[str, ...] = ("s_pixel",)
    SINK, LATENCY = "m_spike", 1
    STEPS = P["T"]
    of_parameters({"all bits kept": STEPS == 8})
    declare("rounded up", "rounded down", "rounding carries out")

    def vectors():
        """(input of each source, output) a beat: every pixel on every lane."""
        for first in range(0, 256 + PIX * LANES):
            pixels = [(first + 37 * lane) % 256 for lane in range(PIX * LANES)]
            for pixel in pixels if STEPS < 8 else []:
                low = pixel & ((1 << (8 - STEPS)) - 1)
                hit("rounded up", low >= 1 << (7 - STEPS))
                hit("rounded down", 0 < low < 1 << (7 - STEPS))
                hit("rounding carries out", pixel + (1 << (7 - STEPS)) > 255)
            yield (pack(pixels, 8),), pack([encode_radix(p, STEPS) for p in pixels], STEPS)

elif CORE == "volley_readout":
    SOURCES, SINK, LATENCY = ("s_acc", "s_param"), "m_logit", 1
    IN_W, EXPONENT, BIAS_W = P["IN_W"], P["EXPONENT"], P["BIAS_W"]
    RAILS = {
        "both on the upper rail": ((1 << (IN_W - 1)) - 1, (1 << (BIAS_W - 1)) - 1),
        "both on the lower rail": (-1 << (IN_W - 1), -1 << (BIAS_W - 1)),
    }
    of_parameters({"exponent": EXPONENT > 0})
    declare(*RAILS)

    def vectors():
        def draw(width: int) -> int:
            low, high = -1 << (width - 1), (1 << (width - 1)) - 1
            return random.choice((low, high, random.randint(low, high)))

        for _ in range(200):
            h, bias = [draw(IN_W) for _ in range(LANES)], [draw(BIAS_W) for _ in range(LANES)]
            logits = [readout(*lane, EXPONENT) for lane in zip(h, bias, strict=True)]
            for name, rail in RAILS.items():
                hit(name, rail in zip(h, bias, strict=True))
            yield (pack(h, IN_W), pack(bias, BIAS_W)), pack(logits, 32)

else:
    SOURCES, SINK = ("s_window",), "m_spike"
    TAPS, WORD_W = P["TAPS"], P["WORD_W"]
    SIGNED = P.get("SIGNED", 0)
    LOW, TOP = -SIGNED << (WORD_W - 1), (1 << (WORD_W - SIGNED)) - 1
    of_parameters({"one tap": TAPS == 1, "TAPS is no power of two": TAPS.bit_count() > 1})
    declare("first tap largest", "last tap largest", "all taps on the upper rail")
    if CORE == "volley_pool_max":
        of_parameters({"signed": SIGNED > 0, "unsigned": not SIGNED})
        declare("largest below 0", "of either sign")
    LATENCY = max(1, (TAPS - 1).bit_length())
    REDUCE, OUT_W = (max, WORD_W) if CORE == "volley_pool_max" else (sum, (TAPS * TOP).bit_length())

    def vectors():
        # Each tap alone is the largest, or the only one; then both rails and random words.
        windows = [
            [[level if k == tap else rest] * LANES for k in range(TAPS)]
            for tap in range(TAPS)
            for level, rest in ((TOP, LOW), (LOW + 1, LOW), (TOP, TOP - 1), (LOW, TOP), (0, LOW))
        ]
        windows += [[[word] * LANES] * TAPS for word in (LOW, TOP)]
        windows += [[[random.randint(LOW, TOP) for _ in range(LANES)] for _ in range(TAPS)] for _ in range(100)]
        for window in windows:
            first, last = window[0][0], window[-1][0]
            hit("first tap largest", TAPS > 1 and first > max(words[0] for words in window[1:]))
            hit("last tap largest", TAPS > 1 and last > max(words[0] for words in window[:-1]))
            hit("all taps on the upper rail", all(words[0] == TOP for words in window))
            if CORE == "volley_pool_max":
                hit("largest below 0", max(words[0] for words in window) < 0)
                hit("of either sign", min(words[0] for words in window) < 0 < max(words[0] for words in window))
            pixels = random.choices(windows, k=PIX)
            pixels[random.randrange(PIX)] = window
            words = [w for pixel in pixels for tap in pixel for w in tap]
            yield (pack(words, WORD_W),), pack([w for pixel in pixels for w in pool(pixel, REDUCE)], OUT_W)


def push(tb: TB, count: int | None = None) -> None:
    for inputs, output in list(vectors())[:count]:
        last = random.random() < 0.3
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
        delays = {m - s for s, m in zip(tb.source.accepted, tb.sink.accepted, strict=True)}
        assert delays == {LATENCY}
        assert tb.sink.accepted[-1] - tb.sink.accepted[0] == len(tb.sink.accepted) - 1


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
