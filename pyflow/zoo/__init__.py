# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Shipped networks: stored integer networks (`<name>.vly`), their float weights (`<name>.safetensors`) and
the module that builds them. Made by `python -m pyflow.zoo.train <name>`; needs no torch to load."""

from __future__ import annotations

from pathlib import Path

from pyflow.errors import VolleyError
from pyflow.graph import Network

__all__ = ["load", "names"]

_FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Names of the shipped networks."""
    return tuple(sorted(p.stem for p in _FOLDER.glob("*.vly")))


def load(name: str) -> Network:
    """A shipped integer network. Raises VolleyError if there is none of that name."""
    if name not in names():
        raise VolleyError(f"network {name!r} is not shipped; shipped are {', '.join(names())}, or use FILE.py:FUNCTION")
    return Network.load(_FOLDER / f"{name}.vly")
