# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""`make lint` is part of the regression: each of its readers is content with every module, board and network."""

import subprocess
import sys
from pathlib import Path

import pytest

from verif.harness import REPO
from verif.lint import lint, parsers
from verif.lint.builds import Build, builds
from verif.lint.vivado import waivers


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> list[Build]:
    return builds(tmp_path_factory.mktemp("builds"))


COMMANDS = {"ruff": ("ruff", "check", "."), "format": ("ruff", "format", "--check", "."), "mypy": ("mypy",)}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_python(command: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=REPO, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def test_verilator() -> None:
    assert lint.verilator() == ""


@pytest.mark.parametrize("name", lint.CHECKS)
def test_rtl(name: str, every: list[Build]) -> None:
    assert lint.CHECKS[name](every) == ""


def test_everything_is_read(every: list[Build]) -> None:
    read = {path for build in every for path in build.files}
    sources = [p for folder in ("rtl", "boards") for end in ("sv", "v") for p in (REPO / folder).rglob(f"*.{end}")]
    assert len(sources) > 60
    assert not {p.resolve() for p in sources} - {p.resolve() for p in read}
    tops = {top for build in every for top in build.tops}
    assert {p.stem for p in sources if not p.stem.endswith("_pkg") and p.stem != "cells"} <= tops


def test_every_waiver_has_a_reason() -> None:
    assert all(row["reason"] for row in waivers())
    assert all(lint.SLANG_WAIVERS.values())
    for path in (parsers.RULES, parsers.WAIVERS):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if line.startswith("waive") or (line and not line.startswith("#")):
                above = next(text for text in reversed(lines[:number]) if not text.startswith("waive"))
                assert above.startswith("# "), f"{path.name}:{number + 1}"


# ------------------------------------------------------------------ the readers read
def _one(tmp_path: Path, text: str) -> list[Build]:
    path = tmp_path / "t.sv"
    path.write_text(text)
    return [Build("t", (path,), ("t",))]


@pytest.mark.parametrize(("name", "text", "said"), [
    ("slang", "module t (input wire clk, input wire d, output logic q);\n  initial q = 1'b0;\n"
              "  always_ff @(posedge clk) q <= d;\nendmodule\n", "multiple-always-assigns"),
    ("slang", "module t (input wire d, output logic q);\n  if (1) assign q = d;\nendmodule\n", "unnamed-generate"),
    ("verible", "module t (input wire d, output logic q)\n  assign q = d;\nendmodule\n", "syntax error"),
    ("verible", "module t #(parameter int width = 1) (input wire d, output logic q);\n  assign q = d;\nendmodule\n",
     "parameter-name-style"),
    ("surelog", "module t (input wire d, output logic q);\n  absent u (.d, .q);\nendmodule\n", "absent"),
    ("surelog", "module t (input wire d, output logic q)\n  assign q = d;\nendmodule\n", "yntax"),
    ("vivado", "module t (input wire a, input wire b, output wire q);\n  assign q = a === b;\nendmodule\n",
     "case-equality"),
])  # fmt: skip
def test_a_reader_says_what_is_wrong(name: str, text: str, said: str, tmp_path: Path) -> None:
    assert said in lint.CHECKS[name](_one(tmp_path, text))


def test_surelog_reads_a_genvar_in_a_header(tmp_path: Path) -> None:
    text = (
        "`default_nettype none\nmodule t (input wire [3:0] d, output wire [3:0] q);\n"
        "  for (genvar i = 0; i < 4; i++) begin : g_bit\n    assign q[i] = d[i];\n  end\nendmodule\n"
        "`default_nettype wire\n"
    )
    assert lint.surelog(_one(tmp_path, text)) == ""
