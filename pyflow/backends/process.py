# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Runs a long program of the open tool chain: log in a file, progress bar, time limit, one line when it fails."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from pyflow.backends.toolbox import cache_dir, need_tool, tool_env
from pyflow.errors import VolleyError


class ToolFailed(VolleyError):
    """A program ended with an error. log: what it printed."""

    def __init__(self, message: str, log: str) -> None:
        super().__init__(message)
        self.log = log


def run(
    tool: str, arguments: Sequence[str], work: Path, *, title: str, steps: int, step: str, timeout_s: float, hint: str
) -> float:
    """Run `tool` in the folder `work`, its output in <title>.log there; the CPU seconds that it took.

    step: pattern of the lines that move the progress bar, of which about `steps` come. hint: how to install the tool.
    Raises VolleyError if the tool is missing or takes longer than `timeout_s`, ToolFailed if it fails.
    """
    name = tool.removeprefix("yowasp-")
    log_file = work / f"{title}.log"
    process = subprocess.Popen(
        [need_tool(tool, hint), *arguments], cwd=work, env=tool_env(), text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(timeout_s, stop)
    timer.start()
    try:
        assert process.stdout
        with log_file.open("w") as f:
            _follow(process.stdout, f, title, steps, step)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        timer.cancel()
        if process.returncode is None:
            process.kill()
            process.wait()
    if late.is_set():
        raise VolleyError(f"{name}: not done after {timeout_s:g} s; give it more time or a smaller network")
    if process.returncode:
        kept = cache_dir() / f"last-failed-{title}.log"
        shutil.copy(log_file, kept)
        text = kept.read_text()
        lines = text.splitlines()
        errors = [line for line in lines if re.search(r"\berror:", line, re.IGNORECASE)]
        first = (errors or lines[-1:] or ["no output"])[0].strip()[:300]
        raise ToolFailed(f"{name}: {title} failed: {first} (whole log: {kept})", text)
    return round(usage.ru_utime + usage.ru_stime, 1)


def _follow(output: IO[str], log_file: IO[str], title: str, steps: int, step: str) -> None:
    """Copy a tool's output to its log and count its steps for the progress bar."""
    from tqdm import tqdm

    with tqdm(total=steps, desc=title, unit="step", disable=None, leave=False) as bar:
        for line in output:
            log_file.write(line)
            if re.match(step, line):
                bar.update(min(1, bar.total - bar.n))
