# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Connectomes of networks, held against the network's own operators, and of edge lists."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pyflow.edges import StateEdge
from pyflow.errors import VolleyError
from pyflow.graph import INPUT, Network
from pyflow.machines.tiles import from_network, measured, read_edges
from pyflow.operators import (
    Accumulate,
    Add,
    And,
    Conv,
    Direct,
    Encode,
    Encoding,
    GatedMaxPool,
    Linear,
    MaxPool,
    RadixNeuron,
    Readout,
    Residual,
    SumPool,
    Synapse,
)
from tests.unit.tiles.nets import axons, branches, convolutions, lif, network, recurrent, weights


def read_by(net: Network, name: str, fired: str, late: bool) -> np.ndarray:
    """Which elements of the tensor `fired` (one step late?) the layer `name` reads, by running what stands between on
    one spike at a time with all weights 1: bool [elements of name, elements of fired]."""
    shape = net.tensors[fired].shape
    spikes = np.eye(math.prod(shape), dtype=np.int64).reshape(-1, *shape)
    held: dict[str, np.ndarray] = {}
    layers = {layer.name for layer in from_network(net).layers}

    def value(tensor: str) -> np.ndarray:
        if tensor in held:
            return held[tensor]
        edge = next((edge for edge in net.state_edges if edge.name == tensor), None)
        if edge or tensor in layers:
            same = (edge.source == fired and late) if edge else (tensor == fired and not late)
            own = spikes if same else np.zeros((len(spikes), *net.tensors[tensor].shape), np.int64)
        else:
            own = made(tensor)
        return held.setdefault(tensor, own)

    def made(tensor: str) -> np.ndarray:
        op = next(op for op in net.operators if op.name == tensor)
        operands = [value(source) for source in op.inputs]
        if isinstance(op, Synapse):
            return replace(op, weight=np.ones_like(op.weight)).run(*operands)
        if isinstance(op, Add | And | Residual):
            return operands[0] + operands[1]
        if op.kind in ("lif", "membrane", "neuron", "readout", "accumulate", "direct"):
            return operands[0]
        if isinstance(op, GatedMaxPool):
            return op.windows(operands[0]).max(axis=(4, 5))
        return op.run(*operands)

    return made(name).reshape(len(spikes), -1).T > 0


def radix() -> Network:
    """Words, a skip, a pool of potentials' words, no time."""
    return Network(
        "radix",
        (2, 4, 4),
        (
            Encode("encode", (INPUT,), steps=4),
            Linear("f1", ("encode",), weight=weights(4, 32, 1, 1)),
            RadixNeuron("n1", ("f1",), theta=np.full(4, 9), bias=np.zeros(4), steps=3),
            Linear("f2", ("n1",), weight=weights(4, 4, 1, 1)),
            Residual("r2", ("f2", "n1"), multiplier=np.full(4, 20)),
            RadixNeuron("n2", ("r2",), theta=np.full(4, 9), bias=np.zeros(4), steps=3),
            Linear("f3", ("n2",), weight=weights(3, 4, 1, 1), weight_bits=6),
            Readout("logits", ("f3",), bias=np.zeros(3)),
        ),
    )


def pools() -> Network:
    """Pools in a row, spikes of two layers together, potentials of an image at every step."""
    return Network(
        "pools",
        (1, 4, 4),
        (
            Encode("encode", (INPUT,), steps=4),
            MaxPool("m1", ("encode",), kernel=(2, 2), stride=(1, 1)),
            Linear("f1", ("m1",), weight=weights(4, 9, 1, 1)),
            Direct("steps", ("f1",), steps=5),
            lif("n1", "steps", 4),
            Linear("f2", ("n1",), weight=weights(4, 4, 1, 1)),
            lif("n2", "f2", 4),
            And("a1", ("n1", "n2")),
            SumPool("s1", ("a1",)),
            SumPool("s2", ("s1",)),
            lif("n3", "s2", 4),
            Linear("f4", ("n3",), weight=weights(2, 4, 1, 1)),
            Accumulate("count", ("f4",)),
            Readout("logits", ("count",), bias=np.zeros(2)),
        ),
        time_block=1,
    )


@pytest.mark.parametrize("build", [convolutions, branches, recurrent, radix, pools])
def test_every_neuron_reads_what_the_operators_read(build):
    net = build()
    found = from_network(net)
    layers = {layer.name: layer for layer in found.layers}
    neurons = [layer for layer in found.layers if layer.first >= found.inputs]
    assert sum(math.prod(layer.shape) for layer in neurons) == found.neurons
    for layer in neurons:
        first, count = layer.first, math.prod(layer.shape)
        want = np.zeros((count, 2 * found.sources), bool)
        for source in layers.values():
            columns = 2 * (source.first + np.arange(math.prod(source.shape)))
            for late in (False, True):
                want[:, columns + late] = read_by(net, layer.name, source.name, late)
        for n in range(count):
            group = found.group[first - found.inputs + n]
            assert found.fan_in[group].tolist() == np.flatnonzero(want[n]).tolist(), f"{layer.name}[{n}]"


def test_what_is_a_layer_of_neurons():
    def layers(build):
        return [layer.name for layer in from_network(build()).layers]

    assert layers(convolutions) == ["spikes", "n1", "n2", "n3", "p1", "n4"]  # a neuron reads s1's sums
    assert layers(branches) == ["spikes", "n1", "s1", "n2", "n3", "n4"]  # a layer reads s1
    assert layers(recurrent) == ["spikes", "n1"]
    assert layers(radix) == ["encode", "n1", "n2", "logits"]
    assert layers(pools) == ["encode", "m1", "n1", "n2", "a1", "s1", "n3", "count"]


def test_words_and_weights_of_a_network():
    assert [(n.word_bits, n.weight_bits) for n in map(from_network, (convolutions(), radix()))] == [(1, 4), (4, 6)]


def test_a_loop_of_one_step():
    net = from_network(recurrent())
    assert (net.inputs, net.neurons, net.synapses) == (3, 4, 28)
    assert net.fan_in[0].tolist() == axons(0, 1, 2, late=(3, 4, 5, 6)).tolist()
    assert net.levels.tolist() == [1]


def test_longer_delays_are_refused_in_a_line():
    with pytest.raises(VolleyError, match="'net': state edge 'before' from 'n1' delays by 2 time steps, an edge of a"):
        from_network(recurrent(delay=2))
    twice = network(
        (1, 1, 3),
        Linear("inward", ("far",), weight=weights(2, 3, 1, 1)),
        lif("n1", "inward", 2),
        last="n1",
        size=2,
        state_edges=(StateEdge("spikes", "near", 1), StateEdge("near", "far", 1)),
    )
    with pytest.raises(VolleyError, match="state edge 'far' from 'spikes' delays by 2 time steps"):
        from_network(twice)


def test_a_large_convolution_is_not_written_out():
    net = network(
        (64, 56, 56),
        Conv("c1", ("spikes",), weight=weights(64, 64, 3, 3), padding=(1, 1)),
        lif("n1", "c1", 64),
        Linear("f1", ("n1",), weight=np.zeros((1, 64 * 56 * 56, 1, 1), np.int8)),
        lif("n2", "f1", 1),
        last="n2",
        size=1,
    )
    found = from_network(net)
    taps = 64 * (3 * 56 - 2) ** 2  # of all windows, without padding
    assert found.synapses == 64 * taps + 64 * 56 * 56 > 100_000_000
    assert len(found.fan_in.values) == taps + 64 * 56 * 56 < 2_000_000


def test_rates_are_measured():
    net = convolutions()
    frames = np.random.default_rng(0).integers(0, 256, (5, 2, 7, 6))
    found = measured(from_network(net), net, frames)
    _, traces = net.run(frames, trace=True)
    for layer in found.layers:
        spikes = traces[layer.name]
        count = math.prod(layer.shape)
        assert np.allclose(found.rates[layer.first : layer.first + count], spikes.mean((0, 1)).reshape(-1))


def test_rates_of_an_input_that_neurons_read():
    net = Network(
        "plain",
        (3, 1, 1),
        (
            Linear("f1", (INPUT,), weight=weights(2, 3, 1, 1)),
            lif("n1", "f1", 2),
            Accumulate("count", ("n1",)),
            Readout("logits", ("count",), bias=np.zeros(2)),
        ),
        input_encoding=Encoding.RATE,
        input_steps=4,
    )
    frames = np.random.default_rng(1).integers(0, 2, (6, 4, 3, 1, 1))
    assert np.allclose(measured(from_network(net), net, frames).rates[:3], frames.mean((0, 1)).reshape(-1))


# ---------------------------------------------------------------------- edge lists
ROWS = np.array([(7, 9, 0), (7, 4, 0), (9, 4, 1), (4, 4, 1), (2, 9, 0)])


def write(path, **columns):
    if path.suffix == ".npz":
        np.savez(path, **columns)
    else:
        rows = zip(*columns.values(), strict=True)
        path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


@pytest.fixture(params=["net.npz", "net.csv"])
def path(request, tmp_path):
    return tmp_path / request.param


def test_an_edge_list(path):
    rate = [0.5, 0.5, 0.25, 2, 0]
    net = read_edges(write(path, source=ROWS[:, 0], target=ROWS[:, 1], delay=ROWS[:, 2], rate=rate))
    assert (net.name, net.inputs, net.neurons) == (path.name, 2, 2)
    assert net.labels is not None
    assert net.labels.tolist() == [2, 7, 4, 9]
    assert net.fan_in[net.group[0]].tolist() == axons(1, late=(2, 3)).tolist()
    assert net.fan_in[net.group[1]].tolist() == axons(0, 1).tolist()
    assert net.rates.tolist() == [0, 0.5, 2, 0.25]
    assert net.title(3) == "9"


def test_columns_that_may_be_left_out(path):
    net = read_edges(write(path, source=[1, 2], target=[3, 3]))
    assert net.fan_in[0].tolist() == axons(0, 1).tolist()
    assert net.rates.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"source": [1]}, "has no 'target'; give columns source, target and"),
        ({"source": [1], "target": [2], "weight": [3]}, "has 'weight'; give columns"),
        ({"source": [1], "target": [2], "delay": [3]}, "synapse 1 -> 2 has a delay of 3 time steps, an edge of a tile"),
        ({"source": [1], "target": [-2]}, "target -2.* of synapse 0 is no whole number, 0 or more"),
        ({"source": [1.5], "target": [2]}, "source 1.5 of synapse 0 is no whole number"),
        ({"source": [1, 1], "target": [2, 2]}, "synapse 1 -> 2 with delay 0 stands twice; add the weights"),
        ({"source": [1, 1], "target": [2, 3], "rate": [1, 2]}, "source 1 has rates 1.* and 2.*; give it one"),
        ({"source": [1], "target": [2], "rate": [-1]}, "a rate is no number of spikes per step, 0 or more"),
        ({"source": [], "target": []}, "holds no synapse; give columns"),
    ],
)
def test_edge_lists_that_are_refused(path, columns, message):
    with pytest.raises(VolleyError, match=f"{path.name}: {message}"):
        read_edges(write(path, **columns))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("source,target\n1,2\n1,x\n", "line 3: '1,x' are not numbers"),
        ("source,target\n1,2,3\n", "line 2 has 3 values, the first line 2 names"),
        ("source,target,source\n1,2,3\n", "a column stands twice in source, target, source"),
        ("", "has no 'source'"),
    ],
)
def test_text_that_is_no_edge_list(tmp_path, text, message):
    path = tmp_path / "net.csv"
    path.write_text(text)
    with pytest.raises(VolleyError, match=message):
        read_edges(path)


def test_arrays_of_unequal_length(tmp_path):
    with pytest.raises(VolleyError, match="must be one list each, as long as the others"):
        read_edges(write(tmp_path / "net.npz", source=np.arange(2), target=np.arange(3)))


def test_a_circle_in_a_file_is_named_by_its_numbers(path):
    net = read_edges(write(path, source=[1, 5, 8], target=[5, 8, 5]))
    with pytest.raises(VolleyError, match=r"neurons wait for each other within a time step \(5 -> 8 -> 5\)"):
        _ = net.levels
