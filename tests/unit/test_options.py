# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""One table of options makes the command line, its help, the Makefile's variables and a page of the documents."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pyflow import options
from pyflow.__main__ import main
from pyflow.jobs import COMMANDS
from pyflow.options import MODEL, OWN, PLAN, files

REPO = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_what_is_made_from_the_table_is_of_today(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == files()[path], "make docs"


def test_every_command_has_its_line() -> None:
    assert set(options.COMMANDS) == set(COMMANDS)
    assert set(OWN) <= set(COMMANDS)


@pytest.mark.parametrize("command", options.COMMANDS)
def test_the_help_has_every_option(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    said = capsys.readouterr().out
    assert {f"--{option.name}" for option in options.of(command)} <= set(re.findall(r"--[a-z-]+", said))


def test_make_hands_every_variable_on() -> None:
    given = {option.variable: "1" if option.kind is bool else f"v {option.name}" for option in (*MODEL, *PLAN)}
    command = ["make", "-n", "sim", *(f"{name}={value}" for name, value in given.items() if name != "SEED"), "FRAMES=3"]
    said = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True).stdout
    line = next(line for line in said.splitlines() if " -m pyflow sim " in line)
    for option in (*MODEL, *PLAN):
        if option.name != "seed":
            assert (f"--{option.name} 'v {option.name}'" in line) or (
                option.kind is bool and f"--{option.name}" in line
            )
    assert "--frames '3'" in line


def test_variables_of_the_makefile_are_in_the_table() -> None:
    text = (REPO / "Makefile").read_text()
    assert "include pyflow/options.mk" in text
    for name in re.findall(r"call opt,[a-z-]+,(\w+)", text):
        known = {o.variable for o in (*MODEL, *PLAN, *(x for own in OWN.values() for x in own))}
        assert name in known | {"DUT", "MUTANTS", "SEED", "SEEDS", "INPUT", "DATA_DIR", "WEIGHTS"}, name
