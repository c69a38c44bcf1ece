# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What `pyflow analyse` says of a graph, as text and as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from pyflow.analysis.dataflow.graph import Graph
from pyflow.analysis.dataflow.storage import Front, Smallest, front, smallest
from pyflow.analysis.dataflow.timing import Latency, Timing, latency, timing
from pyflow.errors import VolleyError

STEPS = 12  # of a critical cycle that are shown as text


@dataclass(frozen=True)
class Summary:
    """unlimited: with buffers that never fill. smallest: None where `no_buffers` says why. bounded: the graph with
    those buffers, and its latency."""

    unlimited: Timing
    latency: Latency
    smallest: Smallest | None
    no_buffers: str | None
    bounded: tuple[Timing, Latency] | None
    front: Front | None

    def text(self) -> str:
        graph, found = self.unlimited.graph, self.unlimited
        phases = sum(len(actor.times) for actor in graph.actors)
        rows = [
            ("graph", f"{graph.name}: {len(graph.actors)} actors ({phases} phases), {len(graph.channels)} channels, "
                      f"{sum(graph.repetition):,} firings per iteration"),
            ("period", _period(found)),
        ]  # fmt: skip
        if found.critical:
            rows.append(("critical cycle", _cycle(found)))
        slower = sum(period < found.period for period in found.periods.values())
        if slower:
            rows.append(("faster alone", f"{slower} of {len(found.periods)} actors, which run ahead without buffers"))
        rows.append(("latency", _latency(self.latency)))
        if self.smallest is not None and self.bounded is not None:
            sizes = ", ".join(f"{name} {count:,}" for name, count in self.smallest.distribution.capacities.items())
            proven = self.smallest.least == self.smallest.distribution.size
            rest = "no fewer will do" if proven else f"no fewer than {self.smallest.least:,} will do"
            rows.append(("buffers", f"{self.smallest.distribution.size:,} tokens for a period of "
                                    f"{number(self.smallest.distribution.period)}; {rest}"))  # fmt: skip
            rows.append(("", sizes))
            rows.append(("with these", _latency(self.bounded[1])))
        elif self.no_buffers:
            rows.append(("buffers", self.no_buffers))
        for n, (size, period) in enumerate(self.front.pairs if self.front else ()):
            rows.append(("" if n else "front", f"{size:,} tokens, period {number(period)}"))
        return "\n".join(f"{title:<16}{text}" for title, text in rows)

    def to_json(self) -> dict[str, Any]:
        """Times in time units of the file; a fraction as [numerator, denominator]."""
        found, graph = self.unlimited, self.unlimited.graph
        outcome: dict[str, Any] = {
            "graph": graph.name,
            "repetition": found.firings,
            "period": _pair(found.period),
            "critical_cycle": [asdict(step) for step in found.critical],
            "periods": {name: _pair(period) for name, period in found.periods.items()},
            "latency": asdict(self.latency),
            "buffers": None,
        }
        if self.smallest is not None and self.bounded is not None:
            outcome["buffers"] = {
                "capacities": dict(self.smallest.distribution.capacities),
                "size": self.smallest.distribution.size,
                "least": self.smallest.least,
                "period": _pair(self.smallest.distribution.period),
                "critical_cycle": [asdict(step) for step in self.bounded[0].critical],
                "latency": asdict(self.bounded[1]),
            }
        if self.front is not None:
            outcome["front"] = [
                {"size": p.size, "period": _pair(p.period), "capacities": dict(p.capacities)} for p in self.front.points
            ]
        return outcome


def summary(
    graph: Graph, period: Fraction | None = None, whole_front: bool = False, progress: Callable[[], object] = int
) -> Summary:
    """Of a graph. period: that the buffers are to allow; the least one where it is None. progress: as of Buffers."""
    found = timing(graph)
    least = why = bounded = points = None
    if not graph.buffers:
        why = "no channel between two actors"
    elif found.period == 0:
        why = "nothing limits the rate, so none are large enough"
    else:
        least = smallest(graph, period, progress=progress)
        within = timing(graph.bounded(least.distribution.capacities))
        bounded = within, latency(within)
        points = front(graph, progress=progress) if whole_front else None
    if whole_front and points is None:
        raise VolleyError(f"graph {graph.name}: no front of buffers: {why}")
    return Summary(found, latency(found), least, why, bounded, points)


def _pair(value: Fraction) -> list[int]:
    return [value.numerator, value.denominator]


def number(value: Fraction) -> str:
    """A fraction as text, with commas."""
    return f"{value.numerator:,}" if value.denominator == 1 else f"{value.numerator:,}/{value.denominator:,}"


def _period(found: Timing) -> str:
    if not found.period:
        return "0 (nothing limits the rate)"
    return f"{number(found.period)} time units per iteration ({float(1 / found.period):.6g} iterations per time unit)"


def _cycle(found: Timing) -> str:
    shown = " · ".join(map(str, found.critical[:STEPS]))
    more = len(found.critical) - STEPS
    delay = sum(step.delay for step in found.critical)
    return f"{shown}{f' · {more} more' if more > 0 else ''} (over {delay} iteration{'s' * (delay != 1)})"


def _latency(found: Latency) -> str:
    first = f"{found.first:,} time units for the first iteration"
    if found.settled is None:
        return f"{first}; iterations do not settle"
    return (
        f"{first}, {found.settled:,} once settled, after {found.transient} iteration{'s' * (found.transient != 1)}"
        + (f"; repeats every {found.cyclicity}" if found.cyclicity != 1 else "")
    )
