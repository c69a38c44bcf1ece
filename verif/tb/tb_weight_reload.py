# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_axi_top around a compiled network: weights of another one through the registers. What is sent and what has
to come is in reload.json, written by tests/flow/test_weight_reload.py."""

import json
from pathlib import Path

import cocotb
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from pyflow import registers as r
from verif.models.weight_load import BEGIN, Word, load
from verif.tb.axis import TB
from verif.tb.frames import beats, with_keep
from verif.tb.reset import ActiveLow

CASE = json.loads(Path("reload.json").read_text())


class ReloadTB(TB):
    def __init__(self, dut) -> None:
        super().__init__(ActiveLow(dut))
        with_keep(self.source)
        self.sink.on_beat = lambda _: None
        self.master = AxiLiteMaster(
            AxiLiteBus.from_prefix(dut, "s_axi_ctrl"), dut.clk, dut.aresetn, reset_active_level=False
        )

    async def answers(self) -> list[list[int]]:
        """Words of all frames' answers."""
        for frame in CASE["frames"]:
            self.send(beats([(word, 15) for word in frame]))  # FRAME_BYTES is a multiple of 4
        await self.until(lambda: sum(beat.last for beat in self.sink.beats) == len(CASE["frames"]), "answer", 200_000)
        found, answer = [], []
        for beat in self.sink.beats:
            answer.append(beat.data)
            if beat.last:
                found.append(answer)
                answer = []
        self.sink.beats.clear()
        return found

    async def load(self, words: list[Word]) -> None:
        for select, word in words:
            await self.master.write_dword(r.MEMORY if select else r.LOAD, word)

    async def soft_reset(self) -> None:
        await self.master.write_dword(r.CONTROL, 1)

    async def check(self, network: int, checksum: int) -> None:
        """All frames are answered as by that network."""
        expected = [[*logits, checksum << 16 | n] for n, logits in enumerate(CASE["logits"][network])]
        assert await self.answers() == expected
        assert await self.master.read_dword(r.WEIGHTS) == checksum


def images(network: int) -> list[Word]:
    return [(True, BEGIN), *(word for index, rows in CASE["images"][network] for word in load(index, rows))]


@cocotb.test()
async def reload(dut):
    tb = ReloadTB(dut)
    await tb.reset(2)
    await tb.wait(1)
    assert await tb.master.read_dword(r.MEMORIES) == len(CASE["images"][0])
    await tb.check(0, CASE["initial"])
    await tb.load(images(1))
    await tb.soft_reset()
    await tb.check(1, CASE["checksums"][1])
    await tb.reset(2)  # nor does this one reach memories
    await tb.wait(1)
    await tb.check(1, CASE["checksums"][1])
    # Half a load, under frames: whatever they give, they all end, and their trailers tell.
    half = images(0)[: len(images(0)) // 2]
    loading = cocotb.start_soon(tb.load(half))
    for _ in range(3):
        assert len(await tb.answers()) == len(CASE["frames"])
    await loading
    await tb.soft_reset()
    seen = {answer[-1] >> 16 for answer in await tb.answers()}
    assert len(seen) == 1
    assert not seen & {*CASE["checksums"], CASE["initial"]}
    await tb.load(images(0))
    await tb.soft_reset()
    await tb.check(0, CASE["checksums"][0])
