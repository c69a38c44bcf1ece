# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A second machine, for tests: it runs the integer reference, and has no cells."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyflow.cores.cells import Cost
from pyflow.graph import Network
from pyflow.machine import Emitted, PlannedLayer, Run, Target
from pyflow.planning.board import Board

CYCLES, NOTHING = 100, Cost()  # per frame, as it says


@dataclass(frozen=True)
class ReferencePlan:
    network: Network
    given: bool = False
    cycles_per_frame: float = CYCLES
    latency_cycles: int = CYCLES
    total: Cost = NOTHING

    def layers(self) -> list[PlannedLayer]:
        return [PlannedLayer(op.name, op.kind, None, CYCLES, NOTHING) for op in self.network.operators]

    def critical(self) -> None: ...

    def folding_json(self) -> dict[str, Any]:
        return {"version": 1, "layers": {}, "fifos": {}}

    def emit(self, folder: Path, *, probed: bool = False) -> Emitted:
        folder.mkdir(parents=True)
        self.network.save(folder / "program.vly")
        checksum = zlib.crc32((folder / "program.vly").read_bytes()) & 0xFFFF
        return Emitted(checksum, checksum)

    def simulator(self, rtl: Path, **_: Any) -> ReferenceRun:
        return ReferenceRun(rtl)


@dataclass(frozen=True)
class ReferenceRun:
    rtl: Path

    def build(self, **_: Any) -> Path:
        return self.rtl / "program.vly"

    def run(self, program: Path, frames: np.ndarray, folder: Path, **options: Any) -> Run:
        network = Network.load(program)
        pixels = frames.reshape(len(frames), *network.input_shape)  # of one channel
        checksum = zlib.crc32(program.read_bytes()) & 0xFFFF
        trailers = np.full((len(frames), 1), checksum << 16, np.uint32).view(np.int32)
        words = np.hstack([network.run(pixels).astype(np.int32), trailers])
        times = np.arange(len(frames))[:, None] * CYCLES + np.array([0, CYCLES, CYCLES])
        return Run(words, times.astype(np.uint64), {"streams": {}, "saturated": 0, "stuck": False}, 0.0, folder)

    def cycles(self, run: Run) -> dict[str, float]:
        return {}

    def tensors(self, run: Run, frames: int) -> Any:
        return iter(())


@dataclass(frozen=True)
class ReferenceMachine:
    name: str = "reference"
    passes: tuple[str, ...] = ("nothing",)

    def check(self, network: Network, board: Board, target: Target) -> None: ...

    def plan(self, network: Network, board: Board, target: Target) -> ReferencePlan:
        return ReferencePlan(network)

    def look(self, network: Network, board: Board, target: Target, after: str) -> str:
        return after

    def owns(self, path: Path) -> bool:
        return path.name == "program.vly"
