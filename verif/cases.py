# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The runs of the regression, by core: every call of `run_bench` that a passing test of tests/rtl makes.

Mutation and coverage take their parameter sets from here, so a core with a test has both without being
listed anywhere. `python -m verif.cases` prints them as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from pyflow.backends.cache import cached
from pyflow.backends.toolbox import digest
from verif import harness

REPO = Path(__file__).resolve().parents[1]
TESTS = REPO / "tests" / "rtl"


@dataclass(frozen=True, slots=True)
class Case:
    """Arguments of one call of `verif.harness.run_bench`."""

    dut: str
    bench: str
    parameters: dict[str, int | str]
    extra_env: dict[str, str] = field(default_factory=dict)
    defines: dict[str, int | str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    sources: list[str] | None = None
    top: str = ""

    @property
    def module(self) -> str:
        """What is simulated: the core, or what holds it."""
        return self.top or self.dut

    @property
    def source_paths(self) -> list[Path] | None:
        return None if self.sources is None else [Path(path) for path in self.sources]

    def coverage_file(self) -> Path:
        return harness.coverage_file(
            self.dut,
            self.bench,
            self.parameters,
            self.extra_env,
            self.defines,
            self.files,
            self.source_paths,
            self.top,
        )

    def __str__(self) -> str:
        values = [f"{k}={v}" for k, v in sorted((self.parameters | self.defines).items())]
        around = self.extra_env.values() if self.top else ()  # what tells one top from another
        return " ".join([self.dut, *values, *around])


def collect() -> dict[str, list[Case]]:
    """Core -> its runs, in the order of the tests. Tests marked long are left out."""
    tests = sorted(TESTS.glob("*.py"))

    def make(work: Path) -> Path:
        # Another process: this one may be a pytest session itself, with the tests imported already.
        run = subprocess.run([sys.executable, "-m", __spec__.name], cwd=REPO, capture_output=True, text=True)
        if run.returncode:
            raise RuntimeError(f"the tests of {TESTS} cannot be collected:\n{run.stdout}{run.stderr}")
        (work / "cases.json").write_text(run.stdout)
        return work / "cases.json"

    stored = cached("cases", f"{digest(str(REPO), [path.name for path in tests], *tests, Path(__file__))}.json", make)
    found: dict[str, list[Case]] = {}
    for arguments in json.loads(stored.read_text()):
        case = Case(**arguments)
        if case not in found.setdefault(case.dut, []):
            found[case.dut].append(case)
    return found


class _Recorder:
    """pytest plugin in the place of `run_bench`."""

    def __init__(self) -> None:
        self.cases: list[Case] = []
        self._calls: list[Case] = []

    def run_bench(
        self,
        dut: str,
        bench: str,
        parameters: Mapping[str, int | str],
        extra_env: Mapping[str, str] | None = None,
        defines: Mapping[str, int | str] | None = None,
        files: Mapping[str, str] | None = None,
        sources: Sequence[Path] | None = None,
        top: str = "",
    ) -> None:
        self._calls.append(
            Case(
                dut,
                bench,
                dict(parameters),
                dict(extra_env or {}),
                dict(defines or {}),
                dict(files or {}),
                None if sources is None else [str(path) for path in sources],
                top,
            )
        )

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call":
            if report.passed:  # one that waits for an error is no run of the bench
                self.cases += self._calls
            self._calls = []


def _record() -> list[Case]:
    import contextlib
    import os

    import pytest

    recorder = _Recorder()
    os.environ.pop("DUT", None)
    with mock.patch("verif.harness.run_bench", recorder.run_bench), contextlib.redirect_stdout(sys.stderr):
        # Illegal parameters run no bench but Verilator, which nobody replaces here.
        pytest.main(
            [
                str(TESTS),
                "-q",
                "--noconftest",
                "-k",
                "not illegal_parameters",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:xdist",
            ],
            plugins=[recorder],
        )
    return recorder.cases


if __name__ == "__main__":
    print(json.dumps([asdict(case) for case in _record()]))
