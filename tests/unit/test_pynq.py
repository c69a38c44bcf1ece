# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The runtime on a Zynq: PYNQ's overlay and DMA, its old Python, one process at a time."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pyflow import zoo
from pyflow.build import compile
from pyflow.runtime import DeviceError, Fault, pynq
from pyflow.runtime.pynq import PynqLink

# Modules of Python that pyflow.runtime may import.
STANDARD = {
    "__future__", "argparse", "contextlib", "dataclasses", "errno", "fcntl", "functools", "importlib", "io", "json",
    "lzma", "math", "os", "pathlib", "signal", "stat", "struct", "subprocess", "sys", "threading", "time", "types",
    "typing", "warnings", "zipfile", "zlib",
}  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile(zoo.load("digits"), "icebreaker", tmp_path_factory.mktemp("digits")).folder / "host"


@pytest.fixture
def host(built: Path, tmp_path: Path) -> Path:
    """host/ of a build, to be damaged."""
    return Path(shutil.copytree(built, tmp_path / "host"))


PYNQ = '''
import json
import os
import numpy as np
from pyflow import registers as r

def allocate(shape, dtype):
    return np.zeros(shape, dtype)

class Channel:
    def __init__(self, move):
        self.move, self.idle = move, False
    def start(self):
        self.idle = False
    def transfer(self, buffer):
        self.buffer = buffer
        self.idle = False
        self.move()
    def wait(self):
        assert self.idle

class Overlay:
    """The accelerator, and a DMA that moves at once."""
    def __init__(self, path, download):
        assert path.endswith(".bit") and not download
        open("loaded", "a").close()
        known, self.files = np.load("vectors.npz"), json.load(open("device.json"))
        self.answers = {f.tobytes(): l for f, l in zip(known["frames"], known["logits"])}
        self.dma = self.volley = self
        self.sendchannel, self.recvchannel = Channel(self.send), Channel(self.receive)
        self.waiting, self.number = [], 0
    def is_loaded(self):
        return os.path.getsize("loaded") > 0
    def download(self):
        with open("loaded", "a") as f:
            f.write("x")
    def send(self):
        trailer = int(self.files["checksum"], 16) << 16 | self.number & 0xFF
        self.waiting.append([*self.answers[self.sendchannel.buffer.tobytes()], trailer])
        self.number += 1
        self.sendchannel.idle = True
        self.receive()
    def receive(self):
        if self.waiting and not self.recvchannel.idle:
            words = np.array(self.waiting.pop(0), np.int64).astype(np.uint32)
            self.recvchannel.buffer[:len(words)] = words
            self.length, self.recvchannel.idle = 4 * len(words), True
    def read(self, address):  # of the registers and of the DMA, which overlap nowhere that matters here
        return {r.ID: r.ID_VALUE_RESET if self.known else 1,
                r.VERSION: r.VERSION_MAJOR_RESET << 16 if self.known else 0,
                r.STRUCTURE: int(self.files["structure"], 16), r.WEIGHTS: int(self.files["checksum"], 16),
                0x34: 0, 0x30: 1, 0x58: getattr(self, "length", 0)}.get(address, 0)
    def write(self, address, value):
        self.number = 0
    known = True
'''


def test_on_a_board_with_pynq_and_python_38(host: Path) -> None:
    """The folder host/ alone, copied to a board, under the oldest Python that there may be."""
    (host / "icebreaker.bit").touch()
    stub = PYNQ.replace("self.dma = self.volley = self", "self.dma, self.volley = Dma(self), self")
    stub += """
class Dma:
    def __init__(self, overlay):
        self.overlay, self.sendchannel, self.recvchannel = overlay, None, None
    def __getattribute__(self, name):
        if name in ("sendchannel", "recvchannel"):
            return getattr(object.__getattribute__(self, "overlay"), name)
        return object.__getattribute__(self, name)
    def read(self, address):
        return self.overlay.length if address == 0x58 else 0
    def write(self, address, value):
        assert (address, value) == (0, 4)
"""
    (host / "pynq.py").write_text(stub)
    python = _python38() or sys.executable
    command = [python, "-m", "pyflow.runtime", "self-test", "--device", "pynq"]
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    run = subprocess.run(command, cwd=host, capture_output=True, text=True, env=env, check=False)
    assert run.returncode == 2
    assert "icebreaker.hwh: not there; copy the .bit and the .hwh" in run.stderr
    (host / "icebreaker.hwh").touch()
    run = subprocess.run(command, cwd=host, capture_output=True, text=True, env=env, check=False)
    assert run.stdout == "self-test passed: digits on icebreaker, 8 frames, every logit equal\n", run.stderr
    run = subprocess.run(command, cwd=host, capture_output=True, text=True, env=env, check=False)
    assert run.returncode == 0, "loaded once: weights in memories stay"
    assert (host / "loaded").read_text() == "x", "loaded once: weights in memories stay"
    for broken, message in [
        ('raise RuntimeError("No Devices")', "icebreaker.bit: cannot be loaded (No Devices); run this as root"),
        ("self.recvchannel = 1", "icebreaker.hwh: describes no accelerator behind a DMA ("),
    ]:
        loads = '        open("loaded", "a").close()\n'
        (host / "pynq.py").write_text(stub.replace(loads, f"        {broken}\n        return\n"))
        run = subprocess.run(command, cwd=host, capture_output=True, text=True, env=env, check=False)
        assert run.returncode == 2, run.stderr
        assert message in run.stderr, run.stderr
        assert run.stderr.count("\n") == 1, run.stderr


def test_buffers_are_given_back_behind_a_reset_of_the_dma() -> None:
    """Where a frame is still under way: the DMA would write its answer into memory of somebody else."""
    said: list[str] = []

    class Buffer(np.ndarray):
        def freebuffer(self) -> None:
            said.append("free")

    def allocate(shape: tuple[int, ...], dtype: type) -> np.ndarray:
        return np.zeros(shape, dtype).view(Buffer)

    class Dma:
        idle = False
        sendchannel = recvchannel = property(lambda self: self)

        def read(self, offset: int) -> int:
            return 0

        def write(self, offset: int, value: int) -> None:
            said.append("reset")

        def transfer(self, buffer: np.ndarray) -> None: ...

        def start(self) -> None: ...

    link = PynqLink(SimpleNamespace(dma=Dma(), volley=None), allocate, timeout_s=0.01)
    with pytest.raises(Fault, match=r"DMA time-out: frame 0 does not go in for 0.01 s"):
        next(iter(link.exchange(np.zeros((2, 8), np.uint8), 3)))
    link.close()
    assert said == ["reset", *["free"] * 4]
    link.close()
    assert len(said) == 5


def test_one_process_has_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pynq, "LOCK", str(tmp_path / "lock"))
    first = pynq._only_process()
    with pytest.raises(DeviceError, match="pynq: in use by another process; close it"):
        pynq._only_process()
    first.close()
    pynq._only_process().close()


def _python38() -> str | None:
    """A Python 3.8 with numpy, where this machine has one."""
    found = shutil.which("python3.8")
    fits = found and not subprocess.run([found, "-c", "import numpy"], capture_output=True, check=False).returncode
    return found if fits else None


def test_what_goes_to_a_board_is_python_38(built: Path) -> None:
    sources = sorted((built / "pyflow").rglob("*.py"))
    assert {"device.py", "frames.py", "pynq.py", "serial.py", "registers.py"} <= {path.name for path in sources}
    for path in sources:
        tree = ast.parse(path.read_text(), feature_version=(3, 8))
        imported = {
            name.split(".")[0]
            for node in ast.walk(tree)
            for name in (
                [alias.name for alias in node.names] if isinstance(node, ast.Import)
                else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            )
        }  # fmt: skip
        assert imported <= {*STANDARD, "numpy", "pyflow", "pynq", "serial"}, path
