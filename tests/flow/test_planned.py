# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What the planner itself chooses for networks that branch or have time, in RTL: every stream, and the cycles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import nn

import pyflow
from pyflow.conversion import convert
from pyflow.cores.eltwise import Residual as ResidualCore
from pyflow.graph import Network
from tests.flow.netlists import netlist_of
from tests.unit.branches import Residual, Sum, headed
from tests.unit.leaky import leaky_mlp

X = np.random.default_rng(0).random((12, 1, 8, 8)).astype(np.float32)


def check(network: Network, cycles: int, folder: Path) -> pyflow.Build:
    build = pyflow.compile(network, board="pynq-z2", cycles_per_frame=cycles, out_dir=folder, checked=True)
    found = build.simulate(X, taps=len(X), solo=1)
    assert build.first_mismatch(X, found) is None
    np.testing.assert_array_equal(found.logits, network.run(X))
    assert found.cycles_per_frame == build.plan.cycles_per_frame <= cycles
    assert found.latency_cycles == build.plan.latency_cycles
    return build


def residual() -> Network:
    """A projection, an identity and a sum of codes."""
    return convert(headed(Residual(1, 3), Residual(3, 3), Sum(3), nn.MaxPool2d(2), features=48), X, timesteps=3)


@pytest.mark.parametrize(("cycles", "pix"), [(17, 4), (40, 2)])
def test_joins_take_several_pixels_per_beat(cycles: int, pix: int, tmp_path: Path) -> None:
    """At the rate of the 32-bit words of the input, four pixels each, nothing in a residual block is slower."""
    build = check(residual(), cycles, tmp_path)
    netlist = netlist_of(build)
    assert [f.pix for f in netlist.foldings.values()] == [pix] * 6 + [1]
    (core,) = [inst.core for inst in netlist.instances if isinstance(inst.core, ResidualCore)]
    assert core.dsp  # a slice for each of three channels and `pix` pixels
    assert core.lanes == 3 * pix


@pytest.mark.slow
def test_few_neurons_behind_many_outputs(tmp_path: Path) -> None:
    build = check(leaky_mlp(), 70, tmp_path)
    folding = netlist_of(build).foldings["fc1"]
    assert folding.neurons < folding.pe == 32
