# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The output folder of a run: its name, and who may work in it.

A folder belongs to one design and to one run at a time. A design is known by its network's name; other weights or
options make a new version of it, which replaces the old one when nobody works there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.locks import Patience, locked
from pyflow.network_file import DOCUMENT, FORMAT
from pyflow.options import BOARD
from pyflow.reading import Archive, parse_json, read_bytes
from pyflow.writing import NEW

LOCK = ".volley-lock"
# Options that a folder's name tells, in this order: (attribute of the parsed options, what stands before its value).
LONGEST = 48  # letters of one option in a folder's name
_NAMED = {"timesteps": "T", "weight_bits": "W", "finetune": "F", "seed": "S", "time_block": "B", "cycles": "C"}


# ---------------------------------------------------------------------- names
def identifier(name: str) -> str:
    """`name` as part of a file name."""
    return "".join(c if c.isalnum() or c == "-" else "_" for c in name.lower()) or "network"


def name_of(net: str) -> str:
    """Name of the network that NET= stands for: shipped, my_net.py:function (`build` is not named), or a .vly."""
    if net.endswith(".vly"):
        return _name_in(Path(net)) or Network.load(net).name  # which says what is wrong with the file
    path, _, function = net.partition(".py:")
    stem = identifier(Path(path).stem)
    return stem if function in ("", "build") else f"{stem}-{identifier(function)}"


def folder_of(options: Any) -> Path:
    """OUT of a command: as given, or build/<network> and the options that are not the defaults.

    options: the parsed ones; those that a command does not have count as not given. Examples: build/digits,
    build/digits-icebreaker, build/my_net-six-T2-W3-C400.
    """
    if out := getattr(options, "out", None):
        return Path(out)
    return default_folder(getattr(options, "name", None) or name_of(options.net), vars(options))


def _short(text: str) -> str:
    """For a name that has other parts too."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 9]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def default_folder(name: str, options: Mapping[str, Any]) -> Path:
    """build/<name> with the options that are given, for instance T2, W3, C400, the folding's name, `probes`, the board.

    Weights and data are not named: with others it is a new version of the same design.
    """
    given = options.get
    # A seed or epochs of 0 are the defaults; 0 is no legal value of the others.
    named = ((letter, str(given(option))) for option, letter in _NAMED.items() if given(option))
    parts = [identifier(name), *(f"{letter}{_short(identifier(value))}" for letter, value in named)]
    tail = [
        *(["probes"] if given("probes") else []),
        *([identifier(str(given("board")))] if given("board") not in (None, BOARD) else []),
    ]
    folding = given("folding")
    plain = Path("build", "-".join([*parts, *tail]))
    if not isinstance(folding, (str, os.PathLike)) or str(folding) == "auto":
        return plain
    path = Path(folding)
    if path.resolve().parent == plain.resolve():  # the folder's own, edited
        return plain
    stem = path.stem if path.stem != "folding" else f"folding-{path.resolve().parent.name}"
    return Path("build", "-".join([*parts, identifier(stem), *tail]))


# ---------------------------------------------------------------------- one run at a time
@dataclass(frozen=True, slots=True)
class Design:
    """What a run builds. name: of the network; key: digest of all that decides what is written."""

    name: str
    key: str

    @classmethod
    def of(cls, network: Network, **settings: Any) -> Design:
        """settings: JSON-able values or paths of files."""
        h = hashlib.sha256()
        parts: list[Any] = [network, *network.operators]
        for part in parts:
            for field in fields(part):
                value = getattr(part, field.name)
                if isinstance(value, np.ndarray):
                    h.update(f"{field.name} {value.dtype} {value.shape}\n".encode())
                    h.update(np.ascontiguousarray(value).tobytes())
                elif field.name != "operators":
                    h.update(f"{field.name} {value!r}\n".encode())
        for name, value in sorted(settings.items()):
            with contextlib.suppress(OSError, VolleyError):
                if isinstance(value, (str, os.PathLike)) and Path(value).is_file():
                    value = hashlib.sha256(read_bytes(value, "")).hexdigest()
            h.update(f"{name}={json.dumps(value, sort_keys=True, default=str)}\n".encode())
        return cls(network.name, h.hexdigest())


_mine: dict[tuple[int, Path], tuple[int, int]] = {}  # (process, folder) -> (thread, depth)
_guard = threading.Lock()


@contextlib.contextmanager
def held(folder: Path, design: Design | None, job: str) -> Iterator[None]:
    """`folder`, for this run alone; nothing new where this thread holds it already.

    While a run of the same design works there this one waits, and says so after two seconds. Raises VolleyError where
    one of another design does, where `folder` belongs to another network, or cannot be written. design: None to read
    what is there, which also works in a folder that nobody may write.
    """
    path = Path(os.path.realpath(folder))
    key, me = (os.getpid(), path), threading.get_ident()
    with _guard:
        thread, depth = _mine.get(key, (me, 0))
        again = depth > 0 and thread == me
        if again:
            _mine[key] = (me, depth + 1)
    if again:
        try:
            if design:
                _check_owner(path, folder, design)
            yield
        finally:
            with _guard:
                _mine[key] = (me, _mine[key][1] - 1)
        return
    with contextlib.ExitStack() as stack:
        _lock(stack, path, folder, design, job)
        if design:
            _check_owner(path, folder, design)
        with _guard:
            _mine[key] = (me, 1)
        try:
            yield
        finally:
            with _guard:
                del _mine[key]


def _lock(stack: contextlib.ExitStack, path: Path, folder: Path, design: Design | None, job: str) -> None:
    try:
        made = [p for p in (path, *path.parents) if not p.exists()] if design else []
        if design:
            path.mkdir(parents=True, exist_ok=True)
        elif not os.access(path, os.W_OK):
            return  # nobody who could be kept out
        stack.callback(_remove_empty, made)
        fd = stack.enter_context(locked(path / LOCK, _Waiting(folder, design, job)))
        for left in path.glob(f"{NEW}-*") if design else ():  # by a run that was killed
            shutil.rmtree(left, ignore_errors=True)  # folders only: a file may be another job's, still being written
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "job": job}
        holder |= {"network": design.name, "key": design.key} if design else {}
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps(holder).encode(), 0)
    except OSError as e:
        raise VolleyError(f"out_dir {folder}: cannot be written ({e.strerror}); choose a writable folder") from None


def _remove_empty(made: list[Path]) -> None:
    """Folders that were made for the lock and have nothing in them."""
    for path in made:
        with contextlib.suppress(OSError):
            path.rmdir()


class _Waiting:
    """Looks at a lock that another run holds: says once that this one waits, or gives up."""

    def __init__(self, folder: Path, design: Design | None, job: str) -> None:
        self.folder, self.design, self.job = folder, design, job
        self.patience = Patience()
        self.before = ""

    def __call__(self, text: str) -> None:
        try:
            holder = json.loads(text)
            who = f"pid {holder['pid']} on {holder['host']} ({holder['job']} of {holder.get('network', 'it')})"
            key = holder.get("key")
        except (ValueError, KeyError, TypeError, AttributeError):  # it is being written
            who, key = "another run", None
        # Twice the same: the text of a run that has ended stands there until the next one writes its own.
        if self.design and key and key != self.design.key and text == self.before:
            which = "another network" if holder["network"] != self.design.name else "other weights or options"
            raise VolleyError(
                f"out_dir {self.folder}: in use by {who}, with {which} than this {self.job} of {self.design.name!r}; "
                "give this run a folder of its own with OUT=, or wait"
            )
        self.before = text
        self.patience.wait_for(f"{who}, which works in {self.folder}")


def _check_owner(path: Path, folder: Path, design: Design) -> None:
    """Raise VolleyError where the folder holds another network."""
    file = path / "network.vly"
    if not os.path.lexists(file):
        return
    name = _name_in(file)
    if name is None:
        raise VolleyError(
            f"out_dir {folder}: {file} was not written by Volley and would be lost; choose another folder"
        )
    if name != design.name:
        raise VolleyError(
            f"out_dir {folder}: holds network {name!r}, this run is of {design.name!r}; choose another folder (OUT=), "
            "or remove it"
        )


def _name_in(file: Path) -> str | None:
    """Name of the network in a .vly, without its arrays; None where it is none."""
    try:
        with Archive(file, "") as archive:
            document = parse_json(archive.read(DOCUMENT), str(file), "")
        return str(document["name"]) if document["format"] == FORMAT else None
    except (VolleyError, KeyError, TypeError):  # a file of another kind
        return None
