# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A network of spikes over time behind the encoder core: its input is images."""

from __future__ import annotations

from dataclasses import replace

from pyflow.graph import INPUT, Network
from pyflow.operators import Encoding, RateEncode

NAME = "encode"  # no layer has this name


def behind_encoder(network: Network) -> Network:
    """`network`, which reads spikes, behind random spikes of an image: each in every step with its grey level's
    probability."""
    operators = tuple(
        replace(op, inputs=tuple(NAME if s == INPUT else s for s in op.inputs)) for op in network.operators
    )
    edges = tuple(replace(e, source=NAME) if e.source == INPUT else e for e in network.state_edges)
    coded = RateEncode(NAME, (INPUT,), steps=network.input_steps)
    return replace(
        network, operators=(coded, *operators), state_edges=edges, input_encoding=Encoding.PIXEL, input_steps=1,
        time_block=0 if network.time_block > 1 else network.time_block,
    )  # fmt: skip
