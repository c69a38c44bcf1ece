# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cells of the parts that cores are made of.

The coefficients count the LUTs and flip-flops of a part and were checked against `make estimate` of the shipped
networks (yosys, xc7; within 20 % per layer). They are estimates; `make estimate` measures.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path

from pyflow.integers import ceil_div

# Counters, handshakes and the registers that pass control along are one constant per core.
CONTROL_LUT = 25
CONTROL_FF = 25
# Share of a tree's LUTs that is left where six-input LUTs add more than two operands: sums of 4 numbers of 1, 4 and 12
# bits, yosys (tests/unit/test_cells.py).
OWN_TREE = {"xc7": 0.7, "xcup": 0.7}
FACTORS = Path(__file__).with_name("lut4.json")


@dataclass(frozen=True, slots=True)
class Cost:
    """Cells of a core, or of several. lut as in `make estimate` (sum of LUT1-6 + SRL + LUTRAM), bram in RAMB36."""

    lut: float = 0.0
    ff: float = 0.0
    bram: float = 0.0
    dsp: float = 0.0
    weight_bits: float = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(a + b for a, b in zip(self.as_tuple(), other.as_tuple(), strict=True)))

    def as_tuple(self) -> tuple[float, ...]:
        return (self.lut, self.ff, self.bram, self.dsp, self.weight_bits)


@functools.cache
def lut_factors() -> dict[str, dict[str, float]]:
    """Family -> module -> lut_factor(), as the table has them; cached."""
    factors: dict[str, dict[str, float]] = json.loads(FACTORS.read_text())["factors"]
    return factors


def lut_factor(module: str, family: str) -> float:
    """LUTs of `family` for one that cells() of the core counts; measured by `make calibrate` where a LUT has four
    inputs (benchmarks/lut4.py)."""
    return lut_factors().get(family, {}).get(module, 1.0)


# Block RAMs of a family: its share of 36 kbit, and the legal (width, depth). Those of Xilinx are counted in halves.
XILINX = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
BLOCKS: dict[str, tuple[float, tuple[tuple[int, int], ...]]] = {
    "ice40": (4 / 36, ((16, 256), (8, 512), (4, 1024), (2, 2048))),
    "ecp5": (18 / 36, XILINX),
}


def bram36(width: int, depth: int, family: str = "", *, dual: bool = False) -> float:
    """Block RAMs of a simple dual-port RAM in units of 36 kbit, best of the legal aspect ratios. dual: both ports
    read, and none is wider than 18 bits of a half."""
    share, shapes = BLOCKS.get(family, (0.5, XILINX))
    return share * min(ceil_div(width, w) * ceil_div(depth, d) for w, d in shapes[dual and family not in BLOCKS :])


def tree_cost(operands: int, width: int, family: str = "") -> Cost:
    """Registered adder tree: an adder takes one LUT per bit of its operands, every node is registered. family: where it
    has a tree of its own in rtl/tech, that counts."""
    lut = ff = 0
    while operands > 1:
        lut += operands // 2 * width
        operands, width = ceil_div(operands, 2), width + 1
        ff += operands * width
    return Cost(lut=lut * OWN_TREE.get(family, 1.0), ff=ff)


def ram_cost(width: int, depth: int, family: str = "") -> Cost:
    """RAM with a registered output where synthesis has the choice.

    Xilinx: LUTRAM (the four LUTs of a slice hold 6 x 32 or 3 x 64 bits) up to sixteen slices for each RAMB18 that would
    replace them. ECP5: 16 x 4 bits of LUTRAM take six LUTs; beyond 1,024 bits block RAM. iCE40: block RAM from 64
    bits on. In block RAM a word that is read while it is written goes around it, in a LUT and a flip-flop per bit.
    (yosys, volley_ram of 19 sizes: tests/unit/test_cells.py.)
    """
    bits, block = width * depth, bram36(width, depth, family)
    around = Cost(lut=width + 8, ff=2 * width + (depth - 1).bit_length() + 2, bram=block)
    if family == "ice40":
        return around if bits >= 64 else Cost(lut=bits, ff=bits + width)
    if family == "ecp5":
        banks = ceil_div(depth, 16)
        luts = 6 * ceil_div(width, 4) * banks + 1.4 * width * (banks - 1)
        return around if bits > 1024 else Cost(lut=luts, ff=width)
    slices = ceil_div(width, 6) if depth <= 32 else ceil_div(width, 3) * ceil_div(depth, 64)
    return Cost(bram=block) if slices > 16 * 2 * block else Cost(lut=4 * slices, ff=width)
