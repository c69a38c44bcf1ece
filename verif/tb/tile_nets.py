# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Small networks on tiles: mapped, with their words, the spikes of some frames, and when each flit leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from pyflow.edges import StateEdge
from pyflow.graph import Network
from pyflow.machines.tiles import Clustering, Tile, from_network, of_neurons
from pyflow.machines.tiles.flits import Run, Spikes, caps_of, run
from pyflow.machines.tiles.image import Build, Word, neurons_of, slot_words, tile_words, weights_of
from pyflow.machines.tiles.mapped import fired, mapped
from pyflow.machines.tiles.slots import Slots, allocate
from pyflow.machines.tiles.system import System, Times
from pyflow.machines.tiles.topology import Ring
from pyflow.operators import Accumulate, Add, LIFNeuron, Linear, Operator, RateEncode, Readout
from pyflow.operators.base import Encoding, Tensor


@dataclass(frozen=True)
class Built:
    """A tile as it is built: parameters of volley_tile_ring."""

    times: Times
    build: Build
    tile: Tile
    room: int

    @classmethod
    def of(cls, p: Mapping[str, int]) -> Built:
        return cls(
            Times(pe=p["PE"], events=2, lanes=p["LANES"], start=2, pipeline=9, release=1),
            Build(p["WEIGHT_W"], p["FRAC"], p["V_W"], p["TABLE"]),
            Tile(p["PE"], p["ROWS"], p["AXONS"], p["NEURONS"], weight_bits=p["WEIGHT_W"], potential_bits=p["ACC_W"]),
            p["ROOM"],
        )

    def sizes(self, rng: np.random.Generator, count: int) -> list[int]:
        """Of so many layers, inputs first, that fit a tile each."""
        found = [int(rng.integers(1, min(60, self.tile.axons) + 1))]
        while len(found) <= count:
            most = min(60, self.tile.room(found[-1]), self.tile.widest, self.tile.fan_in, self.room - 1)
            found.append(int(rng.integers(1, most + 1)))
        return found


@dataclass(frozen=True, eq=False)
class Case:
    """tiles: of each unit on a tile its node and its words. nodes: slots of each node."""

    system: System
    slots: Slots
    spikes: Spikes
    run: Run
    tiles: dict[int, list[Word]]
    nodes: list[list[Word]]


def _dense(built: Built, rng: np.random.Generator, name: str, source: str, size: int, fan_in: int) -> Linear:
    top = (1 << built.build.weight_bits - 1) - 1
    weight = rng.integers(-top, top + 1, (size, fan_in, 1, 1))
    return Linear(name, (source,), weight=weight, weight_bits=built.build.weight_bits)


def _lif(built: Built, rng: np.random.Generator, name: str, source: str, size: int) -> LIFNeuron:
    """One of the kinds that a tile has."""
    build = built.build
    scale = min(5 << build.weight_bits - 4 + build.frac, (1 << build.width - 1) // 8)
    return LIFNeuron(
        name,
        (source,),
        theta=rng.integers(0, 8 * scale, size),
        bias=rng.integers(-scale, 2 * scale, size),
        v0=np.full(size, int(rng.integers(-2 * scale, 2 * scale))),
        frac=build.frac,
        width=build.width,
        leak=(leak := str(rng.choice(["none", "shift"]))),
        leak_shift=int(rng.integers(1, 6)) if leak == "shift" else 0,
        reset=str(rng.choice(["none", "soft", "hard"], p=[0.1, 0.5, 0.4])),
        reset_order="after" if rng.integers(2) else "before",
    )


def _network(inputs: int, steps: int, middle: Sequence[Operator], last: str, size: int, **options: Any) -> Network:
    return Network(
        "net",
        (1, 1, inputs),
        (
            RateEncode("spikes", ("input",), steps=steps, mode="regular"),
            *middle,
            Accumulate("count", (last,)),
            Readout("logits", ("count",), bias=np.zeros(size)),
        ),
        **options,
    )


def forward(built: Built, rng: np.random.Generator, sizes: Sequence[int], steps: int) -> Network:
    """Dense layers one behind the other. sizes: inputs first."""
    ops: list[Operator] = []
    source = "spikes"
    for n, (fan_in, size) in enumerate(pairwise(sizes)):
        ops.append(_dense(built, rng, f"f{n}", source, size, fan_in))
        ops.append(_lif(built, rng, source := f"n{n}", f"f{n}", size))
    return _network(sizes[0], steps, ops, source, sizes[-1])


def recurrent(built: Built, rng: np.random.Generator, sizes: Sequence[int], steps: int) -> Network:
    """A layer that reads itself a step before, and one behind it. sizes: inputs, the two layers."""
    inputs, size, last = sizes
    before = Tensor("before", (size, 1, 1), Encoding.RATE, steps, 1, timed=True)
    ops = [
        _dense(built, rng, "inward", "spikes", size, inputs),
        _dense(built, rng, "across", "before", size, size),
        Add("both", ("inward", "across")),
        _lif(built, rng, "n0", "both", size),
        _dense(built, rng, "out", "n0", last, size),
        _lif(built, rng, "n1", "out", last),
    ]
    return _network(inputs, steps, ops, "n1", last, state_edges=(StateEdge("n0", before, 1),))


def cut(built: Built, network: Network, pieces: Sequence[int]) -> Clustering:
    """Its neurons in clusters of these sizes, in their order."""
    net = from_network(network)
    ends = net.inputs + np.cumsum(pieces)
    sets = [np.arange(end - size, end) for end, size in zip(ends, pieces, strict=True)]
    clustering = of_neurons(net, built.tile, sets)
    clustering.check()
    return clustering


def case(
    built: Built, network: Network, pieces: Sequence[int], tile: Sequence[int], tiles: int, x: np.ndarray, wheel: int,
    ready: Sequence[int] | None = None,
) -> Case:  # fmt: skip
    """The network on a ring, and what its reference and the flit-level model say about frames `x`. pieces: neurons of
    each cluster. ready: as of Spikes."""
    clustering = cut(built, network, pieces)
    net = clustering.connectome
    names = [layer.name for layer in net.layers]
    _, traces = network.run(x, trace=names)
    steps = network.tensors[names[0]].steps
    trains = np.concatenate([traces[name].reshape(len(x) * steps, -1) for name in names], axis=1)
    system = mapped(clustering, np.array(tile), Ring(tiles), built.times, room=built.room)
    spikes = replace(fired(clustering, trains != 0, steps), ready=ready)
    slots = allocate(system, caps_of(system, [spikes]), wheel)
    weights, neurons = weights_of(network, clustering, system), neurons_of(network, clustering, built.build)
    words = {
        unit.node: tile_words(system, weights, neurons, n, built.build)
        for n, unit in enumerate(system.units)
        if unit.node != system.topology.host
    }
    return Case(system, slots, spikes, run(system, slots, spikes), words, slot_words(system, slots))
