# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What an operator costs, by lowering it alone behind streams of given lanes and pixels per beat."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pyflow.cores.cells import Cost
from pyflow.graph import Network
from pyflow.operators import Direct, LIFNeuron, Operator, RadixNeuron, Synapse
from pyflow.planning.builder import Builder
from pyflow.planning.folding import Folding
from pyflow.planning.lowering.neuron import serial
from pyflow.planning.lowering.registry import LOWERINGS
from pyflow.planning.netlist import Stream

Way = tuple[int, int]  # lanes and pixels per beat of a stream


@dataclass(frozen=True, slots=True)
class Alone:
    """cells: of its cores. busy: cycles per pass of the slowest of them."""

    cells: Cost
    busy: int


class Operators:
    """The operators of a network that are no synapses, on a family."""

    def __init__(self, network: Network, family: str) -> None:
        self.family = family
        self.builder = Builder(network, {}, {})
        self.made = {op.name: op for op in network.operators}
        self._known: dict[tuple[str, tuple[Way, ...], bool], Alone] = {}
        self._drives: dict[str, Synapse | None] = {}

    def drives(self, op: Operator) -> Synapse | None:
        """The layer whose folding decides on the variant of a neuron."""
        if op.name not in self._drives:
            neuron = isinstance(op, RadixNeuron | LIFNeuron)
            self._drives[op.name] = self.builder.synapse_before(op, held=True) if neuron else None
        return self._drives[op.name]

    def alone(self, op: Operator, ways: tuple[Way, ...], folding: Folding | None) -> Alone:
        """folding: of the layer that drives it."""
        b = self.builder
        layer = self.drives(op)
        b.foldings = {layer.name: folding} if layer and folding else {}
        slow = False
        if isinstance(op, RadixNeuron | LIFNeuron):
            slow = serial(b, op, op.steps if isinstance(op, RadixNeuron) else b.sources(op)[0].block)
        key = (op.name, ways, slow)
        if key not in self._known:
            b.instances, b.streams = [], {}
            LOWERINGS[type(op)](b, op, *(self._stream(name, way) for name, way in zip(op.inputs, ways, strict=True)))
            cells = sum((inst.cells(self.family) for inst in b.instances), Cost())
            busy = max((inst.core.beat_cycles * inst.sink.beats for inst in b.instances), default=0)
            self._known[key] = Alone(cells, busy)
        return self._known[key]

    def _stream(self, name: str, way: Way) -> Stream:
        tensor, source = self.builder.tensors[name], self.made.get(self.builder.network.origin(name)[0])
        if isinstance(source, Direct):  # one number for all steps
            static = self.builder.output(self.builder.tensors[source.inputs[0]], *way)
            return replace(static, name=name, passes=tensor.passes, tensor=name)
        return self.builder.output(tensor, *way)
