# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_synapse_depthwise: sums on both rails, cycles per beat, latency, weights that come late, reset."""

import itertools
import random

import cocotb

from verif.models.synapse_depthwise import depthwise_per_step, synapse_depthwise
from verif.tb.axis import FLOWS, TB, Beat, cycle, pack, params
from verif.tb.coverage import declare, hit, of_parameters

P = params()
LANES, MULTIPLIER, TAPS, T, TP, WEIGHT_W, ACC_W = (
    P[k] for k in ("LANES", "MULTIPLIER", "TAPS", "T", "TP", "WEIGHT_W", "ACC_W")
)
PER_STEP, PIX = P.get("PER_STEP", 0), P.get("PIX", 1)
TOP, RAIL = (1 << T) - 1, (1 << (WEIGHT_W - 1)) - 1
LOWEST = -RAIL - 1  # no weight of a converted network, but nothing in the array forbids it
LATENCY = 2 + (TAPS - 1).bit_length() + (0 if PER_STEP else (TP - 1).bit_length())
of_parameters(
    {
        "all steps at once": T == TP,
        "several cycles per beat": TP < T,
        "potentials per step": PER_STEP and T > 1,
        "potentials per step, several cycles per beat": PER_STEP and TP < T,
        "several pixels per beat": PIX > 1,
        "several channels per beat": LANES > 1,
        "several outputs of a channel": MULTIPLIER > 1,
        "one tap": TAPS == 1,
    }
)
declare("sum on the upper rail", "sum on the lower rail", "a channel differs from its neighbour")
declare("spikes late", "weights late")


def bench(dut, flow="full", **stalls) -> TB:
    return TB(dut, flow, sources=("s_spike", "s_weight"), sinks=("m_acc",), stalls=stalls)


def random_window() -> tuple[list, list]:
    """[pixel][tap][channel] words, [channel][output][tap] weights; each is often on a rail."""
    word = lambda: random.choice((0, TOP, random.randint(0, TOP)))  # noqa: E731
    weight = lambda: random.choice((-RAIL, RAIL, random.randint(-RAIL, RAIL)))  # noqa: E731
    return (
        [[[word() for _ in range(LANES)] for _ in range(TAPS)] for _ in range(PIX)],
        [[[weight() for _ in range(TAPS)] for _ in range(MULTIPLIER)] for _ in range(LANES)],
    )


def constant_window(word: int, weight: int) -> tuple[list, list]:
    return [[[word] * LANES] * TAPS] * PIX, [[[weight] * TAPS] * MULTIPLIER] * LANES


def push(tb: TB, windows: list[tuple[list, list]], frame: int = 3) -> None:
    """Send and expect; every `frame`-th window ends a frame."""
    for n, (pixels, kernels) in enumerate(windows):
        last = n % frame == frame - 1
        words = [word for window in pixels for channels in window for word in channels]
        weights = [w for channel in kernels for output in channel for w in output]
        tb.send([Beat(pack(words, T), last)], "s_spike")
        tb.send([pack(weights, WEIGHT_W)], "s_weight")
        numbers = []
        for window in pixels:
            if PER_STEP:
                numbers += [acc for steps in depthwise_per_step(window, kernels, T) for acc in reversed(steps)]
            else:
                numbers += synapse_depthwise(window, kernels, T)
        tb.expect([Beat(pack(numbers, ACC_W), last)])
        largest = TAPS * (1 if PER_STEP else TOP)
        hit("sum on the upper rail", largest * RAIL in numbers)
        hit("sum on the lower rail", largest * LOWEST in numbers)
        hit("a channel differs from its neighbour", LANES == 1 or len(set(numbers)) > 1)


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def windows(dut, flow):
    tb = bench(dut, flow)
    await tb.reset()
    rails = [constant_window(word, weight) for word in (TOP, 0, 1, 1 << (T - 1)) for weight in (RAIL, -RAIL, LOWEST)]
    push(tb, rails + [random_window() for _ in range(60)])
    await tb.finish()
    if flow == "full":
        sent, taken = tb.sources["s_spike"].accepted, tb.sink.accepted
        assert {b - a for a, b in itertools.pairwise(sent)} == {T // TP}
        assert {out - into for into, out in zip(sent, taken, strict=True)} == {LATENCY}


@cocotb.test()
@cocotb.parametrize(late=["s_spike", "s_weight"])
async def one_side_is_late(dut, late):
    tb = bench(dut, **{late: itertools.cycle([True] * 4 + [False])})
    await tb.reset()
    push(tb, [random_window() for _ in range(20)])
    await tb.finish()
    # Both are taken in the same cycle, so the difference is how long the other one waited for this one.
    wait = {name: source.waited for name, source in tb.sources.items()}
    hit("spikes late", wait["s_weight"] - wait["s_spike"] > 20)
    hit("weights late", wait["s_spike"] - wait["s_weight"] > 20)


@cocotb.test()
async def the_first_beat_goes_in_at_once(dut):
    tb = bench(dut)
    await tb.reset(then=lambda: push(tb, [random_window()]))
    first = cycle()
    await tb.finish()
    assert tb.sources["s_spike"].accepted[0] == first + T // TP - 1


@cocotb.test()
async def reset_in_the_middle(dut):
    """Nothing of a half-finished beat reaches the next one."""
    tb = bench(dut, "both")
    await tb.reset()
    for _ in range(10):
        push(tb, [constant_window(TOP, RAIL)] * 20)
        await tb.wait(random.randrange(2, 10 * T // TP + 20))
        await tb.reset(1)
        push(tb, [random_window() for _ in range(3)])
        await tb.finish()
