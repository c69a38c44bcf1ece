# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
import pytest

from verif.harness import BenchError, run_bench

ADD = ("LANES", "A_W", "B_W", "A_SIGNED", "B_SIGNED", "OUT_W")
RESIDUAL = ("LANES", "STEPS", "ACC_W", "WORD_W", "EXPONENT", "M_W", "OUT_W")
GATED = ("LANES", "TB", "TAPS", "BEATS", "PASSES")
ACCUMULATE = ("LANES", "STEPS", "IN_W", "IN_SIGNED", "BEATS", "PASSES")
DELAY = ("DATA_W", "BEATS", "PASSES", "DELAY")


def check(core: str, bench: str, names: tuple[str, ...], values: tuple[int, ...], **options) -> None:
    run_bench(f"volley_{core}", f"tb_volley_{bench}", dict(zip(names, values, strict=True)), **options)


@pytest.mark.parametrize(
    "values",
    [
        (1, 1, 1, 0, 0, 2),  # two spikes to a count
        (3, 4, 4, 0, 0, 5),  # SEW ADD of radix words
        (2, 12, 7, 1, 1, 13),  # potentials
        (2, 5, 9, 1, 0, 10),  # a potential and a count; the sum's bound is no wider than the count's
        (5, 6, 3, 0, 1, 12),  # room to spare
    ],
)
def test_add(values):
    check("add", "eltwise", ADD, values)


@pytest.mark.parametrize(
    "values",
    [
        (1, 1, 1, 0, 0, 3, 1),  # smallest
        (2, 14, 9, 1, 1, 18, 8),  # potentials of an image and of spikes
        (3, 4, 5, 1, 1, 11, 5),  # the two have no bit in common
        (2, 9, 3, 1, 0, 10, 4),  # a count
        (2, 6, 7, 0, 1, 10, 2),  # room to spare
    ],
)
def test_add_of_a_shifted_operand(values):
    check("add", "eltwise", (*ADD, "B_SHIFT"), values)


@pytest.mark.parametrize(
    "values",
    [
        (1, 1, 1, 1, 0, 1, 2),  # smallest
        (3, 1, 9, 4, 2, 6, 13),  # radix
        (2, 1, 12, 8, 0, 5, 12),  # T = 8; the sum's bound is no wider than the potential's
        (3, 4, 7, 1, 3, 9, 11),  # rate
    ],
)
def test_residual(values):
    check("residual", "eltwise", RESIDUAL, values)


@pytest.mark.parametrize(
    "values",
    [
        (1, 1, 1, 1, 0, 1, 2),  # smallest
        (3, 1, 9, 4, 2, 6, 13),  # radix
        (2, 1, 20, 17, 0, 25, 43),  # factors as wide as those of a DSP slice
        (2, 4, 7, 1, 3, 9, 11),  # rate
    ],
)
def test_residual_by_multipliers(values):
    check("residual", "eltwise", (*RESIDUAL, "DSP"), (*values, 1))


@pytest.mark.parametrize("values", [(1, 1, 0), (3, 4, 0), (3, 4, 1), (1, 1, 1)])
def test_sew(values):
    check("sew", "eltwise", ("LANES", "TB", "MODE"), values)


@pytest.mark.parametrize("values", [(1, 1, 1), (3, 4, 9), (2, 1, 4)])
def test_pool_or(values):
    check("pool_or", "eltwise", ("LANES", "TB", "TAPS"), values)


def test_pool_or_of_several_pixels():
    check("pool_or", "eltwise", ("LANES", "TB", "TAPS", "PIX"), (3, 4, 9, 2))


@pytest.mark.parametrize(("lanes", "block", "taps"), [(1, 1, 1), (3, 4, 9), (2, 5, 4)])
def test_pool_sum_counts_the_spikes_of_each_step(lanes, block, taps):
    check("pool_sum", "eltwise", ("LANES", "WORD_W", "TAPS"), (lanes * block, 1, taps), extra_env={"BLOCK": str(block)})


@pytest.mark.parametrize(
    "values",
    [
        (1, 1, 1, 1, 1),  # smallest
        (3, 4, 9, 5, 1),  # no memory
        (2, 1, 4, 3, 6),  # a step per pass
        (3, 3, 5, 2, 3),
        (2, 2, 4, 1, 4),  # a beat waits for the one before it
    ],
)
def test_pool_gated(values):
    check("pool_gated", "pass_state", GATED, values)


@pytest.mark.parametrize(
    "values",
    [
        (1, 1, 1, 0, 1, 1),  # smallest
        (3, 4, 1, 0, 5, 4),  # spike count
        (2, 1, 9, 1, 3, 5),  # a step per pass
        (3, 5, 6, 1, 4, 1),  # no memory, steps no power of two
        (2, 2, 3, 0, 1, 4),  # a beat waits for the one before it
    ],
)
def test_accumulate(values):
    _, steps, in_w, signed, _, passes = values
    largest = passes * steps * ((1 << in_w - signed) - (not signed))
    check("accumulate", "pass_state", (*ACCUMULATE, "OUT_W"), (*values, 1 + largest.bit_length()))


@pytest.mark.parametrize(
    "values",
    [
        (1, 1, 1, 1),  # smallest
        (4, 1, 3, 1),  # a beat per pass, behind a skid register
        (5, 4, 1, 1),  # nothing comes through
        (8, 5, 2, 1),
        (3, 7, 4, 1),
        (33, 16, 3, 1),
        (4, 1, 5, 2),
        (2, 3, 4, 4),  # nothing comes through
        (7, 5, 8, 3),
        (6, 4, 7, 5),  # more passes wait than come through
    ],
)
def test_step_delay(values):
    check("step_delay", "step_delay", DELAY, values)


COUNTING = [
    ("pool_gated", "pass_state", GATED, (2, 2, 4, 3, 3)),
    ("accumulate", "pass_state", (*ACCUMULATE, "OUT_W"), (2, 2, 5, 1, 3, 3, 8)),
    ("step_delay", "step_delay", DELAY, (8, 3, 5, 2)),
]


@pytest.mark.parametrize("case", COUNTING)
def test_wrong_tlast_changes_nothing(case):
    """Noise for a tlast, and without the assertion that would say so."""
    check(*case, extra_env={"TLAST": "random"}, defines={"SYNTHESIS": 1})


@pytest.mark.parametrize("case", COUNTING)
def test_wrong_tlast_is_reported(case):
    with pytest.raises(BenchError, match="tlast out of step with BEATS"):
        check(*case, extra_env={"TLAST": "random", "COCOTB_TEST_FILTER": "frames/flow=0"})
