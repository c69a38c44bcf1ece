# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Proofs can fail: a planted bug is refuted, with a trace; what cannot be reached is said. `make formal` runs all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pyflow.backends.toolbox import cache_dir
from pyflow.sources import rtl_sources
from verif.formal import prove as formal
from verif.formal.prove import PROOFS, Proof, prove

REPO = Path(__file__).resolve().parents[2]
(SKID,) = [proof for proof in PROOFS if proof.cell == "volley_skid"]
ASYNC = next(proof for proof in PROOFS if proof.cell == "volley_fifo_async")


@pytest.fixture
def work() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir=cache_dir()))  # yosys has a /tmp of its own
    yield folder
    shutil.rmtree(folder)


def planted(folder: Path, old: str, new: str, cell: str = "volley_skid") -> list[Path]:
    """rtl.f's files with `new` for `old` in a copy of `cell`."""
    (original,) = [path for path in rtl_sources() if path.stem == cell]
    text = original.read_text()
    assert text.count(old) == 1
    broken = folder / original.name
    broken.write_text(text.replace(old, new))
    return [broken if path == original else path for path in rtl_sources()]


def test_a_true_cell_is_proven(work: Path) -> None:
    result = prove(SKID, folder=work)
    assert not result.failed
    assert result.method.startswith("induction, k = ")


@pytest.mark.parametrize(
    ("old", "new", "failed"),
    [
        ("skid_valid_q <= 1'b1;", "skid_valid_q <= s_axis_tlast;", "count"),  # drops a beat under stall
        ("skid_valid_q ? skid_data_q : s_axis_tdata;", "s_axis_tdata;", "unchanged"),  # another beat in its place
    ],
    ids=["drops", "mixes up"],
)
def test_a_planted_bug_is_refuted(work: Path, old: str, new: str, failed: str) -> None:
    result = prove(SKID, planted(work, old, new), work)
    assert failed in result.failed.split(", ")
    assert result.trace
    assert result.trace.stat().st_size


@pytest.mark.parametrize(
    ("cell", "old", "new", "failed"),
    [
        ("volley_fifo_async", "return number ^ (number >> 1);", "return number;", "codes"),
        ("volley_sync", "assign q = later_q[STAGES-2];", "assign q = first_q;", "settles"),  # of any instance
        ("volley_fifo_async", "wgray_q != (rgray_s ^ FULL)", "gray(wptr_q - 1'b1) != (rgray_s ^ FULL)", "no_collision"),
        ("volley_fifo_async", "      lost_q  <= 1'b1;\n", "", "resets"),  # of m, s never knows
        ("volley_fifo_async", "if (s_rst || lost_s) begin", "if (lost_s) begin", "resets"),  # of s
        ("volley_fifo_async", "    if (clear_m) begin ", "    if (1'b0) begin ", "nothing_cleared"),  # m does not clear
        ("volley_fifo_async", "if (wgray_q == '0) clear_q", "clear_q", "all_0"),  # no time for the 0 to cross
    ],
    ids=["binary", "one stage", "full too late", "m alone", "s alone", "not cleared", "no wait"],
)
def test_a_planted_bug_between_clocks_is_refuted(work: Path, cell: str, old: str, new: str, failed: str) -> None:
    """A few steps from power-up, or one from a state that nothing excludes any more."""
    result = prove(replace(ASYNC, depth=6), planted(work, old, new, cell), work)
    assert failed in {name.rsplit(".")[-1] for name in result.failed.split(", ")}
    assert result.trace
    assert result.trace.stat().st_size


def test_what_is_not_reached_fails(work: Path) -> None:
    """Otherwise assumptions that contradict each other would prove everything."""
    assert "u_track.full" in prove(replace(SKID, cover=1), folder=work).failed


def test_exit_status_and_report(work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(formal, "FOLDER", work / "formal")
    assert formal.main(["skid"]) == 0
    row = capsys.readouterr().out.splitlines()[1]
    assert row.startswith("volley_skid")
    assert row.endswith("proven")

    sources = planted(work, "skid_valid_q <= 1'b1;", "skid_valid_q <= s_axis_tlast;")
    true_sources_of = formal.sources_of
    monkeypatch.setattr(formal, "sources_of", lambda cell, given: true_sources_of(cell, sources))
    assert formal.main(["volley_skid"]) == 1
    out, err = capsys.readouterr()
    assert "FAILED" in out
    assert "1 failed" in out
    assert "volley_skid DATA_W = 4: count" in err
    trace = Path(err.split("trace: ")[1].strip())
    assert trace.suffix == ".vcd"
    assert trace.exists()

    assert formal.main(["no_such_cell"]) == 2


def test_every_harness_is_run_and_described() -> None:
    harnesses = {path.stem for path in (REPO / "verif" / "formal").glob("formal_*.sv")} - set(formal._SHARED)
    assert harnesses == {proof.harness for proof in PROOFS}
    page = (REPO / "docs" / "formal.md").read_text(encoding="utf-8")
    assert [proof.cell for proof in PROOFS if f"| `{proof.cell}` |" not in page] == []


@pytest.mark.long
@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.folder)
def test_proof(proof: Proof, work: Path) -> None:
    assert not prove(proof, folder=work).failed
