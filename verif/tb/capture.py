# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""No bench: drives a core as VOLLEY_CAPTURE says and writes down what its ports show, for the pages of docs/cores.

VOLLEY_CAPTURE is a JSON file; the samples go beside it, as `samples.json`: port -> value before each rising edge.

    inputs, outputs: ports
    cycles:  to record, the first one right after reset
    sinks:   port prefix -> for each stream in it [[payload, tlast], ...], offered from cycle 1 on
    idle:    port prefix of a sink -> for each stream, cycles in which no new beat is offered
    stalls:  port prefix of a source -> for each stream, cycles in which tready is low
    ports:   other input -> value per cycle, the last one for ever
"""

import json
import os
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge, ReadOnly

PERIOD_NS = 10
RESET_CYCLES = 2


class Sink:
    """Drives one sink port; offers a beat until it is taken."""

    def __init__(self, dut, name, streams, idle):
        self.valid, self.ready, self.data = (getattr(dut, f"{name}_t{part}") for part in ("valid", "ready", "data"))
        self.last = getattr(dut, f"{name}_tlast", None)
        self.streams, self.idle = streams, idle
        self.sent = [0] * len(streams)
        self.offered = [False] * len(streams)

    def drive(self, cycle):
        valid = data = last = 0
        width = len(self.data) // len(self.streams)
        for n, beats in enumerate(self.streams):
            self.offered[n] = cycle > 0 and self.sent[n] < len(beats) and (self.offered[n] or cycle not in self.idle[n])
            if self.offered[n]:
                payload, ends = beats[self.sent[n]]
                valid, data, last = valid | 1 << n, data | payload << n * width, last | ends << n
        self.valid.value, self.data.value = valid, data
        if self.last is not None:
            self.last.value = last

    def sample(self):
        ready = int(self.ready.value)
        for n, offered in enumerate(self.offered):
            if offered and ready >> n & 1:
                self.sent[n] += 1
                self.offered[n] = False


@cocotb.test()
async def capture(dut):
    path = Path(os.environ["VOLLEY_CAPTURE"])
    plan = json.loads(path.read_text())
    reset, active = ("aresetn", 0) if "aresetn" in plan["inputs"] else ("rst", 1)
    for name in plan["inputs"]:
        getattr(dut, name).value = active if name == reset else 0
    dut.clk.value = Immediate(0)
    Clock(dut.clk, PERIOD_NS, unit="ns").start(start_high=False)

    sinks = [Sink(dut, name, streams, plan["idle"][name]) for name, streams in plan["sinks"].items()]
    samples: dict[str, list[int]] = {name: [] for name in (*plan["inputs"], *plan["outputs"])}
    for cycle in range(-RESET_CYCLES, plan["cycles"]):
        await FallingEdge(dut.clk)
        if reset in plan["inputs"]:
            getattr(dut, reset).value = active if cycle < 0 else 1 - active
        for name, values in plan["ports"].items():
            getattr(dut, name).value = values[min(max(cycle, 0), len(values) - 1)]
        for name, stalled in plan["stalls"].items():
            ready = sum(1 << n for n, cycles in enumerate(stalled) if cycle not in cycles)
            getattr(dut, f"{name}_tready").value = ready
        for sink in sinks:
            sink.drive(cycle)
        await ReadOnly()
        if cycle >= 0:
            for sink in sinks:
                sink.sample()
            for name, values in samples.items():
                values.append(int(getattr(dut, name).value))
    path.with_name("samples.json").write_text(json.dumps(samples))
