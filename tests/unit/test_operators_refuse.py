# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What operators refuse, whatever their kind: numbers that are no integers, shapes, operands, lost times."""

import re
from dataclasses import replace
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pytest

from pyflow import operators
from pyflow.errors import VolleyError
from pyflow.operators import (
    OPERATORS,
    Accumulate,
    Add,
    Concat,
    Conv,
    Encoding,
    LIFNeuron,
    Linear,
    Tensor,
)
from pyflow.operators.lif import _signed_bits

ops: Any = operators  # Any: the tests hand over lists for arrays, and values of the wrong type
TRAIN = Tensor("s", (2, 4, 4), Encoding.RATE, 8, 1, timed=True, block=8)
ONES = np.ones((3, 2, 3, 3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Conv("op", ("s",), weight=0.9 * ONES),
            "conv 'op': weight 0.9 is not an integer of 64 bits; scale and",
        ),
        (lambda: Conv("op", ("s",), weight=np.nan * ONES), "weight nan is not an integer"),
        (lambda: ops.Conv("op", ("s",), weight=ONES, pad_code=[0.5, 0]), "pad_code 0.5 is not"),
        (lambda: ops.Conv("op", ("s",), weight=ONES, stride=(1.5, 1)), "stride 1.5 is not"),
        (lambda: ops.Conv("op", ("s",), weight=ONES, stride=2), "stride 2 must be two integers"),
        (lambda: ops.Conv("op", ("s",), weight=ONES, weight_bits=4.5), "weight_bits 4.5 is not"),
        (lambda: ops.Conv("op", ("s",), weight=[[1], [1, 2]]), "weight is no array: its rows differ in length"),
        (lambda: ops.LIFNeuron("op", ("s",), theta=[2.7]), "theta 2.7 is not"),
        (lambda: ops.LIFNeuron("op", ("s",), leak="shift", leak_shift=2.5), "leak_shift 2.5 is not"),
        (lambda: ops.LIFNeuron("op", ("s",), leak_shift="2"), "leak_shift has dtype <U1, needs integers"),
        (lambda: ops.LIFNeuron("op", ("s",), bias=None), "bias has dtype object, needs integers"),
        (lambda: ops.LIFNeuron("op", ("s",), bias=[2.0**63]), "bias 9.2.*e.18 is not an integer of 64 bits"),
        (lambda: LIFNeuron("op", ("s",), bias=np.array([2**63], np.uint64)), "bias 9223372036854775808 is not"),
        (lambda: ops.RadixNeuron("op", ("s",), [1.5], [0]), "theta 1.5 is not"),
        (lambda: ops.RadixNeuron("op", ("s",), [1], [0], exponent=0.5), "exponent 0.5 is not"),
        (lambda: ops.Readout("op", ("s",), [np.inf]), "bias inf is not"),
        (lambda: ops.Residual("op", ("h", "s"), [0.5]), "multiplier 0.5 is not"),
        (lambda: ops.Encode("op", ("input",), steps=3.5), "steps 3.5 is not"),
        (lambda: ops.Encode("op", ("input",), steps=[3]), r"steps \[3\] must be one integer"),
        (lambda: ops.RateEncode("op", ("input",), seed=0.5), "seed 0.5 is not"),
        (lambda: ops.BurstEncode("op", ("input",), count=1.5), "count 1.5 is not"),
        (lambda: ops.DeltaEncode("op", ("input",), theta=1.5), "theta 1.5 is not"),
        (lambda: ops.MaxPool("op", ("s",), kernel=(2, 2.5)), "kernel 2.5 is not"),
    ],
)
def test_what_is_no_integer(make, message):
    with pytest.raises(VolleyError, match=message) as caught:
        make()
    assert re.fullmatch(r"\w+ 'op': .*", str(caught.value))  # one line


def test_whole_numbers_of_any_type_become_integers():
    """A float that is whole is that integer, in arrays and in scalars."""
    op = ops.Conv("op", ("s",), (np.int64(3), 3.0), weight=7 * ONES, weight_bits=np.uint8(4))
    assert op.kernel == (3, 3)
    assert all(type(k) is int for k in op.kernel)
    assert op.weight_bits == 4
    assert type(op.weight_bits) is int
    assert op.weight.dtype == np.int8
    assert (op.weight == 7).all()
    neuron = ops.LIFNeuron("op", ("s",), theta=[2.0], adapt=np.True_, leak="shift", leak_shift=8.0)
    assert neuron.theta.dtype == np.int64
    assert not neuron.theta.flags.writeable
    assert neuron.adapt is True
    assert type(neuron.leak_shift) is int


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv("op", ("s",), (3, 2), weight=ONES), r"kernel \(3, 2\) is not that of weight \(3, 2, 3, 3\); use"),
        (lambda: Conv("op", ("s",), weight=np.ones((3, 2))), r"weight \(3, 2\) must be \[Co, Ci, KH, KW\]"),
        (lambda: Conv("op", ("s",), weight=np.ones((0, 2, 3, 3))), "none of them 0"),
        (lambda: ops.Conv("op", ("s",), weight=ONES, pad_code=[[0]]), r"pad_code \(1, 1\) must be one vector"),
        (
            lambda: ops.Conv("op", ("s",), weight=ONES, pad_code=[-1, 0]).infer(replace(TRAIN, timed=False)),
            "pad_code -1 is",
        ),
        (lambda: Linear("op", ("s",), weight=ONES), r"weight \(3, 2, 3, 3\) must be \[Co, C\*H\*W, 1, 1\]"),
        (lambda: ops.RadixNeuron("op", ("s",), [], []), "must be one vector each"),
        (lambda: ops.RadixNeuron("op", ("s",), [1], [-(2**63)]), "needs more than 46 bits"),
        (lambda: ops.Readout("op", ("s",), [0], exponent=-1), r"exponent e = -1 is outside 0\.\.24"),
        (lambda: ops.Readout("op", ("s",), [0], exponent=25), r"exponent e = 25 is outside 0\.\.24"),
        (lambda: ops.Readout("op", ("s",), [[0, 0]]), r"bias \(1, 2\) must be one vector"),
        (lambda: ops.Readout("op", ("s",), []), r"bias \(0,\) must be one vector"),
        (
            lambda: ops.Readout("op", ("s",), [-(2**63)]).infer(Tensor("h", (1, 1, 1), Encoding.POTENTIAL, 1, 1)),
            "more than 32",
        ),
    ],
)
def test_shapes_and_ranges(make, message):
    with pytest.raises(VolleyError, match=message):
        make()


def test_a_kernel_left_out_is_that_of_the_weights():
    op = Conv("op", ("s",), weight=ONES)
    assert op.kernel == (3, 3)
    assert op.infer(TRAIN).shape == (3, 2, 2)


def test_number_of_operands():
    two = {kind for kind, operator in OPERATORS.items() if operator.operands == 2}
    assert two == {"add", "and", "iand", "residual", "concat"}
    assert all(operator.operands == 1 for kind, operator in OPERATORS.items() if kind not in two)
    Accumulate("op", ("a",)).check_operands()
    Add("op", ("a", "b")).check_operands()
    for op, message in (
        (Accumulate("op", ("a", "b")), r"^accumulate 'op': takes 1 input, not 2 \('a', 'b'\)$"),
        (Accumulate("op", ()), r"takes 1 input, not 0 \(none\)"),
        (Add("op", ("a",)), r"^add 'op': takes 2 inputs, not 1 \('a'\)$"),
    ):
        with pytest.raises(VolleyError, match=message):
            op.check_operands()


def test_times_are_not_lost():
    with pytest.raises(VolleyError, match=r"'s' is ttfs, whose times a sum would lose; .* or encode by rate"):
        Accumulate("op", ("s",)).infer(replace(TRAIN, encoding=Encoding.TTFS))
    phase = replace(TRAIN, encoding=Encoding.PHASE)
    with pytest.raises(VolleyError, match="'s' is phase-coded, which no neuron decodes; use radix with T = 8"):
        Concat("op", ("s", "r")).infer(phase, replace(phase, name="r"))


def test_signed_fields_are_as_wide_as_their_values_need():
    """Against the definition: the fewest bits n with -2^(n-1) <= x < 2^(n-1) for all x; none where all are 0."""
    for pair in combinations_with_replacement(range(-33, 34), 2):
        fewest = next(n for n in range(1, 8) if all(-(1 << n - 1) <= x < 1 << n - 1 for x in pair))
        assert _signed_bits(np.array(pair)) == (fewest if any(pair) else 0), pair


def test_a_membrane_may_start_at_its_top():
    op = ops.LIFNeuron("op", ("s",), theta=[1], v0=[127], width=8)
    assert op.params()["v0"].bits == op.width
