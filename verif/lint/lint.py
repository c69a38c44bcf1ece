# SPDX-License-Identifier: Apache-2.0
"""Lints every module of rtl/rtl.f alone, at its default parameters: `python -m verif.lint.lint [module ...]`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from pyflow.backends.toolbox import rtl_sources, tool_env
from verif.harness import sources_of

WAIVERS = Path(__file__).with_name("waivers.vlt")


def lint(module: str) -> str:
    """Verilator's complaints about `module`, empty if there is none."""
    result = subprocess.run(
        ["verilator", "--lint-only", "-Wall", "--top-module", module, str(WAIVERS), *map(str, sources_of(module))],
        env=tool_env(), capture_output=True, text=True)
    return result.stderr if result.returncode or "%" in result.stderr else ""


def generated_packages() -> dict[str, str]:
    """Module -> a package that it or a part of it imports, no source but written per network; it cannot stand alone."""
    listed = {path.stem for path in rtl_sources()}
    return {module: package for module in listed for path in sources_of(module)
            for package in re.findall(r"^\s*import (\w+)::", path.read_text(), re.MULTILINE) if package not in listed}


def main(names: list[str]) -> int:
    modules = names or [path.stem for path in rtl_sources() if not path.stem.endswith("_pkg")]
    generated = generated_packages()
    bad = 0
    for module in modules:
        if module in generated:
            print(f"{module}: left out, needs the generated {generated[module]}")
        elif complaints := lint(module):
            bad += 1
            print(f"{module}:\n{complaints}", file=sys.stderr)
    print(f"lint: {len(modules)} modules, {bad} with complaints")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
