# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Cells of the parts that cores are made of.

The coefficients count the LUTs and flip-flops of a part and were checked against `make estimate` of the shipped
networks (yosys, xc7; within 20 % per layer). They are estimates; `make estimate` measures.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyflow.integers import ceil_div

# Counters, handshakes and the registers that pass control along are one constant per core.
CONTROL_LUT = 25
CONTROL_FF = 25
# Share of a tree's LUTs that is left where six-input LUTs add more than two operands: sums of 4 numbers of 1, 4 and 12
# bits, yosys (tests/unit/test_cells.py).
OWN_TREE = {"xc7": 0.7, "xcup": 0.7}


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


def bram36(width: int, depth: int, *, dual: bool = False) -> float:
    """RAMB36 count of a simple dual-port RAM, in halves (RAMB18), best of the legal aspect ratios. dual: both ports
    read, and none is wider than 18 bits of a half."""
    best = float("inf")
    for w, d in ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))[dual:]:
        best = min(best, ceil_div(width, w) * ceil_div(depth, d) * 0.5)
    return best


def tree_cost(operands: int, width: int, family: str = "") -> Cost:
    """Registered adder tree: an adder takes one LUT per bit of its operands, every node is registered. family: where it
    has a tree of its own in rtl/tech, that counts."""
    lut = ff = 0
    while operands > 1:
        lut += operands // 2 * width
        operands, width = ceil_div(operands, 2), width + 1
        ff += operands * width
    return Cost(lut=lut * OWN_TREE.get(family, 1.0), ff=ff)


def ram_cost(width: int, depth: int) -> Cost:
    """RAM with a registered output where synthesis has the choice: LUTRAM (the four LUTs of a slice hold
    6 x 32 or 3 x 64 bits) up to sixteen slices for each RAMB18 that would replace them."""
    slices = ceil_div(width, 6) if depth <= 32 else ceil_div(width, 3) * ceil_div(depth, 64)
    if slices > 16 * 2 * bram36(width, depth):
        return Cost(bram=bram36(width, depth))
    return Cost(lut=4 * slices, ff=width)
