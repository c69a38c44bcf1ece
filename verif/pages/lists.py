# SPDX-License-Identifier: Apache-2.0
"""For each core a closed file list (`.f`) and a FuseSoC description (`.core`, CAPI2), beside its source."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

import yaml

from verif.harness import REPO
from verif.lint.lint import WAIVERS
from verif.pages.page import summary
from verif.pages.sv import Core, Parameter, closure, comment_of, direct, generated, listed

LICENCE = "SPDX-License-Identifier: Apache-2.0"


def vlnv(name: str, library: str = "ip") -> str:
    """FuseSoC's name of a core: vendor, library, name, version."""
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return f"volley:{library}:{name}:{project['version']}"


def file_list(core: Core) -> str:
    """Every file that `core` needs, leaf first; names are relative to the list."""
    lines = [f"// {LICENCE}", f"// {core.name} and all it needs, leaf first; names are relative to this file (-F)."]
    if missing := generated(core):
        names = " and ".join(f"{name}.sv" for name in sorted(missing))
        lines += [f"// {names} are written by pyflow.compile: packages go in front,",
                  "// and ../rtl.f takes the place of this list, for a network is made of other cores too."]
    lines += [os.path.relpath(part.path, core.path.parent) for part in closure(core)]
    return "\n".join(lines) + "\n"


def fusesoc(core: Core) -> str:
    """CAPI2: the core's own file and package, the cores it depends on, a target to build with and one to lint."""
    own = [f"{core.name}_pkg.sv"] if f"{core.name}_pkg" in listed() else []
    rtl: dict[str, object] = {"files": [*own, core.path.name], "file_type": "systemVerilogSource"}
    if needed := direct(core):
        rtl["depend"] = [vlnv(other.name) for other in needed]
    lint = {"flow": "lint", "flow_options": {"tool": "verilator", "verilator_options": ["-Wall"]}}
    described: dict[str, object] = {
        "name": vlnv(core.name),
        "description": summary(core),
        "filesets": {"rtl": rtl, "waivers": {"depend": [vlnv("waivers", "lint")]}},
        "targets": {"default": _target(core, "rtl"), "lint": _target(core, "waivers", "rtl") | lint},
    }
    if core.settable:
        described["parameters"] = {p.name: _parameter(core, p) for p in core.settable}
    return _capi2(described)


def waivers() -> str:
    """CAPI2 of the lint waivers, which the `lint` targets depend on."""
    return _capi2({
        "name": vlnv("waivers", "lint"),
        "description": "Lint waivers of the cores, each with its reason",
        "filesets": {"waivers": {"files": [WAIVERS.name], "file_type": "vlt"}},
        "targets": {"default": {"filesets": ["waivers"]}},
    })


def _capi2(described: Mapping[str, object]) -> str:
    return f"CAPI=2:\n# {LICENCE}\n{yaml.safe_dump(described, sort_keys=False, width=120)}"


def _target(core: Core, *filesets: str) -> dict[str, object]:
    names = [p.name for p in core.settable]
    return {"filesets": list(filesets), "toplevel": core.name, **({"parameters": names} if names else {})}


def _parameter(core: Core, parameter: Parameter) -> dict[str, str]:
    """No default: the RTL's holds, which may depend on other parameters."""
    kind = "str" if parameter.default.startswith('"') else "int"
    comment = comment_of(core, parameter)
    return {"datatype": kind, "paramtype": "vlogparam", **({"description": comment} if comment else {})}


def lists(core: Core) -> dict[Path, str]:
    """Path -> text of both."""
    return {core.path.with_suffix(".f"): file_list(core), core.path.with_suffix(".core"): fusesoc(core)}
