# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Pools whose windows do not overlap, large ones above all: every stream of the RTL, and the cycles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import pyflow
from pyflow.conversion import convert
from pyflow.cores.pool import PoolAccumulate, PoolMax, PoolSum
from pyflow.graph import Network
from tests.flow.netlists import netlist_of
from tests.unit.branches import Residual, randomise


@pytest.fixture(autouse=True)
def same_weights() -> None:
    torch.manual_seed(0)


def frames(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random((6, *shape)).astype(np.float32)


def converted(x: np.ndarray, *layers: nn.Module, timesteps: int = 3) -> Network:
    return convert(randomise(nn.Sequential(*layers), 1).eval(), x, timesteps=timesteps)


def check(network: Network, x: np.ndarray, cycles: int | None, folder: Path) -> pyflow.Build:
    build = pyflow.compile(network, board="pynq-z2", cycles_per_frame=cycles, out_dir=folder, checked=True)
    found = build.simulate(x, taps=len(x), solo=1)
    assert build.first_mismatch(x, found) is None
    np.testing.assert_array_equal(found.logits, network.run(x))
    assert found.cycles_per_frame == build.plan.cycles_per_frame
    assert found.latency_cycles == build.plan.latency_cycles
    rough = build.simulate(x, taps=len(x), solo=0, stall_in=0.4, stall_out=0.4, seed=1)
    assert build.first_mismatch(x, rough) is None
    return build


def accumulating(build: pyflow.Build) -> list[PoolAccumulate]:
    return [inst.core for inst in netlist_of(build).instances if isinstance(inst.core, PoolAccumulate)]


@pytest.mark.parametrize(("cycles", "lanes"), [(64, 12), (600, 3)])
def test_residual_network_with_an_average_of_8x8_at_the_end(cycles: int, lanes: int, tmp_path: Path) -> None:
    """As ResNets end (arXiv 1512.03385): a pixel a cycle; and channel by channel, a row of several groups."""
    x = frames(1, 8, 8)
    network = converted(x, Residual(1, 4), Residual(4, 12), nn.AvgPool2d(8), nn.Flatten(), nn.Linear(12, 5))
    (core,) = accumulating(check(network, x, cycles, tmp_path))
    assert (core.kernel_y, core.kernel_x, core.maximum, core.lanes) == (8, 8, False, lanes)


def test_rows_and_columns_left_over(tmp_path: Path) -> None:
    x = frames(1, 11, 10)
    network = converted(x, nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3), nn.Flatten(), nn.Linear(27, 4))
    (core,) = accumulating(check(network, x, None, tmp_path))
    assert (core.height, core.width, core.row, core.maximum) == (11, 10, 3, True)


@pytest.mark.parametrize(("pool", "taps", "kernel"), [(8, 4, (8, 2)), (4, 4, (4, 1)), ((4, 2), 2, (4, 1))])
def test_several_pixels_a_beat(pool: int | tuple[int, int], taps: int, kernel: tuple[int, int], tmp_path: Path) -> None:
    """A tree joins those of one window first; windows side by side are more lanes."""
    x = frames(1, 8, 16)
    rows, cols = pool if isinstance(pool, tuple) else (pool, pool)
    features = 2 * (8 // rows) * (16 // cols)
    layers = nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.AvgPool2d(pool), nn.Flatten(), nn.Linear(features, 3)
    build = check(converted(x, *layers), x, 40, tmp_path)
    (core,) = accumulating(build)
    (tree,) = [inst.core for inst in netlist_of(build).instances if isinstance(inst.core, PoolSum | PoolMax)]
    assert (tree.taps, (core.kernel_y, core.kernel_x), core.lanes) == (taps, kernel, 2 * 4 // taps)


def test_a_slow_reader_does_not_hold_up_the_map(tmp_path: Path) -> None:
    """All of a row's results come in one row of the map. The layer behind needs the time of three: a FIFO gives it."""
    x = frames(1, 16, 16)
    layers = (
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(4), nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(128, 4),
    )  # fmt: skip
    build = check(converted(x, *layers), x, 256, tmp_path)
    assert accumulating(build)
    assert build.plan.cycles_per_frame == 256


def test_sequences(tmp_path: Path) -> None:
    x = frames(2, 40)
    network = converted(x, nn.Conv1d(2, 3, 3), nn.ReLU(), nn.AvgPool1d(9), nn.Flatten(), nn.Linear(12, 3))
    (core,) = accumulating(check(network, x, None, tmp_path))
    assert (core.kernel_y, core.kernel_x, core.width) == (1, 9, 38)
