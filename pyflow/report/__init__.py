# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""report.json: made, written, read (schema.json beside this file). text.py shows it."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from pyflow.build import Build, Result
from pyflow.errors import VolleyError
from pyflow.machine import Plan
from pyflow.planning.board import Board
from pyflow.reading import read_json
from pyflow.writing import write_file

REPORT_VERSION = 1


def blank(build: Build, board: Board, cycles: float | None = None) -> dict[str, Any]:
    """A report of what is known of a build; what only a simulation can tell is null."""
    plan = build.plan
    unknown = (
        "accuracy_float", "accuracy_finetuned", "accuracy_snn", "frames_compared", "mismatches", "first_mismatch",
        "cycles_per_frame", "latency_cycles", "synops", "dense_ops", "spikes", "sim_frames_per_cpu_s",
    )  # fmt: skip
    return {
        "version": REPORT_VERSION,
        "network": build.network.name,
        "board": board.name,
        **dict.fromkeys(unknown),
        "saturations": {},
        "stalls": {},
        "predicted_cycles_per_frame": plan.cycles_per_frame,
        "predicted_latency_cycles": plan.latency_cycles,
        "clock_mhz": board.clock_mhz,
        "clock": "assumed",
        "frames_per_s": board.clock_mhz * 1e6 / (cycles or plan.cycles_per_frame),
        "layers": layer_rows(plan),
        "area": area_of(build, board),
    }


def area_of(build: Build, board: Board) -> dict[str, list[float]]:
    """Estimated cells beside the board's budget: {"lut": [used, budget], ...}."""
    total, budget = build.plan.total, board.budget
    return {
        "lut": [round(total.lut), budget.lut],
        "ff": [round(total.ff), budget.ff],
        "bram": [budget.brams(total.bram), budget.bram],
        "dsp": [total.dsp, budget.dsp],
    }


def over(area: dict[str, list[float]]) -> dict[str, list[float]]:
    """What of an area is more than the board has."""
    return {name: cells for name, cells in area.items() if cells[0] > cells[1]}


def layer_rows(plan: Plan, result: Result | None = None) -> list[dict[str, Any]]:
    """One entry per layer: folding, predicted and measured cycles, estimated cells."""
    return [
        {
            "name": layer.name,
            "kind": layer.kind,
            "folding": layer.folding,
            "luts": round(layer.cells.lut),
            "ffs": round(layer.cells.ff),
            "bram36": layer.cells.bram,
            "dsp": layer.cells.dsp,
            "weight_bits": int(layer.cells.weight_bits),
            "predicted_cycles": layer.cycles,
            "measured_cycles": result.layers.get(layer.name, {}).get("measured_cycles") if result else None,
            "stalls": result.stalls.get(layer.name) if result else None,
        }
        for layer in plan.layers()
    ]


def write_report(report: dict[str, Any], path: Path) -> None:
    """Check `report` against the schema and write it whole or not at all."""
    check_report(report)
    write_file(path, json.dumps(report, indent=2) + "\n", "choose a writable folder")


def update_report(report: dict[str, Any], path: Path) -> dict[str, Any]:
    """Write `report` with what an earlier job found of the same plan and this one did not look for: the simulation's
    numbers, or those of the placed chip. The report that was written."""
    old: dict[str, Any] = {}
    with contextlib.suppress(VolleyError):
        old = read_report(path)
    if old and _plan(old) == _plan(report):
        if "placed" in old and "placed" not in report:
            report = report | {key: old[key] for key in ("clock", "area", "placed")}
        elif report["frames_compared"] is None:
            report = old | {key: report[key] for key in ("clock_mhz", "clock", "area", "placed")}
    write_report(report, path)
    return report


def read_report(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The checked report of a report.json."""
    found = read_json(path, "make it again with `make sim`")
    try:
        check_report(found)
    except VolleyError as e:
        raise VolleyError(f"{path}: {e}; make it again with `make sim`") from None
    return found  # type: ignore[no-any-return]


def _plan(report: dict[str, Any]) -> tuple[Any, ...]:
    """What two reports of one plan have in common."""
    keys = ("network", "board", "clock_mhz", "predicted_cycles_per_frame", "predicted_latency_cycles")
    return (*(report[key] for key in keys), [layer["folding"] for layer in report["layers"]])


def check_report(report: dict[str, Any]) -> None:
    """Raise VolleyError if `report` does not keep to schema.json."""
    import jsonschema

    schema = json.loads(Path(__file__).with_name("schema.json").read_text())
    try:
        jsonschema.validate(report, schema)
    except jsonschema.ValidationError as e:
        raise VolleyError(f"report: {e.json_path}: {e.message[:200]}") from None
