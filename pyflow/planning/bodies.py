# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The sums that a folding gives a synapse layer."""

from __future__ import annotations

from collections.abc import Mapping

from pyflow.cores.sums import Size
from pyflow.graph import Network
from pyflow.operators import Synapse, Tensor
from pyflow.planning.folding import Folding, simd, steps_per_cycle
from pyflow.planning.windows import row_windows


def size_of(op: Synapse, folding: Folding, source: Tensor) -> Size:
    """folding: with its body chosen."""
    tp = steps_per_cycle(op, folding, source)
    return Size(
        folding.body, folding.pe, simd(op, folding, source), tp, source.beat_steps // tp, op.weight_bits, source.timed
    )


def dsp(network: Network, foldings: Mapping[str, Folding]) -> int:
    """DSP slices of all synapse arrays."""
    slices = 0
    for op in network.operators:
        if isinstance(op, Synapse):
            (source,), folding = network.sources(op), foldings[op.name]
            slices += row_windows(op, source, folding.pix).pix * size_of(op, folding, source).dsp
    return slices
