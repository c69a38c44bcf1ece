# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_axi_top around the echo network: identity, counters against a count of the streams, sticky errors, soft reset
in the middle of frames and answers with whole streams, stalls on every channel of both buses."""

import random

import cocotb
from cocotb.triggers import Combine, FallingEdge, ReadOnly, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from pyflow import registers as r
from verif.models.frame import frame_guard, frame_result
from verif.models.weight_load import BEGIN, Word, load
from verif.tb.axil import PinMaster
from verif.tb.axis import FLOWS, TB, ActiveLow, Beat, cycle, random_stall
from verif.tb.coverage import declare, hit
from verif.tb.echo import CLASSES, HASH, MEMORIES, PROBES, SIZE, Loaded, echo, probes, saturated
from verif.tb.frames import Words, bad, beats, directed, good, quiet_in_reset, with_keep

LIMIT_NS = 20_000  # of an access to the registers
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


class AxiTB(TB):
    """Words that leave are compared with `expected()`: what a soft reset leaves of the answers is known only then."""

    def __init__(self, dut, flow="full", *, pins=False, **options):
        super().__init__(ActiveLow(dut), flow, **options)
        with_keep(self.source)
        cocotb.start_soon(quiet_in_reset(dut))
        self.loaded = Loaded()
        self.sink.on_beat = lambda _: None
        self._forget()
        cocotb.start_soon(self._watch())
        if pins:
            self.pins = PinMaster(dut, "s_axi_ctrl", lambda: not int(dut.aresetn.value), [])
            return
        self.master = AxiLiteMaster(
            AxiLiteBus.from_prefix(dut, "s_axi_ctrl"), dut.clk, dut.aresetn, reset_active_level=False
        )
        if flow != "full":
            write, read = self.master.write_if, self.master.read_if
            for channel in (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel):
                channel.set_pause_generator(random_stall(0.5))

    def _forget(self) -> None:
        self.words: list[Beat] = []  # that have left for certain, of networks that were reset
        self.frames: list[Words] = []  # sent to the present network, or still to be
        self.taken = self.left = 0  # words in and out, of the present network
        self.owed = 0  # words of the network before that have not left
        self.flags = self.cuts = 0
        self.asked = False  # a soft reset, by a write without a response so far
        self.sink.beats.clear()

    async def reset(self, cycles: int = 2) -> None:
        await super().reset(cycles, then=self._forget)
        await self.wait(1)  # the reset register follows aresetn

    def push(self, frame: Words) -> None:
        self.frames.append(frame)
        self.send(beats(frame))
        hit("bad" if frame_guard(frame, SIZE)[1] else "good")

    def answers(self) -> list[Beat]:
        """Of all frames, by the present network."""
        result = []
        for number, frame in enumerate(self.frames):
            words, flags = frame_guard(frame, SIZE)
            answer = frame_result(echo(words, self.loaded.offset), flags, number, self.loaded.checksum)
            result += [Beat(word, n == CLASSES) for n, word in enumerate(answer)]
        return result

    async def _watch(self) -> None:
        dut = self.dut
        while True:
            await FallingEdge(dut.clk)
            await ReadOnly()
            if int(dut.rst.value):
                continue
            offered, taken = int(dut.m_axis_tvalid.value), int(dut.m_axis_tready.value)
            before = self.owed
            if offered and taken:
                self.owed, self.left = max(0, before - 1), self.left + (before == 0)
            if int(dut.s_axis_tvalid.value) and int(dut.s_axis_tready.value):
                self.taken += 1
            # A soft reset comes with the first cycle of its write's response.
            if self.asked and int(dut.s_axi_ctrl_bvalid.value):
                self.asked = False
                self._cut(bool(offered) and not taken and not before, before)

    def _cut(self, waits: bool, before: int) -> None:
        """The network is gone: a word that waits still leaves, then what ends a begun answer."""
        self.cuts += 1
        left = self.left + waits
        out = self.answers()[:left]
        begun = bool(out) and not out[-1].last
        self.words += out + [Beat(self.loaded.checksum << 16 | 0x800, True)] * begun
        self.owed += waits + begun
        started, ends = 0, 0
        while started < len(self.frames) and ends < self.taken:
            ends += len(self.frames[started])
            started += 1
        hit("cut in a frame" if ends > self.taken else "cut between frames")
        hit("cut in an answer" if begun else "cut between answers")
        hit("cut with a word offered", waits)
        hit("cut while the end of a cut answer waits", before > 0)
        # What is left of a cut frame is taken without a trace.
        self.frames, self.taken, self.left = self.frames[started:], self.taken - ends, 0

    async def done(self) -> None:
        """Everything has been sent and has left, and nothing else; flags are those of all trailers."""
        await self.until(lambda: not self.source.queue and self.taken == sum(map(len, self.frames)), "word taken")
        expected = [*self.words, *self.answers()]
        await self.until(lambda: len(self.sink.beats) >= len(expected), "answer")
        await self.wait(20)
        assert self.sink.beats == expected
        self.flags = 0
        for beat in expected:
            self.flags |= beat.data >> 8 & 7 if beat.last else 0

    async def load(self, words: list[Word]) -> None:
        """Through the registers, while nothing is in flight; a soft reset has to follow."""
        self.words = list(self.sink.beats)
        self.frames, self.taken, self.left = [], 0, 0
        for select, word in words:
            await self.write(r.MEMORY if select else r.LOAD, word)
            self.loaded.bus.append((select, word))
        assert await self.read(r.WEIGHTS) == self.loaded.checksum

    async def read(self, address: int) -> int:
        answer = await with_timeout(self.master.read(address, 4), LIMIT_NS, "ns")
        assert answer.resp == AxiResp.OKAY
        return int.from_bytes(answer.data, "little")

    async def write(self, address: int, value: int, count: int = 4) -> None:
        """count: bytes that are written, from `address` on. A soft reset not while another write is under way."""
        self.asked = address == r.CONTROL and bool(value & 1)
        data = value.to_bytes(count, "little")
        assert (await with_timeout(self.master.write(address, data), LIMIT_NS, "ns")).resp == AxiResp.OKAY


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
