# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Counters of a network emitted with probes: spikes are the reference's, stalls what the harness counts beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyflow
from pyflow.build import Build
from pyflow.graph import Network
from pyflow.operators import Accumulate, Encoding, LIFNeuron, Linear, Readout
from tests.flow.designs import constant, network_text
from tests.flow.random_models import random_folding, random_network


def spiking() -> Network:
    """With time, several passes and lanes of padding."""
    rng = np.random.default_rng(5)
    operators = (
        Linear("fc1", ("input",), weight=rng.integers(-7, 8, (5, 18, 1, 1)), weight_bits=4),
        LIFNeuron("lif", ("fc1",), theta=rng.integers(5, 20, 5), width=12),
        Linear("fc2", ("lif",), weight=rng.integers(-7, 8, (3, 5, 1, 1)), weight_bits=4),
        Accumulate("sum", ("fc2",)),
        Readout("out", ("sum",), bias=np.arange(3)),
    )
    return Network("spiking", (2, 3, 3), operators, input_encoding=Encoding.RATE, input_steps=8, time_block=4)


def radix() -> tuple[Network, np.ndarray, dict[str, Any]]:
    network, x = random_network(7)
    return network, x, random_folding(network, 7)


def timed() -> tuple[Network, np.ndarray, dict[str, Any]]:
    x = (np.random.default_rng(1).random((9, 8, 2, 3, 3)) < 0.4).astype(np.int64)
    return spiking(), x, {"layers": {"fc1": {"pe": 2, "lanes": 2}, "fc2": {"pe": 2, "lanes": 2}}}


@pytest.mark.parametrize("make", [radix, timed])
def test_counts(make: Any, tmp_path: Path) -> None:
    network, x, folding = make()
    build = pyflow.compile(network, out_dir=tmp_path, folding=folding, checked=True, probes=True)
    listed = build.emitted.probes
    assert [probe.index for probe in listed] == list(range(len(listed)))
    _, trace = network.run(x, trace=True)
    for stall in (0.0, 0.5):
        run = build.simulate(x, taps=len(x), solo=0, stall_in=stall, stall_out=stall).run
        counts = run.stats["probes"]
        assert len(counts) == len(listed)
        for probe in listed:
            if probe.what == "spikes":
                assert counts[probe.index] == np.bitwise_count(trace[probe.layer]).sum()
            else:
                assert counts[probe.index] == run.stats["streams"][probe.stream]["stalls"]
        seen = {(probe.what, counts[probe.index] > 0) for probe in listed}
        assert {("spikes", True), ("stalls", True)} <= seen
    layers = {op.name for op in network.operators}
    assert {probe.layer for probe in listed if probe.what == "stalls"} - {"input"} == layers


def test_off_unless_asked_for(tmp_path: Path) -> None:
    network, _, folding = timed()
    builds: list[Build] = [
        pyflow.compile(network, out_dir=tmp_path / str(on), folding=folding, probes=on) for on in (False, True)
    ]
    off, on = (network_text(build.rtl) for build in builds)
    assert "volley_stream_probe" not in off
    assert on.count("volley_stream_probe") == len(builds[1].emitted.probes)
    assert count_of(builds[0]) == 0
    assert count_of(builds[1]) == len(builds[1].emitted.probes)


def count_of(build: Build) -> int:
    return int(constant(build.rtl, "PROBES"))
