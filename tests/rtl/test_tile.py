# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
import pytest

from verif.harness import run_bench

NAMES = ("TILES", "PE", "LANES", "WEIGHT_W", "ROWS", "AXONS", "NEURONS", "TABLE", "ACC_W", "FRAC", "V_W", "ROOM")


def check(values: tuple[int, ...]) -> None:
    run_bench("volley_tile_ring", "tb_volley_tile_ring", dict(zip(NAMES, values, strict=True)))


@pytest.mark.parametrize(
    "values",
    [
        (1, 8, 1, 4, 32, 16, 16, 32, 9, 0, 6, 20),  # small; sums saturate; a step's output fills the queue
        (2, 16, 2, 4, 64, 32, 64, 128, 10, 0, 10, 80),  # loops; contexts in turn
        (3, 16, 1, 8, 32, 16, 32, 64, 16, 3, 14, 50),  # wide weights, a fraction; a loop over two tiles
    ],
)
def test_networks_on_a_ring(values):
    check(values)


@pytest.mark.long
@pytest.mark.parametrize(
    "values",
    [
        (2, 16, 2, 4, 1024, 1024, 256, 2048, 16, 0, 16, 512),  # that of docs/tiles.md
        (4, 16, 1, 8, 256, 128, 64, 512, 16, 3, 14, 100),
        (3, 32, 4, 4, 512, 256, 128, 1024, 14, 1, 12, 260),
    ],
)
def test_networks_on_a_ring_all(values):
    check(values)
