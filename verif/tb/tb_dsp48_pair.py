# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Our model of the DSP48E2 against yosys's of the DSP48E1: random operands, operations, enables and resets."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly

from verif.tb.axis import PERIOD_NS, params

P = params()
MULTIPLIES = P["USE_MULT"] != "NONE"
CYCLES = 6_000
X_PRODUCT, X_P, X_AB = 0b01, 0b10, 0b11
Y_PRODUCT, Y_ONES, Y_C = 0b01, 0b10, 0b11
Z = (0b000, 0b001, 0b010, 0b011, 0b101, 0b110)  # 0, PCIN, P, C, and PCIN and P shifted by 17


def operation() -> tuple[int, int]:
    """OPMODE and ALUMODE that both cells allow."""
    if random.random() < 0.2:  # logic: X and Z, Y says which
        x, y, alumode = random.choice((0, X_P, X_AB)), random.choice((0, Y_ONES)), random.randrange(4, 16)
        if alumode in range(8, 12):
            alumode += 4
    else:
        x, y = random.choice(
            [(x, y) for x in (0, X_P, X_AB) for y in (0, Y_ONES, Y_C)] + [(X_PRODUCT, Y_PRODUCT)] * 6 * MULTIPLIES
        )
        alumode = random.choice((0, 0, 1, 2, 3))
    return random.choice(Z) << 4 | y << 2 | x, alumode


def operand(width: int, values: int | None = None) -> int:
    """Signed number of `values` bits in `width`, often on a rail."""
    top = 1 << ((values or width) - 1)
    return random.choice((-top, top - 1, -1, 0, *(random.randrange(-top, top) for _ in range(4)))) & ((1 << width) - 1)


@cocotb.test()
async def random_operations(dut):
    Clock(dut.clk, PERIOD_NS, "ns").start()
    seen = set()
    for cycle in range(CYCLES):
        await FallingEdge(dut.clk)
        opmode, alumode = operation()
        # The multiplier's A has 25 bits in the E1 and 27 in the E2; with D added it has to fit the narrower.
        values = {
            "a": operand(30, 24 if MULTIPLIES else 30),
            "acin": operand(30),
            "b": operand(18),
            "bcin": operand(18),
            "c": operand(48),
            "pcin": operand(48),
            "d": operand(25, 24),
            "opmode": opmode,
            "alumode": alumode,
            "carryinsel": random.choice((0b000, 0b000, 0b001, 0b011, 0b101, 0b111)),
            "inmode": random.getrandbits(5),
            "carryin": random.getrandbits(1),
            "ce": sum((random.random() < 0.9) << bit for bit in range(10)),
            "clear": sum((cycle < 2 or random.random() < 0.01) << bit for bit in range(10)),
        }
        for name, value in values.items():
            getattr(dut, name).value = value
        await ReadOnly()
        if cycle < 3:  # not every register of the E1's model has a value before its reset
            continue
        for name in ("p", "pcout", "acout", "bcout"):
            e1, e2 = (int(getattr(dut, f"e{n}_{name}").value) for n in (1, 2))
            assert e1 == e2, f"cycle {cycle}, {name}: DSP48E1 {e1:x}, DSP48E2 {e2:x}; {values}"
        seen.add(int(dut.e2_p.value))
    assert len(seen) > CYCLES // 2
