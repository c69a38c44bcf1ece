# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_line_buffer, volley_window_full, volley_window_fold, volley_upsample: values, cycles per frame, frames kept
apart.

The four share their tests: a map of items goes in, the model's list of beats comes out.
"""

import itertools
import os
import random

import cocotb

from verif.models.window import beats, line_buffer, span, upsample, window_fold, window_fold_cycles, window_full
from verif.tb.axis import FLOWS, TB, Beat, pack, params
from verif.tb.coverage import declare, hit, of_parameters

CORE = os.environ["VOLLEY_CORE"]
P = params()
ITEM_W, GROUPS, HEIGHT, WIDTH = (P[k] for k in ("ITEM_W", "GROUPS", "HEIGHT", "WIDTH"))
PAD = P.get("PAD_ITEM", 0)
REPLAY = P.get("REPLAY", 1)
PIX = P.get("PIX", 1)
ROW = WIDTH // PIX * GROUPS  # beats of a row
IN = HEIGHT * ROW

if CORE == "volley_line_buffer":
    SOURCE, SINK = "s_spike", "m_column"
    WINDOW = (P["KERNEL"], P["STRIDE"], P["PADDING"])
    ROWS = span(HEIGHT, *WINDOW)
    LATENCY = 3

    def completing():  # the beat that makes the first output possible
        return (WINDOW[0] - WINDOW[2] - 1) * ROW

    def outputs(frame):
        columns = beats(line_buffer(frame, *WINDOW, PAD), PIX)
        return [pack([i for column in beat for i in column], ITEM_W) for beat in columns]

    def cycles():
        return max(HEIGHT, ROWS) * ROW

elif CORE == "volley_window_full":
    SOURCE, SINK = "s_column", "m_window"
    WINDOW = (P["KERNEL"], P["STRIDE"], P["PADDING"])
    COLS = span(WIDTH, *WINDOW)
    OUT_PIX = max(1, PIX // WINDOW[1])
    LATENCY = 1

    def newest(ox):
        """Beat of its row that completes the window of output ox."""
        kernel, stride, padding = WINDOW
        return (ox * stride - padding + kernel - 1) // PIX

    def completing():
        first = newest(OUT_PIX - 1)
        return first * GROUPS if first < WIDTH // PIX else IN

    def outputs(frame):
        return [pack(window, ITEM_W) for window in window_full(frame, *WINDOW, PAD, REPLAY, OUT_PIX)]

    def cycles():
        row = WIDTH // PIX
        beyond = max(0, newest(COLS - 1) + 1 - row)
        overlap = min(beyond, newest(OUT_PIX - 1), row)
        last_row = overlap - (overlap > 0 and GROUPS == 1)
        return (HEIGHT * (row + beyond - overlap) + last_row) * GROUPS + HEIGHT * COLS // OUT_PIX * (REPLAY - 1)

elif CORE == "volley_upsample":
    SOURCE, SINK = "s_axis", "m_axis"
    SCALES = (P["SCALE_Y"], P["SCALE_X"])
    OUT_PIX = P.get("OUT_PIX", 1)
    LATENCY = 2

    def completing():
        return 0

    def outputs(frame):
        return [pack(pixels, ITEM_W) for pixels in beats(upsample(frame, *SCALES), OUT_PIX)]

    def cycles():
        return HEIGHT * SCALES[0] * WIDTH * SCALES[1] // OUT_PIX * GROUPS

else:
    SOURCE, SINK = "s_item", "m_window"
    KERNEL, STRIDE, PADDING = ((P[f"{k}_Y"], P[f"{k}_X"]) for k in ("KERNEL", "STRIDE", "PAD"))
    WINDOW = (KERNEL, STRIDE, PADDING)
    LATENCY = 3

    def completing():
        return 0

    def outputs(frame):
        return window_fold(frame, *WINDOW, PAD, REPLAY)

    def cycles():
        return max(IN, window_fold_cycles(random_frame(), *WINDOW, REPLAY, P["DEPTH"]))


of_parameters({"one group": GROUPS == 1, "several groups": GROUPS > 1})
if CORE == "volley_upsample":
    of_parameters(
        {
            "more pixels per beat out than in": OUT_PIX > PIX,
            "fewer pixels per beat out than in": OUT_PIX < PIX,
            "rows once": SCALES[0] == 1,
            "pixels once": SCALES[1] == 1,
            "one row held": P["DEPTH"] == ROW,
            "more than a row held": P["DEPTH"] > ROW,
        }
    )
else:
    PADDINGS = [P[name] for name in ("PADDING", "PAD_Y", "PAD_X") if name in P]
    of_parameters(
        {
            "no padding": not any(PADDINGS),
            "padding": any(PADDINGS),
            "padding code": PAD > 0,
            "stride": any(P[name] > 1 for name in ("STRIDE", "STRIDE_Y", "STRIDE_X") if name in P),
        }
    )
if "REPLAY" in P:
    of_parameters({"replay": REPLAY > 1})
if "SLOTS" in P:
    of_parameters({"several rows per bank": P["SLOTS"] > 1})
if CORE != "volley_window_fold":
    of_parameters({"several pixels per beat": PIX > 1})
if CORE == "volley_window_full":
    of_parameters(
        {
            "fewer pixels per beat out than in": 1 < WINDOW[1] < PIX,
            "one window out of several pixels": 1 < PIX <= WINDOW[1],
        }
    )
declare("the last output needs no next frame", "a frame pauses inside")


def random_frame() -> list:
    """Never the pad item: a tap masked wrongly, or not masked, always shows."""

    def draw() -> int:
        return (PAD + random.randrange(1, 1 << ITEM_W)) % (1 << ITEM_W)

    return [[[draw() for _ in range(GROUPS)] for _ in range(WIDTH)] for _ in range(HEIGHT)]


def stream(values: list[int]) -> list[Beat]:
    return [Beat(value, n == len(values) - 1) for n, value in enumerate(values)]


def beats_of(frame) -> list[Beat]:
    return stream([pack(items, ITEM_W) for items in beats(frame, PIX)])


OUT = len(outputs(random_frame()))
EARLY = 0
if CORE == "volley_window_fold":  # the padding in front of a frame's first item is sent right after the frame before
    EARLY = next(n for n, value in enumerate(outputs(random_frame())) if value != PAD)


def bench(dut, flow="full") -> TB:
    return TB(dut, flow, sources=(SOURCE,), sinks=(SINK,))


async def reset(tb: TB) -> None:
    await tb.reset(1)
    tb.expect([Beat(PAD)] * EARLY)


def push(tb: TB, frame) -> list[Beat]:
    """Expect the frame's output; its input beats are left to the caller to send."""
    tb.expect(stream(outputs(frame))[EARLY:] + [Beat(PAD)] * EARLY)
    return beats_of(frame)


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def frames(dut, flow):
    tb = bench(dut, flow)
    await reset(tb)
    count = 12 if flow == "full" else 5
    for _ in range(count):
        tb.send(push(tb, random_frame()))
    await tb.finish()
    assert tb.boards[SINK].compared == count * OUT + EARLY
    if flow == "full" and not (CORE == "volley_line_buffer" and P["SLOTS"] * ROW == 1):
        gaps = tb.sink.last_gaps()[4:]
        assert set(gaps) == {cycles()}, f"cycles per frame {gaps}, expected {cycles()}"


@cocotb.test()
async def frame_ends_without_the_next(dut):
    """The last output appears though no next frame arrives; then the host stalls after each of its beats."""
    tb = bench(dut)
    await reset(tb)
    tb.send(push(tb, random_frame()))
    await tb.finish()
    hit("the last output needs no next frame")
    for part in sorted({1, GROUPS, 2 * GROUPS, ROW, ROW + 1, IN - 1}):
        if not 0 < part < IN:
            continue
        first, second = push(tb, random_frame()), push(tb, random_frame())
        done = tb.boards[SINK].compared + OUT
        tb.send(first + second[:part])

        def ended(done: int = done) -> bool:
            return tb.boards[SINK].compared >= done

        await tb.until(ended, f"end of the frame before a stall at {part}")
        await tb.wait(10)
        tb.send(second[part:])
        await tb.finish()
        hit("a frame pauses inside")


@cocotb.test()
async def latency(dut):
    """From an input beat to the first output that needs it."""
    if completing() >= IN:  # the map is smaller than the kernel: no beat of it is the newest
        return
    tb = bench(dut)
    await reset(tb)
    await tb.wait(EARLY + LATENCY)
    tb.send(push(tb, random_frame()))
    await tb.finish()
    assert tb.sink.accepted[EARLY] - tb.source.accepted[completing()] == LATENCY


@cocotb.test()
@cocotb.parametrize(share=[0, 0.4, 0.9])
async def a_stall_fills_every_stage(dut, share):
    """Input trickles in and fills what is behind a stalled output: no gap once that moves again."""
    if CORE in ("volley_window_full", "volley_upsample"):  # the output register is the only stage
        return
    taken, trickle = EARLY + int(share * OUT), 5

    def stall():
        while len(tb.sink.accepted) < taken:
            yield False
        yield from itertools.repeat(True, 2 * trickle * IN)
        yield from itertools.repeat(False)

    tb = TB(
        dut,
        sources=(SOURCE,),
        sinks=(SINK,),
        stalls={SOURCE: itertools.cycle([True] * (trickle - 1) + [False]), SINK: stall()},
    )
    await reset(tb)
    for _ in range(3):
        tb.send(push(tb, random_frame()))
    await tb.finish()
    first, _, third = tb.sink.accepted[taken : taken + 3]
    assert third - first == 2


@cocotb.test()
async def reset_in_the_middle(dut):
    tb = bench(dut, "both")
    await reset(tb)
    for _ in range(8):
        for _ in range(2):
            tb.send(push(tb, random_frame()))
        await tb.wait(random.randrange(2, 3 * max(IN, OUT)))
        await reset(tb)
        tb.send(push(tb, random_frame()))
        await tb.finish()
