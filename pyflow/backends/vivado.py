# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Bitstreams by Vivado: a project through edalize, and what Vivado's reports say about it.

The project folder holds copies of everything that it needs, so `make` in it works on another machine too.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from pyflow.backends import process, vivado_check, vivado_reports
from pyflow.backends.toolbox import tool_env
from pyflow.backends.vivado_reports import Power, Timing
from pyflow.design_files import DesignFiles
from pyflow.errors import VolleyError
from pyflow.planning.board import Board, overflows
from pyflow.sources import design_sources, share

SUPPORTED = ("2022.1", "2024.2")  # oldest and newest Vivado that the Tcl is written for
NAME = "volley"  # of the project
TOP = "zynq_wrapper"  # made by Vivado around the block design `zynq`
ACCELERATOR_PATH = (TOP, "zynq_i", "volley", "inst")  # its instances: Vivado names the module behind a reference `inst`
ACTIVITY_FRAMES = 8  # that make the power report, and the self-test on the board
_STEPS = ("synth_design", "opt_design", "place_design", "route_design", "write_bitstream")


@dataclass(frozen=True, slots=True)
class Placed:
    """A routed chip that keeps its clock. version: of Vivado. used: {"lut": (used, available), ...} of the whole
    design, DMA and interconnect included. bitstream, handoff: .bit and .hwh, as PYNQ wants them side by side."""

    board: Board
    version: str
    used: dict[str, tuple[float, float]]
    timing: Timing
    power: Power
    bitstream: Path
    handoff: Path

    def to_json(self) -> dict[str, Any]:
        """Key `placed` of report.json."""
        return {
            "part": self.board.part, "bitstream": self.bitstream.name, "bytes": self.bitstream.stat().st_size,
            "max_mhz": round(self.timing.reached_mhz, 2), "cells": {key: list(pair) for key, pair in self.used.items()},
            "tools": {"vivado": self.version}, "setup_slack_ns": self.timing.setup_ns,
            "hold_slack_ns": self.timing.hold_ns, "power": self.power.to_json(),
        }  # fmt: skip


class Compiled(Protocol):
    """What this takes of a pyflow.Build."""

    @property
    def folder(self) -> Path: ...

    @property
    def rtl(self) -> Path: ...

    def simulate(self, x: np.ndarray, *, taps: int, solo: int, saif: Path | None) -> object: ...


def bitstream(build: Compiled, board: Board, frames: np.ndarray | None = None) -> Placed:
    """`<build>/<board>.bit` and `.hwh`. frames: as Network.run takes them; their simulated activity makes the power
    report. Raises VolleyError, one line, where Vivado is missing or too old, or the design does not fit or is too slow.
    """
    script = project(build, board)
    checked = check(script)
    version = _version(script.parent, checked, board)
    if frames is not None:
        activity(build, board, frames[:ACTIVITY_FRAMES], script.parent / "src" / f"{NAME}.saif")
    run(script.parent, board)
    placed = collect(script.parent, build.folder, board, version)
    for path in (placed.bitstream, placed.handoff):  # host/ is what goes to the board
        shutil.copy(path, build.folder / "host")
    return placed


# ---------------------------------------------------------------------- the project
def sources(build: Compiled, board: Board) -> list[tuple[Path, str]]:
    """Files of the project with their types, in the order in which they are read. The block design refers to the
    accelerator by name, which wants plain Verilog (UG994)."""
    names = DesignFiles.found_in(build.rtl)
    cores = design_sources(board.family)
    here = share("boards", board.name)
    return [
        *((path, "systemVerilogSource") for path in (names.file(names.package), *cores, names.file(names.network))),
        (names.file(names.axi_top), "verilogSource"),
        *((path, "mem") for path in sorted(build.rtl.glob("*.mem"))),
        (here / f"{board.name}.xdc", "xdc"),
        (share("boards", "common", "zynq.tcl"), "tclSource"),
        (here / "design.tcl", "tclSource"),
    ]


def project(build: Compiled, board: Board) -> Path:
    """Write the project to `<build>/vivado`; its first script. What an earlier one left beside it goes."""
    from edalize.flows.vivado import Vivado

    files = sources(build, board)
    missing = [path for path, _ in files if not path.is_file()]
    if missing:
        raise VolleyError(f"{missing[0]}: no such file; board {board.name!r} cannot be built with Vivado")
    names = DesignFiles.found_in(build.rtl)
    _way_to_volley_top(names, board)
    work = build.folder / "vivado"
    _clear(work)
    for name in (f"{board.name}.bit", f"{board.name}.hwh"):
        (build.folder / name).unlink(missing_ok=True)
    (work / "src").mkdir(parents=True)
    for path in (*(path for path, _ in files), share("boards", "common", "reports.tcl")):
        shutil.copy(path, work / "src" / path.name)
    settings = "src/settings.tcl"
    (work / settings).write_text(
        f"namespace eval volley {{\n"
        f"  variable clock_mhz {board.clock_mhz:g}\n  variable accelerator {names.axi_top}\n}}\n"
    )
    entries = [{"name": f"src/{path.name}", "file_type": kind} for path, kind in files]
    first = next(i for i, entry in enumerate(entries) if entry["file_type"] == "tclSource")
    entries.insert(first, {"name": settings, "file_type": "tclSource"})
    edam = {
        "name": NAME,
        "toplevel": TOP,
        "files": entries,
        # Vivado ignores module references where the order of compilation is manual ([filemgmt 56-176]).
        "flow_options": {"part": board.part, "source_mgmt_mode": "All"},
    }
    with (work / "configure.log").open("w") as log, contextlib.redirect_stdout(log):
        Vivado(edam, str(work)).configure()
    return work / f"{NAME}.tcl"


def _clear(work: Path) -> None:
    """Remove an earlier project: edalize's makefile would take its bitstream for the new one."""
    if not work.exists():
        return
    if not (work / f"{NAME}.tcl").is_file():
        raise VolleyError(f"{work}: is no Vivado project of Volley and would be lost; choose another folder with OUT=")
    shutil.rmtree(work)


def check(script: Path) -> str:
    """Run the project's Tcl against stubs of Vivado's commands; what was done, in words."""
    if not vivado_check.has_tcl():
        return "project made, its Tcl not checked (this Python has no tkinter)"
    vivado_check.check(script, after=[script.parent / "src" / "reports.tcl"])
    return "project made and its Tcl checked"


# ---------------------------------------------------------------------- running Vivado
def _version(work: Path, checked: str, board: Board) -> str:
    """Version of the Vivado on PATH. Raises VolleyError where there is none, or too old a one."""
    oldest, newest = SUPPORTED
    hint = f"{checked}: {work}; supported: Vivado {oldest} to {newest}, the free edition will do"
    instead = f"`make estimate BOARD={board.name}` gives the area without it"
    program = shutil.which("vivado", path=tool_env()["PATH"])
    if program is None:
        raise VolleyError(f"vivado: program not found on PATH; {hint}; {instead}")
    _, text = process.output([program, "-version"])
    found = re.search(r"vivado v(\d{4}\.\d+)", text, re.IGNORECASE)
    if not found:
        raise VolleyError(f"vivado: {program} -version names no version; {hint}; {instead}")
    if found[1] < oldest:
        raise VolleyError(f"vivado: version {found[1]} is too old; {hint}; {instead}")
    return found[1]


def _way_to_volley_top(names: DesignFiles, board: Board) -> tuple[str, ...]:
    return instances(names.axi_top, "volley_top", [names.file(names.axi_top), *design_sources(board.family)])


def instances(top: str, target: str, files: Sequence[Path]) -> tuple[str, ...]:
    """Names of the instances from module `top` down to one of module `target`; file = module."""
    texts = {path.stem: path.read_text() for path in files}
    ways: dict[str, tuple[str, ...]] = {top: ()}
    for module in (pending := [top]):
        for below in texts:
            found = re.search(rf"^\s*{below}\b[^;]*?\b(u_\w+)\s*\(", texts[module], re.MULTILINE)
            if found and below not in ways:
                ways[below] = (*ways[module], found[1])
                pending.append(below)
    if target not in ways:
        raise VolleyError(f"{top}: has no instance of {target} in it")
    return ways[target]


def activity(build: Compiled, board: Board, frames: np.ndarray, target: Path) -> None:
    """Simulate `frames` back to back in RTL and write what every signal of volley_top and the network did, at the
    board's clock."""
    raw = target.with_suffix(".verilator")
    build.simulate(frames, taps=0, solo=0, saif=raw)
    names = DesignFiles.found_in(build.rtl)
    moved = ("u_top", _way_to_volley_top(names, board))
    vivado_reports.graft_saif(raw, target, ACCELERATOR_PATH, 1e6 / board.clock_mhz, top=names.top, moved=moved)
    raw.unlink()


def run(work: Path, board: Board) -> None:
    """edalize's makefile. Raises VolleyError naming what did not fit, or the first error of the log."""
    log = work / "vivado.log"
    with (
        log.open("w") as f,
        process.started(
            ["make"], cwd=work, env=tool_env(), text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as running,
    ):  # fmt: skip
        assert running.stdout
        _follow(running.stdout, f)
        status, _ = process.finish(running)
    if not status:
        return
    text = log.read_text(errors="replace")
    if required := vivado_reports.overused(text):
        used, there = ({kind: row[i] for kind, *row in required} for i in (0, 1))
        raise VolleyError(_too_large(board, overflows(used, there)))
    synthesised = work / f"{NAME}.runs" / "synth_1" / f"{TOP}_utilization_synth.rpt"
    if synthesised.exists() and (found := _overflows(vivado_reports.utilisation(synthesised.read_text()))):
        raise VolleyError(_too_large(board, found))
    errors = [line for line in text.splitlines() if line.startswith("ERROR")]
    first = (errors or text.splitlines()[-1:] or ["no output"])[0].strip()[:300]
    raise VolleyError(f"vivado: stopped with status {status}: {first} (whole log: {log})")


def _follow(output: IO[str], log: IO[str]) -> None:
    """Copy Vivado's output to the log; a bar of its steps, which take minutes each."""
    from tqdm import tqdm

    with tqdm(total=len(_STEPS), desc="vivado", unit="step", disable=None, leave=False) as bar:
        for line in output:
            log.write(line)
            step = re.match(r"Command: (\w+)", line)
            if step and step[1] in _STEPS:
                bar.set_postfix_str(step[1])
                bar.update(_STEPS.index(step[1]) - bar.n)


def _too_large(board: Board, over: tuple[str, ...]) -> str:
    return f"does not fit {board.title}: {'; '.join(over)}; raise CYCLES= (more folding), or take a larger board"


def _overflows(used: dict[str, tuple[float, float]]) -> tuple[str, ...]:
    cells, there = ({key.upper(): pair[i] for key, pair in used.items()} for i in (0, 1))
    return overflows(cells, there)


# ---------------------------------------------------------------------- what came out
def collect(work: Path, folder: Path, board: Board, version: str) -> Placed:
    """Read the reports of a finished run and copy the bitstream and its description to `folder`.

    Raises VolleyError where timing is missed or the design is too large; `folder` then gets no bitstream.
    """
    run = work / f"{NAME}.runs" / "impl_1"
    reports = [run / f"{NAME}_{kind}.rpt" for kind in ("utilization", "timing", "power")]
    handoffs = sorted(work.glob(f"{NAME}.*/sources_1/bd/zynq/hw_handoff/zynq.hwh"))  # .gen since 2020.2
    made = [run / f"{TOP}.bit", *(handoffs[:1] or [work / "zynq.hwh"])]
    targets = [folder / f"{board.name}{path.suffix}" for path in made]
    if gone := [path for path in (*reports, *made) if not path.is_file()]:
        raise VolleyError(f"vivado: {gone[0]} was not written (whole log: {work / 'vivado.log'})")
    texts = [path.read_text(errors="replace") for path in reports]
    used = vivado_reports.utilisation(texts[0])
    timing, power = vivado_reports.timing(texts[1]), vivado_reports.power(texts[2])
    if over := _overflows(used):
        raise VolleyError(_too_large(board, over))
    if not timing.met:
        raise VolleyError(_too_slow(board, timing))
    for path, target in zip(made, targets, strict=True):
        shutil.copy(path, target)
    return Placed(board, version, used, timing, power, *targets)


def _too_slow(board: Board, timing: Timing) -> str:
    if timing.setup_ns is not None and timing.setup_ns < 0:
        return (
            f"timing missed on {board.title}: {-timing.setup_ns:g} ns short at {timing.clock_mhz:g} MHz; set clock_mhz "
            f"= {int(timing.reached_mhz)} in boards/{board.name}/board.toml, or raise CYCLES= (more folding)"
        )
    return (
        f"timing missed on {board.title}: hold is {-(timing.hold_ns or 0):g} ns short, which no slower clock mends; "
        "build again with another network or folding"
    )
