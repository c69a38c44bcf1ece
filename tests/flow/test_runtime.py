# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""pyflow.runtime against the RTL: a fault matrix over co-simulation, and the RTL in Verilator as a device."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import pyflow
from pyflow import registers as r
from pyflow.build import Build, compile
from pyflow.conversion.radix import exponents
from pyflow.data import Dataset
from pyflow.design_files import DesignFiles
from pyflow.graph import Network
from pyflow.operators import Conv, Encode, Linear, RadixNeuron, Readout
from pyflow.runtime import Device, DeviceError, FramesFailed
from pyflow.runtime.rtlsim import RtlSimLink
from tests.flow.designs import design, images, network_text
from tests.flow.reweighted import writable
from tests.flow.samples import FIRST
from verif import harness

AXI_FAULTS = ("none", "drop", "double", "lose", "repeat", "hang", "stop", "error", "reset", "hash", "weights")
UART_FAULTS = ("none", "flip", "lose", "double", "noise", "reset", "cable", "hash", "weights")


def small_network(seed: int = 0) -> Network:
    """16 pixels, three classes, a layer of each kind: frames take little on a serial line."""
    rng = np.random.default_rng(seed)
    return Network("small", (1, 4, 4), (
        Encode("encode", ("input",), steps=4),
        Conv("conv", ("encode",), (3, 3), padding=(1, 1), weight=rng.integers(-7, 8, (2, 1, 3, 3)), weight_bits=4),
        RadixNeuron("neuron", ("conv",), theta=rng.integers(8, 20, 2), bias=rng.integers(-9, 10, 2)),
        Linear("fc", ("neuron",), weight=rng.integers(-7, 8, (3, 32, 1, 1)), weight_bits=4),
        Readout("readout", ("fc",), bias=rng.integers(-9, 10, 3)),
    ))  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return compile(small_network(), out_dir=tmp_path_factory.mktemp("small"), cycles_per_frame=100)


@pytest.fixture(scope="module")
def pair(small: Build, tmp_path_factory: pytest.TempPathFactory) -> tuple[Build, Build]:
    """The same structure with different weights, all in memories that can be written."""
    folding, folder = writable(small.plan.folding_json()), tmp_path_factory.mktemp("pair")
    builds = [compile(small_network(seed), out_dir=folder / str(seed), folding=folding) for seed in (0, 1)]
    assert network_text(builds[0].rtl) == network_text(builds[1].rtl)
    return builds[0], builds[1]


def cosimulate(
    build: Build,
    top: str,
    bench: str,
    parameters: dict[str, int],
    fault: str,
    seeds: str,
    other: Build | None = None,
) -> None:
    """Run verif/tb/<bench>.py on `top` around the network of `build`."""
    simulator = harness.build(top, parameters, sources=design(build.rtl))
    env = {"HOST": str(build.folder / "host"), "FAULT": fault, "SEEDS": seeds}
    if other:
        env["OTHER"] = str(other.folder / "host")
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        problems = harness.simulate(simulator, run, top, bench, parameters, env, images(build.rtl), timeout_s=3600)
        log = (run / "sim.log").read_text(errors="replace")
    assert not problems, f"{problems}\n{log[-6000:]}"
    print(next(line for line in log.splitlines() if " seeds, " in line).split("  ")[-1])


def over_the_line(build: Build, fault: str, seeds: str, other: Build | None = None) -> None:
    line = {"CLK_HZ": 4_000_000, "BAUD": 1_000_000}
    cosimulate(build, DesignFiles.found_in(build.rtl).uart_top, "tb_runtime_uart", line, fault, seeds, other)


def over_axi(build: Build, fault: str, seeds: str, other: Build | None = None) -> None:
    cosimulate(build, DesignFiles.found_in(build.rtl).axi_top, "tb_runtime_axi", {}, fault, seeds, other)


@pytest.mark.parametrize("fault", UART_FAULTS)
def test_over_a_serial_line(small: Build, fault: str) -> None:
    over_the_line(small, fault, "0:4")


@pytest.mark.parametrize("fault", AXI_FAULTS)
def test_over_axi(small: Build, fault: str) -> None:
    over_axi(small, fault, "0:4")


def test_weights_over_a_serial_line(pair: tuple[Build, Build]) -> None:
    over_the_line(pair[0], "load", "0:4", pair[1])


def test_weights_over_axi(pair: tuple[Build, Build]) -> None:
    over_axi(pair[0], "load", "0:4", pair[1])


@pytest.mark.long
def test_weights_many_times(pair: tuple[Build, Build]) -> None:
    over_axi(pair[0], "load", f"{FIRST}:50", pair[1])
    over_the_line(pair[0], "load", f"{FIRST}:50", pair[1])


@pytest.mark.long
@pytest.mark.parametrize("fault", UART_FAULTS)
def test_over_a_serial_line_many_times(small: Build, fault: str) -> None:
    over_the_line(small, fault, f"{FIRST}:100")


@pytest.mark.long
@pytest.mark.parametrize("fault", AXI_FAULTS)
def test_over_axi_many_times(small: Build, fault: str) -> None:
    over_axi(small, fault, f"{FIRST}:250")


# ------------------------------------------------------------------ the shipped network, and the RTL as a device
def test_digits_over_axi(digits_build: Build) -> None:
    over_axi(digits_build, "none", "0:2")


def test_the_rtl_as_a_device(digits_build: Build, digits_data: Dataset, tmp_path: Path) -> None:
    build, x = digits_build, digits_data.x_test[:300]  # frame numbers wrap
    with Device.open("rtlsim", build.folder) as device:
        assert device.self_test().passed
        assert "8 frames, every logit equal" in device.self_test().text
        np.testing.assert_array_equal(device.infer(x), build.network.run(x))
        stats = device.stats()
        assert stats["frames"] == 316
        assert stats["cycles"] > 300 * build.plan.cycles_per_frame
        assert stats["errors"] == []
        assert stats["saturated"] == 0


def test_probes_of_a_device(tmp_path: Path) -> None:
    build = compile(small_network(), out_dir=tmp_path, cycles_per_frame=100, probes=True)
    with Device.open("rtlsim", tmp_path) as device:
        pixels, _ = device.files.vectors()
        device.run_bytes(pixels)
        layers = device.stats()["layers"]
    _, trace = build.network.run(pixels.reshape(-1, 1, 4, 4), trace=True)
    assert layers["neuron"]["spikes"] == np.bitwise_count(trace["neuron"]).sum() > 0
    assert layers["encode"]["spikes"] == np.bitwise_count(trace["encode"]).sum()
    assert set(layers) == {"encode", "conv", "neuron", "fc", "readout"}
    assert layers["conv"]["stalls"]


def test_the_self_test_names_the_first_difference(digits_build: Build) -> None:
    vectors = dict(np.load(digits_build.folder / "host" / "vectors.npz"))
    vectors["logits"][5, 3] += 1
    np.savez(digits_build.folder / "host" / "vectors.npz", **vectors)
    with Device.open("rtlsim", digits_build.folder / "host") as device:
        found = device.self_test()
    want = vectors["logits"][5, 3]
    assert not found.passed
    assert f"frame 5 of 8, logit 3: expected {want}, got {want - 1}; 1 frames differ" in found.text


def test_frames_that_fail_are_reported_and_the_others_kept(small: Build) -> None:
    with Device.open("rtlsim", small.folder) as device:
        pixels, logits = device.files.vectors()
        link: Any = device._link
        sent: list[np.ndarray] = []

        def exchange(frames: np.ndarray, words: int) -> Iterator[np.ndarray]:
            for frame, answer in zip(frames, RtlSimLink.exchange(link, frames, words), strict=True):
                sent.append(frame)
                if (frame == pixels[2]).all():
                    answer = answer ^ np.uint32(0x100)  # marked as short
                yield answer

        link.exchange = exchange
        done = device.run_bytes(pixels, retries=2)
        assert done.failures == {2: "answer marked: short frame"}
        assert done.repeated == 1
        assert sum((frame == pixels[2]).all() for frame in sent) == 3
        keep = np.arange(len(pixels)) != 2
        np.testing.assert_array_equal(done.logits[keep], logits[keep])
        x = pixels.reshape(-1, 1, 4, 4)
        with pytest.raises(FramesFailed, match=r"1 of 8 frames failed; frame 2: answer marked: short frame; .*logits"):
            device.infer(x, retries=0)


# ------------------------------------------------------------------ weights
def test_new_weights_without_a_new_design(tmp_path: Path) -> None:
    """Another training, converted like the first one: its answers come from the design of the first."""

    def model(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        conv = nn.Conv2d(1, 3, 3)
        layers = [conv, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 4)]
        with torch.no_grad():
            conv.weight.mul_(seed)  # the second one alone would need another exponent
        return nn.Sequential(*layers).eval()

    x = np.random.default_rng(0).random((64, 1, 6, 6)).astype(np.float32)
    first = pyflow.convert(model(1), x, name="n")
    second = pyflow.convert(model(9), x, name="n", like=first)
    assert exponents(first) == exponents(second) != exponents(pyflow.convert(model(9), x, name="n"))
    plain = compile(first, out_dir=tmp_path / "plain", cycles_per_frame=100)
    folding = writable(plain.plan.folding_json())
    builds = [compile(network, out_dir=tmp_path / network_name, folding=folding)
              for network, network_name in ((first, "first"), (second, "second"))]  # fmt: skip
    with Device.open("rtlsim", builds[0].folder) as device:
        np.testing.assert_array_equal(device.infer(x), first.run(x))
        said = device.load_weights(builds[1].folder)
        assert said.startswith("weights of n loaded: ")
        assert said.endswith(" words into 4 memories")
        np.testing.assert_array_equal(device.infer(x), second.run(x))
        assert device.self_test().passed
        with pytest.raises(DeviceError, match=r"structure .* its weights do not fit. Convert with like= "):
            device.load_weights(plain.folder)
        device._link.write(r.LOAD, [1])  # a word of nobody
        device._stale = True
        with pytest.raises(DeviceError, match=r"other weights in the device: .*; load_weights\(\) writes them"):
            device.infer(x)
