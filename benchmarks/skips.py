# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""`make bench-skips`: the U-shaped network of examples/u_shape at full size, planned: cycles, cells, and the FIFOs of
its skip connections.

One channel in, 16, 32 and 64 channels, T = 4, 4-bit weights. The weights are random ones: no figure depends on them.
Cells are estimated; cycles are those of the exact schedule.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from torch import nn

from pyflow.conversion import convert
from pyflow.frontends import load_model
from pyflow.machine import Target
from pyflow.machines.stream import STREAM
from pyflow.planning.board import load_board
from pyflow.report import layer_rows
from pyflow.report.text import layer_table

EXAMPLE = Path(__file__).parents[1] / "examples" / "u_shape" / "u_net.py"
BOARD, PIXEL = "kv260", 4  # cycles per pixel
SIDES = (32, 64)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-skips", description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, nargs="*", default=SIDES, help="pixels a side, multiples of 4")
    parser.add_argument("--board", default=BOARD)
    parser.add_argument("--cycles", type=int, help="per frame; default: 4 for every pixel")
    options = parser.parse_args()
    for side in options.side:
        cycles = options.cycles or PIXEL * side**2
        model = load_model(f"{EXAMPLE}:full")
        assert isinstance(model, nn.Module)
        images = np.random.default_rng(0).random((16, 1, side, side), dtype=np.float32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of channels that never fire on noise
            network = convert(model, images, name=f"u{side}")
        began = time.process_time()
        plan = STREAM.plan(network, load_board(options.board), Target(cycles))
        seconds = time.process_time() - began
        total = plan.total
        print(f"\n{side} x {side} on {options.board}: {plan.cycles_per_frame:,g} cycles per frame, latency "
              f"{plan.latency_cycles:,}; {total.lut:,.0f} LUT, {total.ff:,.0f} FF, {total.bram:g} RAMB36, "
              f"{total.dsp:g} DSP (estimated); planned in {seconds:.0f} CPU-s\n")  # fmt: skip
        print(layer_table(layer_rows(plan)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
