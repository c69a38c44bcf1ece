# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Which cells open synthesis makes of a memory: the rule of yosys' pass memory_libmap, repeated.

yosys gives each way to build a memory a cost and takes the cheapest: registers, RAM in LUTs, block RAM. Source:
passes/memory/memory_libmap.cc (handle_geom, score_emu_ports, execute). The costs of a family are those of the libraries
in yosys' share folder: ice40/brams.txt; lattice/brams_16kd.txt, lutrams_trellis.txt; xilinx/brams_xc4v.txt,
lutrams_xc5v.txt. tests/unit/test_rams.py compares a sweep of sizes with yosys.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from pyflow.integers import ceil_div

REGISTER = 1.0  # cost of a bit in registers (-logic-cost-ram)
MUX = 0.5  # of a 2:1 multiplexer behind banks, and of a bank's write enable
EMULATED = 2.0  # of a point of emulated logic
BYPASS = 6  # points of it where a block cannot read the old word of an address that is written: the word goes around it


@dataclass(frozen=True, slots=True)
class Macro:
    """A RAM cell of a family.

    shapes: (width, depth) that a cell can have. cost: of a cell. scaled: the part of it that counts by used bits.
    byte: bits that share a write enable, to which a word is padded (0: the whole width). blocks: its share of 36 kbit,
    luts: LUTs that it occupies; one of both is 0. reads: read ports, the write port left out if `shared`.
    bypass: does it need BYPASS?
    """

    cost: float
    shapes: tuple[tuple[int, int], ...]
    scaled: float = 0.0
    byte: int = 0
    blocks: float = 0.0
    luts: int = 0
    reads: int = 1
    bypass: bool = False


@dataclass(frozen=True, slots=True)
class Built:
    """What a memory becomes. macro: None for registers. banks: of addresses, chosen among by multiplexers."""

    macro: Macro | None
    cells: int = 0
    banks: int = 1

    @property
    def bram36(self) -> float:
        """Block RAMs, in units of 36 kbit."""
        return self.cells * self.macro.blocks if self.macro else 0.0


def _aspects(*widths: int, words: int) -> tuple[tuple[int, int], ...]:
    """Shapes of a block: each width is twice the one before, where the first one has `words` words."""
    return tuple((width, words >> i) for i, width in enumerate(widths))


# In the order of the libraries; of two at one cost, the first one is taken.
XC7 = (
    Macro(8, ((6, 32),), scaled=7, luts=4),  # RAM32M
    Macro(8, ((3, 64),), scaled=7, luts=4),  # RAM64M
    Macro(129, _aspects(1, 2, 4, 9, 18, words=1 << 14), byte=9, blocks=0.5, reads=2),  # RAMB18E1
    Macro(257, _aspects(1, 2, 4, 9, 18, 36, words=1 << 15), byte=9, blocks=1, reads=2),  # RAMB36E1
    Macro(513, _aspects(1, 2, 4, 9, words=1 << 16), byte=9, blocks=2, reads=2),  # two RAMB36E1 in a cascade
    Macro(129, _aspects(1, 2, 4, 9, 18, 36, words=1 << 14), byte=9, blocks=0.5),  # with one read port they are wider
    Macro(257, _aspects(1, 2, 4, 9, 18, 36, 72, words=1 << 15), byte=9, blocks=1),
)
MACROS: dict[str, tuple[Macro, ...]] = {
    "xc7": XC7,
    "xcup": XC7,
    "ecp5": (
        Macro(4, ((4, 16),), luts=6),  # TRELLIS_DPR16X4: three slices, write ports included
        Macro(128, _aspects(1, 2, 4, 9, 18, words=1 << 14), byte=9, blocks=0.5, reads=2, bypass=True),  # DP16KD
        Macro(128, ((9, 2048), (18, 1024), (36, 512)), byte=9, blocks=0.5, bypass=True),  # PDPW16KD
    ),
    "ice40": (Macro(64, _aspects(2, 4, 8, 16, words=1 << 11), byte=1, blocks=4 / 36, bypass=True),),  # SB_RAM40_4K
}


@functools.lru_cache(maxsize=1 << 14)
def built(width: int, depth: int, family: str, *, block: bool = False, rom: bool = False, reads: int = 1) -> Built:
    """What yosys makes of `depth` words of `width` bits with a registered output.

    block: block RAM is asked for. rom: there is no write port. reads: read ports.
    """
    cost, found = (math.inf, Built(None)) if block else (math.floor(REGISTER * width * depth), Built(None))
    best: dict[bool, tuple[float, Built]] = {}  # of LUTs, of block RAM
    for macro in MACROS.get(family, XC7):
        kind = macro.blocks > 0
        if block <= kind:
            offered = _geometry(macro, width, depth, rom, reads)
            best[kind] = min(best.get(kind, offered), offered, key=lambda pair: pair[0])
    for offer, way in best.values():
        if offer < cost:
            cost, found = math.floor(offer), way  # yosys keeps the best one as an integer
    return found


def _geometry(macro: Macro, width: int, depth: int, rom: bool, reads: int) -> tuple[float, Built]:
    """Cost, and the cells in the cheapest shape."""
    copies = ceil_div(reads, macro.reads)
    bypass = BYPASS if macro.bypass and not rom else 0
    best: tuple[float, Built] | None = None
    for unit, words in macro.shapes:
        byte = 1 if rom else min(macro.byte or unit, unit)
        banks = ceil_div(depth, words)
        cells = ceil_div(banks * byte * ceil_div(width, byte), unit)
        cost = copies * ((macro.cost - macro.scaled) * cells + macro.scaled * banks * width / unit)
        cost += MUX * ((banks - 1) * width * reads + (banks if banks > 1 and not rom else 0))
        cost += EMULATED * (reads + bypass)
        if best is None or cost < math.floor(best[0]):
            best = cost, Built(macro, copies * cells, banks)
    assert best is not None
    return best
