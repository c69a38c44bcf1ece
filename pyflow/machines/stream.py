# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The stream pipeline: a core per operator, joined by AXI4-Streams; every layer works at the same time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyflow.backends import verilator
from pyflow.cores.stream import Fifo
from pyflow.design_files import written_here
from pyflow.emit import emit, probes
from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.machine import Emitted, PlannedFifo, PlannedLayer, Run, Target
from pyflow.operators import Synapse
from pyflow.planning import fits, planner
from pyflow.planning.board import Board
from pyflow.planning.critical import LARGE, Critical, critical
from pyflow.planning.folding import folds, simd
from pyflow.planning.lowering import build_netlist
from pyflow.planning.netlist import Netlist, fifo_name

PASSES = ("bound", "fold", "lower", "size")


@dataclass(frozen=True, slots=True, eq=False)
class StreamPlan(planner.Plan):
    """A netlist of cores, its exact schedule and its cells."""

    @property
    def network(self) -> Network:
        return self.netlist.network

    @property
    def cycles_per_frame(self) -> float:
        return self.schedule.cycles_per_frame

    @property
    def latency_cycles(self) -> int:
        return self.schedule.latency_cycles

    def layers(self) -> list[PlannedLayer]:
        rows = []
        for op in self.network.operators:
            inst = next(i for i in self.netlist.instances if i.source.tensor == op.name)
            cycles = self.schedule.busy.get(op.name, inst.sink.frame_beats * inst.core.beat_cycles)
            folding: dict[str, Any] | None = None
            if isinstance(op, Synapse):
                own, (source,) = self.netlist.foldings[op.name], self.network.sources(op)
                folding = {**own.to_json(), "simd": simd(op, own, source), "folds": list(folds(op, own, source))}
            rows.append(
                PlannedLayer(op.name, op.kind, folding, round(cycles), self.cost[op.name], self._fifos(op.name))
            )
        return rows

    def _fifos(self, layer: str) -> tuple[PlannedFifo, ...]:
        """In front of that operator."""
        named = {fifo_name(key): key for key in self.netlist.fifos}
        return tuple(
            PlannedFifo(
                named.get(inst.source.name, inst.source.name),
                inst.core.depth,
                inst.core.data_w,
                self.schedule.peaks[inst.source.name],
                inst.cells(self.family).bram,
            )
            for inst in self.netlist.instances
            if isinstance(inst.core, Fifo) and inst.layer == layer
        )

    def critical(self) -> Critical | None:
        try:
            return critical(self.netlist, LARGE)
        except VolleyError:  # layers that skip zeros, cores from outside without precedences, a very long frame
            return None

    def emit(self, folder: Path, *, probed: bool = False) -> Emitted:
        return emit(self.netlist, folder, probed=probed)

    def simulator(
        self, rtl: Path, *, checked: bool = False, probed: bool = False, sources: Sequence[Path] | None = None
    ) -> RtlSimulator:
        return RtlSimulator(self.netlist, rtl, checked, len(probes(self.netlist)) if probed else 0, sources)


@dataclass(frozen=True, slots=True, eq=False)
class RtlSimulator:
    """Verilator around volley_top."""

    netlist: Netlist
    rtl: Path
    checked: bool
    probes: int
    sources: Sequence[Path] | None

    def build(self, *, trace: str = "", quick: bool = False) -> Path:
        return verilator.build(
            self.netlist,
            self.rtl,
            trace=trace,
            checked=self.checked,
            quick=quick,
            rtl=self.sources,
            probes=self.probes,
        )

    def run(self, program: Path, frames: np.ndarray, folder: Path, **options: Any) -> Run:
        return verilator.run(program, self.rtl, frames, self.netlist.network.classes, folder, **options)

    def cycles(self, run: Run) -> dict[str, float]:
        streams, frames = run.stats["streams"], max(1, len(run.words))
        return {
            inst.layer: streams[inst.sink.name]["beats"] * inst.core.beat_cycles / frames
            for inst in self.netlist.instances
            if inst.sink.name in streams and inst.source.tensor
        }

    def tensors(self, run: Run, frames: int) -> Iterator[tuple[str, np.ndarray]]:
        for stream in self.netlist.streams:
            if stream.tensor:
                tensor = self.netlist.network.tensors[stream.tensor]
                yield stream.tensor, verilator.read_tap(run.folder, stream, frames, tensor)


@dataclass(frozen=True, slots=True)
class StreamMachine:
    name: str = "stream"
    passes: tuple[str, ...] = PASSES

    def check(self, network: Network, board: Board, target: Target) -> None:
        fill = planner.FILL if target.cycles_per_frame is None else 1.0
        fits.check(network.name, fits.memories(network), board, fill)

    def plan(self, network: Network, board: Board, target: Target) -> StreamPlan:
        found = planner.plan(network, board, cycles_per_frame=target.cycles_per_frame, folding=target.folding)
        return StreamPlan(found.netlist, found.schedule, found.cost, found.given, found.family)

    def look(self, network: Network, board: Board, target: Target, after: str) -> str:
        from tabulate import tabulate

        if after == "bound":
            rows = [(m.layer, m.kind, f"{m.bits:,}") for m in fits.memories(network)]
            return str(tabulate(rows, headers=("layer", "holds", "bits, whatever the folding"), disable_numparse=True))
        if after == "size":
            return _table(self.plan(network, board, target).netlist)
        foldings, goal = planner.choose(network, board, target.cycles_per_frame, target.folding)
        if after == "lower":
            return _table(build_netlist(network, foldings))
        lines = [f"{name:<16}{planner.shown(folding)}" for name, folding in foldings.items()]
        return "\n".join([f"{goal:,} cycles per frame, core by core" if goal else "as given", *lines])

    def owns(self, path: Path) -> bool:
        """Its sources, and the images that these name."""
        if not path.is_file():
            return False
        if path.suffix != ".mem":
            return path.suffix in (".sv", ".v") and written_here(path)
        sources = (other for other in path.parent.glob("*.sv") if other.is_file() and written_here(other))
        return any(f'"{path.name}"'.encode() in source.read_bytes() for source in sources)


def _table(netlist: Netlist) -> str:
    from tabulate import tabulate

    rows = []
    for inst in netlist.instances:
        values = ", ".join(f"{name}={value}" for name, value in inst.core.parameters().items())
        rows.append((inst.layer, inst.name, inst.core.module, f"{inst.source.frame_beats:,}", values))
    headers = ("layer", "instance", "core", "beats out", "parameters")
    return str(tabulate(rows, headers=headers, disable_numparse=True, maxcolwidths=[None, None, None, None, 70]))


STREAM = StreamMachine()
