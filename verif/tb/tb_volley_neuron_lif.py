# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_neuron_lif: thresholds and rails hit exactly and missed by one, saturations counted, state from pass to
pass, cycles and latency, reset in mid-frame. The tlast that goes in is random: the core makes its own."""

import itertools
import random
from collections.abc import Callable

import cocotb

from verif.models.neuron_lif import Decay, Lif, Step
from verif.tb.axis import FLOWS, TB, Beat, pack, params
from verif.tb.coverage import declare, hit, of_parameters

DEFAULTS = {
    "LANES": 1, "TB": 4, "PASSES": 2, "BEATS": 16, "UNROLLED": 1, "HELD": 0, "IN_W": 12, "IN_SIGNED": 1, "FRAC": 0,
    "BIAS_W": 12, "THETA_W": 12, "RESET_W": 0, "V0_W": 0, "LEAK_W": 0, "V_W": 16, "LEAK": 0, "LEAK_SHIFT": 0,
    "LEAK_FRAC": 0, "RESET": 1, "RESET_ORDER": 0, "V_LEAK": 0, "V_RESET": 0, "CURRENT": 0, "I_W": 16, "I_LEAK": 0,
    "I_SHIFT": 0, "I_ALPHA": 0, "I_FRAC": 0, "ADAPT": 0, "A_W": 8, "A_LEAK": 0, "A_SHIFT": 0, "A_ALPHA": 0,
    "A_FRAC": 0, "JUMP": 0, "REFRACTORY": 0, "COUNT_W": 32,
}  # fmt: skip
P = DEFAULTS | params()
LANES, STEPS, PASSES, BEATS, UNROLLED, HELD, IN_W = (
    P[k] for k in ("LANES", "TB", "PASSES", "BEATS", "UNROLLED", "HELD", "IN_W")
)
NUMBERS = 1 if HELD else STEPS
COUNT = (1 << P["COUNT_W"]) - 1  # the most that stat_saturated holds
IN_MIN, IN_MAX = (-(1 << (IN_W - 1)), (1 << (IN_W - 1)) - 1) if P["IN_SIGNED"] else (0, (1 << IN_W) - 1)
FIELDS = ("BIAS", "THETA", "RESET", "V0", "LEAK")  # of s_param, low to high
DECAYS = ("none", "shift", "multiply")
RESETS = ("none", "soft", "hard")
ORDERS = ("before", "after")
CURRENTS = ("none", "new", "old")
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


def signed(width: int) -> int:
    """Random, often on a rail; 0 where the parameter does not exist."""
    low, high = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if width else (0, 0)
    return random.choice((low, high, 0, random.randint(low, high), random.randint(low, high)))


def random_neuron() -> Lif:
    """Small thresholds as likely as large ones."""
    bits = P["THETA_W"]
    theta = random.choice((0, (1 << bits) - 1, random.getrandbits(bits) >> random.randrange(bits)))
    amount = random.choice((0, (1 << P["RESET_W"]) - 1, random.getrandbits(P["RESET_W"]))) if P["RESET_W"] else theta
    top = min(1 << P["LEAK_FRAC"], (1 << P["LEAK_W"]) - 1)  # of alpha
    return Lif(
        theta, amount, signed(P["BIAS_W"]) >> random.randrange(P["BIAS_W"] + 1), signed(P["V0_W"]),
        frac=P["FRAC"], width=P["V_W"],
        leak=Decay(DECAYS[P["LEAK"]], P["LEAK_SHIFT"], random.choice((0, top, random.randint(0, top))), P["LEAK_FRAC"]),
        reset=RESETS[P["RESET"]], reset_order=ORDERS[P["RESET_ORDER"]],
        v_leak=P["V_LEAK"], v_reset=P["V_RESET"],
        current=CURRENTS[P["CURRENT"]], current_width=P["I_W"],
        current_decay=Decay(DECAYS[P["I_LEAK"]], P["I_SHIFT"], P["I_ALPHA"], P["I_FRAC"]),
        adapt=bool(P["ADAPT"]), adapt_width=P["A_W"],
        adapt_decay=Decay(DECAYS[P["A_LEAK"]], P["A_SHIFT"], P["A_ALPHA"], P["A_FRAC"]),
        jump=P["JUMP"], refractory=P["REFRACTORY"],
    )  # fmt: skip


def first_true(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """Smallest number in low..high for which `holds` (which then stays true); high if there is none."""
    while low < high:
        middle = (low + high) >> 1
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def next_potential(neuron: Lif, before: list[int]) -> int:
    """A potential for the next step: anything, a rail, or the edge of firing or of a saturation."""
    clips = neuron.run(before)[1]
    kind = random.randrange(8)
    if kind == 0:  # the least that fires
        edge = first_true(IN_MIN, IN_MAX, lambda x: neuron.run([*before, x])[0][-1] == 1)
    elif kind == 1:  # the least that saturates at the top
        edge = first_true(0, IN_MAX, lambda x: neuron.run([*before, x])[1] > clips)
    elif kind == 2:  # the least that does not at the bottom
        edge = first_true(IN_MIN, 0, lambda x: neuron.run([*before, x])[1] == clips)
    elif kind == 3:
        return random.choice((IN_MIN, IN_MAX))
    else:
        return random.randint(IN_MIN, IN_MAX) >> random.randrange(IN_W)
    return max(IN_MIN, min(IN_MAX, edge + random.choice((-1, 0, 0, 1))))


def threshold_at_peak(neuron: Lif, potentials: list[int]) -> Lif:
    """The same neuron with theta on the largest v it reaches before it fires, or one beside it."""

    def silent(theta: int) -> bool:
        return not any(Lif(**{**vars(neuron), "theta": theta}).run(potentials)[0])

    top = (1 << P["THETA_W"]) - 1
    theta = max(0, min(top, first_true(0, top, silent) - random.randrange(3)))
    return Lif(**{**vars(neuron), "theta": theta, "reset_amount": neuron.reset_amount if P["RESET_W"] else theta})


def random_case(directed: bool) -> tuple[Lif, list[int]]:
    """A neuron and its potentials: one per step, or where they are held one per pass."""
    neuron = random_neuron()
    numbers: list[int] = []
    per_number = STEPS if HELD else 1
    for _ in range(PASSES * NUMBERS):
        before = [x for x in numbers for _ in range(per_number)]
        numbers.append(
            next_potential(neuron, before)
            if directed
            else signed(IN_W)
            if P["IN_SIGNED"]
            else random.randint(IN_MIN, IN_MAX)
        )
    if directed and random.random() < 0.5:
        neuron = threshold_at_peak(neuron, [x for x in numbers for _ in range(per_number)])
    return neuron, numbers


def push(tb: TB, frames: int, directed: bool = True) -> int:
    """Send and expect whole frames; the number of saturated neurons and steps in them."""
    saturated = 0
    for _ in range(frames):
        cases = [random_case(directed) for _ in range(BEATS * LANES)]
        runs = [
            list(neuron.steps([x for x in numbers for _ in range(STEPS if HELD else 1)])) for neuron, numbers in cases
        ]
        saturated += cover(runs)
        for p, beat in itertools.product(range(PASSES), range(BEATS)):
            here = slice(beat * LANES, (beat + 1) * LANES)
            acc = [x for _, numbers in cases[here] for x in numbers[p * NUMBERS : (p + 1) * NUMBERS][::-1]]
            values = [(n.bias, n.theta, n.reset_amount, n.v0, n.leak.alpha) for n, _ in cases[here]]
            tb.send([Beat(pack(acc, IN_W), bool(random.getrandbits(1)))], "s_acc")
            tb.send([pack([packed(v) for v in values], sum(P[f"{f}_W"] for f in FIELDS))], "s_param")
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


def packed(values: tuple[int, ...]) -> int:
    word = at = 0
    for field, value in zip(FIELDS, values, strict=True):
        width = P[f"{field}_W"]
        word |= (value & ((1 << width) - 1)) << at
        at += width
    return word


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
