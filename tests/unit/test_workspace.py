# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""One rule names the output folder of every command; one run at a time works there, and on one network."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import pyflow
from pyflow import __main__ as cli
from pyflow import workspace, zoo
from pyflow.errors import VolleyError
from pyflow.operators import Synapse
from pyflow.workspace import Design, held

REPO = Path(__file__).resolve().parents[2]
OPTIONS = {
    (): "digits",
    ("--board", "pynq-z2"): "digits",
    ("--board", "icebreaker"): "digits-icebreaker",
    ("--net", "lenet5", "--cycles", "900"): "lenet5-C900",
    ("--net", "my/my_net.py:build"): "my_net",
    ("--net", "my/my_net.py"): "my_net",
    ("--net", "my_net.py:six", "--timesteps", "2", "--weight-bits", "3"): "my_net-six-T2-W3",
    ("--net", "my_net.py:six", "--weight-bits", "3", "--timesteps", "2"): "my_net-six-T2-W3",
    ("--net", "my_net.py:build", "--finetune", "5", "--seed", "7"): "my_net-F5-S7",
    ("--net", "my_net.py:build", "--finetune", "0", "--seed", "0", "--weights", "w.pt", "--data", "d.npz"): "my_net",
    ("--time-block", "4", "--cycles", "300", "--probes", "--board", "kv260"): "digits-B4-C300-probes-kv260",
    ("--folding", "wide.json"): "digits-wide",
    ("--folding", "other/folding.json"): "digits-folding-other",
    ("--folding", "build/digits/folding.json"): "digits",
    ("--folding", "auto"): "digits",
    ("--net", "odd name$.py:My Net"): "odd_name_-my_net",
}


def options(*given: str, command: str = "compile"):
    return cli._parser().parse_args([command, *given])


@pytest.mark.parametrize("given", OPTIONS, ids=" ".join)
@pytest.mark.parametrize("command", ["sim", "compile", "simulate", "estimate", "bitstream", "report", "folder"])
def test_one_rule_for_every_command(given: tuple[str, ...], command: str) -> None:
    assert workspace.folder_of(options(*given, command=command)) == Path("build") / OPTIONS[given]


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert workspace.folder_of(options("--out", "a b")) == Path("a b")
    assert workspace.folder_of(options(command="program")) == Path("build/digits-icebreaker")
    zoo.load("digits").save(tmp_path / "saved.vly")
    assert workspace.name_of("saved.vly") == "digits"
    with pytest.raises(VolleyError, match=r"missing.vly: .*no such file"):
        workspace.name_of("missing.vly")
    assert cli.main(["folder", "--net", "my_net.py:six", "--board", "kv260"]) == 0
    assert capsys.readouterr().out == "build/my_net-six-kv260\n"
    assert pyflow.compile(zoo.load("digits"), cycles_per_frame=400).folder == tmp_path / "build" / "digits-C400"
    assert cli.main(["report", "--cycles", "400"]) == 2
    assert "build/digits-C400/report.json" in capsys.readouterr().err


def test_make_finds_the_folder_of_device(tmp_path: Path) -> None:
    said = subprocess.run(
        ["make", "-n", "device", "NET=examples/own_model/my_net.py:build", "TIMESTEPS=2", "WEIGHTS=w.safetensors"],
        cwd=REPO, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    command = re.search(r"files=\$\(.*-m pyflow (folder .*)\) &&", said)
    assert command, said
    assert "--net 'examples/own_model/my_net.py:build'" in command[1]
    assert "--timesteps '2'" in command[1]
    assert '--files "$files"' in said
    assert "--weights" not in said.split("--files")[1]


def test_make_passes_odd_names_on(tmp_path: Path) -> None:
    odd = 'a b/it\'s "x" $y #(z) ü;&'
    made = subprocess.run(
        ["make", "-n", "sim", "VENV=/tmp/my env"], cwd=REPO, env=os.environ | {"OUT": odd, "NET": odd},
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()[-1]  # fmt: skip
    arguments = subprocess.run(
        ["sh", "-c", made.replace("'/tmp/my env/bin/python'", "printf '%s\\n'", 1)],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert arguments[arguments.index("--out") + 1] == odd
    assert arguments[arguments.index("--net") + 1] == odd


# ---------------------------------------------------------------------- one run at a time
HOLD = """
import sys, time
from pathlib import Path
from pyflow.workspace import Design, held
with held(Path(sys.argv[1]), Design(sys.argv[2], sys.argv[3]), "sim"):
    print("held", flush=True)
    sys.stdin.readline()
"""


class Holder:
    """Another process that works in a folder."""

    def __init__(self, folder: Path, name: str, key: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(folder), name, key], cwd=REPO, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout
        assert self.process.stdout.readline() == "held\n"

    def end(self) -> None:
        self.process.communicate("\n", timeout=30)


@pytest.mark.slow
def test_the_same_design_waits_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "my out"
    with held(out / "inner", Design("six", "key"), "sim"):
        pass
    assert not out.exists()  # nothing was written: no trace
    other = Holder(out, "six", "key")
    began = time.monotonic()
    timer = threading.Timer(2.6, other.end)
    timer.start()
    with held(out, Design("six", "key"), "sim"):
        assert time.monotonic() - began >= 2.6
    timer.join()
    said = capsys.readouterr().err
    assert said == f"waiting for pid {other.process.pid} on {os.uname().nodename} (sim of six), which works in {out}\n"


@pytest.mark.parametrize(
    ("name", "key", "which"), [("seven", "x", "another network"), ("six", "x", "other weights or options")]
)
def test_another_design_is_refused_meanwhile(name: str, key: str, which: str, tmp_path: Path) -> None:
    other = Holder(tmp_path / "out", "six", "key")
    with pytest.raises(VolleyError) as error, held(tmp_path / "out", Design(name, key), "sim"):
        pass
    assert f"in use by pid {other.process.pid}" in str(error.value)
    assert which in str(error.value)
    assert "six" in str(error.value)
    assert f"{name!r}" in str(error.value)
    assert "OUT=" in str(error.value)
    other.process.kill()  # its lock goes with it
    other.process.communicate()
    with held(tmp_path / "out", Design(name, key), "sim"):
        pass


def test_threads_take_turns(tmp_path: Path) -> None:
    inside, most = [], []

    def work() -> None:
        with held(tmp_path / "out", Design("a", "k"), "sim"), held(tmp_path / "out", Design("a", "k"), "inner"):
            inside.append(1)
            most.append(len(inside))
            threading.Event().wait(0.05)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4


def test_a_folder_belongs_to_one_network(tmp_path: Path) -> None:
    network = zoo.load("digits")
    build = pyflow.compile(network, out_dir=tmp_path, cycles_per_frame=400)
    other = replace(network, name="other")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(VolleyError, match="holds network 'digits', this run is of 'other'; choose another folder"):
        pyflow.compile(other, out_dir=tmp_path, cycles_per_frame=400)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    # A new version of the same design replaces the old one, whose Build then says so.
    tuned = network.with_meta(note="tuned")
    pyflow.compile(tuned, out_dir=tmp_path, cycles_per_frame=400)
    with pytest.raises(VolleyError, match="has since been compiled with other weights or options"):
        build.simulate(np.zeros((1, 1, 8, 8)))
    (tmp_path / "network.vly").write_text("mine")
    with pytest.raises(VolleyError, match=r"network.vly was not written by Volley"):
        pyflow.compile(network, out_dir=tmp_path, cycles_per_frame=400)
    assert (tmp_path / "network.vly").read_text() == "mine"


def test_what_a_killed_compile_left_goes(tmp_path: Path) -> None:
    (tmp_path / ".volley-new-left" / "rtl").mkdir(parents=True)
    pyflow.compile(zoo.load("digits"), out_dir=tmp_path, cycles_per_frame=400)
    assert not list(tmp_path.glob(".*"))
    assert (tmp_path / "rtl" / "digits_net.sv").exists()


def test_equal_networks_have_equal_keys() -> None:
    network = zoo.load("digits")
    key = Design.of(network, cycles=4).key
    assert Design.of(zoo.load("digits"), cycles=4).key == key
    op = next(op for op in network.operators if isinstance(op, Synapse))
    weight = op.weight.copy()
    weight.flat[0] ^= 1
    changed = replace(network, operators=tuple(replace(op, weight=weight) if o is op else o for o in network.operators))
    others = [Design.of(n, cycles=c).key for n, c in ((network, 5), (changed, 4), (replace(network, name="x"), 4))]
    assert len({key, *others}) == 4


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_one_line(number: int, tmp_path: Path, monkeypatch, capsys) -> None:
    def flock(fd: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    assert cli.main(["compile", "--net", "digits", "--cycles", "400", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "has no locks" in said
    assert "OUT=" in said


def test_an_out_that_cannot_be_written_is_one_line(tmp_path: Path, capsys) -> None:
    for out in ("/proc/x/y", str(tmp_path / ("x" * 300))):
        assert cli.main(["compile", "--net", "digits", "--cycles", "400", "--out", out]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1, said
        assert "cannot be written" in said, said


def test_a_full_disk_is_one_line(monkeypatch, tmp_path: Path, capsys) -> None:
    real = json.dumps

    def full(*args, **kwargs):
        if "indent" in kwargs:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "folding.json"))
        return real(*args, **kwargs)

    monkeypatch.setattr("pyflow.build.json.dumps", full)
    assert cli.main(["compile", "--net", "digits", "--cycles", "400", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "No space left on device" in said
    assert not (tmp_path / "out").exists()
