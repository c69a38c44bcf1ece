# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_arbiter: whole packets, round robin, tid, latency 0, 1 beat/cycle also between packets."""

import itertools
import random
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from verif.models.stream import arbiter, round_robin
from verif.tb.axis import FLOWS, TB, Beat, params
from verif.tb.coverage import declare, hit, of_parameters
from verif.tb.slices import Slices

WIDTH, N = params()["DATA_W"], params()["N"]
SOURCES = [f"s_axis{i}" for i in range(N)]
Packet = list[Beat]
of_parameters({"one sink": N == 1, "N is no power of two": N.bit_count() > 1})
declare(
    "single-beat packets back to back",
    "a packet pauses while another sink offers",
    "a choice not taken yet stands when an earlier sink comes",
    "reset within a packet",
    *(f"sink {j} after {i}" for i in range(N) for j in range(N)),
)


class _WithId:
    """m_axis_tdata with m_axis_tid above it: the sink then records whose beat it was."""

    def __init__(self, dut) -> None:
        self._dut = dut

    @property
    def value(self) -> int:
        return int(self._dut.m_axis_tid.value) << WIDTH | int(self._dut.m_axis_tdata.value)


def bench(dut, flow="full", **stalls) -> TB:
    ports: Any = Slices(dut, {"s_axis": N})
    ports.m_axis_tdata = _WithId(dut)
    return TB(ports, flow, sources=SOURCES, stalls=stalls)


def random_packets(most: int = 12) -> list[list[Packet]]:
    """For each sink up to `most` packets of 1 to 5 beats."""
    return [
        [
            [Beat(random.getrandbits(WIDTH), k == length - 1) for k in range(length)]
            for length in random.choices((1, 1, 2, 5), k=random.randint(1, most))
        ]
        for _ in range(N)
    ]


def send(tb: TB, packets: list[list[Packet]]) -> None:
    for source, queue in zip(SOURCES, packets, strict=True):
        tb.send((beat for packet in queue for beat in packet), source)


def push(tb: TB, packets: list[list[Packet]]) -> list[Beat]:
    """Send, and expect the order of sinks that never idle."""
    beats = [Beat(sink << WIDTH | data, last) for sink, data, last in arbiter(packets)]
    tb.expect(beats)
    send(tb, packets)
    return beats


def cover(tb: TB) -> None:
    """Of the beats that went out, since the only reset."""
    winners = [beat.data >> WIDTH for beat in tb.sink.beats if beat.last]
    for i, j in itertools.pairwise(winners):
        hit(f"sink {j} after {i}")
    went = zip(tb.sink.beats, tb.sink.accepted, strict=True)
    for (beat, at), (following, then) in itertools.pairwise(went):
        hit("single-beat packets back to back", beat.last and following.last and then == at + 1)


@cocotb.test()
async def all_offer(dut):
    """Order and cycles where every sink offers all it has from the start; the first packet is sink 0's."""
    tb = bench(dut)
    await tb.reset()
    beats = push(tb, random_packets(most=40))
    await tb.finish()
    assert tb.sink.accepted[-1] - tb.sink.accepted[0] == len(beats) - 1
    assert sorted(at for source in tb.sources.values() for at in source.accepted) == tb.sink.accepted
    cover(tb)


@cocotb.test()
async def any_after_any(dut):
    """After sink i it is j's turn if none in between offers, whoever else does."""
    tb = bench(dut)
    await tb.reset()
    for i, j in itertools.product(range(N), range(N)):
        for first, end in ((i, i), (j, i)):  # i alone; then j and all behind it, up to i
            for sink in [(first + k) % N for k in range((end - first) % N + 1)]:
                beat = Beat(random.getrandbits(WIDTH), True)
                tb.send([beat], SOURCES[sink])
                tb.expect([Beat(sink << WIDTH | beat.data, True)])
            await tb.finish(linger=1)
    cover(tb)


async def choices(dut, chosen: list[int]) -> None:
    """Appends the sink of each packet, by the model, from what is offered when the packet before has ended."""
    before, sink, busy, taken = N - 1, N - 1, False, False
    while True:
        await FallingEdge(dut.clk)
        await ReadOnly()
        if int(dut.rst.value):
            hit("reset within a packet", busy and taken)
            sink, busy = N - 1, False
            continue
        offers = [bool(int(dut.s_axis_tvalid.value) >> i & 1) for i in range(N)]
        if not busy and any(offers):
            before, sink, busy, taken = sink, round_robin(sink, offers), True, False
            chosen.append(sink)
        hit("a packet pauses while another sink offers", busy and any(offers) and not offers[sink])
        hit(
            "a choice not taken yet stands when an earlier sink comes",
            busy and not taken and round_robin(before, offers) != sink,
        )
        if busy and offers[sink] and int(dut.m_axis_tready.value):
            taken, busy = True, not int(dut.s_axis_tlast.value) >> sink & 1


@cocotb.test()
async def a_choice_stands(dut):
    """Sink i alone is chosen; while its first beat is stalled, all others come, the earlier ones too."""
    stalled = False

    def stall():
        while True:
            yield stalled

    tb = bench(dut, m_axis=stall())
    cocotb.start_soon(choices(dut, []))
    for i in range(N):
        await tb.reset()  # sink 0 comes first
        stalled = True
        order = [i, *((i + 1 + k) % N for k in range(N - 1))]
        beats = {sink: Beat(random.getrandbits(WIDTH), True) for sink in order}
        tb.expect(Beat(sink << WIDTH | beats[sink].data, True) for sink in order)
        tb.send([beats[i]], SOURCES[i])
        await tb.wait(2)
        for sink in order[1:]:
            tb.send([beats[sink]], SOURCES[sink])
        await tb.wait(2)
        stalled = False
        await tb.finish()


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def some_offer(dut, flow):
    """Sinks come and go, in the middle of packets too: the packets follow the model's choices."""
    tb = bench(dut, flow)
    chosen: list[int] = []
    cocotb.start_soon(choices(dut, chosen))
    await tb.reset()
    packets = random_packets(most=40)
    total = sum(len(packet) for queue in packets for packet in queue)
    tb.sink.on_beat = lambda _: None
    send(tb, packets)
    await tb.until(lambda: len(tb.sink.beats) == total, f"{total} beats")
    await tb.wait(20)
    left = [list(queue) for queue in packets]
    expected = [Beat(sink << WIDTH | data, last) for sink in chosen for data, last in left[sink].pop(0)]
    assert tb.sink.beats == expected
    cover(tb)


@cocotb.test()
async def reset_in_the_middle(dut):
    """Reset ends a packet under way, and sink 0 comes first again."""
    tb = bench(dut, "slow_sink")
    cocotb.start_soon(choices(dut, []))
    for pause in range(1, 20):
        await tb.reset()
        push(tb, random_packets())
        await tb.wait(pause)
        await tb.reset(then=lambda: push(tb, random_packets()))
        await tb.finish()
