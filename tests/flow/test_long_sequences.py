# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Frames of thousands of time steps: exact, at the predicted cycles; encoders are legal up to the longest frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pyflow
from pyflow.graph import Network
from pyflow.operators import Accumulate, Encoding, LIFNeuron, Linear, Operator, RateEncode, Readout
from pyflow.operators.encode import MAX_STEPS
from verif.pages.sv import cores, elaborate


def network(steps: int, encoder: Operator | None) -> Network:
    """Three channels, a leaky layer, the sum over time."""
    source = "encode" if encoder else "input"
    rng = np.random.default_rng(2)
    operators = [
        *([encoder] if encoder else []),
        Linear("fc0", (source,), weight=rng.integers(-7, 8, (4, 3, 1, 1)).astype(np.int8), weight_bits=4),
        LIFNeuron("fire", ("fc0",), theta=np.full(4, 6), width=12, leak="shift", leak_shift=3),
        Linear("fc1", ("fire",), weight=rng.integers(-3, 4, (2, 4, 1, 1)).astype(np.int8), weight_bits=3),
        Accumulate("sum", ("fc1",)),
        Readout("logits", ("sum",), bias=np.zeros(2)),
    ]
    if encoder:
        return Network("long", (3, 1, 1), tuple(operators), time_block=8)
    return Network("long", (3, 1, 1), tuple(operators), input_encoding=Encoding.RATE, input_steps=steps, time_block=8)


@pytest.mark.parametrize("encoded", [False, True])
def test_a_long_frame_is_exact(encoded: bool, tmp_path: Path) -> None:
    steps, rng = 8_000, np.random.default_rng(3)
    net = network(steps, RateEncode("encode", ("input",), steps) if encoded else None)
    x = rng.integers(0, 256, (3, 3, 1, 1)) if encoded else rng.integers(0, 2, (3, steps, 3, 1, 1))
    build = pyflow.compile(net, out_dir=tmp_path, checked=True)
    run = build.simulate(x, taps=1)
    assert build.first_mismatch(x, run) is None
    np.testing.assert_array_equal(run.logits, net.run(x))
    assert run.cycles_per_frame == build.plan.cycles_per_frame >= steps / 8


@pytest.mark.parametrize(("core", "mode"), [("rate", 0), ("rate", 1), ("ttfs", None), ("phase", None), ("burst", None)])
def test_an_encoder_is_legal_up_to_the_longest_frame(core: str, mode: int | None) -> None:
    name = f"volley_encode_{core}"
    parameters = {"T": MAX_STEPS, "TB": 4, "BEATS": 1} | ({} if mode is None else {"MODE": mode})
    if core == "burst":
        parameters |= {"ISI_MAX": MAX_STEPS, "COUNT": 255}
    assert elaborate([cores()[name].path.with_suffix(".f")], name, parameters)[1] == ""
