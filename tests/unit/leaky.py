# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A small spiking network as people train it: an MLP of leaky neurons, driven by a direct current."""

from __future__ import annotations

import numpy as np

from pyflow.graph import Network
from pyflow.operators import Accumulate, Direct, Encode, LIFNeuron, Linear, Readout


def leaky_mlp() -> Network:
    """64-32-10, beta = 0.9, T = 8, random weights of 4 bits; spikes of the output summed over time."""
    rng = np.random.default_rng(0)

    def linear(name: str, source: str, shape: tuple[int, int]) -> Linear:
        return Linear(name, (source,), weight=rng.integers(-7, 8, (*shape, 1, 1)).astype(np.int8), weight_bits=4)

    return Network(
        "leaky_mlp",
        (1, 8, 8),
        (
            Encode("encode", ("input",), 4),
            linear("fc1", "encode", (32, 64)),
            Direct("current", ("fc1",), steps=8),
            LIFNeuron(
                "lif1",
                ("current",),
                theta=np.full(32, 3200),
                frac=4,
                width=18,
                leak="multiply",
                leak_frac=8,
                alpha=np.full(32, 230),
            ),
            linear("fc2", "lif1", (10, 32)),
            Accumulate("sum", ("fc2",)),
            Readout("logits", ("sum",), bias=np.zeros(10, np.int64)),
        ),
    )
