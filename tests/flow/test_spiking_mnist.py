# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The networks that examples/spiking_mnist ships, in RTL, on handwritten digits of scikit-learn: MNIST is not ours to
ship. `make bench-frontends` has MNIST."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import nn

for _package in ("snntorch", "spikingjelly", "norse"):
    pytest.importorskip(_package, reason=f"{_package} is not installed: pip install volley-snn[oracle]")

import pyflow  # noqa: E402
from benchmarks.frontends import NETS, SHIPPED  # noqa: E402
from pyflow import data as datasets  # noqa: E402
from pyflow.frontends import load_model  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:model .* the integers give the class")


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images of 8 x 8 pixels, three times as large, in the middle of 28 x 28."""
    found = datasets.load("digits")
    x = np.pad(found.x_test.repeat(3, 2).repeat(3, 3), ((0, 0), (0, 0), (2, 2), (2, 2)))
    return x.astype(np.float32), found.y_test


@pytest.mark.parametrize("name", SHIPPED)
def test_a_network_that_ships_in_rtl(name: str, tmp_path: Path) -> None:
    model = load_model(f"{NETS}:{name}")
    assert isinstance(model, nn.Module)
    assert NETS.with_name(f"{name}.safetensors").stat().st_size < 2 << 20
    x, y = digits()
    network = pyflow.convert(model, x[:128], weight_bits=8)
    assert network.meta["agreement"] >= 0.95  # these are no images that it was trained on
    assert (network.run(x).argmax(1) == y).mean() > 0.5
    build = pyflow.compile(network, board="pynq-z2", out_dir=tmp_path)
    result = build.simulate(x[:4])
    np.testing.assert_array_equal(result.logits, network.run(x[:4]))
    assert result.cycles_per_frame == build.plan.cycles_per_frame
    assert result.latency_cycles == build.plan.latency_cycles
