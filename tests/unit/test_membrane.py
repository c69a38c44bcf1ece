# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""MembraneReadout: agreement with the scalar model, what it infers and refuses, old files."""

from __future__ import annotations

import random
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.network_file import load, save
from pyflow.operators import Encoding, Linear, MembraneReadout, Readout, Tensor
from pyflow.operators.membrane import READS
from tests.unit.test_lif import random_neuron, scalar, source


def membrane(rng: random.Random, **options: Any) -> MembraneReadout:
    """Of any neuron."""
    neuron = random_neuron(rng, 2)
    return MembraneReadout(**{f.name: getattr(neuron, f.name) for f in fields(neuron)}, **options)


@pytest.mark.parametrize("seed", range(120))
def test_agrees_with_the_scalar_model(seed: int) -> None:
    rng = random.Random(seed)
    op, tensor = membrane(rng, read=READS[seed % 3], before_reset=rng.random() < 0.5), source(steps=12)
    scale = 1 << rng.randint(0, op.width)
    x = np.random.default_rng(seed).integers(-scale, scale + 1, (2, 12, 2, 3, 3))
    got, saturated = op.run_steps(x, sources=(tensor,)), op.saturations(x, tensor)
    assert got.shape == (2, 2, 3, 3)
    assert np.abs(got).max() <= op.infer(tensor).bound
    for n, frame in enumerate(x):
        for at in np.ndindex(2, 3, 3):
            assert got[n][at] == scalar(op, at[0]).read(frame[:, *at].tolist(), op.read, op.before_reset)
        assert saturated[n] == sum(scalar(op, at[0]).run(frame[:, *at].tolist())[1] for at in np.ndindex(2, 3, 3))


def leaky(**options: Any) -> MembraneReadout:
    """Leaky integrators, v <- v - v/4 + acc, without a bit lost in 12 steps."""
    settings: dict[str, Any] = {"theta": np.zeros(2), "frac": 24, "width": 32, "leak": "shift", "leak_shift": 2}
    return MembraneReadout("v", ("acc",), reset="none", **(settings | options))


def test_a_leaky_integrator_is_its_equation() -> None:
    x = np.random.default_rng(0).integers(-9, 10, (3, 12, 2, 1, 1))
    real, trace = np.zeros((3, 2, 1, 1)), []
    for t in range(12):
        real = 0.75 * real + x[:, t]
        trace.append(real)
    for read, want in (("last", trace[-1]), ("sum", np.sum(trace, 0)), ("max", np.max(trace, 0))):
        got = leaky(read=read).run_steps(x, sources=(source((2, 1, 1), 12),))
        assert np.array_equal(got, want * 2.0**24)


def test_before_a_reset_is_what_meets_the_threshold() -> None:
    x = np.full((1, 4, 1, 1, 1), 3)
    tensor = source((1, 1, 1), 4)
    values = {}
    for before in (False, True):
        op = MembraneReadout("v", ("acc",), theta=np.array([5]), reset="hard", read="max", before_reset=before)
        values[before] = int(op.run_steps(x, sources=(tensor,)).item())
    assert values == {False: 3, True: 6}


def test_infers_a_static_potential() -> None:
    op = MembraneReadout("v", ("acc",), theta=np.zeros(2), width=10, read="sum")
    assert op.infer(source()) == Tensor("v", (2, 3, 3), Encoding.POTENTIAL, 1, 512 * 8)
    assert MembraneReadout("v", ("acc",), theta=np.zeros(2), width=10).infer(source()).bound == 512


def test_refuses_another_reading() -> None:
    with pytest.raises(VolleyError, match=r"^membrane 'v': read 'mean' is unknown; use one of last, sum, max"):
        MembraneReadout("v", ("acc",), read="mean")
    with pytest.raises(VolleyError, match=r"^membrane 'v': .*put a direct-current encoder in front"):
        leaky().infer(Tensor("acc", (2, 1, 1), Encoding.POTENTIAL, 1, 100))


def test_a_file_keeps_it(tmp_path: Path) -> None:
    operators = (
        Linear("fc", ("input",), weight=np.array([[1, -2], [3, 1]])[:, :, None, None]),
        MembraneReadout("v", ("fc",), theta=np.zeros(2), reset="none", read="max", leak="multiply", leak_frac=4,
                        alpha=np.array([9, 15])),
        Readout("logits", ("v",), bias=np.array([3, -4])),
    )  # fmt: skip
    network = Network("li", (2, 1, 1), operators, input_encoding=Encoding.RATE, input_steps=6)
    save(network, tmp_path / "net.vly")
    x = np.random.default_rng(1).integers(0, 2, (5, 6, 2, 1, 1))
    again = load(tmp_path / "net.vly")
    assert np.array_equal(again.run(x), network.run(x))
    assert again.operators[1].read == "max"  # type: ignore[attr-defined]
