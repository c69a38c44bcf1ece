# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Names of a compiled network in SystemVerilog. All of them begin with the network's own, so that a design can hold
several networks; only `accelerator`, by which a chip of boards/ knows its one network, does not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pyflow.errors import VolleyError
from pyflow.sources import share

HEADER = "// Written by pyflow.emit from a network and its folding; edits are lost.\n"
ACCELERATOR = "accelerator"
LONGEST = 32  # letters of a network's name: a file has 255, those of a layer's and what it holds among them


@dataclass(frozen=True, slots=True)
class DesignFiles:
    """Modules of one network, and their files in `folder`; file = module. name: of the network, as verilog_name()
    has it."""

    folder: Path
    name: str

    @classmethod
    def of(cls, network: str, folder: Path = Path()) -> DesignFiles:
        """Of the network of that name."""
        return cls(folder, verilog_name(network))

    @classmethod
    def found_in(cls, folder: Path) -> DesignFiles:
        """Of the one network that was emitted into `folder`. Raises VolleyError where there is none."""
        found = sorted(path for path in folder.glob("*_pkg.sv") if written_here(path))
        if len(found) != 1:
            said = "no RTL of a network there" if not found else f"holds {len(found)} networks"
            raise VolleyError(f"{folder}: {said}; give the rtl/ of a build, which compile() makes")
        return cls(folder, found[0].stem.removesuffix("_pkg"))

    @property
    def package(self) -> str:
        """Package of the constants."""
        return f"{self.name}_pkg"

    @property
    def network(self) -> str:
        """The network itself: streams of pixels and logits."""
        return f"{self.name}_net"

    @property
    def top(self) -> str:
        """volley_top around it."""
        return f"{self.name}_top"

    @property
    def axi_top(self) -> str:
        """volley_axi_top around it, in plain Verilog."""
        return f"{self.name}_axi_top"

    @property
    def async_top(self) -> str:
        """The same, its streams with a clock of their own."""
        return f"{self.name}_axi_async_top"

    @property
    def uart_top(self) -> str:
        """volley_uart_top around it."""
        return f"{self.name}_uart_top"

    def image(self, memory: str) -> str:
        """File of a memory's content."""
        return f"{self.name}_{memory}.mem"

    def file(self, module: str) -> Path:
        """Where a module is written."""
        return self.folder / f"{module}{'.v' if module in (self.axi_top, self.async_top) else '.sv'}"

    def around(self, cores: Sequence[Path]) -> list[Path]:
        """All sources in the order of a compiler: the network's package, cores, the network, its tops."""
        modules = (self.network, self.top, self.axi_top, self.async_top, self.uart_top, ACCELERATOR)
        return [self.file(self.package), *cores, *map(self.file, modules)]


def around_network(emitted: Path, cores: Sequence[Path]) -> list[Path]:
    """Sources of the network in the folder `emitted` in the order of a compiler."""
    return DesignFiles.found_in(emitted).around(cores)


def verilog_name(name: str) -> str:
    """What the names of a network called `name` begin with: letters, digits and single underscores (two of them have a
    meaning in Verilator's names). A name that would give one of Volley's own modules, or a board's, gets `net_` in
    front."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name)[:LONGEST].strip("_")
    taken = re.match(r"(?!\D)|volley", plain, re.IGNORECASE) or _is_board(plain.lower())
    plain = f"net_{plain}".rstrip("_") if taken else plain
    # `a_axi` would have a top that is called as one of `a`.
    return f"{plain}_0" if re.search(r"_(axi|uart|async)$", plain, re.IGNORECASE) else plain


def _is_board(name: str) -> bool:
    return any(path.name.replace("-", "_") == name for path in share("boards").iterdir())


def written_here(path: Path) -> bool:
    """Is this a source that emit has written?"""
    with path.open("rb") as file:
        return file.readline().startswith(HEADER.split(" from ")[0].encode())
