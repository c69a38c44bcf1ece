# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""PyTorch as people write it, in RTL: every logit, and the cycles that were predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import pyflow
from tests.unit.test_written import MODELS, SHAPE, X


@pytest.mark.parametrize(
    "name", ["depthwise", "a clip of two", "padding of one side", "average of a convolution", "a map per class"]
)
def test_every_logit_of_a_model_as_people_write_it(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = pyflow.convert(MODELS[name](), X, timesteps=4, weight_bits=4, input_shape=SHAPE)
    build = pyflow.compile(network, board="pynq-z2", out_dir=tmp_path / "build", cycles_per_frame=400)
    result = build.simulate(X[:6], taps=6)
    assert np.array_equal(result.logits, network.run(X[:6]))
    assert result.cycles_per_frame == build.plan.cycles_per_frame
    assert result.latency_cycles == build.plan.latency_cycles
