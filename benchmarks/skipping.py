# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""`make bench-skipping`: linear layers of the shipped networks, with every word against those that are not zero.

Each layer in turn is folded as the planner has it, and with an event list in front; the rest of the network stays as it
is. The cycles of its array are predicted from the rates measured on training images, and measured in RTL on test
images. Area: yosys on each of the layer's cores for xc7, weights included.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

import pyflow
from pyflow import data, zoo
from pyflow.backends import yosys
from pyflow.bars import bar
from pyflow.build import Build
from pyflow.cores.synapse import KINDS
from pyflow.emit.memory import row_literal
from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.operators import Linear
from pyflow.planning.board import load_board
from pyflow.planning.planner import plan
from pyflow.report import layer_rows
from pyflow.sources import blackboxes, needed_by, rtl_sources
from tests.flow.netlists import netlist_of

BOARD = "pynq-z2"
FRAMES = 128
CASES = {  # network -> layer -> keys that make it skip zeros
    "digits": {"fc": {"pe": 2, "events": 2}},
    "lenet5": {"fc1": {"pe": 4, "events": 2}, "fc2": {"pe": 1, "events": 1}},
}
COLUMNS = ["layer", "words", "array", "frames", "mismatches", "busy, predicted", "measured", "cycles/frame, predicted",
           "measured", "LUT", "FF", "RAMB36", "DSP"]  # fmt: skip


def measure(network: Network, folding: dict[str, Any], layer: str, x: np.ndarray) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        build = pyflow.compile(network, BOARD, folder, folding=folding)
        expected = network.run(x)
        result = build.simulate(x, taps=len(x), solo=0)
        wrong = int((result.logits != expected[: len(result.logits)]).any(1).sum()) + len(x) - len(result.logits)
        area = area_of(build, layer)
    row = next(r for r in layer_rows(build.plan, result) if r.name == layer)
    f = row.folding
    assert f
    title = f"{f.body.upper()}, PE {f.pe} x {f.simd}"
    return [layer, "not zero" if f.events else "every", title, f"{len(x):,}", f"{wrong}",
            f"{row.predicted_cycles:,}", f"{row.measured_cycles:,.0f}",
            f"{build.plan.cycles_per_frame:,.0f}", f"{result.cycles_per_frame:,.0f}",
            f"{area.lut:,}", f"{area.ff:,}", f"{area.bram:g}", f"{area.dsp}"]  # fmt: skip


def area_of(build: Build, layer: str) -> yosys.Area:
    """Of the layer's own cores, one by one: lane converter, window or event list, array, weights."""
    family, total = load_board(BOARD).family, yosys.Area()
    for inst in (i for i in netlist_of(build).instances if i.layer == layer):
        core, parameters = inst.core.module, inst.core.parameters()
        cores: list[tuple[str, dict[str, Any], list[Path]]] = [(core, parameters, [])]
        if inst.memory:
            images = [build.rtl / f"{inst.memory.name}.mem"] if inst.memory in netlist_of(build).images else []
            content: dict[str, Any] = {"KIND": KINDS.index(inst.memory.kind)}
            content |= {"INIT_FILE": f'"{images[0].name}"'} if images else {"ROW": row_literal(inst.memory)}
            size = {"WIDTH": inst.memory.width, "DEPTH": inst.memory.depth}
            cores = [(core, parameters, []), ("volley_weight_source", {**size, **content}, images)]
            if not inst.core.memory_port:
                cores = [(core, parameters | content, images)]
        for name, values, files in cores:
            sources = [*blackboxes(family), *needed_by(name, rtl_sources(family))]
            cells, _ = yosys.synthesise(sources, name, family, parameters=values, images=files)
            total += yosys.area_of(cells[name], family)
    return total


def cases(name: str, data_dir: str | None) -> list[list[str]]:
    network = zoo.load(name)
    found = data.load(network.meta["data"], data_dir, network.input_shape)
    network, x = network.with_rates(found.calibration), found.x_test[:FRAMES]
    dense = plan(network.with_meta(nonzero={}), load_board(BOARD)).folding_json()
    rows = []
    for layer, keys in bar(name, "layer", over=CASES[name].items()):
        skipping = {**dense, "layers": {**dense["layers"], layer: dense["layers"][layer] | {"tp": 0, **keys}}}
        skipping["layers"][layer] |= {"body": "mult", "window_depth": 0}
        rows += [measure(network, folding, layer, x) for folding in (dense, skipping)]
        rows[-2][0] = rows[-1][0] = f"{name} {layer} ({share(network, layer)} not zero)"
    return rows


def share(network: Network, layer: str) -> str:
    op = next(op for op in network.operators if op.name == layer)
    assert isinstance(op, Linear)
    return f"{100 * network.meta['nonzero'][layer]['mean']:.0f} %"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="folder with MNIST; without it lenet5 is left out")
    args = parser.parse_args()
    names = [name for name in CASES if name != "lenet5" or args.data_dir]
    try:
        rows = [row for name in names for row in cases(name, args.data_dir)]
    except VolleyError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    print(tabulate(rows, COLUMNS, disable_numparse=True, colalign=("left",) * 3 + ("right",) * 10))
    print("\nbusy: cycles per frame in which the layer's array works. Predicted from the rates of training images, "
          "measured in RTL on test images.")  # fmt: skip
    if "lenet5" not in names:
        print("lenet5 left out: set DATA_DIR= to a folder with MNIST")
    return int(any(row[4] != "0" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
