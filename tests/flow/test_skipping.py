# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Linear layers that skip zeros: every stream is the reference's, and every frame's cycles are predicted from its
words, to the cycle; the planner knows rates, and only forces what a layer can do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyflow
from pyflow import zoo
from pyflow.data import load
from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.operators import Accumulate, Encode, Encoding, LIFNeuron, Linear, Readout
from pyflow.planning.board import load_board
from pyflow.planning.lowering import build_netlist
from pyflow.planning.planner import plan, read_folding
from pyflow.planning.schedule import predict
from tests.flow.netlists import netlist_of
from tests.flow.random_models import random_folding, random_network
from tests.flow.samples import campaign

BOARD = load_board("pynq-z2")


def skipping(network: Network, seed: int) -> dict[str, Any]:
    """A random folding whose linear layers skip zeros."""
    content = random_folding(network, seed)
    rng = np.random.default_rng(seed + 5)
    for op in network.operators:
        if isinstance(op, Linear):
            (source,) = network.sources(op)
            content["layers"][op.name]["events"] = int(rng.integers(1, min(6, int(np.prod(source.shape))) + 1))
    return content


def check(network: Network, x: np.ndarray, content: dict[str, Any], folder: Path) -> None:
    build = pyflow.compile(network, out_dir=folder, folding=content, checked=True)
    expected = network.run(x)
    smooth = build.simulate(x, taps=len(x), solo=0)
    assert build.first_mismatch(x, smooth) is None
    np.testing.assert_array_equal(smooth.logits, expected)
    exact = predict(netlist_of(build), x)
    start = int(smooth.run.times[0, 0])
    assert tuple(int(t) - start for t in smooth.run.times[:, 2]) == exact.ends
    assert smooth.latency_cycles == exact.latency_cycles
    for layer, cycles in exact.busy.items():
        assert smooth.layers[layer]["measured_cycles"] == pytest.approx(cycles)
    rough = build.simulate(x, taps=len(x), solo=1, stall_in=0.4, stall_out=0.4, seed=3)
    assert build.first_mismatch(x, rough) is None
    np.testing.assert_array_equal(rough.logits, expected)


@pytest.mark.parametrize("seed", [3, 114])  # of 114 the logits leave before the frame's last rows, which no pool reads
def test_random_network(seed: int, tmp_path: Path) -> None:
    network, x = random_network(seed)
    x[1], x[2] = 0, 1  # with a frame of zeros, which may have no event at all, and a full one
    check(network, x, skipping(network, seed), tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("seed", campaign(20))
def test_random_network_long(seed: int, tmp_path: Path) -> None:
    network, x = random_network(seed)
    x[1], x[2] = 0, 1
    check(network, x, skipping(network, seed), tmp_path)


def spiking(steps: int = 8, block: int = 4) -> tuple[Network, np.ndarray]:
    """Events, a linear layer over time, LIF neurons, another one, the sum over time."""
    rng = np.random.default_rng(4)
    operators = (
        Linear("fc0", ("input",), weight=rng.integers(-7, 8, (9, 30, 1, 1)).astype(np.int8), weight_bits=4),
        LIFNeuron("fire", ("fc0",), theta=np.full(9, 6), width=12),
        Linear("fc1", ("fire",), weight=rng.integers(-3, 4, (4, 9, 1, 1)).astype(np.int8), weight_bits=3),
        Accumulate("sum", ("fc1",)),
        Readout("logits", ("sum",), bias=np.arange(4)),
    )
    network = Network("events", (30, 1, 1), operators, input_encoding=Encoding.RATE, input_steps=steps,
                      time_block=block)  # fmt: skip
    x = (rng.random((12, steps, 30, 1, 1)) < rng.random((12, 1, 1, 1, 1)) ** 2).astype(np.uint8)
    x[3] = 0
    return network, x


def test_layers_over_time_skip_silent_words(tmp_path: Path) -> None:
    """Potentials per step, a pass at a time."""
    network, x = spiking()
    layers = {"fc0": {"pe": 4, "lanes": 7, "events": 2}, "fc1": {"pe": 2, "lanes": 4, "events": 3, "tp": 2}}
    check(network, x, {"version": 1, "layers": layers}, tmp_path)


def test_rates_are_measured_at_conversion_and_counted_by_hand() -> None:
    network, x = spiking()
    words = x.reshape(len(x), 2, 4, 30).any(2)
    found = network.with_rates(x).meta["nonzero"]["fc0"]
    assert found == {"mean": pytest.approx(words.mean()), "max": words.mean(2).max(), "steps": 4}
    converted, images = random_network(3)
    _, trace = converted.run(images, trace=True)
    for op in converted.operators:
        if isinstance(op, Linear):
            shares = (trace[op.inputs[0]] != 0).reshape(len(images), -1).mean(1)
            rate = converted.meta["nonzero"][op.name]
            assert (rate["mean"], rate["max"]) == (pytest.approx(shares.mean()), shares.max())


def test_the_rate_predicts_what_the_frames_take(tmp_path: Path) -> None:
    """Of other frames than those that it was measured on."""
    data = load("digits")
    network = zoo.load("digits").with_rates(data.calibration)
    content = plan(network, BOARD, cycles_per_frame=256).folding_json()
    content["layers"]["fc"] |= {"pe": 1, "events": 2}
    netlist = build_netlist(network, *read_folding(content))
    by_rate, exact = predict(netlist), predict(netlist, data.x_test[:100])
    assert exact.cycles_per_frame > 300, "the layer that skips zeros is to be the slowest"
    assert by_rate.cycles_per_frame == pytest.approx(exact.cycles_per_frame, rel=0.03)
    assert by_rate.busy["fc"] == pytest.approx(exact.busy["fc"], rel=0.03)
    unknown = predict(build_netlist(network.with_meta(nonzero={}), *read_folding(content)))
    assert unknown.busy["fc"] == 10 * 72, "without a rate no word is zero"


def sparse_network(share: float, outputs: int = 64) -> Network:
    """A wide linear layer whose input has that share of words."""
    rng = np.random.default_rng(1)
    weight = rng.integers(-7, 8, (outputs, 512, 1, 1)).astype(np.int8)
    operators = (
        Encode("encode", ("input",), 4),
        Linear("fc", ("encode",), weight=weight, weight_bits=4),
        Readout("logits", ("fc",), bias=np.zeros(outputs, np.int64)),
    )
    network = Network("sparse", (32, 4, 4), operators)
    rate = {"mean": share, "max": min(1.0, 1.2 * share), "steps": 4}
    return network if share == 1 else network.with_meta(nonzero={"fc": rate})


def test_the_planner_skips_where_it_pays() -> None:
    few = replace(BOARD, budget=replace(BOARD.budget, dsp=0))
    chosen = {share: plan(sparse_network(share), few, cycles_per_frame=600) for share in (0.05, 0.9, 1.0)}
    events = {share: p.netlist.foldings["fc"].events for share, p in chosen.items()}
    assert events[0.05] > 0
    assert events[0.9] == events[1.0] == 0
    assert chosen[0.05].total.lut < 0.7 * chosen[1.0].total.lut
    assert chosen[0.05].schedule.cycles_per_frame <= 600
    assert plan(sparse_network(0.9), few, cycles_per_frame=600).folding_json() == chosen[1.0].folding_json()


@pytest.mark.parametrize(("layer", "change", "message"), [
    ("conv2", {"events": 2}, "folding of conv2: events=2 skips the zeros of a linear layer; a conv's windows overlap"),
    ("fc", {"events": 200}, "folding of fc: events=200 is above its 144 inputs; use 1..144, or 0 for every word"),
    ("fc", {"events": -1}, "events=-1 must not be negative"),
    ("fc", {"events": 2, "memory": "const"}, "memory=const is never looked up, events=2 does; use lut or block"),
    ("fc", {"events": 2, "window_depth": 64}, "window_depth=64 must be a power of two of at least 128"),
    ("fc", {"events": 2, "body": "mult", "tp": 2}, "body=mult takes whole words of up to 8 steps"),
])  # fmt: skip
def test_what_cannot_be_done_is_refused_by_name(layer: str, change: dict[str, Any], message: str) -> None:
    content = plan(zoo.load("digits"), BOARD).folding_json()
    content["layers"][layer] |= change
    with pytest.raises(VolleyError) as error:
        plan(zoo.load("digits"), BOARD, folding=content)
    assert message in str(error.value)
