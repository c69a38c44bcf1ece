# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What the command line makes of a mutant: accepted, refused in one line, or a fault of ours.

Mutants run one after another in a worker process of limited memory, through pyflow's own main().
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path

from verif.fuzz.mutate import PWNED

MEMORY = 2 << 30  # bytes of address space, libraries included
CPU_S = 5.0  # of reading and checking
GRACE_S = 90.0  # of wall time, on a busy machine, until the worker counts as hanging
WARNINGS = 3  # lines that begin with "warning:" and may come with an accepted file

ACCEPTED, REFUSED = "accepted", "refused"


@dataclass(frozen=True)
class Verdict:
    """what: ACCEPTED, REFUSED, or the fault. cpu_s: of the command. text: what it wrote to stderr."""

    what: str
    cpu_s: float
    text: str

    @property
    def fault(self) -> bool:
        return self.what not in (ACCEPTED, REFUSED)


def judged(status: int, text: str, cpu_s: float) -> Verdict:
    """The verdict of a command that ended by itself."""
    lines = text.strip().splitlines()
    warned = [line for line in lines if line.startswith("warning:")]
    rest = [line for line in lines if not line.startswith("warning:")]
    what = REFUSED if status == 2 else ACCEPTED  # 1: it was laid out, and does not fit the board
    if Path(PWNED).exists():
        what = "code executed"
    elif "internal error" in text:
        what = "internal error"
    elif "Traceback" in text or status not in (0, 1, 2):
        what = f"exit status {status}"
    elif "more memory than there is" in text:
        what = "memory"
    elif len(warned) > WARNINGS or len(rest) != (status == 2) or any(len(line) > 2000 for line in lines):
        what = f"{len(lines)} lines"
    elif cpu_s > CPU_S:
        what = "time"
    return Verdict(what, cpu_s, text)


class Worker:
    """A process that runs commands in `folder`; a new one where the last one died. main: what runs them, pyflow's own
    if it is None."""

    def __init__(
        self, folder: Path, memory: int = MEMORY, main: Callable[[tuple[str, ...]], int] | None = None
    ) -> None:
        self._folder, self._memory, self._main = folder, memory, main
        self._process: multiprocessing.process.BaseProcess | None = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def run(self, command: tuple[str, ...]) -> Verdict:
        if self._process is None:
            self._start()
        assert self._process is not None
        try:
            self._pipe.send(command)
            if not self._pipe.poll(GRACE_S):
                self._stop()
                return Verdict("hangs", GRACE_S, "")
            return judged(*self._pipe.recv())
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self._process.join()
            code = self._process.exitcode
            self._process = None
            return Verdict(f"crash ({code})", 0.0, "")

    def _start(self) -> None:
        # Not a fork: the limit counts what is mapped already, which after other tests may be more than it allows.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self._folder, self._memory, self._main), daemon=True
        )
        self._process.start()
        theirs.close()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def _serve(pipe: Connection, folder: Path, memory: int, main: Callable[[tuple[str, ...]], int] | None = None) -> None:
    os.chdir(folder)
    import torch

    import pyflow.conversion
    import pyflow.frontends
    from pyflow.__main__ import main as own

    if find_spec("onnx"):
        import pyflow.frontends.onnx  # noqa: F401

    run = main or own
    torch.set_num_threads(1)  # each has a stack and a heap, which count
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    while True:
        command = pipe.recv()
        for left in ("OUT", "OUT.vly", PWNED):
            shutil.rmtree(left, ignore_errors=True) if Path(left).is_dir() else Path(left).unlink(missing_ok=True)
        began = time.process_time()
        with _output() as read:
            try:
                status = run(command)
            except SystemExit as e:
                status = e.code if isinstance(e.code, int) else 1
            except BaseException:
                traceback.print_exc()
                status = 1
        pipe.send((status, read(), time.process_time() - began))


@contextlib.contextmanager
def _output() -> Iterator:
    """What is written to stderr, by libraries too; stdout is dropped."""
    kept = [os.dup(1), os.dup(2)]
    fd = os.open("stderr", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    null = os.open(os.devnull, os.O_WRONLY)
    streams = sys.stdout, sys.stderr
    os.dup2(null, 1)
    os.dup2(fd, 2)
    sys.stdout = os.fdopen(1, "w", closefd=False, encoding="utf-8")
    sys.stderr = os.fdopen(2, "w", closefd=False, encoding="utf-8", errors="backslashreplace")
    text: list[str] = []
    try:
        yield lambda: text[0]
    finally:
        with contextlib.suppress(ValueError):  # main() closes it on a broken pipe
            sys.stdout.flush()
            sys.stderr.flush()
        sys.stdout, sys.stderr = streams
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        text.append(os.pread(fd, 1 << 20, 0).decode(errors="replace"))
        for each in (*kept, fd, null):
            os.close(each)
