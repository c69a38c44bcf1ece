# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_fifo_async: order, latency, full rate, capacity, and resets of either side, at unlike clocks."""

import random

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly, Timer
from cocotb.utils import get_sim_time

from verif.models.stream import fifo_async
from verif.tb.axis import Beat, Sink, Source, params, random_stall
from verif.tb.coverage import declare, hit, of_parameters
from verif.tb.two_clocks import CLOCKS, Side, start

WIDTH, DEPTH, STAGES = (params()[name] for name in ("DATA_W", "DEPTH", "SYNC_STAGES"))
FULL_RATE = DEPTH >= 2 * STAGES + 4
of_parameters({"full rate": FULL_RATE, "too shallow for it": not FULL_RATE, "DEPTH is 2": DEPTH == 2})
declare(
    "s faster",
    "m faster",
    "jitter",
    "full",
    "both ends stall",
    "reset of s alone",
    "reset of m alone",
    "both reset",
    "a long reset",
    "beats lost",
    "an offered beat stays",
)

FLOWS = {"full": (0.0, 0.0), "slow_source": (0.7, 0.0), "slow_sink": (0.0, 0.7), "both": (0.4, 0.5)}


class TimedSource(Source):
    """taken: beats that went over; at: when, half a cycle before the edge [ps]."""

    def __init__(self, *args):
        super().__init__(*args)
        self.taken, self.at = [], []

    def _sample(self, in_reset):
        head, before = (self.queue[0] if self.queue else None), len(self.accepted)
        super()._sample(in_reset)
        if len(self.accepted) > before:
            self.taken.append(head)
            self.at.append(get_sim_time("ps"))


class TB:
    """Both clocks, a source and a sink."""

    def __init__(self, dut, clocks, flow="full"):
        self.dut = dut
        self.s_period, self.m_period, _, self.jitter = CLOCKS[clocks]
        self.sides = {name: Side(dut, f"{name}_clk", f"{name}_rst") for name in ("s", "m")}
        idle, pressure = FLOWS[flow]
        self.source = TimedSource(self.sides["s"], "s_axis", random_stall(idle))
        self.sink = Sink(self.sides["m"], "m_axis", random_stall(pressure))
        self.left_at: list[float] = []
        self.sink.on_beat = lambda _: self.left_at.append(get_sim_time("ps"))
        start(clocks, *self.sides.values())
        self.source.start()
        self.sink.start()
        cocotb.start_soon(self._status("s", lambda: bool(int(dut.s_axis_tready.value))))
        cocotb.start_soon(self._status("m", lambda: False))
        hit("s faster", self.s_period < self.m_period)
        hit("m faster", self.s_period > self.m_period)
        hit("jitter", self.jitter)

    async def _status(self, name, moves):
        """stat_<name>_reset is high from the edge of a reset on, and low where the side moves."""
        clock, rst, stat = (getattr(self.dut, port) for port in (f"{name}_clk", f"{name}_rst", f"stat_{name}_reset"))
        was_reset = False
        while True:
            await FallingEdge(clock)
            await ReadOnly()
            assert int(stat.value) or not was_reset, f"stat_{name}_reset is low behind a reset"
            assert not (int(stat.value) and moves()), f"stat_{name}_reset is high and the side moves"
            was_reset = bool(int(rst.value))

    @property
    def period(self):
        """Of the slower clock."""
        return max(self.s_period, self.m_period)

    @property
    def recovery(self):
        """From the end of a reset to tready, the longest [ps]."""
        return (5 * STAGES + 12) * (self.s_period + 2 * self.jitter) + (4 * STAGES + 8) * (
            self.m_period + 2 * self.jitter
        )

    async def reset(self, side, cycles=1):
        """Reset; how many beats had been taken and had left when it began."""
        return await self.sides[side].reset(cycles, lambda: (len(self.source.taken), len(self.sink.beats)))

    async def start(self):
        """A reset of both sides at about the same time, then both are up."""
        for task in [cocotb.start_soon(self.reset(side)) for side in self.sides]:
            await task
        await self.stopped()
        await self.up()

    async def stopped(self):
        """As long as s may go on behind the begin of a reset of m."""
        await Timer((STAGES + 2) * (self.s_period + 2 * self.jitter) + self.m_period, "ps")

    async def up(self):
        """Within the time that is promised, tready is high."""
        begun = get_sim_time("ps")
        while not int(self.dut.s_axis_tready.value):
            await FallingEdge(self.dut.s_clk)
            assert get_sim_time("ps") - begun <= self.recovery, "no tready behind a reset"
        while int(self.dut.stat_m_reset.value):
            await FallingEdge(self.dut.m_clk)
            assert get_sim_time("ps") - begun <= self.recovery, "stat_m_reset stays behind a reset"

    async def drain(self):
        """Until nothing has moved for a long time and there is nothing left to send."""
        before = -1
        while self.source.queue or before != (now := len(self.source.taken) + len(self.sink.beats)):
            before = now if not self.source.queue else -1
            await Timer(60 * self.period, "ps")

    async def run(self, beats):
        self.source.send(beats)
        await self.drain()
        assert self.source.taken == beats
        assert self.sink.beats == fifo_async(self.source.taken)


def random_beats(count):
    return [Beat(random.getrandbits(WIDTH), random.random() < 0.3) for _ in range(count)]


@cocotb.test()
async def power_up(dut):
    """Without any reset it runs."""
    tb = TB(dut, "3:7")
    await tb.up()
    await tb.run(random_beats(3 * DEPTH))


@cocotb.test()
@cocotb.parametrize(clocks=list(CLOCKS), flow=list(FLOWS))
async def order(dut, clocks, flow):
    tb = TB(dut, clocks, flow)
    await tb.start()
    beats = [Beat(0), Beat((1 << WIDTH) - 1, True), *random_beats(3 * DEPTH + 40)]
    await tb.run(beats)
    if flow == "full" and FULL_RATE and not tb.jitter:
        took = tb.left_at[-1] - tb.left_at[0]
        assert abs(took - (len(beats) - 1) * tb.period) <= tb.period, "not one beat per cycle of the slower clock"


@cocotb.test()
@cocotb.parametrize(clocks=list(CLOCKS))
async def latency(dut, clocks):
    """A beat alone is offered STAGES + 1 edges of m_clk later, or one more."""
    tb = TB(dut, clocks)
    await tb.start()
    for beat in random_beats(15):
        tb.source.send([beat])
        await Timer(
            random.randrange(
                (STAGES + 4) * tb.m_period + 2 * tb.s_period, (STAGES + 9) * tb.m_period + 5 * tb.s_period
            ),
            "ps",
        )
    await tb.drain()
    assert tb.sink.beats == tb.source.taken
    assert len(tb.source.taken) == 15
    slack = 4 * tb.jitter + 1
    for taken, left in zip(tb.source.at, tb.left_at, strict=True):
        edge = taken + tb.s_period // 2
        offered = left - tb.m_period // 2
        assert STAGES * tb.m_period - slack <= offered - edge <= (STAGES + 2) * tb.m_period + slack


@cocotb.test()
@cocotb.parametrize(clocks=list(CLOCKS))
async def capacity(dut, clocks):
    """Stalled, it takes exactly DEPTH + 1 beats; then all of them leave."""
    tb = TB(dut, clocks)
    hold = [True]
    tb.sink.stall = iter(lambda: hold[0], None)
    await tb.start()
    beats = random_beats(2 * DEPTH + 5)
    tb.source.send(beats)
    await Timer((DEPTH + 12 * STAGES + 20) * 3 * tb.period, "ps")
    assert len(tb.source.taken) == DEPTH + 1
    assert not tb.sink.beats
    hit("full")
    hold[0] = False
    await tb.drain()
    assert tb.sink.beats == fifo_async(beats)


@cocotb.test()
@cocotb.parametrize(clocks=list(CLOCKS), side=["s", "m", "both"])
async def reset_in_mid_stream(dut, clocks, side):
    """What was taken before a reset leaves before it, or is lost; what is taken behind it leaves, once and in order."""
    tb = TB(dut, clocks, "both")
    await tb.start()
    sides = ["s", "m"] if side == "both" else [side]
    for _ in range(3):
        tb.source.taken.clear()
        tb.sink.beats.clear()
        tb.source.send(random_beats(3 * DEPTH + 80))
        await Timer(random.randrange(20 * tb.period, (2 * DEPTH + 40) * tb.period), "ps")
        cycles = random.choice((1, 1, 2, 60))
        tasks = {name: cocotb.start_soon(tb.reset(name, cycles)) for name in sides}
        await tb.stopped()
        known = len(tb.source.taken)
        begun = {name: await task for name, task in tasks.items()}
        await tb.up()
        await tb.drain()
        taken, got = tb.source.taken, tb.sink.beats
        # Behind a reset of m nothing from before it leaves; behind one of s alone, what m had not lost yet.
        lefts = [begun["m"][1]] if "m" in sides else range(begun["s"][1], begun["s"][0] + 1)
        # s stops at its own reset at once, and takes beats that are lost until it knows of that of m.
        sinces = [begun["s"][0]] if side == "s" else range(begun[sides[0]][0], known + 1)
        assert any(got == fifo_async(taken, left, since) for left in lefts for since in sinces), (
            f"{len(taken)} taken, {len(got)} left; at the reset {begun}, {known} when s knew"
        )
        hit("beats lost", len(got) < len(taken))
        hit({"s": "reset of s alone", "m": "reset of m alone", "both": "both reset"}[side])
        hit("a long reset", cycles > 2)


@cocotb.test()
@cocotb.parametrize(clocks=list(CLOCKS))
async def a_reset_of_s_leaves_the_offered_beat(dut, clocks):
    """m_axis holds tvalid and payload; the beat leaves before those behind the reset, and no other does."""
    tb = TB(dut, clocks)
    hold = [True]
    tb.sink.stall = iter(lambda: hold[0], None)
    await tb.start()
    old, new = random_beats(DEPTH + 1), random_beats(5)
    tb.source.send(old)
    await Timer((DEPTH + 12 * STAGES + 20) * 3 * tb.period, "ps")
    await tb.reset("s")
    assert not int(dut.s_axis_tready.value)
    await tb.up()
    hit("an offered beat stays", int(dut.m_axis_tvalid.value))
    tb.source.send(new)
    hold[0] = False
    await tb.drain()
    assert tb.sink.beats == fifo_async([*old, *new], 1, len(old))
