# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What open synthesis makes of the arrays of DSP48s that multiply: exactly these cells, no multiplier in LUTs."""

from __future__ import annotations

import pytest

from pyflow.backends.yosys import area_of
from tests.flow.arrays import DSP, MULT, cells_of, dsp_cells


@pytest.mark.parametrize(
    ("family", "shape", "dsp"),
    [
        ("xc7", (5, 3, 4, 4), 2 * 3),
        ("xc7", (3, 5, 8, 8), 2 * 5),
        ("xcup", (9, 2, 2, 1), 3 * 2),
        ("xcup", (2, 6, 5, 4), 6),
    ],
)
def test_a_dsp48_for_each_input_of_a_block_of_outputs(family: str, shape: tuple[int, ...], dsp: int) -> None:
    pe, simd, steps, weight_w = shape
    cells = cells_of(family, MULT, pe, simd, steps, steps, weight_w)
    assert dsp_cells(cells) == {DSP[family]: dsp}


@pytest.mark.parametrize("family", ["xc7", pytest.param("xcup", marks=pytest.mark.long)])
@pytest.mark.parametrize(("steps", "weight_w", "dsp", "lut", "ff"), [(4, 4, 64, 1_099, 2_715), (4, 8, 128, 470, 2_057)])
def test_an_array_of_16_by_16(family: str, steps: int, weight_w: int, dsp: int, lut: int, ff: int) -> None:
    """2 * 16 * 16 * T operations a cycle: 32 and 16 a DSP48. lut, ff: with yosys 0.70, and 3 % more at most; a
    multiplier in LUTs takes more than that. The pre-adder does what inverters would."""
    cells = cells_of(family, MULT, 16, 16, steps, steps, weight_w)
    area = area_of(cells, family)
    assert area.dsp == dsp
    assert "INV" not in cells
    assert area.lut <= 1.03 * lut
    assert area.ff <= 1.03 * ff
