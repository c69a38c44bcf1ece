# SPDX-License-Identifier: Apache-2.0
"""Bodies of the synapse array in the planner: exact DSP counts, a table that is read as it was measured, budgets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import pyflow
from pyflow import zoo
from pyflow.errors import VolleyError
from pyflow.hardware import BODIES, sum_latency
from pyflow.planning import bodies
from pyflow.planning.board import load_board
from pyflow.planning.bodies import PE, TABLE, Size, soft_lanes, sum_cost
from pyflow.planning.planner import plan

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
            assert twice is not None and twice.lut == pytest.approx(2 * row["lut"])


def test_between_its_points_cells_grow() -> None:
    for body in BODIES:
        size = Size(body, PE, 8, 4, 1, 4, body in ("gate", "soft"))
        small, large = sum_cost("xc7", size), sum_cost("xc7", replace(size, simd=24))
        assert small is not None and large is not None and 0 < small.lut < large.lut


# LUT on xc7 and xcup, in this order: 22 and 22, 641 and 629, 881 and 881, 1,105 and 893, 115 and 52, 842 and 842.
@pytest.mark.parametrize(
    "size",
    [
        pytest.param(Size("gate", PE, 16, 1, 4, 8, True)),
        *(
            pytest.param(size, marks=pytest.mark.long)
            for size in (
                Size("lut", PE, 4, 4, 1, 4, False), Size("lut", PE, 16, 1, 1, 8, False),
                Size("soft", PE, 16, 4, 1, 4, True), Size("soft", PE, 4, 1, 1, 2, True),
                Size("mult", PE, 16, 4, 1, 4, False),
            )
        ),
    ],
    ids=lambda size: size.body,
)  # fmt: skip
def test_a_family_that_shares_a_table_costs_no_more(size: Size) -> None:
    from benchmarks.calibrate import measure

    row, cost = measure("xcup", size), sum_cost("xcup", size)
    assert cost is not None and (row["ff"], row["dsp"]) == (round(cost.ff), cost.dsp)
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
    assert full.total.dsp > 0 and full.total.lut < plan(network, _without_dsp()).total.lut
    few = replace(BOARD, budget=replace(BOARD.budget, dsp=20))
    assert plan(network, few).total.dsp <= 20
    assert plan(network, _without_dsp()).total.dsp == 0
    assert bodies.dsp(network, full.netlist.foldings) == full.total.dsp


def _without_dsp() -> pyflow.planning.board.Board:
    return replace(BOARD, budget=replace(BOARD.budget, dsp=0))


def test_a_forced_body_that_cannot_do_it_is_refused_by_name(tmp_path: Path) -> None:
    content = plan(zoo.load("digits"), BOARD).folding_json()
    content["layers"]["conv2"] |= {"body": "mult", "tp": 2}
    with pytest.raises(VolleyError, match="folding of conv2: body=mult takes whole words"):
        pyflow.compile(zoo.load("digits"), out_dir=tmp_path, folding=content)
    content["layers"]["conv2"] |= {"body": "wide", "tp": 0}
    with pytest.raises(VolleyError, match="body='wide' is unknown; use one of auto, lut, gate, soft, mult"):
        pyflow.compile(zoo.load("digits"), out_dir=tmp_path, folding=content)


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
    assert result.latency_cycles == build.plan.schedule.latency_cycles
    assert result.cycles_per_frame == build.plan.schedule.cycles_per_frame


def test_the_latency_of_a_body_is_that_of_the_rtl() -> None:
    assert sum_latency(0, 16, 4, False) == 1 + 4 + 2
    assert sum_latency(1, 16, 1, True) == 1 + 8
    assert sum_latency(2, 17, 4, False) == 2 + 8 + 1 + 2
    assert sum_latency(3, 5, 4, False) == 4 + 3
