# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Operators of the integer network. Each answers infer() and run().

All arithmetic is exact integer arithmetic; `docs/numerics.md` is the authority. A radix spike word is
carried as its code (the T-bit unsigned number), so `acc[t]` summed by Horner is one product with it.
"""

from pyflow.operators.base import SPIKES, WORDS, Encoding, Operator, Stateful, Tensor, Windowed
from pyflow.operators.eltwise import Add, And, Concat, IAnd, Residual
from pyflow.operators.encode import BurstEncode, DeltaEncode, Direct, Encode, PhaseEncode, RateEncode, TTFSEncode
from pyflow.operators.lif import LIFNeuron
from pyflow.operators.membrane import MembraneReadout
from pyflow.operators.neuron import Accumulate, RadixNeuron, Readout
from pyflow.operators.pool import GatedMaxPool, MaxPool, OrPool, SumPool
from pyflow.operators.synapse import Conv, DepthwiseConv, Linear, Synapse
from pyflow.operators.upsample import Upsample

__all__ = [
    "OPERATORS",
    "SPIKES",
    "WORDS",
    "Accumulate",
    "Add",
    "And",
    "BurstEncode",
    "Concat",
    "Conv",
    "DeltaEncode",
    "DepthwiseConv",
    "Direct",
    "Encode",
    "Encoding",
    "GatedMaxPool",
    "IAnd",
    "LIFNeuron",
    "Linear",
    "MaxPool",
    "MembraneReadout",
    "Operator",
    "OrPool",
    "PhaseEncode",
    "RadixNeuron",
    "RateEncode",
    "Readout",
    "Residual",
    "Stateful",
    "SumPool",
    "Synapse",
    "TTFSEncode",
    "Tensor",
    "Upsample",
    "Windowed",
]

OPERATORS: dict[str, type[Operator]] = {
    op.kind: op
    for op in (
        *(Encode, RateEncode, TTFSEncode, PhaseEncode, BurstEncode, DeltaEncode, Direct),
        *(Conv, DepthwiseConv, Linear, RadixNeuron, LIFNeuron, MembraneReadout, Readout, Accumulate),
        *(MaxPool, SumPool, OrPool, GatedMaxPool, Upsample),
        *(Add, And, IAnd, Residual, Concat),
    )
}
