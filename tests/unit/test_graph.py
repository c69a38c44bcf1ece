# SPDX-License-Identifier: Apache-2.0
"""The IR as a graph: branches, per-tensor T, state edges, files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pyflow import zoo
from pyflow.errors import VolleyError
from pyflow.graph import Network, StateEdge
from pyflow.hardware import Folding
from pyflow.operators import Conv, Encode, Encoding, MaxPool, RadixNeuron, Readout, Tensor


def chain(**options: object) -> Network:
    rng = np.random.default_rng(0)
    operators = (
        Encode("encode", ("input",), steps=8),
        Conv("a", ("encode",), kernel=(3, 3), weight=rng.integers(-7, 8, (2, 1, 3, 3))),
        RadixNeuron("a_neuron", ("a",), theta=np.array([90, 120]), bias=np.zeros(2), steps=3),
        Conv("b", ("a_neuron",), kernel=(4, 4), weight=rng.integers(-7, 8, (3, 2, 4, 4))),
        Readout("logits", ("b",), bias=np.zeros(3)),
    )
    return Network("chain", (1, 6, 6), operators, **options)  # type: ignore[arg-type]


def test_steps_belong_to_the_tensor() -> None:
    network = chain()
    assert [network.tensors[n].steps for n in ("input", "encode", "a_neuron")] == [8, 8, 3]
    assert network.tensors["a"].encoding is Encoding.POTENTIAL


def test_branches_are_a_graph() -> None:
    network = chain()
    pool = MaxPool("side", ("a_neuron",), kernel=(2, 2), stride=(2, 2))
    branched = replace(network, operators=(*network.operators[:3], pool, *network.operators[3:]))
    assert {op.name for op in branched.readers("a_neuron")} == {"side", "b"}
    x = np.random.default_rng(1).random((4, 1, 6, 6))
    np.testing.assert_array_equal(branched.run(x), network.run(x))


def test_state_edges_survive_the_file(tmp_path: Path) -> None:
    fed_back = Tensor("previous", (2, 4, 4), Encoding.RADIX, 3, 7)
    network = chain(state_edges=(StateEdge("a_neuron", fed_back),))
    network.save(tmp_path / "n.vly")
    assert Network.load(tmp_path / "n.vly").state_edges == network.state_edges
    with pytest.raises(VolleyError, match="not run yet"):
        network.run(np.zeros((1, 1, 6, 6)))
    with pytest.raises(VolleyError, match="not of the type"):
        chain(state_edges=(StateEdge("a_neuron", replace(fed_back, steps=4, bound=15)),))
    with pytest.raises(VolleyError, match="unknown tensor 'nothing'"):
        chain(state_edges=(StateEdge("nothing", fed_back),))


@pytest.mark.parametrize("name", zoo.names())
def test_every_operator_answers(name: str) -> None:
    network = zoo.load(name)
    for op in network.operators:
        sources = network.sources(op)
        folding = Folding(pe=1, lanes=1, slice="tap")
        assert op.cycles(folding, *sources) > 0
        assert op.cost(folding, *sources).lut >= 0
        shape = network.tensors[op.name].shape
        values = [np.zeros((2, *s.shape), np.int64) for s in sources]
        assert op.run(*values).shape == (2, *shape)


def test_graph_errors_name_the_operator() -> None:
    network = chain()
    with pytest.raises(VolleyError, match="'b'.*reads 'a_neuron'"):
        replace(network, operators=(*network.operators[:2], *network.operators[3:]))
    with pytest.raises(VolleyError, match="two operators are called 'a'"):
        replace(network, operators=(*network.operators[:2], network.operators[1]))
    with pytest.raises(VolleyError, match="theta 0 of channel 1"):
        RadixNeuron("n", ("a",), theta=np.array([3, 0]), bias=np.zeros(2))
    with pytest.raises(VolleyError, match="outside \\+-7"):
        Conv("c", ("x",), weight=np.full((1, 1, 1, 1), -8))
