# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Networks of NIR and Lava files in RTL: every logit and every cycle; the command line that takes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("h5py", reason="h5py is not installed: pip install volley-snn[nir]")

import pyflow
from pyflow.__main__ import main
from pyflow.frontends.lava import input_codes
from pyflow.graph import Network
from tests.unit.nir_graphs import DT, affine, chain, conv, cuba, flatten, integrate, pool, save, spikes

pytestmark = pytest.mark.filterwarnings("ignore")
STEPS = {"dt": 1e-4, "readout": "spikes-sum"}


def in_rtl(network: Network, frames: np.ndarray, folder: Path) -> None:
    build = pyflow.compile(network, board="pynq-z2", out_dir=folder)
    result = build.simulate(frames)
    assert np.array_equal(result.logits, network.run(frames))
    assert result.cycles_per_frame == build.plan.cycles_per_frame
    assert result.latency_cycles == build.plan.latency_cycles


@pytest.mark.parametrize(("name", "steps"), [("lif_norse", 800), ("lif_rockpool", 400), ("two_lif_neurons", 400)])
def test_published_graphs(nir_dir: Path, name: str, steps: int, tmp_path: Path) -> None:
    x = spikes(4, steps, 1, share=0.2)
    network = pyflow.convert_nir(nir_dir / f"{name}.nir", x, steps=steps, **STEPS)  # type: ignore[arg-type]
    in_rtl(network, x, tmp_path / "net")


def test_a_recurrent_graph(nir_dir: Path, tmp_path: Path) -> None:
    x = spikes(40, 60, 12, share=0.1)
    network = pyflow.convert_nir(nir_dir / "braille_noDelay_bias_zero.nir", x, steps=60, **STEPS)  # type: ignore[arg-type]
    assert network.run(x).any()
    in_rtl(network, x[:4], tmp_path / "net")


def test_a_graph_with_every_kind_of_layer(tmp_path: Path) -> None:
    tree = chain(
        (2, 6, 6), (5,),
        conv1=conv(3, 2, 3), if1=integrate((3, 4, 4), 1.5), pool1=pool("SumPool2d"), flat=flatten((3, 2, 2)),
        fc=affine(5, 12, 2), n=cuba(5, theta=0.3),
    )  # fmt: skip
    x = spikes(40, 8, 2, 6, 6)
    options: dict[str, Any] = {"dt": DT, "steps": 8, "readout": "spikes-sum"}
    network = pyflow.convert_nir(save(tree, tmp_path / "x.nir"), x, **options)
    assert network.run(x).any()
    in_rtl(network, x[:6], tmp_path / "net")


def test_a_membrane_at_the_end(tmp_path: Path) -> None:
    end = {"type": "CubaLI", "v_leak": np.full(3, 0.1), "w_in": np.full(3, 2.0), "r": np.ones(3)}
    end |= {"tau_mem": np.full(3, 0.005), "tau_syn": np.full(3, 0.002)}
    tree = chain((4,), (3,), fc=affine(6, 4), n=integrate(6), fc2=affine(3, 6, 1), end=end)
    x = spikes(40, 8, 4)
    network = pyflow.convert_nir(save(tree, tmp_path / "x.nir"), x, dt=DT, steps=8, readout="membrane-max")
    in_rtl(network, x[:6], tmp_path / "net")


def test_lava_mnist(lava_dir: Path, data_dir: Path, tmp_path: Path) -> None:
    from pyflow.data import load

    network = pyflow.read_lava(lava_dir / "mnist.net", steps=16, images=True, input_shape=(1, 28, 28))
    in_rtl(network, load("mnist", data_dir).x_test[:8], tmp_path / "net")


def test_lava_tiny(lava_dir: Path, tmp_path: Path) -> None:
    network = pyflow.read_lava(lava_dir / "tiny.net", steps=8)
    in_rtl(network, input_codes(network, np.random.default_rng(0).random((3, 3, 16, 16))), tmp_path / "net")


def test_sim_takes_a_graph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = chain((4,), (3,), fc=affine(3, 4), n=integrate(3))
    path = save(tree, tmp_path / "my.nir")
    form = ["--dt", "1e-3", "--steps", "8", "--readout", "spikes-sum", "--out", str(tmp_path / "out")]
    assert main(["sim", "--net", str(path), "--frames", "5", *form]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["mismatches"], report["frames_compared"], report["accuracy_snn"]) == (0, 5, None)
    x = spikes(30, 8, 4)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(30) % 3)
    assert main(["sim", "--net", str(path), "--frames", "5", *form, "--data", str(tmp_path / "x.npz")]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["mismatches"], report["frames_compared"]) == (0, 5)
    assert report["accuracy_snn"] is not None
    assert main(["sim", "--net", str(path), "--frames", "5", *form[2:]]) == 2
    assert (
        capsys.readouterr()
        .err.strip()
        .endswith("NIR graph: give dt (DT=), the seconds of a time step; the graph does not say it")
    )
