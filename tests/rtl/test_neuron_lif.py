# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
import random

import pytest

from verif.harness import run_bench

MEMORY = ("DATA_W", "BEATS", "PASSES", "FLIGHT")


@pytest.mark.parametrize(
    "values",
    [
        (1, 1, 1, 1),  # smallest: no memory
        (3, 1, 4, 2),  # one neuron, always in flight
        (9, 7, 3, 9),  # the pipeline holds more than a pass
        (40, 13, 2, 3),  # and less: always room
    ],
)
def test_state_memory(values):
    run_bench("volley_state_memory", "tb_volley_state_memory", dict(zip(MEMORY, values, strict=True)))


def check_lif(lanes: int, block: int, passes: int, beats: int, unrolled: int, **neuron: int) -> None:
    # A count that wraps within a bench: its upper bits would never be seen.
    shape = {"LANES": lanes, "TB": block, "PASSES": passes, "BEATS": beats, "UNROLLED": unrolled, "COUNT_W": 5}
    run_bench("volley_neuron_lif", "tb_volley_neuron_lif", shape | neuron)


# Lanes, TB, T / TB, beats per pass, unrolled; BEATS <= TB makes passes wait for one another.
@pytest.mark.parametrize(("shape", "neuron"), [
    # Smallest: a threshold of 0 or 1, which v = 1 just reaches.
    ((1, 1, 1, 1, 1), {"IN_W": 2, "BIAS_W": 0, "THETA_W": 1, "V_W": 2}),
    # IF: saturates at both rails, and its largest thresholds are beyond them.
    ((3, 4, 3, 7, 1), {"IN_W": 9, "BIAS_W": 8, "THETA_W": 10, "V_W": 10}),
    # IF whose reset amount can leave the range, v0; one beat per pass.
    ((2, 3, 4, 1, 0), {"IN_W": 7, "BIAS_W": 5, "THETA_W": 6, "RESET_W": 9, "V0_W": 8, "V_W": 8}),
    # LIF, shift, toward V_LEAK, hard reset to V_RESET; a pass is shorter than the pipeline.
    ((2, 2, 5, 2, 1), {"IN_W": 6, "FRAC": 3, "BIAS_W": 7, "THETA_W": 9, "V_W": 11, "LEAK": 1, "LEAK_SHIFT": 2,
                       "V_LEAK": -37, "RESET": 2, "V_RESET": -80}),
    # Multiply by alpha of the channel, current (new), refractory.
    ((1, 3, 3, 2, 1), {"IN_W": 8, "FRAC": 2, "THETA_W": 9, "V_W": 12, "LEAK": 2, "LEAK_W": 6, "LEAK_FRAC": 5,
                       "V_LEAK": 90, "CURRENT": 1, "I_W": 10, "I_LEAK": 2, "I_ALPHA": 51, "I_FRAC": 6,
                       "REFRACTORY": 2}),
    # Reset after the leak, current (old).
    ((2, 5, 2, 3, 0), {"IN_W": 7, "BIAS_W": 6, "THETA_W": 8, "RESET_W": 10, "V_W": 9, "LEAK": 1, "LEAK_SHIFT": 3,
                       "RESET_ORDER": 1, "CURRENT": 2, "I_W": 8, "I_LEAK": 1, "I_SHIFT": 1}),
    # The same, hard; adaptive threshold; all steps in one pass.
    ((2, 6, 1, 3, 1), {"IN_W": 8, "BIAS_W": 6, "THETA_W": 6, "V_W": 10, "RESET": 2, "RESET_ORDER": 1, "V_RESET": 5,
                       "ADAPT": 1, "A_W": 7, "A_LEAK": 1, "A_SHIFT": 2, "JUMP": 50}),
    # Adaptive and refractory: a falls by multiplication and sticks at its top.
    ((1, 2, 6, 3, 0), {"IN_W": 9, "THETA_W": 5, "V_W": 12, "RESET": 2, "ADAPT": 1, "A_W": 6, "A_LEAK": 2,
                       "A_ALPHA": 31, "A_FRAC": 5, "JUMP": 40, "REFRACTORY": 1}),
    # Direct current, unsigned, no reset.
    ((3, 4, 2, 5, 0), {"IN_W": 6, "IN_SIGNED": 0, "HELD": 1, "BIAS_W": 7, "THETA_W": 9, "V_W": 10, "RESET": 0}),
    # Nothing decays: the current integrates, the threshold climbs to its top and stays.
    ((2, 4, 2, 6, 1), {"IN_W": 6, "BIAS_W": 4, "THETA_W": 6, "V_W": 9, "CURRENT": 1, "I_W": 8, "ADAPT": 1, "A_W": 5,
                       "JUMP": 9}),
    # The bias drives the current, and saturates it.
    ((2, 2, 3, 3, 1), {"IN_W": 6, "FRAC": 1, "BIAS_W": 9, "THETA_W": 8, "V_W": 10, "CURRENT": 1, "I_W": 9, "I_LEAK": 1,
                       "I_SHIFT": 2, "BIAS_I": 1}),
    ((1, 3, 2, 2, 0), {"IN_W": 8, "BIAS_W": 5, "THETA_W": 8, "V_W": 10, "CURRENT": 2, "I_W": 10, "I_LEAK": 2,
                       "I_ALPHA": 51, "I_FRAC": 6, "BIAS_I": 1}),
    # Everything wide; memoryless where k = 0.
    ((1, 1, 3, 4, 1), {"IN_W": 20, "FRAC": 11, "BIAS_W": 30, "THETA_W": 31, "V_W": 32, "LEAK": 1, "V_LEAK": 1 << 30,
                       "HELD": 1}),
])  # fmt: skip
def test_neuron_lif(shape, neuron):
    check_lif(*shape, **neuron)


def random_lif(rng: random.Random) -> dict[str, int]:
    """Any legal parameters."""
    width = rng.randint(2, 14)
    inside = range(-(1 << (width - 1)), 1 << (width - 1))
    leak = {f: rng.randint(0, 2) for f in ("LEAK", "I_LEAK", "A_LEAK")}
    frac = {f"{f}_FRAC": rng.randint(1, 7) for f in ("LEAK", "I", "A")}
    reset, late, adapt_w, current = rng.randint(0, 2), rng.randint(0, 1), rng.randint(1, 8), rng.randint(0, 2)
    return {
        **leak, **frac,
        "IN_W": rng.randint(2, 10), "IN_SIGNED": rng.randint(0, 1), "HELD": rng.randint(0, 1),
        "FRAC": rng.randint(0, 3), "BIAS_W": rng.randint(0, 10), "THETA_W": rng.randint(1, width + 1),
        "RESET_W": rng.randint(0, width + 2) if reset == 1 else 0, "V0_W": rng.randint(0, width), "V_W": width,
        "LEAK_SHIFT": rng.randint(0, 5), "LEAK_W": frac["LEAK_FRAC"] + rng.randint(0, 1) if leak["LEAK"] == 2 else 0,
        "RESET": reset, "RESET_ORDER": late,
        "V_LEAK": rng.choice((0, rng.choice(inside))), "V_RESET": rng.choice((0, rng.choice(inside))),
        "CURRENT": current, "BIAS_I": rng.randint(0, 1) if current else 0,
        "I_W": rng.randint(2, 12), "I_SHIFT": rng.randint(0, 5),
        "I_ALPHA": rng.randint(0, 1 << frac["I_FRAC"]),
        "ADAPT": rng.randint(0, 1), "A_W": adapt_w, "A_SHIFT": rng.randint(0, 4),
        "A_ALPHA": rng.randint(0, 1 << frac["A_FRAC"]), "JUMP": rng.randrange(1 << adapt_w),
        "REFRACTORY": 0 if late else rng.randint(0, 3),
    }  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("seed", range(60))
def test_neuron_lif_all(seed):
    rng = random.Random(seed)
    shape = (rng.randint(1, 3), rng.randint(1, 6), rng.randint(1, 4), rng.randint(1, 8), seed % 2)
    check_lif(*shape, **random_lif(rng))


def check_membrane(lanes: int, block: int, passes: int, beats: int, read: int, met: int, **neuron: int) -> None:
    width = neuron["V_W"] + (read == 1) * (block * passes - 1).bit_length() + read
    shape = {"LANES": lanes, "TB": block, "PASSES": passes, "BEATS": beats, "READ": read, "MET": met, "OUT_W": width}
    run_bench("volley_neuron_membrane", "tb_volley_neuron_membrane", shape | {"COUNT_W": 5} | neuron)


# Lanes, TB, T / TB, beats per pass, READ, MET.
@pytest.mark.parametrize(("shape", "neuron"), [
    # Smallest.
    ((1, 1, 1, 1, 0, 0), {"IN_W": 2, "BIAS_W": 0, "THETA_W": 1, "V_W": 2, "RESET": 0}),
    # Leaky integrators: the last membrane; the sum, with current and a rest; the maximum, from v0.
    ((3, 4, 3, 7, 0, 0), {"IN_W": 9, "BIAS_W": 8, "THETA_W": 1, "V_W": 10, "RESET": 0, "LEAK": 1, "LEAK_SHIFT": 2}),
    ((2, 3, 4, 1, 1, 0), {"IN_W": 7, "FRAC": 2, "BIAS_W": 0, "THETA_W": 1, "V_W": 9, "RESET": 0, "LEAK": 2, "LEAK_W": 6,
                          "LEAK_FRAC": 5, "V_LEAK": -30, "CURRENT": 1, "I_W": 10, "I_LEAK": 2, "I_ALPHA": 51,
                          "I_FRAC": 6}),
    ((2, 1, 5, 3, 2, 0), {"IN_W": 6, "BIAS_W": 5, "THETA_W": 1, "V0_W": 8, "V_W": 8, "RESET": 0, "LEAK": 2, "LEAK_W": 5,
                          "LEAK_FRAC": 4, "CURRENT": 2, "I_W": 8, "I_LEAK": 1, "I_SHIFT": 1}),
    # Neurons that fire: read after their reset and before it.
    ((2, 4, 2, 3, 2, 0), {"IN_W": 8, "BIAS_W": 6, "THETA_W": 7, "V_W": 9, "LEAK": 1, "LEAK_SHIFT": 3}),
    ((2, 4, 2, 3, 1, 1), {"IN_W": 8, "BIAS_W": 6, "THETA_W": 7, "RESET_W": 9, "V_W": 9}),
    ((1, 2, 3, 2, 2, 1), {"IN_W": 7, "BIAS_W": 6, "THETA_W": 6, "V_W": 8, "RESET": 2, "V_RESET": -20}),
    ((1, 3, 2, 4, 1, 0), {"IN_W": 7, "THETA_W": 6, "V_W": 8, "RESET": 2, "V_RESET": 30, "REFRACTORY": 2}),
    ((2, 5, 1, 3, 1, 0), {"IN_W": 7, "BIAS_W": 6, "THETA_W": 6, "V_W": 9, "LEAK": 1, "LEAK_SHIFT": 1,
                          "RESET_ORDER": 1}),
    ((2, 2, 2, 2, 0, 1), {"IN_W": 7, "BIAS_W": 6, "THETA_W": 6, "V_W": 9, "RESET_ORDER": 1}),
    ((1, 2, 3, 1, 0, 0), {"IN_W": 7, "BIAS_W": 6, "THETA_W": 6, "V_W": 9, "RESET": 2, "RESET_ORDER": 1, "V_RESET": 5}),
    ((1, 2, 2, 3, 2, 1), {"IN_W": 7, "BIAS_W": 6, "THETA_W": 6, "V_W": 9, "RESET": 2, "RESET_ORDER": 1, "V_RESET": 5}),
    ((1, 4, 3, 2, 1, 1), {"IN_W": 8, "THETA_W": 5, "V_W": 11, "RESET": 2, "ADAPT": 1, "A_W": 6, "A_LEAK": 2,
                          "A_ALPHA": 31, "A_FRAC": 5, "JUMP": 40, "REFRACTORY": 1}),
    # Saturates at both rails.
    ((1, 2, 2, 2, 1, 0), {"IN_W": 9, "BIAS_W": 0, "THETA_W": 1, "V_W": 6, "RESET": 0}),
    # Direct current, unsigned; everything wide.
    ((3, 4, 2, 5, 1, 0), {"IN_W": 6, "IN_SIGNED": 0, "HELD": 1, "BIAS_W": 7, "THETA_W": 1, "V_W": 10, "RESET": 0}),
    ((1, 2, 3, 4, 2, 0), {"IN_W": 20, "FRAC": 11, "BIAS_W": 30, "THETA_W": 31, "V_W": 32, "LEAK": 1,
                          "V_LEAK": 1 << 30}),
])  # fmt: skip
def test_neuron_membrane(shape, neuron):
    check_membrane(*shape, **neuron)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(60))
def test_neuron_membrane_all(seed):
    rng = random.Random(seed + 1000)
    shape = (rng.randint(1, 3), rng.randint(1, 6), rng.randint(1, 4), rng.randint(1, 8), seed % 3, seed // 3 % 2)
    check_membrane(*shape, **random_lif(rng))
