# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The U-shaped network of examples/u_shape, from its PyTorch model to the RTL: every logit and every tensor, the cycles
that were predicted, and no lock-up whatever stalls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import pyflow
from pyflow.frontends import load_model
from tests.flow.netlists import plan_of
from tests.unit.test_skips import least, skip_fifos, u_net
from tests.unit.test_skips import planned as plan_of_u

X = np.random.default_rng(1).random((12, 1, 8, 8)).astype(np.float32)


def test_every_logit_and_the_predicted_cycles(tmp_path: Path) -> None:
    network = u_net()
    build = pyflow.compile(network, out_dir=tmp_path, checked=True)
    expected = network.run(X)
    smooth = build.simulate(X, taps=len(X), solo=1)
    assert build.first_mismatch(X, smooth) is None
    np.testing.assert_array_equal(smooth.logits, expected)
    predicted = plan_of(build).schedule
    assert (smooth.cycles_per_frame, smooth.latency_cycles) == (predicted.cycles_per_frame, predicted.latency_cycles)


def test_a_skip_that_is_just_deep_enough_never_stops(tmp_path: Path) -> None:
    """One beat less would, without any stall (tests/unit/test_skips.py): what is enough depends on no time."""
    network, fifos = u_net(), {key: least(key) for key in skip_fifos()}
    folding = {**plan_of_u().folding_json(), "fifos": fifos}
    build = pyflow.compile(network, out_dir=tmp_path, folding=folding, checked=True)
    for seed in range(4):
        rough = build.simulate(X, taps=len(X), solo=0, stall_in=0.2 * seed, stall_out=0.6 - 0.2 * seed, seed=seed)
        assert build.first_mismatch(X, rough) is None
        np.testing.assert_array_equal(rough.logits, network.run(X))
    smooth = build.simulate(X, taps=len(X), solo=1)
    predicted = plan_of(build).schedule
    assert smooth.cycles_per_frame == pytest.approx(predicted.cycles_per_frame, rel=0.01)
    assert smooth.latency_cycles == predicted.latency_cycles


def test_the_model_is_what_torch_computes() -> None:
    model = load_model(f"{Path(__file__).parents[2] / 'examples' / 'u_shape' / 'u_net.py'}:build")
    assert isinstance(model, nn.Module)
    network = pyflow.convert(model, X, timesteps=7, weight_bits=8, percentile=100)
    with torch.no_grad():
        want = model(torch.tensor(X)).numpy()
    assert np.abs(network.run(X) * network.logit_scale - want).max() < 0.05 * np.abs(want).max()
