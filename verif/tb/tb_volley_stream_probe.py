# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_stream_probe: the count in every cycle, up to where it wraps; resets with beats on their way."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge

from verif.models.stream import probe
from verif.tb.axis import PERIOD_NS, params
from verif.tb.coverage import declare, hit, of_parameters

P = params()
DATA_W, SPIKES, COUNT = P["DATA_W"], P["SPIKES"], (1 << P["COUNT_W"]) - 1
LATENCY = 3 if SPIKES else 1
ALL = (1 << DATA_W) - 1
of_parameters({"stalls": not SPIKES, "spikes": SPIKES, "a payload of one bit": DATA_W == 1})
declare("the count wraps", "all spikes at once", "taken beats without spikes", "reset with beats on their way")


@cocotb.test()
@cocotb.parametrize(share=[1.0, 0.5, 0.1])
async def counts(dut, share):
    """share: of cycles with an offer, and with readiness."""
    dut.rst.value = 1
    dut.clk.value = Immediate(0)
    Clock(dut.clk, PERIOD_NS, unit="ns").start(start_high=False)
    for n in range(12):
        dut.rst.value = 1
        await FallingEdge(dut.clk)
        dut.rst.value = 0
        assert int(dut.stat_count.value) == 0
        seen = [(0, 0, 0)] * LATENCY
        for _ in range(random.randrange(5, 40) if n else 4 * COUNT // DATA_W + 400):
            valid, ready = (int(random.random() < max(share, 0.3)) for _ in range(2))
            ready = ready if share < 1 else n % 2
            data = random.choice((random.getrandbits(DATA_W), ALL, 0))
            dut.probe_valid.value, dut.probe_ready.value, dut.probe_data.value = valid, ready, data
            hit("all spikes at once", valid and ready and data == ALL)
            hit("taken beats without spikes", valid and ready and data == 0)
            seen.append((valid, ready, data))
            await FallingEdge(dut.clk)
            count = probe(seen[: 1 - LATENCY or None], SPIKES)
            assert int(dut.stat_count.value) == count & COUNT
            hit("the count wraps", count > COUNT)
        hit("reset with beats on their way", any(valid for valid, _, _ in seen[-2:]))
