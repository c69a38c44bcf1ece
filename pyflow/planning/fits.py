# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Does a network fit a part at all? A lower bound that needs no plan, and the line that says what is missing.

The bound counts what every folding must hold: weights, states of neurons, rows of line buffers. It is one of the
planner's own model (`cells()` of the cores): block RAM holds a bit per bit. Outside block RAM a LUT holds
so many bits that no folding of fewer than 64 rows has more, the adders behind those rows counted. So what is refused
here no folding could have fitted (tests/unit/test_fits.py plans on shrinking boards).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from pyflow.cores.cells import Cost
from pyflow.cores.sums import DSP48
from pyflow.cores.synapse import BLOCK_RAM_MIN_WORDS
from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.operators import (
    Accumulate,
    DeltaEncode,
    GatedMaxPool,
    LIFNeuron,
    Linear,
    MaxPool,
    MembraneReadout,
    Operator,
    OrPool,
    SumPool,
    Synapse,
    Tensor,
    Upsample,
    Windowed,
)
from pyflow.operators.encode import OverTime
from pyflow.planning.board import Board, board_names, load_board, overflows
from pyflow.planning.lowering.pool import streams_past

ADDER = 0.34  # LUTs, at least, of a sum in LUTs: for each bit of a weight that works in the same cycle
ROM = 16  # bits of a LUT that is a ROM
RAM = 48  # bits of a LUT that is a RAM
DSP_BITS = 84  # bits of weights, at most, that a DSP slice takes in a cycle
SINGLE = ("ice40",)  # families whose logic cell holds a LUT or a flip-flop, both only where one feeds the other
MIN_INPUTS = 4  # a layer of fewer is not counted: it may need no adder


@dataclass(frozen=True, slots=True)
class Memory:
    """Bits that a layer holds on the chip in every folding. per_lut: of them, at most, in a LUT."""

    layer: str
    kind: str  # weights, states or line buffers
    bits: int
    per_lut: float


def weights(layer: str, count: int, weight_bits: int) -> Memory:
    """The weights of a layer, `count` of them."""
    bits = count * weight_bits
    rows = np.arange(1, BLOCK_RAM_MIN_WORDS, dtype=float)
    # `rows` rows, bits / rows columns: sums of so many bits, and a ROM in which equal columns are one; a single row is
    # wires. More rows than these, if not in block RAM, are a ROM without that.
    columns = np.where(rows > 1, np.minimum(bits / rows, 2.0**rows), 0)
    luts = min(float((ADDER * bits / rows + columns * rows / ROM).min()), bits / ROM)
    return Memory(layer, "weights", bits, bits / luts)


def memories(network: Network) -> list[Memory]:
    """What `network` must hold, layer by layer."""
    found = []
    for op in network.operators:
        source = network.sources(op)[0]
        if isinstance(op, Synapse) and op.weight[0].size >= MIN_INPUTS:
            found.append(weights(op.name, op.weight.size, op.weight_bits))
        if isinstance(op, Windowed) and not isinstance(op, Linear):
            channels, height, width = source.shape
            # The rows above the newest one, whichever core keeps them.
            rows = min(op.kernel[0] - 1, height) * width * channels * source.bits
            if isinstance(op, MaxPool | SumPool | OrPool) and streams_past(op, source, 1):
                rows = min(rows, _results(op, source, network.tensors[op.name]))
            found.append(Memory(op.name, "line buffers", rows, RAM))
        if isinstance(op, Upsample) and op.scale[0] > 1:
            found.append(Memory(op.name, "line buffers", source.shape[2] * source.shape[0] * source.bits, RAM))
        found.append(Memory(op.name, "states", _states(network, op), RAM))
    for edge in network.delay_lines:
        tensor = network.tensors[edge.name]
        layer, _ = network.origin(edge.name)
        found.append(Memory(layer, "states", edge.delay * math.prod(tensor.shape) * tensor.number_bits, RAM))
    return [memory for memory in found if memory.bits]


def _results(op: Windowed, source: Tensor, out: Tensor) -> int:
    """Bits of a row of results, where they are more than a register's."""
    cols = op.spatial(source)[1]
    return out.shape[0] * cols * out.bits if cols > 1 else 0


def _states(network: Network, op: Operator) -> int:
    """Bits that `op` keeps from one pass to the next."""
    source, out = network.sources(op)[0], network.tensors[op.name]
    if isinstance(op, OverTime):
        return math.prod(source.shape) * source.bits if out.passes > 1 else 0
    if source.passes == 1:
        return 0
    if isinstance(op, GatedMaxPool):
        return math.prod(out.shape) * math.prod(op.kernel).bit_length()
    kept = getattr(op, "state_bits", 0)
    if isinstance(op, MembraneReadout):
        kept += op.result_bits(source.steps)
    kinds = ((LIFNeuron, kept), (Accumulate, out.number_bits), (DeltaEncode, 8))
    return math.prod(source.shape) * next((bits for kind, bits in kinds if isinstance(op, kind)), 0)


def capacity(needed: Iterable[Memory], board: Board, fill: float) -> float:
    """Bits of `needed` that `board` can hold at most, with the share `fill` of its LUTs."""
    budget = board.budget
    room = bram_bits(board)
    luts = fill * budget.lut + (ADDER * DSP_BITS * budget.dsp if board.family in DSP48 else 0)
    # Best for the board: in LUTs what takes the fewest of them, the rest in block RAM.
    held = 0.0
    for memory in sorted(needed, key=lambda m: -m.per_lut):
        bits = min(memory.bits, luts * memory.per_lut)
        luts -= bits / memory.per_lut
        held += bits
    return room + held


def bram_bits(board: Board) -> int:
    return board.budget.bram * board.budget.bram_kbit * 1024


def check(name: str, needed: list[Memory], board: Board, fill: float = 1.0) -> None:
    """Raises VolleyError where no folding can hold `needed` on `board`: what, how much, how much there is, and the
    smallest listed board that could. name: of the network. Takes milliseconds."""
    need, have = sum(m.bits for m in needed), capacity(needed, board, fill)
    if need <= have:
        return
    kinds = {kind: sum(m.bits for m in needed if m.kind == kind) for kind in ("weights", "states", "line buffers")}
    parts = ", ".join(f"{kind} {_size(bits)}" for kind, bits in kinds.items() if bits)
    largest = max(needed, key=lambda m: m.bits)
    there = {other.name: capacity(needed, other, fill) for other in boards()}
    room = next((other for other, bits in there.items() if bits >= need), None)
    best = max(there, key=lambda other: there[other])
    cure = f"the smallest board that could is {room}" if room else f"no listed board can ({best}: {_size(there[best])})"
    bram = _size(bram_bits(board))
    raise VolleyError(
        f"network {name!r} does not fit board {board.name}: memory needs {_size(need)} ({parts}; most in layer "
        f"{largest.layer!r}), the part holds at most {_size(have)} (BRAM {bram}, the rest in LUTs); {cure}"
    )


def boards() -> list[Board]:
    """Listed boards, the smallest part first."""
    return sorted((load_board(name) for name in board_names()), key=lambda b: (b.budget.lut, bram_bits(b)))


def fits(cost: Cost | None, board: Board, fill: float) -> bool:
    """Is there a plan (of that cost), and does it keep to the share `fill` of the LUTs of `board`?"""
    return cost is not None and not overflows(*_cells(cost, board, fill))


def _cells(cost: Cost, board: Board, fill: float) -> tuple[dict[str, float], dict[str, float]]:
    """(used, what a plan may use), by kind of cell."""
    budget = board.budget
    logic, room = ("LUT + FF", cost.lut + cost.ff) if board.family in SINGLE else ("LUT", cost.lut), fill * budget.lut
    used = {logic[0]: logic[1], "FF": cost.ff, "BRAM": budget.brams(cost.bram)}
    return used, {logic[0]: room, "FF": budget.ff, "BRAM": budget.bram}


def refusal(name: str, board: Board, cost: Cost | None, fill: float, would: Callable[[Board], bool]) -> VolleyError:
    """Why the slowest plan does not fit. cost: of that plan, None where there is no plan. would: does another board
    take the network? It is asked of listed boards, the smallest first."""
    what = f"network {name!r} does not fit board {board.name}"
    if cost is None:
        return VolleyError(f"{what}: a frame would take more than 2^34 cycles; use fewer time steps or smaller maps")
    over = overflows(*_cells(cost, board, fill))
    other = next((b.name for b in boards() if b.name != board.name and would(b)), None)
    cure = f"the smallest board that would do is {other}" if other else "no listed board would do"
    share = f"; a plan takes at most {100 * fill:.0f} % of the LUTs" if over[0].startswith("LUT") else ""
    return VolleyError(f"{what} at any folding: {', '.join(over)}{share}; {cure}")


def _size(bits: float) -> str:
    return f"{bits / 1e6:,.1f} Mbit" if bits >= 1e6 else f"{bits / 1e3:,.1f} kbit"
