# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Which simulator a build makes, and when."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import pyflow
from pyflow import zoo
from pyflow.backends.verilator import BUILT, QUICK
from pyflow.build import Build


class Recorder:
    """Stands in for Verilator: `made` lists (trace, quick) of what was built."""

    def __init__(self) -> None:
        self.made: list[tuple[str, bool]] = []

    def build(self, *, trace: str, quick: bool) -> Path:
        self.made.append((trace, quick))
        return Path(f"{trace}-{quick}")


@pytest.mark.parametrize(
    ("cycles", "made"),
    [
        ([QUICK, BUILT], [("", True)]),  # the second run is long for a new build, and not for one that is there
        ([BUILT], [("", False)]),
        ([QUICK, BUILT + 1, 1], [("", True), ("", False)]),
        ([math.inf, 1], [("", False)]),
    ],
)
def test_a_quick_simulator_is_kept_for_longer_runs(
    cycles: list[float], made: list[tuple[str, bool]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    monkeypatch.setattr(Build, "_simulator", lambda _: recorder)
    build = pyflow.compile(zoo.load("digits"), out_dir=tmp_path / "out")
    for each in cycles:
        assert build.simulator(cycles=each) == Path(f"-{recorder.made[-1][1]}")
    assert recorder.made == made
