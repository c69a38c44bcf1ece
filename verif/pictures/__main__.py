# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""`make pictures`: docs/img/lenet5.svg, drawn from the plan that `make sim NET=lenet5` builds, and docs/img/sim.svg, a
recording of `make sim`. The simulator should be in the cache, or the recording shows it being built."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from pyflow import zoo
from pyflow.machine import Target
from pyflow.machines.stream import STREAM
from pyflow.planning.board import load_board
from verif.harness import REPO
from verif.pictures import pipeline, recording

FOLDER = REPO / "docs" / "img"


def lenet5() -> str:
    network = zoo.load("lenet5")
    board = load_board("pynq-z2")
    plan = STREAM.plan(network, board, Target(network.meta["cycles_per_frame"]))
    return pipeline.picture(plan, f"LeNet-5 on the {board.title}: T = 4 time steps, 4-bit weights")


def sim() -> str:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pyflow", "sim", "--out", "build/digits"]
        (Path(folder) / "build").mkdir()
        return recording.picture("make sim", recording.record(command, Path(folder)))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, draw in {"lenet5.svg": lenet5, "sim.svg": sim}.items():
        (FOLDER / name).write_text(draw(), encoding="utf-8")
        print(f"written: docs/img/{name}")
