# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Edges with a delay: forward ones and those of loops, their files, their types, what is refused."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pyflow.cores.stream import StepDelay
from pyflow.edges import StateEdge, checked_delay
from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.operators import (
    Accumulate,
    Add,
    DeltaEncode,
    Encode,
    Encoding,
    LIFNeuron,
    Linear,
    Operator,
    RadixNeuron,
    RateEncode,
    Readout,
    Tensor,
)
from pyflow.planning.folding import Folding
from pyflow.planning.lowering import build_netlist

STEPS, SIZE = 6, 3
BEFORE = Tensor("before", (SIZE, 1, 1), Encoding.RATE, STEPS, 1, timed=True)
ACROSS = np.array([[0, -1, 2], [3, 0, 0], [1, 1, -2]])
FRAMES = np.random.default_rng(0).integers(0, 256, (8, 1, 1, 2))


def network(*middle: Operator, last: str, edges: tuple[StateEdge, ...], **options: object) -> Network:
    """Spikes "encode" and "inward", potentials of them; `middle`; the sum of `last`."""
    operators = (
        RateEncode("encode", ("input",), steps=STEPS, mode="regular"),
        Linear("inward", ("encode",), weight=np.array([[2, 1], [1, 3], [0, 2]])[:, :, None, None]),
        *middle,
        Accumulate("count", (last,)),
        Readout("logits", ("count",), bias=np.zeros(SIZE)),
    )
    return Network("delays", (1, 1, 2), operators, state_edges=edges, **options)  # type: ignore[arg-type]


def forward(delay: object, source: str = "inward", **options: object) -> Network:
    edge = StateEdge(source, "late", delay)  # type: ignore[arg-type]
    return network(Add("both", ("inward", "late")), last="both", edges=(edge,), **options)


def loop(*edges: StateEdge, **options: object) -> Network:
    """Neurons that hear themselves through ACROSS, once for every edge."""
    layers: list[Operator] = []
    sums = "inward"
    for n, edge in enumerate(edges):
        layers.append(Linear(f"across{n}", (edge.name,), weight=ACROSS[:, :, None, None]))
        layers.append(Add(f"sum{n}", (sums, f"across{n}")))
        sums = f"sum{n}"
    neuron = LIFNeuron("neuron", (sums,), theta=np.array([3, 4, 2]), width=10)
    return network(*layers, neuron, last="neuron", edges=edges, **options)


def fed(delay: int, name: str = "before", source: str = "neuron") -> StateEdge:
    return StateEdge(source, replace(BEFORE, name=name), delay)


@pytest.mark.parametrize("delay", [1, 2, 3, 4, STEPS - 1])
def test_a_forward_delay(delay: int) -> None:
    _, trace = forward(delay).run(FRAMES, trace=True)
    for t in range(STEPS):
        expected = trace["inward"][:, t - delay] if t >= delay else 0
        np.testing.assert_array_equal(trace["late"][:, t], expected)
        np.testing.assert_array_equal(trace["both"][:, t], trace["inward"][:, t] + expected)


def test_a_delayed_input() -> None:
    operators = (
        Add("both", ("input", "late")),
        Accumulate("count", ("both",)),
        Readout("out", ("count",), np.zeros(2)),
    )
    net = Network("events", (2, 1, 1), operators, 1.0, (StateEdge("input", "late", 2),), {}, Encoding.RATE, 4)
    x = np.random.default_rng(1).integers(0, 2, (5, 4, 2, 1, 1))
    np.testing.assert_array_equal(net.run(x), (x.sum(1) + x[:, :2].sum(1))[..., 0, 0])


@pytest.mark.parametrize("delays", [(1,), (2,), (3,), (1, 3), (2, 2), (STEPS - 1,)])
def test_a_loop(delays: tuple[int, ...]) -> None:
    net = loop(*(fed(delay, f"before{n}") for n, delay in enumerate(delays)))
    _, trace = net.run(FRAMES, trace=True)
    spikes, inward = trace["neuron"][..., 0, 0], trace["inward"][..., 0, 0]
    theta = np.array([3, 4, 2])
    for frame in range(len(FRAMES)):
        v = np.zeros(SIZE, np.int64)
        for t in range(STEPS):
            v = v + inward[frame, t] + sum(ACROSS @ spikes[frame, t - d] for d in delays if t >= d)
            np.testing.assert_array_equal(spikes[frame, t], v >= theta)
            v = v - theta * (v >= theta)
    assert [[op.name for op in found] for found in net.loops()] == [[op.name for op in net.operators[2:-2]]]


def test_delays_of_one_source_share_a_line() -> None:
    """What the longer one holds is held once."""
    edges = fed(3, "a"), fed(1, "b"), fed(1, "c"), fed(5, "d")
    net = loop(*edges)
    assert [(line.source, line.name, line.delay) for line in net.delay_lines] == [
        ("neuron", "b", 1), ("neuron", "c", 1), ("b", "a", 2), ("a", "d", 2),
    ]  # fmt: skip
    assert [net.origin(edge.name) for edge in edges] == [("neuron", edge.delay) for edge in edges]
    assert net.origin("neuron") == ("neuron", 0)


def test_an_edge_from_an_edge_adds_its_delay() -> None:
    one = loop(fed(1, "a"), fed(3, "b"))
    two = loop(fed(1, "a"), fed(2, "b", source="a"))
    assert one.delay_lines == two.delay_lines
    np.testing.assert_array_equal(one.run(FRAMES), two.run(FRAMES))


def test_types_are_those_of_the_source() -> None:
    assert forward(2).tensors["late"] == replace(forward(2).tensors["inward"], name="late")
    with pytest.raises(VolleyError, match="declare it as Tensor"):
        loop(StateEdge("neuron", replace(BEFORE, bound=2)))
    with pytest.raises(
        VolleyError, match=r"'before', a state edge from 'neuron', which stands behind it; give the edge"
    ):
        loop(StateEdge("neuron", "before"))


def test_blocks_of_time_divide_delays() -> None:
    assert [forward(delay).time_block for delay in (1, 2, 3, 4)] == [1, 2, 3, 2]
    assert loop(fed(2)).time_block == 2
    with pytest.raises(
        VolleyError, match=r"time_block = 3 must be one of 1, 2 .a state edge's delay is a whole number"
    ):
        forward(4, time_block=3)
    expected = forward(2).run(FRAMES)
    np.testing.assert_array_equal(forward(2, time_block=1).run(FRAMES), expected)


@pytest.mark.parametrize(
    ("delay", "message"),
    [
        ([1, 2], "one delay per synapse or neuron is not built, an edge has one for all"),
        (np.ones((SIZE, SIZE), int), "one delay per synapse or neuron is not built"),
        (0, "delay 0 must be a whole number of time steps, 1 to 8,388,608; read its source itself"),
        (-1, "delay -1 must be a whole number"),
        (1.5, "delay 1.5 must be a whole number"),
        (True, "delay True must be a whole number"),
        (2**23 + 1, "delay 8388609 must be a whole number"),
    ],
)
def test_one_whole_delay_for_all(delay: object, message: str) -> None:
    with pytest.raises(VolleyError, match="state edge 'late' from 'inward': .*" + message) as caught:
        forward(delay)
    assert "\n" not in str(caught.value)
    assert checked_delay("edge", np.int64(0)) == 0


RADIX = (
    Encode("encode", ("input",), steps=4),
    Linear("a", ("encode",), weight=np.ones((2, 2, 1, 1))),
    RadixNeuron("fire", ("a",), theta=np.array([9, 9]), bias=np.zeros(2), steps=3),
)


def radix() -> Network:
    last = Linear("b", ("late",), weight=np.ones((2, 2, 1, 1))), Readout("out", ("b",), bias=np.zeros(2))
    return Network("radix", (1, 1, 2), (*RADIX, *last), state_edges=(StateEdge("fire", "late"),))


def signal() -> Network:
    operators = (
        DeltaEncode("encode", ("late",), "delta", 9),
        Accumulate("count", ("encode",)),
        Readout("out", ("count",), bias=np.zeros(2)),
    )
    return Network("signal", (1, 1, 1), operators, 1.0, (StateEdge("input", "late"),), {}, Encoding.SIGNAL, 4)


def in_a_row() -> Network:
    second = Linear("second", ("late",), weight=ACROSS[:, :, None, None])
    spikes = LIFNeuron("spikes", ("second",), theta=np.full(SIZE, 3), width=10)
    edges = StateEdge("neuron", "late", 3), StateEdge("spikes", "later", STEPS - 3)
    neuron = LIFNeuron("neuron", ("inward",), theta=np.full(SIZE, 3), width=10)
    return network(neuron, second, spikes, last="later", edges=edges)


def without_delay() -> Network:
    neuron = LIFNeuron("neuron", ("sum",), theta=np.full(SIZE, 3), width=10)
    across = Linear("across", ("neuron",), weight=ACROSS[:, :, None, None])
    return network(across, Add("sum", ("inward", "across")), neuron, last="neuron", edges=())


def in_disorder() -> Network:
    net = forward(1)
    return replace(net, operators=(net.operators[1], net.operators[0], *net.operators[2:]))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (radix, "'late' from 'fire': cannot be delayed, a radix word has all its steps in one beat"),
        (signal, "'late' from 'input': cannot be delayed, a sample is no spike; delay what its encoder makes of it"),
        (lambda: forward(1, "input"), "'late' from 'input': cannot be delayed, it is static"),
        (
            without_delay,
            "linear 'across': reads 'neuron', a loop without delay .across -> sum -> neuron -> across.; read",
        ),
        (in_disorder, "linear 'inward': reads 'encode', which stands behind it; operators stand in topological order"),
        (lambda: forward(1, "nothing"), "'late' from unknown tensor 'nothing'"),
        (lambda: forward(STEPS), "'late' from 'inward': a delay of 6 leaves nothing of a frame of 6 time steps"),
        (lambda: loop(fed(4, "a"), fed(2, "b", "a")), "'b' from 'a': a delay of 6 leaves nothing"),
        (in_a_row, "no answer would wait for its frame: on every way from the input the delays add up to all its"),
        (lambda: forward(1, "late"), "'late' comes from itself"),
        (lambda: loop(fed(1, "a", "b"), fed(1, "b", "a")), "'a' comes from itself"),
        (
            lambda: replace(forward(1), state_edges=(StateEdge("inward", "both"),)),
            "'both': another tensor has this name",
        ),
        (
            lambda: replace(forward(1), state_edges=(*forward(1).state_edges, StateEdge("both", "spare"))),
            "no operator reads",
        ),
    ],
)
def test_what_is_refused(build: Callable[[], Network], message: str) -> None:
    with pytest.raises(VolleyError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_delays_survive_the_file(tmp_path: Path) -> None:
    net = loop(fed(2, "a"), fed(3, "b"))
    net.save(tmp_path / "n.vly")
    assert Network.load(tmp_path / "n.vly").state_edges == net.state_edges
    forward(3).save(tmp_path / "n.vly")
    again = Network.load(tmp_path / "n.vly")
    assert again.state_edges == (StateEdge("inward", replace(again.tensors["late"], block=1), 3),)
    np.testing.assert_array_equal(again.run(FRAMES), forward(3).run(FRAMES))


def test_files_of_format_2_have_delays_of_one_step(tmp_path: Path) -> None:
    loop(fed(1)).save(tmp_path / "new.vly")
    with zipfile.ZipFile(tmp_path / "new.vly") as new, zipfile.ZipFile(tmp_path / "old.vly", "w") as old:
        for name in new.namelist():
            data = new.read(name)
            if name == "network.json":
                document = json.loads(data) | {"version": 2}
                assert [edge.pop("delay") for edge in document["state_edges"]] == [1]
                data = json.dumps(document).encode()
            old.writestr(name, data)
    assert Network.load(tmp_path / "old.vly").state_edges == loop(fed(1)).state_edges


def cores(net: Network, **foldings: Folding) -> list[tuple[str, StepDelay]]:
    """Delays that are built, with the stream into each."""
    synapses = {op.name: foldings.get(op.name, Folding()) for op in net.operators if isinstance(op, Linear)}
    instances = build_netlist(net, synapses).instances
    return [(inst.sink.name, inst.core) for inst in instances if isinstance(inst.core, StepDelay)]


def test_a_forward_delay_has_the_lanes_of_its_source() -> None:
    """Nothing but the delay is added. Potentials of 3 lanes."""
    width = SIZE * forward(1).tensors["inward"].number_bits
    for delay in (1, 4):
        found = cores(forward(delay, time_block=1), inward=Folding(pe=SIZE))
        assert found == [("inward_to_late", StepDelay(width, 1, STEPS, delay))]
    assert cores(forward(4)) == [("inward_to_late", StepDelay(2 * width // SIZE, SIZE, STEPS // 2, 2))]


def test_a_delay_of_a_loop_has_the_lanes_of_its_reader() -> None:
    assert loop(fed(1)).fed_back() == {"before"}
    net = loop(fed(1, "a"), fed(3, "b"))
    assert net.fed_back() == {"a", "b"}
    assert cores(net, across0=Folding(lanes=SIZE)) == [
        ("neuron_b_lanes", StepDelay(1, SIZE, STEPS, 2)),
        ("neuron_a_lanes", StepDelay(SIZE, 1, STEPS, 1)),
    ]


def test_numbers_that_loaded_weights_make_are_delayed_whole_and_not_fed_back() -> None:
    """Forward, the delay is as wide as any weights of W bits may need."""
    writable = {"inward": Folding(memory="writable")}
    (_, narrow), (_, wide) = *cores(forward(1)), *cores(forward(1), **writable)
    assert wide.data_w > narrow.data_w
    back = Tensor("before", (SIZE, 1, 1), Encoding.POTENTIAL, STEPS, forward(1).tensors["inward"].bound, timed=True)
    spikes = LIFNeuron("heard", ("before",), theta=np.full(SIZE, 2), width=10)
    across = Linear("across", ("heard",), weight=ACROSS[:, :, None, None])
    net = network(spikes, across, Add("both", ("inward", "across")), last="both", edges=(StateEdge("inward", back),))
    early = replace(net, operators=(spikes, *net.operators[:2], *net.operators[3:]))
    np.testing.assert_array_equal(early.run(FRAMES), net.run(FRAMES))
    assert len(cores(net, **writable)) == len(cores(early)) == 1
    with pytest.raises(VolleyError, match="'before' from 'inward': feeds back numbers of any size"):
        cores(early, **writable)
