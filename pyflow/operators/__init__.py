# SPDX-License-Identifier: Apache-2.0
"""Operators of the integer network. Each answers infer(), run(), cycles() and cost().

All arithmetic is exact integer arithmetic; `docs/numerics.md` is the authority. A radix spike word is
carried as its code (the T-bit unsigned number), so `acc[t]` summed by Horner is one product with it.
"""

from pyflow.operators.base import Encoding, Operator, Tensor, Windowed
from pyflow.operators.encode import Encode
from pyflow.operators.neuron import RadixNeuron, Readout
from pyflow.operators.pool import MaxPool, SumPool
from pyflow.operators.synapse import Conv, Linear, Synapse

__all__ = [
    "OPERATORS",
    "Conv",
    "Encode",
    "Encoding",
    "Linear",
    "MaxPool",
    "Operator",
    "RadixNeuron",
    "Readout",
    "SumPool",
    "Synapse",
    "Tensor",
    "Windowed",
]

OPERATORS: dict[str, type[Operator]] = {
    op.kind: op for op in (Encode, Conv, Linear, RadixNeuron, Readout, MaxPool, SumPool)
}
