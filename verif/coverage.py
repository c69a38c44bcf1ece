# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Functional coverage over all runs of each core: `make coverage`, or `python -m verif.coverage`.

Each run of a bench that passes leaves its bins in build/coverage (verif/tb/coverage.py says what a bin is).
A bin is hit if any run of the core hits it. Only cores all of whose runs are there are judged.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tabulate import tabulate

from pyflow.sources import rtl_sources
from verif.cases import Case, collect


@dataclass(frozen=True, slots=True)
class Coverage:
    """bins: name -> hit, over the runs found. newest: when the last of those was made [s since the epoch]."""

    core: str
    runs: int
    found: int
    bins: dict[str, bool]
    newest: float

    @property
    def complete(self) -> bool:
        return self.found == self.runs

    @property
    def missed(self) -> list[str]:
        return [name for name, hit in self.bins.items() if not hit]


def measure() -> list[Coverage]:
    """Coverage of every core with a bench, in the order of rtl.f."""
    cases = collect()
    return [_merge(path.stem, cases[path.stem]) for path in rtl_sources() if path.stem in cases]


def _merge(core: str, cases: Sequence[Case]) -> Coverage:
    found = [path for case in cases if (path := case.coverage_file()).exists()]
    bins: dict[str, bool] = {}
    for path in found:
        for name, hit in json.loads(path.read_text()).items():
            bins[name] = hit or bins.get(name, False)
    return Coverage(core, len(cases), len(found), bins, max((path.stat().st_mtime for path in found), default=0))


def complaints(found: Sequence[Coverage], since: float = 0) -> list[str]:
    """One line per core that ran after `since`, is complete, and missed a bin."""
    return [
        f"{c.core}: not covered: {', '.join(c.missed)}" for c in found if c.complete and c.newest >= since and c.missed
    ]


def table(found: Sequence[Coverage]) -> str:
    rows = [
        [c.core, f"{c.found} of {c.runs}", len(c.bins), len(c.bins) - len(c.missed), ", ".join(c.missed)] for c in found
    ]
    return tabulate(rows, ["core", "runs", "bins", "hit", "missed"], tablefmt="github")


def main() -> int:
    found = measure()
    if wanted := os.environ.get("DUT"):
        found = [c for c in found if c.core == f"volley_{wanted.removeprefix('volley_')}"]
    print(table(found))
    partial = [c.core for c in found if not c.complete]
    if partial:
        print(f"not judged, runs are missing (make test K=rtl): {', '.join(partial)}")
    lines = complaints(found)
    print("\n".join(lines), file=sys.stderr)
    return int(bool(lines or partial))


if __name__ == "__main__":
    sys.exit(main())
