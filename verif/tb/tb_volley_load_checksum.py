# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_load_checksum: the images' first, then that of what was loaded, word by word."""

import random
import zlib

import cocotb

from verif.models.weight_load import BEGIN, Word, load_checksum
from verif.tb.axis import params
from verif.tb.coverage import declare, hit
from verif.tb.load import LoadBus

INITIAL = params()["INITIAL"]
declare("before any load", "loaded without a begin", "nothing behind a begin", "a word like a begin", "begun anew")


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.5])
async def sums(dut, idle):
    bench = LoadBus(dut)
    await bench.send([])
    bus: list[Word] = []
    if not idle:  # what an earlier test loaded outlives it
        assert int(dut.weight_checksum.value) == INITIAL == load_checksum([], INITIAL)
        hit("before any load")
        hit("loaded without a begin")
    else:
        bus = [(True, BEGIN)]
        await bench.send(bus)
    for n in range(300):
        begin = n % 50 == 49
        more = (
            [(True, BEGIN)]
            if begin
            else [
                (random.random() < 0.2, random.choice((random.getrandbits(32), BEGIN ^ 1 << random.randrange(32), 0)))
                for _ in range(random.randrange(1, 9))
            ]
        )
        if n % 60 == 7:
            more.append((False, BEGIN))
            hit("a word like a begin")
        bus += more
        await bench.send(more, idle)
        assert int(dut.weight_checksum.value) == load_checksum(bus, INITIAL)
        if begin:
            assert int(dut.weight_checksum.value) == 0
            hit("nothing behind a begin")
            hit("begun anew", n > 50)


@cocotb.test()
async def is_a_crc_32(dut):
    """As a library computes it."""
    bench = LoadBus(dut)
    words = [random.getrandbits(32) for _ in range(20)]
    await bench.send([(True, BEGIN), *((n % 7 == 0, word) for n, word in enumerate(words))])
    text = b"".join(word.to_bytes(4, "little") for word in words)
    assert int(dut.weight_checksum.value) == zlib.crc32(text) & 0xFFFF
