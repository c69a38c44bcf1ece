# SPDX-License-Identifier: Apache-2.0
"""pyflow.runtime against the RTL: a fault matrix over co-simulation, and the RTL in Verilator as a device."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest

from pyflow.backends.toolbox import rtl_sources
from pyflow.build import Build, compile
from pyflow.graph import Network
from pyflow.operators import Conv, Encode, Linear, RadixNeuron, Readout
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


def cosimulate(build: Build, top: str, bench: str, parameters: dict[str, int], fault: str, seeds: str) -> None:
    """Run verif/tb/<bench>.py on `top` around the network of `build`."""
    sources = [build.rtl / "volley_net_pkg.sv", *rtl_sources(), build.rtl / "volley_net.sv"]
    simulator = harness.build(top, parameters, sources=sources)
    images = {path.name: path.read_text() for path in build.rtl.glob("*.mem")}
    env = {"HOST": str(build.folder / "host"), "FAULT": fault, "SEEDS": seeds}
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        problems = harness.simulate(simulator, run, top, bench, parameters, env, images, timeout_s=3600)
        log = (run / "sim.log").read_text(errors="replace")
    assert not problems, f"{problems}\n{log[-6000:]}"
    print(next(line for line in log.splitlines() if " seeds, " in line).split("  ")[-1])


def over_the_line(build: Build, fault: str, seeds: str) -> None:
    cosimulate(build, "volley_uart_top", "tb_runtime_uart", {"CLK_HZ": 4_000_000, "BAUD": 1_000_000}, fault, seeds)


def over_axi(build: Build, fault: str, seeds: str) -> None:
    cosimulate(build, "volley_axi_top", "tb_runtime_axi", {}, fault, seeds)


@pytest.mark.parametrize("fault", UART_FAULTS)
def test_over_a_serial_line(small: Build, fault: str) -> None:
    over_the_line(small, fault, "0:4")


@pytest.mark.parametrize("fault", AXI_FAULTS)
def test_over_axi(small: Build, fault: str) -> None:
    over_axi(small, fault, "0:4")
