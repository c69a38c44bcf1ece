# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Weights through the registers: a design of one network, loaded with another of its structure, answers as that one
does. What any weights need is fixed by the structure, so that the two have the same module."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyflow
from pyflow.build import Build
from pyflow.design_files import DesignFiles
from pyflow.emit import checksum_of, read_memory
from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.operators import Accumulate, Conv, Encode, Encoding, LIFNeuron, Linear, MaxPool, RadixNeuron, Readout
from tests.flow.designs import constant, design, image, images, network_text
from tests.flow.random_graphs import random_graph
from tests.flow.random_models import random_folding, random_network
from tests.flow.reweighted import reweighted, writable
from tests.flow.samples import some
from verif.harness import run_bench


def constants(build: Build) -> tuple[str, str]:
    return constant(build.rtl, "STRUCTURE_HASH"), constant(build.rtl, "WEIGHT_CHECKSUM")


def network_of(weights: int) -> Network:
    """Convolution with whole windows, one folded, a linear layer that skips zeros, one of several rows."""
    zeros, ones = np.zeros(1, np.int64), np.ones
    operators = (
        Encode("encode", ("input",), steps=4),
        Conv("conv1", ("encode",), padding=(1, 1), weight=np.zeros((3, 2, 3, 3), np.int8), weight_bits=4),
        RadixNeuron("fire1", ("conv1",), theta=ones(3), bias=zeros.repeat(3), exponent=1, steps=4),
        MaxPool("pool", ("fire1",), kernel=(2, 2), stride=(2, 2)),
        Conv("conv2", ("pool",), weight=np.zeros((5, 3, 2, 2), np.int8), weight_bits=3),
        RadixNeuron("fire2", ("conv2",), theta=ones(5), bias=zeros.repeat(5), steps=3),
        Linear("fc1", ("fire2",), weight=np.zeros((6, 20, 1, 1), np.int8), weight_bits=8),
        RadixNeuron("fire3", ("fc1",), theta=ones(6), bias=zeros.repeat(6), steps=4),
        Linear("fc2", ("fire3",), weight=np.zeros((4, 6, 1, 1), np.int8), weight_bits=4),
        Readout("out", ("fc2",), bias=zeros.repeat(4), exponent=1),
    )
    return reweighted(Network("reload", (2, 6, 6), operators), weights, largest_theta=400)


FOLDING = {"layers": {
    "conv1": {"pe": 3, "lanes": 2, "slice": "all", "body": "mult"},
    "conv2": {"pe": 2, "lanes": 2, "slice": "tap"},
    "fc1": {"pe": 4, "lanes": 5, "events": 3},
    "fc2": {"pe": 3, "lanes": 1, "tp": 2},
}}  # fmt: skip


def words(frames: np.ndarray) -> list[list[int]]:
    """32-bit words of each frame of bytes [N, FRAME_BYTES]."""
    return np.pad(frames, ((0, 0), (0, -frames.shape[1] % 4))).view("<u4").tolist()


def test_loaded_weights_answer_as_their_network(tmp_path: Path) -> None:
    a, b = network_of(1), network_of(2)
    builds = [pyflow.compile(n, out_dir=tmp_path / str(k), folding=writable(FOLDING)) for k, n in enumerate((a, b))]
    texts = [network_text(build.rtl) for build in builds]
    assert texts[0] == texts[1]
    x = np.random.default_rng(3).random((6, 2, 6, 6)).astype(np.float32)
    assert len({tuple(n.run(x).ravel()) for n in (a, b)}) == 2
    loads = [build.emitted.loads for build in builds]
    assert [image.rows.shape[1] for image in loads[0]] != [1] * 8
    assert len(loads[0]) == 8
    case = {
        "frames": words(a.host_bytes(x)),
        "logits": [(n.run(x) & 0xFFFFFFFF).tolist() for n in (a, b)],
        "images": [[[image.index, image.rows.tolist()] for image in load] for load in loads],
        "checksums": [checksum_of(load) for load in loads],
        "initial": int(constants(builds[0])[1], 16),
    }
    rtl = builds[0].rtl
    run_bench(
        "volley_axi_top", "tb_weight_reload", {}, files={**images(rtl), "reload.json": json.dumps(case)},
        sources=design(rtl), top=DesignFiles.found_in(rtl).axi_top,
    )  # fmt: skip


def test_load_words_are_the_images(tmp_path: Path) -> None:
    """Word by word what the memories start with, whatever the width."""
    build = pyflow.compile(network_of(1), out_dir=tmp_path, folding=writable(FOLDING))
    loads = build.emitted.loads
    assert [load.index for load in loads] == list(range(len(loads)))
    assert {image(build.rtl, load.name) for load in loads} == set(build.rtl.glob("*.mem"))
    for load in loads:
        rows = read_memory(image(build.rtl, load.name), load.width, len(load.rows))
        assert [sum(int(word) << 32 * n for n, word in enumerate(row)) for row in load.rows] == rows
    assert any(load.width > 32 and load.width % 32 for load in loads)


@pytest.mark.parametrize("seed", range(6))
def test_structure_does_not_depend_on_the_weights(seed: int, tmp_path: Path) -> None:
    network, _ = random_network(seed)
    folding = writable(random_folding(network, seed))
    build = pyflow.compile(network, out_dir=tmp_path / "a", folding=folding)
    other = pyflow.compile(reweighted(network, seed), out_dir=tmp_path / "b", folding=folding)
    assert network_text(build.rtl) == network_text(other.rtl)
    (structure, weights), (same, changed) = constants(build), constants(other)
    assert structure == same
    assert weights != changed


@pytest.mark.parametrize("seed", some(4, 12))
def test_structure_of_a_graph_does_not_depend_on_the_weights(seed: int, tmp_path: Path) -> None:
    """LIF neurons, residual connections, sums, state edges."""
    network, _ = random_graph(seed)
    build = pyflow.compile(network, out_dir=tmp_path / "plan")
    folding = writable(json.loads((build.folder / "folding.json").read_text()))
    build = pyflow.compile(network, out_dir=tmp_path / "a", folding=folding)
    other = pyflow.compile(reweighted(network, seed), out_dir=tmp_path / "b", folding=folding)
    assert network_text(build.rtl) == network_text(other.rtl)


def test_another_exponent_or_shape_is_another_structure(tmp_path: Path) -> None:
    def changed(name: str, **values: Any) -> Network:
        network = network_of(1)
        ops = tuple(replace(op, **values) if op.name == name else op for op in network.operators)
        return replace(network, operators=ops)

    def hash_of(network: Network) -> str:
        return constants(pyflow.compile(network, out_dir=tmp_path, folding=writable(FOLDING)))[0]

    structure = hash_of(network_of(1))
    assert hash_of(network_of(2)) == structure
    assert hash_of(changed("fire1", exponent=2)) != structure
    assert hash_of(changed("out", exponent=0)) != structure
    assert hash_of(changed("fire3", steps=6)) != structure
    assert hash_of(changed("conv1", padding=(0, 0), weight=np.ones((3, 2, 1, 1), np.int8), kernel=(1, 1))) != structure


def test_what_cannot_be_loaded_is_structure(tmp_path: Path) -> None:
    """With other weights in a layer that is fixed, a host must not load the rest."""
    partly = writable(FOLDING)
    partly["layers"]["fc2"] = FOLDING["layers"]["fc2"]
    builds = [pyflow.compile(network_of(n), out_dir=tmp_path / str(n), folding=partly) for n in (1, 2)]
    assert len({constants(build)[0] for build in builds}) == 2
    assert {image.name for image in builds[0].emitted.loads} == {
        f"{name}_{kind}" for synapse, neuron in (("conv1", "fire1"), ("conv2", "fire2"), ("fc1", "fire3"))
        for name, kind in ((synapse, "weight"), (neuron, "param"))}  # fmt: skip


@pytest.mark.parametrize("seed", some(2, 4))
def test_every_legal_threshold_and_bias_fits(seed: int, tmp_path: Path) -> None:
    """Far beyond what the potentials reach, too: the codes stay those of the network."""
    network, x = random_network(seed)
    network = reweighted(network, seed, largest_theta=2**35)
    build = pyflow.compile(network, out_dir=tmp_path, folding=writable(random_folding(network, seed)), checked=True)
    result = build.simulate(x, taps=len(x))
    assert build.first_mismatch(x, result) is None
    np.testing.assert_array_equal(result.logits, network.run(x))


def spiking(**values: object) -> Network:
    rng = np.random.default_rng(5)
    neuron = {"theta": rng.integers(20, 90, 5), "width": 12, "leak": "shift", "leak_shift": 3}
    operators = (
        Linear("fc1", ("input",), weight=rng.integers(-7, 8, (5, 18, 1, 1)), weight_bits=4),
        LIFNeuron("lif", ("fc1",), **(neuron | values)),  # type: ignore[arg-type]
        Linear("fc2", ("lif",), weight=rng.integers(-7, 8, (3, 5, 1, 1)), weight_bits=4),
        Accumulate("sum", ("fc2",)),
        Readout("out", ("sum",), bias=np.arange(3)),
    )
    return Network("spiking", (2, 3, 3), operators, input_encoding=Encoding.RATE, input_steps=8, time_block=4)


SPIKING = {"layers": {"fc1": {"pe": 2, "lanes": 2}, "fc2": {"pe": 2, "lanes": 2}}}


def test_lif_with_writable_memories(tmp_path: Path) -> None:
    network = spiking(v0=np.arange(-2, 3), reset_amount=np.arange(30, 35))
    x = (np.random.default_rng(1).random((12, 8, 2, 3, 3)) < 0.3).astype(np.int64)
    build = pyflow.compile(network, out_dir=tmp_path, folding=writable(SPIKING), checked=True)
    assert len(build.emitted.loads) == 4
    result = build.simulate(x, taps=len(x))
    assert build.first_mismatch(x, result) is None
    np.testing.assert_array_equal(result.logits, network.run(x))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"bias": np.array([0, 0, 0, 2048, 0])},
            "lif 'lif': memory=writable: bias 2048 of channel 3 is outside -2048..2047; raise width",
        ),
        (
            {"reset_amount": np.array([0, 4096, 0, 0, 0])},
            "lif 'lif': memory=writable: reset_amount 4096 of channel 1 is outside 0..4095; raise width",
        ),
    ],
)
def test_what_does_not_fit_is_refused(values: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    with pytest.raises(VolleyError) as refused:
        pyflow.compile(spiking(**values), out_dir=tmp_path, folding=writable(SPIKING))
    assert str(refused.value) == message
    pyflow.compile(spiking(**values), out_dir=tmp_path, folding=SPIKING)
