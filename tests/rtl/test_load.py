# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What brings weights into writable memories."""

import pytest

from verif.harness import run_bench


@pytest.mark.parametrize(
    ("width", "depth", "index"),
    [
        (1, 1, 0),  # smallest
        (32, 4, 3),  # a row is a word
        (7, 5, 2),
        (33, 3, 1),
        (96, 6, 0x8000_0005),
        (100, 1, 4),
    ],
)
def test_memory_loader(width, depth, index):
    run_bench("volley_memory_loader", "tb_volley_memory_loader", {"WIDTH": width, "DEPTH": depth, "INDEX": index})


@pytest.mark.parametrize("initial", [0, 0xBEEF])
def test_load_checksum(initial):
    run_bench("volley_load_checksum", "tb_volley_load_checksum", {"INITIAL": initial})
