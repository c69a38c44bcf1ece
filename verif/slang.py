# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Elaborates and analyses SystemVerilog with slang, several tops in one run.

slang judges in two phases. Compilation checks each construct by itself; analysis follows the values and finds
what compilation cannot, such as a variable that two processes write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyslang import TextDiagnosticClient, driver


@dataclass(frozen=True, slots=True)
class Analysis:
    """What slang made of a list of files. complaints: its messages as text, "" if there is none; compilation and
    manager: pyslang's objects, None where a source could not be read. front: the driver, which owns the sources."""

    complaints: str
    compilation: Any
    manager: Any
    front: Any


def analyse(
    sources: Sequence[Path],
    tops: Sequence[str],
    parameters: Mapping[str, int | str] | None = None,
    options: Sequence[str] = (),
    warnings: bool = False,
) -> Analysis:
    """Both phases over `tops`. sources: files, or `.f` lists. options: of slang's command line. warnings: are
    among the complaints, not errors alone."""
    front = driver.Driver()
    front.addStandardArgs()
    arguments = ["slang", "--error-limit", "0", *([] if warnings else ["-Wnone"]), *options]
    for top in tops:
        arguments += ["--top", top]
    for name, value in (parameters or {}).items():
        arguments += ["-G", _quoted(f"{name}={literal(value)}")]
    for path in sources:
        arguments += ["-F", _quoted(str(path))] if path.suffix == ".f" else [_quoted(str(path))]
    if not (front.parseCommandLine(" ".join(arguments)) and front.processOptions() and front.parseAllSources()):
        return Analysis("slang: command line or source not accepted", None, None, front)
    texts = TextDiagnosticClient()
    front.diagEngine.clearClients()
    front.diagEngine.addClient(texts)
    compilation = front.createCompilation()
    front.reportCompilation(compilation, True)
    manager = front.runAnalysis(compilation)
    return Analysis(texts.getString(), compilation, manager, front)


def literal(value: int | str) -> str:
    """A parameter's value in SystemVerilog."""
    return f'"{value}"' if isinstance(value, str) else str(value)


def _quoted(argument: str) -> str:
    return '"' + argument.replace('"', '\\"') + '"'
