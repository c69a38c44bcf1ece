# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""`make bench-busy`: the share of a synapse array's lanes that work, over back-to-back frames of 3 x 3 layers.

Each layer runs in RTL behind an encoder and in front of its neurons and a readout, ten frames and more with nothing
between them. A lane is busy in a cycle in which its array takes a slice; stalls, the refill of line buffers and the
gaps between frames count as idle. Taps that lie in the padding are masked, and counted as busy: `useful` leaves
them out too. FireFly (arXiv 2301.01905) sustains 79 % of its peak, FireFly v2 54 to 75 %. Exit status 1 where a layer
is not exact or misses the goal.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass

import numpy as np
from tabulate import tabulate

import pyflow
from benchmarks.goals import MISSED, status, verdict
from pyflow.bars import bar
from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.integers import ceil_div
from pyflow.operators import Conv, Encode, Linear, RadixNeuron, Readout
from pyflow.planning.folding import Folding

STEPS, WEIGHT_BITS = 4, 4
PE, SIMD = 16, 32  # 512 weights times a word in a cycle: 128 DSP48s of four each
CASES = ((64, 32), (128, 16), (256, 8))  # channels, height and width
FRAMES = 14  # the first ones fill the pipeline
SETTLED = 10  # last ones that are measured
GOAL = 0.99  # least share of cycles that are busy


def layer(channels: int, side: int, seed: int = 1) -> Network:
    """A convolution 3 x 3, padding 1, between a radix encoder and a small readout."""
    rng = np.random.default_rng(seed)
    weight = rng.integers(-7, 8, (channels, channels, 3, 3))
    theta = np.full(channels, 9 * channels)
    operators = (
        Encode("encode", ("input",), STEPS),
        Conv("conv", ("encode",), weight=weight.astype(np.int8), weight_bits=WEIGHT_BITS, padding=(1, 1)),
        RadixNeuron("fire", ("conv",), theta=theta, bias=theta // 2, steps=STEPS),
        Linear("fc", ("fire",), weight=rng.integers(-1, 2, (2, channels * side * side, 1, 1)).astype(np.int8),
               weight_bits=2),
        Readout("logits", ("fc",), bias=np.zeros(2, np.int64)),
    )  # fmt: skip
    return Network(f"conv{channels}x{side}", (channels, side, side), operators)


def taps(side: int) -> float:
    """Share of the 3 x 3 taps, padding 1, that lie on the map."""
    inside = np.lib.stride_tricks.sliding_window_view(np.pad(np.ones((side, side)), 1), (3, 3))
    return float(inside.mean())


@dataclass(frozen=True, slots=True)
class Measured:
    """exact: every logit. slices: cycles per frame in which the array takes one. useful: share of taps on the map."""

    exact: bool
    slices: int
    cycles: float
    predicted: float
    useful: float

    @property
    def busy(self) -> float:
        return self.slices / self.cycles


def measure(channels: int, side: int) -> Measured:
    network = layer(channels, side)
    folding = {
        "version": 1,
        "layers": {
            "conv": Folding(PE, SIMD, "tap", body="mult").to_json(),
            "fc": Folding(1, PE, "tap").to_json(),
        },
    }
    rng = np.random.default_rng(2)
    x = rng.integers(0, 256, (FRAMES, channels, side, side)).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        build = pyflow.compile(network, out_dir=folder, folding=folding)
        result = build.simulate(x, taps=0, solo=0)
        exact = bool(np.array_equal(result.logits, network.run(x)))
    ends = result.run.times[:, 2].astype(np.int64)
    cycles = (ends[-1] - ends[-1 - SETTLED]) / SETTLED
    slices = ceil_div(channels, PE) * 9 * ceil_div(channels, SIMD) * side * side
    return Measured(exact, slices, float(cycles), build.plan.cycles_per_frame, taps(side))


def row(channels: int, side: int) -> list[str]:
    m = measure(channels, side)
    return [f"{channels} at {side} x {side}", "yes" if m.exact else "NO", f"{m.slices:,}", f"{m.cycles:,.0f}",
            f"{m.predicted:,.0f}", f"{100 * m.busy:.2f} %", f"{100 * m.busy * m.useful:.2f} %",
            f"{100 * m.useful:.2f} %", verdict(m.busy, GOAL, least=True) if m.exact else MISSED]  # fmt: skip


def main() -> int:
    headers = ["layer", "exact", "busy cycles", "cycles per frame", "predicted", "busy", "useful", "its cap", "goal"]
    try:
        rows = [row(*case) for case in bar("layers", "layer", over=CASES)]
    except VolleyError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    print(tabulate(rows, headers, disable_numparse=True, colalign=("left", "left", *["right"] * 7)))
    print(f"\n3 x 3, padding 1, T = {STEPS}, W = {WEIGHT_BITS}; PE {PE} x SIMD {SIMD} = {PE * SIMD // 4} DSP48 (MULT); "
          f"{SETTLED} frames back to back, {FRAMES - SETTLED} ahead of them. "
          f"Goal: exact, and busy in at least {100 * GOAL:g} % of the cycles.")  # fmt: skip
    return status(rows)


if __name__ == "__main__":
    sys.exit(main())
