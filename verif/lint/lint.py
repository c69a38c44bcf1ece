# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Lints every module of rtl/ at its default parameters, and what stands around them: boards' tops and networks.

    python -m verif.lint.lint [module ...]

Five readers look at each (builds.py lists what they read): Verilator's -Wall on every module alone, slang with its
analysis, Verible, Surelog, and the construct check for Vivado.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pyflow.backends import plain_path
from pyflow.sources import blackboxes, rtl_folder, rtl_sources
from verif.harness import REPO, sources_of
from verif.lint import parsers
from verif.lint.builds import Build, builds, families
from verif.lint.vivado import check, waived
from verif.slang import analyse, literal

WAIVERS = Path(__file__).with_name("waivers.vlt")
# slang's warnings that say nothing here, each with the reason.
SLANG_WAIVERS = {
    "shift-count-negative": "It stands in the condition of a branch that is not reached: level -1 of a tree.",
    "shift-count-overflow": "A mask that is shifted out as a whole is 0, which is what is meant: no lane is padding.",
}

# A value of -G has 32 bits, however many the parameter has.
OVERRIDE = re.compile(r"%Warning-WIDTH\w+: .+?:\d+:\d+: Operator VAR '\w+' expects \d+ bits on the Initial value,")


def lint(
    top: str,
    sources: Sequence[str | Path],
    parameters: Mapping[str, int | str] | None = None,
    waived: Path = WAIVERS,
    cwd: Path = REPO,
) -> str:
    """What `verilator -Wall` has to say about module `top`, empty if it has no complaint."""
    values = [f"-G{name}={literal(value)}" for name, value in (parameters or {}).items()]
    command = ["verilator", "--lint-only", "-Wall", "--top-module", top, *values, str(waived), *map(str, sources)]
    done = subprocess.run(command, cwd=cwd, env=plain_path.environment(), capture_output=True, text=True, timeout=120)
    complaints = re.findall(r"^%(?:Warning|Error).*", done.stderr, re.MULTILINE)
    if complaints and all(OVERRIDE.match(line) or line.startswith("%Error: Exiting due to") for line in complaints):
        return ""
    return done.stderr if done.returncode or complaints else ""


def own_sources(family: str) -> list[Path]:
    """Modules of rtl/tech that `family` builds with."""
    return [path for path in rtl_sources(family) if "tech" in path.parts]


def generated_packages() -> dict[str, str]:
    """Module -> a package that it or a part of it imports, no source but written per network; it cannot stand alone."""
    listed = {path.stem for path in rtl_sources()}
    return {
        module: package
        for module in listed
        for path in sources_of(module)
        for package in re.findall(r"^\s*import (\w+)::", path.read_text(), re.MULTILINE)
        if package not in listed
    }


def verilator(names: Sequence[str] = ()) -> str:
    """Complaints about the modules of `names`, or all."""
    listed = {path.stem: sources_of(path.stem) for path in rtl_sources() if not path.stem.endswith("_pkg")}
    for family in families():
        every = rtl_sources(family)
        listed |= {
            f"{path.stem} ({family})": [*blackboxes(family), *sources_of(path.stem, every)]
            for path in own_sources(family)
        }
    generated = generated_packages()
    found = {
        module: lint(module.split()[0], files)
        for module, files in listed.items()
        if (not names or module.split()[0] in names) and module not in generated
    }
    return "\n".join(f"{module}:\n{text}" for module, text in found.items() if text)


def slang(every: Sequence[Build]) -> str:
    """Errors and warnings of both phases of slang, where a generate block without a name is an error too."""
    options = ["-Werror=unnamed-generate", *(f"-Wno-{name}" for name in SLANG_WAIVERS)]
    texts = (analyse(build.files, build.tops, options=options, warnings=True).complaints for build in every)
    return "\n".join(dict.fromkeys(filter(None, texts)))


def verible(every: Sequence[Build]) -> str:
    return parsers.verible(list(dict.fromkeys(path for build in every for path in build.files)))


def surelog(every: Sequence[Build]) -> str:
    """Of a family, what only it has; of the networks, one: they differ in parameters, which slang has read."""
    wanted = []
    for build in every:
        if build.name in families():
            own = [path.stem for path in own_sources(build.name) if path.stem in build.tops]
            wanted += [build.of(*own)] if own else []
        elif build.name not in ("writable", "residual"):
            wanted.append(build)
    return parsers.surelog(wanted)


def vivado(every: Sequence[Build]) -> str:
    found = {f for build in every for f in check(build.files, build.tops, images=build.images) if not waived(f)}
    return "\n".join(map(str, sorted(found, key=lambda f: (f.file, f.line, f.rule))))


CHECKS: dict[str, Callable[[Sequence[Build]], str]] = {
    "slang": slang,
    "verible": verible,
    "surelog": surelog,
    "vivado": vivado,
}


def main(names: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        every = builds(Path(folder))
        modules = {top for build in every for top in build.tops}
        if unknown := set(names) - modules:
            print(f"lint: no module {sorted(unknown)[0]!r} in {rtl_folder()}", file=sys.stderr)
            return 2
        if names:
            every = [
                build.of(*(top for top in build.tops if top in names))
                for build in every
                if set(names) & set(build.tops)
            ]
        failed = []
        for name, text in (("verilator", verilator(names)), *((name, run(every)) for name, run in CHECKS.items())):
            if text:
                failed.append(name)
                print(f"{name}:\n{text}", file=sys.stderr)
    print(f"lint: {len(names or modules)} modules, " + (f"complaints by {', '.join(failed)}" if failed else "clean"))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
