# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The sums that a folding gives a synapse layer, and the residual ones behind it."""

from __future__ import annotations

from collections.abc import Mapping

from pyflow.cores.sums import Size
from pyflow.graph import Network
from pyflow.operators import Operator, Residual, Synapse, Tensor
from pyflow.planning.folding import Folding, neuron_lanes, simd, steps_per_cycle, synapse_before
from pyflow.planning.windows import row_windows


def size_of(op: Synapse, folding: Folding, source: Tensor) -> Size:
    """folding: with its body chosen."""
    tp, inputs = steps_per_cycle(op, folding, source), simd(op, folding, source)
    cycles = source.beat_steps // tp
    return Size(folding.body, folding.pe, inputs, tp, cycles, op.weight_bits, source.per_step)


def dsp(network: Network, foldings: Mapping[str, Folding]) -> int:
    """DSP slices of all synapse arrays and residual sums."""
    slices = 0
    for op in network.operators:
        if isinstance(op, Synapse):
            (source,), folding = network.sources(op), foldings[op.name]
            slices += row_windows(op, source, folding.pix).pix * size_of(op, folding, source).dsp
    for layer, sums in residuals(network):
        if (folding := foldings[layer.name]).residual == "dsp":
            tensors = [network.tensors[op.name] for op in sums]
            lanes = neuron_lanes(folding) * row_windows(layer, network.sources(layer)[0], folding.pix).pix
            slices += lanes * sum(tensor.block if tensor.timed else 1 for tensor in tensors)
    return slices


def residuals(network: Network) -> list[tuple[Synapse, list[Residual]]]:
    """Layers to whose potentials something is added, with these sums."""
    made: dict[str, Operator] = {op.name: op for op in network.operators}
    found: dict[str, tuple[Synapse, list[Residual]]] = {}
    for op in network.operators:
        if isinstance(op, Residual) and (layer := synapse_before(made, op)):
            found.setdefault(layer.name, (layer, []))[1].append(op)
    return list(found.values())
