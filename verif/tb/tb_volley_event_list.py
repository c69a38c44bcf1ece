# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_event_list: rows and their order, every replay, cycles of every frame, latency, a full list, reset."""

import itertools
import random

import cocotb

from verif.models.event_list import Event, cycles_in, cycles_out, event_rows
from verif.tb.axis import FLOWS, TB, Beat, changing_stall, pack, params
from verif.tb.coverage import declare, hit, of_parameters

P = params()
T, LANES, BEATS, EVENTS, REPLAY, DEPTH = (P[k] for k in ("T", "LANES", "BEATS", "EVENTS", "REPLAY", "DEPTH"))
PLACE_W = max(1, (BEATS * LANES - 1).bit_length())
EVENT_W, PICKS, TOP = PLACE_W + T, min(EVENTS, LANES), (1 << T) - 1
Frame = list[list[int]]  # [beat][lane]
of_parameters(
    {
        "one event per row": EVENTS == 1,
        "fewer events than lanes": EVENTS < LANES,
        "more events than lanes": EVENTS > LANES,
        "one lane": LANES == 1,
        "one beat per frame": BEATS == 1,
        "sent once": REPLAY == 1,
        "sent several times": REPLAY > 1,
        "places no power of two": (BEATS * LANES).bit_count() > 1,
    }
)
declare(
    "nothing but zeros",
    "no zero",
    "the first word alone",
    "the last word alone",
    "the last row full",
    "the last row not full",
    "a beat of zeros between others",
    "a row of several beats",
    "list full",
)


def bench(dut, flow="full", **stalls) -> TB:
    return TB(dut, flow, sources=("s_spike",), sinks=("m_event",), stalls=stalls)


def row_beat(row: list[Event], last: bool) -> Beat:
    # The place beside a free event's word 0 means nothing; the RTL's is not looked at either.
    return Beat(sum((place << T | word) << (n * EVENT_W) for n, (place, word) in enumerate(row)), last)


def random_frame() -> Frame:
    """From no word to every word, the words on their rails as often as not."""
    density = random.choice((0.0, 0.1, 0.4, 0.7, 1.0))
    word = lambda: random.choice((1, TOP, random.randint(1, TOP)))  # noqa: E731
    return [[word() if random.random() < density else 0 for _ in range(LANES)] for _ in range(BEATS)]


def one_word(place: int, word: int) -> Frame:
    return [[word if b * LANES + lane == place else 0 for lane in range(LANES)] for b in range(BEATS)]


def corners() -> list[Frame]:
    """Empty and full frames side by side, single words, and every number of words."""
    nothing, everything = [[0] * LANES for _ in range(BEATS)], [[TOP] * LANES for _ in range(BEATS)]
    places = list(range(BEATS * LANES))
    some = [
        [
            [1 + place % TOP if place in chosen else 0 for place in range(b * LANES, (b + 1) * LANES)]
            for b in range(BEATS)
        ]
        for n in range(min(len(places), 3 * EVENTS) + 1)
        for chosen in [set(random.sample(places, n))]
    ]
    return [
        nothing,
        everything,
        nothing,
        nothing,
        everything,
        everything,
        one_word(0, 1),
        one_word(BEATS * LANES - 1, TOP),
        one_word(0, TOP),
        nothing,
        *some,
    ]


def push(tb: TB, frames: list[Frame]) -> None:
    """Send and expect. The input's tlast is noise."""
    for frame in frames:
        rows = event_rows(frame, EVENTS)
        cover(frame, rows)
        tb.send(Beat(pack(words, T), random.random() < 0.5) for words in frame)
        for _ in range(REPLAY):
            tb.expect(row_beat(row, n == len(rows) - 1) for n, row in enumerate(rows))


def cover(frame: Frame, rows: list[list[Event]]) -> None:
    count = sum(word != 0 for words in frame for word in words)
    beats = [any(words) for words in frame]
    hit("nothing but zeros", count == 0)
    hit("no zero", count == BEATS * LANES)
    hit("the first word alone", count == 1 and frame[0][0])
    hit("the last word alone", count == 1 and frame[-1][-1])
    hit("the last row full", len(rows[-1]) == EVENTS)
    hit("the last row not full", 0 < len(rows[-1]) < EVENTS)
    hit("a beat of zeros between others", "0" in "".join(str(int(b)) for b in beats).strip("0"))
    hit("a row of several beats", any(row and row[0][0] // LANES != row[-1][0] // LANES for row in rows))


def free_places(tb: TB) -> None:
    """Clear the places of free events (word 0) before they are compared."""
    compare = tb.sink.on_beat

    def cleared(beat: Beat) -> None:
        data = 0
        for n in range(EVENTS):
            event = beat.data >> (n * EVENT_W) & ((1 << EVENT_W) - 1)
            if event & TOP:
                data |= event << (n * EVENT_W)
        compare(Beat(data, beat.last))

    tb.sink.on_beat = cleared


def listening(dut, flow="full", **stalls) -> TB:
    tb = bench(dut, flow, **stalls)
    free_places(tb)
    return tb


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def frames(dut, flow):
    tb = listening(dut, flow)
    await tb.reset()
    push(tb, corners() + [random_frame() for _ in range(20)])
    await tb.finish()
    hit("list full", flow == "slow_sink" and PICKS == LANES and tb.source.waited)


@cocotb.test()
async def cycles(dut):
    """The same frame again and again: the larger of the cycles in and out; and every beat as early as it can be."""
    tb = listening(dut)
    for frame in (corners()[0], corners()[1], random_frame(), random_frame()):
        await tb.reset()
        taken, sent = len(tb.source.accepted), len(tb.sink.accepted)
        count, rows = 12 + 2 * DEPTH, len(event_rows(frame, EVENTS))  # a frame of zeros is one row
        push(tb, [frame] * count)
        await tb.finish()
        ends = tb.sink.accepted[sent + rows * REPLAY - 1 :: rows * REPLAY]
        gaps = {b - a for a, b in itertools.pairwise(ends[count // 2 :])}
        if REPLAY == 1 or DEPTH >= 2 * rows:
            assert gaps == {max(cycles_in(frame, EVENTS), cycles_out(frame, EVENTS, REPLAY))}
        else:
            assert min(gaps) >= cycles_out(frame, EVENTS, REPLAY)
        start = tb.source.accepted[taken]
        for words, at in zip(frame, tb.source.accepted[taken:], strict=False):
            assert at == start
            start += max(1, -(-sum(word != 0 for word in words) // PICKS))


@cocotb.test()
async def latency(dut):
    """From a frame's last beat to its last row of the first replay."""
    tb = listening(dut)
    for words in (0, 1, PICKS, LANES):
        await tb.reset()
        sent = len(tb.sink.accepted)
        push(tb, [[[0] * LANES] * (BEATS - 1) + [[1] * words + [0] * (LANES - words)]])
        await tb.finish()
        rows = max(1, -(-words // EVENTS))
        assert tb.sink.accepted[sent + rows - 1] - tb.source.accepted[-1] == 4 + max(1, -(-words // PICKS))


@cocotb.test()
async def every_filling(dut):
    """Stalls that change their mind fill the list to every level that it can hold."""
    tb = listening(dut, s_spike=changing_stall(), m_event=changing_stall())
    await tb.reset()
    push(tb, [random_frame() for _ in range(60)])
    await tb.finish()


@cocotb.test()
async def reset_in_the_middle(dut):
    """The first beat after reset is beat 0 of a frame, and nothing of another one is sent."""
    tb = listening(dut, "both")
    await tb.reset()
    for pause in range(1, 30):
        push(tb, [random_frame() for _ in range(3)])
        await tb.wait(pause)
        await tb.reset()
        push(tb, [random_frame() for _ in range(2)])
        await tb.finish()
