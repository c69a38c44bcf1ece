# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Figures by which mappings are compared: hops, energy, load of links, and what the network does to spike trains.

Energy is normalised: a spike that takes h hops costs (h + 1) times a router's constant and h times a wire's. ISI
distortion and disorder are those of Das et al. (SpiNeMap and before): how much the time between two spikes of a neuron
changes on its way, and how many spikes are overtaken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pyflow.machines.tiles.flits import END, Flits, Run
from pyflow.machines.tiles.flows import loads, sent_flows
from pyflow.machines.tiles.guarantee import Guarantee
from pyflow.machines.tiles.system import Role, System

CONSTANTS = {"router 1, wire 0.1": (1.0, 0.1), "router 1.7 pJ, wire 3.5 pJ": (1.7, 3.5)}
SETTLED = 60  # steps after which the latency of a guarantee is read


@dataclass(frozen=True)
class Figures:
    """Per step: spikes delivered; hops, of all spikes; energy, by each set of constants; congestion, flits over the
    link that carries most, mean of all links that carry any. Means per spike: isi, cycles by which the interval to the
    one before changes; disorder, share of spikes that arrive behind one that was sent later."""

    delivered: float
    hops: float
    energy: dict[str, float]
    busiest: float
    mean_load: float
    isi: float
    disorder: float


def figures(found: Run) -> Figures:
    steps = found.start.shape[1]
    count = hops = 0
    for _, _, far, read in _delivered(found):
        count += int(read.sum())
        hops += far * int(read.sum())
    per = 1 / steps
    energy = {name: per * (router * (hops + count) + wire * hops) for name, (router, wire) in CONSTANTS.items()}
    isi, disorder = _isi(found), _disorder(found)
    carried = list(link_loads(found).values())
    return Figures(per * count, per * hops, energy, max(carried, default=0.0), float(np.mean(carried or [0.0])), isi,
                   disorder)  # fmt: skip


def link_loads(found: Run) -> dict[int, float]:
    """Flits per step over each link, END and credits with them; copies count where their ways have parted."""
    system = found.system
    sent = sent_flows(system.contexts, system.connections, found.flits, found.start.shape[1])
    return loads(system.topology, sent, [system.node(n) for n in range(len(system.contexts))])


def _delivered(found: Run) -> Iterator[tuple[Flits, int, int, np.ndarray]]:
    """(flits, connection, hops, which of the flits it brings) of all spikes that tiles and host receive."""
    system = found.system
    ends = [(system.node(of.source), system.node(of.target)) for of in system.connections]
    far = system.topology.distance(*np.array(ends).T).tolist()
    for sent in found.flits:
        for n in system.out[sent.context]:
            yield sent, n, far[n], np.isin(sent.neuron, system.connections[n].reads)


def _isi(found: Run) -> float:
    """The way to a reader is always as long, so an interval changes in the queue alone."""
    system = found.system
    before: dict[tuple[int, int], tuple[int, int]] = {}
    changed, count = 0, 0
    for sent in sorted(found.flits, key=lambda sent: (sent.context, sent.step)):
        if system.contexts[sent.context].role is Role.SINK:
            continue
        for neuron, queued, left in zip(*(a.tolist() for a in (sent.neuron, sent.queued, sent.left)), strict=True):
            key = sent.context, neuron
            if neuron != END and key in before:
                was_queued, was_left = before[key]
                changed += abs((left - was_left) - (queued - was_queued))
                count += 1
            before[key] = queued, left
    return changed / count if count else 0.0


def _disorder(found: Run) -> float:
    system = found.system
    rows: list[list[np.ndarray]] = [[] for _ in system.contexts]
    for sent, n, _, read in _delivered(found):
        arrived = sent.left[read] + system.latency[n]
        rows[system.connections[n].target].append(np.stack([arrived, sent.queued[read]]))
    late = count = 0
    for received in rows:
        if received:
            arrived, queued = np.concatenate(received, axis=1)
            queued = queued[np.lexsort((queued, arrived))]
            late += int((queued < np.maximum.accumulate(queued)).sum()) if len(queued) else 0
            count += len(queued)
    return late / count if count else 0.0


def latency(promised: Guarantee) -> int:
    """Cycles from the source's start of a step to the sink's start of the step that it reaches, at the most, once steps
    follow each other at the guaranteed period. Where connections have delays the answer is so many steps behind."""
    system = promised.system
    source = next(n for n, context in enumerate(system.contexts) if context.role is Role.SOURCE)
    sink = next(n for n, context in enumerate(system.contexts) if context.role is Role.SINK)
    behind = _delays(system, source)[sink]
    begins, _, _ = promised.bounds(SETTLED + behind + 1)
    return int(begins[sink, SETTLED + behind] - begins[source, SETTLED])


def _delays(system: System, source: int) -> list[int]:
    """The fewest delays on a way from the source to each context."""
    far = [len(system.contexts)] * len(system.contexts)
    far[source] = 0
    waiting = [source]
    while waiting:
        at = waiting.pop(0)
        for n in system.out[at]:
            of = system.connections[n]
            if far[at] + of.delay < far[of.target]:
                far[of.target] = far[at] + of.delay
                waiting.append(of.target)
    return far
