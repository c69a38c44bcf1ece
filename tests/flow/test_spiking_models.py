# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Networks of spiking frameworks in RTL: every logit and every cycle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

for _package in ("snntorch", "spikingjelly", "norse"):
    pytest.importorskip(_package, reason=f"{_package} is not installed: pip install volley-snn[oracle]")

import pyflow  # noqa: E402
from pyflow.conversion.over_time import as_frames  # noqa: E402
from tests.unit.recurrent_nets import RECURRENT  # noqa: E402
from tests.unit.spiking_nets import NETS, made  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


NAMES = ["snnTorch, functions", "snnTorch, events", "snnTorch, branches", "SpikingJelly, sequences", "Norse, cells"]
LOOPS = [
    "snnTorch, RSynaptic",
    "snnTorch, RLeaky",
    "from above",
    "SpikingJelly, added to itself",
    "Norse, layers of time",
]


@pytest.mark.parametrize(
    ("name", "nets"), [*((name, NETS) for name in NAMES), *((name, RECURRENT) for name in LOOPS)], ids=[*NAMES, *LOOPS]
)
def test_in_rtl(name: str, nets: dict[str, Any], tmp_path: Path) -> None:
    model, sample, options = made(name, nets=nets)
    network = pyflow.convert(model, sample.numpy(), weight_bits=5, **options)
    frames = as_frames(sample, options.get("time_axis"))[:6]
    build = pyflow.compile(network, board="pynq-z2", out_dir=tmp_path / "net")
    result = build.simulate(frames)
    assert np.array_equal(result.logits, network.run(frames))
    assert result.cycles_per_frame == build.plan.cycles_per_frame
    assert result.latency_cycles == build.plan.latency_cycles
