# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Functional coverage: situations ("bins") that the tests of a core have to bring about.

    from verif.tb.coverage import declare, hit

    declare("empty", "full", "push and pop at once")     # when the bench is imported
    hit("full", count == DEPTH)                          # in a monitor, or where the stimulus is made

A bin counts as hit if any run of the core hits it, at any parameter set; `axis.TB` adds bins of its own for
every stream. Where a core cannot reach one of those, the bench says so: `waive("full rate", "why not")`.
verif/coverage.py merges the runs.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

_bins: dict[str, bool] = {}
_waived: dict[str, str] = {}


def declare(*bins: str) -> None:
    """Bins that have to be hit; once more is no harm."""
    for name in bins:
        if name not in _bins and name not in _waived:
            _bins[name] = False
            _write()


def of_parameters(bins: dict[str, object]) -> None:
    """Bins that a parameter set hits by itself: name -> is it one of those."""
    declare(*bins)
    for name, happened in bins.items():
        hit(name, happened)


def waive(name: str, reason: str) -> None:
    """Leave a bin of `axis.TB` out because this core cannot reach it."""
    assert name not in _bins, f"waive {name!r} before a TB is made"
    _waived[name] = reason


def hit(name: str, happened: object = True) -> None:
    """Mark a declared bin if `happened`."""
    if happened and name not in _waived and not _bins[name]:
        _bins[name] = True
        _write()


def _write() -> None:
    """A simulation has no certain end, so the file is kept up to date; bins are few."""
    if path := os.environ.get("VOLLEY_COVERAGE"):
        Path(path).write_text(json.dumps(_bins))
