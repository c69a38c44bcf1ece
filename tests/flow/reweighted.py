# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Other weights for a network: all that a load may change, anything but sensible."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pyflow.graph import Network
from pyflow.operators import Encoding, LIFNeuron, Operator, RadixNeuron, Readout, Residual, Synapse


def reweighted(network: Network, seed: int, largest_theta: int = 1 << 20) -> Network:
    """`network` with random weights, thresholds and biases; its exponents, shapes and encodings stay."""
    rng = np.random.default_rng(seed)
    # What reads no potentials is no layer's neuron: an average's divisor, for instance.
    loaded = {
        op
        for op in network.operators
        if isinstance(op, Synapse) or network.tensors[op.inputs[0]].encoding is Encoding.POTENTIAL
    }
    return replace(network, operators=tuple(
        _other(op, rng, largest_theta) if op in loaded else op for op in network.operators))  # fmt: skip


def writable(folding: dict[str, Any]) -> dict[str, Any]:
    """`folding` with all weights in memories that can be loaded."""
    return {**folding, "layers": {name: {**f, "memory": "writable"} for name, f in folding["layers"].items()}}


def _other(op: Operator, rng: np.random.Generator, largest_theta: int) -> Operator:
    if isinstance(op, Synapse):
        top = 2 ** (op.weight_bits - 1) - 1
        return replace(op, weight=rng.integers(-top, top + 1, op.weight.shape))
    if isinstance(op, RadixNeuron):
        theta = np.exp(rng.uniform(0, np.log(largest_theta), op.theta.size)).astype(np.int64)
        bias = rng.integers(-4, 4, theta.size) * theta + rng.integers(-50, 50, theta.size)
        return replace(op, theta=theta, bias=bias)
    if isinstance(op, Readout):
        return replace(op, bias=rng.integers(-(2**20), 2**20, op.bias.size))
    if isinstance(op, Residual):
        return replace(op, multiplier=rng.integers(-1, 2, op.multiplier.size))
    if isinstance(op, LIFNeuron):
        top = 2 ** (op.width - 1) - 1
        drawn = {
            "theta": (1, top + 1), "bias": (-top // 8, top // 8 + 1), "reset_amount": (0, top + 1), "v0": (-top, top),
            "alpha": (0, 2**op.leak_frac + 1),
        }  # fmt: skip
        values = {key: rng.integers(*limits, op.theta.size) for key, limits in drawn.items() if getattr(op, key).size}
        return replace(op, **values)  # type: ignore[arg-type]
    return op
