# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What stands between a network and its hardware: a machine plans the network, and the plan tells all that compile(),
reports, host files and simulations ask. They know no machine by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pyflow.cores.cells import Cost
from pyflow.graph import Network
from pyflow.planning.board import Board
from pyflow.planning.critical import Critical


@dataclass(frozen=True, slots=True)
class Target:
    """What a user asks of a plan. cycles_per_frame: at most so many; None: what the network asks for, or the fastest
    that fits. folding: a file, or its content, that decides in the machine's place."""

    cycles_per_frame: int | None = None
    folding: Any = None


@dataclass(frozen=True, slots=True)
class PlannedFifo:
    """A FIFO of a plan. name: its key in the folding; of a layer's own one the stream that it makes. beats: its depth,
    of `width` bits each; held: the most that are inside at a time, predicted. bram36: estimated."""

    name: str
    beats: int
    width: int
    held: int
    bram36: float


@dataclass(frozen=True, slots=True, eq=False)
class PlannedLayer:
    """One operator of the network in a plan. folding: how it is laid, for the report; None where there is no choice.
    cycles: per frame, busy. cells: estimated, those of the FIFOs in front of it included."""

    name: str
    kind: str
    folding: Mapping[str, Any] | None
    cycles: int
    cells: Cost
    fifos: tuple[PlannedFifo, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """A counter of a design with probes. index: its number. layer: operator, or "input". what: "stalls",
    cycles in which a beat of `stream` waits in front of the layer, or "spikes" of the layer, which `stream` carries."""

    index: int
    layer: str
    what: str
    stream: str


@dataclass(frozen=True, slots=True, eq=False)
class LoadImage:
    """What a host loads into one writable memory. index: its number. width: bits of a row.
    rows: uint32 [depth, ceil(width / 32)], lowest bits first."""

    name: str
    index: int
    width: int
    rows: np.ndarray


@dataclass(frozen=True, slots=True)
class Part:
    """An instance of the emitted network. module: its core; layer: the operator it belongs to; beside: instances that
    count as its own."""

    name: str
    module: str
    layer: str
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Emitted:
    """What was written for the tools. structure: hash of all that cannot be loaded; checksum: of the weights, as every
    answer has it; images: files that RTL reads; loads: what a host can load; parts: instances."""

    structure: int
    checksum: int
    images: tuple[str, ...] = ()
    loads: Sequence[LoadImage] = ()
    probes: Sequence[Probe] = ()
    parts: Sequence[Part] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What one simulation gave. words: int32 [frames, classes + 1] (logits, trailer). times: uint64
    [frames, 3] (first word in, last logit out, trailer out). stats: {"streams": {name: {"beats", "stalls"}},
    "saturated", "stuck"}. cpu_s: user + system seconds. number: of the run; recorded: is what it left in `folder` still
    its own?"""

    words: np.ndarray
    times: np.ndarray
    stats: dict[str, Any]
    cpu_s: float
    folder: Path
    number: str = ""
    recorded: Callable[[], bool] = field(default=lambda: True, repr=False)


class Simulator(Protocol):
    """Runs what a plan has emitted."""

    def build(self, *, trace: str = "", quick: bool = False) -> Path:
        """The program, from a cache or built. trace: "vcd" or "saif", where it is to record. quick: built quickly
        rather than fast."""
        ...

    def run(self, program: Path, frames: np.ndarray, folder: Path, **options: Any) -> Run:
        """Frames as a host sends them, uint8 [N, bytes]; options as backends.verilator.run() has them."""
        ...

    def cycles(self, run: Run) -> dict[str, float]:
        """Measured busy cycles per frame, by operator; empty where nothing was recorded."""
        ...

    def tensors(self, run: Run, frames: int) -> Iterator[tuple[str, np.ndarray]]:
        """(operator, what it gave) of the frames recorded, in network order: int64 [frames, pixels, C], or
        [frames, T, pixels, C] of a tensor with time."""
        ...


class Plan(Protocol):
    """A network laid on a board. given: the folding was, and was not chosen here."""

    @property
    def network(self) -> Network: ...
    @property
    def given(self) -> bool: ...
    @property
    def cycles_per_frame(self) -> float: ...
    @property
    def latency_cycles(self) -> int: ...
    @property
    def total(self) -> Cost: ...

    def layers(self) -> list[PlannedLayer]: ...

    def critical(self) -> Critical | None:
        """What limits the frame rate; None where it is not known."""
        ...

    def folding_json(self) -> dict[str, Any]:
        """The content of folding.json; Target.folding takes it back."""
        ...

    def emit(self, folder: Path, *, probed: bool = False) -> Emitted:
        """Write sources and images into `folder`."""
        ...

    def simulator(self, rtl: Path, *, checked: bool, probed: bool, sources: Sequence[Path] | None) -> Simulator:
        """For what emit() wrote into `rtl`. checked: with the assertions of the RTL; sources: other cores."""
        ...


class Machine(Protocol):
    """A kind of accelerator. passes: names of the steps of planning, in order."""

    @property
    def name(self) -> str: ...
    @property
    def passes(self) -> tuple[str, ...]: ...

    def check(self, network: Network, board: Board, target: Target) -> None:
        """Raises VolleyError where no plan can fit, before the work of planning."""
        ...

    def plan(self, network: Network, board: Board, target: Target) -> Plan:
        """Raises VolleyError where the network does not fit, or the target cannot be kept to."""
        ...

    def look(self, network: Network, board: Board, target: Target, after: str) -> str:
        """What is known after the pass of that name, as text; later ones are not run."""
        ...

    def owns(self, path: Path) -> bool:
        """Is this file of an rtl/ folder one that emit() writes?"""
        ...
