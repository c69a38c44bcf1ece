# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The homogeneous graph of an iteration (HSDF): a node for each firing, an edge for what it waits for.

The firings of an actor start and end in order: an actor of one phase by induction over what it waits for, an actor of
several phases because it takes turns. So a firing waits, on each channel, for the firing that makes the last of its
tokens; earlier ones are implied. An edge of weight 0 from each firing of a one-phase actor to the next states the
order. It changes no time, and makes the expansion of a strongly connected graph strongly connected.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from pyflow.analysis.dataflow.cycles import Edges, strong_parts
from pyflow.analysis.dataflow.graph import Channel, Graph
from pyflow.errors import VolleyError

ORDER = -1  # cause of an edge: the order of an actor's firings
SCHEDULE = -2  # the static order of a processor


class Expansion:
    """first: [actors] number of each actor's first node. actor: [nodes] actor of each node. weight: [nodes] time of
    each firing. edges: sorted by head. cause: [edges] number of the channel in `channels`, ORDER, or SCHEDULE.

    orders: static orders, one per processor: names of actors, each as often as an iteration fires it. Raises
    VolleyError where they contradict the channels."""

    def __init__(self, graph: Graph, orders: Sequence[Sequence[str]] = ()) -> None:
        self.graph, self.channels = graph, graph.edges
        firings = graph.repetition
        self.first = [0, *accumulate(firings)]
        self.nodes = self.first[-1]
        self.actor = np.repeat(np.arange(len(firings)), firings)
        self.weight = np.concatenate([
            np.tile(np.array(a.times, dtype=np.int64), n // len(a.times))
            for a, n in zip(graph.actors, firings, strict=True)
        ])  # fmt: skip
        rows = [self._waits(n) for n in range(len(self.channels))]
        causes = [np.full(len(row[0]), n) for n, row in enumerate(rows)]
        for n, actor in enumerate(graph.actors):
            if len(actor.times) == 1:
                rows.append(self._in_order(n))
                causes.append(np.full(len(rows[-1][0]), ORDER))
        for order in orders:
            rows.append(self._scheduled(order))
            causes.append(np.full(len(rows[-1][0]), SCHEDULE))
        tail, head, delay = (np.concatenate(column) for column in zip(*rows, strict=True))
        cause = np.concatenate(causes)
        by_head = np.argsort(head, kind="stable")
        tail, head, delay, self.cause = tail[by_head], head[by_head], delay[by_head], cause[by_head]
        weight = np.where(self.cause == ORDER, 0, self.weight[head])
        self.edges = Edges(self.nodes, tail, head, weight, delay)
        if orders:
            self._check_orders()

    def part(self) -> np.ndarray:
        """[nodes] strongly connected part of each node, as of the actors: see above. Not for static orders."""
        ends = [(self.graph.number(c.source), self.graph.number(c.target)) for c in self.channels]
        tail, head = np.array(ends, dtype=np.int64).reshape(-1, 2).T
        return strong_parts(len(self.graph.actors), tail, head)[self.actor]

    def with_channel(self, number: int, channel: Channel) -> Expansion:
        """The same but for channel `number`, which has other tokens now."""
        made = object.__new__(Expansion)
        made.__dict__.update(self.__dict__)
        made.channels = (*self.channels[:number], channel, *self.channels[number + 1 :])
        tail, _, delay = made._waits(number)
        at = np.flatnonzero(self.cause == number)
        new_tail, new_delay = self.edges.tail.copy(), self.edges.delay.copy()
        new_tail[at], new_delay[at] = tail, delay  # heads of one channel ascend, and sorting is stable
        made.edges = Edges(self.nodes, new_tail, self.edges.head, self.edges.weight, new_delay)
        return made

    def _check_orders(self) -> None:
        """No circle may be without delay. The channels alone have none: the graph is live."""
        now = np.flatnonzero(self.edges.delay == 0)
        tail, head = self.edges.tail[now], self.edges.head[now]
        part = strong_parts(self.nodes, tail, head)
        sizes = np.bincount(part, minlength=1)
        if sizes.max() > 1 or bool((tail == head).any()):
            worst = int(sizes.argmax()) if sizes.max() > 1 else int(part[tail[tail == head][0]])
            names = sorted({self.graph.actors[n].name for n in self.actor[part == worst].tolist()})
            raise VolleyError(
                f"graph {self.graph.name}: deadlock: static orders make {', '.join(names)} wait for each other; "
                "orders have to agree with one order of all firings"
            )

    def _waits(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(tail, head, delay) of a channel: the firing that makes the last token of each firing that takes some."""
        channel = self.channels[number]
        source, target = self.graph.number(channel.source), self.graph.number(channel.target)
        fires = self.first[target + 1] - self.first[target]
        made, taken = np.array(channel.produces, dtype=np.int64), np.array(channel.consumes, dtype=np.int64)
        sums = np.cumsum(np.tile(taken, fires // len(taken)))
        whole = int(sums[-1])
        takes = np.flatnonzero(np.tile(taken, fires // len(taken)))
        last = sums[takes] - 1 - channel.tokens
        delay = -(last // whole)
        last %= whole
        cycle, rest = np.divmod(last, int(made.sum()))
        firing = cycle * len(made) + np.searchsorted(np.cumsum(made), rest, side="right")
        return self.first[source] + firing, self.first[target] + takes, delay

    def _in_order(self, actor: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        nodes = np.arange(self.first[actor], self.first[actor + 1])
        delay = np.zeros(len(nodes), dtype=np.int64)
        delay[0] = 1
        return np.roll(nodes, 1), nodes, delay

    def _scheduled(self, order: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One firing after the other on a processor, and from the last to the first of the next iteration."""
        count = dict.fromkeys(order, 0)
        nodes = []
        for name in order:
            number = self.graph.number(name)
            nodes.append(self.first[number] + count[name])
            count[name] += 1
        for name, times in count.items():
            fires = self.graph.repetition[self.graph.number(name)]
            if times != fires:
                raise VolleyError(
                    f"static order: {name} stands {times} times in it, and fires {fires} times in an iteration"
                )
        delay = np.zeros(len(nodes), dtype=np.int64)
        delay[0] = 1
        head = np.array(nodes, dtype=np.int64)
        return np.roll(head, 1), head, delay
