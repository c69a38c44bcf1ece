# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""ONNX files in RTL: a float network, and trained integers, whose codes on the wires are those of Brevitas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed: pip install volley-snn[onnx]")

import pyflow
from pyflow.data import load

FILES = Path(__file__).parents[1] / "unit" / "onnx_files"


@pytest.mark.parametrize("name", ["digits", "plain_qonnx", "pooled_qcdq"])
def test_a_file_in_rtl(name: str, tmp_path: Path) -> None:
    data = load("digits")
    network = pyflow.convert(FILES / f"{name}.onnx", data.x_train[:64])
    x = data.x_test[:12]
    build = pyflow.compile(network, out_dir=tmp_path, checked=True)
    result = build.simulate(x, taps=len(x), solo=1)
    assert build.first_mismatch(x, result) is None  # every stream, so every code
    np.testing.assert_array_equal(result.logits, network.run(x))
    assert result.cycles_per_frame == build.plan.cycles_per_frame
    assert result.latency_cycles == build.plan.latency_cycles
    stored = FILES / f"{name.partition('_')[0]}.npz"
    if stored.exists():
        with np.load(stored) as brevitas:
            np.testing.assert_allclose(
                result.logits * network.logit_scale, brevitas["logits"][:12], atol=network.logit_scale + 1e-5
            )
