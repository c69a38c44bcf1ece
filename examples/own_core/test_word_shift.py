# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""digits with three of its four time steps: every logit of the RTL is that of the network, at the predicted cycles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from word_shift.operator import Coarsen

import pyflow
from pyflow import zoo
from pyflow.graph import Network


def coarse_digits(drop: int = 1) -> Network:
    """digits, with Coarsen behind its encoder."""
    digits = zoo.load("digits")
    encode, conv, *others = digits.operators
    return replace(
        digits,
        name="coarse_digits",
        operators=(encode, Coarsen("coarsen", (encode.name,), drop), replace(conv, inputs=("coarsen",)), *others),
    )


def test_the_hardware_computes_what_the_operator_means(tmp_path: Path) -> None:
    network = coarse_digits()
    network.save(tmp_path / "coarse_digits.vly")
    build = pyflow.compile(Network.load(tmp_path / "coarse_digits.vly"), out_dir=tmp_path / "build")
    x = np.random.default_rng(0).integers(0, 256, (40, *network.input_shape))
    result = build.simulate(x)
    logits = network.run(x)
    assert np.array_equal(result.logits, logits)
    assert result.cycles_per_frame == build.plan.cycles_per_frame
    assert next(layer for layer in build.plan.layers() if layer.name == "coarsen").cells.ff == 5


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(pyflow.VolleyError, match=r"coarsen 'coarsen': drop = 4 is outside 1..T-1 = 3"):
        coarse_digits(4)
