# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Networks and connectomes to cut into clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyflow.edges import StateEdge
from pyflow.graph import Network
from pyflow.machines.tiles import Connectome, from_fan_ins
from pyflow.operators import (
    Accumulate,
    Add,
    Concat,
    Conv,
    DepthwiseConv,
    Encoding,
    LIFNeuron,
    Linear,
    Operator,
    OrPool,
    RateEncode,
    Readout,
    SumPool,
    Tensor,
    Upsample,
)

STEPS = 6


def axons(*sources: int, late: Sequence[int] = ()) -> np.ndarray:
    """Numbers of axons: of sources in the same step, and in the step before."""
    return np.sort(np.array([*(2 * s for s in sources), *(2 * s + 1 for s in late)], np.int64))


def weights(*shape: int) -> np.ndarray:
    """Some are 0: they are synapses all the same."""
    return np.random.default_rng(shape).integers(-3, 4, shape)


def lif(name: str, source: str, channels: int) -> LIFNeuron:
    return LIFNeuron(name, (source,), theta=np.full(channels, 4))


def network(shape: tuple[int, int, int], *middle: Operator, last: str, size: int, **options: Any) -> Network:
    """Spikes "spikes" of an input of that shape; `middle`; of the `size` neurons "last" the counts."""
    return Network(
        "net",
        shape,
        (
            RateEncode("spikes", ("input",), steps=STEPS, mode="regular"),
            *middle,
            Accumulate("count", (last,)),
            Readout("logits", ("count",), bias=np.zeros(size)),
        ),
        **options,
    )


def convolutions() -> Network:
    """Padding, strides, a pool whose sums a neuron reads, one that is neurons itself, a depthwise layer."""
    return network(
        (2, 7, 6),
        Conv("c1", ("spikes",), weight=weights(3, 2, 3, 3), padding=(1, 1), stride=(2, 1)),
        lif("n1", "c1", 3),  # 3 x 4 x 6
        SumPool("s1", ("n1",), kernel=(2, 2), stride=(1, 2)),
        lif("n2", "s1", 3),  # 3 x 3 x 3
        DepthwiseConv("d1", ("n2",), weight=weights(6, 1, 2, 2)),
        lif("n3", "d1", 6),  # 6 x 2 x 2
        OrPool("p1", ("n3",), kernel=(2, 2), stride=(2, 2)),
        Linear("f1", ("p1",), weight=weights(4, 6, 1, 1)),
        lif("n4", "f1", 4),
        last="n4",
        size=4,
    )


def branches() -> Network:
    """Concat and upsample as wiring, sums of two layers, a pool that both a neuron and a layer read."""
    return network(
        (1, 4, 4),
        Conv("c1", ("spikes",), weight=weights(2, 1, 2, 2), stride=(2, 2)),
        Conv("c2", ("spikes",), weight=weights(2, 1, 4, 4), padding=(1, 1), stride=(2, 2)),
        Add("both", ("c1", "c2")),
        lif("n1", "both", 2),  # 2 x 2 x 2
        SumPool("s1", ("n1",), kernel=(1, 2), stride=(1, 1)),
        lif("n2", "s1", 2),  # 2 x 2 x 1
        Conv("c3", ("s1",), weight=weights(2, 2, 1, 1)),
        lif("n3", "c3", 2),  # 2 x 2 x 1
        Concat("cat", ("n2", "n3")),
        Upsample("up", ("cat",), scale=(1, 2)),
        Linear("f1", ("up",), weight=weights(3, 16, 1, 1)),
        lif("n4", "f1", 3),
        last="n4",
        size=3,
        time_block=1,
    )


def recurrent(size: int = 4, delay: int = 1) -> Network:
    """A layer that reads itself `delay` steps before."""
    before = Tensor("before", (size, 1, 1), Encoding.RATE, STEPS, 1, timed=True)
    return network(
        (1, 1, 3),
        Linear("inward", ("spikes",), weight=weights(size, 3, 1, 1)),
        Linear("across", ("before",), weight=weights(size, size, 1, 1)),
        Add("both", ("inward", "across")),
        lif("n1", "both", size),
        last="n1",
        size=size,
        state_edges=(StateEdge("n1", before, delay),),
    )


def random_connectome(seed: int, most: int = 40) -> Connectome:
    """Neurons that read earlier ones in the same step, and any in the step before. Some share what they read."""
    rng = np.random.default_rng(seed)
    inputs, neurons, fan_in = (int(rng.integers(1, high + 1)) for high in (most // 3, most, most // 3))
    rows: list[np.ndarray] = []
    for n in range(neurons):
        if rows and rng.random() < 0.3:
            rows.append(rows[int(rng.integers(len(rows)))])
            continue
        size = int(rng.integers(1, fan_in + 1))
        first = max(0, inputs + n - int(rng.integers(1, most)))
        now = 2 * rng.integers(first, inputs + n, size)
        late = 2 * rng.integers(0, inputs + neurons, size) + 1
        rows.append(np.unique(np.where(rng.random(size) < 0.8, now, late)))
    return from_fan_ins(f"random {seed}", inputs, rows).with_rates(rng.random(inputs + neurons))
