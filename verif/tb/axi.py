# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""TB of volley_axi_top: registers over AXI-Lite, answers that a soft reset cuts."""

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from pyflow import registers as r
from verif.models.frame import frame_guard, frame_result
from verif.models.weight_load import Word
from verif.tb.axil import PinMaster
from verif.tb.axis import TB, Beat, random_stall
from verif.tb.coverage import hit
from verif.tb.echo import CLASSES, SIZE, Loaded, echo
from verif.tb.frames import Words, beats, quiet_in_reset, with_keep
from verif.tb.reset import ActiveLow

LIMIT_NS = 20_000  # of an access to the registers


class AxiTB(TB):
    """Words that leave are compared with `expected()`: what a soft reset leaves of the answers is known only then."""

    def __init__(self, dut, flow="full", *, pins=False, **options):
        super().__init__(ActiveLow(dut), flow, **options)
        with_keep(self.source)
        cocotb.start_soon(quiet_in_reset(dut))
        self.loaded = Loaded()
        self.sink.on_beat = lambda _: None
        self._forget()
        cocotb.start_soon(self._watch())
        if pins:
            self.pins = PinMaster(dut, "s_axi_ctrl", lambda: not int(dut.aresetn.value), [])
            return
        self.master = AxiLiteMaster(
            AxiLiteBus.from_prefix(dut, "s_axi_ctrl"), dut.clk, dut.aresetn, reset_active_level=False
        )
        if flow != "full":
            write, read = self.master.write_if, self.master.read_if
            for channel in (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel):
                channel.set_pause_generator(random_stall(0.5))

    def _forget(self) -> None:
        self.words: list[Beat] = []  # that have left for certain, of networks that were reset
        self.frames: list[Words] = []  # sent to the present network, or still to be
        self.taken = self.left = 0  # words in and out, of the present network
        self.owed = 0  # words of the network before that have not left
        self.flags = self.cuts = 0
        self.asked = False  # a soft reset, by a write without a response so far
        self.sink.beats.clear()

    async def reset(self, cycles: int = 2) -> None:
        await super().reset(cycles, then=self._forget)
        await self.wait(1)  # the reset register follows aresetn

    def push(self, frame: Words) -> None:
        self.frames.append(frame)
        self.send(beats(frame))
        hit("bad" if frame_guard(frame, SIZE)[1] else "good")

    def answers(self) -> list[Beat]:
        """Of all frames, by the present network."""
        result = []
        for number, frame in enumerate(self.frames):
            words, flags = frame_guard(frame, SIZE)
            answer = frame_result(echo(words, self.loaded.offset), flags, number, self.loaded.checksum)
            result += [Beat(word, n == CLASSES) for n, word in enumerate(answer)]
        return result

    async def _watch(self) -> None:
        dut = self.dut
        while True:
            await FallingEdge(dut.clk)
            await ReadOnly()
            if int(dut.rst.value):
                continue
            offered, taken = int(dut.m_axis_tvalid.value), int(dut.m_axis_tready.value)
            before = self.owed
            if offered and taken:
                self.owed, self.left = max(0, before - 1), self.left + (before == 0)
            if int(dut.s_axis_tvalid.value) and int(dut.s_axis_tready.value):
                self.taken += 1
            # A soft reset comes with the first cycle of its write's response.
            if self.asked and int(dut.s_axi_ctrl_bvalid.value):
                self.asked = False
                self._cut(bool(offered) and not taken and not before, before)

    def _cut(self, waits: bool, before: int) -> None:
        """The network is gone: a word that waits still leaves, then what ends a begun answer."""
        self.cuts += 1
        left = self.left + waits
        out = self.answers()[:left]
        begun = bool(out) and not out[-1].last
        self.words += out + [Beat(self.loaded.checksum << 16 | 0x800, True)] * begun
        self.owed += waits + begun
        started, ends = 0, 0
        while started < len(self.frames) and ends < self.taken:
            ends += len(self.frames[started])
            started += 1
        hit("cut in a frame" if ends > self.taken else "cut between frames")
        hit("cut in an answer" if begun else "cut between answers")
        hit("cut with a word offered", waits)
        hit("cut while the end of a cut answer waits", before > 0)
        # What is left of a cut frame is taken without a trace.
        self.frames, self.taken, self.left = self.frames[started:], self.taken - ends, 0

    async def done(self) -> None:
        """Everything has been sent and has left, and nothing else; flags are those of all trailers."""
        await self.until(lambda: not self.source.queue and self.taken == sum(map(len, self.frames)), "word taken")
        expected = [*self.words, *self.answers()]
        await self.until(lambda: len(self.sink.beats) >= len(expected), "answer")
        await self.wait(20)
        assert self.sink.beats == expected
        self.flags = 0
        for beat in expected:
            self.flags |= beat.data >> 8 & 7 if beat.last else 0

    async def load(self, words: list[Word]) -> None:
        """Through the registers, while nothing is in flight; a soft reset has to follow."""
        self.words = list(self.sink.beats)
        self.frames, self.taken, self.left = [], 0, 0
        for select, word in words:
            await self.write(r.MEMORY if select else r.LOAD, word)
            self.loaded.bus.append((select, word))
        assert await self.read(r.WEIGHTS) == self.loaded.checksum

    async def read(self, address: int) -> int:
        answer = await with_timeout(self.master.read(address, 4), LIMIT_NS, "ns")
        assert answer.resp == AxiResp.OKAY
        return int.from_bytes(answer.data, "little")

    async def write(self, address: int, value: int, count: int = 4) -> None:
        """count: bytes that are written, from `address` on. A soft reset not while another write is under way."""
        self.asked = address == r.CONTROL and bool(value & 1)
        data = value.to_bytes(count, "little")
        assert (await with_timeout(self.master.write(address, data), LIMIT_NS, "ns")).resp == AxiResp.OKAY
