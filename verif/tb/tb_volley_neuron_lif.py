# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_neuron_lif: thresholds and rails hit exactly and missed by one, saturations counted, state from pass to
pass, cycles and latency, reset in mid-frame. The tlast that goes in is random: the core makes its own."""

import itertools
import random

import cocotb

from verif.models.neuron_lif import Step
from verif.tb.axis import FLOWS, TB, Beat, pack
from verif.tb.coverage import declare, hit, of_parameters
from verif.tb.lif import (
    BEATS,
    COUNT,
    CURRENTS,
    DECAYS,
    HELD,
    LANES,
    ORDERS,
    PASSES,
    RESETS,
    STEPS,
    P,
    per_step,
    random_case,
    send,
)

UNROLLED = P.get("UNROLLED", 1)
of_parameters({
    "unrolled": UNROLLED, "serial": not UNROLLED,
    "one pass": PASSES == 1, "one beat per pass": PASSES > 1 and BEATS == 1,
    "a pass waits for the one before it": PASSES > 1 and BEATS <= STEPS, "a pass waits for nothing": BEATS > STEPS,
    "held numbers": HELD, "unsigned potentials": not P["IN_SIGNED"], "guard bits": P["FRAC"] > 0,
    "no bias": not P["BIAS_W"], "v0": P["V0_W"], "amount of the reset apart from theta": P["RESET_W"],
    "no reset": not P["RESET"],
    **{f"{name} reset {order} the leak": (P["RESET"], P["RESET_ORDER"]) == (mode, late)
       for mode, name in enumerate(RESETS) if mode for late, order in enumerate(ORDERS)},
    **{f"leak: {name}": P["LEAK"] == mode for mode, name in enumerate(DECAYS)},
    **{f"current: {name}": P["CURRENT"] == mode for mode, name in enumerate(CURRENTS)},
    **{f"leak of the current: {name}": P["CURRENT"] and P["I_LEAK"] == mode for mode, name in enumerate(DECAYS)},
    **{f"leak of the adaptation: {name}": P["ADAPT"] and P["A_LEAK"] == mode for mode, name in enumerate(DECAYS)},
    "bias into the current": P["BIAS_I"] and P["BIAS_W"],
    "refractory": P["REFRACTORY"], "refractory for several steps": P["REFRACTORY"] > 1,
})  # fmt: skip
declare(
    "v on the threshold",
    "v one below the threshold",
    *(f"{register} clipped at the {rail}" for register in "vi" for rail in ("top", "bottom")),
    "two saturations in a step",
    "neurons of a beat saturate in the same step",
    "a at its top",
    "silent for a frame",
    "a spike in every step",
    "first spike in a later pass",
    "a step lost while refractory",
    "potentials late",
    "parameters late",
    "reset in a later pass",
)


def bench(dut, flow="full", **stalls) -> TB:
    return TB(dut, flow, sources=("s_acc", "s_param"), sinks=("m_spike",), stalls=stalls)


def push(tb: TB, frames: int, directed: bool = True) -> int:
    """Send and expect whole frames; the number of saturated neurons and steps in them."""
    saturated = 0
    for _ in range(frames):
        cases = [random_case(directed) for _ in range(BEATS * LANES)]
        runs = [list(case[0].steps(per_step(case))) for case in cases]
        saturated += cover(runs)
        send(tb, cases)
        for p, beat in itertools.product(range(PASSES), range(BEATS)):
            here = slice(beat * LANES, (beat + 1) * LANES)
            words = [
                int("".join(str(step.spike) for step in run[p * STEPS : (p + 1) * STEPS]), 2) for run in runs[here]
            ]
            tb.expect([Beat(pack(words, STEPS), beat == BEATS - 1)])
    return saturated


def cover(runs: list[list[Step]]) -> int:
    """Bins of a frame; the number of saturated neurons and steps in it."""
    for run in runs:
        spikes = [step.spike for step in run]
        hit("silent for a frame", not any(spikes))
        hit("a spike in every step", len(run) > 1 and all(spikes))
        hit("first spike in a later pass", any(spikes) and not any(spikes[:STEPS]))
        for step in run:
            hit("v on the threshold", step.margin == 0)
            hit("v one below the threshold", step.margin == -1)
            hit("a step lost while refractory", step.margin is None)
            hit("a at its top", P["ADAPT"] and step.a == (1 << P["A_W"]) - 1)
            hit("two saturations in a step", len(step.clips) > 1)
            for clip in step.clips:
                hit(clip)
    saturated = [
        sum(bool(step.clips) for step in steps)
        for n in range(0, len(runs), LANES)
        for steps in zip(*runs[n : n + LANES], strict=True)
    ]
    hit("neurons of a beat saturate in the same step", max(saturated) > 1)
    return sum(saturated)


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def neurons(dut, flow):
    tb = bench(dut, flow)
    await tb.reset()
    saturated = push(tb, 2 + 40 // (BEATS * PASSES))
    await tb.finish()
    assert int(dut.stat_saturated.value) == saturated & COUNT
    if flow == "full":
        ticks = 1 if UNROLLED else STEPS
        starts: list[int] = []
        for k in range(len(tb.sink.accepted)):
            start = starts[-1] + ticks if starts else tb.sources["s_acc"].accepted[0] - (ticks - 1)
            if PASSES > 1 and k >= BEATS:
                start = max(start, starts[k - BEATS] + STEPS + 1)
            starts.append(start)
        assert tb.sources["s_acc"].accepted == [s + ticks - 1 for s in starts]
        assert tb.sink.accepted == [s + STEPS + 1 for s in starts]


@cocotb.test()
async def random_potentials(dut):
    tb = bench(dut)
    await tb.reset()
    saturated = push(tb, 4 + 600 // (BEATS * PASSES * STEPS), directed=False)
    await tb.finish()
    assert int(dut.stat_saturated.value) == saturated & COUNT


@cocotb.test()
@cocotb.parametrize(late=["s_acc", "s_param"])
async def one_side_is_late(dut, late):
    tb = bench(dut, **{late: itertools.cycle([True] * (STEPS + 3) + [False] * 2)})
    await tb.reset()
    push(tb, 2)
    await tb.finish()
    # Both are taken in the same cycle, so the difference is how long the other one waited for this one.
    wait = {name: source.waited for name, source in tb.sources.items()}
    hit("potentials late", wait["s_param"] - wait["s_acc"] > STEPS)
    hit("parameters late", wait["s_acc"] - wait["s_param"] > STEPS)


@cocotb.test()
async def reset_in_the_middle(dut):
    """The next frame starts with its first pass and fresh neurons."""
    tb = bench(dut, "both")
    await tb.reset()
    for _ in range(10):
        taken = tb.sources["s_acc"].accepted
        before = len(taken)
        push(tb, 2, directed=False)
        await tb.wait(random.randrange(2, 4 * STEPS * BEATS * PASSES + 10))
        hit("reset in a later pass", (len(taken) - before) // BEATS % PASSES)
        await tb.reset(1)
        saturated = push(tb, 1)
        await tb.finish()
        assert int(dut.stat_saturated.value) == saturated & COUNT


@cocotb.test()
async def reset_clears_every_bit_of_the_count(dut):
    tb = bench(dut)
    await tb.reset()
    seen = before = 0
    for _ in range(30):
        before += push(tb, 8)
        await tb.finish()
        seen |= int(dut.stat_saturated.value)
        if before == 0 or seen == COUNT:
            break
    await tb.reset()
    assert int(dut.stat_saturated.value) == 0
