# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What a tile holds: each limit by itself, and the short forms that the clustering asks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pyflow.errors import VolleyError
from pyflow.machines.tiles import Need, Tile, square

TILE = Tile()
LIMITS = {
    "crosspoints": (Need(600, 17), "crosspoints: needs 19,200, a tile has 16,384, 2,816 too few; smaller clusters"),
    "axons": (Need(1025, 1), "axons: needs 1,025, a tile has 1,024, 1 too few; partial sums, or axons = 1025"),
    "neurons": (Need(4, 257), "neurons: needs 257, a tile has 256, 1 too few; smaller clusters, or neurons = 257"),
    "fan-in": (Need(4, 1, 5000), "fan-in: needs 5,000, a tile has 4,681, 319 too few; potential_bits = 17"),
    "weight bits": (Need(4, 1, weight_bits=8), "weight bits: needs 8, a tile has 4, 4 too few; W = 4, or weight_bits"),
    "word bits": (Need(4, 1, word_bits=4), "word bits: needs 4, a tile has 1, 3 too few; spikes over time"),
    "flits in": (Need(4, 1, flits_in=513), "flits in: needs 513, a tile has 512, 1 too few; fewer neurons with"),
    "flits out": (Need(4, 1, flits_out=513), "flits out: needs 513, a tile has 512, 1 too few; fewer neurons with"),
}


@pytest.mark.parametrize("resource", LIMITS)
def test_what_is_over_is_named_with_how_much_and_what_would_do(resource):
    need, message = LIMITS[resource]
    excess = {found.resource: found for found in TILE.excess(need)}
    assert str(excess[resource]).startswith(message)
    assert not TILE.fits(need)
    with pytest.raises(VolleyError, match=f"net does not fit a tile: .*{message[:40]}"):
        TILE.check("net", need)


@pytest.mark.parametrize("resource", LIMITS)
def test_one_less_of_it_fits(resource):
    need, _ = LIMITS[resource]
    by_resource = {found.resource: found for found in TILE.excess(need)}
    fields = {"flits in": "flits_in", "flits out": "flits_out", "fan-in": "fan_in"}
    field = fields.get(resource, resource.replace(" ", "_"))
    if resource == "crosspoints":
        assert TILE.fits(need._replace(neurons=16))
        return
    assert TILE.fits(need._replace(**{field: by_resource[resource].limit}))


def test_what_would_do_does():
    for need, field in ((Need(4, 1, 5000), "potential_bits"), (Need(5000, 1), "axons"), (Need(4, 257), "neurons")):
        found = next(e for e in TILE.excess(need) if e.resource in (field, "fan-in"))
        value = int(found.cure.rsplit("= ", 1)[1])
        assert found.resource not in {e.resource for e in replace(TILE, **{field: value}).excess(need)}
        assert found.resource in {e.resource for e in replace(TILE, **{field: value - 1}).excess(need)}


def test_clusters_share_a_tile():
    """The example of docs/tiles.md: the last hidden neurons and the output of an MLP."""
    hidden, output = Need(784, 4), Need(100, 10)
    assert TILE.fits(hidden, output)
    assert not TILE.fits(Need(784, 16), Need(241, 1))
    assert [e.resource for e in TILE.excess(*[Need(1, 1)] * 9)] == ["contexts"]
    assert [e.resource for e in TILE.excess(*[Need(2, 100)] * 3)] == ["neurons"]


@pytest.mark.parametrize("tile", [TILE, square(), square(5), Tile(lanes=3, rows=20, axons=7, neurons=11)])
def test_room_is_what_fits(tile):
    for axons in range(tile.axons + 2):
        room = tile.room(axons)
        assert not room or tile.fits(Need(axons, room))
        assert not tile.fits(Need(axons, room + 1))
    assert tile.room(tile.widest)
    assert not tile.room(tile.widest + 1)


def test_a_square_is_not_reshaped():
    assert square().fits(Need(128, 128))
    assert not square().fits(Need(64, 129))
    assert TILE.fits(Need(64, 256), Need(0, 0))


def test_a_share_is_that_of_what_runs_out_first():
    assert TILE.share(512, 16) == 0.5
    assert TILE.share(1, 128) == 0.5
    assert TILE.share(1, 1) == 1 / 8


@pytest.mark.parametrize(("field", "value"), [("rows", 0), ("lanes", 1.5), ("contexts", True), ("flits", -1)])
def test_a_tile_has_whole_numbers(field, value):
    with pytest.raises(VolleyError, match=f"tile: {field} = .* must be a whole number, 1 or more"):
        Tile(**{field: value})
    with pytest.raises(VolleyError, match="weight_bits = 1 holds no sign"):
        Tile(weight_bits=1)


def test_fan_in_keeps_every_sum_inside_its_width():
    for bits, weight, word in np.ndindex(24, 8, 4):
        if bits < 3 or weight < 2 or word < 1:
            continue
        tile = Tile(potential_bits=bits, weight_bits=weight, word_bits=word)
        largest = (2 ** (weight - 1) - 1) * (2**word - 1)
        assert tile.fan_in * largest < 2 ** (bits - 1) <= (tile.fan_in + 1) * largest
