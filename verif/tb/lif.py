# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Neurons and their potentials for benches of cores around volley_lif_step: thresholds and rails hit exactly and missed
by one. P has the core's parameters."""

import itertools
import random
from collections.abc import Callable

from verif.models.neuron_lif import Decay, Lif
from verif.tb.axis import TB, Beat, pack, params

Case = tuple[Lif, list[int]]  # a neuron and its potentials: one per step, or where they are held one per pass

DEFAULTS = {  # of the parameters that such cores share
    "LANES": 1, "TB": 4, "PASSES": 2, "BEATS": 16, "HELD": 0, "IN_W": 12, "IN_SIGNED": 1, "FRAC": 0,
    "BIAS_W": 12, "THETA_W": 12, "RESET_W": 0, "V0_W": 0, "LEAK_W": 0, "V_W": 16, "LEAK": 0, "LEAK_SHIFT": 0,
    "LEAK_FRAC": 0, "RESET": 1, "RESET_ORDER": 0, "V_LEAK": 0, "V_RESET": 0, "CURRENT": 0, "I_W": 16, "I_LEAK": 0,
    "I_SHIFT": 0, "I_ALPHA": 0, "I_FRAC": 0, "ADAPT": 0, "A_W": 8, "A_LEAK": 0, "A_SHIFT": 0, "A_ALPHA": 0,
    "A_FRAC": 0, "JUMP": 0, "REFRACTORY": 0, "BIAS_I": 0, "COUNT_W": 32,
}  # fmt: skip
P = DEFAULTS | params()
LANES, STEPS, PASSES, BEATS, HELD, IN_W = (P[k] for k in ("LANES", "TB", "PASSES", "BEATS", "HELD", "IN_W"))
NUMBERS = 1 if HELD else STEPS
COUNT = (1 << P["COUNT_W"]) - 1  # the most that stat_saturated holds
IN_MIN, IN_MAX = (-(1 << (IN_W - 1)), (1 << (IN_W - 1)) - 1) if P["IN_SIGNED"] else (0, (1 << IN_W) - 1)
FIELDS = ("BIAS", "THETA", "RESET", "V0", "LEAK")  # of s_param, low to high
DECAYS = ("none", "shift", "multiply")
RESETS = ("none", "soft", "hard")
ORDERS = ("before", "after")
CURRENTS = ("none", "new", "old")


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
        jump=P["JUMP"], refractory=P["REFRACTORY"], current_bias=bool(P["BIAS_I"]),
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


def random_case(directed: bool) -> Case:
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


def packed(values: tuple[int, ...]) -> int:
    word = at = 0
    for field, value in zip(FIELDS, values, strict=True):
        width = P[f"{field}_W"]
        word |= (value & ((1 << width) - 1)) << at
        at += width
    return word


def per_step(case: Case) -> list[int]:
    """The potentials of `case`, one per step."""
    return [x for x in case[1] for _ in range(STEPS if HELD else 1)]


def send(tb: TB, cases: list[Case]) -> None:
    """A frame: neurons LANES after LANES, BEATS of them, in all passes."""
    for p, beat in itertools.product(range(PASSES), range(BEATS)):
        here = cases[beat * LANES : (beat + 1) * LANES]
        acc = [x for _, numbers in here for x in numbers[p * NUMBERS : (p + 1) * NUMBERS][::-1]]
        values = [(n.bias, n.theta, n.reset_amount, n.v0, n.leak.alpha) for n, _ in here]
        tb.send([Beat(pack(acc, IN_W), bool(random.getrandbits(1)))], "s_acc")
        tb.send([pack([packed(v) for v in values], sum(P[f"{f}_W"] for f in FIELDS))], "s_param")
