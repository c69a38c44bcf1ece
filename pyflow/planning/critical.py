# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The critical cycle of a pipeline: what limits its frame rate, by name, from the precedences of its cores."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from pyflow.analysis.dataflow import largest_ratio
from pyflow.cores.precedence import Precedences
from pyflow.errors import VolleyError
from pyflow.planning.netlist import Netlist
from pyflow.planning.schedule import join

LARGE = 300_000  # events of a frame from which a report does not look for the cycle: some CPU-seconds


@dataclass(frozen=True)
class Critical:
    """least: cycles per frame below which no schedule of these cores comes. cores: along the cycle, each with how many
    of its events follow each other. frames: that the cycle spans. events: of all cores, in a frame."""

    least: Fraction
    cores: tuple[tuple[str, int], ...]
    frames: int
    events: int

    @property
    def advice(self) -> str:
        """What has to change before a frame takes fewer cycles."""
        names = list(dict.fromkeys(name for name, _ in self.cores))
        if len(names) == 1 and names[0].startswith("the "):
            return f"{names[0]} decide: nothing behind them is slower"
        if len(names) == 1:
            return f"{names[0]} works in every cycle of a frame: fold its layer wider, or give it more lanes"
        return f"{', '.join(names)} wait for each other: a deeper buffer between them, or a wider fold of one"


def critical(netlist: Netlist, most: int | None = None) -> Critical:
    """Raises VolleyError where a core has no precedences, or a frame has more than `most` events."""
    joined = join(netlist, {})
    moves = 2 * sum(joined.beats.values())
    if most is not None and moves > most:
        raise VolleyError(f"a frame has {moves:,} moves of beats, more than {most:,}; `make analyse` takes its time")
    found = Precedences(joined.beats)
    found.of_channel(joined.host, joined.cores[0][0])
    for name, core in joined.cores:
        found.add(core, name)
    edges = found.edges()
    cycles = largest_ratio(edges)
    assert cycles.ratio is not None
    names: list[tuple[str, int]] = []
    for edge in cycles.cycle:
        name = found.owner(int(edges.head[edge]))
        if names and names[-1][0] == name:
            names[-1] = name, names[-1][1] + 1
        else:
            names.append((name, 1))
    if len(names) > 1 and names[0][0] == names[-1][0]:
        names[0] = names[0][0], names[0][1] + names.pop()[1]
    return Critical(cycles.ratio, tuple(names), int(edges.delay[list(cycles.cycle)].sum()), edges.nodes)
