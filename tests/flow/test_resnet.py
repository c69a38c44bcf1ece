# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""ResNet-20, from PyTorch to RTL: all of its layers, narrow, in bits and cycles. At full size its conversion and
plan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pyflow
from benchmarks import resnet
from pyflow.operators import Add, Conv, Linear, Residual
from pyflow.planning.board import load_board


def narrow(widths: tuple[int, int, int], size: int, cycles: int | None, folder: Path, frames: int = 6) -> None:
    """A ResNet-20 in RTL: every logit, the cycles per frame and the latency are those that were predicted."""
    network, *_ = resnet.converted(resnet.resnet20(widths, (3, size, size)), "narrow20", 32)
    x = np.random.default_rng(1).random((frames, 3, size, size), np.float32)
    build = pyflow.compile(network, "pynq-z2", folder, cycles_per_frame=cycles)
    result = build.simulate(x, taps=1)
    np.testing.assert_array_equal(result.logits, network.run(x))
    assert (result.cycles_per_frame, result.latency_cycles) == (build.plan.cycles_per_frame, build.plan.latency_cycles)


@pytest.mark.slow
def test_a_narrow_one_is_exact_in_rtl(tmp_path: Path) -> None:
    narrow((2, 3, 4), 8, 1500, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize(("widths", "size", "cycles"), [((4, 6, 8), 8, None), ((4, 8, 12), 16, 3000)])
def test_wider_ones_are_exact_in_rtl(
    widths: tuple[int, int, int], size: int, cycles: int | None, tmp_path: Path
) -> None:
    narrow(widths, size, cycles, tmp_path)


@pytest.mark.slow
def test_conversion_at_full_size() -> None:
    """The layers of the paper. `make bench-resnet` compares its CPU-seconds with the goal; here they may be half as
    many again, since CI machines are shared."""
    goals = resnet.CASES["resnet20"][1]
    network, convert_s, guard_s = resnet.converted(resnet.resnet20(), "resnet20")
    kinds = [type(op) for op in network.operators]
    assert (kinds.count(Conv), kinds.count(Linear), kinds.count(Residual), kinds.count(Add)) == (21, 1, 7, 2)
    assert convert_s <= 1.5 * goals.convert
    assert guard_s <= 1.5 * goals.guard


@pytest.mark.long
def test_a_plan_at_full_size() -> None:
    """It fits the PYNQ-Z2 at the frame rate that is asked for."""
    goals, board = resnet.CASES["resnet20"][1], load_board("pynq-z2")
    network, *_ = resnet.converted(resnet.resnet20(), "resnet20", 32)
    found, _ = resnet.planned(network, board)
    assert goals.rate is not None
    assert board.clock_mhz * 1e6 / found.schedule.cycles_per_frame >= goals.rate
    assert found.total.lut <= board.budget.lut
    assert found.total.dsp <= board.budget.dsp
    assert board.budget.brams(found.total.bram) <= board.budget.bram
