# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Networks built from Volley's operators by hand, on the handwritten digits of scikit-learn.

    make sim NET=examples/spiking/nets.py:rate_cnn        # LIF neurons, T = 16, four steps per beat
    make sim NET=examples/spiking/nets.py:recurrent       # a layer that hears itself, T = 100
    make sim NET=examples/spiking/nets.py:residual        # a skip connection between radix layers

Nothing is trained by descent here: the weights come from the shipped radix network, or are random with a
readout fitted by ridge regression.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.linear_model import RidgeClassifier

from pyflow import data, zoo
from pyflow.edges import StateEdge
from pyflow.graph import Network
from pyflow.operators import (
    Accumulate,
    Add,
    Conv,
    Encode,
    Encoding,
    GatedMaxPool,
    LIFNeuron,
    Linear,
    MaxPool,
    Operator,
    RadixNeuron,
    RateEncode,
    Readout,
    Residual,
    Tensor,
)

INPUT_SHAPE = (1, 8, 8)


def rate_cnn() -> Network:
    """The shipped radix CNN with its spikes counted instead of weighted: T = 16 steps of LIF neurons.

    A radix neuron gives code = floor((2^e*h + b)/theta), h a sum of codes 0..15. With rates for codes the same
    weights and thresholds do; the bias, which counts codes, is spread over 15 steps, and its rounding, theta/2, is
    where the membrane starts. A slow leak (1/32 per step) costs nothing here.
    """
    steps, frac = 16, 4
    operators: list[Operator] = []
    for op in zoo.load("digits").operators:
        match op:
            case Encode():
                op = RateEncode(op.name, op.inputs, steps=steps, mode="regular")
            case RadixNeuron():
                unit = 2 ** (frac + op.exponent)
                half = op.theta // 2
                op = LIFNeuron(
                    op.name,
                    op.inputs,
                    theta=op.theta * unit,
                    bias=np.round((op.bias - half) / 15 * unit),
                    v0=half * unit,
                    frac=frac + op.exponent,
                    width=20,
                    leak="shift",
                    leak_shift=5,
                )
            case MaxPool():
                op = GatedMaxPool(op.name, op.inputs, kernel=op.kernel, stride=op.stride)
            case Readout():
                operators.append(Accumulate("count", op.inputs))
                op = Readout(op.name, ("count",), bias=np.round(op.bias / 2**op.exponent * steps / 15))
        operators.append(op)
    return Network("rate_cnn", INPUT_SHAPE, tuple(operators), time_block=4, meta={"data": "digits"})


def recurrent() -> Network:
    """A reservoir: 64 LIF neurons with random recurrent synapses, T = 100, and a fitted readout."""
    steps, size, rng = 100, 64, np.random.default_rng(0)
    before = Tensor("before", (size, 1, 1), Encoding.RATE, steps, 1, timed=True)
    sparse = rng.integers(-7, 8, (size, size, 1, 1)) * (rng.random((size, size, 1, 1)) < 0.1)
    reservoir = (
        RateEncode("encode", ("input",), steps=steps, mode="random", seed=2026),
        Linear("inward", ("encode",), weight=rng.integers(-7, 8, (size, 64, 1, 1))),
        Linear("recurrent", ("before",), weight=sparse),
        Add("current", ("inward", "recurrent")),
        LIFNeuron("neurons", ("current",), theta=np.full(size, 320), frac=4, width=16, leak="shift", leak_shift=3),
        Linear("out", ("neurons",), weight=np.zeros((10, size, 1, 1)), weight_bits=8),
        Accumulate("sum", ("out",)),
        Readout("logits", ("sum",), bias=np.zeros(10)),
    )
    network = Network("recurrent", INPUT_SHAPE, reservoir, state_edges=(StateEdge("neurons", before),))
    return _fitted(network, "out", "neurons")


def residual() -> Network:
    """Random radix convolutions with a skip connection around the second one, and a fitted readout."""
    rng = np.random.default_rng(0)
    same = {"kernel": (3, 3), "padding": (1, 1)}
    body = (
        Encode("encode", ("input",), steps=4),
        Conv("conv1", ("encode",), **same, weight=rng.integers(-7, 8, (8, 1, 3, 3))),
        RadixNeuron("neuron1", ("conv1",), np.full(8, 16), np.full(8, 8), steps=4),
        Conv("conv2", ("neuron1",), **same, weight=rng.integers(-7, 8, (8, 8, 3, 3))),
        Residual("skip", ("conv2", "neuron1"), multiplier=np.full(8, 20)),
        RadixNeuron("neuron2", ("skip",), np.full(8, 40), np.full(8, 20), steps=4),
        MaxPool("pool", ("neuron2",), kernel=(2, 2), stride=(2, 2)),
        Linear("out", ("pool",), weight=np.zeros((10, 128, 1, 1)), weight_bits=8),
        Readout("logits", ("out",), bias=np.zeros(10)),
    )
    return _fitted(Network("residual", INPUT_SHAPE, body), "out", "pool")


def _fitted(network: Network, layer: str, reads: str) -> Network:
    """`network` with the weights of its last layer by ridge regression on what that reads."""
    digits = data.load("digits")
    _, trace = network.run(digits.x_train, trace=[reads])
    seen = trace[reads].sum(1) if network.tensors[reads].timed else trace[reads]
    ridge = RidgeClassifier(alpha=10.0).fit(seen.reshape(len(seen), -1), digits.y_train)
    scale = 127 / np.abs(ridge.coef_).max()
    weight = np.round(ridge.coef_ * scale)[:, :, None, None]
    bias = np.round(ridge.intercept_ * scale)
    operators = [
        replace(op, weight=weight) if op.name == layer else replace(op, bias=bias) if isinstance(op, Readout) else op
        for op in network.operators
    ]
    return replace(network, operators=tuple(operators), meta={"data": "digits"})
