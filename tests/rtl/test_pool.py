# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
import pytest

from verif.harness import run_bench

NAMES = ("LANES", "WORD_W", "OUT_W", "MAXIMUM", "GROUPS", "HEIGHT", "WIDTH", "KERNEL_Y", "KERNEL_X", "SIGNED")


@pytest.mark.parametrize(
    "values",
    [
        (1, 1, 1, 1, 1, 1, 1, 1, 1, 0),  # smallest
        (2, 4, 8, 0, 1, 4, 4, 4, 4, 0),  # a global sum in the output register
        (3, 3, 3, 1, 1, 3, 5, 2, 3, 0),  # a maximum there, rows and columns left over
        (2, 4, 7, 0, 3, 3, 2, 3, 2, 0),  # a global sum of several groups
        (3, 4, 6, 0, 1, 6, 8, 2, 2, 0),  # a row of windows
        (1, 4, 4, 1, 1, 7, 9, 3, 2, 0),  # rows and columns left over
        (2, 3, 3, 1, 2, 4, 7, 2, 3, 0),
        (2, 1, 4, 0, 4, 5, 6, 2, 4, 0),  # spikes of each step, counted
        (2, 2, 4, 0, 1, 3, 6, 1, 3, 0),  # a map in one dimension: a row at a time
        (2, 2, 4, 0, 2, 6, 4, 3, 1, 0),  # several pixels a beat: a window is one beat wide
        (1, 1, 1, 1, 1, 1, 2, 1, 2, 1),  # potentials, the narrowest
        (2, 5, 5, 1, 1, 4, 6, 2, 2, 1),
        (2, 4, 6, 1, 2, 3, 5, 2, 2, 1),  # results wider than words
        (1, 6, 6, 1, 1, 3, 3, 3, 3, 1),
    ],
)
def test_pool_accumulate(values):
    run_bench("volley_pool_accumulate", "tb_volley_pool_accumulate", dict(zip(NAMES, values, strict=True)))
