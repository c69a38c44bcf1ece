# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A compiled network as a piece of IP: a folder for Vivado's catalogue and for FuseSoC, with every file it needs."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pyflow.backends import vivado_check
from pyflow.design_files import DesignFiles
from pyflow.emit.interfaces import interfaces
from pyflow.emit.ip_xact import LIBRARY, VENDOR, Component, component_xml
from pyflow.emit.tops import Line, shell
from pyflow.errors import VolleyError
from pyflow.planning.board import Board
from pyflow.sources import design_sources, needed_by, rtl_folder
from pyflow.version import __version__

COMPONENT, SCRIPT = "component.xml", "package.tcl"
_MARK = "Written by pyflow.emit"
_HEADER = f"# {_MARK}; edits are lost.\n"
_CROSSING = "volley_fifo_async.xdc"


def write_ip(rtl: Path, board: Board, folder: Path, *, clocks: int = 1) -> list[Path]:
    """Package the network that was emitted into `rtl` as `folder`, for the family of `board`; the files written.

    clocks: 2 where the streams get one of their own. Raises VolleyError where `folder` holds something else, or
    the packaging script says what Vivado does not know.
    """
    if folder.exists() and not _is_ours(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        raise VolleyError(f"{folder}: was not written by `make ip` and would be lost; choose another folder with OUT=")
    names = DesignFiles.found_in(rtl)
    top = names.axi_top if clocks == 1 else names.async_top
    cores = design_sources(board.family)
    sources = needed_by(top, names.around(cores))
    others = [path for path in needed_by(names.top, names.around(cores)) if path not in sources]
    images = sorted(rtl.glob("*.mem"))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".volley-new-", dir=folder.parent) as work:
        made = Path(work) / "ip"
        (made / "hdl").mkdir(parents=True)
        for path in (*sources, *others, *images):
            shutil.copy(path, made / "hdl" / path.name)
        files = [f"hdl/{path.name}" for path in (*sources, *images)]
        if clocks == 2:
            files.append(f"hdl/{top}.xdc")
            (made / files[-1]).write_text(_constraints())
        component = Component(
            names.name, __version__, top, f"Spiking network {names.name}, written by Volley: "
            "frames of bytes in, logits out, registers behind AXI4-Lite.", _ports(clocks), interfaces(clocks), files,
        )  # fmt: skip
        (made / COMPONENT).write_text(component_xml(component), encoding="utf-8")
        (made / SCRIPT).write_text(_tcl(board))
        (made / f"{names.name}.core").write_text(_fusesoc(names, component, sources, others, images))
        if vivado_check.has_tcl():
            _check(made, files, top)
        if folder.exists():
            shutil.rmtree(folder)
        made.rename(folder)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _is_ours(folder: Path) -> bool:
    script = folder / SCRIPT
    return folder.is_dir() and script.is_file() and _MARK in script.read_text(errors="replace").partition("\n")[0]


def _ports(clocks: int) -> dict[str, tuple[str, int]]:
    """Ports of the packaged top, which are volley_axi_top's towards the outside."""

    def bits(line: Line) -> int:
        found = re.fullmatch(r"\[(\d+):0\]", line.width)
        return int(found[1]) + 1 if found else 1

    left_out = () if clocks == 2 else ("pixel_clk", "pixel_aresetn")
    return {
        line.name: (line.direction.removesuffix("put"), bits(line))
        for line in shell("volley_axi_top").outer
        if line.name and line.name not in left_out
    }


def _constraints() -> str:
    """Those of both crossings, which the core has for itself, as seen from the packaged top."""
    text = (rtl_folder() / "stream" / _CROSSING).read_text(encoding="utf-8")
    body = text[text.index("set s_clk") :]
    clocks = {"u_in": ("pixel_clk", "clk"), "u_out": ("clk", "pixel_clk")}
    parts = [_HEADER + f"# Timing of the crossings between clk and pixel_clk: {_CROSSING}, once for each.\n"]
    for fifo, sides in clocks.items():
        own = re.sub(r"(\[get_cells (?:-quiet )?\{?)", rf"\1u_axi_top/g_async.{fifo}/", body)
        for side, clock in zip(("s_clk", "m_clk"), sides, strict=True):
            own = own.replace(f"[get_ports {side}]", f"[get_ports {clock}]")
        parts.append(own)
    return "\n".join(parts)


def _check(folder: Path, files: Sequence[str], top: str) -> None:
    """Run the package's Tcl, and its constraints, against what is known of Vivado."""
    vivado_check.check(folder / SCRIPT)
    constraints = [name for name in files if name.endswith(".xdc")]
    if not constraints:
        return
    script = folder / "check.tcl"
    reads = [f"read_verilog {{{name}}}" for name in files if name.endswith((".sv", ".v"))]
    script.write_text("\n".join([*reads, *(f"read_xdc -ref {top} {{{name}}}" for name in constraints), ""]))
    vivado_check.check(script)
    script.unlink()


def _tcl(board: Board) -> str:
    """For Vivado: what of a package only Vivado itself can make."""
    return (
        f"{_HEADER}# vivado -mode batch -source {SCRIPT}: checks the package, and adds what Vivado's windows show.\n"
        "# The catalogue takes the folder without it too: Settings, IP, Repository.\n"
        f"create_project -in_memory -part {board.part}\nset core [ipx::open_core {COMPONENT}]\n"
        "ipx::create_xgui_files $core\nipx::update_checksums $core\nipx::check_integrity $core\nipx::save_core $core\n"
    )


def _fusesoc(
    names: DesignFiles, component: Component, sources: Sequence[Path], others: Sequence[Path], images: Sequence[Path]
) -> str:
    """CAPI2 with two targets: the packaged top, and the one of streams alone."""

    def files(paths: Sequence[Path]) -> str:
        kinds = {".sv": "systemVerilogSource", ".v": "verilogSource", ".mem": "mem", ".xdc": "xdc"}
        # RTL names an image without a folder: it goes where the tool runs.
        place = {path: f", copyto: {path.name}" if path.suffix == ".mem" else "" for path in paths}
        return "".join(f"    - hdl/{path.name}: {{file_type: {kinds[path.suffix]}{place[path]}}}\n" for path in paths)

    crossing = [Path(name) for name in component.files if name.endswith(".xdc")]
    # A compiler wants the cores in front of what instantiates them.
    network = (names.network, names.top, names.axi_top, names.async_top)
    cores = [path for path in (*sources, *others) if path.stem not in network]
    return (
        f"CAPI=2:\n{_HEADER}name: {VENDOR}:{LIBRARY}:{names.name}:{component.version}\n"
        f"description: {component.description!r}\nfilesets:\n"
        f"  cores:\n    files:\n{files(cores)}"
        f"  network:\n    files:\n{files([path for path in sources if path.stem == names.network])}{files(images)}"
        f"  registers:\n    files:\n{files([path for path in sources if path.stem == component.top] + crossing)}"
        f"  streams:\n    files:\n{files([path for path in others if path.stem == names.top])}"
        f"targets:\n  default:\n    filesets: [cores, network, registers]\n    toplevel: {component.top}\n"
        f"  streams:\n    filesets: [cores, network, streams]\n    toplevel: {names.top}\n"
    )
