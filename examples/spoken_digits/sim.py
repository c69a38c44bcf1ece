# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Runs recordings of the test set through the RTL of the iCEBreaker's design and compares every logit.

python examples/spoken_digits/sim.py DATA --frames 20
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from chip import CHANNELS, CYCLES, FRAMES, recurrent
from speech import load

import pyflow
from pyflow.bars import bar
from pyflow.errors import VolleyError
from pyflow.planning.board import load_board
from pyflow.runtime import LogMel

BOARD = "icebreaker"


def main() -> int:
    parser = argparse.ArgumentParser(description="Test recordings through the RTL.")
    parser.add_argument("data", help="folder of recordings, or an .npz")
    parser.add_argument("--frames", type=int, default=20, help="recordings, evenly over the test set")
    parser.add_argument("--out", default="build/spoken_digits/rtl", type=Path)
    args = parser.parse_args()
    mel = LogMel(channels=CHANNELS, frames=FRAMES)
    try:
        test = load(args.data, mel).test
        network = recurrent()
        build = pyflow.compile(network, BOARD, args.out, CYCLES)
    except VolleyError as e:
        print(f"sim: {e}", file=sys.stderr)
        return 1
    print(network.summary())
    codes = test.codes[:, :, None, None, :]
    expected = network.run(codes)
    print(f"integers, all {len(codes)} test recordings: {100 * (expected.argmax(1) == test.label).mean():.2f} %")
    some = np.linspace(0, len(codes) - 1, args.frames).round().astype(int)
    print("simulator: building with Verilator, once per structure")
    build.simulator(cycles=build.cycles(len(some)))
    with bar("RTL simulation", "recording", len(some)) as shown:
        result = build.simulate(codes[some], progress=lambda done: shown.update(done - shown.n))
    wrong = int((result.logits != expected[some][: len(result.logits)]).any(1).sum()) + len(some) - len(result.logits)
    heard = mel.frames * mel.hop / mel.rate
    clock, cycles = load_board(BOARD).clock_mhz * 1e6, result.cycles_per_frame
    print(f"compared in RTL: {len(result.logits)} recordings, {wrong} mismatches")
    print(f"cycles per recording: {build.plan.cycles_per_frame:,.0f} predicted, {cycles:,.0f} simulated")
    print(f"latency: {build.plan.latency_cycles:,} predicted, {result.latency_cycles:,} simulated")
    print(f"real-time factor at {clock / 1e6:g} MHz: {heard * clock / cycles:,.0f} ({heard:g} s of sound)")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
