# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Several networks in one design, each with a clock of its own: every logit. Ports of the module begin with a network's
name; frames and answers are in networks.json, written by tests/flow/test_several_networks.py."""

import json
import random
from pathlib import Path

import cocotb
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge, Timer, gather

from verif.tb.axis import Sink, Source, random_stall
from verif.tb.coverage import declare, hit
from verif.tb.frames import beats, with_keep
from verif.tb.two_clocks import Side

CASES = json.loads(Path("networks.json").read_text())
declare("all answer at once", "both ends stall")


async def clock(port, period, phase):
    await Timer(phase, "ps")
    while True:
        for value in (1, 0):
            await Timer(period // 2, "ps")
            port.value = value


async def answered(dut, name, case, done):
    """Send all frames of a network and compare every word of its answers."""
    side = Side(dut, f"{name}_clk", f"{name}_aresetn", active_low=True)
    source = Source(side, f"{name}_s_axis", random_stall(0.2))
    sink = Sink(side, f"{name}_m_axis", random_stall(0.2))
    with_keep(source)
    for port in ("load_select", "load_valid", "load_data", "cfg_probe"):
        getattr(dut, f"{name}_{port}").value = 0
    side.rst.value, side.clk.value = 0, Immediate(0)
    cocotb.start_soon(clock(side.clk, case["period"], random.randrange(case["period"])))
    source.start()
    sink.start()
    await side.reset(2)
    for frame in case["frames"]:
        source.send(beats([(word, 15) for word in frame]))
    expected = [
        (word, n == len(logits))
        for number, logits in enumerate(case["logits"])
        for n, word in enumerate([*logits, case["checksum"] << 16 | number])
    ]
    while len(sink.beats) < len(expected):
        await FallingEdge(side.clk)
        if sink.beats:
            done.setdefault(name, set()).add("begun")
        if len(done) == len(CASES) and all("ended" not in marks for marks in done.values()):
            hit("all answer at once")
    done[name].add("ended")
    await Timer(100 * case["period"], "ps")
    assert [(beat.data, beat.last) for beat in sink.beats] == expected, name


@cocotb.test()
async def every_logit(dut):
    done: dict[str, set[str]] = {}
    await gather(*(answered(dut, name, case, done) for name, case in CASES.items()))
