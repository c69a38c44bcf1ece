# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Several pixels per beat: the formulas that planner, schedule and RTL share, against what they stand for."""

from __future__ import annotations

import itertools

import pytest

from pyflow import zoo
from pyflow.hardware import Folding, RowWindows, conversions
from pyflow.operators import Conv
from pyflow.planning.bodies import size_of, sum_cost
from verif.models.lane_convert import lane_convert

ROWS = [
    (width, kernel, stride, padding, pix)
    for width, kernel, stride in itertools.product(range(1, 17), range(1, 8), range(1, 5))
    for padding in range(kernel)
    for pix in range(1, width + 1)
    if width + 2 * padding >= kernel and RowWindows.legal(width, kernel, stride, padding, pix)
]


def test_row_windows_are_those_of_the_definition() -> None:
    assert any(pix > 1 for *_, pix in ROWS)
    for width, kernel, stride, padding, pix in ROWS:
        along = RowWindows.of(width, kernel, stride, padding, pix)
        newest = [ox * stride - padding + kernel - 1 for ox in range((width + 2 * padding - kernel) // stride + 1)]
        beats = [newest[first + along.pix - 1] // pix for first in range(0, len(newest), along.pix)]
        assert beats == [along.lead_in + along.step * n for n in range(len(beats))]
        assert along.last == beats[-1]
        assert along.beyond == max(0, beats[-1] - (along.beats - 1))
        assert along.overlap <= along.lead_in  # what comes early completes no window
        if stride == 1 and along.beyond <= along.beats:  # the next row has no more to share
            assert along.row == max(along.beats, len(beats))
        if padding <= pix:
            assert along.overlap <= 1  # the last row of a frame costs nothing


@pytest.mark.parametrize("channels", [1, 3, 4, 6])
def test_conversions_keep_every_word_in_its_pixel(channels: int) -> None:
    ways = [(lanes, 1) for lanes in range(1, channels + 1)] + [(channels, pix) for pix in (2, 3, 4)]
    for (lanes, pix), (to_lanes, to_pix) in itertools.product(ways, ways):
        steps = conversions(lanes, pix, to_lanes, to_pix, channels)
        assert bool(steps) == ((lanes, pix) != (to_lanes, to_pix))
        beats = _beats(lanes, pix, channels)
        for lanes_in, lanes_out, run in steps:
            assert {len(beat) for beat in beats} == {lanes_in}
            beats = [beat for beat, _ in lane_convert([(beat, False) for beat in beats], lanes_out, run)]
        assert beats == _beats(to_lanes, to_pix, channels)


# LUT and FF of digits conv1, 8 outputs of 3 x 3 taps, at so many pixels per beat: what brings the windows, and the
# array with its weights. yosys 0.70 for xc7; tests/flow/test_synthesis.py synthesises them.
CONV1 = {1: ((151, 124), (803, 1684)), 2: ((189, 168), (1603, 3360)), 4: ((238, 262), (3203, 6712))}


@pytest.mark.parametrize("pix", CONV1)
def test_the_price_of_pixels_is_that_of_synthesis(pix: int) -> None:
    network, folding = zoo.load("digits"), Folding(8, 1, "all", 4, body="lut", pix=pix)
    conv = next(op for op in network.operators if isinstance(op, Conv))
    (source,) = network.sources(conv)
    whole = conv.cost(folding, source, sum_cost("xc7", size_of(conv, folding, source)))
    (window, array), windows = CONV1[pix], conv.window_cost(folding, source)
    for price, cells in ((windows, window), (whole, [a + b for a, b in zip(window, array, strict=True)])):
        assert (price.lut, price.ff) == (pytest.approx(cells[0], rel=0.15), pytest.approx(cells[1], rel=0.1))


def _beats(lanes: int, pix: int, channels: int) -> list[list[int]]:
    """Twelve pixels of words 1, 2, ... as beats; padding lanes carry 0."""
    words = [[1 + pixel * channels + c for c in range(channels)] for pixel in range(12)]
    if pix > 1:
        return [list(itertools.chain(*words[x : x + pix])) for x in range(0, 12, pix)]
    return [(pixel[at : at + lanes] + [0] * lanes)[:lanes] for pixel in words for at in range(0, channels, lanes)]
