# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What open synthesis makes of the arrays of DSP48s that gate and add: exactly these cells, no multiplier in LUTs."""

from __future__ import annotations

import pytest

from pyflow.backends.yosys import area_of
from tests.flow.arrays import DSP, GATE, SOFT, cells_of, dsp_cells


# Cascades hold 16 inputs, two in a DSP48, for each block of lanes and each step of a tick.
@pytest.mark.parametrize(
    ("family", "body", "shape", "dsp"),
    [
        ("xc7", GATE, (5, 17, 2, 2, 8), 2 * (8 + 1) * 2),  # 4 lanes
        ("xcup", GATE, (16, 16, 4, 1, 8), 4 * 8),
        pytest.param("xcup", SOFT, (18, 16, 4, 1, 4), 3 * 8, marks=pytest.mark.long),  # 6 lanes
        ("xcup", SOFT, (9, 15, 2, 1, 2), 8),  # 9 lanes
        ("xc7", SOFT, (9, 19, 1, 1, 2), 2 * (8 + 2)),  # 8 lanes: a cascade of 16 sets the width
        ("xc7", SOFT, (6, 5, 2, 1, 3), 3),  # 8 lanes: 5 codes of 3 bits fit 6
    ],
)
def test_exactly_the_dsp48s_of_the_cascades(family: str, body: int, shape: tuple[int, ...], dsp: int) -> None:
    cells = cells_of(family, body, *shape)
    assert dsp_cells(cells) == {DSP[family]: dsp}


@pytest.mark.parametrize("family", ["xc7", pytest.param("xcup", marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("body", "shape", "operations", "lut", "ff"),
    [
        (GATE, (16, 16, 4, 1, 8), 16, 547, 1_611),
        pytest.param(SOFT, (18, 16, 4, 1, 4), 24, 594, 1_248, marks=pytest.mark.long),
        pytest.param(SOFT, (16, 16, 4, 1, 2), 32, 478, 753, marks=pytest.mark.long),
        (SOFT, (18, 14, 4, 1, 2), 36, 521, 764),
    ],
)
def test_operations_per_dsp48_and_what_they_cost(
    family: str, body: int, shape: tuple[int, ...], operations: int, lut: int, ff: int
) -> None:
    """An operation: the gate or the addition of one input of one output. The bounds are 3 % above what yosys 0.70 made;
    a multiplier in LUTs would break them. SOFT has an INV for each weight beside."""
    pe, simd, _, tp, _ = shape
    area = area_of(cells_of(family, body, *shape), family)
    assert 2 * pe * simd * tp == operations * area.dsp
    assert area.lut <= lut
    assert area.ff <= ff
