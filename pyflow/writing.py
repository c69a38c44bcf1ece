# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Files that a user names as outputs: written whole or not at all, and never in place of what is no file."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from pyflow.errors import VolleyError

NEW = ".volley-new"  # beginning of the names of what is not finished yet

MODE = 0o644  # of a new file; one that is replaced keeps its own
CURE = "name a file in a writable folder"


def write_file(path: Any, content: bytes | str, cure: str = CURE) -> None:
    """Write `content` to `path`. A file there is replaced in one step, and stays as it was on any error. A link is
    followed; a pipe or a character device (/dev/stdout, /dev/null) is written to.
    Raises VolleyError where that cannot be, or a folder or a disk is in the way."""
    data = content.encode() if isinstance(content, str) else content
    try:
        target = Path(os.path.realpath(path, strict=False))
        kind = _kind(path)
        if kind is None or stat.S_ISREG(kind):
            _replace(target, data, MODE if kind is None else stat.S_IMODE(kind))
        elif stat.S_ISCHR(kind) or stat.S_ISFIFO(kind):
            fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)  # a pipe that nobody reads is an error, not a wait
            os.set_blocking(fd, True)
            with open(fd, "wb") as stream:
                stream.write(data)
        else:
            what = "folder" if stat.S_ISDIR(kind) else "special file"
            raise VolleyError(f"{path}: is a {what}, which is never replaced; {cure}")
    except (OSError, ValueError) as e:  # ValueError: a NUL in the name
        if isinstance(e, (BrokenPipeError, VolleyError)):
            raise
        raise VolleyError(f"{path}: cannot be written ({getattr(e, 'strerror', None) or e}); {cure}") from None


def check_target(path: Any, cure: str = CURE) -> None:
    """Raise VolleyError where write_file() could not write `path`: found out before the work, not after it."""
    try:
        kind = _kind(path)
        if kind is not None and not (stat.S_ISREG(kind) or stat.S_ISCHR(kind) or stat.S_ISFIFO(kind)):
            what = "folder" if stat.S_ISDIR(kind) else "special file"
            raise VolleyError(f"{path}: cannot be written (is a {what}); {cure}")
        target = Path(os.path.realpath(path, strict=False))
        if kind is not None and not os.access(path, os.W_OK):
            raise PermissionError(0, "not writable")
        if kind is None or stat.S_ISREG(kind):
            if not target.parent.is_dir():
                raise FileNotFoundError(0, f"no folder {target.parent}")
            if not os.access(target.parent, os.W_OK | os.X_OK):
                raise PermissionError(0, f"folder {target.parent} is not writable")
    except (OSError, ValueError) as e:
        if isinstance(e, VolleyError):
            raise
        raise VolleyError(f"{path}: cannot be written ({getattr(e, 'strerror', None) or e}); {cure}") from None


def _kind(path: Any) -> int | None:
    """st_mode of what is there, behind links; None where nothing is."""
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _replace(target: Path, data: bytes, mode: int) -> None:
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(0, "not writable")
    fd, temporary = tempfile.mkstemp(dir=target.parent, prefix=f"{NEW}-", suffix=".tmp")
    try:
        with open(fd, "wb") as stream:
            stream.write(data)
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
