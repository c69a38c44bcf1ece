# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The packer cannot share a mistake with the reference: a float64 torch network takes every weight, threshold
and bias from the emitted .mem files (constant rows from the package) and every width from the module, by code that does
not import the packer, and must give the reference's logits on every image. Only the order of the layers and their
strides and paddings come from the network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import pyflow
from pyflow import zoo
from pyflow.build import Build
from pyflow.data import Dataset, load
from tests.flow.designs import image, network_text, package_text
from tests.flow.netlists import netlist_of
from tests.flow.random_models import random_folding, random_network
from tests.flow.samples import some


def parameters(text: str, instance: str) -> dict[str, int]:
    """Integer parameters of one instance in the emitted netlist."""
    body = re.search(rf"#\(([^;]*?)\) {instance} \(", text)
    assert body, instance
    return {k: int(v) for k, v in re.findall(r"\.(\w+)\((\d+)\)", body.group(1).rsplit("#(", 1)[-1])}


def lines(folder: Path, memory: str) -> list[str]:
    """Rows of a memory in hexadecimal, as many as its weight source sends."""
    text = network_text(folder)
    if constant := re.search(rf"\[(\d+):0\] ROW_{memory} = (\d+)'h(\w+);", package_text(folder)):
        assert re.search(rf"\.KIND\(0\), \.ROW\(\w+_pkg::ROW_{memory}\)\) u_{memory} \(", text)
        assert int(constant[1]) + 1 == int(constant[2]) == parameters(text, f"u_{memory}")["WIDTH"]
        assert not image(folder, memory).exists()
        return [constant[3]]
    rows, depth = image(folder, memory).read_text().split(), parameters(text, f"u_{memory}")["DEPTH"]
    assert len(rows) == max(2, depth), "a memory has two rows at least, and its image as many"
    return rows[:depth]


def fields(rows_text: list[str], width: int) -> np.ndarray:
    """[rows, fields] signed numbers of `width` bits, field 0 in the least significant bits."""
    rows = []
    for line in rows_text:
        value, out = int(line, 16), []
        for _ in range(len(line) * 4 // width):
            low = value & ((1 << width) - 1)
            out.append(low - (1 << width) if low >> (width - 1) else low)
            value >>= width
        rows.append(out)
    return np.array(rows, dtype=np.float64)


class Rebuilt:
    """Layers in float64, read back from an output folder by docs/formats.md."""

    def __init__(self, folder: Path, build: Build) -> None:
        self.folder, self.text = folder, network_text(folder)
        self.layers: tuple[Any, ...] = netlist_of(build).network.operators  # kernels as the hardware has them
        self.slices = {name: f.slice for name, f in netlist_of(build).foldings.items()}
        self.network = build.network

    def weights(self, name: str, co: int, kh: int, kw: int, ci: int) -> torch.Tensor:
        """[Co, Ci, KH, KW] of one synapse layer."""
        p = parameters(self.text, f"u_{name}_array")
        rows = fields(lines(self.folder, f"{name}_weight"), p["WEIGHT_W"])[:, : p["PE"] * p["SIMD"]]
        kind = self.slices[name]
        lanes = p["SIMD"] // {"all": kh * kw, "column": kh, "tap": 1}[kind]
        folds_out = len(rows) // p["FOLDS"]
        groups = -(-ci // lanes)
        out = torch.zeros(folds_out * p["PE"], groups * lanes, kh, kw, dtype=torch.float64)
        for row, values in enumerate(rows):
            fold_out, fold = divmod(row, p["FOLDS"])
            for k, value in enumerate(values):
                pe, i = divmod(k, p["SIMD"])
                if kind == "tap":
                    (ky, kx), g = divmod(fold // groups, kw), fold % groups
                elif kind == "column":
                    kx, g = divmod(fold, groups)
                    ky, i = divmod(i, lanes)
                else:
                    g, (tap, i) = fold, divmod(i, lanes)
                    kx, ky = divmod(tap, kh)
                out[fold_out * p["PE"] + pe, g * lanes + i, ky, kx] = value
        assert not out[co:].any(), "padding lanes must weigh nothing"
        assert not out[:, ci:].any(), "padding lanes must weigh nothing"
        return out[:co, :ci]

    def depthwise(self, name: str, co: int, kh: int, kw: int) -> torch.Tensor:
        """[Co, 1, KH, KW] of a depthwise layer."""
        p = parameters(self.text, f"u_{name}_array")
        width = p["LANES"] * p["MULTIPLIER"] * p["TAPS"]
        rows = fields(lines(self.folder, f"{name}_weight"), p["WEIGHT_W"])[: -(-co // (width // p["TAPS"])), :width]
        kernels = torch.tensor(rows, dtype=torch.float64).reshape(-1, 1, kw, kh)
        assert not kernels[co:].any(), "padding lanes must weigh nothing"
        return kernels[:co].transpose(2, 3)

    def channels(self, name: str, count: int) -> tuple[torch.Tensor, torch.Tensor, int]:
        """(theta or ones, bias, exponent) of a neuron or readout."""
        p = parameters(self.text, f"u_{name}")
        theta_w = p.get("THETA_W", 0)
        theta, bias = [], []
        for line in lines(self.folder, f"{name}_param"):
            value = int(line, 16)
            for _ in range(p["LANES"]):
                low = value & ((1 << p["BIAS_W"]) - 1)
                bias.append(low - (1 << p["BIAS_W"]) if low >> (p["BIAS_W"] - 1) else low)
                value >>= p["BIAS_W"]
                theta.append(value & ((1 << theta_w) - 1) if theta_w else 1)
                value >>= theta_w
        column = lambda v: torch.tensor(v[:count], dtype=torch.float64)[:, None, None]  # noqa: E731
        return column(theta), column(bias), p["EXPONENT"]

    def run(self, pixels: np.ndarray) -> np.ndarray:
        v = torch.tensor(pixels, dtype=torch.float64)
        for op in self.layers:
            c, h, w = v.shape[1:]
            if op.kind == "encode":
                k = parameters(self.text, f"u_{op.name}")["T"]
                v = v if k == 8 else torch.clamp(torch.floor((v + 2.0 ** (7 - k)) / 2.0 ** (8 - k)), max=2.0**k - 1)
            elif op.kind in ("conv", "depthwise"):
                co, ci, kh, kw = op.weight.shape
                (py, px), code = op.padding, torch.zeros(c, dtype=torch.float64)
                code[: op.pad_code.size] = torch.tensor(op.pad_code, dtype=torch.float64)
                framed = code[None, :, None, None].repeat(len(v), 1, h + 2 * py, w + 2 * px)
                framed[:, :, py : py + h, px : px + w] = v
                if op.kind == "depthwise":
                    v = F.conv2d(framed, self.depthwise(op.name, co, kh, kw), None, op.stride, groups=c)
                else:
                    v = F.conv2d(framed, self.weights(op.name, co, kh, kw, ci), None, op.stride)
            elif op.kind == "linear":
                weight = self.weights(op.name, op.weight.shape[0], h, w, c)
                v = F.conv2d(v, weight)
            elif op.kind == "maxpool":
                v = F.max_pool2d(v, op.kernel, op.stride, op.padding)
            elif op.kind == "upsample":
                v = v.repeat_interleave(op.scale[0], 2).repeat_interleave(op.scale[1], 3)
            elif op.kind == "sumpool":
                v = F.avg_pool2d(v, op.kernel, op.stride, op.padding, divisor_override=1)
            else:
                theta, bias, e = self.channels(op.name, c)
                v = v * 2.0**e + bias
                if op.kind == "neuron":
                    top = 2.0 ** parameters(self.text, f"u_{op.name}")["T"] - 1
                    v = torch.clamp(torch.floor(v / theta), 0, top)
        return v.flatten(1).numpy()


FOLDINGS = {
    "planned": None,
    "column": {
        "layers": {
            "conv1": {"pe": 3, "lanes": 1, "slice": "column"},
            "conv2": {"pe": 5, "lanes": 3, "slice": "column"},
            "fc": {"pe": 4, "lanes": 5, "slice": "tap"},
        }
    },
    "tap": {
        "layers": {
            "conv1": {"pe": 8, "lanes": 1, "slice": "tap"},
            "conv2": {"pe": 7, "lanes": 5, "slice": "tap"},
            "fc": {"pe": 10, "lanes": 16, "slice": "tap"},
        }
    },
}


@pytest.mark.parametrize("folding", FOLDINGS)
def test_digits_rebuilt_from_files(folding: str, tmp_path: Path, digits_data: Dataset) -> None:
    network = zoo.load("digits")
    build = pyflow.compile(
        network, out_dir=tmp_path, folding=FOLDINGS[folding], cycles_per_frame=None if FOLDINGS[folding] else 256
    )
    images = np.concatenate([digits_data.x_train, digits_data.x_test])
    np.testing.assert_array_equal(Rebuilt(build.rtl, build).run(network.inputs(images)), network.run(images))


@pytest.mark.parametrize("seed", some(16, 40))
def test_random_networks_rebuilt_from_files(seed: int, tmp_path: Path) -> None:
    network, x = random_network(seed)
    build = pyflow.compile(network, out_dir=tmp_path, folding=random_folding(network, seed))
    np.testing.assert_array_equal(Rebuilt(build.rtl, build).run(network.inputs(x)), network.run(x))


def test_lenet5_rebuilt_from_files(tmp_path: Path, data_dir: Path) -> None:
    network = zoo.load("lenet5")
    build = pyflow.compile(network, out_dir=tmp_path, cycles_per_frame=network.meta["cycles_per_frame"])
    images = load("mnist", data_dir, network.input_shape).x_test[:2000]
    rebuilt = Rebuilt(build.rtl, build)
    for start in range(0, len(images), 1000):
        part = images[start : start + 1000]
        np.testing.assert_array_equal(rebuilt.run(network.inputs(part)), network.run(part))
