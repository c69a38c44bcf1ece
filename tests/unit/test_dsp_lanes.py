# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Proof that the lanes of volley_dsp_cascade never disturb each other, for all weights and spikes.

By induction over the inputs of a cascade: while n of them are in the sums, a lane holds at most n of the largest
codes; adding the word of one more, gated or not, adds to each lane by itself and keeps that bound.
"""

from __future__ import annotations

import pytest
import z3

WORD = 48
CASCADE = 16  # most inputs
WIDTHS = range(1, 9)


def lanes_of(weight_w: int, inputs: int) -> tuple[int, int, int]:
    """Bits of a lane, lanes, largest code of USE_SIMD = "ONE48"; the formula of volley_dsp_cascade."""
    largest = 2 if weight_w == 2 else (1 << weight_w) - 1
    lane_w = (inputs * largest).bit_length()
    return lane_w, WORD // lane_w, largest


def refuted(claim: z3.BoolRef) -> z3.ModelRef | None:
    """A counterexample, None if `claim` holds for all values of its variables."""
    solver = z3.Solver()
    solver.add(z3.Not(claim))
    found = solver.check()
    assert found != z3.unknown, solver.reason_unknown()
    return solver.model() if found == z3.sat else None


def concat(lanes: list[z3.BitVecRef], lane_w: int) -> z3.BitVecRef:
    """Lanes to a word, lane 0 in the least significant bits."""
    word = z3.BitVecVal(0, WORD)
    for n, lane in enumerate(lanes):
        word |= z3.ZeroExt(WORD - lane_w, lane) << (n * lane_w)
    return word


def induction(lane_w: int, lanes: int, largest: int, inputs: int) -> z3.ModelRef | None:
    """A step at which a lane of ONE48 is not the sum of its own codes, or leaves its bound."""
    count, gate = z3.BitVec("count", WORD), z3.Bool("gate")
    sums = [z3.BitVec(f"sum{n}", lane_w) for n in range(lanes)]
    codes = [z3.BitVec(f"code{n}", lane_w) for n in range(lanes)]
    before = z3.And(
        z3.ULT(count, inputs),
        *(z3.ULE(z3.ZeroExt(WORD - lane_w, s), count * largest) for s in sums),
        *(z3.ULE(code, largest) for code in codes),
    )
    p = concat(sums, lane_w) + z3.If(gate, concat(codes, lane_w), z3.BitVecVal(0, WORD))
    after = []
    for n, (s, code) in enumerate(zip(sums, codes, strict=True)):
        own = z3.ZeroExt(WORD - lane_w, s) + z3.If(gate, z3.ZeroExt(WORD - lane_w, code), z3.BitVecVal(0, WORD))
        lane = z3.ZeroExt(WORD - lane_w, z3.Extract((n + 1) * lane_w - 1, n * lane_w, p))
        after += [lane == own, z3.ULE(lane, (count + 1) * largest)]
    return refuted(z3.Implies(before, z3.And(*after)))


@pytest.mark.parametrize("weight_w", WIDTHS)
def test_no_carry_leaves_a_lane(weight_w: int) -> None:
    for inputs in (1, 2, 3, 10, 11, 15, CASCADE):
        assert induction(*lanes_of(weight_w, inputs), inputs) is None


@pytest.mark.parametrize(("weight_w", "inputs"), [(2, 15), (2, 16), (4, 16), (4, 17)])
def test_one_input_more_than_a_lane_holds_is_refuted(weight_w: int, inputs: int) -> None:
    """So the proof can fail, and a lane has no bit to spare where the next width begins."""
    lane_w, lanes, largest = lanes_of(weight_w, inputs)
    too_many = ((1 << lane_w) - 1) // largest + 1
    assert induction(lane_w, lanes, largest, too_many) is not None


def test_lanes_and_operations_per_dsp48() -> None:
    """Two gated additions per lane and tick: 24 of 4 bits, ternary 32, and 36 up to 15 inputs."""
    assert [lanes_of(*case)[:2] for case in ((4, 16), (2, 16), (2, 15))] == [(8, 6), (6, 8), (5, 9)]


@pytest.mark.parametrize("weight_w", WIDTHS)
def test_codes_are_the_weights_and_an_offset(weight_w: int) -> None:
    """weight ^ OFFSET is weight + OFFSET, or 1 - weight if ternary; never negative, never above the largest."""
    weight = z3.BitVec("weight", weight_w)
    largest = lanes_of(weight_w, 1)[2]
    offset = 1 if weight_w == 2 else 1 << (weight_w - 1)
    value = z3.SignExt(16, weight)
    code = z3.ZeroExt(16, weight ^ offset)
    if weight_w == 2:
        claim = z3.Implies(value >= -1, z3.And(code == 1 - value, z3.ULE(code, largest)))
    else:
        claim = z3.And(code == value + offset, z3.ULE(code, largest))
    assert refuted(claim) is None


def signed_induction(weight_w: int, inputs: int) -> z3.ModelRef | None:
    """A step at which a lane of FOUR12, 12 bits that the DSP48 keeps apart, overflows."""
    count, total, weight = z3.BitVec("count", 16), z3.BitVec("total", 12), z3.BitVec("weight", weight_w)
    added = total + z3.SignExt(12 - weight_w, weight)

    def held(lane: z3.BitVecRef, n: z3.BitVecRef) -> z3.BoolRef:
        wide, rail = z3.SignExt(4, lane), 1 << (weight_w - 1)
        return z3.And(wide >= -n * rail, wide <= n * (rail - 1))

    exact = z3.SignExt(4, added) == z3.SignExt(4, total) + z3.SignExt(16 - weight_w, weight)
    return refuted(z3.Implies(z3.And(z3.ULT(count, inputs), held(total, count)), z3.And(exact, held(added, count + 1))))


def test_twelve_bits_hold_sixteen_weights() -> None:
    assert [signed_induction(weight_w, CASCADE) for weight_w in WIDTHS] == [None] * 8
    assert signed_induction(8, CASCADE + 1) is not None
