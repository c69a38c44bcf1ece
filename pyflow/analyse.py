# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The job `analyse`: what a dataflow graph of a file can do, or what limits a network on a board."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

from pyflow import loading
from pyflow.analysis.dataflow import Application, Timing, read_sdf3, timing
from pyflow.analysis.dataflow.summary import number, summary
from pyflow.bars import bar
from pyflow.errors import VolleyError
from pyflow.machine import Target
from pyflow.machines.stream import STREAM
from pyflow.out_folder import AUTO
from pyflow.planning.board import load_board
from pyflow.planning.critical import critical


def analyse(args: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """Period, critical cycle, latency and smallest buffers of a file of SDF3; cycles per frame and critical cycle of a
    network."""
    if args.file is None or not str(args.file).endswith(".xml"):
        args.net = args.file or args.net
        return _network(args)
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


def _network(args: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    """The least cycles per frame that the plan's cores allow, beside those of its schedule."""
    if args.period or args.front:
        raise VolleyError("--period and --front are for dataflow graphs; a network's target is --cycles")
    network, _ = loading.network(args, need_data=False)
    if args.time_block is not None:
        network = replace(network, time_block=args.time_block)
    target = Target(args.cycles, None if args.folding == AUTO else args.folding)
    plan = STREAM.plan(network, load_board(args.board), target)
    found = critical(plan.netlist)
    exact = plan.schedule.cycles_per_frame
    cycle = " · ".join(f"{name} ({count:,})" if count > 1 else name for name, count in found.cores)
    same = exact == found.least
    rows = {
        "network": f"{network.name} on {args.board}: {len(plan.netlist.instances)} cores, {found.events:,} events",
        "cycles per frame": f"{exact:,g} by the schedule" + (", none fewer with these cores" if same else ""),
        "at the least": f"{number(found.least)}, by the critical cycle",
        "critical cycle": f"{cycle} (over {found.frames} frame{'s' * (found.frames != 1)})",
        "to change": found.advice,
    }
    if not same:
        rows["the difference"] = "gaps between beats that stay in cores which stall as a whole"
    print("\n".join(f"{title:<18}{text}" for title, text in rows.items()), flush=True)
    return 0, {
        "network": network.name,
        "board": args.board,
        "cycles_per_frame": exact,
        "least": [found.least.numerator, found.least.denominator],
        "critical_cycle": [{"core": name, "events": count} for name, count in found.cores],
        "frames": found.frames,
    }


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
