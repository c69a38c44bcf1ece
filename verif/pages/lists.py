# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""For each core a closed file list (`.f`) and a FuseSoC description (`.core`, CAPI2), beside its source."""

from __future__ import annotations

import itertools
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

import yaml

from verif.harness import REPO
from verif.lint.lint import WAIVERS, families, own_sources
from verif.pages.page import summary
from verif.pages.sv import Core, Parameter, closure, comment_of, direct, listed, packages

LICENCE = ("SPDX-License-Identifier: Apache-2.0", "SPDX-FileCopyrightText: The Volley authors")


def vlnv(name: str, library: str = "ip") -> str:
    """FuseSoC's name of a core: vendor, library, name, version."""
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return f"volley:{library}:{name}:{project['version']}"


def file_list(core: Core) -> str:
    """Every file that `core` needs, leaf first; names are relative to the list."""
    lines = [*LICENCE, f"{core.name} and all it needs, leaf first; names are relative to this file (-F)."]
    lines = [f"// {line}" for line in lines]
    lines += [os.path.relpath(part.path, core.path.parent) for part in closure(core)]
    return "\n".join(lines) + "\n"


def fusesoc(core: Core) -> str:
    """CAPI2: the core's own file and package, the cores it depends on, a target to build with and one to lint. Where a
    family has a module of that name, its flag takes that one instead."""
    own = [f"{core.name}_pkg.sv"] if f"{core.name}_pkg" in listed().keys() - packages().keys() else []
    rtl: dict[str, object] = {"files": [*own, core.path.name], "file_type": "systemVerilogSource"}
    if needed := [*(package for name, package in packages().items() if name in core.needs), *direct(core)]:
        rtl["depend"] = [vlnv(other.name) for other in needed]
    lint = {"flow": "lint", "flow_options": {"tool": "verilator", "verilator_options": ["-Wall"]}}
    filesets: dict[str, object] = {"rtl": rtl, "waivers": {"depend": [vlnv("waivers", "lint")]}}
    sources = ["rtl"]
    for family in (name for name in families() if core.name in {path.stem for path in own_sources(name)}):
        filesets[family] = {"depend": [vlnv(family, "tech")]}
        sources = [f"!{family}? ({sources[0]})", *sources[1:], f"{family}? ({family})"]
    targets = {"default": _target(core, *sources), "lint": _target(core, "waivers", *sources) | lint}
    described: dict[str, object] = {
        "name": vlnv(core.name),
        "description": summary(core),
        "filesets": filesets,
        "targets": targets,
    }
    if core.settable:
        described["parameters"] = {p.name: _parameter(core, p) for p in core.settable}
    return _capi2(described)


def technologies() -> dict[Path, str]:
    """Path -> CAPI2 of each folder of rtl/tech with modules of a family. FuseSoC wants a core's files below it, so a
    family depends on the folder that it shares with others."""
    texts = {}
    for family in families():
        files = sorted(own_sources(family))
        folders = {
            folder: [path.name for path in members]
            for folder, members in itertools.groupby(files, key=lambda path: path.parent)
        }
        for folder, names in folders.items():
            rtl: dict[str, object] = {"files": names, "file_type": "systemVerilogSource"}
            if folder.name == family:
                rtl["depend"] = [vlnv(other.name, "tech") for other in folders if other != folder]
            texts[folder / f"{folder.name}.core"] = _capi2(
                {
                    "name": vlnv(folder.name, "tech"),
                    "description": f"Modules of rtl/tech/{folder.name} that take the place of portable ones",
                    "filesets": {"rtl": rtl},
                    "targets": {"default": {"filesets": ["rtl"]}},
                }
            )
    return texts


def shared() -> dict[Path, str]:
    """Path -> CAPI2 of each package that several cores share."""
    return {
        package.path.with_suffix(".core"): _capi2(
            {
                "name": vlnv(package.name),
                "description": summary(package),
                "filesets": {"rtl": {"files": [package.path.name], "file_type": "systemVerilogSource"}},
                "targets": {"default": {"filesets": ["rtl"]}},
            }
        )
        for package in packages().values()
    }


def waivers() -> str:
    """CAPI2 of the lint waivers, which the `lint` targets depend on."""
    return _capi2(
        {
            "name": vlnv("waivers", "lint"),
            "description": "Lint waivers of the cores, each with its reason",
            "filesets": {"waivers": {"files": [WAIVERS.name], "file_type": "vlt"}},
            "targets": {"default": {"filesets": ["waivers"]}},
        }
    )


def _capi2(described: Mapping[str, object]) -> str:
    licence = "".join(f"# {line}\n" for line in LICENCE)
    return f"CAPI=2:\n{licence}{yaml.safe_dump(described, sort_keys=False, width=120)}"


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
