# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Several networks in one design and one simulation: digits and lenet5, and one network twice with unlike weights, all
at unlike clocks. No name of one is another's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import pyflow
from pyflow import zoo
from pyflow.design_files import ACCELERATOR, DesignFiles
from pyflow.emit.tops import shell
from pyflow.sources import rtl_sources
from tests.flow.designs import constant, images
from tests.flow.reweighted import reweighted
from tests.flow.test_weight_reload import words
from verif.harness import run_bench

PERIODS = {"digits": 10_000, "lenet5": 2_200, "left": 7_400, "right": 13_000}  # [ps]


def around(names: list[DesignFiles]) -> str:
    """A module with the tops of all networks, their ports behind the networks' names."""
    ports, instances = [], []
    for name in names:
        lines = [line for line in shell("volley_top").outer if line.name]
        widths = {"[COUNT_W-1:0]": "[31:0]", "[CYCLE_W-1:0]": "[63:0]"}
        ports += [
            f"{line.direction} wire logic {widths.get(line.width, line.width)} {name.name}_{line.name}"
            if line.direction == "input"
            else f"output logic {widths.get(line.width, line.width)} {name.name}_{line.name}"
            for line in lines
        ]
        bound = ", ".join(f".{line.name}({name.name}_{line.name})" for line in lines)
        instances.append(f"  {name.top} u_{name.name} ({bound});")
    return f"module networks ({', '.join(ports)});\n" + "\n".join(instances) + "\nendmodule\n"


def test_every_logit_of_several_networks_in_one_simulation(tmp_path: Path) -> None:
    digits = zoo.load("digits")
    networks = {
        "digits": (digits, 1000),
        "lenet5": (zoo.load("lenet5"), 16_384),
        **{name: (replace(reweighted(digits, seed), name=name), 1000) for seed, name in enumerate(("left", "right"))},
    }
    rng, sources, names = np.random.default_rng(1), [], []
    cases: dict[str, dict[str, Any]] = {}
    files: dict[str, str] = {}
    for name, (network, cycles) in networks.items():
        build = pyflow.compile(network, out_dir=tmp_path / name, cycles_per_frame=cycles)
        design = DesignFiles.found_in(build.rtl)
        assert design.name == name
        names.append(design)
        x = rng.random((2 if name == "lenet5" else 6, *network.input_shape)).astype(np.float32)
        cases[name] = {
            "frames": words(network.host_bytes(x)), "logits": (network.run(x) & 0xFFFFFFFF).tolist(),
            "checksum": int(constant(build.rtl, "WEIGHT_CHECKSUM"), 16), "period": PERIODS[name],
        }  # fmt: skip
        own = images(build.rtl)
        assert not own.keys() & files.keys()
        files |= own
        sources.append([path for path in design.around([]) if path.stem != ACCELERATOR])
    modules = [path.stem for each in sources for path in each]
    assert len(set(modules)) == len(modules)
    assert cases["left"]["checksum"] != cases["right"]["checksum"]
    holder = tmp_path / "networks.sv"
    holder.write_text(around(names))
    packages = [each[0] for each in sources]
    rest = [path for each in sources for path in each[1:]]
    run_bench(
        "networks", "tb_networks", {}, files={**files, "networks.json": json.dumps(cases)},
        sources=[*packages, *rtl_sources(), *rest, holder],
    )  # fmt: skip
