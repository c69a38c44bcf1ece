# SPDX-License-Identifier: Apache-2.0
"""volley_arbiter: whole packets, round robin, tid, latency 0, 1 beat/cycle also between packets."""

import random

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from verif.models.stream import arbiter, round_robin
from verif.tb.axis import FLOWS, TB, Beat, params
from verif.tb.slices import Slices

WIDTH, N = params()["DATA_W"], params()["N"]
SOURCES = [f"s_axis{i}" for i in range(N)]
Packet = list[Beat]


class _WithId:
    """m_axis_tdata with m_axis_tid above it: the sink then records whose beat it was."""

    def __init__(self, dut) -> None:
        self._dut = dut

    @property
    def value(self) -> int:
        return int(self._dut.m_axis_tid.value) << WIDTH | int(self._dut.m_axis_tdata.value)


def bench(dut, flow="full", **stalls) -> TB:
    ports = Slices(dut, {"s_axis": N})
    ports.m_axis_tdata = _WithId(dut)
    return TB(ports, flow, sources=SOURCES, stalls=stalls)


def random_packets(most: int = 12) -> list[list[Packet]]:
    """For each sink up to `most` packets of 1 to 5 beats."""
    return [[[Beat(random.getrandbits(WIDTH), k == length - 1) for k in range(length)]
             for length in random.choices((1, 1, 2, 5), k=random.randint(1, most))] for _ in range(N)]


def send(tb: TB, packets: list[list[Packet]]) -> None:
    for source, queue in zip(SOURCES, packets, strict=True):
        tb.send((beat for packet in queue for beat in packet), source)


def push(tb: TB, packets: list[list[Packet]]) -> list[Beat]:
    """Send, and expect the order of sinks that never idle."""
    beats = [Beat(sink << WIDTH | data, last) for sink, data, last in arbiter(packets)]
    tb.expect(beats)
    send(tb, packets)
    return beats


@cocotb.test()
async def all_offer(dut):
    """Order and cycles where every sink offers all it has from the start; the first packet is sink 0's."""
    tb = bench(dut)
    await tb.reset()
    beats = push(tb, random_packets(most=40))
    await tb.finish()
    assert tb.sink.accepted[-1] - tb.sink.accepted[0] == len(beats) - 1
    assert sorted(at for source in tb.sources.values() for at in source.accepted) == tb.sink.accepted


async def choices(dut, chosen: list[int]) -> None:
    """Appends the sink of each packet, by the model, from what is offered when the packet before has ended."""
    sink, busy = N - 1, False
    while True:
        await FallingEdge(dut.clk)
        await ReadOnly()
        if int(dut.rst.value):
            sink, busy = N - 1, False
            continue
        offers = int(dut.s_axis_tvalid.value)
        if not busy and offers:
            sink, busy = round_robin(sink, [bool(offers >> i & 1) for i in range(N)]), True
            chosen.append(sink)
        if busy and offers >> sink & 1 and int(dut.m_axis_tready.value) and int(dut.s_axis_tlast.value) >> sink & 1:
            busy = False


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
    tb.sink.on_beat = lambda beat: None
    send(tb, packets)
    await tb.until(lambda: len(tb.sink.beats) == total, f"{total} beats")
    await tb.wait(20)
    left = [list(queue) for queue in packets]
    expected = [Beat(sink << WIDTH | data, last) for sink in chosen for data, last in left[sink].pop(0)]
    assert tb.sink.beats == expected


@cocotb.test()
async def reset_in_the_middle(dut):
    """Reset ends a packet under way, and sink 0 comes first again."""
    tb = bench(dut, "slow_sink")
    for pause in range(1, 20):
        await tb.reset()
        push(tb, random_packets())
        await tb.wait(pause)
        await tb.reset(then=lambda: push(tb, random_packets()))
        await tb.finish()
