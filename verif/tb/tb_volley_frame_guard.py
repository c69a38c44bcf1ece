# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_frame_guard: short, long, aborted and ragged frames, one answer each; cycles per frame, reset."""

import random

import cocotb

from verif.models.frame import KEEP, LONG, SHORT, frame_guard
from verif.tb.axis import FLOWS, TB, Beat, params
from verif.tb.coverage import declare, hit
from verif.tb.frames import NULL, Words, bad, beats, directed, good, with_keep, with_nulls

SIZE = params()["BYTES"]
COUNT = -(-SIZE // 4)
FAULTS = {"short": SHORT, "long": LONG, "tkeep": KEEP}
declare(
    "good",
    *FAULTS,
    *(f"{fault} alone" for fault in FAULTS),
    "a frame of one word",
    "a good frame after a bad one",
    "tlast on a null beat",
    "a null beat in a good frame",
    "a null beat behind a frame's end",
    "an empty frame",
)


def clean(size: int) -> Words:
    """A good frame with null beats."""
    return with_nulls(good(size))


class GuardTB(TB):
    def __init__(self, dut, flow="full"):
        super().__init__(dut, flow, sources=("s_axis",), sinks=("m_word", "m_flags"))
        with_keep(self.source)
        self.flags = 0  # of the frame before

    def push(self, frame: Words) -> None:
        self.send(beats(frame))
        words, flags = frame_guard(frame, SIZE)
        self.expect([Beat(word, n == COUNT - 1) for n, word in enumerate(words)], "m_word")
        self.expect([Beat(flags)], "m_flags")
        hit("good", not flags)
        for fault, flag in FAULTS.items():
            hit(fault, flags & flag)
            hit(f"{fault} alone", flags == flag)
        hit("a frame of one word", len(frame) == 1)
        hit("a good frame after a bad one", self.flags and not flags)
        self.flags = flags
        nulls = [not keep for _, keep in frame]
        hit("an empty frame", all(nulls))
        hit("tlast on a null beat", nulls[-1] and not all(nulls))
        hit("a null beat in a good frame", any(nulls) and not flags)
        hit("a null beat behind a frame's end", nulls[-1] and len(nulls) - sum(nulls) >= COUNT)


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def any_frame(dut, flow):
    tb = GuardTB(dut, flow)
    await tb.reset()
    for frame in directed(SIZE) + [make(SIZE) for _ in range(60) for make in (bad, good, clean)]:
        tb.push(frame)
    await tb.finish()


@cocotb.test()
async def good_frames_at_full_rate(dut):
    tb = GuardTB(dut)
    await tb.reset()
    for _ in range(10):
        tb.push(good(SIZE))
    await tb.finish()
    assert set(tb.sinks["m_word"].last_gaps()) == {COUNT + 1}
    assert tb.sinks["m_word"].accepted[0] - tb.source.accepted[0] == 1
    assert [beat.data for beat in tb.sinks["m_flags"].beats] == [0] * 10


@cocotb.test()
async def null_beats_change_nothing(dut):
    """Words and flags of a frame with null beats are those of the frame without; each costs its own cycle."""
    tb = GuardTB(dut)
    await tb.reset()
    for _ in range(30):
        frame = good(SIZE)
        tb.push(frame)
        tb.push(with_nulls(frame))
        tb.push([*frame, NULL])
    await tb.finish()
    assert not any(beat.data for beat in tb.sinks["m_flags"].beats)
    words = list(tb.sinks["m_word"].beats)
    for n in range(0, len(words), 3 * COUNT):
        frames = [words[n + k * COUNT : n + (k + 1) * COUNT] for k in range(3)]
        assert frames[0] == frames[1] == frames[2]


@cocotb.test()
async def reset_in_the_middle(dut):
    tb = GuardTB(dut, "both")
    await tb.reset()
    for _ in range(20):
        for _ in range(4):
            tb.push(bad(SIZE))
        await tb.wait(random.randrange(2, 6 * COUNT))
        await tb.reset(1)
        tb.push(good(SIZE))
        await tb.finish()
