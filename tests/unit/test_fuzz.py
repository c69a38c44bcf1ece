# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A sample of `make fuzz`: mutants of every file that a user hands in. And the judge itself is judged."""

from __future__ import annotations

import functools
import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from verif.fuzz import judge
from verif.fuzz.__main__ import campaign
from verif.fuzz.judge import Worker

SEED = int(os.environ.get("SEED") or 1)


@pytest.mark.slow
def test_a_sample_of_mutants(tmp_path: Path) -> None:
    rows, faults = campaign(400, SEED, [], keep=tmp_path)
    assert not faults, "\n".join(faults)
    assert len(rows) == 10 + bool(find_spec("onnx"))
    assert sum(int(str(row[1])) for row in rows) >= 400
    assert sum(int(str(row[2])) for row in rows) >= 200, "structural ones"
    assert all(row[4] for row in rows), "of every kind some are refused"


def _faulty(behaviour: str, _: object) -> int:
    match behaviour:
        case "internal error":
            print("pyflow x: internal error: KeyError: 5", file=sys.stderr)
            return 3
        case "exit status 1":
            raise KeyError(5)
        case "code executed":
            Path("PWNED").touch()
        case "memory":
            try:
                bytearray(3 << 30)
            except MemoryError:
                print("pyflow x: needs more memory than there is", file=sys.stderr)
            return 2
        case "time":
            sum(range(10**7))
        case "2 lines":
            print("one\ntwo", file=sys.stderr)
            return 2
        case "crash (-11)":
            os.kill(os.getpid(), 11)
        case "hangs":
            time.sleep(60)
    return 0


FAULTS = ["internal error", "exit status 1", "code executed", "memory", "time", "2 lines", "crash (-11)", "hangs"]


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_the_judge_sees(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "CPU_S", 0.05)
    monkeypatch.setattr(judge, "GRACE_S", 20.0)  # with the start of a process
    monkeypatch.chdir(tmp_path)
    with Worker(tmp_path, main=functools.partial(_faulty, fault)) as worker:
        found = worker.run(("x",))
    assert found.what == fault
    assert found.fault
