# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""LUTs of a lane of the LUT body on xc7: what was measured, and 3 % more at most."""

from __future__ import annotations

import pytest

from pyflow.backends.yosys import area_of, synthesise_core

PE = SIMD = 16


@pytest.mark.parametrize(
    ("weight_bits", "lut", "ff", "pairs"), [pytest.param(8, 1174, 4406, 68, marks=pytest.mark.long), (4, 662, 2358, 36)]
)
def test_a_lane_of_16_inputs(weight_bits: int, lut: int, ff: int, pairs: int) -> None:
    """lut, ff: of 256 lanes with the tree, the output register and the control. pairs: LUT6_2 of an output's tree,
    rows of 4 W, 2 (W + 1), W + 2 and W columns."""
    parameters = {"PE": PE, "SIMD": SIMD, "T": 1, "WEIGHT_W": weight_bits, "ACC_W": weight_bits + 4}
    cells = synthesise_core("volley_synapse_array", "xc7", parameters)
    area = area_of(cells, "xc7")
    assert cells["LUT6_2"] == PE * pairs
    assert area.lut + cells.get("INV", 0) <= 1.03 * lut
    assert area.ff <= 1.03 * ff
    assert area.dsp == 0
