# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The largest cycle ratio of a graph of precedences, exact, with a certificate.

An edge says: the head ends at least `weight` later than the tail did, `delay` iterations before. The largest of
Σ weight / Σ delay over all cycles is the period of an iteration (Baccelli et al. 1992). Howard's policy iteration
(Cochet-Terrasson et al. 1998) finds it, here in integers throughout. Its answer is checked in every call: a cycle that
has the ratio, and potentials that no edge contradicts, so that no cycle has more.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

SAFE = 1 << 61  # sums below it are kept in int64, others in Python's integers


@dataclass(frozen=True)
class Edges:
    """Precedences between `nodes` nodes; int64 arrays [edges], sorted by head. weight in time units, delay in
    iterations."""

    nodes: int
    tail: np.ndarray
    head: np.ndarray
    weight: np.ndarray
    delay: np.ndarray


@dataclass(frozen=True)
class Cycles:
    """ratio: the largest of a cycle; None where there is no cycle. cycle: its edges, in the order in which they follow.
    part: [nodes] strongly connected part of each node, numbered so that no edge leads to a lower one. ratios: of each
    part, None where it has no cycle. potential: [nodes], in units of 1 / denominator of the part's ratio. policy: edge
    that decides each node, for the next call on a graph that differs little; -1 where there is none."""

    ratio: Fraction | None
    cycle: tuple[int, ...]
    part: np.ndarray
    ratios: tuple[Fraction | None, ...]
    potential: np.ndarray
    policy: np.ndarray

    def check(self, edges: Edges) -> None:
        """Raises RuntimeError unless the certificate proves the ratio. O(edges)."""
        tail, head = self.part[edges.tail], self.part[edges.head]
        ok = bool((tail <= head).all())
        inside = np.flatnonzero(tail == head)
        numerator, denominator = (
            np.array([getattr(r or Fraction(0), of) for r in self.ratios], dtype=self.potential.dtype)
            for of in ("numerator", "denominator")
        )
        of = tail[inside]
        ok &= all(self.ratios[n] is not None for n in np.unique(of).tolist())
        excess = denominator[of] * edges.weight[inside] - numerator[of] * edges.delay[inside]
        ok &= bool((self.potential[edges.tail[inside]] + excess <= self.potential[edges.head[inside]]).all())
        known = [ratio for ratio in self.ratios if ratio is not None]
        ok &= self.ratio == (max(known) if known else None)
        if self.ratio is not None:
            here = np.array(self.cycle)
            follows = edges.tail[np.roll(here, -1)] == edges.head[here]
            weight, delay = int(edges.weight[here].sum()), int(edges.delay[here].sum())
            ok &= bool(follows.all()) and delay > 0 and Fraction(weight, delay) == self.ratio
        if not ok:
            raise RuntimeError("the certificate of a cycle ratio does not hold")


def largest_ratio(edges: Edges, part: np.ndarray | None = None, policy: np.ndarray | None = None) -> Cycles:
    """The largest cycle ratio of each strongly connected part, and of the whole. part: as of Cycles, where it is known
    already. policy: of an earlier call, where to begin. No cycle may be without delay."""
    if part is None:
        part = strong_parts(edges.nodes, edges.tail, edges.head)
    count = int(part.max()) + 1 if edges.nodes else 0
    inside = np.flatnonzero(part[edges.tail] == part[edges.head])
    ratios: list[Fraction | None] = [None] * count
    potential: np.ndarray = np.zeros(edges.nodes, dtype=np.int64)
    decided = np.full(edges.nodes, -1, dtype=np.int64)
    best: tuple[Fraction, tuple[int, ...]] | None = None
    # Edges of one part after the other, each still sorted by head.
    inside = inside[np.argsort(part[edges.head[inside]], kind="stable")] if count > 1 else inside
    borders = np.searchsorted(part[edges.head[inside]], np.arange(count + 1))
    for n in np.flatnonzero(np.diff(borders)).tolist():
        chosen = inside[borders[n] : borders[n + 1]]
        whole = count == 1 and len(chosen) == len(edges.tail)
        nodes = np.arange(edges.nodes) if whole else np.unique(edges.head[chosen])
        local = edges if whole else _local(edges, chosen, nodes)
        began = None
        if policy is not None and (policy[nodes] >= 0).all() and (part[edges.tail[policy[nodes]]] == n).all():
            began = policy[nodes] if whole else np.searchsorted(chosen, policy[nodes])
        ratio, cycle, values, choice = _howard(local, began)
        ratios[n] = ratio
        if values.dtype == object:
            potential = potential.astype(object)
        potential[nodes], decided[nodes] = values, chosen[choice]
        if best is None or ratio > best[0]:
            best = ratio, tuple(int(chosen[e]) for e in cycle)
    ratio_of_all, cycle_of_all = best or (None, ())
    found = Cycles(ratio_of_all, cycle_of_all, part, tuple(ratios), potential, decided)
    found.check(edges)
    return found


def _local(edges: Edges, chosen: np.ndarray, nodes: np.ndarray) -> Edges:
    """The part of a graph that these edges between these nodes are."""
    tail, head = np.searchsorted(nodes, edges.tail[chosen]), np.searchsorted(nodes, edges.head[chosen])
    return Edges(len(nodes), tail, head, edges.weight[chosen], edges.delay[chosen])


def _howard(edges: Edges, policy: np.ndarray | None) -> tuple[Fraction, list[int], np.ndarray, np.ndarray]:
    """(ratio, edges of a cycle that has it, potentials, policy) of a strongly connected graph."""
    first = np.searchsorted(edges.head, np.arange(edges.nodes))
    if policy is None:
        policy = _first_best(edges.weight, edges.head, first)
    policy = policy.copy()
    ratio: Fraction | None = None
    values: np.ndarray = np.zeros(edges.nodes, dtype=np.int64)
    heaviest, longest = int(edges.weight.max()), int(edges.delay.max())
    root = 0
    while True:
        found, cycle, reaches = _best_cycle(edges, policy, root)
        same = found == ratio
        ratio, numerator, denominator = found, found.numerator, found.denominator
        root = int(edges.head[cycle[0]])
        if not reaches.all():
            _lead_to(edges, policy, reaches)
        exact = edges.nodes * (denominator * heaviest + numerator * longest) < SAFE
        kind = np.int64 if exact else object
        excess = denominator * edges.weight.astype(kind) - numerator * edges.delay.astype(kind)
        values = _values(edges.tail[policy], excess[policy], root, values[root] if same else 0)
        offered = values[edges.tail] + excess
        most = np.maximum.reduceat(offered, first)
        better = most > values
        if not better.any():
            return ratio, cycle, values, policy
        choice = _first_best(offered, edges.head, first, most)
        policy[better] = choice[better]


def _first_best(value: np.ndarray, head: np.ndarray, first: np.ndarray, most: np.ndarray | None = None) -> np.ndarray:
    """The first edge of each head that has the largest value."""
    most = np.maximum.reduceat(value, first) if most is None else most
    at = np.flatnonzero(value == most[head])
    return at[np.searchsorted(head[at], np.arange(len(first)))]


def _best_cycle(edges: Edges, policy: np.ndarray, root: int) -> tuple[Fraction, list[int], np.ndarray]:
    """(largest ratio of a policy's cycles, the edges of one that has it, which nodes lead back to that one). Where the
    cycle of `root` is among the best it is taken."""
    nodes = np.arange(edges.nodes)
    before = edges.tail[policy]
    far, lowest = before, nodes
    for _ in range(int(edges.nodes).bit_length()):
        lowest = np.minimum(lowest, lowest[far])
        far = far[far]
    on = np.zeros(edges.nodes, dtype=bool)
    on[far] = True
    name = lowest[far]  # of a cycle: its lowest node
    members = np.flatnonzero(on)
    names, back = np.unique(name[members], return_inverse=True)
    weight, delay = np.zeros(len(names), dtype=np.int64), np.zeros(len(names), dtype=np.int64)
    np.add.at(weight, back, edges.weight[policy[members]])
    np.add.at(delay, back, edges.delay[policy[members]])
    if not delay.all():
        raise RuntimeError("a cycle without delay: the graph was not checked for deadlock")
    ratios = list(zip(weight.tolist(), delay.tolist(), strict=True))
    own = int(np.searchsorted(names, name[root])) if on[root] else 0
    best, ratio = own, Fraction(*ratios[own])
    for n, (w, d) in enumerate(ratios):
        if w * ratio.denominator > ratio.numerator * d:
            best, ratio = n, Fraction(w, d)
    begin = root if best == own and on[root] else int(names[best])
    cycle, at = [int(policy[begin])], int(before[begin])
    while at != begin:
        cycle.append(int(policy[at]))
        at = int(before[at])
    return ratio, [cycle[0], *reversed(cycle[1:])], name == names[best]


def _lead_to(edges: Edges, policy: np.ndarray, reaches: np.ndarray) -> None:
    """Changes the policy of the nodes that do not come from the best cycle, so that all do. Breadth first."""
    by_tail = np.argsort(edges.tail, kind="stable")
    start = np.searchsorted(edges.tail[by_tail], np.arange(edges.nodes + 1)).tolist()
    out, head = by_tail.tolist(), edges.head.tolist()
    done = reaches.tolist()
    border = np.flatnonzero(reaches[edges.tail] & ~reaches[edges.head]).tolist()
    waiting: deque[int] = deque()
    for edge in border:
        if not done[head[edge]]:
            done[head[edge]] = True
            policy[head[edge]] = edge
            waiting.append(head[edge])
    while waiting:
        node = waiting.popleft()
        for edge in out[start[node] : start[node + 1]]:
            if not done[head[edge]]:
                done[head[edge]] = True
                policy[head[edge]] = edge
                waiting.append(head[edge])


def _values(before: np.ndarray, excess: np.ndarray, root: int, at_root: int) -> np.ndarray:
    """Sum of the excess along the policy from `root` to each node. before: [nodes] the node that decides each."""
    far, values = before.copy(), excess.copy()
    far[root], values[root] = root, 0
    while (far != root).any():
        values = values + values[far]
        far = far[far]
    return values + at_root


def strong_parts(nodes: int, tail: np.ndarray, head: np.ndarray) -> np.ndarray:
    """[nodes] number of the strongly connected part of each node; no edge leads to a lower number. Tarjan 1972, with
    its stack in a list."""
    by_tail = np.argsort(tail, kind="stable")
    start = np.searchsorted(tail[by_tail], np.arange(nodes + 1)).tolist()
    ends = head[by_tail].tolist()
    low, index, part = [0] * nodes, [0] * nodes, [-1] * nodes
    stack: list[int] = []
    count = seen = 0
    for origin in range(nodes):
        if index[origin]:
            continue
        seen += 1
        index[origin] = low[origin] = seen
        stack.append(origin)
        path = [(origin, start[origin])]
        while path:
            node, at = path[-1]
            if at < start[node + 1]:
                path[-1] = (node, at + 1)
                other = ends[at]
                if not index[other]:
                    seen += 1
                    index[other] = low[other] = seen
                    stack.append(other)
                    path.append((other, start[other]))
                elif part[other] < 0:
                    low[node] = min(low[node], index[other])
                continue
            path.pop()
            if path:
                low[path[-1][0]] = min(low[path[-1][0]], low[node])
            if low[node] == index[node]:
                while part[node] < 0:
                    part[stack.pop()] = count
                count += 1
    return count - 1 - np.array(part, dtype=np.int64)
