# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cores outside the tree (examples/own_core): an installed package names a module under the entry point `volley.cores`.
Importing it adds its operator, its core and its RTL."""

from __future__ import annotations

import functools
import os
import re
from importlib import metadata
from pathlib import Path

from pyflow.errors import VolleyError

GROUP = "volley.cores"
_RTL: list[Path] = []


def add_rtl(path: str | os.PathLike[str]) -> None:
    """`path`, the SystemVerilog of a core, is compiled with the project's own. Raises VolleyError where there is no
    such file, where it does not hold the module of its name, or where another core has that name."""
    file = Path(path).resolve()
    if not file.is_file():
        raise VolleyError(f"{file}: no such file; a core outside the tree names its SystemVerilog by add_rtl(path)")
    if not re.search(rf"\bmodule\s+{re.escape(file.stem)}\b", file.read_text(encoding="utf-8")):
        raise VolleyError(f"{file}: has no module {file.stem}; a file has the name of its module")
    if file.stem.startswith("volley_") or any(other.stem == file.stem and other != file for other in _RTL):
        raise VolleyError(f"{file}: the name {file.stem} is taken; names that begin with volley_ are the project's own")
    if file not in _RTL:
        _RTL.append(file)


def rtl() -> list[Path]:
    """Sources of cores outside the tree."""
    load()
    return list(_RTL)


@functools.cache
def load() -> None:
    """Imports what is installed. Raises VolleyError naming the package that cannot be imported: no network can be
    built before it is mended, for nobody knows whether it brings an operator of that network."""
    for entry in metadata.entry_points(group=GROUP):
        try:
            entry.load()
        except (Exception, SystemExit) as e:  # a package is somebody's code
            package = entry.dist.name if entry.dist else "its package"
            raise VolleyError(
                f"core {entry.name!r} outside the tree: {entry.value} cannot be imported, {type(e).__name__}: {e}; "
                f"mend {package} or uninstall it"
            ) from e
