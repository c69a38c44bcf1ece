# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Runs the programs of the tool chain. Whatever they start ends with them, and with this process, however that ends.

Each runs in a process group of its own. A guardian, one small process beside this one, knows the groups; when its pipe
to this process closes, which even SIGKILL brings about, it kills those that are left.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from pyflow import locks
from pyflow.backends.toolbox import cache_dir, need_tool, tool_env
from pyflow.bars import bar
from pyflow.errors import VolleyError

_GUARDIAN = """\
import os, signal, sys
groups = set()
for line in sys.stdin.buffer:
    (groups.add if line[:1] == b"+" else groups.discard)(int(line[1:]))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""
# The shell names its group to the guardian before it becomes the program: no moment is left between the two.
_START = 'echo "+$$" >&0 && exec "$@" </dev/null'
_guardian: tuple[int, subprocess.Popen[bytes]] | None = None
_starting = threading.Lock()


class ToolFailed(VolleyError):
    """A program ended with an error. log: what it printed."""

    def __init__(self, message: str, log: str) -> None:
        super().__init__(message)
        self.log = log


@contextlib.contextmanager
def started(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """The running `command`, without standard input; its whole group has ended when the block is left.

    options: of Popen. It keeps the locks that this process holds now until it has ended.
    """
    with _starting:
        pipe = _pipe_to_guardian()
        process = subprocess.Popen(
            ["/bin/sh", "-c", _START, "sh", *command], stdin=pipe, process_group=0, pass_fds=locks.held(), **options
        )
    try:
        yield process
    finally:
        _end(process)
        if process.stdout:
            process.stdout.close()
        with contextlib.suppress(OSError):
            os.write(pipe, b"-%d\n" % process.pid)


def _end(process: subprocess.Popen[Any]) -> None:
    """Kill what is left of the group of `process`; its number is not given anew before the process is waited for."""
    if process.returncode is None:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def limited(process: subprocess.Popen[Any], timeout_s: float | None) -> Iterator[None]:
    """Raises subprocess.TimeoutExpired, and ends `process`, where the block takes longer than `timeout_s`."""
    late = threading.Event()

    def stop() -> None:
        late.set()
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(timeout_s or 0, stop)
    timer.daemon = True
    if timeout_s:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if late.is_set():
        raise subprocess.TimeoutExpired(process.args, timeout_s or 0)


def finish(process: subprocess.Popen[Any]) -> tuple[int, float]:
    """Wait for `process` and end what it left running; its exit status and the CPU seconds that it took."""
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # its number is its own until wait4
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


def call(command: Sequence[str], *, timeout_s: float | None = None, **options: Any) -> int:
    """Run `command` to its end; its exit status. options: of Popen. Raises subprocess.TimeoutExpired."""
    with started(command, **options) as process, limited(process, timeout_s):
        return finish(process)[0]


def output(command: Sequence[str], *, timeout_s: float | None = None, **options: Any) -> tuple[int, str]:
    """Run `command` to its end; its exit status and what it printed, errors included. As call() otherwise."""
    options |= {"text": True, "errors": "replace", "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with started(command, **options) as process, limited(process, timeout_s):
        assert process.stdout
        text = process.stdout.read()
        return finish(process)[0], text


def _pipe_to_guardian() -> int:
    """Write end of the pipe to this process's guardian, which is started with the first program."""
    global _guardian
    if _guardian and (_guardian[0] != os.getpid() or _guardian[1].poll() is not None):
        _guardian = None  # this process is a fork, or someone has killed it
    if not _guardian:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _GUARDIAN], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, cwd="/", start_new_session=True,
        )  # fmt: skip
        _guardian = (os.getpid(), process)
        atexit.register(_dismiss, *_guardian)
    assert _guardian[1].stdin
    return _guardian[1].stdin.fileno()


def _dismiss(pid: int, guardian: subprocess.Popen[bytes]) -> None:
    if os.getpid() == pid and guardian.stdin:
        guardian.stdin.close()
        guardian.wait()


def run(
    tool: str, arguments: Sequence[str], work: Path, *, title: str, steps: int, step: str, timeout_s: float, hint: str
) -> float:
    """Run `tool` in the folder `work`, its output in <title>.log there; the CPU seconds that it took.

    step: pattern of the lines that move the progress bar, of which about `steps` come. hint: how to install the tool.
    Raises VolleyError if the tool is missing or takes longer than `timeout_s`, ToolFailed if it fails.
    """
    name = tool.removeprefix("yowasp-")
    log_file = work / f"{title}.log"
    try:
        with (
            started(
                [need_tool(tool, hint), *arguments], cwd=work, env=tool_env(), text=True, errors="replace",
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            ) as process,
            limited(process, timeout_s),
            log_file.open("w") as f,
        ):  # fmt: skip
            assert process.stdout
            _follow(process.stdout, f, title, steps, step)
            status, cpu_s = finish(process)
    except subprocess.TimeoutExpired:
        raise VolleyError(f"{name}: not done after {timeout_s:g} s; give it more time or a smaller network") from None
    if status:
        text = log_file.read_text(errors="replace")
        lines = text.splitlines()
        errors = [line for line in lines if re.search(r"\berror:", line, re.IGNORECASE)]
        first = (errors or lines[-1:] or ["no output"])[0].strip()[:300]
        raise ToolFailed(f"{name}: {title} failed: {first} ({keep_log(log_file)})", text)
    return round(cpu_s, 1)


def keep_log(log: Path) -> str:
    """Copy the log of a failed run out of its work folder; where it is, in words."""
    kept = cache_dir() / f"last-failed-{log.stem}.log"
    try:
        shutil.copy(log, kept)
    except OSError as e:
        return f"its log could not be kept: {e.strerror}"
    return f"whole log: {kept}"


def _follow(output: IO[str], log_file: IO[str], title: str, steps: int, step: str) -> None:
    """Copy a tool's output to its log and count its steps for the progress bar."""
    with bar(title, "step", steps) as done:
        for line in output:
            log_file.write(line)
            if re.match(step, line):
                done.update(min(1, steps - done.n))
