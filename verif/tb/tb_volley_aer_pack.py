# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_aer_pack: events and their order, end of every pass, cycles of every beat, latency, reset."""

import random

import cocotb

from verif.models.aer import Event, aer_pack
from verif.tb.axis import FLOWS, TB, Beat, pack, params
from verif.tb.coverage import declare, hit, of_parameters

P = params()
LANES, TB_STEPS, BEATS = P["LANES"], P["TB"], P["BEATS"]
ADDR_W = max(1, (BEATS * LANES - 1).bit_length())
FULL = (1 << TB_STEPS) - 1
of_parameters(
    {
        "one neuron": BEATS * LANES == 1,
        "one beat per pass": BEATS == 1,
        "one lane": LANES == 1,
        "one step per beat": TB_STEPS == 1,
        "several steps per beat": TB_STEPS > 1,
        "neurons no power of two": (BEATS * LANES).bit_count() > 1,
    }
)
declare(
    "a pass without a spike",
    "every spike of a pass",
    "a beat without a spike",
    "the end event alone in its beat",
    "first step of the first neuron alone",
    "last step of the last neuron alone",
)


def bench(dut, flow="full") -> TB:
    return TB(dut, flow, sources=("s_spike",), sinks=("m_event",))


def payload(event: Event) -> Beat:
    return Beat(0, True) if event is None else Beat(event[1] << ADDR_W | event[0])


def random_beat() -> list[int]:
    """From no spike to a spike everywhere."""
    density = random.choice((0.0, 0.0, 0.1, 0.5, 1.0))
    return [sum((random.random() < density) << j for j in range(TB_STEPS)) for _ in range(LANES)]


def passes(count: int) -> list[list[int]]:
    """Empty and full passes, one spike alone at either end, then `count` random ones."""
    nothing, everything = [[0] * LANES] * BEATS, [[FULL] * LANES] * BEATS
    first, last = ([[0] * LANES for _ in range(BEATS)] for _ in range(2))
    first[0][0], last[-1][-1] = 1 << (TB_STEPS - 1), 1
    return [*nothing, *everything, *nothing, *first, *last, *(random_beat() for _ in range(count * BEATS))]


def push(tb: TB, words: list[list[int]]) -> list[int]:
    """Number of events of each beat. The input's tlast is noise."""
    events = aer_pack(words, TB_STEPS, BEATS)
    tb.expect(payload(event) for beat in events for event in beat)
    tb.send(Beat(pack(lanes, TB_STEPS), random.random() < 0.5) for lanes in words)
    for n in range(0, len(words), BEATS):
        cover(events[n : n + BEATS])
    return [len(beat) for beat in events]


def cover(beats: list[list[Event]]) -> None:
    """Events of a pass, beat by beat."""
    spikes = [event for beat in beats for event in beat if event is not None]
    hit("a pass without a spike", not spikes)
    hit("every spike of a pass", len(spikes) == BEATS * LANES * TB_STEPS)
    hit("a beat without a spike", [] in beats)
    hit("the end event alone in its beat", spikes and beats[-1] == [None])
    hit("first step of the first neuron alone", spikes == [(0, 0)])
    hit("last step of the last neuron alone", spikes == [(BEATS * LANES - 1, TB_STEPS - 1)])


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def events(dut, flow):
    tb = bench(dut, flow)
    await tb.reset()
    counts = push(tb, passes(12))
    await tb.finish()
    if flow == "full":
        expected: list[int] = []
        start = tb.source.accepted[0]
        for count, taken in zip(counts, tb.source.accepted, strict=True):
            assert taken == start, f"a beat is taken {taken - start} cycles late"
            expected += range(start + 1, start + 1 + count)
            start += max(1, count)
        assert tb.sink.accepted == expected


@cocotb.test()
async def reset_in_the_middle(dut):
    """The first beat after reset is beat 0 of a pass."""
    tb = bench(dut, "both")
    await tb.reset()
    for pause in range(1, 20):
        push(tb, passes(2))
        await tb.wait(pause)
        await tb.reset()
        push(tb, [random_beat() for _ in range(2 * BEATS)])
        await tb.finish()
