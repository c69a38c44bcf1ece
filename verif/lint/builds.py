# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What is linted: lists of files that are compiled together, each with its top modules."""

from __future__ import annotations

import dataclasses
import importlib.util
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyflow
from pyflow import zoo
from pyflow.backends import nextpnr
from pyflow.design_files import ACCELERATOR, DesignFiles, around_network
from pyflow.graph import Network
from pyflow.planning.board import board_names, load_board
from pyflow.sources import blackboxes, needed_by, rtl_folder, rtl_sources
from verif.harness import REPO


@dataclass(frozen=True, slots=True)
class Build:
    """Files in the order of compilation. tops: modules that stand at the top, one by one. images: folder of the
    memories' contents."""

    name: str
    files: tuple[Path, ...]
    tops: tuple[str, ...]
    images: Path | None = None

    def of(self, *modules: str) -> Build:
        """What `modules` need of it, with those at the top; declarations of cells stay."""
        needed = {path for module in modules for path in needed_by(module, self.files)}
        files = tuple(path for path in self.files if path in needed or path.stem == "cells")
        return dataclasses.replace(self, files=files, tops=modules)


def builds(folder: Path) -> list[Build]:
    """Every module of rtl/ in the portable set, and in each family's; every board's top; the example's; the tops
    around networks of all kinds, which are written into `folder`."""
    digits = zoo.load("digits")
    plain = pyflow.compile(digits, out_dir=folder / "digits")
    layers = {name: {**f, "memory": "writable"} for name, f in plain.plan.folding_json()["layers"].items()}
    loaded = {**plain.plan.folding_json(), "layers": layers}
    networks = {
        "writable": partial(pyflow.compile, digits, folding=loaded, probes=True),
        "rate_cnn": partial(pyflow.compile, _example("rate_cnn")),
        "residual": partial(pyflow.compile, _example("residual")),
    }
    modules = _modules(rtl_sources())
    found = [
        Build(
            "portable",
            _around(plain.rtl, rtl_sources()),
            (*modules, *_tops(plain.rtl), ACCELERATOR),
            plain.rtl,
        )
    ]
    for family in families():
        own = rtl_sources(family)
        found.append(Build(family, (*blackboxes(family), *_around(plain.rtl, own)), _modules(own), plain.rtl))
    for name, write in networks.items():
        rtl = write(out_dir=folder / name).rtl
        found.append(Build(name, _around(rtl, rtl_sources()), _tops(rtl), rtl))
    for name in board_names():
        board = load_board(name)
        if board.flow == "nextpnr":
            files = tuple(nextpnr.sources(plain.rtl, board))
            found.append(Build(name, files, (nextpnr.top_of(board),), plain.rtl))
    relu = REPO / "examples" / "one_core" / "relu.sv"
    found.append(Build("one_core", (*needed_by("volley_neuron_radix", rtl_sources()), relu), ("relu",)))
    return found


def families() -> list[str]:
    """Those that have modules of their own in the place of rtl.f's."""
    return sorted(path.stem for path in (rtl_folder() / "tech").glob("*/*.f"))


def _around(rtl: Path, sources: list[Path]) -> tuple[Path, ...]:
    return tuple(around_network(rtl, sources))


def _tops(rtl: Path) -> tuple[str, ...]:
    """Of the network in the folder: a build of it looks at what it instantiates."""
    names = DesignFiles.found_in(rtl)
    return names.top, names.axi_top, names.async_top, names.uart_top


def _modules(sources: list[Path]) -> tuple[str, ...]:
    return tuple(path.stem for path in sources if not path.stem.endswith("_pkg"))


def _example(name: str) -> Network:
    path = REPO / "examples" / "spiking" / "nets.py"
    spec = importlib.util.spec_from_file_location("lint_nets", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network: Network = getattr(module, name)()
    return network
