# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What a run starts ends with it, however it ends; what the cache gives is what was made."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pyflow
from pyflow import locks, zoo
from pyflow.backends import cache, plain_path, process, toolbox, verilator
from pyflow.errors import VolleyError

REPO = Path(__file__).resolve().parents[2]
# A program that starts another one in the background, and both sleep; as make and a compiler.
TREE = ["sh", "-c", "sleep 300 & echo $$ $!; wait"]
HOLDER = """
import sys
from pathlib import Path
from pyflow import locks, signals
from pyflow.backends import process
with signals.as_exceptions(), locks.locked(Path(sys.argv[1])):
    with process.started(["sh", "-c", "sleep 300 & echo $$ $!; wait"], stdout=1):
        {wait}
"""
WAITS = {
    "python": "import time; time.sleep(300)",
    "program": "process.call(['sleep', '300'])",
}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def gone(pids: list[int], within_s: float) -> bool:
    end = time.monotonic() + within_s
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(alive, pids))


def defaults() -> None:
    """Whoever runs the tests may ignore signals, as nohup does, and what is started takes that over."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL], ids=lambda s: s.name)
def test_a_signal_leaves_nothing_running(number: signal.Signals, wait: str, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    code = HOLDER.format(wait=WAITS[wait])
    run = subprocess.Popen(
        [sys.executable, "-c", code, str(lock)],
        cwd=REPO,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=defaults,
    )
    assert run.stdout
    assert run.stderr
    pids = [int(pid) for pid in run.stdout.readline().split()]
    assert len(pids) == 2
    assert all(map(alive, pids))
    run.send_signal(number)
    run.wait(30)
    assert gone(pids, within_s=10)
    run.stdout.close()
    run.stderr.close()
    began = time.monotonic()
    with locks.locked(lock):
        assert time.monotonic() - began < 10


def test_the_lock_lasts_as_long_as_what_was_started(tmp_path: Path) -> None:
    """A killed run's simulator may still write for a moment: nobody else may work there meanwhile."""
    code = HOLDER.format(wait=WAITS["python"]).replace("sleep 300 & echo $$ $!; wait", "echo $$ $$; exec sleep 300")
    code = code.replace("with signals", "process._GUARDIAN = 'import sys; sys.stdin.read()'\nwith signals")  # no help
    run = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "lock")], cwd=REPO, stdout=subprocess.PIPE)
    assert run.stdout
    pid = int(run.stdout.readline().split()[0])
    run.kill()
    run.wait()

    def give_up(holder: str) -> None:
        raise BlockingIOError

    assert alive(pid)
    with pytest.raises(BlockingIOError), locks.locked(tmp_path / "lock", give_up):
        pass
    os.kill(pid, signal.SIGKILL)
    assert gone([pid], within_s=10)
    with locks.locked(tmp_path / "lock"):
        pass
    run.stdout.close()


def test_what_a_program_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    status, text = process.output(["sh", "-c", "sleep 300 >/dev/null 2>&1 & echo $!; exit 3"])
    assert status == 3
    assert gone([int(text)], within_s=10)
    with pytest.raises(subprocess.TimeoutExpired):
        process.call(["sh", "-c", f"sleep 300 & echo $! >{tmp_path}/pid; wait"], timeout_s=0.5)
    assert gone([int((tmp_path / "pid").read_text())], within_s=10)


def test_a_killed_guardian_is_replaced() -> None:
    assert process.call(["true"]) == 0
    assert process._guardian
    process._guardian[1].kill()
    process._guardian[1].wait()
    assert process.call(["sh", "-c", "exit 7"]) == 7


def test_make_killed_ends_its_command(tmp_path: Path) -> None:
    """make cannot pass SIGKILL on; its command sees that nobody is there for its result."""
    code = (
        "import time\nfrom pyflow import signals\n"
        "with signals.as_exceptions():\n    print(__import__('os').getpid(), flush=True)\n    time.sleep(300)"
    )
    (tmp_path / "run.py").write_text(code)
    (tmp_path / "Makefile").write_text(f"all:\n\t@'{sys.executable}' '{tmp_path}/run.py'\n")
    make = subprocess.Popen(
        ["make", "-C", str(tmp_path), "-s"], env=os.environ | {"PYTHONPATH": str(REPO)},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert make.stdout
    pid = int(make.stdout.readline())
    make.kill()
    make.wait()
    assert gone([pid], within_s=20)
    make.stdout.close()


# ---------------------------------------------------------------------- the cache
@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VOLLEY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def program(work: Path) -> Path:
    (work / "p").write_text("#!/bin/sh\necho right\n")
    (work / "p").chmod(0o755)
    return work / "p"


def folder(work: Path) -> Path:
    (work / "made" / "sub").mkdir(parents=True)
    for name in ("a", "sub/b"):
        (work / "made" / name).write_text(name)
    return work / "made"


DAMAGES = {
    "empty": lambda p: p.write_bytes(b""),
    "cut": lambda p: p.write_bytes(p.read_bytes()[:-1]),
    "text": lambda p: p.write_text("no program"),
    "not executable": lambda p: p.chmod(0o644),
    "gone": lambda p: p.unlink(),
    "a folder": lambda p: (p.unlink(), p.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_made_again(damage: str, own_cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = cache.cached("net", "p", program)
    DAMAGES[damage](path)
    assert process.output([str(cache.cached("net", "p", program))]) == (0, "right\n")
    assert damage == "gone" or "damaged in the cache" in caplog.text
    inside = cache.cached("placed", "f", folder) / "sub" / "b"
    if damage != "not executable":  # nothing in it is a program
        DAMAGES[damage](inside)
    assert (cache.cached("placed", "f", folder) / "sub" / "b").read_text() == "sub/b"
    assert sorted(p.name for p in own_cache.rglob("*") if p.suffix in (".work", ".lock")) == []


def test_a_killed_build_publishes_nothing_and_the_next_run_clears_up(own_cache: Path) -> None:
    code = (
        "from pyflow.backends import cache, process\n"
        "def make(work):\n"
        "    (work / 'p').write_text('half')\n"
        "    process.call(['sh', '-c', f'echo $$; sleep 300; echo late >{work}/p'], cwd=work)\n"
        "    return work / 'p'\n"
        "cache.cached('net', 'p', make)"
    )
    run = subprocess.Popen([sys.executable, "-c", code], cwd=REPO, stdout=subprocess.PIPE)
    assert run.stdout
    pids = [int(run.stdout.readline())]
    busy = subprocess.Popen([sys.executable, "-c", code.replace("'p'", "'q'")], cwd=REPO, stdout=subprocess.PIPE)
    assert busy.stdout
    assert busy.stdout.readline()
    run.kill()
    run.wait()
    assert {p.name for p in (own_cache / "net").iterdir()} == {"p.work", "p.lock", "q.work", "q.lock"}
    assert gone(pids, within_s=10)
    end = time.monotonic() + 10  # what the shell started has the lock a moment longer
    while (own_cache / "net" / "p.work").exists() and time.monotonic() < end:
        cache.cached("net", "other", program)
        time.sleep(0.05)
    assert {p.name for p in (own_cache / "net").iterdir()} == {"q.work", "q.lock", "other", "other.sum"}
    busy.kill()
    busy.wait()
    assert process.output([str(cache.cached("net", "q", program))]) == (0, "right\n")
    for stream in (run.stdout, busy.stdout):
        stream.close()


def test_a_failed_build_publishes_nothing(own_cache: Path) -> None:
    def fails(work: Path) -> Path:
        (work / "p").write_text("half")
        raise VolleyError("no")

    with pytest.raises(VolleyError):
        cache.cached("net", "p", fails)
    assert list((own_cache / "net").iterdir()) == []


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written_is_one_line(own_cache: Path) -> None:
    own_cache.mkdir()
    (own_cache / "net").mkdir(mode=0o500)
    with pytest.raises(VolleyError, match=r"build cache .* set VOLLEY_CACHE"):
        cache.cached("net", "p", program)


def test_a_full_disk_under_the_cache_is_one_line(own_cache: Path) -> None:
    def full(work: Path) -> Path:
        with open("/dev/full", "w") as f:
            f.write("x")
        return work

    with pytest.raises(VolleyError, match="No space left on device; make room"):
        cache.cached("net", "p", full)


# ---------------------------------------------------------------------- why a build fails
@pytest.mark.slow
@pytest.mark.parametrize("tool", ["verilator", "g++", "make", "perl"])
def test_a_missing_tool_is_named(tool: str, own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    which = shutil.which
    monkeypatch.setattr(
        "pyflow.backends.toolbox.shutil.which", lambda name, path=None: None if name == tool else which(name, path=path)
    )
    build = pyflow.compile(zoo.load("digits"), out_dir=tmp_path / "out", cycles_per_frame=400)
    with pytest.raises(VolleyError, match=rf"^{re.escape(tool)}: program not found; (pip )?install "):
        build.simulator()


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("/usr/bin/env: ‘perl’: No such file or directory", "perl: program not found"),
        ("make: g++: No such file or directory", "g++: program not found"),
        ("/bin/sh: 1: ccache: not found", "ccache: program not found"),
        ("a.cpp:1:10: fatal error: gone.h: No such file or directory", "gone.h: No such file"),
        ("fatal error: error writing to /tmp/x.s: No space left on device", "No space left on device under "),
        ("%Error: digits_net.sv:3:1: syntax error", "%Error: digits_net.sv:3:1: syntax error"),
    ],
)
def test_the_cause_of_a_failed_build(line: str, cause: str, tmp_path: Path) -> None:
    (tmp_path / "build.log").write_text(f"verilator -f x.vc\n{line}\nmake: *** [Makefile:8: V.mk] Error 127\n")
    assert cause in verilator._cause(tmp_path / "build.log")


@pytest.mark.parametrize("name", ["plain", "with space", "it's $odd #1 (ü)"])
def test_a_build_folder_of_any_name(name: str, tmp_path: Path, own_cache: Path) -> None:
    """make refuses to work in a folder with spaces; what a build leaves there is found all the same."""
    work = tmp_path / name
    work.mkdir()
    (work / "Makefile").write_text("out: in\n\tcp $(CURDIR)/in out && chmod +x out\n")
    (work / "in").write_text("text")
    with plain_path.folder(work) as place:
        assert plain_path.is_plain(place)
        assert process.call(["make", "-s"], cwd=place) == 0
    assert (work / "out").read_text() == "text"
    assert os.access(work / "out", os.X_OK)
    assert place == work or not place.exists()


@pytest.mark.slow
def test_waiting_for_another_build_is_said(own_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own_cache / "net").mkdir(parents=True)
    code = (
        "import time\nfrom pathlib import Path\nfrom pyflow.locks import locked\n"
        f"with locked(Path({str(own_cache / 'net' / 'p.lock')!r})):\n    print(flush=True)\n    time.sleep(2.6)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=REPO, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline()
        assert cache.cached("net", "p", program).exists()
    assert capsys.readouterr().err == "waiting for another run, which makes p\n"


def test_verilator_under_a_path_with_spaces(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a virtual environment of a clone with such a path."""
    root = Path(toolbox.tool_env()["VERILATOR_ROOT"])
    odd = tmp_path / "my clone (ü)"
    shutil.copytree(root / "bin", odd / "bin")
    there = toolbox.tool_env() | {
        "VERILATOR_ROOT": str(odd),
        "PATH": os.pathsep.join([f"{odd}/bin", os.environ["PATH"]]),
    }
    monkeypatch.setattr(plain_path, "tool_env", lambda: dict(there))
    env = plain_path.environment()
    assert plain_path.is_plain(Path(env["VERILATOR_ROOT"]))
    done = subprocess.run(["sh", "-c", "verilator --version"], env=env, capture_output=True, text=True)
    assert (done.returncode, "rev" in done.stdout) == (0, True), done.stderr
