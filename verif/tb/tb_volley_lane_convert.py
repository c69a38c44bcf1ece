# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_lane_convert: values, padding, tlast, cycles per pixel, latency, reset."""

import itertools
import math
import random

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from verif.models.lane_convert import beats_per_pixel, lane_convert, to_beats
from verif.tb.axis import FLOWS, TB, Beat, changing_stall, cycle, pack, params
from verif.tb.coverage import declare, hit, of_parameters

P = params()
WORD_W, LANES_IN, LANES_OUT, CHANNELS = (P[k] for k in ("WORD_W", "LANES_IN", "LANES_OUT", "CHANNELS"))
BEATS_IN = beats_per_pixel(CHANNELS, LANES_IN)
BEATS_OUT = beats_per_pixel(CHANNELS, LANES_OUT)
TOP = (1 << WORD_W) - 1
of_parameters(
    {
        "as many lanes": LANES_IN == LANES_OUT,
        "up": LANES_IN < LANES_OUT and LANES_OUT % LANES_IN == 0,
        "down": LANES_IN > LANES_OUT and LANES_IN % LANES_OUT == 0,
        "gearbox": LANES_IN % LANES_OUT > 0 and LANES_OUT % LANES_IN > 0,
        "padding in": CHANNELS % LANES_IN > 0,
        "padding out": CHANNELS % LANES_OUT > 0,
        "less than one beat": CHANNELS < min(LANES_IN, LANES_OUT),
    }
)
declare("tlast inside a pixel", "noise in padding lanes")


def vectors(pixels: list[list[int]], frame: int = 4) -> tuple[list[Beat], list[Beat]]:
    """What to send and what to expect; every `frame`-th pixel ends in tlast."""
    sent = []
    for n, pixel in enumerate(pixels):
        for k, lanes in enumerate(to_beats(pixel, LANES_IN)):
            end = k == BEATS_IN - 1
            stray = not end and random.random() < 0.5
            hit("tlast inside a pixel", stray)
            if end:
                padding = [random.randint(0, TOP) for _ in range(BEATS_IN * LANES_IN - CHANNELS)]
                hit("noise in padding lanes", any(padding))
                lanes[LANES_IN - len(padding) :] = padding
            sent.append((lanes, n % frame == frame - 1 if end else stray))
    expected = lane_convert(sent, LANES_OUT, CHANNELS)
    return [Beat(pack(d, WORD_W), t) for d, t in sent], [Beat(pack(d, WORD_W), t) for d, t in expected]


def random_pixels(count: int) -> list[list[int]]:
    return [[random.randint(0, TOP) for _ in range(CHANNELS)] for _ in range(count)]


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def pixels(dut, flow):
    tb = TB(dut, flow)
    await tb.reset()
    # All ones next to zeros: a lane that leaks into padding or into the neighbour pixel shows.
    sent, expected = vectors([[TOP] * CHANNELS, [0] * CHANNELS, [TOP] * CHANNELS, *random_pixels(60)])
    tb.expect(expected)
    tb.send(sent)
    await tb.finish()
    if flow == "full":
        ends = tb.sink.accepted[BEATS_OUT - 1 :: BEATS_OUT]
        gaps = {b - a for a, b in itertools.pairwise(ends[20:])}
        average = (ends[-1] - ends[20]) / (len(ends) - 21)
        assert average == max(BEATS_IN, BEATS_OUT), f"{average} cycles per pixel, gaps {gaps}"


async def watch_room(dut) -> None:
    """From reset on: a beat is taken exactly when there is room for it, by the sizes in the header of the core."""
    unit = math.gcd(LANES_IN, LANES_OUT)
    units_in, units_out = LANES_IN // unit, LANES_OUT // unit
    units_last = BEATS_OUT * units_out - (BEATS_IN - 1) * units_in
    # With one unit out, the next beat comes in when the last unit of this one goes.
    room = (units_in + 2 * units_out - 2) // units_out * units_out if units_out > 1 else 0
    filled = beats = 0
    while True:
        await FallingEdge(dut.clk)
        await ReadOnly()
        filled -= units_out * (int(dut.m_axis_tvalid.value) and int(dut.m_axis_tready.value))
        if int(dut.s_axis_tvalid.value):
            more = units_last if beats % BEATS_IN == BEATS_IN - 1 else units_in
            fits = filled + more <= room if room else filled == 0
            assert int(dut.s_axis_tready.value) == fits, f"cycle {cycle()}: {filled} of {room} units inside"
            if fits:
                filled, beats = filled + more, beats + 1


@cocotb.test()
async def every_filling(dut):
    """Stalls that change their mind fill the buffer to every level that it can hold."""
    tb = TB(dut, stalls={"s_axis": changing_stall(), "m_axis": changing_stall()})
    await tb.reset()
    if LANES_IN != LANES_OUT:
        cocotb.start_soon(watch_room(dut))
    sent, expected = vectors([[TOP] * CHANNELS, *random_pixels(600 // max(BEATS_IN, BEATS_OUT))])
    tb.expect(expected)
    tb.send(sent)
    await tb.finish()


@cocotb.test()
async def latency(dut):
    """The first output beat follows the input beat that completes it by one cycle."""
    tb = TB(dut)
    await tb.reset()
    sent, expected = vectors(random_pixels(1), frame=1)
    tb.expect(expected)
    tb.send(sent)
    await tb.finish()
    completing = beats_per_pixel(min(LANES_OUT, CHANNELS), LANES_IN) - 1
    assert tb.sink.accepted[0] - tb.source.accepted[completing] == int(LANES_IN != LANES_OUT)


@cocotb.test()
async def reset_in_the_middle(dut):
    """Whatever part of a pixel was inside, the first pixel after reset is aligned and clean."""
    tb = TB(dut, "both")
    await tb.reset()
    for pause in range(1, 16):
        sent, expected = vectors([[TOP] * CHANNELS] * 8)
        tb.expect(expected)
        tb.send(sent)
        await tb.wait(pause)
        await tb.reset()
        sent, expected = vectors(random_pixels(3))
        tb.expect(expected)
        tb.send(sent)
        await tb.finish()
