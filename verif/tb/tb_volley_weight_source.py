# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_weight_source: rows in order for ever, 1 row/cycle, latency after reset, reload."""

import itertools
import random
from pathlib import Path

import cocotb

from verif.models.weight_source import weight_source
from verif.tb.axis import FLOWS, TB, cycle, params
from verif.tb.coverage import declare, hit, of_parameters

P = params()
WIDTH, DEPTH, KIND = P["WIDTH"], P["DEPTH"], P["KIND"]
# A memory has two rows at least: of a source of one, the second is never sent.
ROWS = [int(word, 16) for word in Path(P["INIT_FILE"]).read_text().split()][:DEPTH] if KIND else [P["ROW"]]
LATENCY = 2 if KIND else 1
of_parameters({f"KIND {kind}": kind == KIND for kind in range(4)})
of_parameters({"one row": DEPTH == 1, "rows no power of two": DEPTH.bit_count() > 1})
declare("rows start over", "reloaded", "reset within the rows")


def bench(dut, flow) -> TB:
    """The source never ends: the sink stops by itself once nothing more is expected."""
    tb = TB(dut, flow, sources=(), sinks=("m_weight",))
    sink, board, stall = tb.sink, tb.boards["m_weight"], tb.sink.stall
    sink.stall = (not board.expected or next(stall) for _ in itertools.count())
    dut.cfg_we.value = 0
    return tb


async def load(tb: TB, rows: list[int]) -> None:
    for address, row in enumerate(rows):
        tb.dut.cfg_we.value, tb.dut.cfg_addr.value, tb.dut.cfg_data.value = 1, address, row
        await tb.wait(1)
    tb.dut.cfg_we.value = 0


@cocotb.test()
@cocotb.parametrize(flow=list(FLOWS))
async def rows(dut, flow):
    tb = bench(dut, flow)
    await tb.reset()
    tb.expect(itertools.islice(weight_source(ROWS), 5 * DEPTH + 1))
    await tb.finish()
    hit("rows start over", len(tb.sink.accepted) > DEPTH > 1)
    if flow == "full":
        assert tb.sink.accepted[-1] - tb.sink.accepted[0] == 5 * DEPTH


@cocotb.test()
async def latency(dut):
    """Behind a reset of any length: low in it, and for LATENCY - 1 cycles more."""
    tb = bench(dut, "full")
    for cycles in (1, 2, 5):
        await tb.reset(cycles)
        released = cycle()
        tb.expect(itertools.islice(weight_source(ROWS), 1))
        await tb.finish()
        assert tb.sink.accepted[-1] - released == LATENCY


@cocotb.test()
async def reset_starts_at_row_0(dut):
    tb = bench(dut, "both")
    for count in range(1, DEPTH + 3):
        hit("reset within the rows", count > 1 and (count - 1) % DEPTH)
        await tb.reset(1)
        tb.expect(itertools.islice(weight_source(ROWS), count))
        await tb.finish()


@cocotb.test()
async def reload(dut):
    """Rows written while nothing runs replace the old ones, from the next reset on at the latest."""
    if KIND != 3:
        return
    tb = bench(dut, "full")
    await tb.reset()
    rows = [random.getrandbits(WIDTH) for _ in range(DEPTH)]
    await load(tb, rows)
    await tb.reset()
    tb.expect(itertools.islice(weight_source(rows), 3 * DEPTH))
    await tb.finish()
    hit("reloaded", tb.sink.beats[-1].data != ROWS[-1])
