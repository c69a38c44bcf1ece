# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The network that examples/spoken_digits ships: every stream of sounds through the RTL, and what its page says."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import pyflow
from pyflow.frontends import load_model
from pyflow.graph import Network
from pyflow.planning.board import load_board
from pyflow.runtime import LogMel
from tests.flow.netlists import plan_of
from tests.unit.test_logmel import sound

FOLDER = Path(__file__).parents[2] / "examples" / "spoken_digits"


def test_sounds_through_the_rtl(tmp_path: Path) -> None:
    """In the design of the iCEBreaker. The dataset's recordings are not ours to ship; these sounds make neurons fire as
    words do, and sim.py sends recordings."""
    network = load_model(f"{FOLDER / 'chip.py'}:recurrent")
    assert isinstance(network, Network)
    assert all(op.weight_bits == 4 for op in network.operators if hasattr(op, "weight_bits"))
    kinds = ("sweep", "noise", "rails", "sweep", "noise")
    codes = np.stack([LogMel().codes(sound(kind)) for kind in kinds])[:, :, None, None, :]
    expected, trace = network.run(codes, trace=["lif1", "lif2"])
    assert 0.02 < trace["lif1"].mean() < 0.4
    assert 0.02 < trace["lif2"].mean() < 0.4
    build = pyflow.compile(network, "icebreaker", tmp_path)
    result = build.simulate(codes, taps=len(codes))
    assert build.first_mismatch(codes, result) is None
    np.testing.assert_array_equal(result.logits, expected)
    predicted = plan_of(build).schedule
    assert result.latency_cycles == predicted.latency_cycles
    assert result.cycles_per_frame == predicted.cycles_per_frame
    heard, clock = 32 * LogMel().hop / LogMel().rate, load_board("icebreaker").clock_mhz * 1e6
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"{predicted.cycles_per_frame:,.0f} cycles" in page
    assert f"real-time factor of {heard * clock / predicted.cycles_per_frame:,.0f}" in page
