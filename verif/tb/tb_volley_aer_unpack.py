# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_aer_unpack: words of every beat, events that are illegal or out of order, cycles, latency, reset."""

import random

import cocotb

from verif.models.aer import Event, aer_pack, aer_unpack
from verif.tb.axis import FLOWS, TB, Beat, pack, params
from verif.tb.coverage import declare, hit, of_parameters

P = params()
LANES, TB_STEPS, BEATS = P["LANES"], P["TB"], P["BEATS"]
ADDR_W = max(1, (BEATS * LANES - 1).bit_length())
STEP_W = max(1, (TB_STEPS - 1).bit_length())
FULL = (1 << TB_STEPS) - 1
COUNT = (1 << P["COUNT_W"]) - 1  # the most that stat_dropped holds
of_parameters(
    {
        "one neuron": BEATS * LANES == 1,
        "one beat per pass": BEATS == 1,
        "one lane": LANES == 1,
        "one step per beat": TB_STEPS == 1,
        "several steps per beat": TB_STEPS > 1,
    }
)
declare(
    "a pass without an event",
    "every event of a pass",
    "beats without an event in between",
    "end with beats to come",
    "dropped: no such neuron",
    "dropped: no such step",
    "dropped: repeated",
    "dropped: out of order",
)


def bench(dut, flow="full") -> TB:
    return TB(dut, flow, sources=("s_event",), sinks=("m_spike",))


def payload(event: Event) -> Beat:
    """The payload of an end event is noise."""
    return Beat(random.getrandbits(STEP_W + ADDR_W), True) if event is None else Beat(event[1] << ADDR_W | event[0])


def random_pass() -> list[list[int]]:
    density = random.choice((0.0, 0.02, 0.2, 0.5, 1.0))
    return [
        [sum((random.random() < density) << j for j in range(TB_STEPS)) for _ in range(LANES)] for _ in range(BEATS)
    ]


def packed(count: int) -> list[list[Event]]:
    """Events of each beat, as volley_aer_pack sends them: an empty pass, a full one, `count` random ones."""
    words = [*[[0] * LANES] * BEATS, *[[FULL] * LANES] * BEATS]
    for _ in range(count):
        words += random_pass()
    return aer_pack(words, TB_STEPS, BEATS)


def flat(beats: list[list[Event]]) -> list[Event]:
    return [event for beat in beats for event in beat]


def damaged(events: list[Event]) -> list[Event]:
    """Events repeated, swapped, lost and made up, ends too, whatever the bits can say; the last pass ends."""
    result: list[Event] = []
    for event in events:
        fault = random.random()
        if fault < 0.1:
            result.append((random.getrandbits(ADDR_W), random.getrandbits(STEP_W)))
        elif fault < 0.15 and result:
            result.insert(-1, event)
            continue
        elif fault < 0.2:
            result.append(event)
        elif fault < 0.25:
            continue
        result.append(event)
    return [*result, None]


def push(tb: TB, events: list[Event]) -> int:
    """Number of events that will be dropped."""
    words, dropped = aer_unpack(events, LANES, TB_STEPS, BEATS)
    tb.expect(Beat(pack(lanes, TB_STEPS), last) for lanes, last in words)
    tb.send(payload(event) for event in events)
    cover(events)
    return dropped


def cover(events: list[Event]) -> None:
    kept: list[tuple[int, int]] = []  # of the pass
    for event in events:
        beat = kept[-1][0] // LANES if kept else 0
        if event is None:
            hit("a pass without an event", not kept)
            hit("every event of a pass", len(kept) == BEATS * LANES * TB_STEPS)
            hit("end with beats to come", kept and beat < BEATS - 1)
            kept = []
        elif event[0] >= BEATS * LANES:
            hit("dropped: no such neuron")
        elif event[1] >= TB_STEPS:
            hit("dropped: no such step")
        elif kept and event <= kept[-1]:
            hit("dropped: repeated" if event == kept[-1] else "dropped: out of order")
        else:
            hit("beats without an event in between", event[0] // LANES > beat + 1)
            kept.append(event)


def cycles(beat: int, event: Event) -> int:
    """That an event takes while the word of `beat` is inside."""
    return BEATS - beat if event is None else max(1, event[0] // LANES - beat)


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def words(dut, flow):
    tb = bench(dut, flow)
    await tb.reset()
    events = flat(packed(12))
    assert push(tb, events) == 0
    await tb.finish()
    assert int(dut.stat_dropped.value) == 0
    if flow == "full":
        start, beat = tb.source.accepted[0] - cycles(0, events[0]) + 1, 0
        for event, taken in zip(events, tb.source.accepted, strict=True):
            start += cycles(beat, event)
            assert taken == start - 1, f"{event} is taken {taken - start + 1} cycles late"
            beat = 0 if event is None else event[0] // LANES
        assert tb.sink.accepted[-1] == tb.source.accepted[-1]


@cocotb.test()
async def many_are_dropped(dut):
    """More than the count holds, and then one by one."""
    tb = bench(dut)
    await tb.reset()
    dropped = push(tb, [(0, 0)] * (3 * COUNT // 2) + [None])
    await tb.finish()
    assert int(dut.stat_dropped.value) == dropped - COUNT - 1 > 0
    for _ in range(3):
        dropped += push(tb, [(0, 0)] * 2 + [None])
        await tb.finish()
        assert int(dut.stat_dropped.value) == dropped & COUNT


@cocotb.test()
@cocotb.parametrize(flow=["full", "both"])
async def damaged_events(dut, flow):
    tb = bench(dut, flow)
    await tb.reset()
    dropped = push(tb, damaged(flat(packed(40))))
    await tb.finish()
    assert dropped
    assert int(dut.stat_dropped.value) == dropped & COUNT


@cocotb.test()
async def reset_in_the_middle(dut):
    tb = bench(dut, "both")
    await tb.reset()
    for pause in range(1, 20):
        push(tb, damaged(flat(packed(2))))
        await tb.wait(pause)
        await tb.reset()
        assert int(dut.stat_dropped.value) == 0
        push(tb, flat(packed(2)))
        await tb.finish()
