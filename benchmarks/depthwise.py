# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""`make bench-depthwise`: MobileNetV1 x 0.25 (arXiv 1704.04861) on images of 32 x 32 pixels, planned. What each
depthwise layer stores and multiplies stands beside the dense kernel with zeros that it would otherwise be.

Weights are the fields of its memory; products are those of its array in a frame, of a weight and a word. The price is
the planner's, of array, window and weights in LUTs (a block RAM counts 150, a DSP slice 20), for a target that both can
keep to. A network of fewer blocks runs in RTL. The weights are random. Exit status 1 where a layer stores or multiplies
more than its kernels, or where RTL differs in a logit or in cycles.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence

import numpy as np
import torch
from tabulate import tabulate
from torch import nn

import pyflow
from benchmarks.goals import MET, MISSED, status
from pyflow.bars import bar
from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.operators import Conv, DepthwiseConv
from pyflow.planning.board import load_board
from pyflow.planning.choice import DSP_PRICES, Layer
from pyflow.planning.paths import Prices
from pyflow.planning.planner import Plan, plan

BOARD, CYCLES = "pynq-z2", 16_384
WIDTH, SIDE = 0.25, 32
# (outputs, stride) at width 1: of the first convolution, then of each depthwise and pointwise pair.
FULL = ((32, 2), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
SMALL = ((32, 1), (64, 1), (128, 2), (128, 1), (256, 2))
SMALL_SIDE, FRAMES = 12, 6


def mobilenet(pairs: Sequence[tuple[int, int]], width: float = WIDTH, classes: int = 10) -> nn.Module:
    """MobileNetV1 of `pairs`, with random weights and a BatchNorm as training leaves it."""
    torch.manual_seed(0)
    sizes = [int(outputs * width) for outputs, _ in pairs]
    layers = _fired(nn.Conv2d(3, sizes[0], 3, pairs[0][1], 1, bias=False))
    for ci, co, (_, stride) in zip(sizes, sizes[1:], pairs[1:], strict=False):
        layers += _fired(nn.Conv2d(ci, ci, 3, stride, 1, groups=ci, bias=False))
        layers += _fired(nn.Conv2d(ci, co, 1, bias=False))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(sizes[-1], classes)).eval()


def _fired(conv: nn.Conv2d) -> list[nn.Module]:
    norm = nn.BatchNorm2d(conv.out_channels)
    norm.weight.data, norm.bias.data = 0.5 + torch.rand(conv.out_channels), 0.3 * torch.randn(conv.out_channels)
    return [conv, norm, nn.ReLU6()]


def converted(pairs: Sequence[tuple[int, int]], side: int) -> tuple[Network, np.ndarray]:
    """(integer network, float images [N, C, H, W]) of MobileNetV1."""
    images = np.random.default_rng(0).random((16, 3, side, side)).astype(np.float32)
    return pyflow.convert(mobilenet(pairs), images, name="mobilenet", input_shape=(3, side, side)), images


def dense(op: DepthwiseConv, channels: int) -> Conv:
    """The same function as a convolution of every channel, with zeros."""
    co, m = len(op.weight), len(op.weight) // channels
    weight = np.zeros((co, channels, *op.kernel), np.int8)
    weight[np.arange(co), np.arange(co) // m] = op.weight[:, 0]
    return Conv(op.name, op.inputs, op.kernel, op.stride, op.padding, weight, op.weight_bits, op.pad_code)


def price(op: Conv, made: Plan, family: str) -> float:
    """Of the cheapest way [LUT] that keeps to CYCLES."""
    (source,) = made.netlist.network.sources(op)
    return Layer(op, source, family, None).cheapest(CYCLES, Prices(DSP_PRICES[0]))[0][0]


def rows(made: Plan, family: str) -> list[list[str]]:
    """A row for each depthwise layer, and their sum."""
    found, sums = [], np.zeros(6)
    instances = {inst.layer: inst for inst in made.netlist.instances if inst.name.endswith("_array")}
    layers = [op for op in made.netlist.network.operators if isinstance(op, DepthwiseConv)]
    for op in bar("depthwise layers", "layer", over=layers):
        (source,), inst = made.netlist.network.sources(op), instances[op.name]
        assert inst.memory
        other, pixels = dense(op, source.shape[0]), op.outputs(source)
        fields = inst.memory.width // op.weight_bits  # of a row, which a beat takes
        stored, products = fields * inst.memory.depth, fields * inst.sink.frame_beats
        numbers = [
            other.weight.size, stored, other.weight.size * pixels, products,
            price(other, made, family), price(op, made, family),
        ]  # fmt: skip
        met = stored <= op.weight.size and products <= op.weight.size * pixels
        shape = f"{source.shape[0]} at {source.shape[1]} x {source.shape[2]}, stride {op.stride[0]}"
        found.append([op.name, shape, *(f"{n:,.0f}" for n in numbers), MET if met else MISSED])
        sums += numbers
    return [*found, ["all", "", *(f"{n:,.0f}" for n in sums), ""]]


def in_rtl() -> list[str]:
    """A row: a network of fewer blocks, all logits and cycles."""
    network, x = converted(SMALL, SMALL_SIDE)
    with tempfile.TemporaryDirectory() as folder:
        build = pyflow.compile(network, out_dir=folder, cycles_per_frame=8 * SMALL_SIDE**2)
        result = build.simulate(x[:FRAMES], taps=0, solo=1)
    right = int((result.logits == network.run(x[:FRAMES])).sum())
    cycles = (result.cycles_per_frame, build.plan.cycles_per_frame)
    latency = (result.latency_cycles, build.plan.latency_cycles)
    met = right == result.logits.size and cycles[0] == cycles[1] and latency[0] == latency[1]
    pairs = (" / ".join(f"{n:,g}" for n in pair) for pair in (cycles, latency))
    return [f"{len(SMALL) - 1} blocks at {SMALL_SIDE} x {SMALL_SIDE}", f"{right} of {result.logits.size}", *pairs,
            MET if met else MISSED]  # fmt: skip


def main() -> int:
    board = load_board(BOARD)
    try:
        made = plan(converted(FULL, SIDE)[0], board, cycles_per_frame=CYCLES)
        table, simulated = rows(made, board.family), in_rtl()
    except VolleyError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    headers = ["layer", "channels", "weights dense", "stored", "products dense", "made", "price dense", "price", "goal"]
    print(tabulate(table, headers, disable_numparse=True, colalign=("left", "left", *["right"] * 6, "left")))
    total = made.total
    print(f"\nMobileNetV1 x {WIDTH:g}, {SIDE} x {SIDE}, T = 4, W = 4, {BOARD}: "
          f"{made.schedule.cycles_per_frame:,g} cycles per frame (planned), "
          f"estimated {total.lut:,.0f} LUT, {total.ff:,.0f} FF, {total.bram:g} block RAMs, {total.dsp:g} DSP slices.\n"
          )  # fmt: skip
    print(tabulate([simulated], ["in RTL", "exact logits", "cycles (RTL / planned)", "latency", "goal"],
                   disable_numparse=True))  # fmt: skip
    return status(table, [simulated])


if __name__ == "__main__":
    sys.exit(main())
