# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Locks between processes: flock(2), so a lock ends with its holder, however that ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pyflow.errors import VolleyError

POLL_S = 0.1
TELL_AFTER_S = 2.0  # of waiting
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EIO)
_held: dict[int, int] = {}  # descriptor -> process that opened it
_registry = threading.Lock()


def held() -> tuple[int, ...]:
    """Descriptors of this process's locks. A program that inherits them keeps them locked until it has ended."""
    with _registry:
        return tuple(fd for fd, pid in _held.items() if pid == os.getpid())


class Patience:
    """Says once, after two seconds of waiting, for what this process waits."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._told = False

    def wait_for(self, what: str) -> None:
        if not self._told and time.monotonic() - self._began >= TELL_AFTER_S:
            self._told = True
            print(f"waiting for {what}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[str], None] | None = None) -> Iterator[int]:
    """Exclusive lock on the file `path`, which exists only while someone has or wants it; its descriptor.

    waiting: called with the file's text at each look at a lock that another holds; it may raise to give up. Raises
    VolleyError where the file system has no locks, OSError where the file cannot be made.
    """
    fd = _acquire(path, waiting)
    with _registry:
        _held[fd] = os.getpid()
    try:
        yield fd
    finally:
        with _registry:
            _held.pop(fd, None)
        with contextlib.suppress(OSError):
            path.unlink()  # before it is free: who waits for it sees that it is gone, and makes another
        os.close(fd)


def _acquire(path: Path, waiting: Callable[[str], None] | None) -> int:
    while True:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # its last holder has removed the folder, which was empty
            path.parent.mkdir(parents=True, exist_ok=True)
            continue
        try:
            while not _try(fd, path):
                if waiting:
                    waiting(os.pread(fd, 4096, 0).decode(errors="replace"))
                    time.sleep(POLL_S)
                else:
                    fcntl.flock(fd, fcntl.LOCK_EX)
                    break
            if _same(fd, path):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # its last holder has removed it meanwhile


def _try(fd: int, path: Path) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as e:
        if e.errno in _NO_LOCKS:
            raise VolleyError(
                f"{path.parent}: its file system has no locks ({e.strerror}); choose a folder on a local disk "
                "(OUT= for a build, VOLLEY_CACHE= for the cache)"
            ) from None
        raise
    return True


def _same(fd: int, path: Path) -> bool:
    try:
        there = os.stat(path)
    except OSError:
        return False
    mine = os.fstat(fd)
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)
