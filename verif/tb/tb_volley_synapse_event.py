# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_synapse_event: sums on both rails, windows of any length, every weight, cycles per row, latency, reset."""

import itertools
import random
from pathlib import Path

import cocotb

from verif.models.event_list import Event, synapse_event
from verif.tb.axis import FLOWS, TB, Beat, cycle, pack, params, unpack
from verif.tb.coverage import declare, hit, of_parameters

P = params()
PE, EVENTS, T, TP, WEIGHT_W, INPUTS, FOLDS, ACC_W, KIND = (
    P[k] for k in ("PE", "EVENTS", "T", "TP", "WEIGHT_W", "INPUTS", "FOLDS", "ACC_W", "KIND")
)
PER_STEP, BODY = P.get("PER_STEP", 0), P.get("BODY", 0)
PLACE_W, TOP = max(1, (INPUTS - 1).bit_length()), (1 << T) - 1
RAIL = (1 << (WEIGHT_W - 1)) - 1
# WEIGHTS[fold][place][o]
ROWS = [unpack(int(line, 16), WEIGHT_W, PE, signed=True) for line in Path(P["INIT_FILE"]).read_text().split()]
WEIGHTS = [ROWS[fold * INPUTS : (fold + 1) * INPUTS] for fold in range(FOLDS)]
# Of the sums (volley_synapse_sum), one for the accumulator, one for the steps of several cycles, two for the weights.
LATENCY = (
    2
    + {0: 1 + (EVENTS - 1).bit_length() + (0 if PER_STEP else (TP - 1).bit_length()), 3: 4 + (EVENTS - 1).bit_length()}[
        BODY
    ]
    + 1
    + (TP < T and not PER_STEP)
)
of_parameters(
    {
        "one event per row": EVENTS == 1,
        "an odd number of events": EVENTS > 1 and EVENTS % 2,
        "an even number of events": EVENTS % 2 == 0,
        "all steps at once": T == TP,
        "several cycles per row": TP < T,
        "potentials per step": PER_STEP and T > 1,
        "one fold": FOLDS == 1,
        "several folds": FOLDS > 1,
        "inputs no power of two": INPUTS.bit_count() > 1,
        **{f"KIND {kind}": kind == KIND for kind in (1, 2, 3)},
        "DSP body": BODY > 0,
    }
)
declare(
    "a window of nothing",
    "a window of one row",
    "a window of every place",
    "one place twice",
    "the first place of the last fold",
    "the last place of the first fold",
)


def bench(dut, flow="full", **stalls) -> TB:
    for port in (dut.cfg_we, dut.cfg_addr, dut.cfg_data):
        port.value = 0
    return TB(dut, flow, sources=("s_event",), sinks=("m_acc",), stalls=stalls)


def rows_of(places: list[int], words: list[int]) -> list[list[Event]]:
    events = list(zip(places, words, strict=True))
    return [events[n : n + EVENTS] for n in range(0, max(1, len(events)), EVENTS)]


def word() -> int:
    return random.choice((1, TOP, random.randint(1, TOP)))


def random_window() -> list[list[Event]]:
    count = random.choice((0, 1, EVENTS, EVENTS + 1, random.randint(0, INPUTS)))
    places = sorted(random.sample(range(INPUTS), min(count, INPUTS)))
    return rows_of(places, [word() for _ in places])


def corners() -> list[list[list[Event]]]:
    """Windows for whole frames: all places, none, every place alone, places twice."""
    every = list(range(INPUTS))
    full = [rows_of(every, [TOP] * INPUTS)] * FOLDS
    alone = [
        rows_of([place], [TOP])
        for place in [*random.sample(every, min(6, INPUTS)), 0, INPUTS - 1]
        for _ in range(FOLDS)
    ]
    twice = [[[(place, 1)] * EVENTS] for place in (0, INPUTS - 1) for _ in range(FOLDS)]
    return [*full, *[rows_of([], [])] * FOLDS, *full, *alone, *twice]


class Windows:
    """Sends windows and knows which fold the next one is of; the core was just reset."""

    def __init__(self, tb: TB) -> None:
        self.tb, self.fold = tb, 0

    def push(self, windows: list[list[list[Event]]]) -> None:
        for rows in windows:
            for n, row in enumerate(rows):
                # The place of a free event (word 0) means nothing.
                events = row + [(random.randrange(INPUTS), 0)] * (EVENTS - len(row))
                data = pack([place << T | w for place, w in events], PLACE_W + T)
                self.tb.send([Beat(data, n == len(rows) - 1)])
            numbers = synapse_event(rows, WEIGHTS[self.fold], T, bool(PER_STEP))
            self.tb.expect([Beat(pack(numbers, ACC_W), self.fold == FOLDS - 1)])
            self.cover([place for row in rows for place, _ in row], rows)
            self.fold = (self.fold + 1) % FOLDS

    def cover(self, places: list[int], rows: list[list[Event]]) -> None:
        hit("a window of nothing", not places)
        hit("a window of one row", places and len(rows) == 1)
        hit("a window of every place", len(set(places)) == INPUTS)
        hit("one place twice", len(set(places)) < len(places))
        hit("the first place of the last fold", self.fold == FOLDS - 1 > 0 and 0 in places)
        hit("the last place of the first fold", FOLDS > 1 and self.fold == 0 and INPUTS - 1 in places)


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def windows(dut, flow):
    tb = bench(dut, flow)
    await tb.reset()
    Windows(tb).push(corners() + [random_window() for _ in range(FOLDS * 20)])
    await tb.finish()
    if flow == "full":
        gaps = {b - a for a, b in itertools.pairwise(tb.source.accepted[4:])}
        assert gaps == {T // TP}, f"cycles per row {gaps}"


@cocotb.test()
async def latency(dut):
    tb = bench(dut)
    await tb.reset(then=lambda: Windows(tb).push([rows_of([INPUTS - 1], [TOP])]))
    first = cycle()
    await tb.finish()
    assert tb.source.accepted[0] == first
    assert tb.sink.accepted[0] - first == LATENCY + T // TP - 1


@cocotb.test()
async def weights_are_writable(dut):
    """KIND 3 takes new rows between frames; the others do not look at the port."""
    tb = bench(dut)
    await tb.reset()
    kept = [list(row) for row in ROWS[: FOLDS * INPUTS]]
    for address in range(FOLDS * INPUTS):
        new = [random.choice((-RAIL, RAIL, 0)) for _ in range(PE)]
        dut.cfg_we.value, dut.cfg_addr.value, dut.cfg_data.value = 1, address, pack(new, WEIGHT_W)
        await tb.wait(1)
        if KIND == 3:
            WEIGHTS[address // INPUTS][address % INPUTS] = new
    dut.cfg_we.value = 0
    await tb.wait(1)
    Windows(tb).push(corners())
    await tb.finish()
    dut.cfg_we.value = int(KIND == 3)  # the other tests expect the image
    for address, row in enumerate(kept):
        dut.cfg_addr.value, dut.cfg_data.value = address, pack(row, WEIGHT_W)
        WEIGHTS[address // INPUTS][address % INPUTS] = row
        await tb.wait(1)
    dut.cfg_we.value = 0


@cocotb.test()
async def reset_in_the_middle(dut):
    """Nothing of a half-finished window reaches the next one, and fold 0 comes first."""
    tb = bench(dut, "both")
    for _ in range(12):
        await tb.reset()
        Windows(tb).push([random_window() for _ in range(20)])
        await tb.wait(random.randrange(2, 60))
        await tb.reset(1)
        Windows(tb).push([random_window() for _ in range(2 * FOLDS + 1)])
        await tb.finish()
