# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cores outside the tree: an installed package names a module under the entry point `volley.cores`; importing it adds
its operator, its core and its RTL (examples/own_core)."""

from __future__ import annotations

import functools
from importlib import metadata
from pathlib import Path

from pyflow.errors import VolleyError

GROUP = "volley.cores"
_RTL: list[Path] = []


def add_rtl(path: Path) -> None:
    """`path`, the SystemVerilog of a core, is compiled with the project's own. Raises VolleyError where there is no
    such file."""
    if not path.is_file():
        raise VolleyError(f"{path}: no such file; a core outside the tree names its SystemVerilog by add_rtl(path)")
    if path not in _RTL:
        _RTL.append(path)


def rtl() -> list[Path]:
    """Sources of cores outside the tree."""
    load()
    return list(_RTL)


@functools.cache
def load() -> None:
    """Imports what is installed. Raises VolleyError naming the package that cannot be imported."""
    for entry in metadata.entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as e:
            package = entry.dist.name if entry.dist else "its package"
            raise VolleyError(
                f"core {entry.name!r} outside the tree: {entry.value} cannot be imported, {type(e).__name__}: {e}; "
                f"mend {package} or uninstall it"
            ) from e
