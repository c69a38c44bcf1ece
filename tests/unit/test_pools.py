# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Which form a pool takes, and that neither is slower than the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pyflow.conversion import convert
from pyflow.cores.cells import Cost
from pyflow.cores.pool import PoolAccumulate
from pyflow.graph import Network
from pyflow.operators import Encoding, SumPool, Tensor
from pyflow.planning import fits
from pyflow.planning.board import load_board
from pyflow.planning.lowering import pool as lowering
from pyflow.planning.planner import Plan, plan

BOARD = load_board("pynq-z2")


def source(height: int, width: int) -> Tensor:
    return Tensor("map", (4, height, width), Encoding.RADIX, steps=4, bound=15)


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "padding", "pix", "wanted"),
    [
        ((8, 8), (8, 8), (8, 8), (0, 0), 1, True),
        ((8, 8), (8, 8), (1, 1), (0, 0), 1, True),  # one window: the stride says nothing
        ((11, 10), (3, 3), (3, 3), (0, 0), 1, True),  # rows and columns left over
        ((9, 9), (3, 3), (2, 2), (0, 0), 1, False),  # windows overlap
        ((9, 9), (3, 3), (4, 4), (0, 0), 1, False),  # pixels between them
        ((6, 6), (3, 3), (4, 4), (0, 0), 1, False),  # one window, but two would fit
        ((8, 8), (3, 3), (3, 3), (1, 1), 1, False),  # padding
        ((8, 8), (2, 2), (2, 2), (0, 0), 1, True),
        ((8, 8), (4, 4), (4, 4), (0, 0), 2, True),
        ((8, 8), (4, 4), (4, 4), (0, 0), 8, True),
        ((6, 6), (5, 5), (2, 2), (0, 0), 2, False),  # a beat would lie in a window and beside it
    ],
)
def test_windows_that_stream_past(shape, kernel, stride, padding, pix, wanted) -> None:
    op = SumPool("pool", ("map",), kernel, stride, padding)
    assert lowering.streams_past(op, source(*shape), pix) == wanted


def network(*layers: nn.Module) -> Network:
    x = np.random.default_rng(0).random((8, 1, 16, 16)).astype(np.float32)
    return convert(nn.Sequential(*layers).eval(), x, timesteps=4)


def pooled(first: nn.Module, second: nn.Module, features: int) -> Network:
    torch.manual_seed(0)
    one, two = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)
    return network(one, nn.ReLU(), first, two, nn.ReLU(), second, nn.Flatten(), nn.Linear(features, 4))


def accumulating(found: Plan) -> list[str]:
    return [inst.layer for inst in found.netlist.instances if isinstance(inst.core, PoolAccumulate)]


@pytest.mark.parametrize("cycles", [None, 70, 150, 300, 1200, 5000])
@pytest.mark.parametrize(
    ("first", "second", "features"),
    [
        (nn.AvgPool2d(4), nn.AvgPool2d(4), 8),
        (nn.MaxPool2d(4), nn.MaxPool2d(2), 32),
        (nn.AvgPool2d((2, 4)), nn.MaxPool2d((4, 1)), 64),
    ],
)
def test_no_plan_is_slower_for_it(first, second, features, cycles, monkeypatch) -> None:
    """The FIFO behind it takes what a line buffer in front of it took: folding by folding no cycle is lost, and the
    answer comes earlier. A plan may choose another that meets its target: a pool of few lanes is cheaper."""
    model = pooled(first, second, features)
    new = plan(model, BOARD, cycles_per_frame=cycles)
    assert "pool1" in accumulating(new)
    monkeypatch.setattr(lowering, "streams_past", lambda *_: False)
    old = plan(model, BOARD, cycles_per_frame=cycles)
    assert not accumulating(old)
    assert new.schedule.cycles_per_frame <= max(cycles or 0, old.schedule.cycles_per_frame)
    same = plan(model, BOARD, folding=new.folding_json())
    assert not accumulating(same)
    monkeypatch.undo()
    for whole, streamed in ((same, new), (old, plan(model, BOARD, folding=old.folding_json()))):
        assert streamed.schedule.cycles_per_frame <= whole.schedule.cycles_per_frame
        assert streamed.schedule.latency_cycles <= whole.schedule.latency_cycles
    assert new.total.lut < old.total.lut


def test_the_cheaper_form_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    model = pooled(nn.MaxPool2d(2), nn.AvgPool2d(2), 128)
    assert accumulating(plan(model, BOARD)) == ["pool1", "pool2"]
    monkeypatch.setattr(PoolAccumulate, "price", lambda *_: Cost(lut=1e6))
    assert not accumulating(plan(model, BOARD))


@pytest.mark.parametrize(("size", "bits"), [(4, 3 * 4 * 4), (16, 0)])
def test_a_row_of_results_is_what_a_large_pool_must_hold(size: int, bits: int) -> None:
    """Codes of 4 bits; those of a global pool lie in registers."""
    layers = nn.Conv2d(1, 3, 1), nn.ReLU(), nn.MaxPool2d(size), nn.Flatten(), nn.Linear(3 * (16 // size) ** 2, 2)
    held = [memory.bits for memory in fits.memories(network(*layers)) if memory.layer == "pool1"]
    assert sum(held) == bits


def test_a_sum_of_sums_is_as_wide_as_its_core_makes_it() -> None:
    """Words of 2 bits hold sums up to 2, and a core that adds three of them has 4 bits."""
    first = SumPool("first", ("input",), kernel=(1, 2), stride=(1, 2))
    second = SumPool("second", ("first",), kernel=(1, 3), stride=(1, 3))
    source = Tensor("input", (5, 1, 30), Encoding.RADIX, 1, 1)
    once = first.infer(source)
    twice = second.infer(once)
    assert (once.steps, once.bound) == (2, 2)
    assert (twice.steps, twice.bound) == (4, 6)
