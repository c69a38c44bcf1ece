# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_pool_accumulate: values, latency, cycles per frame, frames kept apart."""

import itertools
import random

import cocotb

from verif.models.pool import pool_map
from verif.tb.axis import FLOWS, TB, Beat, pack, params
from verif.tb.coverage import declare, hit, of_parameters

P = params()
LANES, WORD_W, OUT_W, GROUPS, HEIGHT, WIDTH = (P[k] for k in ("LANES", "WORD_W", "OUT_W", "GROUPS", "HEIGHT", "WIDTH"))
KERNEL = P["KERNEL_Y"], P["KERNEL_X"]
KIND, REDUCE = ("maximum", max) if P["MAXIMUM"] else ("sum", sum)
ROWS, COLS = HEIGHT // KERNEL[0], WIDTH // KERNEL[1]
IN, OUT, LATENCY = HEIGHT * WIDTH * GROUPS, ROWS * COLS * GROUPS, 2
SIGNED = P["SIGNED"]
LOWEST, LARGEST = -SIGNED << (WORD_W - 1), (1 << (WORD_W - SIGNED)) - 1

of_parameters(
    {
        f"{KIND}, one result at a time": COLS * GROUPS == 1,
        f"{KIND}, a row of one group": COLS > 1 == GROUPS,
        f"{KIND}, groups": GROUPS > 1,
        "the window is the map": (HEIGHT, WIDTH) == KERNEL,
        "rows left over": HEIGHT % KERNEL[0] > 0,
        "columns left over": WIDTH % KERNEL[1] > 0,
        "columns left over beside one window": COLS == 1 and WIDTH % KERNEL[1] > 0,
        "a window of one row": KERNEL[0] == 1,
        "a window of one column": KERNEL[1] == 1,
        "signed": SIGNED > 0,
    }
)
RAILS = "nothing but the lowest word", "nothing but the largest word"
declare(*(f"{kind}: {rail}" for kind in ("sum", "maximum") for rail in RAILS))
declare("maximum: ties", "maximum: below 0", "the largest word in any place", "a frame pauses inside")


def random_frame() -> list[list[list[int]]]:
    """[y][x][channel]: anything, a rail throughout, or one large word among small ones."""
    kind = random.choice(("any", "any", "rail", "one"))
    rail = random.choice((LOWEST, LARGEST))
    large = random.randrange(HEIGHT), random.randrange(WIDTH)
    hit(f"{KIND}: {RAILS[rail == LARGEST]}", kind == "rail")
    hit("the largest word in any place", kind == "one")

    def word(y: int, x: int) -> int:
        if kind == "rail":
            return rail
        if kind == "one":
            return LARGEST if (y, x) == large else random.randrange(LOWEST, LARGEST)
        return random.randint(LOWEST, LARGEST)

    frame = [[[word(y, x) for _ in range(GROUPS * LANES)] for x in range(WIDTH)] for y in range(HEIGHT)]
    if P["MAXIMUM"]:
        window = [pixel[0] for row in frame[: KERNEL[0]] for pixel in row[: KERNEL[1]]]
        hit("maximum: ties", kind == "any" and window.count(max(window)) > 1)
        hit("maximum: below 0", max(window) < 0)
    return frame


def stream(pixels: list[list[int]], width: int) -> list[Beat]:
    """Beats of whole pixels, the last one marked."""
    groups = [pixel[g * LANES : (g + 1) * LANES] for pixel in pixels for g in range(GROUPS)]
    return [Beat(pack(words, width), n == len(groups) - 1) for n, words in enumerate(groups)]


def expected(tb: TB, frame: list[list[list[int]]]) -> list[Beat]:
    """Expect the frame's results; its own beats are left to the caller to send."""
    tb.expect(stream(pool_map(frame, KERNEL, REDUCE), OUT_W))
    return stream([pixel for row in frame for pixel in row], WORD_W)


def push(tb: TB, frames: int) -> None:
    for _ in range(frames):
        tb.send(expected(tb, random_frame()))


def bench(dut, flow="full") -> TB:
    return TB(dut, flow, sources=("s_spike",), sinks=("m_spike",))


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def frames(dut, flow):
    tb = bench(dut, flow)
    await tb.reset()
    count = 20 if flow == "full" else 8
    push(tb, count)
    await tb.finish()
    assert tb.boards["m_spike"].compared == count * OUT
    if flow == "full":
        assert tb.source.accepted[-1] - tb.source.accepted[0] == count * IN - 1
        assert set(tb.sink.last_gaps()) == {IN}


@cocotb.test()
async def latency(dut):
    """From a window's last beat to its result; the frame then ends without the next one."""
    tb = bench(dut)
    await tb.reset()
    push(tb, 3)
    await tb.finish()
    rows, cols = range(KERNEL[0] - 1, HEIGHT, KERNEL[0]), range(KERNEL[1] - 1, WIDTH, KERNEL[1])
    ends = [f * IN + (y * WIDTH + x) * GROUPS + g for f in range(3) for y in rows for x in cols for g in range(GROUPS)]
    taken = [tb.source.accepted[end] + LATENCY for end in ends]
    assert tb.sink.accepted == taken


@cocotb.test()
async def a_stall_stops_everything(dut):
    """While a result waits, at most what the pipeline holds is taken; then it goes on without a gap."""
    wait = IN + 5
    held = itertools.chain(itertools.repeat(True, wait), itertools.repeat(False))
    tb = TB(dut, sources=("s_spike",), sinks=("m_spike",), stalls={"m_spike": held})
    await tb.reset()
    push(tb, 2 + wait // IN)
    await tb.finish()
    gaps = [after - before for before, after in itertools.pairwise(tb.source.accepted)]
    assert sum(gap > 1 for gap in gaps) <= 1


@cocotb.test()
async def a_frame_pauses_inside(dut):
    """After any of its first beats: the frame before has left all the same."""
    tb = bench(dut)
    await tb.reset()
    for part in sorted({0, 1, GROUPS, WIDTH * GROUPS, WIDTH * GROUPS + 1, IN - 1} & set(range(IN))):
        first, second = expected(tb, random_frame()), expected(tb, random_frame())
        done = tb.boards["m_spike"].compared + OUT

        def ended(done: int = done) -> bool:
            return tb.boards["m_spike"].compared >= done

        tb.send(first + second[:part])
        await tb.until(ended, f"end of the frame before a pause at {part}")
        await tb.wait(7)
        tb.send(second[part:])
        await tb.finish()
        hit("a frame pauses inside")


@cocotb.test()
async def reset_in_the_middle(dut):
    tb = bench(dut, "both")
    await tb.reset()
    for _ in range(8):
        push(tb, 2)
        await tb.wait(random.randrange(2, 3 * IN))
        await tb.reset(1)
        push(tb, 1)
        await tb.finish()
