# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Depthwise layers in RTL: every stream and the cycles, in each way that they can be laid, and in a MobileNet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyflow
from benchmarks.depthwise import SMALL, SMALL_SIDE, converted
from pyflow.cores.synapse import SynapseDepthwise
from pyflow.graph import INPUT, Network
from pyflow.operators import DepthwiseConv, Encode, Encoding, Linear, RadixNeuron, Readout, Tensor
from tests.flow.netlists import netlist_of, plan_of


def layer(channels: int, multiplier: int, sides: tuple[int, int], **window: Any) -> Network:
    """A depthwise layer between an encoder and a readout."""
    rng, outputs = np.random.default_rng(channels), channels * multiplier
    weight = rng.integers(-7, 8, (outputs, 1, *window["kernel"]))
    conv = DepthwiseConv("conv", ("encode",), **window, weight=weight, weight_bits=4)
    h, w = conv.spatial(Tensor("encode", (channels, *sides), Encoding.RADIX, 4, 15))
    operators = (
        Encode("encode", (INPUT,), 4),
        conv,
        RadixNeuron("fire", ("conv",), rng.integers(5, 40, outputs), rng.integers(-30, 31, outputs), steps=3),
        Linear("fc", ("fire",), weight=rng.integers(-1, 2, (3, outputs * h * w, 1, 1)), weight_bits=2),
        Readout("logits", ("fc",), bias=np.zeros(3)),
    )
    return Network("depthwise", (channels, *sides), operators)


WINDOW = {"kernel": (3, 3), "padding": (1, 1)}
LINE = {"kernel": (1, 5), "padding": (0, 2), "stride": (1, 2)}
CASES = {
    "a ragged group, two steps": (layer(5, 1, (6, 5), **WINDOW), {"lanes": 2, "pe": 2, "tp": 2}),
    "all channels, constant weights": (layer(3, 1, (6, 5), **WINDOW), {"lanes": 3, "pe": 3}),
    "several pixels": (layer(2, 1, (5, 8), **WINDOW), {"lanes": 2, "pe": 2, "pix": 4}),
    "several pixels, stride": (layer(2, 1, (8, 8), **WINDOW, stride=(2, 2)), {"lanes": 2, "pe": 2, "pix": 4}),
    "depth multiplier 3, fewer neurons": (layer(3, 3, (5, 5), **WINDOW), {"lanes": 2, "pe": 6, "neurons": 2}),
    "stride 2": (layer(4, 1, (7, 6), **WINDOW, stride=(2, 2)), {"lanes": 2, "pe": 2}),
    "padding beyond the kernel": (layer(2, 1, (4, 4), kernel=(2, 2), padding=(2, 2)), {"lanes": 1, "pe": 1}),
    "1 x 1": (layer(4, 1, (4, 5), kernel=(1, 1)), {"lanes": 2, "pe": 2}),
    "1 x 1, stride 2": (layer(4, 2, (4, 5), kernel=(1, 1), stride=(2, 2)), {"lanes": 3, "pe": 6}),
    "sequences": (layer(4, 1, (1, 17), **LINE), {"lanes": 2, "pe": 2, "tp": 1}),
    "writable weights, skids": (
        layer(3, 1, (6, 5), **WINDOW),
        {"lanes": 2, "pe": 2, "memory": "writable", "skid": True},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_layer_in_each_way(name: str, tmp_path: Path) -> None:
    network, own = CASES[name]
    folding = {"version": 1, "layers": {"conv": own, "fc": {"slice": "tap"}}}
    build = pyflow.compile(network, out_dir=tmp_path, folding=folding, checked=True)
    x = np.random.default_rng(1).integers(0, 256, (10, *network.input_shape))
    smooth = build.simulate(x, taps=len(x), solo=1)
    assert build.first_mismatch(x, smooth) is None
    assert smooth.latency_cycles == build.plan.latency_cycles
    assert smooth.cycles_per_frame == build.plan.cycles_per_frame
    rough = build.simulate(x, taps=len(x), solo=0, stall_in=0.4, stall_out=0.4, seed=1)
    assert build.first_mismatch(x, rough) is None


@pytest.mark.parametrize("cycles", [1200, 4000])
def test_mobilenet(cycles: int, tmp_path: Path) -> None:
    """Every logit, and C * 9 weights of each depthwise layer."""
    network, x = converted(SMALL, SMALL_SIDE)
    build = pyflow.compile(network, out_dir=tmp_path, cycles_per_frame=cycles)
    result = build.simulate(x[:6], taps=6, solo=1)
    assert build.first_mismatch(x[:6], result) is None
    np.testing.assert_array_equal(result.logits, network.run(x[:6]))
    assert result.cycles_per_frame == build.plan.cycles_per_frame <= cycles
    assert result.latency_cycles == plan_of(build).schedule.latency_cycles
    arrays = [inst for inst in netlist_of(build).instances if isinstance(inst.core, SynapseDepthwise)]
    assert len(arrays) == len(SMALL) - 1
    for inst in arrays:
        op = next(op for op in network.operators if op.name == inst.layer)
        assert isinstance(op, DepthwiseConv)
        assert inst.memory
        groups, lanes = inst.memory.depth, inst.core.parameters()["LANES"]
        assert inst.memory.width * groups == lanes * groups * 9 * op.weight_bits
        assert groups * int(lanes) - op.weight.shape[0] < int(lanes)
