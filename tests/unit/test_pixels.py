# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Several pixels per beat: the formulas that planner, schedule and RTL share, against what they stand for."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from pyflow import zoo
from pyflow.cores.cells import Cost
from pyflow.cores.stream import conversions
from pyflow.cores.synapse import SynapseArray
from pyflow.cores.window import RowWindows
from pyflow.graph import Network
from pyflow.operators import Conv, Encode, Linear, RadixNeuron, Readout
from pyflow.planning.board import load_board
from pyflow.planning.bodies import dsp
from pyflow.planning.folding import Folding
from pyflow.planning.lowering.synapse import offers, stages
from pyflow.planning.netlist import Stream
from pyflow.planning.planner import plan
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
    whole = next(cost for _, cost in offers(conv, folding, source, conv.infer(source).number_bits, "xc7"))
    stream = Stream("pixels", 1, source.bits, math.prod(source.shape[1:]), 1, pix=pix)
    window, array = CONV1[pix]
    windows = sum((stage.core.cells("xc7") for stage in stages(conv, folding, stream, source)), Cost())
    for price, cells in ((windows, window), (whole, [a + b for a, b in zip(window, array, strict=True)])):
        assert (price.lut, price.ff) == (pytest.approx(cells[0], rel=0.15), pytest.approx(cells[1], rel=0.1))


def test_a_stride_has_fewer_windows_than_pixels_in_a_beat() -> None:
    """Arrays, their cells and their DSP slices are one per window."""
    weight = np.ones((4, 2, 3, 3), np.int8)
    conv = Conv("conv", ("encode",), weight=weight, stride=(2, 2), padding=(1, 1), weight_bits=4)
    neuron = RadixNeuron("neuron", ("conv",), theta=np.ones(4, np.int64), bias=np.zeros(4, np.int64))
    linear = Linear("fc", ("neuron",), weight=np.ones((3, 64, 1, 1), np.int8), weight_bits=4)
    operators = (Encode("encode", ("input",)), conv, neuron, linear, Readout("out", ("fc",), np.zeros(3, np.int64)))
    network = Network("strided", (2, 8, 8), operators)
    layers = {"conv": {"pe": 4, "lanes": 2, "body": "soft", "pix": 4}, "fc": {"pe": 3, "lanes": 4, "slice": "tap"}}
    made = plan(network, load_board("pynq-z2"), folding={"layers": layers})
    (array,) = (inst.core for inst in made.netlist.instances if inst.layer == "conv" and hasattr(inst.core, "simd"))
    assert isinstance(array, SynapseArray)
    assert array.pix == 2
    assert made.cost["conv"].dsp == 2 * array.sum.dsp == dsp(network, made.netlist.foldings)


def _beats(lanes: int, pix: int, channels: int) -> list[list[int]]:
    """Twelve pixels of words 1, 2, ... as beats; padding lanes carry 0."""
    words = [[1 + pixel * channels + c for c in range(channels)] for pixel in range(12)]
    if pix > 1:
        return [list(itertools.chain(*words[x : x + pix])) for x in range(0, 12, pix)]
    return [(pixel[at : at + lanes] + [0] * lanes)[:lanes] for pixel in words for at in range(0, channels, lanes)]
