# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""An iteration as a max-plus linear map: when its tokens come, from when the tokens before it came.

Symbolic execution (Geilen 2009): every token carries a vector, how much later it comes than each initial token at the
least. A firing's vector is the maximum of those that it takes, plus its time. The state is the initial tokens alone, so
a rate of 2,376 costs rows of a matrix product and no node. As many firings of an actor as have their tokens are done at
once, in numpy; a turn (firing one at a time) is a running maximum.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from pyflow.analysis.dataflow.cycles import Cycles, Edges, largest_ratio
from pyflow.analysis.dataflow.graph import Graph
from pyflow.analysis.dataflow.liveness import Rates, check_live

NEVER = -(1 << 60)  # in the place of minus infinity
LEAST = NEVER >> 1  # what is below it has been NEVER


class _Queue:
    """Rows [tokens, width] in order."""

    def __init__(self, rows: np.ndarray) -> None:
        self.count = len(rows)
        self._width = rows.shape[1]
        self._rows = deque([rows] if len(rows) else [])

    def put(self, rows: np.ndarray) -> None:
        if len(rows):
            self.count += len(rows)
            self._rows.append(rows)

    def take(self, count: int) -> np.ndarray:
        taken: list[np.ndarray] = []
        self.count -= count
        while count:
            rows = self._rows.popleft()
            if len(rows) > count:
                self._rows.appendleft(rows[count:])
                rows = rows[:count]
            taken.append(rows)
            count -= len(rows)
        if len(taken) == 1:
            return taken[0]
        return np.concatenate(taken) if taken else np.empty((0, self._width), dtype=np.int64)


@dataclass(frozen=True)
class Iteration:
    """What became of the tokens of an iteration. tokens: one array [initial tokens, width] per edge of the graph.
    starts, ends: one array [firings, width] per actor, in order."""

    tokens: tuple[np.ndarray, ...]
    starts: tuple[np.ndarray, ...]
    ends: tuple[np.ndarray, ...]


class Executor:
    """Executes iterations of a live graph, from any times of its initial tokens."""

    def __init__(self, graph: Graph) -> None:
        check_live(graph)
        self.graph = graph
        edges = graph.edges
        self._source = [graph.number(edge.source) for edge in edges]
        self._target = [graph.number(edge.target) for edge in edges]
        self._takes = [Rates(edge.consumes) for edge in edges]
        turns = {n: edge for n, edge in enumerate(edges) if edge.is_turn}
        self._turn = {self._source[n]: n for n in turns}  # one is as good as several
        self._into: list[list[int]] = [[] for _ in graph.actors]
        self._out: list[list[int]] = [[] for _ in graph.actors]
        for n in range(len(edges)):
            self._out[self._source[n]].append(n)
            if n not in self._turn.values():
                self._into[self._target[n]].append(n)
        repetition = graph.repetition
        self._consumes = [self._tiled(edge.consumes, repetition[self._target[n]]) for n, edge in enumerate(edges)]
        self._produces = [self._tiled(edge.produces, repetition[self._source[n]]) for n, edge in enumerate(edges)]
        self._times = [self._tiled(actor.times, repetition[n]) for n, actor in enumerate(graph.actors)]

    @staticmethod
    def _tiled(values: tuple[int, ...], firings: int) -> np.ndarray:
        return np.tile(np.array(values, dtype=np.int64), firings // len(values))

    def run(self, tokens: tuple[np.ndarray, ...], earliest: np.ndarray) -> Iteration:
        """One iteration. tokens: one array [initial tokens, width] per edge. earliest: [width] of any firing."""
        queues = [_Queue(rows) for rows in tokens]
        actors = len(self.graph.actors)
        done = [0] * actors
        starts: list[list[np.ndarray]] = [[] for _ in range(actors)]
        ends: list[list[np.ndarray]] = [[] for _ in range(actors)]
        waiting, queued = deque(range(actors)), [True] * actors
        while waiting:
            actor = waiting.popleft()
            queued[actor] = False
            count = self._ready(actor, done[actor], queues)
            if not count:
                continue
            self._fire(actor, done[actor], count, queues, earliest, starts[actor], ends[actor])
            done[actor] += count
            for n in self._out[actor]:
                if not queued[target := self._target[n]]:
                    queued[target] = True
                    waiting.append(target)
        return Iteration(
            tuple(queue.take(queue.count) for queue in queues),
            tuple(np.concatenate(rows) for rows in starts),
            tuple(np.concatenate(rows) for rows in ends),
        )

    def _ready(self, actor: int, done: int, queues: list[_Queue]) -> int:
        """Firings that have their tokens, after `done` of this iteration."""
        count = self.graph.repetition[actor] - done
        for n in self._into[actor]:
            count = self._takes[n].firings(done % self._takes[n].phases, queues[n].count, count)
        return count

    def _fire(
        self,
        actor: int,
        done: int,
        count: int,
        queues: list[_Queue],
        earliest: np.ndarray,
        starts: list[np.ndarray],
        ends: list[np.ndarray],
    ) -> None:
        here = slice(done, done + count)
        start = np.broadcast_to(earliest, (count, len(earliest)))
        for n in self._into[actor]:
            takes = self._consumes[n][here]
            start = np.maximum(start, _latest(queues[n].take(int(takes.sum())), takes))
        times = self._times[actor][here]
        if (turn := self._turn.get(actor)) is not None:
            # end(k) = max(end(k - 1), start(k)) + time(k): less the times so far, a running maximum.
            so_far = np.cumsum(times)[:, None]
            before = so_far - times[:, None]
            shifted = np.where(start > LEAST, start - before, NEVER)
            shifted[0] = np.maximum(shifted[0], queues[turn].take(1)[0])
            start = np.maximum.accumulate(shifted)
            end = np.where(start > LEAST, start + so_far, NEVER)
            start = np.where(start > LEAST, start + before, NEVER)
        else:
            end = np.where(start > LEAST, start + times[:, None], NEVER)
        starts.append(start)
        ends.append(end)
        for n in self._out[actor]:
            queues[n].put(end[-1:] if n == turn else np.repeat(end, self._produces[n][here], axis=0))

    def at_rest(self, time: int = 0) -> tuple[np.ndarray, ...]:
        """All initial tokens, there at one time."""
        return tuple(np.full((edge.tokens, 1), time, dtype=np.int64) for edge in self.graph.edges)


def _latest(rows: np.ndarray, takes: np.ndarray) -> np.ndarray:
    """[firings, width] maximum over the rows of each firing, which takes so many of them."""
    each = int(takes[0])
    if each and (takes == each).all():
        most: np.ndarray = rows.reshape(len(takes), each, rows.shape[1]).max(axis=1)
        return most
    latest = np.full((len(takes), rows.shape[1]), NEVER, dtype=np.int64)
    some = takes > 0
    if some.any():
        latest[some] = np.maximum.reduceat(rows, (np.cumsum(takes) - takes)[some], axis=0)
    return latest


@dataclass(frozen=True)
class Matrix:
    """x(k + 1) = A ⊗ x(k) ⊕ b over the initial tokens, in the order of the graph's edges. a: [tokens, tokens] int64,
    NEVER where a token does not depend on another. b: [tokens] time from the beginning of all things, NEVER where
    none."""

    a: np.ndarray
    b: np.ndarray

    def cycles(self) -> Cycles:
        """The largest mean of a cycle: the period of an iteration."""
        head, tail = np.nonzero(self.a > LEAST)
        weight = self.a[head, tail]
        return largest_ratio(Edges(len(self.a), tail, head, weight, np.ones(len(tail), dtype=np.int64)))

    def step(self, x: np.ndarray) -> np.ndarray:
        """Times of the tokens after one more iteration."""
        after: np.ndarray = np.maximum((self.a + x[None, :]).max(axis=1, initial=NEVER), self.b)
        return after


def matrix(graph: Graph) -> Matrix:
    """The max-plus matrix of an iteration. Raises VolleyError where it deadlocks."""
    executor = Executor(graph)
    count = sum(edge.tokens for edge in graph.edges)
    width = count + 1
    rows = np.full((count, width), NEVER, dtype=np.int64)
    np.fill_diagonal(rows, 0)
    at = np.cumsum([edge.tokens for edge in graph.edges])[:-1]
    earliest = np.full(width, NEVER, dtype=np.int64)
    earliest[-1] = 0
    after = np.concatenate(executor.run(tuple(np.split(rows, at)), earliest).tokens)
    return Matrix(after[:, :-1], after[:, -1])
