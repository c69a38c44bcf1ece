# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_synapse_array: sums on both rails, cycles per slice, latency, weights that come late, reset."""

import itertools
import random

import cocotb

from verif.models.synapse_array import per_step, synapse_array
from verif.tb.axis import FLOWS, TB, Beat, cycle, pack, params
from verif.tb.coverage import declare, hit, of_parameters

P = params()
PE, SIMD, T, TP, WEIGHT_W, FOLDS, ACC_W = (P[k] for k in ("PE", "SIMD", "T", "TP", "WEIGHT_W", "FOLDS", "ACC_W"))
TOP = (1 << T) - 1
RAIL = (1 << (WEIGHT_W - 1)) - 1
PER_STEP = P.get("PER_STEP", 0)
PIX = P.get("PIX", 1)
BODY = P.get("BODY", 0)
# -2^(W-1) is no weight of a converted network, but nothing in the array forbids it; SOFT takes 2 bits as ternary.
LOWEST = -1 if (BODY, WEIGHT_W) == (2, 2) else -RAIL - 1


def latency() -> int:
    """Of the sums (volley_synapse_sum), one for the accumulator, one for the steps of several cycles."""
    levels, depth = 0 if PER_STEP else (TP - 1).bit_length(), (SIMD - 1).bit_length()
    cascade = (min(SIMD, 16) + 1) // 2 + (-(-SIMD // 16) - 1).bit_length()
    sums = {0: 1 + depth + levels, 1: 1 + cascade + levels, 2: 2 + cascade + levels, 3: 4 + depth}[BODY]
    return sums + 1 + (TP < T and not PER_STEP)


LATENCY = latency()
of_parameters(
    {
        "all steps at once": T == TP,
        "several cycles per slice": TP < T,
        "one slice": FOLDS == 1,
        "windows that tlast ends": FOLDS == 0,
        "several slices": FOLDS > 1,
        "potentials per step": PER_STEP and T > 1,
        "potentials per step, several cycles per slice": PER_STEP and TP < T,
        "several pixels per beat": PIX > 1,
        "one input": SIMD == 1,
        "one output": PE == 1,
        **{f"BODY {body}": body == BODY for body in range(4)},
    }
)
declare("sum on the upper rail", "sum on the lower rail", "spikes late", "weights late")


def bench(dut, flow="full", **stalls) -> TB:
    return TB(dut, flow, sources=("s_spike", "s_weight"), sinks=("m_acc",), stalls=stalls)


def length() -> int:
    """Slices of the next window."""
    return FOLDS or random.choice((1, 1, 2, 3, 5))


def random_window() -> tuple[list, list]:
    """Slices of each pixel, and weights; every spike word and every weight is often on a rail."""
    word = lambda: random.choice((0, TOP, random.randint(0, TOP)))  # noqa: E731
    weight = lambda: random.choice((-RAIL, RAIL, random.randint(-RAIL, RAIL)))  # noqa: E731
    slices = length()
    return (
        [[[word() for _ in range(SIMD)] for _ in range(slices)] for _ in range(PIX)],
        [[[weight() for _ in range(SIMD)] for _ in range(PE)] for _ in range(slices)],
    )


def constant_window(word: int, weight: int) -> tuple[list, list]:
    slices = FOLDS or 5  # ACC_W holds the sum of five
    return [[[word] * SIMD] * slices] * PIX, [[[weight] * SIMD] * PE] * slices


def push(tb: TB, windows: list[tuple[list, list]], frame: int = 3) -> None:
    """Send and expect; every `frame`-th window ends a frame."""
    for n, (pixels, weights) in enumerate(windows):
        last = FOLDS == 0 or n % frame == frame - 1
        for fold in range(len(weights)):
            words = [word for slices in pixels for word in slices[fold]]
            tb.send([Beat(pack(words, T), last and fold == len(weights) - 1)], "s_spike")
            tb.send([pack([w for row in weights[fold] for w in row], WEIGHT_W)], "s_weight")
        numbers = []
        for slices in pixels:
            if PER_STEP:
                numbers += [acc for over_time in per_step(slices, weights, T) for acc in reversed(over_time)]
            else:
                numbers += synapse_array(slices, weights, T)
        tb.expect([Beat(pack(numbers, ACC_W), last)])
        largest = (FOLDS or 5) * SIMD * (1 if PER_STEP else TOP)
        hit("sum on the upper rail", largest * RAIL in numbers)
        hit("sum on the lower rail", largest * LOWEST in numbers)


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def windows(dut, flow):
    tb = bench(dut, flow)
    await tb.reset()
    rails = [constant_window(word, weight) for word in (TOP, 0, 1, 1 << (T - 1)) for weight in (RAIL, -RAIL, LOWEST)]
    push(tb, rails + [random_window() for _ in range(60)])
    await tb.finish()
    if flow == "full":
        assert {b - a for a, b in itertools.pairwise(tb.sources["s_spike"].accepted)} == {T // TP}
    if flow == "full" and FOLDS:
        gaps = {b - a for a, b in itertools.pairwise(tb.sink.accepted)}
        assert gaps == {FOLDS * T // TP}, f"cycles per window {gaps}"
        assert tb.sink.accepted[0] - tb.sources["s_spike"].accepted[FOLDS - 1] == LATENCY


@cocotb.test()
@cocotb.parametrize(late=["s_spike", "s_weight"])
async def one_side_is_late(dut, late):
    tb = bench(dut, **{late: itertools.cycle([True] * 4 + [False])})
    await tb.reset()
    push(tb, [random_window() for _ in range(20)])
    await tb.finish()
    # Both are taken in the same cycle, so the difference is how long the other one waited for this one.
    wait = {name: source.waited for name, source in tb.sources.items()}
    hit("spikes late", wait["s_weight"] - wait["s_spike"] > 20 * FOLDS)
    hit("weights late", wait["s_spike"] - wait["s_weight"] > 20 * FOLDS)


@cocotb.test()
async def the_first_slice_goes_in_at_once(dut):
    tb = bench(dut)
    await tb.reset(then=lambda: push(tb, [random_window()]))
    first = cycle()
    await tb.finish()
    assert tb.sources["s_spike"].accepted[0] == first + T // TP - 1


@cocotb.test()
async def reset_in_the_middle(dut):
    """Nothing of a half-finished window reaches the next one."""
    tb = bench(dut, "both")
    await tb.reset()
    for _ in range(10):
        push(tb, [constant_window(TOP, RAIL)] * 20)
        await tb.wait(random.randrange(2, 10 * (FOLDS or 5) * T // TP + 20))
        await tb.reset(1)
        push(tb, [random_window() for _ in range(3)])
        await tb.finish()
