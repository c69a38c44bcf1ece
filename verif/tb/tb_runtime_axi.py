# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""pyflow.runtime against volley_axi_top behind a model of the AXI DMA (PG021, simple mode) and of PYNQ's driver. The
DMA stalls and sends bursts of odd lengths throughout. Faults, each once, at a random beat: none, drop, double (a beat
on its way in), lose, repeat (on its way out), hang, stop (the DMA, sending or receiving), error (its bit), reset (of
the network, in the middle), hash, weights (other files), load (weights)."""

import random
from types import SimpleNamespace
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, FallingEdge, ReadOnly
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from pyflow import registers as r
from pyflow.runtime.pynq import PynqLink
from verif.tb.axis import PERIOD_NS
from verif.tb.runtime import FAULT, FILES, OTHER, campaign, clock, close, refuse_others, reload, session

QUIET = ("none", "hash", "weights", "load")  # nothing goes wrong on the way


class Channel:
    """One direction of the DMA, and PYNQ's _DMAChannel over it."""

    def __init__(self, dma, engine):
        self.dma, self.engine = dma, engine
        self.halted, self.idle_bit, self.errors, self.length = True, False, 0, 0
        self.task = None

    def status(self):
        return int(self.halted) | int(self.idle_bit) << 1 | self.errors

    buffer: Any = None

    def reset(self):
        if self.task:
            self.task.cancel()
        if self.buffer is not None:
            self.buffer.busy = False
        self.halted, self.idle_bit, self.errors, self.length, self.task = True, False, 0, 0, None

    # PYNQ's side; every access takes a few cycles of the bus
    def start(self):
        resume(self.dma.access)()
        self.halted, self._first = False, True

    @property
    def idle(self):
        resume(self.dma.access)()
        return self.idle_bit

    def transfer(self, buffer):
        resume(self.dma.access)()
        if self.halted or (not self.idle_bit and not self._first):
            raise RuntimeError("DMA channel not idle")
        self._first, self.idle_bit = False, False
        self.buffer = buffer
        buffer.busy = True
        self.task = resume(self._begin)(buffer)

    async def _begin(self, buffer):
        return cocotb.start_soon(self._run(buffer))

    async def _run(self, buffer):
        await self.engine(self, buffer)

    def wait(self):
        assert self.idle_bit
        self.buffer[:] = self.buffer.memory  # invalidates the cache


class Dma:
    def __init__(self, dut):
        self.dut = dut
        self.sendchannel, self.recvchannel = Channel(self, self._mm2s), Channel(self, self._s2mm)
        self.fault, self.at, self.faults = "", 0, 0
        self.rate = 0.0  # of stalls
        dut.s_axis_tvalid.value = dut.m_axis_tready.value = 0

    async def access(self):
        await ClockCycles(self.dut.clk, random.randrange(4, 12))

    def _strikes(self, *faults):
        """Is this beat the one at which the fault comes?"""
        if self.fault not in faults:
            return False
        self.at -= 1
        if self.at:
            return False
        self.faults += 1
        return True

    async def _gap(self):
        while random.random() < self.rate:
            await FallingEdge(self.dut.clk)

    async def _mm2s(self, channel, buffer):
        dut, data = self.dut, buffer.tobytes()  # the driver flushes
        burst = 0
        for start in range(0, len(data), 4):
            part, last = data[start : start + 4], start + 4 >= len(data)
            times = 1
            if self._strikes("drop", "double", "hang"):
                if self.fault == "hang":
                    return  # never idle again
                times = {"drop": 0, "double": 2}[self.fault]
            for _ in range(times):
                await FallingEdge(dut.clk)
                if not burst:
                    await self._gap()
                    burst = random.randrange(1, 8)
                burst -= 1
                dut.s_axis_tdata.value = int.from_bytes(part, "little")
                dut.s_axis_tkeep.value = (1 << len(part)) - 1
                dut.s_axis_tlast.value, dut.s_axis_tvalid.value = int(last), 1
                taken = False
                while not taken:
                    await ReadOnly()
                    taken = bool(int(dut.s_axis_tready.value))
                    await FallingEdge(dut.clk)
                dut.s_axis_tvalid.value = 0
        channel.idle_bit, buffer.busy = True, False

    async def _s2mm(self, channel, buffer):
        dut, words = self.dut, []
        while True:
            await FallingEdge(dut.clk)
            dut.m_axis_tready.value = 0
            await self._gap()
            dut.m_axis_tready.value = 1
            taken = False
            while not taken:
                await ReadOnly()
                taken = bool(int(dut.m_axis_tvalid.value))
                word, last = int(dut.m_axis_tdata.value), int(dut.m_axis_tlast.value)
                await FallingEdge(dut.clk)
            dut.m_axis_tready.value = 0
            times = 1
            if self._strikes("lose", "repeat", "stop", "error"):
                if self.fault == "stop":
                    return
                if self.fault == "error":
                    channel.errors, channel.halted = 1 << random.choice([4, 5, 6]), True
                    return
                times = 0 if self.fault == "lose" else 2
            words += [word] * times
            if len(words) > len(buffer):
                channel.errors, channel.halted = 1 << 4, True
                return
            if last and times:
                break
        buffer.memory[: len(words)] = words
        channel.length, channel.idle_bit, buffer.busy = 4 * len(words), True, False

    # ------------------------------------------------------------------ registers of the DMA
    def read(self, offset):
        resume(self.access)()
        channel = self.recvchannel if offset >= 0x30 else self.sendchannel
        return {0x00: int(not channel.halted), 0x04: channel.status(), 0x28: channel.length}[offset % 0x30]

    def write(self, offset, value):
        assert (offset, value) == (0, 4), "nothing but a reset"
        resume(self._reset)()

    async def _reset(self):
        await FallingEdge(self.dut.clk)
        for channel in (self.sendchannel, self.recvchannel):
            channel.reset()
        self.dut.s_axis_tvalid.value = self.dut.m_axis_tready.value = 0
        await self.access()


class Buffer(np.ndarray):
    """pynq.allocate's: what a processor sees is its cache, until it is invalidated. busy: the DMA is at it."""

    busy = False

    def freebuffer(self):
        assert not self.busy, "given back while the DMA may still write to it"
        Buffer.live -= 1

    live = 0


def allocate(shape, dtype):
    """Whatever lay in memory before."""
    random_bytes = np.random.default_rng(random.getrandbits(32)).integers(0, 256, shape).astype(dtype)
    buffer = random_bytes.view(Buffer)
    buffer.memory = random_bytes.copy()
    Buffer.live += 1
    return buffer


@cocotb.test()
async def every_seed(dut):
    dut.clk.value = Immediate(0)
    dut.aresetn.value = 0
    dma = Dma(dut)
    Clock(dut.clk, PERIOD_NS, unit="ns").start(start_high=False)
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi_ctrl"), dut.clk, dut.aresetn, reset_active_level=False)
    await ClockCycles(dut.clk, 4)
    dut.aresetn.value = 1
    await ClockCycles(dut.clk, 4)

    registers = SimpleNamespace(read=resume(master.read_dword), write=resume(master.write_dword))
    overlay = SimpleNamespace(dma=dma, volley=registers)
    timeout_s = (4 * (FILES.latency_cycles + FILES.cycles_per_frame) + 2000) * PERIOD_NS * 1e-9
    answer, frame = FILES.classes + 1, -(-FILES.frames.frame_bytes // 4)
    struck = [0]

    def connect():
        return PynqLink(overlay, allocate, timeout_s, clock)

    async def soft_reset():
        await ClockCycles(dut.clk, random.randrange(1, 8 * (FILES.latency_cycles + FILES.cycles_per_frame)))
        dma.faults += 1
        await master.write_dword(r.CONTROL, 1)

    def inject():
        dma.faults, dma.fault, dma.rate = 0, FAULT, random.choice([0.0, 0.3, 0.8])
        dma.at = random.randrange(1, 1 + 3 * (answer if FAULT in ("lose", "repeat", "stop", "error") else frame))
        if FAULT == "reset":
            cocotb.start_soon(soft_reset())

    def heal():
        dma.fault = ""

    async def seed():
        await bridge(refuse_others)(connect)
        if FAULT == "load":
            assert OTHER is not None
            return await bridge(reload)(connect, OTHER, inject, heal)
        done = await bridge(session)(connect, inject, heal)
        if FAULT == "reset":
            while not dma.faults:
                await ClockCycles(dut.clk, 10)
            await ClockCycles(dut.clk, 100)
        struck[0] += dma.faults
        assert not done.failures, done.failures  # it came once: the frame went again
        assert not done.repeated or FAULT not in QUIET
        return done

    await campaign(seed)
    await bridge(close)()
    assert Buffer.live == 0, "every buffer is given back"
    assert struck[0] >= (0 if FAULT in QUIET else 1)
