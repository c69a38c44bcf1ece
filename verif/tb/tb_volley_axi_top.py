# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_axi_top around the echo network: identity, counters against a count of the streams, sticky errors, soft reset
in the middle of frames and answers with whole streams, stalls on every channel of both buses."""

import random

import cocotb
from cocotb.triggers import Combine

from pyflow import registers as r
from verif.models.frame import frame_guard
from verif.models.weight_load import BEGIN, load
from verif.tb.axi import AxiTB
from verif.tb.axis import FLOWS, cycle
from verif.tb.coverage import declare, hit
from verif.tb.echo import SIZE, probes, saturated
from verif.tb.echo_constants import HASH, MEMORIES, PROBES
from verif.tb.frames import bad, beats, directed, good

declare(
    "good",
    "bad",
    "cut in a frame",
    "cut between frames",
    "cut in an answer",
    "cut between answers",
    "cut with a word offered",
    "cut while the end of a cut answer waits",
    "clear of one error",
    "loaded",
    "loaded while the end of a cut answer waits",
)


@cocotb.test()
@cocotb.parametrize(flow=["full", "both"])
async def identity(dut, flow):
    """What a host reads first; writing there changes nothing, and nothing is behind the map."""
    tb = AxiTB(dut, flow)
    await tb.reset()
    first = {
        r.ID: int.from_bytes(b"VLLY", "big"),
        r.VERSION: r.VERSION_MAJOR_RESET << 16 | r.VERSION_MINOR_RESET,
        r.STRUCTURE: HASH,
        r.WEIGHTS: tb.loaded.checksum,
        r.CONTROL: 0,
        r.STATUS: 0,
        r.ERRORS: 0,
        0x01C: 0,
        0xFFC: 0,
        r.MEMORY: 0,
        r.LOAD: 0,
        r.MEMORIES: MEMORIES,
        r.PROBES: len(PROBES),
    }
    resets = await tb.read(r.RESETS)
    for _ in range(2):
        for address, value in first.items():
            assert await tb.read(address) == value, hex(address)
        for address in first:
            if address not in (r.CONTROL, r.MEMORY, r.LOAD):
                await tb.write(address, 0xFFFFFFFF)
    await tb.write(r.CONTROL, 0xFFFFFFFE)
    assert await tb.read(r.RESETS) == resets
    await tb.write(r.CONTROL, 1)
    assert tb.cuts == 1
    assert await tb.read(r.RESETS) == resets + 1
    await tb.reset()
    assert await tb.read(r.RESETS) == resets + 2


@cocotb.test()
async def bits_of_an_address_and_bytes_of_a_word(dut):
    """Each decides: the neighbours of a register at one bit's distance are others, and a write is by strobes."""
    tb = AxiTB(dut, "both")
    await tb.reset()
    resets = await tb.read(r.RESETS)
    for bit in range(2, 12):
        await tb.write(r.CONTROL ^ 1 << bit, 1)
    await tb.write(r.CONTROL + 1, 0xFFFFFF, count=3)
    assert await tb.read(r.RESETS) == resets
    for frame in directed(SIZE):
        tb.push(frame)
    await tb.done()
    for address in (r.CYCLES, r.IN_STALL, r.OUT_STALL):  # a high word is anything before the low one is read
        await tb.read(address)
        assert await tb.read(address + 4) == 0
    counters = [r.FRAMES, r.CYCLES, r.IN_STALL, r.OUT_STALL, r.SATURATED, r.RESETS]
    registers = [
        r.ID,
        r.VERSION,
        r.STRUCTURE,
        r.WEIGHTS,
        r.CONTROL,
        r.STATUS,
        r.ERRORS,
        r.MEMORIES,
        r.PROBES,
        *counters,
    ]
    others = [r.PROBE, r.PROBE_COUNT]  # what they read as is written, and by the design
    for bit in range(2, 12):
        await tb.write(r.ERRORS ^ 1 << bit, 6)
        for register in registers:
            assert register in (r.CONTROL, r.STATUS) or await tb.read(register)
            assert register ^ 1 << bit in (*registers, *others) or not await tb.read(register ^ 1 << bit)
    assert await tb.read(r.ERRORS) == 7
    await tb.write(r.ERRORS + 1, 0xFFFFFF, count=3)
    assert await tb.read(r.ERRORS) == 7
    await tb.write(r.ERRORS, 7, count=1)
    assert await tb.read(r.ERRORS) == 0
    await tb.write(r.CONTROL, 1, count=1)
    assert await tb.read(r.RESETS) == resets + 1


@cocotb.test()
@cocotb.parametrize(flow=["full", "both"])
async def reads_and_writes_at_once(dut, flow):
    """Several of each under way; each is answered once, reads with what was asked for."""
    tb = AxiTB(dut, flow)
    await tb.reset()

    async def reads() -> None:
        for _ in range(40):
            address, value = random.choice(((r.ID, r.ID_VALUE_RESET), (r.STRUCTURE, HASH), (r.ERRORS, 0), (0xFFC, 0)))
            assert await tb.read(address) == value

    async def writes() -> None:
        for _ in range(40):
            await tb.write(random.choice((r.ID, r.ERRORS, 0xFFC)), 0xFFFFFFFF)

    for task in [cocotb.start_soon(job()) for job in (reads, writes) * 3]:
        await task
    under_way = [cocotb.start_soon(tb.read(r.ID)) for _ in range(100)]
    await tb.write(r.ERRORS, 0)  # has its turn among reads without end
    assert not under_way[-1].done()
    await Combine(*under_way)


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def any_frame(dut, flow):
    """Answers as volley_top's, errors and counters as counted outside, while the registers are read all the time."""
    tb = AxiTB(dut, flow)
    await tb.reset()
    start = cycle()
    stop = False

    async def read_on() -> None:
        while not stop:
            before = cycle() - start
            value = await tb.read(r.CYCLES)
            assert before <= value <= cycle() - start
            assert await tb.read(r.ID) == r.ID_VALUE_RESET

    reader = cocotb.start_soon(read_on())
    for frame in directed(SIZE) + [make(SIZE) for _ in range(10) for make in (bad, good)]:
        tb.push(frame)
    await tb.done()
    stop = True
    await reader
    assert await tb.read(r.FRAMES) == len(tb.frames)
    assert await tb.read(r.IN_STALL) == tb.source.waited
    assert await tb.read(r.OUT_STALL) == tb.sink.stalled
    assert await tb.read(r.SATURATED) == sum(saturated(frame_guard(frame, SIZE)[0]) for frame in tb.frames)
    assert await tb.read(r.ERRORS) == tb.flags == 7
    hit("full rate", any(b - a == 3 for a, b in zip(tb.sink.accepted, tb.sink.accepted[3:], strict=False)))


@cocotb.test()
@cocotb.parametrize(fault=[0, 1, 2])
async def one_error_is_sticky(dut, fault):
    """Until a 1 is written to it, and set again by the next bad frame; a soft reset leaves it."""
    whole = good(SIZE)
    frame = [whole[:-1], whole + whole, [(0, 0b1011), *whole[1:]]][fault]
    name = [r.ERRORS_SHORT_FRAME, r.ERRORS_LONG_FRAME, r.ERRORS_BAD_KEEP][fault]
    assert name == (fault, 1)
    tb = AxiTB(dut)
    await tb.reset()
    for _ in range(2):
        tb.push(frame)
        tb.push(good(SIZE))
        await tb.done()
        assert await tb.read(r.ERRORS) == 1 << fault
        await tb.write(r.ERRORS, 7 ^ 1 << fault)
        await tb.write(r.CONTROL, 1)
        assert await tb.read(r.ERRORS) == 1 << fault
        await tb.write(r.ERRORS, 1 << fault)
        assert await tb.read(r.ERRORS) == 0
        hit("clear of one error")
    tb.push(frame)
    await tb.done()
    await tb.write(r.ERRORS, 1 << fault)
    assert await tb.read(r.ERRORS) == 0
    tb.push(frame)
    await tb.done()
    await tb.reset()
    assert await tb.read(r.ERRORS) == 0


@cocotb.test()
async def errors_come_with_a_trailer(dut):
    """A frame that runs on gives its logits long before its flags; those of the frame before are no errors of it."""
    tb = AxiTB(dut)
    await tb.reset()
    whole = good(SIZE)
    for fault in (whole[:-1], [(0, 0b1011), *whole[1:]]):
        for _ in range(4):
            tb.push(fault)
            await tb.done()
            await tb.write(r.ERRORS, 7)
            tb.push(whole + good(200))
            await tb.done()
            assert await tb.read(r.ERRORS) == 1 << r.ERRORS_LONG_FRAME[0]
            await tb.write(r.ERRORS, 7)


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def soft_reset(dut, flow):
    """At any time: both streams go on whole, the next frame is number 0 and clean, counters start from 0."""
    tb = AxiTB(dut, flow)
    await tb.reset()
    for n in range(40):
        for _ in range(3):
            tb.push(random.choice((good, bad))(SIZE))
        await tb.wait(random.randrange(1, 3 * SIZE))
        await tb.write(r.CONTROL, 1)
        if n % 4 == 0:
            await tb.write(r.CONTROL, 1)  # on the heels of the first
        if n % 4 == 1:
            await tb.done()
            assert await tb.read(r.STATUS) == 0
            assert await tb.read(r.FRAMES) == len(tb.frames)
            assert await tb.read(r.SATURATED) == sum(saturated(frame_guard(f, SIZE)[0]) for f in tb.frames)
    await tb.done()
    assert tb.cuts == 50


@cocotb.test()
@cocotb.parametrize(flow=["full", "both"])
async def probes_by_number(dut, flow):
    tb = AxiTB(dut, flow)
    await tb.reset()
    for frames in (0, 2, 5):
        while len(tb.frames) < frames:
            tb.push(good(SIZE))
        await tb.done()
        there = probes(frames)
        for number in [0, 2, 1, *range(3, 9), *(1 << n for n in range(10))]:
            await tb.write(r.PROBE, number)
            assert await tb.read(r.PROBE) == number
            assert await tb.read(r.PROBE_COUNT) == (there[number] if number < len(there) else 0)


@cocotb.test()
@cocotb.parametrize(flow=["full", "both"])
async def weights_are_loaded(dut, flow):
    """Answers behind a soft reset have what was loaded and its checksum; no reset changes either."""
    tb = AxiTB(dut, flow)
    await tb.reset()
    for begin in (True, False, True):
        tb.push(good(SIZE))
        await tb.done()
        rows = [[random.getrandbits(32) for _ in range(2)]]
        words = [*load(0, rows), *load(1, rows), (False, 1)]
        await tb.load([(True, BEGIN), *words] if begin else words)
        await tb.write(r.CONTROL, 1)
        tb.push(good(SIZE))
        await tb.done()
        await tb.reset()
        assert await tb.read(r.WEIGHTS) == tb.loaded.checksum
        tb.push(good(SIZE))
        await tb.done()
        hit("loaded")


@cocotb.test()
async def the_end_of_a_cut_answer_keeps_its_checksum(dut):
    """It is offered when other weights come."""
    held = [False]
    tb = AxiTB(dut, stalls={"m_axis": iter(lambda: held[0], None)})
    await tb.reset()
    for _ in range(2):
        tb.push(good(SIZE))
        await tb.until(lambda: tb.left, "word of the answer")
        held[0] = True
        await tb.write(r.CONTROL, 1)
        await tb.wait(5)
        assert tb.owed
        for select, word in [(True, BEGIN), *load(1, [[5, 6]])]:
            await tb.write(r.MEMORY if select else r.LOAD, word)
            tb.loaded.bus.append((select, word))
        hit("loaded while the end of a cut answer waits")
        held[0] = False
        await tb.done()
        await tb.write(r.CONTROL, 1)


@cocotb.test()
async def status(dut):
    """What is under way, and that a soft reset is over only when both streams are whole again."""
    held = [True]
    tb = AxiTB(dut, stalls={"m_axis": iter(lambda: held[0], None)})
    await tb.reset()
    whole = good(SIZE)
    tb.send(beats(whole)[:1])
    await tb.wait(10)
    tb.frames.append(whole)
    assert await tb.read(r.STATUS) == 1 << r.STATUS_IN_FRAME[0]
    await tb.write(r.CONTROL, 1)
    assert await tb.read(r.STATUS) == 1 << r.STATUS_IN_FRAME[0] | 1 << r.STATUS_RESETTING[0]
    tb.send(beats(whole)[1:])
    await tb.wait(SIZE)
    assert await tb.read(r.STATUS) == 0
    tb.push(good(SIZE))
    await tb.wait(4 * SIZE)
    assert await tb.read(r.OUT_STALL) > 0
    await tb.write(r.CONTROL, 1)  # a word is offered
    assert await tb.read(r.STATUS) == 1 << r.STATUS_RESETTING[0]
    held[0] = False
    await tb.wait(10)
    assert await tb.read(r.STATUS) == 0
    tb.push(good(SIZE))
    await tb.done()


@cocotb.test()
@cocotb.parametrize(flow=["full", "both"])
async def resets_of_one_cycle(dut, flow):
    """In every state, of both buses and of a soft reset: nothing is offered behind the clock edge, no response and no
    answer is one of before, and everything works at once."""
    tb = AxiTB(dut, flow, pins=True)
    pins = tb.pins
    constant = {r.ID: r.ID_VALUE_RESET, r.STRUCTURE: HASH, r.MEMORIES: MEMORIES}
    read = []

    def answered(address: int, data: int) -> None:
        read.append(address)
        assert data == constant.get(address & ~3, data)

    pins.on_answer = answered
    await tb.reset()  # a bench begins in reset
    for n in range(60):
        pins.addresses = [*constant, r.ERRORS, r.CONTROL, r.CYCLES]
        for channel in pins.rates:
            pins.rates[channel] = random.choice((0.1, 0.5, 1.0))
        for _ in range(3):
            tb.push(random.choice((good, bad))(SIZE))
        await tb.wait(random.randrange(1, 4 * SIZE))
        pins.addresses = [*constant, r.CYCLES]  # no soft reset any more: words are counted from here on
        await tb.reset(1)
        if n % 3 == 0:
            pins.rates = dict.fromkeys(pins.rates, 1.0)
            read.clear()
            tb.push(good(SIZE))
            await tb.done()
            assert len(read) > 10
    await tb.wait(2)
    assert pins.resets == 60


@cocotb.test()
async def reset_in_the_middle(dut):
    """aresetn resets everything, both buses included."""
    tb = AxiTB(dut, "both")
    await tb.reset()
    for _ in range(10):
        for _ in range(3):
            tb.push(bad(SIZE))
        await tb.wait(random.randrange(2, 4 * SIZE))
        await tb.reset()
        assert await tb.read(r.ERRORS) == 0
        tb.push(good(SIZE))
        await tb.done()
        assert await tb.read(r.FRAMES) == 1
