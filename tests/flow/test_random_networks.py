# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Property: for any network and any folding every stream of the RTL equals the reference, under back
pressure too, and the cycles are the predicted ones, exactly."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import pyflow
from pyflow.conversion import convert
from pyflow.graph import Network
from tests.flow.netlists import plan_of
from tests.flow.random_graphs import random_graph
from tests.flow.random_models import random_folding, random_network
from tests.flow.samples import FIRST, campaign, some
from tests.unit.branches import random_model


def run_one(seed: int, folder: Path, axes: int = 2) -> None:
    check(*random_network(seed, axes), seed, folder)


def check(network: Network, x: np.ndarray, seed: int, folder: Path) -> None:
    build = pyflow.compile(network, out_dir=folder, folding=random_folding(network, seed), checked=True)
    expected = network.run(x)

    smooth = build.simulate(x, taps=len(x), solo=1)
    assert build.first_mismatch(x, smooth) is None
    np.testing.assert_array_equal(smooth.logits, expected)
    assert not smooth.flags.any()
    saturations = sum(int(counts.sum()) for counts in network.saturations(x).values())
    assert smooth.saturations == saturations
    predicted = plan_of(build).schedule
    assert smooth.latency_cycles == predicted.latency_cycles
    # Equal to the cycle; where the gaps of a network alternate, equal in the mean.
    assert smooth.cycles_per_frame == pytest.approx(predicted.cycles_per_frame, rel=0.01)
    if len(set(np.diff(smooth.run.times[len(x) // 2 :, 2].astype(int)))) == 1:
        assert smooth.cycles_per_frame == predicted.cycles_per_frame

    rough = build.simulate(x, taps=len(x), solo=0, stall_in=0.4, stall_out=0.4, seed=seed)
    assert build.first_mismatch(x, rough) is None
    np.testing.assert_array_equal(rough.logits, expected)
    assert rough.saturations == saturations


@pytest.mark.parametrize("seed", some((0, 1, 2, 9), 16))
def test_random_network(seed: int, tmp_path: Path) -> None:
    run_one(seed, tmp_path)


@pytest.mark.parametrize("seed", some((0, 1, 2, 3, 5, 8, 9, 14, 16, 18, 22, 28, 54), 60))
def test_random_graph(seed: int, tmp_path: Path) -> None:
    """Branches and joins; time, encoders, delays and loops where the seed is even."""
    check(*random_graph(seed), seed, tmp_path)


def branching(seed: int) -> tuple[Network, np.ndarray]:
    """A converted model of residual blocks, concatenations and sums, with frames for it."""
    x = np.random.default_rng(seed).random((12, 2, 8, 6)).astype(np.float32)
    return convert(random_model(seed), x, timesteps=2 + seed % 3), x


@pytest.mark.parametrize("seed", some((0, 2, 4), 6))
def test_random_branching_model(seed: int, tmp_path: Path) -> None:
    check(*branching(seed), seed, tmp_path)


@pytest.mark.parametrize("seed", some((0, 1, 2, 93), 12))  # 93: few neurons behind beats of several pixels
def test_random_network_on_sequences(seed: int, tmp_path: Path) -> None:
    run_one(seed, tmp_path, axes=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", campaign(60))
def test_random_graph_long(seed: int, tmp_path: Path) -> None:
    check(*random_graph(seed), seed, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("seed", campaign(20))
def test_random_branching_model_long(seed: int, tmp_path: Path) -> None:
    check(*branching(seed), seed, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("seed", campaign(30))
def test_random_network_on_sequences_long(seed: int, tmp_path: Path) -> None:
    run_one(seed, tmp_path, axes=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", campaign(90))
def test_random_network_long(seed: int, tmp_path: Path) -> None:
    run_one(seed, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("make", [random_network, partial(random_network, axes=1), random_graph, branching])
@pytest.mark.parametrize("first", [FIRST + 100 * n for n in range(3)])
def test_a_hundred_convert(first: int, make: Callable[[int], tuple[Network, np.ndarray]]) -> None:
    """Without RTL, which takes a hundred times as long."""
    for seed in range(first, first + 100):
        network, x = make(seed)
        assert network.run(x[:2]).shape == (2, network.classes), seed
