# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Bodies of the synapse array in the planner: exact DSP counts, a table that is read as it was measured, budgets."""

from __future__ import annotations

import json
import warnings
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import pyflow
from pyflow import zoo
from pyflow.cores.cells import Cost
from pyflow.cores.sums import BODIES, DSP48, PE, SETTLED, TABLE, Size, soft_lanes, sum_cost
from pyflow.errors import VolleyError
from pyflow.planning import bodies
from pyflow.planning.board import FAMILIES, load_board
from pyflow.planning.planner import plan
from pyflow.sources import rtl_sources

BOARD = load_board("pynq-z2")


@pytest.mark.parametrize(
    ("weight_bits", "simd", "lanes"), [(4, 16, 6), (4, 64, 6), (2, 16, 8), (2, 15, 9), (8, 16, 4), (3, 16, 6)]
)
def test_a_lane_of_the_soft_body_holds_the_largest_sum(weight_bits: int, simd: int, lanes: int) -> None:
    assert soft_lanes(weight_bits, simd) == lanes
    largest = 2 if weight_bits == 2 else 2**weight_bits - 1
    assert min(simd, 16) * largest < 2 ** (48 // lanes)
    assert min(simd, 16) * largest >= 2 ** (48 // (lanes + 1)), "one lane more would do"


@pytest.mark.parametrize(
    ("size", "operations"),
    [
        (Size("gate", 16, 16, 1, 8, 8, False), 16),
        (Size("soft", 18, 16, 1, 8, 4, False), 24),
        (Size("soft", 16, 16, 1, 8, 2, False), 32),
        (Size("soft", 18, 14, 1, 8, 2, False), 36),
        (Size("mult", 16, 16, 4, 1, 4, False), 32),
    ],
)
def test_operations_per_dsp_slice(size: Size, operations: int) -> None:
    assert 2 * size.pe * size.simd * size.tp / size.dsp == operations


def test_the_table_is_read_as_it_was_measured() -> None:
    for family, rows in json.loads(TABLE.read_text())["families"].items():
        assert rows
        for row in rows:
            size = Size(*(row[key] for key in ("body", "pe", "simd", "tp", "steps", "weight_bits", "per_step")))
            cost = sum_cost(family, size)
            assert cost is not None
            assert (round(cost.lut), round(cost.ff), cost.dsp) == (row["lut"], row["ff"], row["dsp"])
            twice = sum_cost(family, replace(size, pe=2 * PE))
            assert twice is not None
            assert twice.lut == pytest.approx(2 * row["lut"])


def test_the_table_is_of_these_bodies() -> None:
    from benchmarks.calibrate import made_of

    for family, origin in json.loads(TABLE.read_text())["made_of"].items():
        assert origin == made_of(family), f"{TABLE.name} is of other bodies or another yosys: run make calibrate"


def _price(size: Size) -> Cost:
    cost = sum_cost("xc7", size)
    assert cost is not None, size
    assert cost.lut > 0, size
    assert cost.ff > 0, size
    assert cost.dsp == size.dsp, size
    return cost


@pytest.mark.slow
def test_every_legal_sum_has_a_price_and_a_larger_one_of_its_form_costs_no_less() -> None:
    for body in BODIES:
        for tp in range(1, 9):
            for steps, per_step in ((s, p) for s in (1, 2, 4, 8, 16) for p in (False, True)):
                narrower: dict[object, list[Cost]] = defaultdict(list)  # of a form, the price by SIMD
                for weight_bits in range(2, 9):
                    sizes = [Size(body, PE, simd, tp, steps, weight_bits, per_step) for simd in range(1, 65)]
                    if sizes[0].unfit:
                        continue
                    prices = [_price(size) for size in sizes]
                    for below, above in [*pairwise(prices), *zip(narrower[sizes[0].form], prices, strict=False)]:
                        assert below.lut <= above.lut + 1e-6, (sizes[0], below, above)
                        assert below.ff <= above.ff + 1e-6, (sizes[0], below, above)
                    narrower[sizes[0].form] = prices


# Off the grid: LUTs and flip-flops together, as close as a whole network's.
@pytest.mark.slow
@pytest.mark.parametrize(
    "size",
    [
        pytest.param(Size("gate", PE, 16, 1, 2, 8, True)),
        *(
            pytest.param(size, marks=pytest.mark.long)
            for size in (
                Size("gate", PE, 16, 1, 1, 8, True), Size("gate", PE, 12, 2, 3, 5, True),
                Size("soft", PE, 16, 1, 1, 4, True), Size("soft", PE, 8, 2, 2, 2, True),
                Size("mult", PE, 6, 2, 1, 3, False), Size("mult", PE, 12, 4, 1, 5, False),
                Size("mult", PE, 16, 4, 1, 8, False), Size("lut", PE, 9, 2, 1, 6, False),
            )
        ),
    ],
    ids=lambda size: f"{size.body} {size.simd}x{size.tp} W{size.weight_bits} STEPS{size.steps}",
)  # fmt: skip
def test_between_its_points_the_table_is_near_synthesis(size: Size) -> None:
    from benchmarks.calibrate import measure

    row, cost = measure("xc7", size), _price(size)
    assert row["lut"] + row["ff"] == pytest.approx(cost.lut + cost.ff, rel=0.2)


# Rows of the table, made of the other family's cells. They may be fewer LUTs.
@pytest.mark.slow
@pytest.mark.parametrize(
    "size",
    [
        pytest.param(Size("gate", PE, 16, 1, SETTLED, 8, True)),
        *(
            pytest.param(size, marks=pytest.mark.long)
            for size in (
                Size("lut", PE, 4, 4, 1, 4, False), Size("lut", PE, 16, 1, 1, 8, False),
                Size("soft", PE, 16, 4, SETTLED, 3, True), Size("soft", PE, 1, 1, SETTLED, 2, True),
                Size("mult", PE, 16, 4, 1, 4, False),
            )
        ),
    ],
    ids=lambda size: size.body,
)  # fmt: skip
def test_a_family_that_shares_a_table_costs_no_more(size: Size) -> None:
    from benchmarks.calibrate import measure

    row, cost = measure("xcup", size), sum_cost("xcup", size)
    assert cost is not None
    assert (row["ff"], row["dsp"]) == (round(cost.ff), cost.dsp)
    assert 0.4 * cost.lut <= row["lut"] <= round(cost.lut)


def test_the_planner_uses_the_dsp_slices_of_both_xilinx_families() -> None:
    chosen = [plan(zoo.load("digits"), load_board(name), cycles_per_frame=256) for name in ("pynq-z2", "kv260")]
    assert chosen[0].total.dsp == chosen[1].total.dsp > 0


def test_a_family_without_a_table_has_luts_only() -> None:
    assert sum_cost("ice40", Size("mult", 4, 4, 4, 1, 4, False)) is None
    chosen = plan(zoo.load("digits"), load_board("icebreaker"), cycles_per_frame=20_000)
    assert {f.body for f in chosen.netlist.foldings.values()} == {"lut"}


def test_the_planner_keeps_to_the_dsp_slices_of_the_board() -> None:
    network = zoo.load("digits")
    full = plan(network, BOARD)
    assert full.total.dsp > 0
    assert full.total.lut < plan(network, _without_dsp()).total.lut
    few = replace(BOARD, budget=replace(BOARD.budget, dsp=20))
    assert plan(network, few).total.dsp <= 20
    assert plan(network, _without_dsp()).total.dsp == 0
    assert bodies.dsp(network, full.netlist.foldings) == full.total.dsp


def _without_dsp() -> pyflow.planning.board.Board:
    return replace(BOARD, budget=replace(BOARD.budget, dsp=0))


def test_a_forced_body_that_cannot_do_it_is_refused_by_name(tmp_path: Path) -> None:
    content = plan(zoo.load("digits"), BOARD).folding_json()
    content["layers"]["conv2"] |= {"body": "mult", "tp": 2}
    with pytest.raises(
        VolleyError, match=r"folding of conv2: body=mult takes whole words .* not tp=2 of 4; use body=lut"
    ):
        pyflow.compile(zoo.load("digits"), out_dir=tmp_path, folding=content)
    content["layers"]["conv2"] |= {"body": "wide", "tp": 0}
    with pytest.raises(VolleyError, match="body='wide' is unknown; use one of auto, lut, gate, soft, mult"):
        pyflow.compile(zoo.load("digits"), out_dir=tmp_path, folding=content)


@pytest.mark.parametrize(
    ("size", "unfit"),
    [
        (Size("mult", 4, 4, 2, 2, 4, False), "not tp=2 of 4"),
        (Size("mult", 4, 4, 4, 1, 4, True), "this layer keeps its time steps apart"),
        (Size("mult", 4, 4, 12, 1, 4, False), "not T=12"),
        (Size("mult", 4, 4, 8, 1, 8, False), ""),
        (Size("gate", 4, 4, 12, 2, 8, True), ""),
    ],
)
def test_what_mult_cannot_do_is_named(size: Size, unfit: str) -> None:
    assert size.unfit == unfit
    assert (sum_cost("xc7", size) is None) == bool(unfit)


@pytest.mark.parametrize("board", ["icebreaker", "ulx3s-85f"])
@pytest.mark.parametrize("forced", BODIES[1:])
def test_a_dsp_body_is_refused_where_the_family_has_no_dsp48(forced: str, board: str) -> None:
    content = plan(zoo.load("digits"), load_board(board)).folding_json()
    content["layers"]["conv2"] |= {"body": forced, "tp": 0}
    family = load_board(board).family
    with pytest.raises(
        VolleyError,
        match=rf"folding of conv2: body={forced} is made of DSP48 slices, which {board} \({family}\) has none of; use "
        "body=lut",
    ):
        plan(zoo.load("digits"), load_board(board), folding=content)
    assert sum_cost(family, Size(forced, 4, 4, 4, 1, 4, False)) is None


def test_families_with_dsp48_are_those_with_a_body_of_it() -> None:
    portable = next(path for path in rtl_sources() if path.stem == "volley_synapse_dsp")
    assert DSP48 == tuple(family for family in FAMILIES if portable not in rtl_sources(family))


def test_a_folding_with_more_dsp_slices_than_the_board_has_is_warned_of() -> None:
    network = zoo.load("digits")
    content = plan(network, BOARD).folding_json()
    few = replace(BOARD, budget=replace(BOARD.budget, dsp=10))
    with pytest.warns(
        UserWarning, match=r"folding does not fit pynq-z2: DSP \d+ of 10, .* % over; use body=lut in a layer"
    ):
        plan(network, few, folding=content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plan(network, BOARD, folding=content)


@pytest.mark.slow
@pytest.mark.parametrize("forced", BODIES)
def test_every_body_in_a_network_is_exact_and_as_fast_as_predicted(forced: str, tmp_path: Path) -> None:
    network = zoo.load("digits")
    content = plan(network, BOARD).folding_json()
    for layer in content["layers"].values():
        layer |= {"body": forced, "tp": 0 if forced == "mult" else layer["tp"]}
    build = pyflow.compile(network, out_dir=tmp_path, folding=content)
    x = np.random.default_rng(1).integers(0, 256, (6, *network.input_shape)).astype(np.uint8)
    result = build.simulate(x, taps=6)
    assert build.first_mismatch(x, result) is None
    assert result.latency_cycles == build.plan.latency_cycles
    assert result.cycles_per_frame == build.plan.cycles_per_frame


def test_the_latency_of_a_body_is_that_of_the_rtl() -> None:
    for (body, simd, tp, per_step), latency in {
        ("lut", 16, 4, False): 1 + 4 + 2,
        ("gate", 16, 1, True): 1 + 8,
        ("soft", 17, 4, False): 2 + 8 + 1 + 2,
        ("mult", 5, 4, False): 4 + 3,
    }.items():
        assert Size(body, 4, simd, tp, 1, 4, per_step).latency == latency
