# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""`make bench-planning`: CPU-seconds from a network to its plan, and how many schedules that took.

The shipped LeNet-5 at its own target; a perceptron of 784-1000-10 and a VGG of three stages, 32, 64 and 128 channels on
3 x 32 x 32, with random weights, at whatever rate fits the PYNQ-Z2.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from unittest import mock

import numpy as np
from tabulate import tabulate

from benchmarks.goals import status, verdict
from pyflow import zoo
from pyflow.graph import Network
from pyflow.operators import Conv, Encode, Linear, MaxPool, Operator, RadixNeuron, Readout
from pyflow.planning.board import load_board
from pyflow.planning.planner import plan
from pyflow.planning.schedule import predict

BOARD = "pynq-z2"
STEPS, WEIGHT_BITS = 4, 4


class _Layers:
    """A chain of operators with random weights."""

    def __init__(self, name: str, shape: tuple[int, int, int]) -> None:
        self.name, self.shape, self.rng = name, shape, np.random.default_rng(1)
        self.operators: list[Operator] = [Encode("encode", ("input",), STEPS)]

    @property
    def network(self) -> Network:
        return Network(self.name, self.shape, tuple(self.operators))

    def _weight(self, *shape: int) -> np.ndarray:
        return self.rng.integers(-7, 8, shape).astype(np.int8)

    def _add(self, make: Callable[[str, tuple[str]], Operator], kind: str) -> None:
        self.operators.append(make(f"{kind}{len(self.operators)}", (self.operators[-1].name,)))

    def conv(self, channels: int) -> _Layers:
        """3 x 3, padding 1, and its neurons."""
        weight = self._weight(channels, self.network.tensors[self.operators[-1].name].shape[0], 3, 3)
        self._add(
            lambda name, source: Conv(name, source, weight=weight, weight_bits=WEIGHT_BITS, padding=(1, 1)), "conv"
        )
        return self._fire(channels)

    def pool(self) -> _Layers:
        self._add(lambda name, source: MaxPool(name, source, kernel=(2, 2), stride=(2, 2)), "pool")
        return self

    def linear(self, outputs: int) -> _Layers:
        c, h, w = self.network.tensors[self.operators[-1].name].shape
        weight = self._weight(outputs, c * h * w, 1, 1)
        self._add(lambda name, source: Linear(name, source, weight=weight, weight_bits=WEIGHT_BITS), "fc")
        return self

    def _fire(self, channels: int) -> _Layers:
        theta = np.full(channels, 60)
        self._add(lambda name, source: RadixNeuron(name, source, theta=theta, bias=theta // 2, steps=STEPS), "fire")
        return self

    def hidden(self, outputs: int) -> _Layers:
        return self.linear(outputs)._fire(outputs)

    def readout(self) -> Network:
        classes = self.network.tensors[self.operators[-1].name].shape[0]
        self._add(lambda name, source: Readout(name, source, bias=np.zeros(classes, np.int64)), "readout")
        return self.network


def perceptron(hidden: int = 1000) -> Network:
    return _Layers(f"mlp{hidden}", (1, 28, 28)).hidden(hidden).linear(10).readout()


def vgg() -> Network:
    layers = _Layers("vgg", (3, 32, 32))
    for channels in (32, 64, 128):
        layers.conv(channels).conv(channels).pool()
    return layers.linear(10).readout()


# network -> (how it is made, most CPU-seconds)
CASES: dict[str, tuple[Callable[[], Network], float]] = {
    "lenet5": (lambda: zoo.load("lenet5"), 3),
    "mlp1000": (perceptron, 3),
    "vgg": (vgg, 12),
}


def main() -> int:
    rows = []
    for name, (make, goal) in CASES.items():
        network = make()
        with mock.patch("pyflow.planning.buffers.predict", wraps=predict) as predicted:
            began = time.process_time()
            found = plan(network, load_board(BOARD))
            cpu_s = time.process_time() - began
        cycles = found.schedule.cycles_per_frame
        rows.append(
            [name, f"{cycles:,g}", str(predicted.call_count), f"{cpu_s:.1f}", f"{goal:g}", verdict(cpu_s, goal)]
        )
    headers = ["network", "cycles per frame", "schedules", "CPU-s", "goal", ""]
    print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))
    return status(rows)


if __name__ == "__main__":
    sys.exit(main())
