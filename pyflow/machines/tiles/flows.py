# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""How many flits go from which context to which others, and what that makes of each link.

No step is shorter than what its busiest link carries in it. So a placement of fewest hops is changed where another one
takes flits off that link.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from pyflow.machines.tiles.flits import END, Flits
from pyflow.machines.tiles.system import Connection, Context
from pyflow.machines.tiles.topology import Topology, tree

MOVES = 600


@dataclass(frozen=True, slots=True)
class Flow:
    """flits: per step, each to all targets."""

    source: int
    targets: tuple[int, ...]
    flits: float


def flows(contexts: Sequence[Context], connections: Sequence[Connection], rates: Sequence[np.ndarray]) -> list[Flow]:
    """Spikes by who reads them, partial sums, an END to all that read anything, and the credits that come back. rates:
    of each context, spikes per step of its neurons."""
    found: list[Flow] = []
    for n, context in enumerate(contexts):
        out = [of for of in connections if of.source == n]
        back = sorted({of.source for of in connections if of.target == n})
        if out:
            goes = np.zeros((len(out), context.neurons), dtype=bool)
            always = np.zeros(context.neurons, dtype=bool)
            for row, of in zip(goes, out, strict=True):
                row[of.reads] = True
                always[of.reads] |= of.sums
            ways, which = np.unique(goes, axis=1, return_inverse=True)
            flits = np.bincount(which.ravel(), np.where(always, 1.0, rates[n]), ways.shape[1])
            for way, many in zip(ways.T, flits.tolist(), strict=True):
                targets = tuple(sorted({out[k].target for k in np.flatnonzero(way)}))
                if targets and many:
                    found.append(Flow(n, targets, many))
            found.append(Flow(n, tuple(sorted({of.target for of in out})), 1.0))
        if back:
            found.append(Flow(n, tuple(back), 1.0))
    return found


def sent_flows(
    contexts: Sequence[Context], connections: Sequence[Connection], flits: Sequence[Flits], steps: int
) -> list[Flow]:
    """Those of a run."""
    count = [np.zeros(context.neurons) for context in contexts]
    for sent in flits:
        count[sent.context][sent.neuron[sent.neuron != END]] += 1 / steps
    return flows(contexts, connections, count)


def loads(topology: Topology, every: Sequence[Flow], node: Sequence[int]) -> dict[int, float]:
    """Flits per step over each link that carries any. node: of each context."""
    return _carried(every, node, lambda source, targets: tree(topology, source, sorted(targets)))


def _carried(
    every: Sequence[Flow], node: Sequence[int], way: Callable[[int, frozenset[int]], Iterable[int]]
) -> dict[int, float]:
    """way: links from a node to some."""
    total: dict[int, float] = {}
    for flow in every:
        for link in way(node[flow.source], frozenset(node[target] for target in flow.targets)):
            total[link] = total.get(link, 0.0) + flow.flits
    return total


def relieved(topology: Topology, every: Sequence[Flow], node: Sequence[int], *, seed: int = 0) -> list[int]:
    """The nodes after exchanges of tiles that take flits off the busiest link, or hops off flits at the same load.
    node: of each context; those at the host stay there."""
    rng = np.random.default_rng(seed)

    @cache
    def way(source: int, targets: frozenset[int]) -> tuple[int, ...]:
        return tuple(tree(topology, source, sorted(targets)))

    def cost(at: Sequence[int]) -> tuple[float, float]:
        total = _carried(every, at, way)
        return max(total.values(), default=0.0), sum(total.values())

    best = list(node)
    least = cost(best)
    for _ in range(MOVES if topology.tiles > 1 else 0):
        one, other = rng.choice(topology.tiles, 2, replace=False).tolist()
        tried = [other if at == one else one if at == other else at for at in best]
        found = cost(tried)
        if found < least:
            best, least = tried, found
    return best
