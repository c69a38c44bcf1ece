# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_state_memory: every beat gets what was put for it a pass ago, room, marks, ce, reset in mid-frame."""

import random
from collections import deque

import cocotb
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge

from verif.models.state_memory import StateMemory
from verif.tb.axis import PERIOD_NS, params
from verif.tb.coverage import declare, hit, of_parameters

P = params()
DATA_W, BEATS, PASSES, FLIGHT = P["DATA_W"], P["BEATS"], P["PASSES"], P["FLIGHT"]

of_parameters(
    {
        "one pass": PASSES == 1,
        "one beat per pass": PASSES > 1 and BEATS == 1,
        "more in flight than a pass": PASSES > 1 and FLIGHT > BEATS,
        "fewer": FLIGHT < BEATS,
    }
)
declare(
    "take and put in one tick",
    "no room",
    "take of a beat just put",
    "take held back by ce",
    "put held back by ce",
    "first pass",
    "pass in the middle",
    "last pass",
    "reset in a later pass",
    "reset with beats in flight",
)


def check(dut, taken) -> None:
    got = tuple(bool(int(port.value)) for port in (dut.first, dut.last_pass, dut.last_beat))
    assert got == taken[1:], f"first, last_pass, last_beat: expected {taken[1:]}, got {got}"
    if taken.state is not None:
        assert int(dut.state.value) == taken.state, f"state: expected {taken.state:x}, got {int(dut.state.value):x}"


async def run(dut, model: StateMemory, ticks: int, moving: float, delay: int | None) -> int:
    """Random takes and puts for so many cycles; the number of beats taken.

    moving: probability of ce. delay: ticks from take to put as in a pipeline, None: random.
    """
    flight: deque[int] = deque()  # tick of each take not yet put
    taken, beats, tick, just_put = None, 0, 0, False
    for _ in range(ticks):
        await FallingEdge(dut.clk)
        if taken is not None:
            check(dut, taken)
        assert bool(int(dut.room.value)) == model.room, f"room is {dut.room.value}, {len(flight)} of {BEATS} in flight"
        ce = random.random() < moving
        due = bool(flight) and (random.random() < 0.4 if delay is None else tick - flight[0] == delay)
        take = model.room and (len(flight) < FLIGHT or due) and (delay is not None or random.random() < 0.6)
        state = random.getrandbits(DATA_W)
        if not ce:  # garbage on every port: nothing may move
            take, due = model.room and bool(random.getrandbits(1)), bool(random.getrandbits(1))
        dut.ce.value, dut.take.value, dut.put.value, dut.state_next.value = ce, take, due, state
        if not ce:
            hit("take held back by ce", take)
            hit("put held back by ce", due)
            continue
        hit("no room", not model.room)
        hit("take and put in one tick", take and due)
        if take:
            hit("take of a beat just put", PASSES > 1 and just_put and model.taken - model.put_back == BEATS - 1)
            taken = model.take()  # the old state, also where its own is put in this tick
            hit("first pass", taken.first and not taken.last_pass)
            hit("pass in the middle", not taken.first and not taken.last_pass)
            hit("last pass", taken.last_pass and not taken.first)
            flight.append(tick)
            beats += 1
        if due:
            model.put(state)
            flight.popleft()
        just_put = due
        tick += 1
    return beats


async def start(dut) -> StateMemory:
    dut.rst.value = 1
    dut.ce.value = dut.take.value = dut.put.value = 0
    dut.clk.value = Immediate(0)  # no edge from the random bits of time 0
    Clock(dut.clk, PERIOD_NS, unit="ns").start(start_high=False)
    model = StateMemory(BEATS, PASSES)
    await reset(dut, model)
    return model


async def reset(dut, model: StateMemory) -> None:
    await FallingEdge(dut.clk)
    dut.rst.value, dut.ce.value = 1, random.getrandbits(1)
    dut.take.value = dut.put.value = 0
    await FallingEdge(dut.clk)
    dut.rst.value, dut.ce.value = 0, 0
    model.reset()


@cocotb.test()
@cocotb.parametrize(moving=[1.0, 0.6])
async def random_order(dut, moving):
    model = await start(dut)
    assert await run(dut, model, 60 * BEATS * PASSES + 60, moving, None) > 5 * BEATS * PASSES


@cocotb.test()
async def pipeline(dut):
    """A beat put n ticks after it was taken: one beat per tick, or BEATS of them per n + 1 ticks."""
    model = await start(dut)
    for delay in range(1, FLIGHT + 1):
        ticks = 12 * BEATS * PASSES * (delay + 1)
        period = BEATS if PASSES == 1 else max(BEATS, delay + 1)
        beats = await run(dut, model, ticks, 1.0, delay)
        assert abs(beats - ticks * BEATS // period) <= BEATS, f"delay {delay}: {beats} beats in {ticks} ticks"
        await reset(dut, model)


@cocotb.test()
async def reset_in_the_middle(dut):
    """The next frame starts at its first beat, with nothing in flight."""
    model = await start(dut)
    for _ in range(10):
        await run(dut, model, random.randrange(1, 3 * BEATS * PASSES + 3), 0.8, None)
        hit("reset in a later pass", model.taken // BEATS % PASSES)
        hit("reset with beats in flight", model.taken > model.put_back)
        await reset(dut, model)
        await run(dut, model, 4 * BEATS * PASSES + 4, 0.8, None)
        await reset(dut, model)
