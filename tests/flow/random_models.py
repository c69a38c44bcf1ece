# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Random small networks with random foldings: odd sizes, channels that divide nothing, BN of either sign,
dead channels, T 1 to 8, W 2 to 8. On images, or on sequences [N, C, L]."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from torch import nn

import pyflow
from pyflow.frontends import Normalize
from pyflow.graph import Network
from pyflow.integers import ceil_div
from pyflow.operators import Conv, DepthwiseConv, Linear, Synapse
from pyflow.planning.bodies import residuals
from pyflow.planning.lowering import embed_kernel
from pyflow.planning.lowering.synapse import pixels_per_beat
from pyflow.planning.windows import row_windows

# Layers and what is drawn for them, by the axes of the map: 1 sequences, 2 images.
CONV: dict[int, type[nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d}
NORM: dict[int, type[nn.Module]] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}
MAX_POOL: dict[int, type[nn.Module]] = {1: nn.MaxPool1d, 2: nn.MaxPool2d}
AVG_POOL: dict[int, type[nn.Module]] = {1: nn.AvgPool1d, 2: nn.AvgPool2d}
SIZES = {1: (5, 41), 2: (5, 13)}
KERNELS = {1: [1, 2, 3, 5, 8], 2: [1, 3, 5]}
UP: dict[int, list[Any]] = {1: [2, 3], 2: [2, (1, 3), (2, 1)]}
POOLS = {1: ["none", "max", "max3", "avg", "whole"], 2: ["none", "max", "max3", "avg"]}


def _trained_norm(channels: int, axes: int) -> Any:
    """A BatchNorm that is not the identity, some of its scales negative."""
    norm: Any = NORM[axes](channels)
    with torch.no_grad():
        norm.weight.copy_(torch.randn(channels))
        norm.bias.copy_(0.3 * torch.randn(channels))
        norm.running_mean.copy_(0.2 * torch.randn(channels))
        norm.running_var.copy_(torch.rand(channels) + 0.3)
    return norm


def _large_pool(layers: OrderedDict[str, nn.Module], sides: list[int], rng: np.random.Generator) -> list[int]:
    """Perhaps a pool of a large window, up to the whole map, behind `layers`; the sides of its map."""
    if min(sides) < 3 or rng.random() >= 0.5:
        return sides
    window = [int(rng.integers(3, side + 1)) for side in sides]
    kind = (MAX_POOL if rng.random() < 0.5 else AVG_POOL)[len(sides)]
    layers["large"] = kind(window[0] if len(sides) == 1 else tuple(window))
    return [side // k for side, k in zip(sides, window, strict=True)]


def random_network(seed: int, axes: int = 2) -> tuple[Network, np.ndarray]:
    """(integer network, float images [N, C, H, W], or sequences [N, C, L] where axes = 1)."""
    rng, ups, apart = (np.random.default_rng(seed + n) for n in (0, 82, 84))
    torch.manual_seed(seed)
    c, sides = int(rng.integers(1, 5)), [int(rng.integers(*SIZES[axes])) for _ in range(axes)]
    shape = (c, *sides)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if rng.random() < 0.3:
        layers["norm"] = Normalize([0.3] * c, [0.6] * c)
    if rng.random() < 0.15 and "norm" not in layers:
        layers["pool"] = (AVG_POOL if rng.random() < 0.5 else MAX_POOL)[axes](2)
        sides = [side // 2 for side in sides]
    for i in range(int(rng.integers(0 if "pool" in layers else 1, 4))):
        sizes = KERNELS[axes]
        kernel = (
            tuple(int(k) for k in rng.choice(sizes, axes)) if rng.random() < 0.3 else (int(rng.choice(sizes)),) * axes
        )
        stride, padding = int(rng.choice([1, 1, 2])), int(rng.integers(0, 3))
        if any(side + 2 * padding < k for side, k in zip(sides, kernel, strict=True)):
            break
        co = int(rng.integers(1, 9))
        conv: Any = CONV[axes](c, co, kernel, stride, padding, bias=bool(rng.random() < 0.6))
        if rng.random() < 0.3:
            with torch.no_grad():
                conv.weight[int(rng.integers(co))] = 0
        layers[f"conv{i}"] = conv
        if rng.random() < 0.5:
            layers[f"bn{i}"] = _trained_norm(co, axes)
        layers[f"relu{i}"] = nn.ReLU()
        c, sides = co, [(side + 2 * padding - k) // stride + 1 for side, k in zip(sides, kernel, strict=True)]
        if c > 1 and apart.random() < 0.3:
            size, step, multiplier = (int(n) for n in (apart.choice([1, 3, 5]), *apart.integers(1, 3, 2)))
            depthwise: Any = CONV[axes](c, multiplier * c, size, step, size // 2, groups=c)
            layers[f"depthwise{i}"], layers[f"relu_depthwise{i}"] = depthwise, nn.ReLU()
            c, sides = multiplier * c, [(side - 1) // step + 1 for side in sides]
        kind = rng.choice(POOLS[axes])
        if kind != "none" and min(sides) >= 3:
            size, step, pad = {"max3": (3, 2, 1), "whole": (sides[0], 1, 0)}.get(kind, (2, 2, 0))
            layers[f"pool{i}"] = (MAX_POOL if kind in ("max", "max3") else AVG_POOL)[axes](size, step, pad)
            sides = [(side + 2 * pad - size) // step + 1 for side in sides]
        if ups.random() < 0.35 and np.prod(sides) <= 30:
            up = nn.Upsample(scale_factor=UP[axes][ups.integers(len(UP[axes]))])
            layers[f"up{i}"] = up
            if ups.random() < 0.3 and kind in ("none", "max", "max3") and f"depthwise{i}" not in layers:
                layers.move_to_end(f"relu{i}")  # the ReLU goes in front of it, and of a pool
            sides = [int(s) for s in up(torch.zeros(1, 1, *sides)).shape[2:]]
    sides = _large_pool(layers, sides, np.random.default_rng(seed + 81))
    layers["flatten"] = nn.Flatten()
    features = c * int(np.prod(sides))
    if rng.random() < 0.5:
        fc0 = nn.Linear(features, int(rng.integers(2, 12)), bias=bool(rng.random() < 0.7))
        layers["fc0"], layers["relu_fc0"] = fc0, nn.ReLU()
        features = fc0.out_features
    layers["fc1"] = nn.Linear(features, int(rng.integers(2, 8)))
    model = nn.Sequential(layers).eval()
    x = rng.random((24, *shape)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = pyflow.convert(
            model,
            x,
            timesteps=int(rng.integers(1, 9)),
            weight_bits=int(rng.integers(2, 9)),
            input_bits=int(rng.integers(1, 9)),
            name=f"random{seed}",
            input_shape=shape,
        )
    return network, x


def random_folding(network: Network, seed: int) -> dict[str, Any]:
    """A legal folding.json content, anything but sensible."""
    rng, pixels, apart = (np.random.default_rng(seed + n) for n in (77, 78, 80))
    layers: dict[str, dict[str, Any]] = {}
    for op in network.operators:
        if not isinstance(op, Synapse):
            continue
        if isinstance(op, Conv):
            op = embed_kernel(op)
        (source,) = network.sources(op)
        kh, kw, c = op.taps(source)
        co = op.weight.shape[0]
        kind = "tap" if isinstance(op, Linear) else str(rng.choice(["tap", "column", "all"]))
        lanes = c if op.pad_code.any() else int(rng.integers(1, c + 1))
        pe = int(rng.integers(1, co + 1))
        if kind in ("all", "column") and ceil_div(c, lanes) > 1 and ceil_div(co, pe) > 1 and (kind == "all" or kw == 1):
            pe = co
        if isinstance(op, DepthwiseConv):
            kind, pe = "all", lanes * op.readers(source)
        tps = [t for t in range(1, source.beat_steps + 1) if source.beat_steps % t == 0]
        layers[op.name] = {
            "pe": pe,
            "lanes": lanes,
            "slice": kind,
            "tp": int(rng.choice(tps)),
            "neuron": str(rng.choice(["auto", "serial", "unrolled"])),
            "memory": "writable" if rng.random() < 0.2 else "auto",
            "rows": int(rng.integers(0, 2 * kh + 1)),
        }
        several = [pix for pix in pixels_per_beat(op, source) if pix > 1]
        if several and pixels.random() < 0.5:
            layers[op.name] |= {"pe": co, "lanes": c, "slice": "all", "pix": int(pixels.choice(several))}
        pe, pix = layers[op.name]["pe"], layers[op.name].get("pix", 1)
        fewer = [n for n in range(1, pe) if pe % n == 0 and row_windows(op, source, pix).pix == 1]
        if fewer and apart.random() < 0.3:
            layers[op.name]["neurons"] = int(apart.choice(fewer))
        buffered = isinstance(op, Conv) and kh * kw > 1 and layers[op.name]["slice"] != "tap"
        layers[op.name]["rows"] = ceil_div(layers[op.name]["rows"], kh) * kh if buffered else 0
    slices = np.random.default_rng(seed + 82)
    for layer, _ in residuals(network):  # with any weights a multiplier may be wider than a slice's
        if layers[layer.name]["memory"] == "auto" and slices.random() < 0.5:
            layers[layer.name]["residual"] = "dsp"
    skids = np.random.default_rng(seed + 79)
    for folding in layers.values():
        folding["skid"] = bool(skids.random() < 0.3)
    chain = [op for op in network.operators[:-1] if len(network.destinations(op.name)) == 1]
    fifos = {op.name: int(rng.integers(2, 9)) for op in chain if rng.random() < 0.2}
    return {"version": 1, "layers": layers, "fifos": fifos}
