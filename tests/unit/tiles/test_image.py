# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What is loaded into tiles: the words, and what is refused. tests/rtl/test_tile.py runs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.machines.tiles import Tile, from_network, of_neurons
from pyflow.machines.tiles.image import (
    NEURONS,
    PLACES,
    WEIGHTS,
    Build,
    Neurons,
    first_neurons,
    neurons_of,
    slot_words,
    tile_words,
    weights_of,
)
from pyflow.machines.tiles.mapped import mapped
from pyflow.machines.tiles.slots import allocate
from pyflow.machines.tiles.system import Connection, Context, Role, System, Unit
from pyflow.machines.tiles.topology import Ring
from pyflow.operators import LIFNeuron, Linear
from tests.unit.tiles.nets import lif, network, recurrent, weights

INPUTS, HIDDEN = 5, 19


def dense(**kind: Any) -> Network:
    """19 neurons, and 3 behind them. kind: of the first ones."""
    first = LIFNeuron("n1", ("f1",), **({"theta": np.full(HIDDEN, 4)} | kind))
    return network(
        (1, 1, INPUTS),
        Linear("f1", ("spikes",), weight=weights(HIDDEN, INPUTS, 1, 1)),
        first,
        Linear("f2", ("n1",), weight=weights(3, HIDDEN, 1, 1)),
        lif("n2", "f2", 3),
        last="n2",
        size=3,
    )


def on_tiles(net: Network, tile: Sequence[int], *sets: range) -> tuple[System, list[np.ndarray], dict[int, Neurons]]:
    clustering = of_neurons(from_network(net), Tile(), [np.array(s) for s in sets])
    system = mapped(clustering, np.array(tile), Ring(max(tile) + 1))
    return system, weights_of(net, clustering, system), neurons_of(net, clustering)


LAYERS = (range(INPUTS, INPUTS + HIDDEN), range(INPUTS + HIDDEN, INPUTS + HIDDEN + 3))


def test_words_hold_the_network() -> None:
    net = dense()
    system, found, neurons = on_tiles(net, [0, 0], *LAYERS)
    words = dict(tile_words(system, found, neurons, 0))
    # 19 neurons are two folds of 5 axons; the next context's 19 rows lie behind them. A word has 8 weights.
    for operator, first, folds in (("f1", 0, 2), ("f2", 2 * INPUTS, 1)):
        weight = next(op for op in net.operators if op.name == operator).weight[:, :, 0, 0]  # type: ignore[attr-defined]
        for n, row in enumerate(weight):
            fold, lane = divmod(n, 16)
            for axon, value in enumerate(row):
                at = first + fold * len(row) + axon
                nibble = words[WEIGHTS | 2 * at + lane // 8] >> 4 * (lane % 8) & 15
                assert (nibble ^ 8) - 8 == value
        assert folds == -(-len(weight) // 16)
    assert words[NEURONS | 18] == 1 << 31 | 1 << 30 | 4 << 15  # read, in the same step as well
    assert words[NEURONS | 19] == 0  # padding
    assert first_neurons(system)[:2] == [0, 20]
    places = [words[PLACES | n] for n in range(INPUTS)]
    assert places == [1 << 31 | n for n in range(INPUTS)]


def test_what_is_late_is_no_flit_of_a_last_step() -> None:
    system, _, neurons = on_tiles(recurrent(), [0], range(3, 7))
    late = Connection(0, 0, np.arange(4), 1)
    some = Connection(0, 2, np.arange(1))
    system = System(
        system.topology, system.contexts,
        (*(of for of in system.connections if of.source == 1), late, some), system.units,
    )  # fmt: skip
    rows = [np.zeros((len(of.reads), 4), np.int64) for of in system.connections]
    words = dict(tile_words(system, rows, neurons, 0))
    assert [words[NEURONS | n] >> 30 for n in range(4)] == [3, 2, 2, 2]


def test_slots_of_a_node_are_those_of_its_units() -> None:
    system, _, _ = on_tiles(dense(), [0, 1], *LAYERS)
    slots = allocate(system, [HIDDEN, 3, INPUTS, 0], 16)
    words = slot_words(system, slots)
    assert len(words) == 3
    for unit, owned in zip(system.units, slots.owned, strict=True):
        for kind in (0, 1):
            have = {slot for slot, bits in words[unit.node] if bits >> kind & 1}
            assert set(owned[kind].tolist()) <= have
    assert all(bits == 0 for node in words for slot, bits in node if slot >= 16)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ({"leak": "multiply", "alpha": np.full(HIDDEN, 3), "leak_frac": 2}, "leak is multiply"),
        ({"leak": "shift", "leak_shift": 16}, "leak_shift is 16"),
        ({"current": "new"}, "current is new"),
        ({"adapt": True}, "adapt is True"),
        ({"refractory": 2}, "refractory is 2"),
        ({"v_leak": 3, "leak": "shift", "leak_shift": 1}, "v_leak is 3"),
        ({"reset": "hard", "v_reset": -1}, "v_reset is -1"),
        ({"frac": 2}, "frac is 2"),
        ({"width": 12}, "width is 12"),
        ({"reset_amount": np.arange(HIDDEN)}, "reset_amount is up to 18"),
        ({"v0": np.arange(HIDDEN)}, "v0 is up to 18"),
        ({"bias": np.full(HIDDEN, 1 << 14)}, "bias is up to 16384"),
    ],
)
def test_neurons_that_a_tile_lacks_are_named(kind: dict[str, Any], key: str) -> None:
    with pytest.raises(VolleyError, match=f"n1: {key}; neurons of a tile have "):
        on_tiles(dense(**kind), [0, 1], *LAYERS)


def test_neurons_of_two_layers_are_no_context() -> None:
    net = dense()
    both = of_neurons(from_network(net), Tile(), [np.arange(INPUTS, INPUTS + HIDDEN + 3)])
    with pytest.raises(VolleyError, match="c0: neurons of 'n1' and 'n2'; a context has one kind of neuron"):
        neurons_of(net, both)


def _ring(*connections: Connection, order: tuple[tuple[int, ...], ...] = ((2,), (3,))) -> System:
    contexts = (Context("in", 4, Role.SOURCE), Context("out", 0, Role.SINK), Context("a", 4), Context("b", 4))
    units = (Unit(2, (0,)), Unit(2, (1,)), *(Unit(n, turns) for n, turns in enumerate(order)))
    return System(Ring(2), contexts, connections, units)


def _words(system: System, unit: int, **build: int) -> list[tuple[int, int]]:
    rows = [np.zeros((len(of.reads), 4), np.int64) for of in system.connections]
    kind = Neurons(np.full(4, 3), np.zeros(4, np.int64))
    return tile_words(system, rows, {2: kind, 3: kind}, unit, Build(**build))


@pytest.mark.parametrize(
    ("connections", "order", "build", "message"),
    [
        ([(0, 2), (0, 3), (2, 1), (3, 1)], ((2, 3), ()), {},
         "in: its flits would go to two contexts of a tile; put them on two tiles"),
        ([(0, 2), (0, 3, 1), (2, 1), (3, 1), (2, 3, 1)], ((3,), (2,)), {},
         "b: reads nothing of the same step, so nothing tells it where a frame ends"),
        ([(0, 2), (0, 3), (3, 1)], ((2,), (3,)), {}, "a: nobody reads it"),
        ([(0, 2), (2, 1), (0, 3), (3, 1), (3, 2, 1)], ((2,), (3,)), {"table": 7},
         "a: their sources have 8 neurons, a tile's table 7 places; more tiles"),
    ],
)  # fmt: skip
def test_systems_that_no_tile_runs(
    connections: list[tuple[int, ...]], order: tuple[tuple[int, ...], ...], build: dict[str, int], message: str
) -> None:
    rows = [Connection(ends[0], ends[1], np.arange(4), sum(ends[2:])) for ends in connections]
    with pytest.raises(VolleyError) as error:
        _words(_ring(*rows, order=tuple(turns for turns in order if turns)), 2, **build)
    assert str(error.value) == message
