# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Runs the recurrences of recurrence.cpp, some fifty times as fast as those in Python, with the same times.

The library is compiled once for each version of its source, into the build cache. Where there is no compiler, and for a
netlist with a recurrence that has no twin there, the ones in Python run.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyflow.caches import cache_dir
from pyflow.cores.recurrence import Channel, Recurrence, Store
from pyflow.errors import VolleyError

log = logging.getLogger(__name__)

SOURCE = Path(__file__).with_name("recurrence.cpp")
FLAGS = ("-std=c++17", "-O2", "-shared", "-fPIC")
TIMEOUT_S = 300
# In the order of volley_add().
KINDS = ("Serial", "Register", "Queue", "Zip", "Fork", "RowWalk", "Gearbox", "Guarded", "Answered", "Pipe", "Store")

_INTS = ctypes.POINTER(ctypes.c_int64)
_GATES = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, _INTS)


def run(
    cores: Sequence[Recurrence], host: Channel, words: int, out: Channel, target: int, moves: Collection[Channel]
) -> bool | None:
    """Offer `words` beats on `host` from cycle 0 on, until `target` beats of `out` have moved: the times of
    those, and of `moves`, are filled in. False where nothing moves any more before, then with the times of all; None,
    with nothing changed, where the library is no help."""
    numbers = [core.numbers() for core in cores]
    if any(found is None for found in numbers) or (library := _library()) is None:
        return None
    every = list(dict.fromkeys(c for core in cores for c in (*core.sinks, *core.sources)))
    place = {channel: n for n, channel in enumerate(every)}

    def more(core: int, frame: int, into: Any) -> None:
        store = cores[core]
        assert isinstance(store, Store)
        np.ctypeslib.as_array(into, (store.sink.beats,))[:] = store.room(frame)

    gates = _GATES(more)
    schedule = library.volley_new(len(every), _ints([channel.beats for channel in every]))
    try:
        for core, found in zip(cores, numbers, strict=True):
            sinks, sources = (_ints([place[c] for c in side]) for side in (core.sinks, core.sources))
            table = core.table()
            kind = KINDS.index(type(core).__name__)
            library.volley_add(
                schedule, kind, len(core.sinks), sinks, len(core.sources), sources, _ints(found or ()), len(table),
                _ints(table), gates,
            )  # fmt: skip
        done = bool(library.volley_run(schedule, place[host], words, place[out], target))
        for channel in {host, out, *moves} if done else every:
            channel.moved = _times(library, schedule, place[channel], True)  # type: ignore[assignment]
            if not done:
                channel.valid = _times(library, schedule, place[channel], False)  # type: ignore[assignment]
        for n, core in enumerate(cores):
            core.full = bool(library.volley_full(schedule, n))
    finally:
        library.volley_free(schedule)
    return done


def _ints(values: Sequence[int] | np.ndarray) -> Any:
    return np.asarray(values, np.int64).ctypes.data_as(_INTS)


def _times(library: ctypes.CDLL, schedule: int, channel: int, moved: bool) -> np.ndarray:
    """int64, of every beat."""
    first = _INTS()
    count = library.volley_times(schedule, channel, moved, ctypes.byref(first))
    return np.ctypeslib.as_array(first, (count,)).copy() if count else np.zeros(0, np.int64)


@functools.cache
def _library() -> ctypes.CDLL | None:
    """The compiled library; None where there is no compiler, or it fails."""
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    if not compiler:
        log.info("no C++ compiler: schedules are worked out in Python, which takes longer")
        return None
    key = hashlib.sha256(SOURCE.read_bytes() + " ".join((compiler, *FLAGS)).encode()).hexdigest()[:20]
    try:
        target = cache_dir() / "schedule" / f"{key}.so"
        target.parent.mkdir(exist_ok=True)
        if not target.exists():
            _compile(compiler, target)
        library = ctypes.CDLL(str(target))
    except (OSError, VolleyError, subprocess.SubprocessError) as e:
        log.info("the library of schedules is not used, which takes longer: %s", e)
        return None
    integer, pointer = ctypes.c_int64, ctypes.c_void_p
    library.volley_new.restype = pointer
    library.volley_new.argtypes = [integer, _INTS]
    library.volley_free.argtypes = [pointer]
    library.volley_add.argtypes = [pointer, integer, integer, _INTS, integer, _INTS, _INTS, integer, _INTS, _GATES]
    library.volley_run.argtypes = [pointer, integer, integer, integer, integer]
    library.volley_run.restype = ctypes.c_bool
    library.volley_full.argtypes = [pointer, integer]
    library.volley_full.restype = ctypes.c_bool
    library.volley_times.argtypes = [pointer, integer, ctypes.c_bool, ctypes.POINTER(_INTS)]
    library.volley_times.restype = integer
    return library


def _compile(compiler: str, target: Path) -> None:
    """In one step, so that another run never loads half of it."""
    fd, name = tempfile.mkstemp(dir=target.parent, suffix=".tmp")
    os.close(fd)
    try:
        subprocess.run([compiler, *FLAGS, str(SOURCE), "-o", name], check=True, capture_output=True, timeout=TIMEOUT_S)
        os.replace(name, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
