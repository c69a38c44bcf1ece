# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""volley_compressor: every combination of the bits that its numbers have; all others are noise."""

import random

import cocotb
from cocotb.triggers import Timer

from verif.tb.axis import params, unpack
from verif.tb.coverage import of_parameters

P = params()
WIDTH, THREE, USED, INVERTED = P["WIDTH"], P["THREE"], P["USED"], P["INVERTED"]
ONES = (1 << 4 * WIDTH) - 1
of_parameters(
    {
        "four to two": not THREE,
        "three to one": THREE,
        "inverted bits": INVERTED & USED,
        "constant ones": INVERTED & ~USED,
        "columns without a bit": ~(USED | INVERTED) & ONES,
    }
)


@cocotb.test()
async def every_combination(dut):
    bits = [1 << i for i in range(4 * WIDTH) if USED >> i & 1]
    for n in range(1 << len(bits)):
        x = sum(bit for i, bit in enumerate(bits) if n >> i & 1)
        dut.x.value = x | random.getrandbits(4 * WIDTH) & ~USED & ONES
        await Timer(1, "ns")
        expected = sum(unpack(x ^ INVERTED, WIDTH, 4)) % (1 << WIDTH)
        total, carry = int(dut.sum.value), int(dut.carry.value)
        assert (total + carry) % (1 << WIDTH) == expected, f"x = {x:0{WIDTH}x}"
        assert carry == 0 or not THREE
