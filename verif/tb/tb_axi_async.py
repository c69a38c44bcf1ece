# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_axi_top with ASYNC around a compiled network, its streams at unlike clocks: every logit, resets of one side,
soft resets. Frames and answers are in frames.json, written by tests/flow/test_pixel_clock.py."""

import json
import random
from pathlib import Path

import cocotb
from cocotb.triggers import FallingEdge, Timer
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from pyflow import registers as r
from verif.tb.axis import Sink, Source, random_stall
from verif.tb.coverage import declare
from verif.tb.frames import beats, with_keep
from verif.tb.two_clocks import CLOCKS, Side, start

CASE = json.loads(Path("frames.json").read_text())
CUT = 0x800  # flags[3] of a trailer
PARTS = "1:1 later", "3:7", "10:1"  # clocks of the tests with resets
declare("both ends stall")


class TB:
    """Clocks: pixel_clk, clk. Both resets last two cycles."""

    def __init__(self, dut, clocks, stalls=0.3):
        self.dut, self.periods = dut, CLOCKS[clocks][:2]
        self.pixel = Side(dut, "pixel_clk", "pixel_aresetn", active_low=True)
        self.core = Side(dut, "clk", "aresetn", active_low=True)
        self.source = Source(self.pixel, "s_axis", random_stall(stalls))
        self.sink = Sink(self.pixel, "m_axis", random_stall(stalls))
        with_keep(self.source)
        self.master = AxiLiteMaster(
            AxiLiteBus.from_prefix(dut, "s_axi_ctrl"), dut.clk, dut.aresetn, reset_active_level=False
        )
        start(clocks, self.pixel, self.core)
        self.source.start()
        self.sink.start()

    async def reset(self):
        for task in [cocotb.start_soon(side.reset(2)) for side in (self.pixel, self.core)]:
            await task

    async def restart(self):
        """A reset of clk alone, while nothing moves; then the streams know of it."""
        await self.core.reset()
        await Timer(40 * max(self.periods), "ps")
        self.sink.beats.clear()

    def forget(self):
        """What was to be sent is not."""
        self.source.queue.clear()
        self.source._offered = False

    def send(self, frames):
        for frame in frames:
            self.source.send(beats([(word, 15) for word in CASE["frames"][frame]]))

    async def quiet(self):
        """Nothing is left to send, and nothing has moved for longer than a frame takes."""
        before = None
        while self.source.queue or before != len(self.sink.beats):
            before = len(self.sink.beats)
            await Timer(CASE["cycles"] * max(self.periods) // 1000, "ns")

    def words(self):
        return [(beat.data, beat.last) for beat in self.sink.beats]


def answers(frames):
    """Words of a network that has them as its first frames."""
    return [
        (word, n == len(CASE["logits"][frame]))
        for number, frame in enumerate(frames)
        for n, word in enumerate([*CASE["logits"][frame], CASE["checksum"] << 16 | number])
    ]


@cocotb.test()
@cocotb.parametrize(clocks=list(CLOCKS))
async def every_logit(dut, clocks):
    tb = TB(dut, clocks, random.choice((0.0, 0.3)))
    await tb.reset()
    frames = range(len(CASE["frames"]))
    tb.send(frames)
    await tb.quiet()
    assert tb.words() == answers(frames)
    assert await tb.master.read_dword(r.FRAMES) == len(frames)


@cocotb.test()
@cocotb.parametrize(clocks=list(PARTS), stage=["frame", "answer"])
async def a_reset_of_the_pixels_alone(dut, clocks, stage):
    """What had begun is gone, in the network too: the next frames are its first ones, and nothing else leaves."""
    tb = TB(dut, clocks)
    await tb.reset()
    for _ in range(3):
        tb.send([0, 1, 2])
        begun = len(tb.sink.beats)
        if stage == "frame":
            left = random.randrange(1, len(tb.source.queue))
            while len(tb.source.queue) > left:
                await FallingEdge(dut.pixel_clk)
        else:
            while len(tb.sink.beats) < begun + random.randrange(1, 15):
                await FallingEdge(dut.pixel_clk)
        await tb.pixel.reset(begun=tb.forget)
        tb.sink.beats.clear()
        tb.send([3, 1])
        await tb.quiet()
        assert tb.words() == answers([3, 1])
    assert await tb.master.read_dword(r.RESETS) >= 3
    assert await tb.master.read_dword(r.ERRORS) == 0


@cocotb.test()
@cocotb.parametrize(clocks=list(PARTS))
async def a_reset_of_the_network_alone(dut, clocks):
    """Between frames: the next ones are its first."""
    tb = TB(dut, clocks)
    await tb.reset()
    for _ in range(3):
        tb.send([0, 1])
        await tb.quiet()
        await tb.restart()
        tb.send([2, 3])
        await tb.quiet()
        assert tb.words() == answers([2, 3])


@cocotb.test()
@cocotb.parametrize(clocks=list(PARTS))
async def a_soft_reset_keeps_both_streams_whole(dut, clocks):
    tb = TB(dut, clocks)
    await tb.reset()
    for _ in range(4):
        tb.send([0, 1, 2, 3])
        await Timer(random.randrange(CASE["cycles"] * max(tb.periods) // 500), "ns")
        await tb.master.write_dword(r.CONTROL, 1)
        await tb.quiet()
        words, ends = tb.words(), [n for n, (_, last) in enumerate(tb.words()) if last]
        cut = [n for n in ends if words[n][0] & CUT]
        assert len(cut) <= 1
        # Whole answers before the cut; what is left of one; whole answers, numbered from 0, behind it.
        tails = [answers(range(first, 4)) for first in range(5)]
        at = cut[0] + 1 if cut else next(n for n in range(len(words) + 1) if words[n:] in tails)
        assert words[at:] in tails
        before = words[: at - 1] if cut else words[:at]
        assert before == answers(range(4))[: len(before)]
        await tb.restart()  # frame numbers start anew
