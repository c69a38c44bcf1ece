# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Benches say which goals they miss, and end with status 1 then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import busy, density, lut4, models, networks, planning, prices, resnet
from benchmarks.goals import MET, MISSED, NO_GOAL, status, verdict
from pyflow import data as datasets
from pyflow.conversion import training
from pyflow.cores.cells import Cost, placed_luts
from pyflow.planning.board import load_board
from pyflow.zoo.train import Recipe


def test_a_verdict_and_the_status_that_it_gives() -> None:
    assert (verdict(3, 3), verdict(4, 3), verdict(3, None)) == (MET, MISSED, NO_GOAL)
    assert (verdict(3, 3, least=True), verdict(2, 3, least=True)) == (MET, MISSED)
    assert status([["a", MET], ["b", NO_GOAL]], []) == 0
    assert status([["a", MET]], [["b", MISSED]]) == 1


@pytest.mark.parametrize(("most", "found"), [(1000.0, 0), (0.0, 1)])
def test_seconds_of_planning_against_their_goal(
    most: float, found: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(planning, "CASES", {"mlp": (lambda: planning.perceptron(20), most)})
    assert planning.main() == found
    assert capsys.readouterr().out.count(MISSED) == found


@pytest.mark.parametrize(("exact", "cycles", "found"), [(True, 1005, 0), (True, 1100, 1), (False, 1005, 1)])
def test_busy_lanes_against_their_goal(
    exact: bool, cycles: float, found: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(busy, "measure", lambda *_case: busy.Measured(exact, 1000, cycles, 1005, 0.9))
    assert busy.main() == found
    assert capsys.readouterr().out.count(MISSED) == found * len(busy.CASES)


@pytest.mark.parametrize(("lut", "found"), [(1000, 0), (100_000, 1)])
def test_cells_of_the_arrays_against_their_goals(
    lut: int, found: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def cells(_core: str, _family: str, p: dict[str, int]) -> dict[str, int]:
        dense = 14 if p["PE"] == 18 and p["SIMD"] == 14 else 16
        return {"LUT6": lut, "FDRE": 1, "DSP48E1": dense}

    monkeypatch.setattr(density, "synthesise_core", cells)
    assert density.main() == found
    assert capsys.readouterr().out.count(MISSED) == found * 4


@pytest.mark.parametrize(
    ("name", "change", "missed"),
    [
        ("lenet5", {}, []),
        ("lenet5", {"lut": 9001, "bram": 40.5}, ["LUT", "BRAM"]),
        (networks.FAST_NAME, {}, ["cycles per frame"]),
    ],
)
def test_lenet5_against_its_goals(name: str, change: dict[str, float], missed: list[str]) -> None:
    report = {"cycles_per_frame": 1024.0, "accuracy_snn": 0.995, "clock_mhz": 100.0, "clock": "assumed",
              "board": "pynq-z2"}  # fmt: skip
    used = {"lut": 6188, "ff": 9779, "bram": 7.5, "dsp": 131, **change}
    area = {"total": used, "budget": {"lut": 53_200, "ff": 106_400, "bram": 140, "dsp": 220}}
    rows, line = networks.against_goals(name, report, area)
    assert [row[1] for row in rows if row[-1] == MISSED] == missed
    assert "97,656 frames/s at 100 MHz" in line


@pytest.mark.parametrize(("seconds", "rate", "missed"), [(60.0, 1.0, 0), (0.0, 1e9, 4)])
def test_a_residual_network_against_its_goals(seconds: float, rate: float, missed: int) -> None:
    goals = resnet.Goals(seconds, -1.0 if missed else seconds, seconds, rate)
    rows = resnet.rows_of("narrow", resnet.resnet20((2, 3, 4), (1, 8, 8)), goals, load_board("pynq-z2"))
    assert sum(row[-1] == MISSED for row in rows) == missed
    assert len([row for row in rows if row[1].startswith("FIFO ")]) == 2 * 9, "of both ways of nine blocks"


@pytest.mark.parametrize("name", models.FAMILIES)
def test_a_training_of_the_bench_is_kept(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """The second time no step is made, and another recipe is another training."""
    monkeypatch.setenv("VOLLEY_CACHE", str(tmp_path))
    whole = datasets.load("digits")
    part = datasets.Dataset("digits", whole.x_train[:40], whole.y_train[:40], whole.x_test[:20], whole.y_test[:20])
    recipe = Recipe("digits", 256, 2, 1, 20, 3e-3, 1e-3, degrees=10, shift=0.7, zoom=0.08)
    first = models.trained(name, part, recipe)
    steps: list[int] = []
    monkeypatch.setattr(training.Progress, "step", lambda *_: steps.append(1))
    again = models.trained(name, part, recipe)
    assert not steps
    for one, other in ((first.plain, again.plain), (first.tuned, again.tuned)):
        np.testing.assert_array_equal(one.run(part.x_test), other.run(part.x_test))


def test_what_a_family_is_made_of() -> None:
    """Residual, depthwise and concatenating layers are in the networks that are called so."""
    made = {name: list(make((1, 8, 8)).modules()) for name, make in models.FAMILIES.items()}
    assert any(isinstance(m, nn.Conv2d) and m.groups == m.in_channels > 1 for m in made["depthwise-separable"])
    with torch.no_grad():
        for name, make in models.FAMILIES.items():
            assert make((1, 8, 8)).eval()(torch.rand(2, 1, 8, 8)).shape == (2, 10), name


def test_prices_against_their_goals() -> None:
    """Placed cells count where there are any; a count of block RAMs that is not exact misses."""
    row = prices.Compared("net", "volley_skid", False, (110, 100), (50, 50), (1, 1), (0, 0))
    placed = replace(row, placed=(130, 100))
    assert prices.line("net", [row], 0.15)[-1] == MET
    assert prices.line("net", [row, row], 0.05)[-1] == prices.line("net", [placed], 0.15)[-1] == MISSED
    assert prices.line("net", [replace(row, bram=(2, 1))], 0.15)[-1] == MISSED


def test_flip_flops_that_stand_alone() -> None:
    """Of 200 flip-flops, 60 are in cells beyond those of the LUTs; what was not placed says nothing."""
    placed = prices.Compared("net", "volley_skid", False, (0, 100), (0, 200), (0, 0), (0, 0), (0, 160))
    assert lut4.alone([placed, replace(placed, placed=(0, 0))]) == {"": 0.3, "volley_skid": 0.3}
    assert placed_luts("volley_skid", Cost(lut=10, ff=100), "ecp5") == 10
    assert placed_luts("volley_skid", Cost(lut=10, ff=100), "ice40") > 50


@pytest.mark.long
def test_the_arrays_of_256_channels_are_busy_and_exact() -> None:
    measured = busy.measure(256, 8)
    assert measured.exact
    assert measured.busy >= busy.GOAL
