# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The compiled recurrences give the times of those in Python. Without a compiler, and for other kinds, those in
Python run."""

from __future__ import annotations

import functools
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyflow import zoo
from pyflow.conversion import convert
from pyflow.cores import compiled
from pyflow.cores.recurrence import Recurrence
from pyflow.graph import Network
from pyflow.planning.board import load_board
from pyflow.planning.buffers import branch_fifos
from pyflow.planning.lowering import build_netlist
from pyflow.planning.netlist import Netlist
from pyflow.planning.planner import plan
from pyflow.planning.schedule import Schedule, predict
from tests.flow.random_graphs import random_graph
from tests.flow.random_models import random_folding, random_network
from tests.unit.branches import random_model

BOARD = load_board("pynq-z2")


@pytest.fixture(autouse=True)
def _needs_a_compiler() -> None:
    if compiled._library() is None:
        pytest.skip("no C++ compiler")


def both(netlist: Netlist, monkeypatch: pytest.MonkeyPatch) -> tuple[Schedule, Schedule, set[str]]:
    """(compiled, in Python, kinds of recurrences that ran compiled)."""
    kinds: set[str] = set()
    run = compiled.run

    def seen(cores: list[Recurrence], *args: Any) -> bool | None:
        done = run(cores, *args)
        kinds.update(type(core).__name__ for core in cores if done)
        return done

    monkeypatch.setattr(compiled, "run", seen)
    fast = predict(netlist)
    monkeypatch.setattr(compiled, "run", lambda *_: None)
    slow = predict(netlist)
    monkeypatch.setattr(compiled, "run", run)
    return fast, slow, kinds


def branching(seed: int) -> Netlist:
    images = np.random.default_rng(seed).random((8, 2, 8, 6)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = convert(random_model(seed), images)
    return plan(network, BOARD, cycles_per_frame=400).netlist


def folded(seed: int, axes: int) -> Netlist:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network, _ = random_network(seed, axes)
    return plan(network, BOARD, folding=random_folding(network, seed)).netlist


CASES: dict[str, Callable[[], Netlist]] = {
    **{f"branching {n}": functools.partial(branching, n) for n in range(6)},
    **{f"images {n}": functools.partial(folded, n, 2) for n in range(12)},
    **{f"sequences {n}": functools.partial(folded, n, 1) for n in range(4)},
    **{f"over time {n}": functools.partial(lambda n: plan(random_graph(n)[0], BOARD).netlist, n) for n in range(8)},
    "lenet5": lambda: plan(zoo.load("lenet5"), BOARD).netlist,
}


@pytest.mark.parametrize("case", CASES)
def test_the_times_are_the_same(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fast, slow, _ = both(CASES[case](), monkeypatch)
    assert fast == slow


def test_every_compiled_kind_has_run(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = set(compiled.KINDS) - {"Register"}  # which stands in an array that skips zeros alone
    for make in reversed(CASES.values()):
        if missing:
            missing -= both(make(), monkeypatch)[2]
    assert not missing


def test_what_a_stuck_schedule_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A branch with no room for what its join waits for never ends, and the stream is named."""
    images = np.random.default_rng(0).random((8, 2, 8, 6)).astype(np.float32)
    network = convert(random_model(0), images)
    foldings = plan(network, BOARD).netlist.foldings
    short = build_netlist(network, foldings, dict.fromkeys(branch_fifos(network, foldings), 2))
    said = []
    for run in (compiled.run, lambda *_: None):
        monkeypatch.setattr(compiled, "run", run)
        try:
            said.append(repr(predict(short)))
        except RuntimeError as e:
            said.append(str(e))
    assert said[0] == said[1]


@pytest.mark.parametrize("compiler", ["", "false"])
def test_without_a_compiler_that_works(
    compiler: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    netlist = plan(zoo.load("digits"), BOARD).netlist
    want = predict(netlist)
    monkeypatch.setenv("VOLLEY_CACHE", str(tmp_path))
    monkeypatch.setenv("CXX", compiler)
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr(compiled, "_library", functools.cache(compiled._library.__wrapped__))
    with caplog.at_level("INFO"):
        assert predict(netlist) == want
    assert "takes longer" in caplog.text
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_source_has_no_warnings(tmp_path: Path) -> None:
    strict = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only")
    subprocess.run(["g++", *compiled.FLAGS, *strict, str(compiled.SOURCE)], check=True, cwd=tmp_path)


def test_networks_that_are_predicted_frame_by_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the frames given, too: where a layer skips zeros the recurrences in Python run."""
    network: Network = zoo.load("digits")
    given = plan(network, BOARD).folding_json()
    given["layers"]["fc"] |= {"pe": 2, "events": 2, "tp": 0, "body": "mult", "window_depth": 0}
    netlist = plan(network, BOARD, folding=given).netlist
    fast, slow, kinds = both(netlist, monkeypatch)
    assert fast == slow
    assert not kinds
