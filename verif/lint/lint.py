# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Lints every module of rtl/ alone, at its default parameters: `python -m verif.lint.lint [module ...]`."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pyflow.backends.toolbox import blackboxes, rtl_folder, rtl_sources, tool_env
from verif.harness import REPO, sources_of
from verif.slang import literal

WAIVERS = Path(__file__).with_name("waivers.vlt")


# A value of -G has 32 bits, however many the parameter has.
OVERRIDE = re.compile(r"%Warning-WIDTH\w+: \S+: Operator VAR '\w+' expects \d+ bits on the Initial value,")


def lint(top: str, sources: Sequence[str | Path], parameters: Mapping[str, int | str] | None = None,
         waived: Path = WAIVERS, cwd: Path = REPO) -> str:
    """What `verilator -Wall` has to say about module `top`, empty if it has no complaint."""
    values = [f"-G{name}={literal(value)}" for name, value in (parameters or {}).items()]
    command = ["verilator", "--lint-only", "-Wall", "--top-module", top, *values, str(waived), *map(str, sources)]
    done = subprocess.run(command, cwd=cwd, env=tool_env(), capture_output=True, text=True, timeout=120)
    complaints = re.findall(r"^%(?:Warning|Error).*", done.stderr, re.MULTILINE)
    if complaints and all(OVERRIDE.match(line) or line.startswith("%Error: Exiting due to") for line in complaints):
        return ""
    return done.stderr if done.returncode or complaints else ""


def families() -> list[str]:
    """Those that have modules of their own in the place of rtl.f's."""
    return sorted(path.stem for path in (rtl_folder() / "tech").glob("*/*.f"))


def own_sources(family: str) -> list[Path]:
    """Modules of rtl/tech that `family` builds with."""
    return [path for path in rtl_sources(family) if "tech" in path.parts]


def generated_packages() -> dict[str, str]:
    """Module -> a package that it or a part of it imports, no source but written per network; it cannot stand alone."""
    listed = {path.stem for path in rtl_sources()}
    return {module: package for module in listed for path in sources_of(module)
            for package in re.findall(r"^\s*import (\w+)::", path.read_text(), re.MULTILINE) if package not in listed}


def main(names: list[str]) -> int:
    listed = {path.stem: sources_of(path.stem) for path in rtl_sources() if not path.stem.endswith("_pkg")}
    for family in families():
        every = rtl_sources(family)
        listed |= {f"{path.stem} ({family})": [*blackboxes(family), *sources_of(path.stem, every)]
                   for path in own_sources(family)}
    if unknown := set(names) - {name.split()[0] for name in listed}:
        print(f"lint: no module {sorted(unknown)[0]!r} in {rtl_folder()}", file=sys.stderr)
        return 2
    modules = {name: files for name, files in listed.items() if not names or name.split()[0] in names}
    generated = generated_packages()
    bad = 0
    for module, files in modules.items():
        if module in generated:
            print(f"{module}: left out, needs the generated {generated[module]}")
        elif complaints := lint(module.split()[0], files):
            bad += 1
            print(f"{module}:\n{complaints}", file=sys.stderr)
    print(f"lint: {len(modules)} modules, {bad} with complaints")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
