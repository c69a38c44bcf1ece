# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The build cache: made once, never half-made, and used only while it is what was made.

An entry `kind/name` is a file or a folder, beside it `name.sum` with its digest. It is made in the folder `name.work`
under the lock `name.lock`; a work folder whose lock nobody holds is what a killed process left, and goes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from pyflow.backends.toolbox import cache_dir
from pyflow.errors import VolleyError
from pyflow.locks import Patience, locked

log = logging.getLogger(__name__)


def cached(kind: str, name: str, make: Callable[[Path], Path]) -> Path:
    """The file or folder `kind`/`name` of the cache; where it is missing or damaged, make(work folder) -> what to keep.

    Made at most once, also between processes. Raises VolleyError where the cache cannot be written, and what make()
    raises; nothing is kept then.
    """
    folder = cache_dir() / kind
    target = folder / name
    with _one_line(folder):
        folder.mkdir(exist_ok=True)
        sweep(folder)
        if is_sound(target):
            return target
        patience = Patience()
        with locked(folder / f"{name}.lock", lambda _: patience.wait_for(f"another run, which makes {name}")):
            if not is_sound(target):
                if target.exists() and _sum_of(target).exists():
                    log.warning("%s: damaged in the cache; it is made again", name)
                _remove(target)
                _make(target, make)
    return target


def _make(target: Path, make: Callable[[Path], Path]) -> None:
    work = target.with_name(f"{target.name}.work")
    _remove(work)
    work.mkdir()
    try:
        made = make(work)
        _write_sum(target, made)
        os.replace(made, target)
    finally:
        _remove(work)


def is_sound(target: Path) -> bool:
    """Whether an entry is there and is byte for byte what was made."""
    try:
        return _sum_of(target).read_text() == content_digest(target)
    except (OSError, UnicodeDecodeError):
        return False


def publish(target: Path, made: Path) -> None:
    """Move the folder or file `made`, on the same file system, to the entry `target`, in the place of a damaged one."""
    with locked(target.with_name(f"{target.name}.lock")):
        if not is_sound(target):
            _remove(target)
            _write_sum(target, made)
            os.replace(made, target)


def content_digest(path: Path) -> str:
    """Digest of a file and whether it is a program, or of a folder's files and their names."""
    if path.is_dir():
        parts = [f"{p.relative_to(path)} {content_digest(p)}" for p in sorted(path.rglob("*")) if not p.is_dir()]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
    with path.open("rb") as f:
        found = hashlib.file_digest(f, "sha256").hexdigest()
    return f"{found} {'program' if os.access(path, os.X_OK) else 'file'}"


def sweep(folder: Path) -> None:
    """Remove the work folders in `folder` that no living process owns."""

    def owned(_: str) -> None:
        raise BlockingIOError

    for work in folder.glob("*.work"):
        with contextlib.suppress(BlockingIOError), locked(work.with_suffix(".lock"), owned):
            _remove(work)


def _sum_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.sum")


def _write_sum(target: Path, made: Path) -> None:
    """Before the entry itself: an entry without its digest would count as damaged."""
    with tempfile.NamedTemporaryFile("w", dir=made.parent, prefix=".sum-", delete=False) as f:
        f.write(content_digest(made))
    os.replace(f.name, _sum_of(target))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _one_line(folder: Path) -> Iterator[None]:
    """A full disk and the like as one line."""
    try:
        yield
    except OSError as e:
        full = e.errno in (errno.ENOSPC, errno.EDQUOT)
        if not full and e.errno not in (errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG):
            raise
        way = "make room (`make clean` empties it)" if full else "set VOLLEY_CACHE to a writable folder"
        raise VolleyError(f"build cache {folder}: {e.strerror or e}; {way}") from None
