# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""NIR graphs: read, converted, written, refused."""

from __future__ import annotations

import sys
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install volley-snn[nir]")

import pyflow  # noqa: E402
from pyflow.conversion.float_steps import answers  # noqa: E402
from pyflow.conversion.spiking import ordered  # noqa: E402
from pyflow.errors import VolleyError  # noqa: E402
from pyflow.frontends.nir import model_of, read_graph, write_nir  # noqa: E402
from pyflow.model.graph import Edge, MaxPool  # noqa: E402
from pyflow.model.spiking import FloatNeuron, SpikingModel  # noqa: E402
from tests.unit.nir_graphs import (  # noqa: E402
    DT,
    FORM,
    Oracle,
    Tree,
    affine,
    chain,
    conv,
    cuba,
    flatten,
    graph,
    integrate,
    lif,
    linear,
    node,
    pool,
    save,
    spikes,
)

pytestmark = pytest.mark.filterwarnings("ignore")
STEPS = 8


def per_channel(values: list[float], shape: tuple[int, int]) -> np.ndarray:
    return np.broadcast_to(np.array(values)[:, None, None], (len(values), *shape)).copy()


def cnn() -> Tree:
    return chain(
        (2, 8, 8), (5,),
        conv1=conv(3, 2, 3), if1=integrate((3, 6, 6), 1.5), pool1=pool("SumPool2d"), conv2=conv(4, 3, 2, 1, groups=1),
        lif1=lif((4, 2, 2), v_threshold=per_channel([0.2, 0.4, 0.6, 0.8], (2, 2))), flat=flatten((4, 2, 2)),
        fc=affine(5, 16, 2), n=cuba(5),
    )  # fmt: skip


def average() -> Tree:
    return chain(
        (2, 8, 8), (4,),
        conv1=conv(4, 2, 3, groups=1, stride=np.array([2, 2]), padding=np.array([1, 1])), if1=integrate((4, 4, 4)),
        pool1=pool("AvgPool2d"), flat=flatten((4, 2, 2)), fc=linear(4, 16, 5, 2.0), n=lif(4, theta=0.3),
    )  # fmt: skip


def depthwise() -> Tree:
    weight = np.random.default_rng(0).normal(size=(4, 1, 3, 3))
    return chain(
        (2, 4, 4), (3,),
        conv1=conv(4, 2, 3, groups=2, weight=weight), lif1=lif((4, 2, 2), 0.002, 0.2), flat=flatten((4, 2, 2)),
        fc=affine(3, 16, 4), n=integrate(3, 1.5),
    )  # fmt: skip


def scaled() -> Tree:
    """Per-channel gains and leaks; a Scale; a Threshold; a Linear at the end."""
    return chain(
        (6,), (3,),
        fc1=affine(5, 6, 0, 2.0), lif1=lif(5, r=np.linspace(0.5, 2, 5), tau=np.linspace(0.002, 0.008, 5), theta=0.3),
        gain=node("Scale", scale=np.linspace(0.5, 1.5, 5)), fc2=linear(4, 5, 1),
        hard=node("Threshold", threshold=np.full(4, 0.2)), fc3=affine(3, 4, 2),
    )  # fmt: skip


def stateless() -> Tree:
    return chain((4,), (3,), a=affine(5, 4), b=affine(3, 5, 1))


GRAPHS: dict[str, Callable[[], Tree]] = {
    "cnn": cnn,
    "average": average,
    "depthwise": depthwise,
    "scaled": scaled,
    "stateless": stateless,
}


def model(tree: Tree, folder: Path, steps: int = STEPS, **options: Any) -> SpikingModel:
    return model_of(read_graph(save(tree, folder / "graph.nir")), **{**FORM, "steps": steps, **options})


# ------------------------------------------------------------------ read
@pytest.mark.parametrize("name", GRAPHS)
def test_the_float_network_computes_what_the_graph_says(name: str, tmp_path: Path) -> None:
    tree = GRAPHS[name]()
    shape = tuple(tree["nodes"]["input"]["shape"])
    x = spikes(12, STEPS, *shape)
    found = ordered(model(tree, tmp_path))
    got, _ = answers(found, x.reshape(len(x), STEPS, *found.network.input_shape))
    want = Oracle(tree).run(x)
    assert np.ptp(want, axis=0).any()
    np.testing.assert_allclose(got, want.reshape(len(x), -1), atol=1e-9)


@pytest.mark.parametrize("name", GRAPHS)
def test_converts(name: str, tmp_path: Path) -> None:
    tree = GRAPHS[name]()
    x = spikes(64, STEPS, *tree["nodes"]["input"]["shape"])
    network = pyflow.convert_nir(save(tree, tmp_path / "net.nir"), x, steps=STEPS, **FORM)
    assert network.meta["agreement"] > 0.9
    assert min(network.meta["verdict"].values(), default=1) > 0.7
    assert network.name == "net"
    again = pyflow.convert_nir(tmp_path / "net.nir", np.swapaxes(x, 0, 1), time_axis=0, steps=STEPS, **FORM)
    assert [op.name for op in again.operators] == [op.name for op in network.operators]
    assert np.array_equal(again.run(x), network.run(x))


def test_graphs_in_graphs_are_laid_flat(tmp_path: Path) -> None:
    flat = chain((4,), (3,), fc1=affine(5, 4), lif1=lif(5), fc2=linear(3, 5), lif2=lif(3, theta=0.2))
    inner = graph(
        {"in": node("Input", shape=np.array([4])), "fc1": flat["nodes"]["fc1"], "lif1": flat["nodes"]["lif1"],
         "out": node("Output", shape=np.array([5]))},
        [("in", "fc1"), ("fc1", "lif1"), ("lif1", "out")],
    )  # fmt: skip
    around = graph(
        {"a": node("Input", shape=np.array([4])), "core": inner, "b": node("Output", shape=np.array([5]))},
        [("a", "core"), ("core", "b")],
    )
    nested = graph(
        {"input": flat["nodes"]["input"], "block": around, "fc2": flat["nodes"]["fc2"], "lif2": flat["nodes"]["lif2"],
         "output": flat["nodes"]["output"]},
        [("input", "block"), ("block", "fc2"), ("fc2", "lif2"), ("lif2", "output")],
    )  # fmt: skip
    found = read_graph(save(nested, tmp_path / "nested.nir"))
    assert set(found.nodes) == {"input", "block/core/fc1", "block/core/lif1", "fc2", "lif2", "output"}
    x = spikes(8, STEPS, 4).reshape(8, STEPS, 4, 1, 1)
    got, _ = answers(ordered(model(nested, tmp_path)), x)
    want, _ = answers(ordered(model(flat, tmp_path)), x)
    assert np.array_equal(got, want)


def test_several_edges_into_a_node_add(tmp_path: Path) -> None:
    """Potentials into a neuron; spikes into a Linear, which becomes one for each."""
    nodes = chain((4,), (3,), a=affine(5, 4), na=lif(5, theta=0.3), b=affine(5, 4, 7), nb=lif(5, theta=0.2))["nodes"]
    nodes |= {"fc": affine(3, 5, 3), "n": lif(3, theta=0.1)}
    edges = [("input", "a"), ("input", "b"), ("a", "na"), ("b", "nb"), ("a", "nb"), ("na", "fc"), ("nb", "fc"),
             ("fc", "n"), ("n", "output")]  # fmt: skip
    found = ordered(model(graph(nodes, edges), tmp_path))
    x = spikes(10, STEPS, 4)
    both = {key: nodes["a"][key] + nodes["b"][key] for key in ("weight", "bias")}
    parts = [Oracle(chain((4,), (5,), a=nodes["a"], n=nodes["na"]))]
    parts += [Oracle(chain((4,), (5,), ab=node("Affine", **both), n=nodes["nb"]))]
    end, want = Oracle(chain((5,), (3,), fc=nodes["fc"], n=nodes["n"])), np.zeros((10, 3))
    for t in range(STEPS):
        z = sum(part.run(x[:, t : t + 1]) for part in parts)
        want += end.run(np.asarray(z)[:, None])
    got, _ = answers(found, x.reshape(10, STEPS, 4, 1, 1))
    np.testing.assert_allclose(got, want, atol=1e-9)


def test_a_rest_above_the_threshold_fires_by_itself(tmp_path: Path) -> None:
    tree = chain((1,), (1,), fc=linear(1, 1, by=0.0), n=lif(v_leak=np.array([1.2]), theta=1.0))
    tree["nodes"]["fc"]["weight"] = np.ones((1, 1))
    x = np.zeros((1, 60, 1), np.uint8)
    network = pyflow.convert_nir(save(tree, tmp_path / "x.nir"), x, steps=60, **FORM)
    _, trace = network.run(x, trace=["n"])
    v, want = 1.2, []
    for _ in range(60):
        v = v + DT / 0.004 * (1.2 - v)
        want.append(v > 1)
        v = 0.0 if want[-1] else v
    assert sum(want) > 5
    assert trace["n"].ravel().astype(bool).tolist() == want


def recurrent() -> Tree:
    """A loop through a bias, as in the braille graphs; a second neuron behind it that feeds back into the first."""
    nodes = chain((4,), (3,), fc=affine(5, 4, 0, 2.0), lif=cuba(5), fc2=affine(3, 5, 1, 2.0), m=integrate(3))["nodes"]
    nodes |= {"back": affine(5, 5, 2), "far": linear(5, 3, 3)}
    edges = [("input", "fc"), ("fc", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "fc2"), ("fc2", "m"),
             ("m", "far"), ("far", "lif"), ("m", "output")]  # fmt: skip
    return graph(nodes, edges)


def looped(tree: Tree, x: np.ndarray) -> np.ndarray:
    """The recurrent graph, step by step: spikes that lead back arrive one step later."""
    nodes, part = tree["nodes"], {name: Oracle(tree) for name in tree["nodes"]}

    def step(name: str, value: np.ndarray) -> np.ndarray:
        return np.asarray(part[name].node(0, nodes[name], torch.from_numpy(value)))

    z, far, total = np.zeros((len(x), 5)), np.zeros((len(x), 3)), np.zeros((len(x), 3))
    for t in range(x.shape[1]):
        z = step("lif", step("fc", x[:, t].astype(np.float64)) + step("back", z) + step("far", far))
        far = step("m", step("fc2", z))
        total += far
    return total


def test_loops_come_back_one_step_later(tmp_path: Path) -> None:
    tree, x = recurrent(), spikes(20, STEPS, 4)
    found = model(tree, tmp_path)
    assert {(e.source, e.delay) for x in found.network.layers for e in x.inputs if e.delay} == {("lif", 1), ("m", 1)}
    got, _ = answers(ordered(found), x.reshape(20, STEPS, 4, 1, 1))
    want = looped(tree, x)
    assert np.ptp(want, axis=0).any()
    np.testing.assert_allclose(got, want, atol=1e-9)
    network = pyflow.convert_nir(tmp_path / "graph.nir", x, steps=STEPS, **FORM)
    assert sorted((edge.source, edge.delay) for edge in network.state_edges) == [("lif", 1), ("m", 1)]
    write_nir(found, tmp_path / "again.nir", dt=DT)
    again = model_of(read_graph(tmp_path / "again.nir"), dt=None, steps=None, readout=None)
    assert np.array_equal(answers(ordered(again), x.reshape(20, STEPS, 4, 1, 1))[0], got)


def test_a_delay_is_an_edge(tmp_path: Path) -> None:
    tree = chain((4,), (3,), fc=affine(5, 4), n=lif(5, theta=0.2), late=node("Delay", delay=np.full(5, 3 * DT)),
                 f=affine(3, 5, 1), m=integrate(3))  # fmt: skip
    x = spikes(20, STEPS, 4)
    found = model(tree, tmp_path)
    first = Oracle(chain((4,), (5,), fc=tree["nodes"]["fc"], n=tree["nodes"]["n"]))
    fired = np.stack([first.run(x[:, t : t + 1]) for t in range(STEPS)], 1)
    late = np.concatenate([np.zeros_like(fired[:, :3]), fired[:, :-3]], 1)
    want = Oracle(chain((5,), (3,), f=tree["nodes"]["f"], m=tree["nodes"]["m"])).run(late)
    assert want.any()
    np.testing.assert_allclose(answers(ordered(found), x.reshape(20, STEPS, 4, 1, 1))[0], want, atol=1e-9)
    network = pyflow.convert_nir(tmp_path / "graph.nir", x, steps=STEPS, **FORM)
    assert [(edge.source, edge.delay) for edge in network.state_edges] == [("n", 3)]


@pytest.mark.parametrize("integration", ["euler", "exact"])
def test_the_exact_trace_is_met(nir_dir: Path, integration: str) -> None:
    values = np.loadtxt(nir_dir / "lif_traces" / "lif_exact.csv", delimiter=",")
    x = (values[:, 0] > 0).astype(np.uint8).reshape(1, 1000, 1)
    options: dict[str, Any] = {"dt": 1e-4, "steps": 1000, "readout": "spikes-sum", "integration": integration}
    network = pyflow.convert_nir(nir_dir / "lif_norse.nir", x, **options)
    _, trace = network.run(x, trace=["lif_1"])
    assert np.array_equal(trace["lif_1"].ravel(), values[:, 2] > 0)
    assert network.meta["verdict"] == {"lif_1": 1.0}


@pytest.mark.parametrize("name", ["lif_norse", "lif_rockpool", "two_lif_neurons"])
def test_published_graphs(nir_dir: Path, name: str) -> None:
    network = pyflow.convert_nir(nir_dir / f"{name}.nir", dt=1e-4, steps=200, readout="spikes-sum")
    assert network.input_shape == (1, 1, 1)
    assert network.meta["agreement"] == 1.0


def test_the_braille_graph_has_a_loop(nir_dir: Path) -> None:
    form: dict[str, Any] = {"dt": 1e-4, "steps": 20, "readout": "spikes-sum"}
    found = model_of(read_graph(nir_dir / "braille_noDelay_bias_zero.nir"), **form)
    assert [(x.name, e.source) for x in found.network.layers for e in x.inputs if e.delay] == [
        ("lif1_w_rec", "lif1_lif")
    ]
    current, out = (x.neuron for x in found.network.layers if isinstance(x, FloatNeuron))
    np.testing.assert_allclose((current.decay[0], current.current_decay, current.gain), (0.9, 0.55, 1.0), rtol=1e-6)
    np.testing.assert_allclose((out.decay[0], out.current_decay, out.gain), (0.55, 0.5, 1.0), rtol=1e-6)
    assert (current.strict, current.reset, current.current) == (True, "hard", "new")


def test_the_broken_graph_is_refused_with_its_fault(nir_dir: Path) -> None:
    with pytest.raises(
        VolleyError, match=r"subgraph.nir: NIR graph 'lif1': edge 'input' -> 'lif' leads to 'lif', a node that"
    ):
        read_graph(nir_dir / "braille_noDelay_bias_zero_subgraph.nir")


def test_an_object_of_the_package_is_read_as_its_file_is(tmp_path: Path) -> None:
    nir = pytest.importorskip("nir", reason="nir is not installed: pip install volley-snn[oracle]")
    made = nir.NIRGraph.from_list(
        nir.Affine(np.ones((3, 2)), np.zeros(3)), nir.LIF(np.full(3, 0.1), np.ones(3), np.zeros(3), np.full(3, 0.01)),
    )  # fmt: skip
    nir.write(tmp_path / "x.nir", made)
    ours, theirs = read_graph(tmp_path / "x.nir"), read_graph(made)
    assert ours.edges == theirs.edges
    for path, found in ours.nodes.items():
        for key, value in found.fields.items():
            assert np.array_equal(value, theirs.nodes[path].fields[key])


# ------------------------------------------------------------------ written
@pytest.mark.parametrize("name", GRAPHS)
def test_round_trip(name: str, tmp_path: Path) -> None:
    first = model(GRAPHS[name](), tmp_path)
    write_nir(first, tmp_path / "a.nir", dt=DT)
    again = model_of(read_graph(tmp_path / "a.nir"), dt=None, steps=None, readout=None)
    assert [(x.name, type(x)) for x in again.network.layers if x.kind != "Flatten"] == [
        (x.name, type(x)) for x in first.network.layers if x.kind != "Flatten"
    ]
    x = spikes(12, STEPS, *first.network.input_shape)
    assert np.array_equal(answers(ordered(first), x)[0], answers(ordered(again), x)[0])
    for layer, other in zip(ordered(first).network.layers, ordered(again).network.layers, strict=True):
        for key in ("weight", "bias"):
            assert np.array_equal(getattr(layer, key, 0), getattr(other, key, 0))
    write_nir(again, tmp_path / "b.nir", dt=DT)
    write_nir(again, tmp_path / "c.nir", dt=DT)
    assert (tmp_path / "b.nir").read_bytes() == (tmp_path / "c.nir").read_bytes()


@pytest.mark.parametrize("name", GRAPHS)
def test_the_package_reads_what_is_written(name: str, tmp_path: Path) -> None:
    nir = pytest.importorskip("nir", reason="nir is not installed: pip install volley-snn[oracle]")
    tree = GRAPHS[name]()
    write_nir(model(tree, tmp_path), tmp_path / "a.nir", dt=DT)
    found = nir.read(tmp_path / "a.nir", type_check=name != "depthwise")  # its check does not know groups
    kinds = sorted(x["type"] for x in tree["nodes"].values())
    assert sorted(type(x).__name__ for x in found.nodes.values()) == kinds


WRITTEN = ["snnTorch, events", "SpikingJelly, one step", "snnTorch, functions", "snnTorch, loop in forward"]


@pytest.mark.parametrize("name", WRITTEN)
def test_a_model_of_a_framework_as_a_graph(name: str, tmp_path: Path) -> None:
    for package in ("snntorch", "spikingjelly", "norse"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install volley-snn[oracle]")
    from pyflow.conversion.samples import as_frames, checked
    from pyflow.frontends.spiking.prove import capture
    from tests.unit.spiking_nets import made

    module, sample, options = made(name)
    pyflow.write_nir(module, tmp_path / "a.nir", sample.numpy(), dt=DT, **options)
    axis = options.get("time_axis")
    first = capture(module, checked(sample.numpy(), axis)[0], **options).model
    timed = axis is not None
    again = model_of(read_graph(tmp_path / "a.nir"), dt=None, steps=None, readout=None, timed=timed)
    frames = as_frames(sample, axis)[:16]
    want, got = (answers(ordered(x), frames)[0] for x in (first, again))
    assert np.ptp(want, axis=0).any()
    np.testing.assert_allclose(got, want, atol=1e-9)


def test_what_nir_has_no_node_for(tmp_path: Path) -> None:
    layer = MaxPool("pool", "net.pool", inputs=(Edge("input"),))
    found = model(cnn(), tmp_path)
    network = replace(found.network, layers=(layer,))
    refuse(
        lambda: write_nir(replace(found, network=network), tmp_path / "a.nir", dt=DT), "layer 'net.pool' (MaxPool2d)"
    )
    assert not (tmp_path / "a.nir").exists()


def refuse(action: Callable[[], object], *words: str) -> None:
    with pytest.raises(VolleyError) as error:
        action()
    text = str(error.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


# ------------------------------------------------------------------ refused
def small(**changes: Any) -> Tree:
    tree = chain((4,), (3,), fc=affine(3, 4), n=lif(3))
    for path, value in changes.items():
        name, _, key = path.partition("__")
        tree["nodes"][name][key] = value
    return tree


REFUSED: dict[str, tuple[Tree, str]] = {
    "NaN weight": (small(fc__weight=np.full((3, 4), np.nan)), "NIR node 'fc' (Affine): weight[0, 0] is not a number"),
    "infinite weight": (small(fc__weight=np.full((3, 4), np.inf)), "weight[0, 0] is inf"),
    "negative threshold": (small(n__v_threshold=np.array([1, -0.5, 1])), "v_threshold -0.5 of channel 1 is negative"),
    "NaN threshold": (small(n__v_threshold=np.array([1, np.nan, 1])), "v_threshold[1] is not a number"),
    "negative tau": (small(n__tau=np.full(3, -1.0)), "tau -1 must be above 0"),
    "short tau": (small(n__tau=np.full(3, 1e-4)), "tau 0.0001 s is shorter than a time step, dt = 0.001 s"),
    "negative gain": (small(n__r=np.full(3, -1.0)), "its input counts"),
    "per-channel reset": (small(n__v_reset=np.arange(3.0)), "v_reset differs from channel to channel (0 to 2)"),
    "sizes": (small(n__tau=np.ones(4)), "tau has 4 values for maps of 3x1x1"),
    "weight": (small(fc__weight=np.ones((3, 5))), "layer 'fc' (Linear): weight takes 5 inputs, its input has 4"),
    "bias": (small(fc__bias=np.ones(2)), "bias has 2 values for 3 outputs"),
    "output": (small(output__shape=np.array([7])), "has the shape of 7 values, 'n' gives 3"),
    "huge input": (small(input__shape=np.array([1 << 40])), "takes 1,099,511,627,776 values"),
    "unknown kind": (small(n__type="Izhikevich"), "NIR node 'n': kind 'Izhikevich' is not known"),
    "unknown field": (small(n__a_field=np.ones(3)), "NIR node 'n' (LIF): has 'a_field', which is not known"),
    "missing field": (small(n__type="CubaLIF"), "NIR node 'n' (CubaLIF): has no tau_mem"),
    "membrane": (small(n__type="LI"), "NIR node 'n' (LI): has 'v_reset', 'v_threshold'"),
    "our metadata": (small(n__metadata={"volley": {"reset": "odd"}}), "metadata volley/reset = 'odd' is not known"),
    "per neuron": (
        chain((2, 4, 4), (3,), c=conv(2, 2, 1), n=integrate((2, 4, 4), v_threshold=np.arange(32.0).reshape(2, 4, 4)),
              fc=linear(3, 32)),
        "v_threshold differs from neuron to neuron of channel 0 (0 to 15); needs one per channel",
    ),
    "edge": (
        graph(small()["nodes"], [("input", "fc"), ("fc", "m"), ("n", "output")]),
        "edge 'fc' -> 'm' leads to 'm', a node that does not exist; nodes: 'fc', 'input', 'n', 'output'",
    ),
    "edge twice": (
        graph(small()["nodes"], [("input", "fc"), ("input", "fc"), ("fc", "n"), ("n", "output")]),
        "edge 'input' -> 'fc' stands twice",
    ),
    "loose end": (
        graph({**small()["nodes"], "m": lif(3)}, [("input", "fc"), ("fc", "n"), ("n", "output")]),
        "NIR node 'm' (LIF): nothing leads from the Input to it",
    ),
    "dead end": (
        graph({**small()["nodes"], "m": lif(3)}, [("input", "fc"), ("fc", "n"), ("n", "output"), ("fc", "m")]),
        "NIR node 'm' (LIF): it leads to no Output",
    ),
    "two inputs": (
        graph({**small()["nodes"], "i": node("Input", shape=np.array([4]))}, [("input", "fc"), ("fc", "n"),
              ("n", "output"), ("i", "fc")]),
        "has 2 nodes of the kind Input",
    ),
    "loop without state": (
        graph({**small()["nodes"], "back": linear(4, 3), "again": linear(3, 4)},
              [("input", "fc"), ("fc", "back"), ("back", "again"), ("again", "back"), ("again", "n"), ("n", "output")]),
        "the loop of 'again', 'back' has no neuron and no delay, so it has no state",
    ),
    "delay": (
        chain((4,), (3,), fc=affine(3, 4), n=lif(3), late=node("Delay", delay=np.arange(1, 4) / 1e3), f=linear(3, 3)),
        "delay differs from neuron to neuron (0.001 to 0.003 s)",
    ),
    "part of a step": (
        chain((4,), (3,), fc=affine(3, 4), n=lif(3), late=node("Delay", delay=np.full(3, 1.5e-3)), f=linear(3, 3)),
        "delay 0.0015 s is 1.5 time steps of 0.001 s",
    ),
    "a map": (chain((2, 4, 4), (32,), c=conv(2, 2, 1), n=integrate((2, 4, 4))), "is the last layer; end in a Linear"),
    "no graph": ({"type": "Affine", "nodes": {}, "edges": []}, "its type is 'Affine'; needs 'NIRGraph'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, tmp_path: Path) -> None:
    tree, word = REFUSED[case]
    path = save(tree, tmp_path / "bad.nir")
    refuse(lambda: pyflow.convert_nir(path, steps=STEPS, **FORM), word)


def silent(kind: str) -> Tree:
    values = {"I": ("r",), "LI": ("r", "tau", "v_leak"), "CubaLI": ("r", "tau_mem", "tau_syn", "v_leak", "w_in")}[kind]
    numbers = {"r": 1.0, "tau": 0.004, "tau_mem": 0.005, "tau_syn": 0.002, "v_leak": 0.25, "w_in": 2.0}
    end = node(kind, **{key: np.full(3, numbers[key] / (DT if kind == "I" else 1)) for key in values})
    return chain((4,), (3,), fc=affine(5, 4), lif=lif(5, theta=0.2), fc2=affine(3, 5, 1), end=end)


def membranes(tree: Tree, x: np.ndarray) -> np.ndarray:
    """[N, T, 3] of the last node, by NIR's equations."""
    front, found = Oracle({"nodes": dict(list(tree["nodes"].items())[:-2])}), tree["nodes"]["end"]
    v = i = np.zeros((len(x), 3))
    v, out = v + found.get("v_leak", np.zeros(3)), []
    for t in range(x.shape[1]):
        drive = np.asarray(front.run(x[:, t : t + 1]))
        if "tau_syn" in found:
            drive = i = i + DT / found["tau_syn"] * (-i + found["w_in"] * drive)
        if found["type"] == "I":
            v = v + DT * found["r"] * drive
        else:
            v = v + DT / found.get("tau", found.get("tau_mem")) * (found["v_leak"] - v + found["r"] * drive)
        out.append(v)
    return np.stack(out, 1)


@pytest.mark.parametrize("readout", ["membrane-last", "membrane-sum", "membrane-max"])
@pytest.mark.parametrize("kind", ["I", "LI", "CubaLI"])
def test_membranes_as_the_answer(kind: str, readout: str, tmp_path: Path) -> None:
    tree, x = silent(kind), spikes(40, STEPS, 4)
    found = model(tree, tmp_path, readout=readout)
    every = membranes(tree, x)
    want = {"last": every[:, -1], "sum": every.sum(1), "max": every.max(1)}[readout.removeprefix("membrane-")]
    got, _ = answers(ordered(found), x.reshape(40, STEPS, 4, 1, 1))
    np.testing.assert_allclose(got, want, atol=1e-9)
    network = pyflow.convert_nir(tmp_path / "graph.nir", x, steps=STEPS, dt=DT, readout=readout)
    assert network.meta["agreement"] > 0.9
    assert network.meta["membrane"]["largest_equal"] < 0.1 * np.abs(want).max()
    assert np.abs(network.run(x) * network.logit_scale - want).mean() < 0.1 * np.abs(want).max()
    write_nir(found, tmp_path / "a.nir", dt=DT)
    again = model_of(read_graph(tmp_path / "a.nir"), dt=None, steps=None, readout=None)
    assert again.readout == readout
    assert np.array_equal(answers(ordered(again), x.reshape(40, STEPS, 4, 1, 1))[0], got)


def test_membranes_where_they_do_not_belong(tmp_path: Path) -> None:
    refuse(lambda: model(silent("LI"), tmp_path), "NIR node 'end' (LI): is a membrane without spikes; give readout")
    tree = silent("LI")
    tree["nodes"]["fc3"] = affine(3, 3)
    tree["edges"] = [*tree["edges"][:-1], ("end", "fc3"), ("fc3", "output")]
    refuse(lambda: model(tree, tmp_path, readout="membrane-last"), "which 'fc3' reads; only the Output can")
    plain = chain((4,), (3,), fc=affine(3, 4))
    refuse(lambda: model(plain, tmp_path, readout="membrane-sum"), "NIR node 'fc' (Affine): has no membrane")


@pytest.mark.parametrize("missing", ["dt", "steps", "readout"])
def test_what_a_graph_does_not_say(missing: str, tmp_path: Path) -> None:
    form = {**FORM, "steps": STEPS, missing: None}
    path = save(small(), tmp_path / "x.nir")
    refuse(lambda: pyflow.convert_nir(path, **form), f"NIR graph: give {missing} ({missing.upper()}=)")


@pytest.mark.parametrize(("option", "value", "word"), [
    ("dt", 0.0, "dt 0.0 must be"), ("dt", float("nan"), "dt nan must be"), ("steps", 0, "steps 0 must be"),
    ("readout", "membrane", "'membrane' is unknown"), ("integration", "rk4", "'rk4' is unknown"),
    ("weight_bits", 9, "weight_bits 9 must be"),
])  # fmt: skip
def test_bad_options(option: str, value: Any, word: str, tmp_path: Path) -> None:
    path = save(small(), tmp_path / "x.nir")
    refuse(lambda: pyflow.convert_nir(path, **{**FORM, "steps": STEPS, option: value}), word)


def test_a_sample_that_does_not_fit(tmp_path: Path) -> None:
    path = save(small(), tmp_path / "x.nir")
    refuse(lambda: pyflow.convert_nir(path, spikes(8, STEPS + 1, 4), steps=STEPS, **FORM), "does not fit the graph")


# ------------------------------------------------------------------ files
def test_a_thousand_graphs_in_graphs(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "deep.nir", "w") as file:
        group = file.create_group("node")
        for _ in range(1000):
            group = group.create_group("nodes").create_group("n")
    refuse(lambda: read_graph(tmp_path / "deep.nir"), "nested more than 64 levels deep")


def test_truncated(tmp_path: Path) -> None:
    whole = save(cnn(), tmp_path / "x.nir").read_bytes()
    for size in (0, 7, 100, 2000, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.nir").write_bytes(whole[:size])
        refuse(lambda: read_graph(tmp_path / "cut.nir"), "cut.nir", "nir.write")


@pytest.mark.parametrize("how", ["values", "chunk", "bomb", "link", "soft link", "loop"])
def test_what_would_fill_the_memory_or_leave_the_file(how: str, tmp_path: Path) -> None:
    path = save(small(), tmp_path / "x.nir")
    with h5py.File(path, "a") as file:
        place = file["node/nodes/fc"]
        del place["weight"]
        if how == "values":
            place.create_dataset("weight", (1 << 20, 1 << 20), "f4", chunks=(256, 256), compression="gzip")
        elif how == "chunk":
            place.create_dataset(
                "weight", (1, 4), "f4", chunks=(1 << 14, 1 << 14), maxshape=(None, None), compression="gzip"
            )
        elif how == "bomb":
            item = place.create_dataset("weight", (3, 4), "f8", chunks=(3, 4), compression="gzip")
            item.id.write_direct_chunk((0, 0), zlib.compress(bytes(200)))
        elif how == "link":
            place["weight"] = h5py.ExternalLink("/etc/passwd", "/x")
        elif how == "soft link":
            place["weight"] = h5py.SoftLink("/node")
        else:
            place["weight"] = file["node"]
    tracemalloc.start()
    words = {"values": "more than 16,777,216 values", "chunk": "a chunk of", "bomb": "it should have 96"}
    words |= {"link": "link to another place", "soft link": "link to another place", "loop": "64 levels deep"}
    refuse(lambda: read_graph(path), words[how], "x.nir")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20


def test_h5py_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    refuse(lambda: read_graph(tmp_path / "x.nir"), "needs h5py, which is not installed; `make venv SET=nir`")
