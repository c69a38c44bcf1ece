# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Edges with a delay: forward ones and those of loops (docs/numerics.md, Delays)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyflow.errors import VolleyError
from pyflow.operators import Operator, Tensor
from pyflow.operators.encode import MAX_STEPS


def checked_delay(edge: str, delay: Any, least: int = 0) -> int:
    """`delay` of an edge, in time steps. edge: what messages call it. Raises VolleyError where it is no whole number
    from `least` on, or one per synapse."""
    if isinstance(delay, list | tuple) or getattr(delay, "ndim", 0) != 0:
        raise VolleyError(
            f"{edge}: one delay per synapse or neuron is not built, an edge has one for all; "
            "give every delay an edge and a layer of its own, and add them"
        )
    if isinstance(delay, bool) or not isinstance(delay, int | np.integer) or not least <= delay <= MAX_STEPS:
        cure = "; read its source itself" if least and not delay else ""
        raise VolleyError(
            f"{edge}: delay {delay!r} must be a whole number of time steps, {least} to {MAX_STEPS:,}{cure}"
        )
    return int(delay)


@dataclass(frozen=True, slots=True)
class StateEdge:
    """An edge with a delay: operators that read its tensor at step t see what `source` was at step t - delay, and
    zeros before. source: an operator, the input, or another state edge, whose delay then adds.

    tensor: its name. Where an operator in front of `source` reads it, as in a loop, its type: that of `source`.
    """

    source: str
    tensor: Tensor | str
    delay: int = 1

    def __post_init__(self) -> None:
        edge = f"state edge {self.name!r} from {self.source!r}"
        object.__setattr__(self, "delay", checked_delay(edge, self.delay, 1))

    @property
    def name(self) -> str:
        """Of the tensor that it makes."""
        return self.tensor if isinstance(self.tensor, str) else self.tensor.name


def check(network: str, edges: Sequence[StateEdge], made: Collection[str]) -> None:
    """Raises VolleyError where a name stands twice, or an edge comes from no operator. made: names of the other
    tensors."""
    names = set(made)
    for edge in edges:
        if edge.name in names:
            raise VolleyError(f"network {network!r}: state edge {edge.name!r}: another tensor has this name")
        names.add(edge.name)
    sources = {edge.name: edge.source for edge in edges}
    for edge in edges:
        if edge.source not in names:
            raise VolleyError(f"network {network!r}: state edge {edge.name!r} from unknown tensor {edge.source!r}")
        way = [edge.name]
        while way[-1] in sources:
            if sources[way[-1]] in way:
                raise VolleyError(f"network {network!r}: state edge {edge.name!r} comes from itself; name an operator")
            way.append(sources[way[-1]])


def origin(edges: Sequence[StateEdge], tensor: str) -> tuple[str, int]:
    """(what makes `tensor`, time steps that it is delayed by)."""
    found, delay = {edge.name: edge for edge in edges}, 0
    while edge := found.get(tensor):
        tensor, delay = edge.source, delay + edge.delay
    return tensor, delay


def lines(edges: Sequence[StateEdge]) -> Iterator[StateEdge]:
    """The edges as they are built: of several from one source, the longer delay goes on where the shorter ends."""
    last: dict[str, StateEdge] = {}
    for edge in sorted(edges, key=lambda edge: edge.delay):
        shorter = last.get(edge.source)
        if shorter is None or shorter.delay == edge.delay:
            last.setdefault(edge.source, edge)
            yield edge
        else:
            last[edge.source] = edge
            yield StateEdge(shorter.name, edge.tensor, edge.delay - shorter.delay)


def lags(
    first: str, operators: Sequence[Operator], edges: Sequence[StateEdge], tensors: Mapping[str, Tensor]
) -> dict[str, int]:
    """Time steps by which a tensor lags behind `first` on the shortest way; without what no step of a frame reaches."""
    reads = [(op.name, source, 0) for op in operators for source in op.inputs]
    ways = [*reads, *((edge.name, edge.source, edge.delay) for edge in edges)]
    found, changed = {first: 0}, True
    while changed:
        changed = False
        for name, source, delay in ways:
            if source in found:
                timed, steps = tensors[name].timed, tensors[name].steps
                lag = found[source] + delay if timed else 0
                if lag < found.get(name, steps if timed else 1):
                    found[name], changed = lag, True
    return found
