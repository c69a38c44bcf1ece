# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""report.json: made, written, read. record.py says what is in it, text.py shows it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from pyflow.build import Build, Result
from pyflow.errors import VolleyError
from pyflow.machine import Plan
from pyflow.planning.board import Board
from pyflow.reading import read_json
from pyflow.report.record import Area, Fidelity, Fifo, Layer, LayerFolding, Limit, Report, Waiting
from pyflow.writing import write_file


def blank(build: Build, board: Board, cycles: float | None = None) -> Report:
    """A report of what is known of a build; what only a simulation can tell is None."""
    plan = build.plan
    return Report(
        network=build.network.name,
        board=board.name,
        fidelity=_fidelity(build.network.meta),
        saturations={},
        stalls={},
        predicted_cycles_per_frame=plan.cycles_per_frame,
        predicted_latency_cycles=plan.latency_cycles,
        limit=_limit(plan),
        clock_mhz=board.clock_mhz,
        clock="assumed",
        frames_per_s=board.clock_mhz * 1e6 / (cycles or plan.cycles_per_frame),
        layers=layer_rows(plan),
        area=area_of(build, board),
    )


def _limit(plan: Plan) -> Limit | None:
    found = plan.critical()
    if found is None:
        return None
    cycle = [Waiting(core=name, events=events) for name, events in found.cores]
    return Limit(cycles_per_frame=float(found.least), cycle=cycle, frames=found.frames, change=found.advice)


def _fidelity(meta: Mapping[str, Any]) -> list[Fidelity] | None:
    """What conversion measured; None where the network has no such record, or a damaged one."""
    conversion = meta.get("conversion")
    try:
        return msgspec.convert(
            conversion.get("fidelity") if isinstance(conversion, dict) else None, list[Fidelity] | None
        )
    except msgspec.ValidationError:
        return None


def area_of(build: Build, board: Board) -> Area:
    """Estimated cells beside the board's budget."""
    total, budget = build.plan.total, board.budget
    return Area(
        lut=[round(total.lut), budget.lut],
        ff=[round(total.ff), budget.ff],
        bram=[budget.brams(total.bram), budget.bram],
        dsp=[total.dsp, budget.dsp],
    )


def over(area: Area) -> dict[str, list[float]]:
    """What of an area is more than the board has."""
    return {name: cells for name, cells in area.cells().items() if cells[0] > cells[1]}


def layer_rows(plan: Plan, result: Result | None = None) -> list[Layer]:
    """One entry per layer: folding, predicted and measured cycles, estimated cells."""
    return [
        Layer(
            name=layer.name,
            kind=layer.kind,
            folding=None if layer.folding is None else msgspec.convert(dict(layer.folding), LayerFolding),
            luts=round(layer.cells.lut),
            ffs=round(layer.cells.ff),
            bram36=layer.cells.bram,
            dsp=layer.cells.dsp,
            weight_bits=int(layer.cells.weight_bits),
            predicted_cycles=layer.cycles,
            measured_cycles=result.layers.get(layer.name, {}).get("measured_cycles") if result else None,
            stalls=result.stalls.get(layer.name) if result else None,
            fifos=[msgspec.convert(asdict(fifo), Fifo) for fifo in layer.fifos],
        )
        for layer in plan.layers()
    ]


def write_report(report: Report, path: Path) -> None:
    """Write a report whole or not at all. Raises VolleyError where it is none."""
    content = report.to_json()
    parsed(content)
    write_file(path, json.dumps(content, indent=2) + "\n", "choose a writable folder")


def update_report(report: Report, path: Path) -> Report:
    """Write `report` with what an earlier job found of the same plan and this one did not look for: the simulation's
    numbers, or those of the placed chip. The report that was written."""
    with contextlib.suppress(VolleyError):
        old = read_report(path)
        if _plan(old) == _plan(report):
            if old.placed is not UNSET and report.placed is UNSET:
                report = msgspec.structs.replace(report, clock=old.clock, area=old.area, placed=old.placed)
            elif report.frames_compared is None:
                report = msgspec.structs.replace(
                    old, clock_mhz=report.clock_mhz, clock=report.clock, area=report.area, placed=report.placed
                )
    write_report(report, path)
    return report


def read_report(path: str | os.PathLike[str]) -> Report:
    """The report of a report.json. Raises VolleyError naming what is wrong in it."""
    found = read_json(path, "make it again with `make sim`")
    try:
        return parsed(found)
    except VolleyError as e:
        raise VolleyError(f"{path}: {e}; make it again with `make sim`") from None


def _plan(report: Report) -> tuple[Any, ...]:
    """What two reports of one plan have in common."""
    cycles = report.predicted_cycles_per_frame, report.predicted_latency_cycles
    return (report.network, report.board, report.clock_mhz, *cycles, [layer.folding for layer in report.layers])


def parsed(content: object) -> Report:
    """The report that JSON-able values are. Raises VolleyError where they are none."""
    try:
        return msgspec.convert(content, Report)
    except msgspec.ValidationError as e:
        raise VolleyError(f"report: {str(e)[:200]}") from None
