# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What is loaded into tiles of RTL: the words of each tile, and the slots of each node (rtl/tile/volley_tile_pkg.sv).

A tile's words are {2 bits of memory, address}; a context's are described where they are made. A source's neurons lie in
a row in the receiver's table of places, whether it reads them or not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.integers import ceil_div
from pyflow.machines.tiles.clustering import Clustering
from pyflow.machines.tiles.connectome import Layer
from pyflow.machines.tiles.slots import CREDITS, TOKENS, Slots
from pyflow.machines.tiles.system import Role, System
from pyflow.operators import LIFNeuron

WEIGHTS, PLACES, NEURONS, TABLES = (n << 12 for n in range(4))
CONTEXTS = TABLES | 1 << 11
SOURCES = 128
LEAK_BITS = 4
Word = tuple[int, int]  # address, data


@dataclass(frozen=True, slots=True)
class Build:
    """What is fixed in a tile when it is built: WEIGHT_W, FRAC, V_W and TABLE of volley_tile."""

    weight_bits: int = 4
    frac: int = 0
    width: int = 16
    table: int = 2048


@dataclass(frozen=True, eq=False)
class Neurons:
    """Of one context. theta, bias: int64 [neurons]. leak: shift, 0: none. reset: none, soft or hard. late: it comes
    after the next leak."""

    theta: np.ndarray
    bias: np.ndarray
    v0: int = 0
    leak: int = 0
    reset: str = "soft"
    late: bool = False


@dataclass(eq=False)
class _Shares:
    """Where a context lies in its tile."""

    beat: int = 0  # of its first neurons
    row: int = 0  # of weights
    pair: int = 0  # of rows of the list
    places: dict[int, np.ndarray] = field(default_factory=dict)  # of each connection's reads
    axons: int = 0


def weights_of(network: Network, clustering: Clustering, system: System) -> list[np.ndarray]:
    """int64 [reads, neurons of the target] of each connection of mapped(); of one into the sink none."""
    net = clustering.connectome
    first = {layer.name: layer.first for layer in net.layers}
    responses: dict[str, np.ndarray] = {}

    def response(tensor: str) -> np.ndarray:
        """What a spike of each axon adds to the tensor: int64 [axons, C, H, W]."""
        if tensor not in responses:
            late = tensor not in first and tensor not in {op.name for op in network.operators}
            source = network.origin(tensor)[0] if late else tensor
            if source in first:
                shape = network.tensors[tensor].shape
                found = np.zeros((2 * net.sources, math.prod(shape)), np.int64)
                at = np.arange(found.shape[1])
                found[2 * (first[source] + at) + late, at] = 1
                responses[tensor] = found.reshape(-1, *shape)
            else:
                op = next(op for op in network.operators if op.name == tensor)
                responses[tensor] = op.run(*(response(name) for name in op.inputs))
        return responses[tensor]

    into = {op.name: response(op.inputs[0]).reshape(2 * net.sources, -1) for op in _fired(network)}
    whole = np.concatenate([into[layer.name] for layer in net.layers if layer.name in into], axis=1)
    found = []
    for of in system.connections:
        if system.contexts[of.target].role is not Role.TILE:
            found.append(np.zeros((len(of.reads), 0), np.int64))
            continue
        outside = system.contexts[of.source].role is Role.SOURCE
        sources = of.reads if outside else clustering.clusters[of.source].neurons[of.reads]
        columns = clustering.clusters[of.target].neurons - net.inputs
        found.append(whole[np.ix_(2 * sources + of.delay, columns)])
    return found


def neurons_of(network: Network, clustering: Clustering, build: Build | None = None) -> dict[int, Neurons]:
    """Of each cluster. Raises VolleyError where a cluster has neurons of two kinds, or one that a tile lacks."""
    layers = {layer.name: layer for layer in clustering.connectome.layers}
    found = {}
    for n, cluster in enumerate(clustering.clusters):
        ops = [op for op in _fired(network) if np.isin(cluster.neurons, _numbers(layers[op.name])).any()]
        if len(ops) > 1:
            raise VolleyError(f"c{n}: neurons of {ops[0].name!r} and {ops[1].name!r}; a context has one kind of neuron")
        op = ops[0]
        _check_kind(op, build or Build())
        _, height, width = layers[op.name].shape
        channel = (cluster.neurons - layers[op.name].first) // (height * width)
        v0 = op.v0 if op.v0.size else np.zeros(1, np.int64)
        found[n] = Neurons(
            op.theta[channel],
            op.bias[channel] if op.bias.size else np.zeros(len(channel), np.int64),
            int(v0[0]),
            op.leak_shift if op.leak == "shift" else 0,
            op.reset,
            op.reset_order == "after" and op.reset != "none",
        )
    return found


def _fired(network: Network) -> list[LIFNeuron]:
    return [op for op in network.operators if isinstance(op, LIFNeuron)]


def _numbers(layer: Layer) -> np.ndarray:
    return np.arange(layer.first, layer.first + math.prod(layer.shape))


def _check_kind(op: LIFNeuron, build: Build) -> None:
    """Raises VolleyError of what no tile computes."""
    theta_top, bias_top, leak_top = (1 << build.width - 1) - 1, (1 << build.width - 2) - 1, (1 << LEAK_BITS) - 1
    own = op.reset == "soft" and op.reset_amount.size and not np.array_equal(op.reset_amount, op.theta)
    wrong = {
        "leak": (op.leak == "multiply", "no leak, or one by a shift"),
        "leak_shift": (op.leak == "shift" and not 1 <= op.leak_shift <= leak_top, f"1 to {leak_top}"),
        "current": (op.current != "none", "none"),
        "adapt": (op.adapt, "no adaptation"),
        "refractory": (op.refractory != 0, "0"),
        "v_leak": (op.v_leak != 0, "0"),
        "v_reset": (op.reset == "hard" and op.v_reset != 0, "0"),
        "frac": (op.frac != build.frac, f"{build.frac}, as it is built"),
        "width": (op.width != build.width, f"{build.width}, as it is built"),
        "reset_amount": (own, "theta"),
        "v0": (op.v0.size > 0 and (op.v0 != op.v0[0]).any(), "one value for all neurons of a layer"),
        "theta": ((op.theta > theta_top).any(), f"{theta_top} at the most"),
        "bias": ((op.bias != np.clip(op.bias, -bias_top - 1, bias_top)).any(), f"{-bias_top - 1} to {bias_top}"),
    }
    for key, (broken, have) in wrong.items():
        if broken:
            value = getattr(op, key)
            if isinstance(value, np.ndarray):
                value = f"up to {value[np.argmax(np.abs(value))]}"
            raise VolleyError(f"{op.name}: {key} is {value}; neurons of a tile have {have}")


def tile_words(
    system: System, weights: Sequence[np.ndarray], neurons: Mapping[int, Neurons], unit: int,
    build: Build | None = None,
) -> list[Word]:  # fmt: skip
    """What is loaded into a unit's tile, in order; it runs behind the last word. weights: of each connection, int64
    [reads, neurons of the target]. Raises VolleyError where a source's flits would have to go two ways in a tile."""
    return _Image(system, weights, neurons, unit, build or Build()).words()


class _Image:
    def __init__(
        self, system: System, weights: Sequence[np.ndarray], neurons: Mapping[int, Neurons], unit: int, build: Build
    ) -> None:
        self.system, self.weights, self.neurons, self.build = system, weights, neurons, build
        self.order = system.units[unit].order
        self.shares = _shares(system)

    def words(self) -> list[Word]:
        found: list[Word] = []
        for turn, context in enumerate(self.order):
            found += self._weights(context) + self._neurons(context) + self._context(turn, context)
        return found + self._sources() + self._count()

    def _weights(self, context: int) -> list[Word]:
        pe, share = self.system.times.pe, self.shares[context]
        count = self.system.contexts[context].neurons
        rows = np.zeros((ceil_div(count, pe), share.axons, pe), np.int64)
        for n, places in share.places.items():
            of = self.weights[n]
            padded = np.zeros((len(places), rows.shape[0] * pe), np.int64)
            padded[:, :count] = of
            rows[:, places] = padded.reshape(len(places), -1, pe).transpose(1, 0, 2)
        bits = self.build.weight_bits
        codes = (rows.reshape(-1, 32 // bits) & ((1 << bits) - 1)) << bits * np.arange(32 // bits)
        first = share.row * pe * bits // 32
        return [(WEIGHTS | first + n, data) for n, data in enumerate(codes.sum(1).tolist())]

    def _neurons(self, context: int) -> list[Word]:
        """{somebody reads it, somebody reads it in the same step, theta, bias}."""
        of, first = self.neurons[context], self.system.times.lanes * self.shares[context].beat
        ever, now = self.system.read(context, sums=False), self.system.read(context, sums=False, late=False)
        found = []
        count = self.system.contexts[context].neurons
        for n in range(ceil_div(count, self.system.times.lanes) * self.system.times.lanes):
            data = 0
            if n < count:
                data = int(ever[n]) << 31 | int(now[n]) << 30 | int(of.theta[n]) << 15 | int(of.bias[n]) & 0x7FFF
            found.append((NEURONS | first + n, data))
        return found

    def _context(self, turn: int, context: int) -> list[Word]:
        system, share, of = self.system, self.shares[context], self.neurons[context]
        count, times = system.contexts[context].neurons, system.times
        late_in = sum(system.connections[n].delay for n in system.into[context])
        late_out = sum(system.connections[n].delay for n in system.out[context])
        into, out = len(system.into[context]), len(system.out[context])
        name = system.contexts[context].name
        if late_in == into:
            raise VolleyError(f"{name}: reads nothing of the same step, so nothing tells it where a frame ends")
        if not out:
            raise VolleyError(f"{name}: nobody reads it")
        readers = _mask(system, [system.connections[n].target for n in system.out[context]])
        reads = _mask(system, [system.connections[n].source for n in system.into[context]])
        words = [
            (times.folds(count) - 1) << 16 | count + 1,
            share.axons << 21 | share.row << 10 | share.pair,
            late_out << 15 | out << 10 | (into - late_in) << 5 | into,
            share.beat << 16 | share.beat + (count - 1) // times.lanes,
            (of.v0 & 0xFFFF) << 16 | of.late << 6 | (of.reset == "hard") << 5 | (of.reset == "soft") << 4 | of.leak,
            reads << 16 | readers,
            context << 8,
        ]
        return [(CONTEXTS | turn << 3 | n, data) for n, data in enumerate(words)]

    def _count(self) -> list[Word]:
        """How many contexts take turns; with it the tile begins."""
        return [(CONTEXTS | 6, self.order[0] << 8 | len(self.order))]

    def _sources(self) -> list[Word]:
        """{known, steps that it counts for later, context, base} of tokens and of credits, and the places."""
        system, found, at = self.system, list[Word](), 0
        names = ", ".join(system.contexts[context].name for context in self.order)
        seen: set[int] = set()

        def entry(number: int, advance: int, turn: int, base: int) -> None:
            if number in seen:
                other = system.contexts[number % SOURCES].name
                raise VolleyError(f"{other}: its flits would go to two contexts of a tile; put them on two tiles")
            seen.add(number)
            found.append((TABLES | number, 1 << 31 | advance << 29 | turn << 26 | base))

        for turn, context in enumerate(self.order):
            for n in system.into[context]:
                of = system.connections[n]
                count = system.contexts[of.source].neurons
                entry(of.source, of.delay, turn, (at - first_neurons(system)[of.source]) % self.build.table)
                places = np.zeros(count, np.int64)
                places[of.reads] = 1 << 31 | self.shares[context].places[n]
                found += [(PLACES | at + k, int(place)) for k, place in enumerate(places)]
                at += count
            for n in system.out[context]:
                of = system.connections[n]
                entry(SOURCES | of.target, 2 - of.delay, turn, 0)
        if at > self.build.table:
            raise VolleyError(
                f"{names}: their sources have {at:,} neurons, a tile's table {self.build.table:,} places; more tiles"
            )
        return found


def first_neurons(system: System) -> list[int]:
    """Of each context the number that its first neuron has in flits."""
    shares = _shares(system)
    return [system.times.lanes * shares[n].beat for n in range(len(system.contexts))]


def _mask(system: System, contexts: Sequence[int]) -> int:
    found = 0
    for context in contexts:
        found |= 1 << system.node(context)
    return found


def _shares(system: System) -> dict[int, _Shares]:
    """Of every context; ends of the host lie nowhere."""
    found: dict[int, _Shares] = {}
    for unit in system.units:
        at = _Shares()
        for context in unit.order:
            of = system.contexts[context]
            share = found[context] = _Shares(at.beat, at.row, at.pair)
            if of.role is not Role.TILE:
                continue
            for n in system.into[context]:
                count = len(system.connections[n].reads)
                share.places[n] = share.axons + np.arange(count)
                share.axons += count
            at.beat += ceil_div(of.neurons, system.times.lanes)
            at.row += share.axons * system.times.folds(of.neurons)
            at.pair += ceil_div(share.axons, 2)
    return found


def slot_words(system: System, slots: Slots, most: int = 128) -> list[list[Word]]:
    """Of each node all `most` slots: {credits, tokens}: who may send."""
    nodes = [[0] * most for _ in range(system.topology.host + 1)]
    for unit, owned in zip(system.units, slots.owned, strict=True):
        for kind in (TOKENS, CREDITS):
            for slot in owned[kind].tolist():
                nodes[unit.node][slot] |= 1 << kind
    return [list(enumerate(node)) for node in nodes]
