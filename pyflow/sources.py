# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Where rtl/ and boards/ lie, and which files a module needs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pyflow import extensions
from pyflow.errors import VolleyError

COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)  # or a string, which may hold one
TOOLS_WORD = re.compile(r"\b(verilator|synthesis|synopsys)\b")  # a comment that a tool obeys


def share(*parts: str) -> Path:
    """A file of the project's rtl/ or boards/: in the checkout, or in the installed wheel."""
    package = Path(__file__).resolve().parent
    for root in (package.parent, package / "_share"):
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise VolleyError(f"{'/'.join(parts)}: not found beside the package; install volley-snn again")


def listed(listing: Path) -> list[Path]:
    """Files that a .f names, in its order."""
    lines = (line.split("//")[0].strip() for line in listing.read_text().splitlines())
    return [(listing.parent / line).resolve() for line in lines if line]


def rtl_sources(family: str | None = None) -> list[Path]:
    """Files of rtl/rtl.f in its order; with those of rtl/tech/<family>/<family>.f, where there is one, in the place
    of their namesakes (one that has none comes first)."""
    portable = listed(share("rtl", "rtl.f"))
    listing = rtl_folder().joinpath("tech", str(family), f"{family}.f")
    own = {path.stem: path for path in listed(listing)} if listing.exists() else {}
    names = {path.stem for path in portable}
    return [*(path for path in own.values() if path.stem not in names), *(own.get(p.stem, p) for p in portable)]


def design_sources(family: str | None = None) -> list[Path]:
    """rtl_sources(), and those of cores outside the tree."""
    return [*rtl_sources(family), *extensions.rtl()]


def rtl_folder() -> Path:
    """The folder rtl/."""
    return share("rtl", "rtl.f").parent


def needed_by(top: str, sources: Sequence[Path]) -> list[Path]:
    """The file of module `top` and those that it needs, in the order of `sources`. File = module, so any name in the
    code that is also a file's is a dependency; what comments mention is not, or every build would hang on files that
    it never reads."""
    texts = {path.stem: path for path in sources}
    needed, pending = set(), [top]
    while pending:
        module = pending.pop()
        if module not in needed:
            needed.add(module)
            pending += texts.keys() & set(re.findall(r"\w+", code_of(texts[module].read_text())))
    return [path for path in sources if path.stem in needed]


def code_of(text: str) -> str:
    """SystemVerilog or C++ without comments that no tool obeys; every line keeps its number."""

    def kept(match: re.Match[str]) -> str:
        found = match[0]
        return found if found[0] == '"' or TOOLS_WORD.search(found) else "\n" * found.count("\n") or " "

    return "\n".join(line.rstrip() for line in COMMENT.sub(kept, text).split("\n"))


def snapshot(sources: Sequence[Path]) -> dict[str, str]:
    """File name -> code, in order: what a build hashes, writes into its work folder and builds from, so that a change
    of the sources meanwhile cannot reach it. Raises VolleyError where two files share a name."""
    texts: dict[str, str] = {}
    for path in sources:
        if path.name in texts:
            raise VolleyError(f"{path}: another source is named {path.name} too; a build needs one file a module")
        texts[path.name] = code_of(path.read_text())
    return texts


def blackboxes(family: str) -> list[Path]:
    """Declarations of the vendor's cells that rtl/tech/<family> instantiates, for tools that do not know them."""
    vendor = {"xc7": "xilinx", "xcup": "xilinx"}.get(family, family)
    path = rtl_folder() / "tech" / vendor / "cells.sv"
    return [path] if path.exists() else []
