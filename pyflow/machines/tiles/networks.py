# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The connectome of a network.

Encoders and the input are sources from outside. A neuron is what fires, one per element of its tensor: behind a synapse
layer it reads that layer's windows, behind a sum what all terms read. A pool is a layer of neurons of its own, unless a
neuron reads its sums. What only moves numbers (concat, upsample, a readout behind a sum over time) is wiring. An edge
with a delay of one step is read as such; more is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from pyflow.errors import VolleyError
from pyflow.graph import INPUT, Network
from pyflow.integers import signed_width
from pyflow.machines.tiles.arrays import Lists, lists, masked
from pyflow.machines.tiles.connectome import Connectome, Layer
from pyflow.operators import (
    Accumulate,
    Add,
    And,
    Concat,
    Conv,
    DeltaEncode,
    DepthwiseConv,
    Direct,
    Encode,
    GatedMaxPool,
    IAnd,
    LIFNeuron,
    Linear,
    MaxPool,
    Operator,
    OrPool,
    RadixNeuron,
    Readout,
    Residual,
    SumPool,
    Synapse,
    Upsample,
    Windowed,
)
from pyflow.operators.encode import OverTime

WIRES = (Direct, Upsample, Concat)
ENCODERS = (Encode, OverTime, DeltaEncode)
SUMS = (Synapse, SumPool, Add, Residual)  # not yet a neuron
FIRE = (RadixNeuron, LIFNeuron, MaxPool, OrPool, GatedMaxPool, And, IAnd)
READS = (Accumulate, Readout)  # a neuron where they read sums
KNOWN = (*WIRES, *ENCODERS, *SUMS, *FIRE, *READS)
TAKE_SUMS = (RadixNeuron, LIFNeuron, Accumulate, Readout, Add, Residual)


def from_network(network: Network) -> Connectome:
    """Its connectome; `layers` name the tensors, rates are 1. A weight of 0 is a synapse: others can be loaded. Raises
    VolleyError where an edge has a delay above one step, or an operator has no form in neurons."""
    return _Walk(network).connectome()


def measured(connectome: Connectome, network: Network, x: np.ndarray) -> Connectome:
    """With the mean spikes per step of each source on the frames `x`; a word that is not 0 counts as one. x: as
    Network.run() takes it."""
    names = [layer.name for layer in connectome.layers]
    _, traces = network.run(x, trace=names)
    rates = np.zeros(connectome.sources)
    for name, first, shape in connectome.layers:
        fired = (traces[name] != 0).reshape(-1, math.prod(shape))
        rates[first : first + math.prod(shape)] = fired.mean(0)
    return connectome.with_rates(rates)


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """What each element of a tensor adds up. group: int64 [C*H*W]; fan_in: axons of each group, ascending."""

    group: np.ndarray
    fan_in: Lists


@dataclass(slots=True, eq=False)
class _Walk:
    network: Network
    first: dict[str, int] = field(default_factory=dict)  # source of the first element of each tensor that fires
    sums: dict[str, _Sums] = field(default_factory=dict)
    word_bits: int = 1

    def connectome(self) -> Connectome:
        net, count = self.network, 0
        layers: list[Layer] = []
        groups, fan_ins = [np.zeros(0, np.int64)], list[Lists]()
        for op in net.operators:
            if not isinstance(op, KNOWN):
                raise VolleyError(f"network {net.name!r}: {op.kind} {op.name!r} has no form in neurons of a tile")
        self._check_delays()
        fired = [op for op in net.operators if self._fires(op)]
        outside = [op.name for op in net.operators if self._encodes(op)]
        if any(not isinstance(op, ENCODERS) for op in net.readers(INPUT)):
            outside.insert(0, INPUT)
        for name in (*outside, *(op.name for op in fired)):
            shape = net.tensors[name].shape
            layers.append(Layer(name, count, shape))
            self.first[name] = count
            count += math.prod(shape)
        for op in fired:
            own = self._fan_in(op)
            groups.append(own.group + sum(len(other) for other in fan_ins))
            fan_ins.append(own.fan_in)
        inputs = count - sum(len(group) for group in groups)
        return Connectome(
            net.name,
            inputs,
            np.concatenate(groups),
            _joined(fan_ins),
            np.ones(count),
            self.word_bits,
            max((self._weight_bits(op) for op in net.operators), default=2),
            tuple(layers),
        )

    def _check_delays(self) -> None:
        for edge in self.network.state_edges:
            source, delay = self.network.origin(edge.name)
            if delay > 1:
                raise VolleyError(
                    f"network {self.network.name!r}: state edge {edge.name!r} from {source!r} delays by {delay} time "
                    "steps, an edge of a tile by at most 1; use a delay of 1, or layers of neurons that pass spikes on"
                )

    @staticmethod
    def _weight_bits(op: Operator) -> int:
        if isinstance(op, Synapse):
            return op.weight_bits
        if isinstance(op, Residual):
            return signed_width(int(np.abs(op.multiplier).max()))
        return signed_width(1 << op.shift) if isinstance(op, Add) else 2

    # ------------------------------------------------------------------ which tensors fire
    @staticmethod
    def _encodes(op: Operator) -> bool:
        return isinstance(op, ENCODERS) and not isinstance(op, Direct)

    def _fires(self, op: Operator) -> bool:
        """Is it a layer of neurons?"""
        if isinstance(op, SUMS):
            return self._wanted(op.name)
        return isinstance(op, FIRE) or (isinstance(op, READS) and self._is_sum(op.inputs[0]))

    def _is_sum(self, tensor: str) -> bool:
        op = self._maker(tensor)
        if isinstance(op, WIRES):
            return any(self._is_sum(source) for source in op.inputs)
        return isinstance(op, SUMS) and not self._wanted(tensor)

    def _wanted(self, tensor: str) -> bool:
        """Does anything need it as spikes, and not as sums?"""
        net = self.network
        if tensor == net.operators[-1].name or any(edge.source == tensor for edge in net.state_edges):
            return True
        for op in net.readers(tensor):
            takes = isinstance(op, TAKE_SUMS) or (isinstance(op, WIRES) and not self._wanted(op.name))
            if not takes:
                return True
        return False

    def _maker(self, tensor: str) -> Operator | None:
        """The operator of that name; None of the input and of state edges."""
        return next((op for op in self.network.operators if op.name == tensor), None)

    # ------------------------------------------------------------------ what elements are, and what they read
    def _axons(self, tensor: str) -> np.ndarray:
        """Axon of each element: int64 [C, H, W]."""
        net = self.network
        if tensor in self.first:
            made = net.tensors[tensor]
            self.word_bits = max(self.word_bits, made.number_bits)
            return 2 * (self.first[tensor] + np.arange(math.prod(made.shape)).reshape(made.shape))
        op = self._maker(tensor)
        if op is None:
            late = self._axons(net.origin(tensor)[0])
            if (late % 2).any():
                raise VolleyError(
                    f"network {net.name!r}: state edge {tensor!r} delays what is late already; use 1 step"
                )
            return late + 1
        values = [self._axons(source) for source in op.inputs]
        if isinstance(op, Upsample | Concat):
            moved: np.ndarray = op.run(*(value[None] for value in values))[0]
            return moved
        return values[0]  # Direct, and a readout of what fired

    def _sum(self, tensor: str) -> _Sums:
        """What the elements of `tensor` add up; of one that fires the element itself."""
        if tensor not in self.sums:
            op = self._maker(tensor)
            if op is None or not self._is_sum(tensor):
                self.sums[tensor] = _singles(self._axons(tensor))
            elif isinstance(op, WIRES):
                self.sums[tensor] = self._wired(op)
            else:
                self.sums[tensor] = self._terms(op)
        return self.sums[tensor]

    def _fan_in(self, op: Operator) -> _Sums:
        """What the neurons of `op` read."""
        if isinstance(op, SUMS):
            return self._terms(op)
        if isinstance(op, MaxPool | OrPool | GatedMaxPool):
            return _windows(op, self._axons(op.inputs[0]))
        if isinstance(op, And | IAnd):
            return _pairs(*(_singles(self._axons(source)) for source in op.inputs))
        return self._sum(op.inputs[0])

    def _terms(self, op: Operator) -> _Sums:
        if isinstance(op, Add | Residual):
            return _pairs(*(self._sum(source) for source in op.inputs))
        axons = self._axons(op.inputs[0])
        if isinstance(op, Linear):
            return _Sums(np.zeros(len(op.weight), np.int64), _rows(axons.reshape(1, -1)))
        if isinstance(op, DepthwiseConv):
            return _windows(op, axons, op.weight.shape[0] // len(axons))
        if isinstance(op, Conv):
            view = op.windows(axons[None], -1)[0]
            table = view.transpose(1, 2, 0, 3, 4).reshape(view.shape[1] * view.shape[2], -1)
            return _Sums(np.tile(np.arange(len(table)), len(op.weight)), _rows(table))
        assert isinstance(op, SumPool)
        return _windows(op, axons)

    def _wired(self, op: Operator) -> _Sums:
        """Elements of Direct, Upsample and Concat are those of their operands."""
        values = [self._sum(source) for source in op.inputs]
        shapes = [self.network.tensors[source].shape for source in op.inputs]
        if isinstance(op, Concat):
            a, b = values
            groups = np.concatenate([a.group, b.group + len(a.fan_in)])
            return _Sums(groups, _joined([a.fan_in, b.fan_in]))
        group = values[0].group.reshape(1, *shapes[0])
        return _Sums(op.run(group).reshape(-1) if isinstance(op, Upsample) else group.reshape(-1), values[0].fan_in)


def _joined(parts: list[Lists]) -> Lists:
    if not parts:
        return lists([])
    offsets = np.cumsum([0, *(part.starts[-1] for part in parts[:-1])])
    starts = [part.starts[1:] + offset for part, offset in zip(parts, offsets, strict=True)]
    return Lists(np.concatenate([[0], *starts]).astype(np.int64), np.concatenate([part.values for part in parts]))


def _rows(table: np.ndarray) -> Lists:
    """Axons of each row, ascending and once each; -1 is none. table: int64 [rows, taps]."""
    table = np.sort(table, 1)
    kept = table >= 0
    kept[:, 1:] &= table[:, 1:] != table[:, :-1]
    return masked(table, kept)


def _singles(axons: np.ndarray) -> _Sums:
    """Each element is one axon."""
    flat = axons.reshape(-1)
    return _Sums(np.arange(len(flat)), Lists(np.arange(len(flat) + 1), flat))


def _windows(op: Windowed, axons: np.ndarray, copies: int = 1) -> _Sums:
    """Windows of each channel by itself. copies: outputs that read the same one."""
    view = op.windows(axons[None], -1)[0]
    channels, height, width = view.shape[:3]
    group = np.arange(channels * height * width).reshape(channels, 1, -1)
    table = view.reshape(channels * height * width, -1)
    return _Sums(np.repeat(group, copies, 1).reshape(-1), _rows(table))


def _pairs(a: _Sums, b: _Sums) -> _Sums:
    """Sums of two tensors, element by element."""
    keys, group = np.unique(a.group * len(b.fan_in) + b.group, return_inverse=True)
    left, right = np.divmod(keys, len(b.fan_in))
    return _Sums(group, lists([np.union1d(a.fan_in[m], b.fan_in[n]) for m, n in zip(left, right, strict=True)]))
