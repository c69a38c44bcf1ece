# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_top around the echo network of verif/tb/net: every frame has its answer, a bad one is marked,
frames do not influence each other, counters and sticky errors, reset in mid-frame."""

import itertools
import random

import cocotb
from cocotb.triggers import FallingEdge

from verif.models.frame import frame_guard, frame_result
from verif.models.weight_load import BEGIN, load
from verif.tb.axis import FLOWS, TB, Beat, cycle, params, random_stall
from verif.tb.coverage import declare, hit, of_parameters
from verif.tb.echo import CHANNELS, CLASSES, NET, PIX, SIZE, Loaded, echo, probes, saturated
from verif.tb.frames import Words, bad, beats, directed, good, quiet_in_reset, with_keep
from verif.tb.reset import ActiveLow

COUNT = (1 << params()["COUNT_W"]) - 1  # the most that a counter of events holds
CYCLES = (1 << params()["CYCLE_W"]) - 1  # of cycles
of_parameters(
    {
        "beats straddle words": 4 % (PIX * CHANNELS) > 0,
        "several pixels per beat": PIX > 1,
        "a last word that is not full": SIZE % 4 > 0,
        "several logits at once": NET["LANES"] > 1,
    }
)
declare("good", "bad", "output stalls counted", "loaded", "a probe that is not there")


class TopTB(TB):
    def __init__(self, dut, flow="full", **options):
        super().__init__(ActiveLow(dut), flow, **options)
        self.sent, self.flags, self.saturated = 0, 0, 0
        self.loaded = Loaded()
        dut.load_select.value = dut.load_valid.value = dut.cfg_probe.value = 0
        with_keep(self.source)
        cocotb.start_soon(quiet_in_reset(dut))

    async def reset(self, cycles: int = 2, **options) -> None:
        self.sent, self.flags, self.saturated = 0, 0, 0
        await super().reset(cycles, **options)

    def push(self, frame: Words) -> None:
        self.send(beats(frame))
        words, flags = frame_guard(frame, SIZE)
        answer = frame_result(echo(words, self.loaded.offset), flags, self.sent, self.loaded.checksum)
        self.expect([Beat(word, n == CLASSES) for n, word in enumerate(answer)])
        self.sent, self.flags = self.sent + 1, self.flags | flags
        self.saturated += saturated(words)
        hit("bad" if flags else "good")

    def check_status(self) -> None:
        assert int(self.dut.stat_frames.value) == self.sent & COUNT
        assert int(self.dut.stat_saturated.value) == self.saturated & COUNT
        for bit, name in enumerate(("err_short", "err_long", "err_keep")):
            assert int(getattr(self.dut, name).value) == self.flags >> bit & 1, name


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def any_frame(dut, flow):
    tb = TopTB(dut, flow)
    await tb.reset()
    for frame in directed(SIZE) + [make(SIZE) for _ in range(30) for make in (bad, good)]:
        tb.push(frame)
    await tb.finish()
    tb.check_status()


@cocotb.test()
async def good_frames_stay_clean(dut):
    """Saturated frames between empty ones: one byte taken from a neighbour changes a sum."""
    tb = TopTB(dut, "slow_sink")
    await tb.reset()
    for n in range(12):
        tb.push([(0xFFFFFFFF * (n % 2), keep) for _, keep in good(SIZE)])
    await tb.finish()
    tb.check_status()
    assert int(dut.stat_out_stall.value) > 0
    hit("output stalls counted")


@cocotb.test()
async def counters(dut):
    """Cycles since reset, those in which a pixel word waited, those in which a result word did, and answered frames:
    in every cycle."""
    hold = 5000  # more than the counters hold
    tb = TopTB(dut, stalls={"m_axis": itertools.chain(itertools.repeat(True, hold), random_stall(0.5))})
    await tb.reset()
    await tb.wait(1)  # the reset register follows aresetn
    start = cycle()

    async def watch() -> None:
        while True:
            await FallingEdge(dut.clk)
            assert int(dut.stat_cycles.value) == cycle() - start & CYCLES
            assert int(dut.stat_in_stall.value) == tb.source.waited & CYCLES
            assert int(dut.stat_out_stall.value) == tb.sink.stalled & CYCLES
            assert int(dut.stat_frames.value) == len(tb.sink.accepted) // (CLASSES + 1) & COUNT

    cocotb.start_soon(watch())
    for _ in range(80):  # more than fit inside
        tb.push(good(SIZE))
    await tb.finish()
    assert min(tb.source.waited, tb.sink.stalled) > hold // 2 > max(COUNT, CYCLES)


@cocotb.test()
@cocotb.parametrize(fault=["err_long", "err_keep"])
async def an_error_counts_when_its_frame_ends(dut, fault):
    tb = TopTB(dut)
    await tb.reset()
    whole = good(SIZE)
    frame = {"err_long": whole + whole, "err_keep": [(0, 0b1011), *whole[1:]]}[fault]
    tb.push(frame)
    words = list(tb.source.queue)
    tb.source.queue.clear()
    tb.send(words[:-1])
    await tb.wait(20)
    assert not int(getattr(dut, fault).value)
    tb.send(words[-1:])
    await tb.finish()
    tb.check_status()


@cocotb.test()
async def a_short_frame_counts_when_it_is_filled(dut):
    tb = TopTB(dut)
    await tb.reset()
    tb.push(good(SIZE)[:1])
    await tb.until(lambda: tb.source.accepted, "word")
    for _ in range(-(-SIZE // 4) - 1):  # cycles that the words of zeros take at least
        assert not int(dut.err_short.value)
        await tb.wait(1)
    await tb.finish()
    tb.check_status()


@cocotb.test()
async def nothing_is_taken_while_resetting(dut):
    """The reset register is one cycle behind aresetn: a word offered in that cycle waits."""
    tb = TopTB(dut)
    await tb.reset()
    tb.push(good(SIZE))
    await tb.finish()
    for _ in range(3):
        await tb.reset(then=lambda: tb.push(good(SIZE)))
        await tb.finish()
        tb.check_status()


@cocotb.test()
@cocotb.parametrize(fault=["err_short", "err_long", "err_keep"])
async def one_error_is_sticky(dut, fault):
    tb = TopTB(dut)
    await tb.reset()
    whole = good(SIZE)
    tb.push({"err_short": whole[:-1], "err_long": whole + whole, "err_keep": [(0, 0b1011), *whole[1:]]}[fault])
    tb.push(good(SIZE))
    await tb.finish()
    tb.check_status()
    assert tb.flags.bit_count() == 1
    await tb.reset()
    assert not any(int(getattr(dut, name).value) for name in ("err_short", "err_long", "err_keep"))


@cocotb.test()
async def probes_by_number(dut):
    tb = TopTB(dut)
    await tb.reset()
    for _ in range(3):
        tb.push(good(SIZE))
    await tb.finish()
    there = probes(tb.sent)
    for number in [2, 0, 1, *range(3, 20), *(1 << n for n in range(10)), 1023]:
        dut.cfg_probe.value = number
        await tb.wait(1)
        assert int(dut.stat_probe.value) == (there[number] if number < len(there) else 0)
        hit("a probe that is not there", number >= len(there))


@cocotb.test()
async def weights_are_loaded(dut):
    """Answers have what was loaded and its checksum, and a reset changes neither."""
    tb = TopTB(dut)
    await tb.reset()
    for _ in range(3):
        rows = [[random.getrandbits(32) for _ in range(2)]]
        for select, word in [(True, BEGIN), *load(0, rows), *load(1, rows)]:
            dut.load_select.value, dut.load_valid.value, dut.load_data.value = int(select), int(not select), word
            await tb.wait(1)
            tb.loaded.bus.append((select, word))
            assert int(dut.stat_checksum.value) == tb.loaded.checksum
        dut.load_select.value = dut.load_valid.value = 0
        await tb.wait(2)
        for _ in range(2):
            tb.push(good(SIZE))
            await tb.finish()
            await tb.reset()
        hit("loaded")


@cocotb.test()
async def reset_in_the_middle(dut):
    """Reset at any time: the next frame is number 0, aligned and clean."""
    tb = TopTB(dut, "both")
    await tb.reset()
    for _ in range(20):
        for _ in range(3):
            tb.push(bad(SIZE))
        await tb.wait(random.randrange(2, 4 * SIZE))
        await tb.reset(random.choice((1, 1, 2)))
        tb.push(good(SIZE))
        await tb.finish()
        tb.check_status()
