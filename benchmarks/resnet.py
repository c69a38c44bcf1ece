# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""`make bench-resnet`: ResNet-20 on 3 x 32 x 32 (arXiv 1512.03385) and LeNet-5, from PyTorch to a plan.

CPU-seconds of conversion, of the check of the captured function in it, and of planning; cycles and frame rate of the
plan, its cells and FIFOs. ResNet-20 has random weights and statistics, and is calibrated on random images: neither the
plan nor the times depend on them. Exit status 1 where a goal is missed. `RTL=1` simulates a narrow ResNet-20 too.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from tabulate import tabulate
from threadpoolctl import threadpool_limits
from torch import nn

import pyflow
from benchmarks import nets
from benchmarks.goals import status, verdict
from pyflow.conversion import convert, radix
from pyflow.conversion.guard import check_function
from pyflow.errors import VolleyError
from pyflow.frontends.checkpoint import load_weights
from pyflow.graph import Network
from pyflow.planning.board import Board, load_board
from pyflow.planning.planner import Plan, plan

BOARD = "pynq-z2"
IMAGES = 256  # of calibration


def _lenet5() -> nn.Module:
    module = importlib.import_module("pyflow.zoo.lenet5")
    model: nn.Module = module.build()
    load_weights(model, Path(str(module.__file__)).with_suffix(".safetensors"))
    return model.eval()


def resnet20(
    widths: tuple[int, int, int] = (16, 32, 64), shape: tuple[int, int, int] = (3, 32, 32), seed: int = 0
) -> nn.Module:
    """With random weights, and statistics of BatchNorm as they are behind so many channels."""
    torch.manual_seed(seed)
    model = nets.resnet(widths, 3, shape)
    with torch.no_grad():  # statistics of random images, layer by layer
        model.train()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # the mean of all batches
        model(torch.rand(32, *shape))
    return model.eval()


@dataclass(frozen=True, slots=True)
class Goals:
    """At most so many CPU-seconds, without the import of torch; at least so many frames per second."""

    convert: float
    guard: float
    plan: float | None
    rate: float | None


CASES: dict[str, tuple[Callable[[], nn.Module], Goals]] = {
    "lenet5": (_lenet5, Goals(3, 1, 3, None)),
    "resnet20": (resnet20, Goals(15, 3, None, 2730)),
}


def converted(model: nn.Module, name: str, images: int = IMAGES) -> tuple[Network, float, float]:
    """(network, CPU-seconds, those of the guard), by one thread and without the import of torch: idle threads
    spin, and their time would count."""
    guard = 0.0

    def timed(*args: object) -> None:
        nonlocal guard
        began = time.process_time()
        check_function(*args)  # type: ignore[arg-type]
        guard += time.process_time() - began

    x = np.random.default_rng(0).random((images, *model.input_shape), np.float32)  # type: ignore[misc]
    with mock.patch.object(radix, "check_function", timed), warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # of weights and images that are random
        convert(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), x[:, :1, :2, :2])  # imports what torch imports late
        guard = 0.0
        began = time.process_time()
        network = convert(model, x, name=name)
        return network, time.process_time() - began, guard


def planned(network: Network, board: Board) -> tuple[Plan, float]:
    began = time.process_time()
    return plan(network, board), time.process_time() - began


def rows_of(name: str, model: nn.Module, goals: Goals, board: Board) -> list[list[str]]:
    network, convert_s, guard_s = converted(model, name)
    rows = [
        [name, "conversion, CPU-s", f"{convert_s:.1f}", f"{goals.convert:g}", verdict(convert_s, goals.convert)],
        [name, "of it the check of the function", f"{guard_s:.1f}", f"{goals.guard:g}", verdict(guard_s, goals.guard)],
    ]
    try:
        found, plan_s = planned(network, board)
    except VolleyError as e:
        return [*rows, [name, "plan", str(e), f"{goals.rate or 0:,}", verdict(0, goals.rate or 1, least=True)]]
    rate, total, budget = board.clock_mhz * 1e6 / found.schedule.cycles_per_frame, found.total, board.budget
    goal, least = ("" if goals.plan is None else f"{goals.plan:g}"), ("" if goals.rate is None else f"{goals.rate:,}")
    fifos = [f"{key}: {beats:,}" for key, beats in found.netlist.fifos.items()]
    return [
        *rows,
        [name, "planning, CPU-s", f"{plan_s:.1f}", goal, verdict(plan_s, goals.plan)],
        [name, "cycles per frame", f"{found.schedule.cycles_per_frame:,.10g}", "", ""],
        [name, f"frames/s at {board.clock_mhz:g} MHz", f"{rate:,.0f}", least, verdict(rate, goals.rate, least=True)],
        [name, "latency, cycles", f"{found.schedule.latency_cycles:,}", "", ""],
        [name, "LUT (estimated)", f"{total.lut:,.0f} of {budget.lut:,}", "", ""],
        [name, "FF", f"{total.ff:,.0f} of {budget.ff:,}", "", ""],
        [name, "block RAM", f"{total.bram:g} of {budget.bram:,}", "", ""],
        [name, "DSP", f"{total.dsp:,.0f} of {budget.dsp:,}", "", ""],
        [name, "FIFOs", f"{len(fifos)}", "", ""],
        *([name, f"FIFO {key.rpartition(': ')[0]}", f"{key.rpartition(': ')[2]} beats", "", ""] for key in fifos),
    ]


def in_rtl(widths: tuple[int, int, int] = (4, 6, 8), size: int = 8, frames: int = 4) -> list[str]:
    """A ResNet-20 of all its layers with few channels on small images: bits and cycles in RTL."""
    network, *_ = converted(resnet20(widths, (3, size, size)), "narrow20", 64)
    x = np.random.default_rng(1).random((frames, 3, size, size), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        build = pyflow.compile(network, BOARD, folder)
        result = build.simulate(x, taps=1)
    exact = np.array_equal(result.logits, network.run(x))
    same = result.latency_cycles == build.plan.latency_cycles
    reached = f"{'every logit equal' if exact else 'logits differ'}, latency {result.latency_cycles:,} cycles"
    return ["resnet20, narrow", f"{frames} frames of {size} x {size} in RTL", reached,
            f"{build.plan.latency_cycles:,}", verdict(exact and same, 1, least=True)]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rtl", action="store_true", help="also simulate a narrow ResNet-20")
    args = parser.parse_args()
    board = load_board(BOARD)
    rows = [row for name, (make, goals) in CASES.items() for row in rows_of(name, make(), goals, board)]
    rows += [in_rtl()] if args.rtl else []
    print(tabulate(rows, ["network", "", "reached", "goal", ""], tablefmt="github", disable_numparse=True))
    return status(rows)


if __name__ == "__main__":
    sys.exit(main())
