# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_neuron_membrane: the last membrane, its sum and its maximum, before and after resets, rails included; state
and result from pass to pass, cycles and latency, reset in mid-frame. The tlast that goes in is random."""

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

READ, MET, OUT_W = (P.get(k, default) for k, default in (("READ", 0), ("MET", 0), ("OUT_W", 20)))
READS = ("last", "sum", "max")
of_parameters({
    **{f"read: {name}": READ == mode for mode, name in enumerate(READS)},
    **{f"read {name} the reset: {reset}, {order} the leak": (MET, P["RESET"], P["RESET_ORDER"]) == (met, mode, late)
       for met, name in enumerate(("after", "before"))
       for mode, reset in enumerate(RESETS) if mode for late, order in enumerate(ORDERS)},
    "no reset": not P["RESET"], "refractory": P["REFRACTORY"], "adapting": P["ADAPT"],
    "one step per beat": STEPS == 1, "one pass": PASSES == 1, "one beat per pass": PASSES > 1 and BEATS == 1,
    "held numbers": HELD, "unsigned potentials": not P["IN_SIGNED"], "v0": P["V0_W"],
    **{f"leak: {name}": P["LEAK"] == mode for mode, name in enumerate(DECAYS)},
    **{f"current: {name}": P["CURRENT"] == mode for mode, name in enumerate(CURRENTS)},
})  # fmt: skip
declare(
    "a maximum in the first step",
    "a maximum in a later pass",
    "a maximum below 0",
    "v on its lower rail in every step",
    "v on its upper rail in every step",
    "the reset changes what is read",
    "potentials late",
    "parameters late",
    "reset in a later pass",
)


def bench(dut, flow="full", **stalls) -> TB:
    return TB(dut, flow, sources=("s_acc", "s_param"), sinks=("m_v",), stalls=stalls)


def push(tb: TB, frames: int, directed: bool = True) -> int:
    """Send and expect whole frames; the number of saturated neurons and steps in them."""
    saturated = 0
    for _ in range(frames):
        cases = [random_case(directed) for _ in range(BEATS * LANES)]
        results = []
        for case in cases:
            potentials = per_step(case)
            steps = list(case[0].steps(potentials))
            saturated += sum(bool(step.clips) for step in steps)
            cover(steps)
            results.append(case[0].read(potentials, READS[READ], bool(MET)))
        send(tb, cases)
        for beat in range(BEATS):
            here = results[beat * LANES : (beat + 1) * LANES]
            tb.expect([Beat(pack(here, OUT_W), beat == BEATS - 1)])
    return saturated


def cover(steps: list[Step]) -> None:
    values, top = [step.met if MET else step.v for step in steps], (1 << (P["V_W"] - 1)) - 1
    if READ == 2 and len(values) > 1:
        at = values.index(max(values))
        hit("a maximum in the first step", at == 0)
        hit("a maximum in a later pass", at >= STEPS)
        hit("a maximum below 0", max(values) < 0)
    hit("v on its lower rail in every step", READ == 1 and len(values) > 1 and set(values) == {-top - 1})
    hit("v on its upper rail in every step", READ == 1 and len(values) > 1 and set(values) == {top})
    hit("the reset changes what is read", any(step.met != step.v for step in steps))


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def membranes(dut, flow):
    tb = bench(dut, flow)
    await tb.reset()
    saturated = push(tb, 2 + 40 // (BEATS * PASSES))
    await tb.finish()
    assert int(dut.stat_saturated.value) == saturated & COUNT
    if flow == "full":
        starts: list[int] = []
        for k in range(len(tb.sources["s_acc"].accepted)):
            start = starts[-1] + STEPS if starts else tb.sources["s_acc"].accepted[0] - (STEPS - 1)
            if PASSES > 1 and k >= BEATS:
                start = max(start, starts[k - BEATS] + STEPS + 1)
            starts.append(start)
        assert tb.sources["s_acc"].accepted == [s + STEPS - 1 for s in starts]
        shown = [s for k, s in enumerate(starts) if k // BEATS % PASSES == PASSES - 1]
        assert tb.sink.accepted == [s + STEPS + 1 for s in shown]


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
