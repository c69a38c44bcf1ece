# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Clusters by shared axons: each grows by the piece that brings the fewest new axons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

from pyflow.machines.tiles.tile import Tile


class Goal(StrEnum):
    """What a clustering is to have few of."""

    CLUSTERS = "clusters"  # then copies of axons
    TILES = "tiles"  # with several clusters on a tile


class Bits(NamedTuple):
    """A piece as a set of bits, one per axon of its region. size: how many are set."""

    mask: int
    size: int
    neurons: int
    takes: int
    sends: int


Pick = Callable[[Sequence[int]], int]  # of the free pieces the one that a cluster begins with


def grow(pieces: Sequence[Bits], tile: Tile, goal: Goal, pick: Pick, near: Sequence[float]) -> list[list[int]]:
    """Clusters of pieces, by their place. near: what is added to the number of synapses that a piece shares with a
    cluster, which decides between pieces that bring as many new axons; 0 each, or chance."""
    free = list(range(len(pieces)))
    clusters = []
    while free:
        taken = _one(pieces, free, tile, goal, pick(free), near)
        clusters.append(sorted(taken))
        gone = set(taken)
        free = [n for n in free if n not in gone]
    return clusters


def _one(
    pieces: Sequence[Bits], free: Sequence[int], tile: Tile, goal: Goal, seed: int, near: Sequence[float]
) -> list[int]:
    """The cluster that grows from `seed`."""
    first = pieces[seed]
    held, size, neurons, takes, sends = first.mask, first.size, first.neurons, first.takes, first.sends
    taken, added, fresh = [seed], first.mask, first.mask
    best, best_cost = 1, tile.share(size, neurons) / neurons
    others = [n for n in free if n != seed]
    masks = [pieces[n].mask for n in others]
    new = [pieces[n].size for n in others]
    shared = [near[n] for n in others]
    fewest = min((pieces[n].neurons for n in others), default=0)
    while others and neurons + fewest <= tile.room(size):
        if fresh:
            new = [count - (mask & fresh).bit_count() for count, mask in zip(new, masks, strict=True)]
        shared = [count + (mask & added).bit_count() for count, mask in zip(shared, masks, strict=True)]
        chosen, key = -1, (0, 0.0)
        for place, brings in enumerate(new):
            if chosen >= 0 and (brings, -shared[place]) >= key:
                continue
            piece = pieces[others[place]]
            if (
                neurons + piece.neurons <= tile.room(size + brings)
                and takes + piece.takes <= tile.flits
                and sends + piece.sends <= tile.flits
            ):
                chosen, key = place, (brings, -shared[place])
        if chosen < 0:
            break
        piece = pieces[others[chosen]]
        added, fresh = piece.mask, piece.mask & ~held
        held |= piece.mask
        size, neurons = size + new[chosen], neurons + piece.neurons
        takes, sends = takes + piece.takes, sends + piece.sends
        taken.append(others[chosen])
        for row in (others, masks, new, shared):
            del row[chosen]
        cost = tile.share(size, neurons) / neurons
        if goal is Goal.CLUSTERS or cost <= best_cost:
            best, best_cost = len(taken), cost
    return taken[:best]
