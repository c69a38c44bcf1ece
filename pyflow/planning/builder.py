# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Joins cores by streams: lane converters, FIFOs, broadcasts to several readers, state edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pyflow.cores.base import Core
from pyflow.cores.stream import Broadcast, Fifo, LaneConvert, Skid, StepDelay, conversions
from pyflow.edges import StateEdge
from pyflow.errors import VolleyError
from pyflow.graph import INPUT, Network
from pyflow.integers import ceil_div
from pyflow.operators import Accumulate, Encoding, LIFNeuron, Operator, Residual, Synapse, Tensor
from pyflow.planning import sparsity
from pyflow.planning.folding import Folding, folds, synapse_before
from pyflow.planning.memories import Memory, reads
from pyflow.planning.netlist import Instance, Netlist, Port, Stream, branch_name, fifo_name


def reachable(network: Network, foldings: dict[str, Folding]) -> dict[str, Tensor]:
    """The network's tensors with the bounds that the hardware must hold: those of these weights, or, where
    weights can be reloaded, of any weights of W bits."""
    loaded = loaded_operators(network, foldings)
    if not loaded:
        return network.tensors
    made = {op.name for op in network.operators}
    forward = {line.name for line in network.delay_lines} - network.fed_back()
    tensors = {name: tensor for name, tensor in network.tensors.items() if name not in made}
    for op in network.operators:
        sources = [tensors[s] for s in op.inputs]
        tensor = op.infer(*sources)
        if isinstance(op, Synapse) and op.name in loaded:
            tensor = replace(tensor, bound=op.weight[0].size * (2 ** (op.weight_bits - 1) - 1) * sources[0].bound)
        elif isinstance(op, Residual) and op.name in loaded:
            bound = (sources[0].bound << op.exponent) + op.most(*sources) * sources[1].bound
            tensor = replace(tensor, bound=bound)
        tensors[op.name] = replace(tensor, block=network.tensors[op.name].block)
        delayed = (name for name in forward if network.origin(name)[0] == op.name)
        tensors |= {name: replace(tensors[op.name], name=name) for name in delayed}
    for line in network.delay_lines:
        if tensors[line.name].bound != tensors[line.source].bound:
            raise VolleyError(
                f"state edge {line.name!r} from {line.source!r}: feeds back numbers of any size, its layers' memory is "
                "writable; feed back spikes, or give them another memory"
            )
    return tensors


def loaded_operators(network: Network, foldings: dict[str, Folding]) -> frozenset[str]:
    """Synapses whose weights can be loaded, and what reads their potentials (or counts the spikes behind them): its
    numbers are loaded with them."""
    loaded: set[str] = set()
    for op in network.operators:
        if isinstance(op, Synapse):
            here = op.name in foldings and foldings[op.name].memory == "writable"
        else:
            behind = [s for s in op.inputs if network.origin(s)[0] in loaded]
            here = any(isinstance(op, Accumulate) or network.tensors[s].encoding is Encoding.POTENTIAL for s in behind)
        if here:
            loaded.add(op.name)
    return frozenset(loaded)


class Builder:
    """Collects the instances of a netlist. Operators are lowered in order; what they read is theirs by
    operand(), what they make goes to its readers by publish()."""

    def __init__(self, network: Network, foldings: dict[str, Folding], fifos: dict[str, int]) -> None:
        self.network = network
        self.foldings = foldings
        self.fifos = fifos
        self.tensors = reachable(network, foldings)
        self.loaded = loaded_operators(network, foldings)
        self.instances: list[Instance] = []
        self.streams: dict[str, Stream] = {}
        self.readers = {name: network.destinations(name) for name in network.tensors}
        self._made = {op.name: op for op in network.operators}
        self._ways: dict[tuple[str, str], Stream] = {}

    def sources(self, op: Operator) -> tuple[Tensor, ...]:
        """Operand tensors of `op`."""
        return tuple(self.tensors[s] for s in op.inputs)

    # ------------------------------------------------------------------ cores
    def declare(self, stream: Stream) -> Stream:
        if stream.name in self.streams or stream.name in ("s_pixel", "m_logit"):
            raise VolleyError(f"stream name {stream.name!r} is taken; rename that layer")
        self.streams[stream.name] = stream
        return stream

    def join(
        self,
        core: Core,
        layer: str,
        sinks: Sequence[Port],
        sources: Sequence[Port],
        memory: Memory | None = None,
        *,
        name: str = "",
    ) -> Stream:
        """Instance of a core that belongs to the operator `layer`, whose name it has if it is given none; the first of
        its source streams."""
        for _, stream in sources:
            if self.streams.get(stream.name) is not stream:  # a state edge's is declared before
                self.declare(stream)
        self.instances.append(Instance(core, f"u_{name or layer}", layer, tuple(sinks), tuple(sources), memory))
        return sources[0][1]

    def output(self, tensor: Tensor, lanes: int, pix: int = 1) -> Stream:
        """The stream that carries `tensor`, `lanes` channels of `pix` pixels a beat."""
        c, h, w = tensor.shape
        numbers = tensor.block if tensor.timed else 1
        groups = ceil_div(c, lanes)
        return Stream(tensor.name, lanes, tensor.bits, h * w, groups, tensor.name, tensor.passes, numbers, pix)

    def lanes(
        self, stream: Stream, lanes: int, channels: int, layer: str, suffix: str = "lanes", pix: int = 1
    ) -> Stream:
        """`stream` with another number of lanes, or of pixels per beat."""
        steps = conversions(stream.lanes, stream.pix, lanes, pix, channels)
        for n, (lanes_in, lanes_out, run) in enumerate(steps):
            at_end = n == len(steps) - 1
            shape = (lanes, pix) if at_end else (channels, 1)  # whole pixels come between
            part = suffix if at_end else f"{suffix}_pixels"
            groups = ceil_div(channels, shape[0])
            out = replace(stream, name=f"{layer}_{part}", lanes=shape[0], pix=shape[1], groups=groups, tensor="")
            core = LaneConvert(stream.bits, lanes_in, lanes_out, run)
            stream = self.join(core, layer, [("axis", stream)], [("axis", out)], name=out.name)
        return stream

    def skid(self, stream: Stream, layer: str, suffix: str) -> Stream:
        """`stream` behind a skid register, which cuts its handshake in two."""
        out = replace(stream, name=f"{layer}_{suffix}", tensor="")
        return self.join(Skid(stream.width), layer, [("axis", stream)], [("axis", out)], name=out.name)

    def cuts(self, op: Operator) -> bool:
        """Whether skid registers cut the handshakes of `op`: as its folding says, or as any does where it has none."""
        own = self.foldings.get(op.name)
        return own.skid if own else any(f.skid for f in self.foldings.values())

    # ------------------------------------------------------------------ the graph
    def operand(self, tensor: str, reader: Operator) -> Stream:
        stream, timed = self._ways[tensor, reader.name], self.tensors[tensor]
        if timed.timed and stream.numbers < timed.block and not isinstance(reader, LIFNeuron):
            raise VolleyError(
                f"{reader.kind} {reader.name!r}: reads the direct current {tensor!r}, one number for "
                f"{timed.block} steps; only a lif neuron can, or any operator with time_block = 1"
            )
        if stream.pix > 1 and not reader.pixelwise:
            return self.lanes(stream, stream.lanes, timed.shape[0], reader.name, f"{tensor}_pixels")
        return stream

    def publish(self, tensor: str, stream: Stream) -> None:
        """`stream` carries `tensor`: bring it to every reader, through the FIFOs asked for."""
        readers = self.readers[tensor]
        if len(readers) > 1:
            ways = [replace(stream, name=f"{tensor}_to_{reader}", tensor="") for reader in readers]
            core, sources = Broadcast(stream.width, len(ways)), [("axis", way) for way in ways]
            self.join(core, self.owner(tensor), [("axis", stream)], sources, name=f"{tensor}_broadcast")
            keys = [branch_name(tensor, reader) for reader in readers]
        else:
            ways, keys = [stream] * len(readers), [tensor] * len(readers)
        for reader, way, key in zip(readers, ways, keys, strict=True):
            self._ways[tensor, reader] = self._fifo(way, key, reader)
        for line in self.network.delay_lines:
            if line.source == tensor:
                self._delay(line)

    def _fifo(self, stream: Stream, key: str, layer: str) -> Stream:
        depth = self.fifos.get(key, 0)
        if depth < 2:
            return stream
        if layer not in {op.name for op in self.network.operators}:  # a state edge belongs to its source
            layer = self.owner(key.split(":")[0])
        out = replace(stream, name=fifo_name(key), tensor="")
        return self.join(Fifo(stream.width, depth), layer, [("axis", stream)], [("axis", out)], name=out.name)

    def owner(self, tensor: str) -> str:
        """The operator that cores belong to which `tensor` goes through."""
        name, _ = self.network.origin(tensor)
        return name if name != INPUT else self.network.operators[0].name

    def feed_forward(self) -> None:
        """Declare what the state edges bring back; their readers may then be lowered before their sources."""
        fed_back = self.network.fed_back()
        lines = [line.name for line in self.network.delay_lines if line.name in fed_back]
        for name in lines:
            readers, tensor = self.network.readers(name), self.tensors[name]
            first = self.foldings.get(readers[0].name) if readers else None
            lanes = first.lanes if first else tensor.shape[0]
            self.declare(replace(self.output(tensor, lanes), tensor=""))
        for name in lines:
            self.publish(name, self.streams[name])

    def _delay(self, line: StateEdge) -> None:
        """What is fed back goes where it was declared; all else gets the lanes of its source."""
        stream, tensor, layer = self._ways[line.source, line.name], self.tensors[line.name], self.owner(line.source)
        declared = self.streams.get(line.name)
        if out := declared:
            if stream.numbers < out.numbers:
                raise VolleyError(
                    f"state edge {line.name!r} from {line.source!r}: an operator in front of that direct current reads "
                    "it; put it behind, or set time_block = 1"
                )
            stream = self.lanes(stream, out.lanes, tensor.shape[0], layer, f"{line.name}_lanes")
        out = out or replace(stream, name=line.name, tensor="")
        core = StepDelay(out.width, out.beats, out.passes, line.delay // tensor.block)
        self.join(core, layer, [("axis", stream)], [("axis", out)], name=f"{line.source}_{line.name}_delay")
        if declared is None:
            self.publish(line.name, out)

    def window_rows(self, op: Synapse) -> int:
        """Cycles between outputs of a layer, on average, but for T/TP: slices of a window, rows of an event list."""
        (source,) = self.sources(op)
        folding, known = self.foldings[op.name], sparsity.rate(self.network, op)
        if folding.events and op.name in self.loaded:
            return 1  # other weights skip more
        if folding.events and known:
            return sparsity.rows(known.mean, folding, source)
        return folds(op, folding, source)[1]

    def memory(self, op: Operator, rows: np.ndarray, widths: tuple[int, ...], effective: float = 1.0) -> Memory:
        """What a neuron, readout or residual connection reads its numbers from. effective: as in Reads."""
        width = sum(widths) * (rows.shape[1] // len(widths))
        shape = reads("writable" if op.name in self.loaded else "auto", width, len(rows))
        if shape.kind == "const":
            shape = replace(shape, effective=effective)
        return Memory(f"{op.name}_param", shape, widths, lambda: rows)

    def synapse_before(self, op: Operator, held: bool = False) -> Synapse | None:
        """synapse_before() of this network."""
        return synapse_before(self._made, op, held)

    def netlist(self) -> Netlist:
        return Netlist(self.network, self.foldings, self.fifos, tuple(self.instances), tuple(self.streams.values()))
