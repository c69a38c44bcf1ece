# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_memory_loader: rows in order, words in every cycle and with gaps, excess words, other memories, a load that
is begun anew within a row, words before any select."""

import random

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from verif.models.weight_load import BEGIN, Word, load, memory_loader, split
from verif.tb.axis import cycle, params
from verif.tb.coverage import declare, hit, of_parameters
from verif.tb.load import LoadBus

P = params()
WIDTH, DEPTH, INDEX = P["WIDTH"], P["DEPTH"], P["INDEX"]
WORDS = -(-WIDTH // 32)
of_parameters(
    {
        "a row of one word": WORDS == 1,
        "a row of whole words": WIDTH == 32 * WORDS,
        "a row of several words, the last one not full": WORDS > 1 and WIDTH % 32,
        "one row": DEPTH == 1,
        "rows no power of two": DEPTH.bit_count() > 1,
    }
)
declare(
    "loaded",
    "words before any select",
    "words behind the last row",
    "begun anew within a row",
    "begun anew with words in the cycles around",
    "another memory within a row",
    "no memory",
    "words in every cycle",
)


def rows(count: int = DEPTH) -> list[list[int]]:
    return [[random.getrandbits(32) for _ in range(WORDS)] for _ in range(count)]


class Bench(LoadBus):
    """Compares every write with the model's."""

    def __init__(self, dut) -> None:
        super().__init__(dut)
        self.writes: list[tuple[int, int]] = []
        self.at: list[int] = []
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        dut = self.dut
        while True:
            await FallingEdge(dut.clk)
            await ReadOnly()
            if int(dut.cfg_we.value):
                self.writes.append((int(dut.cfg_addr.value), int(dut.cfg_data.value)))
                self.at.append(cycle())

    async def check(self, bus: list[Word], idle: float = 0.0) -> None:
        """From here on the writes are those of `bus`, which selects a memory first or follows what did not."""
        await self.send(bus, idle)
        for _ in range(4):
            await FallingEdge(self.dut.clk)
        assert self.writes == list(memory_loader(bus, WIDTH, DEPTH, INDEX))
        self.writes.clear()


@cocotb.test()
async def nothing_is_selected_at_first(dut):
    bench = Bench(dut)
    assert int(dut.cfg_we.value) == 0
    await bench.check([(False, word) for row in rows(DEPTH + 1) for word in row])
    hit("words before any select")


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.5])
async def whole_loads(dut, idle):
    """The rows, and nothing of what follows them."""
    bench = Bench(dut)
    for extra in (0, 1, WORDS, 3 * WORDS + 1):
        bus = load(INDEX, rows())
        assert split(sum(word << 32 * n for n, (_, word) in enumerate(bus[1 : 1 + WORDS])), 32 * WORDS) == [
            word for _, word in bus[1 : 1 + WORDS]
        ]
        start = cycle()
        await bench.check([*bus, *((False, random.getrandbits(32)) for _ in range(extra))], idle)
        assert len(bench.at) == DEPTH
        hit("loaded")
        hit("words behind the last row", extra)
        if not idle:
            assert bench.at[-1] - start == DEPTH * WORDS + 1  # the select, the words
            hit("words in every cycle")
        bench.at.clear()


@cocotb.test()
async def every_bit_of_a_number_counts(dut):
    bench = Bench(dut)
    for bit in range(32):
        await bench.check(load(INDEX ^ 1 << bit, rows()))
    await bench.check(load(INDEX, rows()))


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.5])
async def any_order(dut, idle):
    """Selects of this and other memories anywhere in the words."""
    bench = Bench(dut)
    for _ in range(60):
        numbers = (INDEX, INDEX, INDEX ^ 1 << random.randrange(32), BEGIN, 0)
        bus: list[Word] = []
        for _ in range(random.randrange(1, 5)):
            number = random.choice(numbers)
            count = random.choice((random.randrange(DEPTH * WORDS + 3), DEPTH * WORDS, 2 * WORDS - 1))
            selected = [word for select, word in bus if select][-1:] == [INDEX]
            words = len(bus) - max((n for n, (select, _) in enumerate(bus) if select), default=0) - 1
            within = selected and 0 < words < DEPTH * WORDS and words % WORDS
            hit("begun anew within a row", within and number == INDEX)
            hit("begun anew with words in the cycles around", selected and words and number == INDEX and not idle)
            hit("another memory within a row", within and number != INDEX)
            hit("no memory", number == BEGIN)
            bus += [(True, number), *((False, random.getrandbits(32)) for _ in range(count))]
        await bench.check(bus, idle)
