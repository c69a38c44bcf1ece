# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""make and Verilator take no path with a space or another special character: they get one without.

A build whose folder has such a path runs in a twin of plain path, and what it made is moved back. Programs that lie
under such a path are reached through a link.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pyflow.backends.cache import sweep
from pyflow.backends.toolbox import cache_dir, tool_env
from pyflow.errors import VolleyError
from pyflow.locks import locked

_PLAIN = re.compile(r"[A-Za-z0-9_./+@,-]+")


def is_plain(path: Path) -> bool:
    return bool(_PLAIN.fullmatch(str(path)))


@contextlib.contextmanager
def folder(work: Path) -> Iterator[Path]:
    """`work` itself, or a twin of plain path that holds what `work` does and is emptied into it at the end.

    The twin of a killed process goes when the next one is made.
    """
    if is_plain(work):
        yield work
        return
    sweep(_home())
    twin = _home() / f"{_short(work)}.work"
    with locked(twin.with_suffix(".lock")):
        shutil.rmtree(twin, ignore_errors=True)
        try:
            shutil.copytree(work, twin)
            yield twin
            shutil.copytree(twin, work, dirs_exist_ok=True)
        finally:
            shutil.rmtree(twin, ignore_errors=True)


def environment() -> dict[str, str]:
    """tool_env() with Verilator and the virtual environment under plain paths; to be called inside tools_on_path()."""
    env = tool_env()
    root = env.get("VERILATOR_ROOT")
    if root and not is_plain(Path(root)):
        env["VERILATOR_ROOT"] = str(_link(Path(root)))
        # The program in its bin/ runs a second one, by a path whose links it has followed and that it does not quote.
        _program(env, "verilator", f"{_link(Path(root))}/bin/verilator_bin")
    if not is_plain(Path(sys.prefix)):
        # edalize asks `cocotb-config` for folders and gives them to make and g++ unquoted.
        python = _link(Path(sys.prefix)) / "bin" / Path(sys.executable).name
        _program(env, "cocotb-config", f"{python} -m cocotb_tools.config")
    return env


def _program(env: dict[str, str], name: str, command: str) -> None:
    """Makes `name` a program of `env` that runs `command`."""
    folder = _home() / f"{_short(Path(command))}.bin"
    folder.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as f:
        f.write(f'#!/bin/sh\nexec {command} "$@"\n')
    os.chmod(f.name, 0o700)
    os.replace(f.name, folder / name)
    env["PATH"] = os.pathsep.join([str(folder), env["PATH"]])


def _short(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:20]


def _link(path: Path) -> Path:
    """A plain path that leads to `path`."""
    link = _home() / f"{_short(path)}.link"
    if not link.is_symlink() or os.readlink(link) != str(path):
        made = link.with_name(f"{link.name}.{os.getpid()}")
        made.symlink_to(path)
        os.replace(made, link)
    return link


def _home() -> Path:
    """Folder of this user with a plain path: in the cache, or among the temporary files."""
    name = f"volley-{os.getuid()}"
    for parent in (cache_dir(), Path(tempfile.gettempdir()), Path("/var/tmp"), Path("/tmp")):
        path = parent / name
        if not is_plain(path):
            continue
        with contextlib.suppress(OSError):
            path.mkdir(mode=0o700, exist_ok=True)
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
                return path
    raise VolleyError(
        f"{cache_dir()}: make and Verilator take no path with spaces or special characters, and no folder for "
        "temporary files has another one; set VOLLEY_CACHE or TMPDIR to one"
    )
