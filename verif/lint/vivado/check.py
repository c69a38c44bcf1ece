# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Runs every rule of rules.toml on a design."""

from __future__ import annotations

import re
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

from verif.lint.vivado import drivers, memories, processes, tree
from verif.lint.vivado.design import Finding, bodies
from verif.slang import Analysis, analyse

# Code that Vivado skips is skipped here.
SYNTHESIS = (
    "-DSYNTHESIS",
    "--translate-off-format",
    "synthesis,translate_off,translate_on",
    "--translate-off-format",
    "synopsys,translate_off,translate_on",
)
# What slang refuses; there is a rule on two processes that write one variable.
_ERROR = re.compile(r"^(\S+):(\d+):\d+: (?:fatal )?error: (?!.*\[-W[\w-]+-assigns\]$)(.*)$", re.MULTILINE)
_PRAGMA = re.compile(r"(?://|/\*)\s*(?:synthesis|synopsys|pragma)\s+(translate_off|full_case|parallel_case)\b")
_LIST = re.compile(r"\balways\s*@\s*(?:\*|\(\s*\*\s*\)|\((?![^()]*\b(?:pos|neg)edge\b)[^()]*\))")


def check(
    sources: Sequence[Path],
    tops: Sequence[str],
    parameters: Mapping[str, int | str] | None = None,
    images: Path | None = None,
) -> list[Finding]:
    """Findings in the order of the files. images: folder of what $readmemh reads; without it, images are not judged."""
    found = analyse(sources, tops, parameters, SYNTHESIS)
    if found.compilation is None:
        return [Finding("slang", str(sources[0]), 1, found.complaints)]
    hits = {
        Finding("timescale" if "time scale" in m[3] else "slang", m[1], int(m[2]), m[3])
        for m in _ERROR.finditer(found.complaints)
    }
    hits |= {_finding(hit, found) for hit in tree.hits(found.front.syntaxTrees)}
    hits |= set(_pragmas(sources))
    if all(f.rule != "slang" for f in hits):
        hits |= {_finding(hit, found) for hit in _hits(found, images)}
        hits |= set(_latches(sources, tops, parameters))
    return sorted(hits, key=lambda f: (f.file, f.line, f.rule, f.what))


@cache
def waivers() -> tuple[dict[str, str], ...]:
    """Rows of waivers.toml."""
    return tuple(tomllib.loads(Path(__file__).with_name("waivers.toml").read_text(encoding="utf-8"))["waiver"])


def waived(finding: Finding) -> bool:
    """Whether a waiver is about it."""
    return any(
        finding.rule == row["rule"] and fnmatch(finding.file, f"*{row['file']}") and fnmatch(finding.what, row["what"])
        for row in waivers()
    )


def _hits(found: Analysis, images: Path | None) -> Iterator[tuple[str, Any, str]]:
    every = bodies(found.compilation.getRoot())
    for body in every:
        yield from processes.hits(body)
        yield from drivers.hits(body, found.manager)
        yield from memories.hits(body, found.manager, images)
    yield from drivers.clock_hits(every, found.manager)


def _finding(hit: tuple[str, Any, str], found: Analysis) -> Finding:
    rule, node, what = hit
    manager = found.front.sourceManager
    place = getattr(node, "location", None) or node.sourceRange.start
    place = manager.getFullyExpandedLoc(place)
    return Finding(rule, str(manager.getFileName(place)), manager.getLineNumber(place), what)


def _pragmas(sources: Sequence[Path]) -> Iterator[Finding]:
    """Comments that synthesis obeys."""
    for path in sources:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if found := _PRAGMA.search(line):
                rule = "translate-off" if found[1].startswith("translate") else "case-pragma"
                yield Finding(rule, str(path), number, found[1])


def _latches(
    sources: Sequence[Path], tops: Sequence[str], parameters: Mapping[str, int | str] | None
) -> Iterator[Finding]:
    """slang looks for latches in always_comb only, so the other combinational processes are read as that."""
    with tempfile.TemporaryDirectory() as folder:
        copies = {}
        for number, path in enumerate(sources):
            text = path.read_text(encoding="utf-8")
            if _LIST.search(text):
                copy = Path(folder, f"{number}-{path.name}")
                copy.write_text(_LIST.sub(lambda m: "always_comb" + "\n" * m[0].count("\n"), text))
                copies[path] = copy
        read = [copies.get(path, path) for path in sources]
        found = analyse(read, tops, parameters, (*SYNTHESIS, "-Wnone", "-Winferred-latch"), warnings=True)
        names = {copy.name: str(path) for path, copy in copies.items()}
        pattern = r"^(\S+):(\d+):\d+: warning: (.*) \[-Winferred-latch\]$"
        for match in re.finditer(pattern, found.complaints, re.MULTILINE):
            yield Finding("latch", names.get(Path(match[1]).name, match[1]), int(match[2]), match[3])
