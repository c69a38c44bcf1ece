# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""An output folder: which of its files compile() wrote, and which its user put there or changed since."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from pyflow.errors import VolleyError
from pyflow.reading import MAX_BYTES, read_bytes, read_json

AUTO = "auto"  # as a folding: plan anew, whatever lies in the folder
NETWORK, FOLDING, RECORD = "network.vly", "folding.json", "written.json"
CURE = "choose another folder"


def would_be_lost(folder: Path, path: Path) -> VolleyError:
    return VolleyError(f"out_dir {folder}: {path} was not written by Volley and would be lost; {CURE}")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class OutFolder:
    """`folder` before a run. RECORD in it holds the SHA-256 of what the last run wrote: another content is its user's,
    and all of it where there is no record.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._written = folder, {}
        self._digests: dict[str, str] = {}
        try:
            if (folder / RECORD).exists():
                found = read_json(folder / RECORD, "remove it: all else in its folder then counts as yours")
                self._written = found if isinstance(found, dict) else {}
            for name in (NETWORK, FOLDING):
                if os.path.lexists(folder / name):
                    if not (folder / name).is_file():
                        raise would_be_lost(folder, folder / name)
                    self._digests[name] = _digest(read_bytes(folder / name, CURE, MAX_BYTES))
        except OSError as e:
            raise VolleyError(f"out_dir {folder}: cannot be written ({e.strerror}); choose a writable folder") from None

    def _theirs(self, name: str) -> bool:
        """Is there such a file, and is it not what the last run wrote?"""
        path = self._folder / name
        changed = path.is_symlink() or self._digests.get(name) != self._written.get(name)
        return name in self._digests and changed

    def check(self, network: bytes) -> None:
        """Raises VolleyError where a network.vly would be lost, which neither the last run wrote nor this one will."""
        path = self._folder / NETWORK
        if self._theirs(NETWORK) and (path.is_symlink() or self._digests[NETWORK] != _digest(network)):
            raise would_be_lost(self._folder, path)

    def own_folding(self, asked: Any, cycles: int | None) -> Path | None:
        """The folder's folding.json, where it is to be used and left as it is: edited, and nothing else `asked` for;
        or asked for by its name."""
        path = self._folder / FOLDING
        named = isinstance(asked, (str, os.PathLike)) and asked != AUTO and os.path.exists(asked)
        if named and FOLDING in self._digests and os.path.samefile(asked, path):
            return path
        if not self._theirs(FOLDING):
            return None
        if asked is None:
            if cycles is not None:
                raise VolleyError(
                    f"{path}: was edited, and cycles_per_frame={cycles} asks for another plan; leave it out, "
                    "or plan anew with FOLDING=auto"
                )
            return path
        if asked != AUTO:
            raise VolleyError(f"{path}: was edited and would be lost; move it away, or choose another folder")
        if path.is_symlink() or not self._replaceable(path):
            raise would_be_lost(self._folder, path)
        return None

    def _replaceable(self, path: Path) -> bool:
        """Does FOLDING=auto ask for a new file in the place of this one? A run wrote one there, or it is a folding."""
        if self._written.get(FOLDING):
            return True
        try:
            found = read_json(path, CURE)
        except VolleyError:
            return False
        return isinstance(found, dict) and "layers" in found

    def unusable(self, path: Path, why: VolleyError) -> VolleyError:
        """Why the edited folding at `path` cannot be used, and what can be done."""
        text = str(why)
        where = "" if text.startswith(str(path)) else f"{path}: was edited and cannot be used: "
        way = "plan anew with FOLDING=auto" if self._replaceable(path) else "correct it, or move it away"
        return VolleyError(f"{where}{text}; {way}")

    def record(self, work: Path, network: bytes, folding: str) -> None:
        """Write the record of this run to folder `work`. folding: "" where the folder's stays as it is."""
        kept = self._written.get(FOLDING, "")
        written = {NETWORK: _digest(network), FOLDING: _digest(folding.encode()) if folding else kept}
        (work / RECORD).write_text(json.dumps(written, indent=2) + "\n")
