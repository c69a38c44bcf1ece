# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Runs side by side, stopped and killed at random: those that are left alone are right, the others leave nothing.

All in a folder whose name no tool likes, with folders and the cache shared.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import numpy as np
import pytest

import pyflow
from pyflow.backends.cache import is_sound
from pyflow.errors import VolleyError
from pyflow.graph import Network

REPO = Path(__file__).resolve().parents[2]
TAG = "VOLLEY_TEST_RUN"  # in the environment of a run and of all that it starts
FRAMES = 16


def small_network(folder: Path, number: int) -> tuple[Network, np.ndarray]:
    """A network of its own structure, saved as net<number>.vly, with images.npz beside it."""
    from torch import manual_seed, nn

    manual_seed(number)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2 + number), nn.ReLU(), nn.Linear(2 + number, 3))
    x = np.random.default_rng(0).random((FRAMES, 1, 4, 4)).astype(np.float32)
    network = pyflow.convert(model, x, timesteps=2, name=f"net{number}")
    network.save(folder / f"net{number}.vly")
    np.savez(folder / "images.npz", x=x, y=np.arange(FRAMES) % 3)
    return network, x


@dataclass
class Run:
    """A command under way. logs are in files: a pipe would be held open by what it leaves running."""

    folder: Path
    name: str
    options: list[str]
    process: subprocess.Popen[bytes] = field(init=False)
    log: IO[bytes] = field(init=False)
    sent: signal.Signals | None = None

    def __post_init__(self) -> None:
        self.log = (self.folder / f"{self.name}.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pyflow", "simulate", "--data", "images.npz", "--logits", f"{self.name}.npy",
             *self.options],
            cwd=self.folder, stdout=self.log, stderr=subprocess.STDOUT,
            env=os.environ | {TAG: self.name, "PYTHONPATH": str(REPO), "VOLLEY_CACHE": str(self.folder / "my cache")},
        )  # fmt: skip

    def send(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            self.sent = number
            self.process.send_signal(number)

    def end(self, timeout_s: float = 900) -> int:
        status = self.process.wait(timeout_s)
        self.log.close()
        return status

    @property
    def said(self) -> str:
        return (self.folder / f"{self.name}.log").read_text()

    @property
    def logits(self) -> np.ndarray:
        return np.load(self.folder / f"{self.name}.npy")

    def running(self) -> list[str]:
        """Command lines of the processes that it started and that are not its guardian."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if f"{TAG}={self.name}\0".encode() in (entry / "environ").read_bytes() + b"\0":
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if command and int(entry.name) != self.process.pid and "groups = set()" not in command:
                        found.append(command)
            except (OSError, ValueError):
                continue
        return found

    def nothing_runs(self, within_s: float) -> bool:
        end = time.monotonic() + within_s
        while self.running() and time.monotonic() < end:
            time.sleep(0.1)
        return not self.running()


def until(run: Run, condition: Callable[[], bool], timeout_s: float = 300) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert run.process.poll() is None, run.said
        assert time.monotonic() < end, run.said
        time.sleep(0.2)  # each look reads all of /proc


def compiles(run: Run) -> bool:
    return any("cc1plus" in command or "g++" in command for command in run.running())


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    folder = tmp_path / "my $clone (ü) it's #1"
    folder.mkdir()
    return folder


def left_over(folder: Path) -> list[str]:
    """What only a run under way may have in the cache and in the folders."""
    return sorted(
        p.name for p in folder.rglob("*") if p.suffix in (".work", ".lock") or p.name.startswith((".volley-",))
    )


def test_stopped_runs_disturb_no_other(odd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four runs on one OUT: stopped in the build, of another network, of the same one, killed; then a damaged cache."""
    (network, x), _ = small_network(odd, 1), small_network(odd, 2)
    options = ["--out", "my out"]
    first = Run(odd, "first", ["--net", "net1.vly", *options])
    until(first, lambda: compiles(first))
    other = Run(odd, "other", ["--net", "net2.vly", *options])
    same = Run(odd, "same", ["--net", "net1.vly", *options])
    assert other.end() == 2
    assert "in use by pid" in other.said
    assert "another network" in other.said
    assert other.said.count("\n") <= 12
    until(same, lambda: "waiting for pid" in same.said)
    first.send(signal.SIGTERM)
    assert first.end() == 143
    assert first.nothing_runs(within_s=1)
    assert first.said.endswith("pyflow simulate: terminated\n")
    until(same, lambda: compiles(same))
    same.send(signal.SIGKILL)
    same.end()
    assert same.nothing_runs(within_s=60)
    assert not [p for p in (odd / "my cache" / "net").iterdir() if p.suffix not in (".work", ".lock")]

    last = Run(odd, "last", ["--net", "net1.vly", *options])
    assert last.end() == 0, last.said
    assert (last.logits == network.run(x)).all()
    assert left_over(odd) == []
    after = Run(odd, "after", ["--net", "net2.vly", *options])
    assert after.end() == 2
    assert "holds network 'net1', this run is of 'net2'" in after.said

    # Other weights than the build's are no mismatch of the hardware.
    monkeypatch.setenv("VOLLEY_CACHE", str(odd / "my cache"))
    build = pyflow.compile(network, out_dir=odd / "my out")
    assert (build.simulate(x).logits == network.run(x)).all()
    with pytest.raises(VolleyError, match=r"weights of checksum .* belongs to other weights"):
        replace(build, emitted=replace(build.emitted, checksum=build.emitted.checksum ^ 1)).simulate(x)
    # A full disk while simulating: one line that names the file.
    shutil.rmtree(odd / "my out" / "sim")
    (odd / "my out" / "sim").mkdir()
    (odd / "my out" / "sim" / "results.bin").symlink_to("/dev/full")
    with pytest.raises(VolleyError, match=r"cannot write .*results.bin: No space left on device"):
        build.simulate(x)


@pytest.mark.long
def test_twenty_runs_over_four_networks(odd: Path) -> None:
    """SIGTERM and SIGKILL at random; own folders and one shared by all networks."""
    seed = int(os.environ.get("SEED") or time.time_ns() % 100_000)
    print(f"SEED={seed}")
    rng = random.Random(seed)
    networks = {number: small_network(odd, number) for number in (1, 2, 3, 4)}
    runs: list[Run] = []
    due: list[tuple[float, int, signal.Signals]] = []
    numbers = [1 + n % 4 for n in range(20)]
    rng.shuffle(numbers)
    began = time.monotonic()
    for n, number in enumerate(numbers):
        shared = ["--out", "shared by all"] if rng.random() < 0.25 else []
        runs.append(Run(odd, f"run{n}-net{number}", ["--net", f"net{number}.vly", *shared]))
        fate = rng.choice([None, None, signal.SIGTERM, signal.SIGKILL])
        if fate:
            due.append((time.monotonic() - began + rng.uniform(1, 90), n, fate))
        time.sleep(rng.uniform(0, 1))
    for when, n, fate in sorted(due):
        time.sleep(max(0.0, began + when - time.monotonic()))
        runs[n].send(fate)
        if runs[n].sent:
            runs[n].end()
            assert runs[n].nothing_runs(within_s=2 if fate == signal.SIGTERM else 60), runs[n].running()
    right = refused = stopped = 0
    for run, number in zip(runs, numbers, strict=True):
        status = run.process.wait(1800)
        network, x = networks[number]
        if status == 0:
            assert (run.logits == network.run(x)).all(), run.name
            right += 1
        elif status == 2:
            line = run.said.splitlines()[-1]
            assert "--out" in run.options, run.said
            assert "in use by" in line or "holds network" in line, run.said
            refused += 1
        else:  # a signal that comes before Python's own start ends it as any program
            assert run.sent, (status, run.said)
            assert status in (128 + run.sent, -run.sent), (status, run.said)
            stopped += 1
        assert run.nothing_runs(within_s=60), run.running()
    print(f"{right} right, {refused} refused, {stopped} stopped or killed")
    assert right
    assert right + refused + stopped == 20

    for number, (network, x) in networks.items():  # the next runs are right, and clear what the killed ones left
        again = Run(odd, f"again{number}", ["--net", f"net{number}.vly"])
        assert again.end() == 0, again.said
        assert (again.logits == network.run(x)).all()
    assert left_over(odd / "my cache") == []
    assert left_over(odd / "build") == []
    entries = [p for p in (odd / "my cache" / "net").iterdir() if p.suffix != ".sum"]
    assert len(entries) == 4
    assert all(map(is_sound, entries))
