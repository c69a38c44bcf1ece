# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
from pathlib import Path

import pytest

from pyflow.errors import VolleyError
from pyflow.planning.board import FAMILIES, board_names, load_board, read_board
from pyflow.sources import share

GOOD = share("boards", "pynq-z2", "board.toml").read_text()


@pytest.mark.parametrize("name", board_names())
def test_every_board_loads_and_says_whether_it_ran(name: str) -> None:
    board = load_board(name)
    assert board.name == name
    assert board.family in FAMILIES
    assert min(board.budget.lut, board.budget.ff, board.budget.bram, board.budget.dsp) > 0
    assert "Run on hardware:" in share("boards", name, "README.md").read_text()


def test_the_promised_boards_are_there() -> None:
    assert {"pynq-z2", "kv260", "ulx3s-85f", "icebreaker"} <= set(board_names())
    assert load_board("pynq-z2").budget.lut == 53200
    ulx3s = load_board("ulx3s-85f")
    assert ulx3s.skids
    assert ulx3s.baud == 1_000_000
    assert ulx3s.clock_mhz >= 80


def test_an_unknown_board_lists_the_known_ones() -> None:
    with pytest.raises(VolleyError, match="'pynq' is unknown; known: icebreaker, kv260, pynq-z2, ulx3s-85f"):
        load_board("pynq")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title  = "TUL PYNQ-Z2"', "", "board.toml: key 'title' is missing; it is a string"),
        ("lut  = 53200", "", r"\[budget\]: key 'lut' is missing; it is an integer"),
        ("[budget]", "colour = 1\n[budget]", "board.toml: unknown key 'colour'; known: title, part"),
        ("[budget]", "[budget]\nuram = 1", r"\[budget\]: unknown key 'uram'; known: lut, ff"),
        ("lut  = 53200", 'lut = "many"', r"\[budget\]: lut = 'many' is not an integer"),
        ("lut  = 53200", "lut = true", r"\[budget\]: lut = True is not an integer"),
        ("lut  = 53200", "lut = -1", "lut = -1 is not an integer from 0 on"),
        ("clock_mhz      = 100", 'clock_mhz = "fast"', "clock_mhz = 'fast' is not a number above 0"),
        ("clock_mhz      = 100", "clock_mhz = 0", "clock_mhz = 0 is not a number above 0"),
        ("clock_mhz      = 100", "clock_mhz = nan", "clock_mhz = nan is not a number above 0"),
        ('family = "xc7"', 'family = "xc9"', "family = 'xc9' is unknown; use one of xc7, xcup, ecp5, ice40"),
        ('flow   = "vivado"', 'flow = "ise"', "flow = 'ise' is unknown; use one of vivado, nextpnr"),
        ("[budget]", "skids = 1\n[budget]", "skids = 1 is not true or false"),
        ("[budget]", "[budget", "board.toml: not valid TOML"),
        ("[budget]", "budget = 5\n[other]", "board.toml: unknown key 'other'"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    path = tmp_path / "board.toml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(VolleyError, match=message) as caught:
        read_board(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_budget_that_is_no_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    path.write_text(GOOD.split("[budget]")[0] + "budget = 5\n")
    with pytest.raises(VolleyError, match=r"budget = 5 is not a table \[budget\]"):
        read_board(path)


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VolleyError, match="no such file"):
        read_board(tmp_path / "board.toml")
    (tmp_path / "board.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(VolleyError, match="not valid TOML"):
        read_board(tmp_path / "board.toml")
