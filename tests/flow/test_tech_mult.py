# SPDX-License-Identifier: Apache-2.0
"""What open synthesis makes of the arrays of DSP48s that multiply: exactly these cells, no multiplier in LUTs."""

from __future__ import annotations

import pytest

from pyflow.backends.toolbox import blackboxes, rtl_sources
from pyflow.backends.yosys import Cells, area_of, synthesise
from verif.harness import sources_of

CORE = "volley_synapse_array"
MULT = 3  # BODY of volley_synapse_sum
DSP = {"xc7": "DSP48E1", "xcup": "DSP48E2"}


def cells_of(family: str, pe: int, simd: int, steps: int, weight_w: int) -> Cells:
    """Cells of an array of one fold, weights from outside."""
    acc_w = 1 + (simd * ((1 << steps) - 1) << (weight_w - 1)).bit_length()
    parameters = {"BODY": MULT, "PE": pe, "SIMD": simd, "T": steps, "WEIGHT_W": weight_w, "ACC_W": acc_w}
    sources = [*blackboxes(family), *sources_of(CORE, rtl_sources(family))]
    return synthesise(sources, CORE, family, parameters=parameters)[0][CORE]


@pytest.mark.parametrize(("family", "shape", "dsp"), [
    ("xc7", (5, 3, 4, 4), 2 * 3), ("xc7", (3, 5, 8, 8), 2 * 5),
    ("xcup", (9, 2, 2, 1), 3 * 2), ("xcup", (2, 6, 5, 4), 6),
])
def test_a_dsp48_for_each_input_of_a_block_of_outputs(family: str, shape: tuple[int, ...], dsp: int) -> None:
    cells = cells_of(family, *shape)
    assert {kind: n for kind, n in cells.items() if kind.startswith("DSP")} == {DSP[family]: dsp}


@pytest.mark.parametrize("family", DSP)
@pytest.mark.parametrize(("steps", "weight_w", "dsp", "lut", "ff"), [(4, 4, 64, 1_099, 2_715), (4, 8, 128, 470, 2_057)])
def test_an_array_of_16_by_16(family: str, steps: int, weight_w: int, dsp: int, lut: int, ff: int) -> None:
    """2 * 16 * 16 * T operations a cycle: 32 and 16 a DSP48. lut, ff: with yosys 0.70, and 3 % more at most; a
    multiplier in LUTs takes more than that. The pre-adder does what inverters would."""
    cells = cells_of(family, 16, 16, steps, weight_w)
    area = area_of(cells, family)
    assert area.dsp == dsp and "INV" not in cells
    assert area.lut <= 1.03 * lut and area.ff <= 1.03 * ff
