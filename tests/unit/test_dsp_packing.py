# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_dsp_mult: the lanes of a product are the products, by exhaustion for neighbours and by proof for all."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import z3

from verif.models.dsp_mult import Packing, factor, lanes_of, packing, parity, preadder, taken_off

BITS = 48
FORMS = sorted({packing(w, tp) for w in range(1, 9) for tp in range(1, 9)}, key=lambda p: (p.weight_w, p.tp))
name = lambda by: f"W{by.weight_w}-TP{by.tp}"  # noqa: E731


def all_weights(by: Packing) -> np.ndarray:
    return np.arange(-(1 << (by.weight_w - 1)), 1 << (by.weight_w - 1), dtype=np.int64)


def test_the_forms_of_the_headline():
    assert packing(4, 4) == Packing(4, 4, lanes=4, pitch=7, chain=2, low=2, offset=8)
    assert packing(8, 4) == Packing(8, 4, lanes=2, pitch=16, chain=4, low=0, offset=0)
    assert packing(8, 8) == Packing(8, 8, lanes=2, pitch=16, chain=2, low=1, offset=0)


# ------------------------------------------------------------------ every pair of neighbours
@pytest.mark.slow
@pytest.mark.parametrize("by", [packing(4, 4), packing(8, 4), packing(8, 8), packing(3, 5)], ids=name)
def test_every_pair_of_neighbours(by):
    """All weights of two lanes times all words, alone and next to a cascade and to lanes on either rail."""
    low, high = all_weights(by)[[0, -1]]
    pairs = [grid.ravel() for grid in np.meshgrid(all_weights(by), all_weights(by))]
    for lane, word, rest, other in itertools.product(range(by.lanes - 1), range(by.top + 1), (low, high), (0, by.top)):
        stages = [[np.full_like(pairs[0], rest) for _ in range(by.lanes)] for _ in range(by.chain)]
        stages[0][lane : lane + 2] = pairs
        words = [word] + [other] * (by.chain - 1)
        lows = [parity([stage[n] for stage in stages], words, by) for n in range(by.lanes)]
        p = sum(factor(stage, by) * x for stage, x in zip(stages, words, strict=True)) - taken_off(lows, by)
        for n, found in enumerate(lanes_of(p, lows, by)):
            expected = sum(by.held(stage[n], n) * x for stage, x in zip(stages, words, strict=True))
            assert np.array_equal(found, expected), (lane, word, rest, other, n)


# ------------------------------------------------------------------ for all numbers
# A cascade's P is sum_k factor_k * x_k - C. (1) factor_k is sum_l held_kl << (l * pitch) and fits the pre-adder, so P
# is sum_l sum_l << (l * pitch) - C with sum_l = sum_k held_kl * x_k. (2) parity() is sum_l modulo 2^low. (3) From P
# and that, lanes_of() finds every sum_l in reach.
def prove(claim: z3.BoolRef, *given: z3.BoolRef) -> None:
    solver = z3.Solver()
    solver.add(*given, z3.Not(claim))
    assert solver.check() == z3.unsat, solver.model()


def signed(label: str, width: int) -> z3.BitVecRef:
    return z3.SignExt(BITS - width, z3.BitVec(label, width))


@pytest.mark.parametrize("by", FORMS, ids=name)
def test_the_preadder_holds_the_factor(by):
    weights = [signed(f"w{n}", by.weight_w) for n in range(by.lanes)]
    lanes = sum(by.held(weight, n) << n * by.pitch for n, weight in enumerate(weights))
    for number in (*preadder(weights, by), factor(weights, by)):
        prove(z3.And(number >= -(1 << 24), number < 1 << 24))
    prove(factor(weights, by) == lanes)


@pytest.mark.parametrize(("by", "inputs"), [(by, n + 1) for by in FORMS if by.low for n in range(by.chain)])
def test_the_low_bits_are_parities(by, inputs):
    words = [z3.ZeroExt(BITS - by.tp, z3.BitVec(f"x{k}", by.tp)) for k in range(inputs)]
    weights = [signed(f"w{k}", by.weight_w) for k in range(inputs)]
    mask = (1 << by.low) - 1
    for lane in range(1, by.lanes):
        held = [by.held(weight, lane) & mask for weight in weights]
        total = sum(h * (x & mask) for h, x in zip(held, words, strict=True))
        prove(total & mask == parity(weights, words, by))


@pytest.mark.parametrize("by", FORMS, ids=name)
def test_the_lanes_are_found_in_the_sum(by):
    sums = [z3.BitVec(f"s{n}", BITS) for n in range(by.lanes)]
    lowest, highest = (int(end) for end in all_weights(by)[[0, -1]])
    reach = []
    for n, s in enumerate(sums):
        reach += [s >= min(0, by.held(lowest, n) * by.top * by.chain), s <= by.held(highest, n) * by.top * by.chain]
    lows = [s & ((1 << by.low) - 1) for s in sums]
    p = sum(s << n * by.pitch for n, s in enumerate(sums)) - taken_off(lows, by)
    for found, s in zip(lanes_of(p, lows, by), sums, strict=True):
        prove(found == s, *reach)
