# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Networks of spiking frameworks in RTL: every logit and every cycle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

for _package in ("snntorch", "spikingjelly", "norse"):
    pytest.importorskip(_package, reason=f"{_package} is not installed: pip install volley-snn[oracle]")

import pyflow  # noqa: E402
from pyflow.conversion.samples import as_frames  # noqa: E402
from tests.unit import membrane_nets, spiking_nets, word_nets  # noqa: E402
from tests.unit.recurrent_nets import RECURRENT  # noqa: E402
from tests.unit.tutorial_nets import TUTORIALS  # noqa: E402

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
    ("name", "nets"),
    [
        *((name, spiking_nets.NETS) for name in NAMES),
        *((name, RECURRENT) for name in LOOPS),
        *((name, TUTORIALS) for name in TUTORIALS),
    ],
    ids=[*NAMES, *LOOPS, *TUTORIALS],
)
def test_in_rtl(name: str, nets: dict[str, Any], tmp_path: Path) -> None:
    check(*spiking_nets.made(name, nets=nets), tmp_path)


@pytest.mark.parametrize("name", word_nets.NETS)
def test_words_in_rtl(name: str, tmp_path: Path) -> None:
    """Maxima of potentials, averages and sums of spikes, samples."""
    check(*word_nets.made(name), tmp_path)


@pytest.mark.parametrize(
    "name",
    ["snnTorch, maximum", "snnTorch, to zero", "snnTorch, current", "Norse, LICell", "SpikingJelly, mean-mem"],
)
def test_membranes_in_rtl(name: str, tmp_path: Path) -> None:
    check(*membrane_nets.made(name), tmp_path)


def check(model: nn.Module, sample: torch.Tensor, options: dict[str, Any], folder: Path) -> None:
    network = pyflow.convert(model, sample.numpy(), weight_bits=5, **options)
    code = 1.0 if sample.max() > 1 else 0.0
    frames = as_frames(sample, options.get("time_axis"), code)[:6]
    build = pyflow.compile(network, board="pynq-z2", out_dir=folder / "net")
    result = build.simulate(frames)
    assert np.array_equal(result.logits, network.run(frames))
    assert result.cycles_per_frame == build.plan.cycles_per_frame
    assert result.latency_cycles == build.plan.latency_cycles
