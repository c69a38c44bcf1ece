# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Which cells a memory becomes, against yosys: a sweep over sizes, the borders between registers, LUTs and block RAM in
it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyflow.backends.yosys import Cells, area_of, synthesise
from pyflow.cores.base import Reads
from pyflow.cores.cells import rom_blocks
from pyflow.cores.rams import built
from pyflow.cores.synapse import KINDS
from pyflow.planning.board import load_board
from pyflow.planning.memories import Memory
from pyflow.sources import blackboxes, design_sources, needed_by

BOARDS = {"xc7": "pynq-z2", "ecp5": "ulx3s-85f", "ice40": "icebreaker"}
IN_LUTS = ("RAM32M", "RAM64M", "TRELLIS_DPR16X4")
# (width, depth) -> (block RAMs, RAM cells made of LUTs) of each family; registers where both are 0.
SWEEP = {
    (1, 8): ((0, 1), (0, 1), (0, 0)),
    (2, 3): ((0, 1), (0, 0), (0, 0)),
    (1, 4): ((0, 0), (0, 0), (0, 0)),
    (1, 5): ((0, 1), (0, 0), (0, 0)),
    (1, 32): ((0, 1), (0, 2), (0, 0)),
    (2, 32): ((0, 1), (0, 2), (0, 0)),
    (6, 32): ((0, 1), (0, 4), (1, 0)),
    (7, 32): ((0, 2), (0, 4), (1, 0)),
    (3, 64): ((0, 1), (0, 4), (1, 0)),
    (4, 64): ((0, 2), (0, 4), (1, 0)),
    (9, 100): ((0, 6), (0, 21), (1, 0)),
    (20, 128): ((0, 14), (1, 0), (2, 0)),
    (13, 256): ((0.5, 0), (1, 0), (1, 0)),
    (36, 256): ((0.5, 0), (1, 0), (3, 0)),
    (36, 512): ((0.5, 0), (1, 0), (5, 0)),
    (18, 600): ((0.5, 0), (1, 0), (4, 0)),
    (40, 300): ((1, 0), (2, 0), (5, 0)),
    (72, 512): ((1, 0), (2, 0), (9, 0)),
    (9, 2048): ((0.5, 0), (1, 0), (5, 0)),
    (12, 1024): ((0.5, 0), (1, 0), (3, 0)),
    (9, 5000): ((1.5, 0), (3, 0), (12, 0)),
    (5, 200): ((0, 8), (0, 26), (1, 0)),
    (8, 300): ((0, 15), (1, 0), (1, 0)),
    (2, 400): ((0, 7), (0, 25), (1, 0)),
    (16, 96): ((0, 9), (0, 24), (1, 0)),
    (64, 64): ((0, 22), (2, 0), (4, 0)),
    (24, 192): ((0.5, 0), (1, 0), (2, 0)),
    (9, 8192): ((2, 0), (4, 0), (18, 0)),
    (12, 17): ((0, 2), (0, 6), (1, 0)),
    (12, 160): ((0, 10), (1, 0), (1, 0)),
    (28, 100): ((0.5, 0), (1, 0), (2, 0)),
    (37, 64): ((0, 13), (0, 40), (3, 0)),
    (37, 65): ((0, 21), (2, 0), (3, 0)),
    (37, 100): ((0, 26), (2, 0), (3, 0)),
    (3, 1500): ((0.5, 0), (1, 0), (2, 0)),
    (10, 1500): ((1, 0), (2, 0), (4, 0)),
    (45, 48): ((0, 15), (0, 36), (3, 0)),
    (50, 20): ((0, 9), (0, 26), (4, 0)),
    (100, 9): ((0, 17), (0, 25), (7, 0)),
    (6, 500): ((0.5, 0), (1, 0), (1, 0)),
    (19, 513): ((1, 0), (2, 0), (4, 0)),
    (27, 513): ((1, 0), (2, 0), (6, 0)),
    (28, 512): ((0.5, 0), (1, 0), (4, 0)),
    (11, 3000): ((1.5, 0), (3, 0), (9, 0)),
}


def counted(width: int, depth: int, family: str) -> tuple[float, int]:
    way = built(width, depth, family)
    brams = load_board(BOARDS[family]).budget.brams(way.bram36)
    return round(brams, 9), way.cells if way.macro and way.macro.luts else 0


@pytest.mark.parametrize("family", BOARDS)
def test_a_memory_becomes_what_yosys_makes_of_it(family: str) -> None:
    """The measurement is repeated in `make test-long`."""
    measured = {shape: cells[list(BOARDS).index(family)] for shape, cells in SWEEP.items()}
    assert {shape: counted(*shape, family) for shape in SWEEP} == measured


def rams(folder: Path, family: str) -> dict[tuple[int, int], Cells]:
    """Cells of a volley_ram of each size, all in one synthesis."""
    ports, instances = ["input wire clk"], []
    for i, (width, depth) in enumerate(SWEEP):
        address = f"[{(depth - 1).bit_length() - 1}:0]"
        ports += [f"input wire we{i}, re{i}", f"input wire {address} waddr{i}, raddr{i}"]
        ports += [f"input wire [{width - 1}:0] wdata{i}", f"output wire [{width - 1}:0] rdata{i}"]
        pins = ", ".join(f".{pin}({pin}{i})" for pin in ("we", "waddr", "wdata", "re", "raddr", "rdata"))
        instances.append(f"volley_ram #(.DATA_W({width}), .DEPTH({depth})) u{i} (.clk, {pins});")
    top = folder / "rams.sv"
    top.write_text(f"module rams ({', '.join(ports)});\n" + "\n".join(instances) + "\nendmodule\n")
    sources = [*blackboxes(family), *needed_by("volley_ram", design_sources(family)), top]
    groups = {f"u{i}": [f"u{i}"] for i in range(len(SWEEP))}
    cells, _ = synthesise(sources, "rams", family, groups=groups)
    return {shape: cells[f"u{i}"] for i, shape in enumerate(SWEEP)}


@pytest.mark.long
@pytest.mark.parametrize("family", BOARDS)
def test_the_sweep_is_still_what_yosys_makes(family: str, tmp_path: Path) -> None:
    found = rams(tmp_path, family)
    measured = {shape: cells[list(BOARDS).index(family)] for shape, cells in SWEEP.items()}
    for shape, cells in found.items():
        assert (area_of(cells, family).bram, sum(cells.get(kind, 0) for kind in IN_LUTS)) == measured[shape], shape


def test_roms_share_a_block_between_two_reads_where_it_has_two_ports() -> None:
    ways = {family: built(18, 512, family, block=True, rom=True, reads=2) for family in BOARDS}
    assert {family: way.cells for family, way in ways.items()} == {"xc7": 1, "ecp5": 1, "ice40": 6}


CONSTANT = 40  # columns of the ROM below


def rom() -> Memory:
    """Rows of 20 fields of 3 and 20 of 5 bits, in turn, with columns of ones and of zeros."""
    values = np.random.default_rng(5).integers(0, 256, (64, 20))
    values[:, 5:] &= 0b0111_1110  # a column of either kind of field is 0, fifteen times
    values[:, 5:15] |= 0b0000_0010  # one of the first kind is 1, ten times
    rows = np.stack([values & 7, values >> 3], axis=-1).reshape(64, 40)
    rows[:, 1::2] -= (rows[:, 1::2] > 15) * 32  # two's complement
    return Memory("rom", Reads(160, 64, "block"), (3, 5), lambda: rows)


def test_columns_of_a_rom_that_are_the_same_in_all_rows_are_counted() -> None:
    assert rom().seen == Reads(160, 64, "block", columns=160 - CONSTANT)
    assert rom().seen.rom == 160 - CONSTANT
    other = Memory("ram", Reads(160, 64, "writable"), (3, 5), lambda: rom().rows)
    assert other.seen.rom == 160


@pytest.mark.long
@pytest.mark.parametrize("family", BOARDS)
def test_synthesis_drops_just_those_columns(family: str, tmp_path: Path) -> None:
    fields = rom().rows & np.array([7, 31] * 20)
    words = [sum(int(v) << (8 * (i // 2) + 3 * (i % 2)) for i, v in enumerate(row)) for row in fields]
    image = tmp_path / "rom.mem"
    image.write_text("".join(f"{word:040x}\n" for word in words))
    core = "volley_weight_source"
    sources = [*blackboxes(family), *needed_by(core, design_sources(family))]
    parameters: dict[str, int | str] = {
        "WIDTH": 160,
        "DEPTH": 64,
        "KIND": KINDS.index("block"),
        "INIT_FILE": '"rom.mem"',
    }
    area = area_of(synthesise(sources, core, family, parameters=parameters, images=[image])[0][core], family)
    blocks = {
        columns: load_board(BOARDS[family]).budget.brams(rom_blocks(columns, 64, family)) for columns in (120, 160)
    }
    assert area.bram == blocks[120] < blocks[160]
