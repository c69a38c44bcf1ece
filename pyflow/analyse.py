# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The job `analyse`: what a dataflow graph of a file can do."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from pyflow.analysis.dataflow import Application, Timing, read_sdf3, timing
from pyflow.analysis.dataflow.summary import number, summary
from pyflow.bars import bar
from pyflow.errors import VolleyError


def analyse(args: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """Period, critical cycle, latency and smallest buffers of a file of SDF3."""
    if not str(args.file).endswith(".xml"):
        raise VolleyError(
            f"{args.file}: not a file of SDF3; give one that ends in .xml (networks are not analysed yet)"
        )
    application = read_sdf3(args.file).application
    if application is None:
        raise VolleyError(f"{args.file}: it has no applicationGraph, only a platform; give an application")
    try:
        with bar("buffers", "distribution") as shown:
            found = summary(application.graph, _fraction(args.period), args.front, shown.update)
    except VolleyError as e:
        raise VolleyError(f"{args.file}: {e}") from None
    print("\n".join((found.text(), *_of_the_file(application, found.unlimited))), flush=True)
    return 0, {"file": str(args.file), **found.to_json()}


def _of_the_file(application: Application, found: Timing) -> Iterator[str]:
    """What becomes of the throughput and the buffers that the file asks for."""
    if application.throughput:
        reached = "reached" if found.period * application.throughput <= 1 else "not reached, whatever the buffers"
        yield f"{'asked for':<16}{float(application.throughput):.6g} iterations per time unit: {reached}"
    names = [channel.name for channel in application.graph.buffers if channel.name in application.buffers]
    if names:
        try:
            period = timing(application.graph.bounded({name: application.buffers[name] for name in names})).period
            yield f"{'its own buffers':<16}period {number(period)}"
        except VolleyError as e:
            yield f"{'its own buffers':<16}{e}"


def _fraction(text: str | None) -> Fraction | None:
    """16, 16.5 or 33/2."""
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,15}(\.\d{1,9}|/[1-9]\d{0,8})?", text, re.ASCII):
        raise VolleyError(f"--period {text!r} is no number of time units, as 16, 16.5 or 33/2")
    return Fraction(text)
