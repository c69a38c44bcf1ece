# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What compile() has written of a network, by what it is rather than by its name."""

from __future__ import annotations

import re
from pathlib import Path

from pyflow.design_files import DesignFiles, around_network
from pyflow.sources import rtl_sources


def network_text(rtl: Path) -> str:
    """The module of the network in folder `rtl`."""
    names = DesignFiles.found_in(rtl)
    return names.file(names.network).read_text()


def package_text(rtl: Path) -> str:
    """Its package."""
    names = DesignFiles.found_in(rtl)
    return names.file(names.package).read_text()


def constant(rtl: Path, name: str) -> str:
    """A constant of the package: decimal, or the digits behind its base."""
    (found,) = re.findall(rf"\b{name} += (?:\d+'h)?(\w+);", package_text(rtl))
    return str(found)


def design(rtl: Path) -> list[Path]:
    """All sources, in the order of a compiler."""
    return around_network(rtl, rtl_sources())


def image(rtl: Path, memory: str) -> Path:
    """File of a memory's content."""
    return rtl / DesignFiles.found_in(rtl).image(memory)


def images(rtl: Path) -> dict[str, str]:
    """All of them, by name."""
    return {path.name: path.read_text() for path in rtl.glob("*.mem")}
