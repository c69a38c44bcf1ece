# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What the reference tells of an integer network: accuracy, on as many test images as a few seconds allow, and how much
it is at work."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from pyflow.data import Dataset
from pyflow.frames import decided, labels_of
from pyflow.graph import Network
from pyflow.operators import SPIKES, Conv, Encoding, Synapse

FRAMES = 1000  # at most
WORK = 4e10  # multiplications, in all: some ten seconds


def frames(network: Network, data: Dataset) -> int:
    """Test images of `data` on which the accuracy of `network` is measured."""
    work = sum(math.prod(t.shape) * (t.steps if t.timed else 1) for t in network.tensors.values())
    for op in network.operators:
        if isinstance(op, Synapse):
            source = network.sources(op)[0]
            work += op.weight.size * op.outputs(source) * (source.steps if source.timed else 1)
    return min(len(data.x_test), FRAMES, int(WORK / work))


def accuracies(network: Network, data: Dataset) -> dict[str, Any]:
    """{"accuracy_snn", "accuracy_frames"}: share of the first test images whose largest logit is the label; {} without
    labels."""
    if not data.labelled:
        return {}
    if data.classes > labels_of(network.classes):
        from_one = " (they count from 1? subtract it)" if data.y_test.min() == 1 else ""
        warnings.warn(
            f"data {data.name!r}: labels go up to {data.classes - 1}{from_one}, network {network.name!r} has "
            f"{network.classes} outputs; no accuracy",
            stacklevel=2,
        )
        return {}
    count = frames(network, data)
    if not count:
        return {}
    right = decided(network.run(data.x_test[:count])) == data.y_test[:count]
    return {"accuracy_snn": float(right.mean()), "accuracy_frames": count}


def accuracy_text(meta: Mapping[str, Any]) -> str:
    """Accuracies of a network's meta in words; "" if it has none."""
    total, data = meta.get("test_images"), meta.get("data")
    images = f"{total:,} test images of {data}" if total else f"the test images of {data}"
    count = meta.get("accuracy_frames", total)
    titles = (("float", "accuracy_float"), ("fine-tuned", "accuracy_finetuned"), ("integer", "accuracy_snn"))
    parts = [f"{title} {100 * meta[key]:.2f} %" for title, key in titles if isinstance(meta.get(key), float)]
    if not parts:
        return ""
    if count != total and parts[-1].startswith("integer"):
        parts[-1] += f" of the first {count:,}"
    return f"{', '.join(parts)} ({images})"


def activity(network: Network, x: np.ndarray) -> tuple[float, float, float]:
    """(spikes, synaptic operations, dense operations) per frame, averaged over frames `x`.

    A synaptic operation is one weight added because of one spike, or of one bit of a word; the dense count is every
    weight at every time step, for every bit.
    """
    _, trace = network.run(x, trace=True)
    spikes = synops = dense = 0.0
    for op in network.operators:
        if network.tensors[op.name].encoding in (Encoding.RADIX, *SPIKES):
            spikes += float(np.bitwise_count(trace[op.name]).sum())
        if isinstance(op, Synapse):
            (source,) = network.sources(op)
            events = np.bitwise_count(trace[source.name]).astype(np.int64)
            outputs, planes = op.readers(source), source.steps * (source.number_bits if source.word else 1)
            if isinstance(op, Conv):
                reach = op.windows(np.ones((1, 1, *source.shape[1:]), np.int64))
                hits = np.zeros(source.shape[1:], np.int64)
                index = op.windows(np.arange(hits.size).reshape(1, 1, *hits.shape), -1)
                np.add.at(hits.ravel(), index[index >= 0].ravel(), 1)
                synops += float((events.reshape(-1, *hits.shape).sum(0) * hits).sum()) * outputs
                dense += float(reach.sum()) * source.shape[0] * outputs * planes * len(x)
            else:
                synops += float(events.sum()) * outputs
                dense += float(np.prod(source.shape)) * outputs * planes * len(x)
    return spikes / len(x), synops / len(x), dense / len(x)
