# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What rtl/tech makes of vendor cells, simulated with models of these cells."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyflow.sources import blackboxes, rtl_sources
from verif import harness
from verif.pages.sv import elaborate
from verif.tech import models

GATE, SOFT, MULT = 1, 2, 3  # BODY of volley_synapse_sum


# ---------------------------------------------------------------------- DSP48s that gate and add
def check_array(family: str, body: int, values: tuple[int, ...], per_step: int = 0, pix: int = 1) -> None:
    """values: PE, SIMD, T, TP, W, FOLDS."""
    pe, simd, steps, tp, weight_w, folds = values
    largest = (folds or 5) * simd * (1 if per_step else (1 << steps) - 1) << (weight_w - 1)
    parameters = {
        "BODY": body,
        "PE": pe,
        "SIMD": simd,
        "T": steps,
        "TP": tp,
        "WEIGHT_W": weight_w,
        "FOLDS": folds,
        "ACC_W": 1 + largest.bit_length(),
        "PER_STEP": per_step,
    } | ({"PIX": pix} if pix > 1 else {})
    harness.run_bench("volley_synapse_array", "tb_volley_synapse_array", parameters, sources=models.sources(family))


@pytest.mark.parametrize(
    ("family", "body", "values"),
    [
        ("xc7", GATE, (5, 5, 4, 1, 8, 2)),  # an unused lane, an unused gate; every weight register in a DSP48
        ("xc7", GATE, (4, 17, 3, 1, 8, 2)),  # the longest cascade on its rails beside the shortest; weights wait twice
        ("xc7", SOFT, (7, 17, 2, 2, 4, 1)),  # both with lanes that a carry could leave; weights in shift registers
        ("xc7", SOFT, (9, 15, 2, 1, 2, 1)),  # nine lanes of five bits
        ("xcup", GATE, (4, 16, 2, 1, 8, 1)),
        ("xcup", SOFT, (9, 16, 2, 2, 2, 2)),  # the largest count of spikes, 16
    ],
)
def test_cascade(family, body, values):
    check_array(family, body, values)


@pytest.mark.parametrize(("body", "values"), [(GATE, (3, 4, 4, 2, 5, 2)), (SOFT, (9, 5, 3, 1, 3, 1))])
def test_cascade_per_step(body, values):
    """SOFT: the largest sum, 35, just needs its 6 bits."""
    check_array("xc7", body, values, per_step=1)


@pytest.mark.parametrize(("body", "values"), [(GATE, (4, 3, 2, 1, 8, 2)), (MULT, (4, 3, 4, 4, 4, 1))])
def test_array_of_several_pixels(body, values):
    check_array("xc7", body, values, pix=2)


@pytest.mark.long
@pytest.mark.parametrize("per_step", [0, 1])
@pytest.mark.parametrize(
    ("body", "values"),
    [
        *((body, (3, simd, 2, 1, 4, 1)) for body in (GATE, SOFT) for simd in (1, 2, 3, 8, 16, 33)),
        *((body, (13, 16, 2, 2, w, 1)) for body in (GATE, SOFT) for w in range(1, 9)),
        *((body, (2, 18, t, 1, 4, 2)) for body in (GATE, SOFT) for t in (2, 3, 5, 8, 9)),
        *((SOFT, (10, simd, 2, 1, 2, 1)) for simd in (10, 11, 15, 16, 31)),
    ],
)
def test_cascade_all(body, values, per_step):
    for family in ("xc7", "xcup"):
        check_array(family, body, values, per_step)


CASCADE: dict[str, int | str] = {"PE": 4, "SIMD": 4, "TP": 1, "STEPS": 4, "WEIGHT_W": 4}


@pytest.mark.parametrize(
    ("core", "parameters", "rule"),
    [
        ("dsp_cascade", CASCADE | {"PE": 0}, "PE, SIMD, TP and STEPS must be at least 1"),
        ("dsp_cascade", CASCADE | {"STEPS": 0}, "PE, SIMD, TP and STEPS must be at least 1"),
        ("dsp_cascade", CASCADE | {"WEIGHT_W": 9}, "WEIGHT_W = 9 is outside 1..8"),
        ("dsp_cascade", CASCADE | {"USE_SIMD": "TWO24"}, "USE_SIMD = TWO24 must be FOUR12 or ONE48"),
        ("synapse_dsp", CASCADE | {"BODY": 4, "LATENCY": 6}, "BODY = 4 must be 1 (GATE), 2 (SOFT) or 3 (MULT)"),
        ("synapse_dsp", CASCADE | {"BODY": GATE, "LATENCY": 4}, "LATENCY = 4, but the body takes 3 ticks"),
        ("dsp_mult", {"PE": 0}, "PE and SIMD must be at least 1"),
        ("dsp_mult", {"SIMD": 0}, "PE and SIMD must be at least 1"),
        ("dsp_mult", {"TP": 9}, "WEIGHT_W = 4 or TP = 9 is outside 1..8"),
        ("dsp_mult", {"WEIGHT_W": 0}, "WEIGHT_W = 0 or TP = 4 is outside 1..8"),
        ("dsp48_mul", {"STAGES": 4}, "STAGES = 4 is outside 1..3"),
        ("delay", {"DATA_W": 0}, "DATA_W = 0 must be at least 1"),
        ("carry_chain", {"WIDTH": 0}, "WIDTH = 0 must be at least 1"),
        ("compressor", {"WIDTH": 0}, "WIDTH = 0 must be at least 1"),
        ("compressor_tree", {"N": 0}, "N, IN_W and GROUP must be at least 1"),
        ("compressor_tree", {"GROUP": 0}, "N, IN_W and GROUP must be at least 1"),
        ("compressor_tree", {"GROUP": 3, "OUT_W": 8}, "OUT_W = 8 does not hold the operands"),
        ("adder_tree", {"N": 0}, "N and IN_W must be at least 1"),
        ("step_tree", {"TP": 0}, "TP and IN_W must be at least 1"),
    ],
)
def test_rules(core, parameters, rule):
    _, errors = elaborate([*blackboxes("xc7"), *rtl_sources("xc7")], f"volley_{core}", parameters)
    assert f"volley_{core}: {rule}" in errors


# ---------------------------------------------------------------------- models of the cells
PAIR = Path(models.__file__).with_name("dsp48_pair.sv")


@pytest.mark.parametrize(
    ("simd", "multiplier", "preadder", "registers"),
    [
        ("ONE48", False, False, 1),
        ("TWO24", False, False, 2),
        ("FOUR12", False, False, 1),
        ("ONE48", True, False, 1),
        ("ONE48", True, True, 0),
        ("ONE48", True, True, 2),
    ],
)
def test_dsp48e2_is_a_dsp48e1_in_what_they_share(simd, multiplier, preadder, registers):
    parameters = {
        "USE_SIMD": simd,
        "USE_MULT": "MULTIPLY" if multiplier else "NONE",
        "REGS": registers,
        "USE_DPORT": "TRUE" if preadder else "FALSE",
        "AMULTSEL": "AD" if preadder else "A",
    }
    harness.run_bench(
        "dsp48_pair", "tb_dsp48_pair", parameters, sources=[models.model("DSP48E1"), models.model("DSP48E2"), PAIR]
    )


# ---------------------------------------------------------------------- adder trees of LUTs
def sources(family: str | None) -> list[Path] | None:
    return models.sources(family) if family else None


def check_adder_tree(family: str | None, values: tuple[int, int]) -> None:
    """values: N, IN_W. family: None for the portable tree."""
    parameters = dict(zip(("N", "IN_W"), values, strict=True))
    harness.run_bench("volley_adder_tree", "tb_volley_adder_tree", parameters, sources=sources(family))


def check_step_tree(family: str | None, values: tuple[int, int]) -> None:
    """values: TP, IN_W."""
    parameters = dict(zip(("TP", "IN_W"), values, strict=True))
    harness.run_bench("volley_step_tree", "tb_volley_adder_tree", parameters, sources=sources(family))


@pytest.mark.parametrize(
    ("family", "values"),
    [
        ("xc7", (1, 4)),
        ("xc7", (3, 2)),
        ("xc7", (16, 8)),
        ("xc7", (27, 4)),  # a wire, one row, even, odd
        ("xcup", (12, 4)),
        (None, (1, 4)),
        (None, (16, 8)),
        (None, (27, 4)),
    ],
)
def test_adder_tree(family, values):
    check_adder_tree(family, values)


@pytest.mark.long
@pytest.mark.parametrize("family", [None, "xc7", "xcup"])
@pytest.mark.parametrize("values", [*((n, w) for n in (2, 4, 5, 9, 17, 40) for w in (1, 2, 4, 8)), (6, 3), (64, 1)])
def test_adder_tree_all(family, values):
    check_adder_tree(family, values)


@pytest.mark.parametrize("family", [None, "xc7"])
@pytest.mark.parametrize("values", [(1, 5), (3, 8), (4, 12)])
def test_step_tree(family, values):
    check_step_tree(family, values)


@pytest.mark.long
@pytest.mark.parametrize("values", [(tp, w) for tp in (2, 5, 7, 8, 16) for w in (1, 4, 12)])
def test_step_tree_all(values):
    for family in (None, "xc7"):
        check_step_tree(family, values)


@pytest.mark.parametrize("values", [(1, 6, 1, 7), (7, 4, 3, 10), (10, 3, 4, 9)])
def test_compressor_tree(values):
    """Several operands of each of several weights; the last group is not full."""
    parameters = dict(zip(("N", "IN_W", "GROUP", "OUT_W"), values, strict=True))
    harness.run_bench("volley_compressor_tree", "tb_volley_adder_tree", parameters, sources=models.sources("xc7"))


COMPRESSORS = [  # WIDTH, THREE, USED and INVERTED by number
    (6, 0, (0xF, 0xF, 0xF, 0xF), (0, 0, 0, 0)),
    (6, 0, (0xF, 0xF, 0xF, 0xF), (8, 8, 8, 8)),  # sign bits of operands
    (8, 0, (0xF, 0x1E, 0x3C, 0x78), (8, 16, 32, 64)),  # operands of different weight
    (6, 0, (0xF, 0xE, 0, 0x1F), (0, 0, 0x15, 0)),  # a constant, a column that begins the chain late
    (6, 1, (0, 0xF, 0xF, 0xF), (0, 0, 0, 0)),  # all sums of three 4-bit numbers
    (7, 1, (0, 0x1F, 0x3E, 0xF), (0, 0, 32, 0x58)),  # constant and inverted bits in the third
    (3, 1, (0, 1, 2, 0), (0, 0, 0, 4)),  # no column has two bits: no chain
]


def check_compressor(family: str, values: tuple[int, int, tuple[int, ...], tuple[int, ...]]) -> None:
    width, three, used, inverted = values
    word = lambda columns: sum(column << n * width for n, column in enumerate(columns))  # noqa: E731
    parameters = {"WIDTH": width, "THREE": three, "USED": word(used), "INVERTED": word(inverted)}
    harness.run_bench("volley_compressor", "tb_volley_compressor", parameters, sources=models.sources(family))


@pytest.mark.parametrize("values", COMPRESSORS)
def test_compressor(values):
    check_compressor("xc7", values)


@pytest.mark.long
@pytest.mark.parametrize("values", COMPRESSORS)
def test_compressor_of_ultrascale(values):
    check_compressor("xcup", values)


@pytest.mark.parametrize(
    ("values", "per_step"), [((3, 16, 4, 4, 8, 1), 0), ((2, 25, 3, 1, 4, 2), 0), ((2, 7, 6, 2, 2, 2), 1)]
)
def test_array_of_compressor_trees(values, per_step):
    check_array("xc7", 0, values, per_step)


# ---------------------------------------------------------------------- DSP48s that multiply
def check_mult(family: str, values: tuple[int, ...]) -> None:
    parameters = dict(zip(("PE", "SIMD", "TP", "WEIGHT_W"), values, strict=True))
    harness.run_bench("volley_dsp_mult", "tb_volley_dsp_mult", parameters, sources=models.sources(family))


@pytest.mark.parametrize(
    ("family", "values"),
    [
        ("xc7", (5, 3, 4, 4)),  # four lanes: every pair of neighbours; an odd input, unused lanes
        ("xc7", (5, 2, 2, 1)),  # four lanes of which most bits are unused
        ("xc7", (3, 5, 5, 5)),  # two lanes apart: every pair of neighbours; cascades of four and one
        ("xc7", (3, 3, 8, 8)),  # two lanes that overlap
        ("xcup", (4, 1, 4, 3)),
        ("xcup", (2, 3, 4, 8)),
    ],
)
def test_mult(family, values):
    check_mult(family, values)


@pytest.mark.parametrize(
    ("family", "values"),
    [
        ("xc7", (5, 3, 4, 4, 4, 2)),
        ("xc7", (3, 5, 8, 8, 8, 1)),
        ("xcup", (4, 16, 4, 4, 4, 1)),
        ("xc7", (5, 2, 4, 4, 4, 0)),  # of a list: a window is as long as its frame says
    ],
)
def test_array_of_multipliers(family, values):
    check_array(family, MULT, values)


@pytest.mark.long
@pytest.mark.parametrize(
    "values",
    [
        *((pe, simd, 4, 4) for pe in (1, 4, 6) for simd in (1, 2, 4, 9, 17)),
        *((3, simd, tp, 8) for simd in (1, 2, 3, 4, 6, 7, 9, 17) for tp in (4, 8)),
        *((5, 3, tp, w) for tp in (1, 2, 3, 4) for w in (1, 2, 3, 4)),
        *((3, 5, tp, w) for tp in (1, 5, 6, 7, 8) for w in (1, 4, 5, 7, 8)),
    ],
)
def test_mult_all(values):
    for family in ("xc7", "xcup"):
        check_mult(family, values)
