# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Drives the load bus of benches, and a DUT whose only inputs are that bus and the clock."""

import random
from collections.abc import Iterable
from typing import Any

from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge

from verif.models.weight_load import Word
from verif.tb.axis import PERIOD_NS


class LoadBus:
    def __init__(self, dut: Any) -> None:
        self.dut = dut
        dut.load_select.value = dut.load_valid.value = 0
        dut.clk.value = Immediate(0)
        Clock(dut.clk, PERIOD_NS, unit="ns").start(start_high=False)

    async def send(self, words: Iterable[Word], idle: float = 0.0) -> None:
        """One word a cycle, but for the share of `idle` cycles. After it the bus is idle."""
        for select, word in words:
            while random.random() < idle:
                await self._drive(0, 0, random.getrandbits(32))
            await self._drive(int(select), int(not select), word)
        await self._drive(0, 0, random.getrandbits(32))

    async def _drive(self, select: int, valid: int, data: int) -> None:
        dut = self.dut
        dut.load_select.value, dut.load_valid.value, dut.load_data.value = select, valid, data
        await FallingEdge(dut.clk)
