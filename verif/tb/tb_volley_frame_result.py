# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_frame_result: logits then trailer, frame numbers that wrap, flags early and late, reset."""

import itertools
import random

import cocotb

from verif.models.frame import frame_result
from verif.tb.axis import FLOWS, TB, Beat
from verif.tb.coverage import declare, hit

CHECKSUM = 0xBEEF
declare(
    "a frame of one logit",
    "frame numbers start over",
    *(f"flag {bit}" for bit in range(3)),
    "logits late",
    "flags late",
    "a trailer waits while the checksum changes",
)


def bench(dut, flow="full", **stalls) -> TB:
    dut.cfg_checksum.value = CHECKSUM
    return TB(dut, flow, sources=("s_logit", "s_flags"), sinks=("m_axis",), stalls=stalls)


def push(tb: TB, frames: int, classes: int = 3) -> None:
    for number in range(frames):
        logits, flags = [random.randint(-(1 << 31), (1 << 31) - 1) for _ in range(classes)], random.getrandbits(3)
        tb.send([Beat(logit & 0xFFFFFFFF, n == classes - 1) for n, logit in enumerate(logits)], "s_logit")
        tb.send([flags], "s_flags")
        for bit in range(3):
            hit(f"flag {bit}", flags >> bit & 1)
        hit("a frame of one logit", classes == 1)
        hit("frame numbers start over", number > 255)
        words = frame_result(logits, flags, number, CHECKSUM)
        tb.expect([Beat(word, n == classes) for n, word in enumerate(words)])


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def answers(dut, flow):
    tb = bench(dut, flow)
    await tb.reset()
    push(tb, 260)
    await tb.finish()
    if flow == "full":
        assert tb.sink.accepted[-1] - tb.sink.accepted[0] == len(tb.sink.accepted) - 1
        assert tb.sink.accepted[0] - tb.sources["s_logit"].accepted[0] == 1
    assert int(dut.m_axis_tkeep.value) == 15


@cocotb.test()
@cocotb.parametrize(late=["s_logit", "s_flags"])
async def one_side_is_late(dut, late):
    tb = bench(dut, **{late: itertools.cycle([True] * 9 + [False])})
    await tb.reset()
    push(tb, 10, classes=1)
    await tb.finish()
    hit("logits late" if late == "s_logit" else "flags late")


@cocotb.test()
async def the_checksum_is_that_of_when_the_trailer_is_made(dut):
    """One that waits to be taken does not change."""
    held = [True]
    tb = bench(dut, m_axis=iter(lambda: held[0], None))
    await tb.reset()
    for checksum in (0x0001, 0x8000):
        held[0] = True
        trailer = Beat(checksum << 16 | 0x200 | (checksum == 0x8000), True)
        tb.expect([7, trailer])
        tb.send([Beat(7, True)], "s_logit")
        await tb.wait(5)
        held[0] = False
        await tb.until(lambda: len(tb.sink.beats) % 2 == 1, "logit")
        held[0] = True
        dut.cfg_checksum.value = checksum
        await tb.wait(2)
        tb.send([2], "s_flags")
        await tb.wait(5)
        dut.cfg_checksum.value = 0xFFFF
        await tb.wait(3)
        hit("a trailer waits while the checksum changes")
        held[0] = False
        await tb.finish()


@cocotb.test()
async def reset_in_the_middle(dut):
    tb = bench(dut, "both")
    for _ in range(10):
        await tb.reset(1)
        push(tb, 10)
        await tb.wait(random.randrange(2, 40))
        await tb.reset(1)
        push(tb, 2)
        await tb.finish()
