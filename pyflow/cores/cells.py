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

from pyflow.cores.rams import built
from pyflow.integers import ceil_div

# Counters, handshakes and the registers that pass control along are one constant per core.
CONTROL_LUT = 25
CONTROL_FF = 25
# Share of a tree's LUTs that is left where six-input LUTs add more than two operands: sums of 4 numbers of 1, 4 and 12
# bits, yosys (tests/unit/test_cells.py).
OWN_TREE = {"xc7": 0.7, "xcup": 0.7}
SIX_INPUTS = ("xc7", "xcup")  # families whose LUTs have six inputs; those of the others have four
# LUTs per bit of an addition of a product, by whether they have six inputs; yosys, products of 4 to 14 bits.
LUTS_OF_ADDITION = {True: 1.3, False: 2.2}
CONSTANT = " of a constant"  # behind the name of a module in FACTORS, where it reads a constant row
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
def shares(of: str) -> dict[str, dict[str, float]]:
    """Family -> module -> share, of one table of FACTORS; cached."""
    found: dict[str, dict[str, float]] = json.loads(FACTORS.read_text())[of]
    return found


def lut_factor(module: str, family: str, constant: bool = False) -> float:
    """LUTs of `family` for one that cells() of the core counts; measured by `make calibrate` where a LUT has four
    inputs (benchmarks/lut4.py). constant: it reads a constant row, of which much dissolves in LUTs of six inputs."""
    factors = shares("factors").get(family, {})
    return factors.get(module + CONSTANT * constant, factors.get(module, 1.0))


def placed_luts(module: str, cost: Cost, family: str) -> float:
    """LUTs of a placed core of this cost. A logic cell of an iCE40 holds a LUT and a flip-flop only where the first one
    feeds the second one; the share of flip-flops that stand alone is measured by `make calibrate`."""
    alone = shares("alone").get(family)
    return cost.lut + cost.ff * (alone.get(module, alone[""]) if alone else 0.0)


def tree_cost(operands: int, width: int, family: str = "xc7", effective: float = 1.0) -> Cost:
    """Registered adder tree: an adder takes one LUT per bit of its operands, every node is registered. family: where it
    has a tree of its own in rtl/tech, that counts. effective: share of the operands that are not a constant 0; a node
    is there if it has one of them, and an adder if both of its sides have."""
    lut = ff = 0.0
    there = effective
    while operands > 1:
        lut += operands // 2 * width * there**2
        operands, width, there = ceil_div(operands, 2), width + 1, 1 - (1 - there) ** 2
        ff += operands * width * there
    return Cost(lut=lut * OWN_TREE.get(family, 1.0), ff=ff)


def product_cost(width: int, additions: int, kept: int, family: str) -> Cost:
    """A number of `width` bits times another one, whose shifted copies are added up in `additions`; `kept` bits of the
    product are used.

    yosys (mul2dsp): a MULT18X18D (18 x 18 bits) for any product, a DSP48 (25 x 18) from 9 kept bits on; the flow of
    the iCE40 asks for no SB_MAC16. Two bits above a slice's width take a second one. (tests/unit/test_cells.py.)
    """
    six = family in SIX_INPUTS
    if family == "ice40" or (six and kept < 9):
        return Cost(lut=LUTS_OF_ADDITION[six] * width * additions)
    return Cost(dsp=1.0 + (width >= (25 if six else 18) + 2 - six))


def ram_cost(width: int, depth: int, family: str = "xc7", *, block: bool = False) -> Cost:
    """RAM with a write and a read port and a registered output, in the cells that synthesis chooses. block: asked for.

    Beside them: behind banks a multiplexer; around a block that cannot read the old word of an address that is written,
    a LUT and two flip-flops per bit. Checked against yosys within 25 %: tests/unit/test_cells.py.
    """
    way, address, six = built(width, depth, family, block=block), (depth - 1).bit_length(), family in SIX_INPUTS
    banks = way.banks - 1
    between = (width * ceil_div(banks, 3) if six else 1.4 * width * banks) + (way.banks if banks else 0)
    if way.macro is None:  # a multiplexer of all words and the hold of its register, a write enable for each word
        chosen = ceil_div(depth - 1, 3) if six else 2 * (depth - 1) / 3 + (1 if depth > 2 else 1 / 3)
        return Cost(lut=width * chosen + depth * (1.0 if depth <= 8 else 1.6), ff=width * depth + width)
    if way.macro.luts:
        return Cost(lut=way.macro.luts * way.cells + between, ff=width)
    if not way.macro.bypass:
        return Cost(lut=between, ff=banks.bit_length(), bram=way.bram36)
    compared = address + 2 if family == "ice40" else 2 * address  # a comparator of ECP5 is a carry chain
    return Cost(lut=width + compared + between, ff=2 * width + address + 2, bram=way.bram36)


def rom_blocks(width: int, depth: int, family: str, reads: int = 1) -> float:
    """Block RAMs of a ROM, in units of 36 kbit. reads: words that it gives at once."""
    return built(width, depth, family, block=True, rom=True, reads=reads).bram36
