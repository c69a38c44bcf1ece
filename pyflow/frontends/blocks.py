# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Groups a FloatNetwork into blocks (synapse, ReLU, pools) and refuses by name every order that integer
spikes cannot reproduce. max-pool commutes with ReLU and with rounding, so it always follows the neuron."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyflow.errors import VolleyError
from pyflow.frontends.float_graph import (
    AvgPool,
    Flatten,
    FloatConv,
    FloatLayer,
    FloatLinear,
    FloatNetwork,
    FloatPool,
    FloatRelu,
    MaxPool,
)


@dataclass(frozen=True, slots=True)
class Block:
    """synapse: Conv or Linear. fires: a ReLU follows. pools: what stands between it and the next block."""

    synapse: FloatConv | FloatLinear
    fires: bool
    pools: tuple[FloatPool, ...] = ()


def blocks(network: FloatNetwork) -> tuple[tuple[FloatPool, ...], tuple[Block, ...]]:
    """(pools on the encoded input, blocks in order); the last block does not fire.

    Raises VolleyError for an illegal order of layers, naming the layers.
    """
    front: list[FloatPool] = []
    done: list[Block] = []
    synapse: FloatConv | FloatLinear | None = None
    fired = True  # the input is spikes already
    pools: list[FloatPool] = front
    shape = network.input_shape

    for layer in network.layers:
        if isinstance(layer, FloatConv | FloatLinear):
            if not fired and synapse is not None:
                raise layer.fail(f"follows {synapse.label!r} without a ReLU between them; add a ReLU or merge the two")
            if synapse is not None:
                done.append(Block(synapse, True, tuple(pools)))
            synapse, fired, pools = layer, False, []
        elif isinstance(layer, FloatRelu):
            if synapse is None and (network.mean > 0).any():
                raise layer.fail("acts on the normalised input, before any Conv or Linear; remove it")
            fired = True  # a ReLU on spikes changes nothing
        elif isinstance(layer, FloatPool):
            _check_pool(layer, synapse, fired, network, pools)
            pools.append(layer)
        elif not isinstance(layer, Flatten):
            raise layer.fail("has no spiking form")
        shape = layer.infer(shape)

    if synapse is None:
        raise VolleyError(f"model {network.name!r}: has no Conv or Linear; end it in one that gives the logits")
    if fired or pools:
        last = (
            network.layers[-1] if not fired else next(x for x in reversed(network.layers) if not isinstance(x, Flatten))
        )
        raise VolleyError(
            f"model {network.name!r}: ends in {last.title} {last.label!r}; "
            "the last layer must be a Linear, or a Conv with 1x1 output, without ReLU (it gives the logits)"
        )
    if shape[1:] != (1, 1):
        raise synapse.fail(
            f"is the last layer but its output is {shape[1]}x{shape[2]}; needs 1x1 (or a Linear after it)"
        )
    done.append(Block(synapse, False))
    return tuple(front), tuple(done)


def _check_pool(
    layer: FloatPool, synapse: FloatLayer | None, fired: bool, network: FloatNetwork, pools: list[FloatPool]
) -> None:
    average = isinstance(layer, AvgPool)
    if average and not fired and synapse is not None:
        raise layer.fail(f"average before the ReLU of {synapse.label!r} does not commute with it; put the ReLU first")
    if average and synapse is None and any(layer.padding) and np.any(network.mean != 0):
        raise layer.fail("pads the normalised input with 0, which is no pixel value; use padding 0 or no normalisation")
    if isinstance(layer, MaxPool) and not fired and any(isinstance(p, AvgPool) for p in pools):
        raise layer.fail("max after average before the ReLU does not commute with it; put the ReLU first")
