# SPDX-License-Identifier: Apache-2.0
"""The integer reference: runs a Network on whole batches with numpy. `docs/numerics.md` is its authority;
`verif/models/` holds the scalar models it is compared with."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyflow.errors import VolleyError
from pyflow.graph import INPUT, Network

BATCH = 512  # frames at a time: keeps im2col of a LeNet layer under ~200 MB


def run(network: Network, x: np.ndarray, trace: bool = False) -> Any:
    """int64 logits [N, classes]; with `trace` also every tensor {name: int64 [N, C, H, W]}.

    x: as in Network.pixels(). Raises VolleyError on bad input.
    """
    if network.state_edges:
        raise VolleyError(f"network {network.name!r}: state edges can be stored, but not run yet")
    pixels = network.pixels(x)
    logits = np.empty((len(pixels), network.classes), np.int64)
    traces: list[dict[str, np.ndarray]] = []
    last = network.operators[-1].name
    for start in range(0, len(pixels), BATCH):
        values = {INPUT: pixels[start : start + BATCH]}
        for i, op in enumerate(network.operators):
            values[op.name] = op.run(*(values[s] for s in op.inputs))
            if not trace:
                live = {s for later in network.operators[i + 1 :] for s in later.inputs} | {last}
                values = {k: v for k, v in values.items() if k in live}
        logits[start : start + BATCH] = values[last].reshape(-1, network.classes)
        if trace:
            traces.append(values)
    if not trace:
        return logits
    names = (INPUT, *(op.name for op in network.operators))
    shapes = {n: network.tensors[n].shape for n in names}
    return logits, {
        n: np.concatenate([t[n] for t in traces]) if traces else np.zeros((0, *shapes[n]), np.int64) for n in names
    }
