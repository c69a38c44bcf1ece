# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
import os
import time
from pathlib import Path

import pytest


def _data_dir(content: str) -> Path:
    """DATA_DIR; skips the test, and says that it wants `content`, where there is none."""
    name = os.environ.get("DATA_DIR")
    if not name:
        pytest.skip(f"set DATA_DIR= to a folder with {content}")
    path = Path(name).expanduser().resolve()
    if not path.is_dir():
        pytest.fail(f"DATA_DIR={name} is not a folder")
    return path


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of MNIST (idx, idx.gz or MNIST/raw); tests that need it are skipped without it."""
    return _data_dir("MNIST")


@pytest.fixture(scope="session")
def nir_dir() -> Path:
    """Folder `nir` beside DATA_DIR: graphs of the NIR paper, and lif_traces/ (its paper/01_lif)."""
    path = _data_dir("MNIST, beside which lies nir with the traces of the NIR paper").parent / "nir"
    if not path.is_dir():
        pytest.skip(f"no folder {path} with the traces of the NIR paper")
    return path


@pytest.fixture(scope="session")
def lava_dir() -> Path:
    """Folder `lava` beside DATA_DIR: mnist.net and tiny.net of Lava-DL."""
    path = _data_dir("MNIST, beside which lies lava with networks of Lava-DL").parent / "lava"
    if not path.is_dir():
        pytest.skip(f"no folder {path} with networks of Lava-DL")
    return path


class _Coverage:
    """At the end of a session: a core all of whose benches ran, and left a bin of verif/coverage.py out, fails it."""

    def __init__(self) -> None:
        self.began = time.time()
        self.benches_ran = False
        self.complaints: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.benches_ran |= report.when == "call" and report.nodeid.startswith("tests/rtl/")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.benches_ran:
            from verif.coverage import complaints, measure

            self.complaints = complaints(measure(), since=self.began)
            if self.complaints:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.complaints:
            terminalreporter.section("coverage")
            terminalreporter.write_line("\n".join(self.complaints), red=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="without tests marked slow; a simulator or synthesis fails")


@pytest.fixture(autouse=True)
def _no_simulator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.config.getoption("--fast"):
        from pyflow.backends import verilator, yosys

        def refuse(name: str, _: str) -> None:
            pytest.fail(f"{name}: `make test-fast` runs no simulator and no synthesis; mark the test slow")

        for module in (verilator, yosys):
            monkeypatch.setattr(module, "need_tool", refuse)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--fast"):
        config.option.markexpr = "not long and not slow"
    # `make test` is no parent of the makes that tests start: those would print as its sub-makes, with its variables.
    for name in ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"):
        os.environ.pop(name, None)
    if not hasattr(config, "workerinput"):  # the process that the user started, not one of xdist's
        config.pluginmanager.register(_Coverage())
    else:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # a worker has a core; threads of torch wait for each other
