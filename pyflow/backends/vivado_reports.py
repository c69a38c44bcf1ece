# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What Vivado's reports say, and the activity that it is given.

Formats: UG906 (report_utilization, report_timing_summary), UG907 (report_power; SAIF).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyflow.errors import VolleyError

# Rows of report_utilization: of the 7 series, of UltraScale+. "*" behind a name refers to a footnote.
_CELLS = {
    "lut": r"(?:Slice|CLB) LUTs",
    "ff": r"(?:Slice|CLB) Registers",
    "bram": "Block RAM Tile",
    "dsp": "DSPs",
}

CYCLE = 10  # time units of a clock cycle in harness.cpp


@dataclass(frozen=True, slots=True)
class Timing:
    """setup_ns, hold_ns: worst slacks, None where there is no path. clock_mhz: of the fabric."""

    setup_ns: float | None
    hold_ns: float | None
    clock_mhz: float

    @property
    def met(self) -> bool:
        return all(slack is None or slack >= 0 for slack in (self.setup_ns, self.hold_ns))

    @property
    def reached_mhz(self) -> float:
        """Clock that the slowest path allows."""
        return 1e3 / (1e3 / self.clock_mhz - (self.setup_ns or 0.0))


@dataclass(frozen=True, slots=True)
class Power:
    """[W]. accelerator_w: the dynamic power of its cell, None where the report does not name it. confidence, activity,
    nets_matched: Vivado's own words; without activity the toggle rates are its defaults."""

    total_w: float
    dynamic_w: float
    static_w: float
    accelerator_w: float | None
    confidence: str
    activity: str | None
    nets_matched: str | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def utilisation(text: str) -> dict[str, tuple[float, float]]:
    """Cells used and there: {"lut": (used, available), ...}. Raises VolleyError where a row is missing."""
    found = {}
    for key, row in _CELLS.items():
        match = re.search(rf"^\|\s*{row}\*?\s*\|(.+)\|\s*$", text, re.MULTILINE)
        header = re.findall(r"^\|\s*Site Type\s*\|(.+)\|\s*$", text[: match.start()] if match else "", re.MULTILINE)
        if not match or not header:
            raise VolleyError(f"vivado: no row {row!r} in the utilisation report; is it complete?")
        columns = dict(zip(_row(header[-1]), _row(match[1]), strict=True))
        found[key] = (_number(columns["Used"]), _number(columns["Available"]))
    return found


def timing(text: str, clock: str = r"clk_(?:fpga_0|pl_0)") -> Timing:
    """Slacks of report_timing_summary. clock: its name in the clock summary (PS7: clk_fpga_0, PS8: clk_pl_0)."""
    header, values = _under(text, r"^ *(WNS\(ns\).*)$")
    slacks = dict(zip(re.split(r" {2,}", header.strip()), values.split(), strict=False))
    row = re.search(rf"^\s*{clock}\s+\{{[^}}]*\}}\s+[\d.]+\s+([\d.]+)\s*$", text, re.MULTILINE)
    if "WHS(ns)" not in slacks or not row:
        raise VolleyError("vivado: the timing report has no slacks or no clock of the fabric; is it complete?")
    return Timing(_slack(slacks["WNS(ns)"]), _slack(slacks["WHS(ns)"]), float(row[1]))


def power(text: str, cell: str = "volley") -> Power:
    """The summary of report_power, and the line of `cell` under "By Hierarchy"."""
    rows = dict(re.findall(r"^\|\s*([A-Z][\w \-()/]*?)\s*\|\s*(\S.*?)\s*\|\s*$", text, re.MULTILINE))
    try:
        total, dynamic, static = (
            float(rows[key].lstrip("<")) for key in ("Total On-Chip Power (W)", "Dynamic (W)", "Device Static (W)")
        )
    except (KeyError, ValueError):
        raise VolleyError("vivado: the power report has no summary; is it complete?") from None
    own = re.search(rf"^\|\s+{cell}\s*\|\s*<?([\d.]+)\s*\|\s*$", text, re.MULTILINE)
    activity, matched = (rows.get(k) for k in ("Simulation Activity File", "Design Nets Matched"))
    return Power(
        total, dynamic, static, float(own[1]) if own else None, rows.get("Confidence Level", "unknown"),
        None if activity in (None, "---") else activity, None if matched in (None, "NA") else matched,
    )  # fmt: skip


def overused(log: str) -> list[tuple[str, int, int]]:
    """(cells, required, there) of each DRC UTLZ-1 in the log of a placement that did not start."""
    pattern = r"\[DRC UTLZ-1\] Resource utilization: (.+?) over-utilized.*?requires (\d+) of .*?only (\d+) compatible"
    return [(kind, int(used), int(there)) for kind, used, there in re.findall(pattern, log)]


def _number(text: str) -> float:
    return float(text) if "." in text else int(text)


def _row(text: str) -> list[str]:
    return [cell.strip() for cell in text.split("|")]


def _under(text: str, header: str) -> tuple[str, str]:
    """A header line and the line two below it, under the dashes."""
    match = re.search(header, text, re.MULTILINE)
    lines = text[match.end() :].splitlines() if match else []
    return (match[1], lines[2]) if match and len(lines) > 2 else ("", "")


def _slack(text: str) -> float | None:
    return None if text == "NA" else float(text)


def graft_saif(
    source: Path, target: Path, path: Sequence[str], cycle_ps: float, *, top: str, moved: tuple[str, Sequence[str]]
) -> None:
    """Write a copy of `source`, the activity of the simulated module `top`, as that of the instance `path` of a larger
    design whose clock has a period of `cycle_ps`. moved: an instance in `top`, and the way to it in the design.

    Vivado matches nets by their instances; read_saif -strip_path takes names off the front, and cannot put any there.
    """
    text = source.read_text()
    found = re.search(rf"\(INSTANCE {top}\b", text)
    if not found:
        raise VolleyError(f"{source}: no INSTANCE {top}; is it a SAIF file of pyflow's simulator?")
    times = re.compile(r"\((T0|T1|TX|TZ|TB|DURATION) (\d+)\)")

    def scaled(part: str) -> str:
        return times.sub(lambda m: f"({m[1]} {round(int(m[2]) * cycle_ps / CYCLE)})", part)

    header = re.sub(r"\(TIMESCALE [^)]*\)", "(TIMESCALE 1ps)", text[: text.index("(INSTANCE")])
    inner = _inside(text[found.end() :])
    own, way = moved
    before, opened, after = inner.partition(f"(INSTANCE {own}\n")
    if not opened:
        raise VolleyError(f"{source}: INSTANCE {top} has no INSTANCE {own}; simulate the design again")
    block = _inside(after)
    outer = len(way) - 1
    inner = f"{before}{_opened(way)}{block}{')' * outer}{after[len(block) :]}"
    opening = _opened(path)
    target.write_text(f"{scaled(header)}{opening}{scaled(inner)}{')' * len(path)}\n)\n")


def _opened(path: Sequence[str]) -> str:
    return "".join(f"(INSTANCE {name}\n" for name in path)


def _inside(text: str) -> str:
    """`text` up to the line that closes what was open before it."""
    depth, length = 1, 0
    for line in text.splitlines(keepends=True):
        depth += line.count("(") - line.count(")")
        if not depth:
            break
        length += len(line)
    return text[:length]
