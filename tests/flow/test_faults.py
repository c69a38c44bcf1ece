# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A wrong bit anywhere is found and located; a bad frame is answered and leaves nothing behind."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import pyflow
from pyflow import __main__ as cli
from pyflow import jobs, zoo
from pyflow.build import Build
from pyflow.cores.synapse import SynapseArray
from pyflow.data import Dataset
from pyflow.sources import rtl_sources
from tests.flow.designs import image, network_text
from tests.flow.netlists import netlist_of

FIFO = {
    "layers": {
        "conv1": {"pe": 8, "lanes": 1, "slice": "all", "tp": 1},
        "conv2": {"pe": 16, "lanes": 8, "slice": "all", "tp": 1},
        "fc": {"pe": 1, "lanes": 16, "slice": "tap", "tp": 2},
    },
    "fifos": {"pool2": 5},
}
LOCATION = (
    r"frame (\d+), layer (\w+), channel (\d+), pixel \(y=(\d+), x=(\d+)\): expected (-?\d+), got (-?\d+|nothing.*); "
    r"see it: make waves NET=digits FRAME=\1$"
)


def flip_bit(path: Path, row: int, bit: int) -> None:
    lines = path.read_text().split()
    lines[row] = f"{int(lines[row], 16) ^ 1 << bit:0{len(lines[row])}x}"
    path.write_text("\n".join(lines) + "\n")


def break_weight(build: Build, tmp_path: Path) -> Build:
    array = next(inst.core for inst in netlist_of(build).instances if inst.name == "u_conv2_array")
    assert isinstance(array, SynapseArray)
    flip_bit(image(build.rtl, "conv2_weight"), 0, 4 * (5 * array.simd + array.simd // 2) + 2)  # output 5, bit 2
    return build


def break_threshold(build: Build, tmp_path: Path) -> Build:
    sizes = r"\.THETA_W\((\d+)\), \.BIAS_W\((\d+)\).*u_conv2_neuron \("
    instance = re.search(sizes, network_text(build.rtl))
    assert instance
    theta, bias = map(int, instance.groups())
    # theta of channel 1, its lowest bit; that of channel 0 is so large that none of the frames would show it
    flip_bit(image(build.rtl, "conv2_neuron_param"), 0, bias + theta + bias)
    return build


def break_fifo(build: Build, tmp_path: Path) -> Build:
    rtl = shutil.copytree(rtl_sources()[0].parents[1], tmp_path / "rtl")
    path = rtl / "stream" / "volley_fifo.sv"
    text = path.read_text()
    broken = text.replace("raddr_q <= next(raddr_q)", "raddr_q <= next(next(raddr_q))")
    assert broken != text, "the FIFO's read pointer is not where this test expects it"
    path.write_text(broken)
    sources = tuple(rtl / p.relative_to(rtl_sources()[0].parents[1]) for p in rtl_sources())
    build = pyflow.compile(build.network, out_dir=tmp_path / "fifo", folding=FIFO)
    return replace(build, rtl_sources=sources)


@pytest.mark.parametrize(
    ("fault", "layer"),
    [(break_weight, "conv2"), (break_threshold, "conv2_neuron"), (break_fifo, "pool2")],
    ids=["weight", "threshold", "fifo"],
)
def test_fault_is_located(fault, layer, tmp_path, digits_build, digits_data, monkeypatch, capsys) -> None:
    build = fault(digits_build, tmp_path)
    monkeypatch.setattr(jobs, "_compile", lambda args, network: build)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["sim", "--net", "digits", "--frames", "40"]) == 1
    message = capsys.readouterr().err.strip().splitlines()[-1]
    found = re.search(LOCATION, message)
    assert found, message
    assert found.group(2) == layer
    # What it says is true: the reference has that word at that place.
    frame, channel, y, x, expected = (int(found.group(i)) for i in (1, 3, 4, 5, 6))
    _, trace = build.network.run(digits_data.x_test[:40], trace=True)
    assert trace[layer][frame, channel, y, x] == expected
    report = (build.folder / "report.json").read_text()
    assert '"first_mismatch": "frame' in report


def test_no_fault_no_mismatch(digits_build: Build, digits_data: Dataset) -> None:
    x = digits_data.x_test[:40]
    assert digits_build.first_mismatch(x, digits_build.simulate(x, taps=len(x))) is None


def test_bad_frames_are_answered_and_forgotten(digits_build: Build, digits_data: Dataset) -> None:
    network, x = digits_build.network, digits_data.x_test[:60]
    rng = np.random.default_rng(3)
    full = x[0].size // 4
    words = np.full(len(x), full)
    bad = rng.permutation(np.arange(1, 59))[:24]
    words[bad[:12]] = rng.integers(1, full, 12)
    words[bad[12:]] = full + rng.integers(1, 40, 12)
    result = digits_build.simulate(x, words=words, stall_in=0.2, stall_out=0.2, seed=5, solo=0)
    assert len(result.logits) == len(x)
    np.testing.assert_array_equal(result.flags, np.where(words < full, 1, np.where(words > full, 2, 0)))
    pixels = network.inputs(x).astype(np.uint8)
    for frame in bad[:12]:  # a short frame is zero-filled
        flat = pixels[frame].reshape(-1)
        flat[words[frame] * 4 :] = 0
    np.testing.assert_array_equal(result.logits, network.run(pixels))
    trailer = result.run.words[:, -1].view(np.uint32)
    np.testing.assert_array_equal(trailer & 0xFF, np.arange(len(x)) & 0xFF)
    assert len(set((trailer >> 16).tolist())) == 1


def test_frames_do_not_influence_one_another(digits_build: Build, digits_data: Dataset) -> None:
    black, white = np.zeros_like(digits_data.x_test[0]), np.ones_like(digits_data.x_test[0])
    rng = np.random.default_rng(4)
    choice = rng.integers(0, 3, 200)
    x = np.stack([(black, white, digits_data.x_test[i])[c] for i, c in enumerate(choice)])
    result = digits_build.simulate(x, solo=0)
    np.testing.assert_array_equal(result.logits, digits_build.network.run(x))


def test_long_chains_answer_every_frame_under_back_pressure(digits_build: Build, digits_data: Dataset) -> None:
    x = digits_data.x_test[:100]
    for stall_in, stall_out in ((0.0, 0.9), (0.9, 0.0), (0.5, 0.5)):
        result = digits_build.simulate(x, stall_in=stall_in, stall_out=stall_out, seed=9, solo=0)
        np.testing.assert_array_equal(result.logits, digits_build.network.run(x))


def test_zoo_networks_match_their_command() -> None:
    for name in zoo.names():
        network = zoo.load(name)
        assert network.meta["command"].startswith(f"python -m pyflow.zoo.train {name}")
        assert network.meta["cycles_per_frame"] > 0
