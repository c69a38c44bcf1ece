# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Volley: PyTorch networks as bit-exact spiking accelerators. Importing it imports little else: pyflow.runtime, on a
board, has Python 3.8 and numpy only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyflow.version import __version__

if TYPE_CHECKING:
    from pyflow.build import Build, compile
    from pyflow.conversion import convert
    from pyflow.conversion.nir import convert_nir, write_nir
    from pyflow.errors import VolleyError
    from pyflow.frontends.lava import read_lava
    from pyflow.graph import Network

__all__ = [
    "Build",
    "Network",
    "VolleyError",
    "__version__",
    "compile",
    "convert",
    "convert_nir",
    "read_lava",
    "write_nir",
]

_LAZY = {
    "Build": "pyflow.build",
    "Network": "pyflow.graph",
    "VolleyError": "pyflow.errors",
    "compile": "pyflow.build",
    "convert": "pyflow.conversion",
    "convert_nir": "pyflow.conversion.nir",
    "read_lava": "pyflow.frontends.lava",
    "write_nir": "pyflow.conversion.nir",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        try:
            return getattr(import_module(_LAZY[name]), name)
        except ModuleNotFoundError as e:
            if (e.name or "").startswith("pyflow"):  # on a board, which has the runtime alone
                raise
            from pyflow.errors import VolleyError
            from pyflow.packages import missing

            if line := missing(e):
                raise VolleyError(f"pyflow.{name}: {line}") from None
            raise
    raise AttributeError(f"module 'pyflow' has no attribute {name!r}")
