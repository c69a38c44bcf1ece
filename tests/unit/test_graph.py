# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The IR as a graph: branches, per-tensor T, state edges, files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pyflow import zoo
from pyflow.edges import StateEdge
from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.operators import (
    Accumulate,
    Add,
    Conv,
    Encode,
    Encoding,
    LIFNeuron,
    Linear,
    MaxPool,
    RadixNeuron,
    RateEncode,
    Readout,
    Tensor,
)


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


BEFORE = Tensor("before", (2, 1, 1), Encoding.RATE, 5, 1, timed=True)


def recurrent(steps: int = 5, **options: object) -> Network:
    """Two neurons that hear each other one step later."""
    fed_back = replace(BEFORE, steps=steps)
    operators = (
        RateEncode("encode", ("input",), steps=steps, mode="regular"),
        Linear("inward", ("encode",), weight=np.array([[2], [1]])[:, :, None, None]),
        Linear("across", ("before",), weight=np.array([[0, -1], [3, 0]])[:, :, None, None]),
        Add("sum", ("inward", "across")),
        LIFNeuron("neuron", ("sum",), theta=np.array([3, 4]), width=8),
        Accumulate("count", ("neuron",)),
        Readout("logits", ("count",), bias=np.zeros(2)),
    )
    options = {"state_edges": (StateEdge("neuron", fed_back),), **options}
    return Network("recurrent", (1, 1, 1), operators, **options)  # type: ignore[arg-type]


def test_state_edges_survive_the_file(tmp_path: Path) -> None:
    network = recurrent()
    network.save(tmp_path / "n.vly")
    assert Network.load(tmp_path / "n.vly").state_edges == network.state_edges
    with pytest.raises(VolleyError, match="not of the type"):
        recurrent(state_edges=(StateEdge("neuron", replace(BEFORE, bound=2)),))
    with pytest.raises(VolleyError, match="unknown tensor 'nothing'"):
        recurrent(state_edges=(StateEdge("nothing", BEFORE),))
    static = Tensor("previous", (2, 4, 4), Encoding.RADIX, 3, 7)
    with pytest.raises(VolleyError, match="cannot be delayed, a radix word"):
        chain(state_edges=(StateEdge("a_neuron", static),))


def test_a_state_edge_gives_the_step_before() -> None:
    network = recurrent()
    x = np.arange(0, 256, 15)[:, None, None, None]
    _, trace = network.run(x, trace=True)
    weight = {op.name: op.weight[:, :, 0, 0].astype(np.int64) for op in network.operators if isinstance(op, Linear)}
    for spikes, inward, out in zip(
        trace["encode"][:, :, 0, 0, 0], trace["sum"][..., 0, 0], trace["neuron"][..., 0, 0], strict=True
    ):
        before = np.zeros(2, np.int64)
        for t in range(5):
            np.testing.assert_array_equal(inward[t], weight["inward"][:, 0] * spikes[t] + weight["across"] @ before)
            before = out[t]


def test_loops() -> None:
    network = recurrent()
    assert [[op.name for op in loop] for loop in network.loops()] == [["across", "sum", "neuron"]]
    edge = network.state_edges[0]
    spare = replace(BEFORE, name="spare")
    with pytest.raises(VolleyError, match="'spare': no operator reads it"):
        replace(network, state_edges=(edge, StateEdge("neuron", spare)))
    with pytest.raises(VolleyError, match=r"declare it as Tensor.*bound=1"):
        recurrent(state_edges=(StateEdge("neuron", replace(BEFORE, bound=2)),))
    with pytest.raises(VolleyError, match="cannot be delayed, it is static"):
        recurrent(state_edges=(StateEdge("input", BEFORE),))
    for name in ("", "a/b", "a b", "1st"):
        with pytest.raises(VolleyError, match="must be letters"):
            recurrent(state_edges=(StateEdge("neuron", replace(BEFORE, name=name)),))


def test_an_edge_beside_a_loop_is_a_delay() -> None:
    network = recurrent()
    late = replace(network.tensors["encode"], name="late")
    last = (
        Linear("side", ("late",), weight=np.ones((2, 1, 1, 1))),
        Add("both", ("sum", "side")),
        Accumulate("count", ("both",)),
        network.operators[-1],
    )
    network = replace(
        network,
        operators=(*network.operators[:-2], *last),
        state_edges=(*network.state_edges, StateEdge("encode", late)),
    )
    _, trace = network.run(np.arange(0, 256, 51)[:, None, None, None], trace=True)
    assert not trace["late"][:, 0].any()
    np.testing.assert_array_equal(trace["late"][:, 1:], trace["encode"][:, :-1])


def test_time_block() -> None:
    assert recurrent().time_block == 1
    with pytest.raises(VolleyError, match=r"time_block = 5 must be one of 1 .a state edge"):
        recurrent(time_block=5)
    operators = (
        RateEncode("encode", ("input",), steps=12),
        Accumulate("count", ("encode",)),
        Readout("logits", ("count",), bias=np.zeros(1)),
    )
    network = Network("count", (1, 1, 1), operators)
    assert (network.time_block, network.tensors["encode"].block, network.tensors["encode"].passes) == (4, 4, 3)
    x = np.arange(256)[:, None, None, None]
    for block in (1, 2, 3, 4, 6, 12):
        np.testing.assert_array_equal(replace(network, time_block=block).run(x), network.run(x))
    with pytest.raises(VolleyError, match="time_block = 5 must be one of 1, 2, 3, 4, 6, 12"):
        replace(network, time_block=5)


def test_inputs_and_host_bytes() -> None:
    operators = (Accumulate("count", ("input",)), Readout("logits", ("count",), bias=np.zeros(2)))
    network = Network("events", (2, 1, 1), operators, input_encoding=Encoding.RATE, input_steps=6, time_block=3)
    x = np.array([[1, 0], [1, 1], [0, 0], [0, 1], [0, 0], [1, 1]])[None]  # [N, T, C]
    np.testing.assert_array_equal(network.inputs(x)[..., 0, 0], x)
    np.testing.assert_array_equal(network.host_bytes(x), [[0b110, 0b010, 0b001, 0b101]])  # pass, then channel
    np.testing.assert_array_equal(network.run(x), [[3, 3]])
    with pytest.raises(VolleyError, match=r"value 2 at .* is neither 0 nor 1"):
        network.inputs(2 * x)
    with pytest.raises(VolleyError, match="N,T,C,H,W"):
        network.inputs(x[:, :5])


def test_pairs_that_make_no_sense_are_refused() -> None:
    source = Tensor("s", (2, 4, 4), Encoding.PHASE, 8, 1, timed=True)
    with pytest.raises(VolleyError, match="phase-coded, which no neuron decodes"):
        Conv("c", ("s",), weight=np.ones((1, 2, 1, 1))).infer(source)
    potential = Tensor("s", (2, 4, 4), Encoding.POTENTIAL, 8, 9, timed=True)
    with pytest.raises(VolleyError, match="has time steps; use a lif neuron"):
        RadixNeuron("n", ("s",), np.ones(2), np.zeros(2)).infer(potential)
    with pytest.raises(VolleyError, match="accumulate over time first"):
        Readout("r", ("s",), np.zeros(2)).infer(potential)


@pytest.mark.parametrize("name", zoo.names())
def test_every_operator_answers(name: str) -> None:
    network = zoo.load(name)
    for op in network.operators:
        sources = network.sources(op)
        shape = network.tensors[op.name].shape
        values = [np.zeros((2, *s.shape), np.int64) for s in sources]
        assert op.run(*values).shape == (2, *shape)


def test_graph_errors_name_the_operator() -> None:
    network = chain()
    with pytest.raises(VolleyError, match=r"'b'.*reads 'a_neuron'"):
        replace(network, operators=(*network.operators[:2], *network.operators[3:]))
    with pytest.raises(VolleyError, match="two operators are called 'a'"):
        replace(network, operators=(*network.operators[:2], network.operators[1]))
    with pytest.raises(VolleyError, match="theta 0 of channel 1"):
        RadixNeuron("n", ("a",), theta=np.array([3, 0]), bias=np.zeros(2))
    with pytest.raises(VolleyError, match="outside \\+-7"):
        Conv("c", ("x",), weight=np.full((1, 1, 1, 1), -8))
