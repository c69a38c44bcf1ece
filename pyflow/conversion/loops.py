# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What integers need to know of layers that come later: edges of loops, values of codes, layers with one unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pyflow.edges import StateEdge
from pyflow.model.graph import Edge, FloatAdd, FloatConv, FloatLayer, FloatLinear, FloatNetwork, Synapse
from pyflow.model.spiking import SpikingModel
from pyflow.operators import Encoding, Tensor
from pyflow.operators.eltwise import MOST_SHIFT


class Loops:
    """The state edges of a network: one for every tensor of spikes and every delay of it."""

    def __init__(self, model: SpikingModel) -> None:
        self.model = model
        self.found: dict[tuple[str, int], StateEdge] = {}

    @property
    def edges(self) -> tuple[StateEdge, ...]:
        return tuple(self.found.values())

    def read(self, edge: Edge) -> str:
        """The name of the tensor that a reader of `edge` reads: spikes, whose operators have their layers' names."""
        shape, steps = self.model.network.shapes[edge.source], self.model.steps
        name = self._free(edge)
        spikes = Tensor(name, shape, Encoding.RATE, steps, 1, timed=True)
        return self.found.setdefault((edge.source, edge.delay), StateEdge(edge.source, spikes, edge.delay)).name

    def _free(self, edge: Edge) -> str:
        name = f"{edge.source}_before" if edge.delay == 1 else f"{edge.source}_before{edge.delay}"
        while name in self.model.network.shapes:
            name += "_"
        return name


def image_shift(layers: Sequence[Synapse], units: Sequence[np.ndarray], code: Mapping[str, float]) -> int:
    """k: of layers that are added up, those that read spikes count 2^k of those that read an image. units: of each
    alone. 0 where all read the same."""
    still = [u for x, u in zip(layers, units, strict=True) if code[x.source] != 1]
    spikes = [u for x, u in zip(layers, units, strict=True) if code[x.source] == 1]
    if not still or not spikes:
        return 0
    ratio = np.log2(np.max(spikes, axis=0) / np.max(still, axis=0))
    return int(np.clip(np.rint(np.median(ratio)), 0, MOST_SHIFT))


def drivers(network: FloatNetwork, layer: FloatLayer) -> list[Synapse]:
    """The layers whose potentials are added up with those of `layer`, itself included: they have one unit."""
    together = {layer.name}
    while (
        more := {
            name
            for total in network.layers
            if isinstance(total, FloatAdd) and together & {total.name, *total.sources}
            for name in (total.name, *total.sources)
        }
        - together
    ):
        together |= more
    return [x for x in network.layers if x.name in together and isinstance(x, FloatConv | FloatLinear)]
