# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Ruin and recreate (Schrimpf et al. 2000): neighbouring clusters are dissolved and grown again from other seeds."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from pyflow.machines.tiles.growth import Bits, Goal, Pick, grow
from pyflow.machines.tiles.tile import Tile

MOST = 4  # clusters that are dissolved at a time, at most
PATIENCE = 40  # rounds without gain, for each cluster, before it ends
NUDGE = 3.0  # chance in the choice between pieces that bring as many new axons, in shared synapses


def refine(
    pieces: Sequence[Bits], clusters: list[list[int]], tile: Tile, goal: Goal, rounds: int, seed: int = 0
) -> list[list[int]]:
    """Clusters that are no worse: no more in number (share of tiles, where that is the goal), then no more copies of
    axons. rounds: at most so many. The same seed gives the same clusters."""
    chance = Random(seed)
    masks = [_mask(pieces, cluster) for cluster in clusters]
    best = list(clusters)
    costs = [_cost(pieces, cluster, tile, goal) for cluster in best]
    distinct = 0
    for mask in masks:
        distinct |= mask
    since = 0
    for _ in range(rounds):
        if len(best) < 2 or since > PATIENCE * len(best) or sum(m.bit_count() for m in masks) == distinct.bit_count():
            break
        since += 1
        ruined = _ruin(masks, chance)
        held = sorted(n for place in ruined for n in best[place])
        subset = [pieces[n] for n in held]
        near = [chance.random() * NUDGE for _ in held]
        grown = grow(subset, tile, goal, _far(subset, chance), near)
        again = [[held[n] for n in cluster] for cluster in grown]
        fresh = [_cost(pieces, cluster, tile, goal) for cluster in again]
        old, new = (tuple(map(sum, zip(*these, strict=True))) for these in ([costs[n] for n in ruined], fresh))
        if new > old:
            continue
        if new < old:
            since = 0
        for place in sorted(ruined, reverse=True):
            for row in (best, masks, costs):
                del row[place]
        best += again
        masks += [_mask(pieces, cluster) for cluster in again]
        costs += fresh
    return best


def _mask(pieces: Sequence[Bits], cluster: Sequence[int]) -> int:
    mask = 0
    for n in cluster:
        mask |= pieces[n].mask
    return mask


def _cost(pieces: Sequence[Bits], cluster: Sequence[int], tile: Tile, goal: Goal) -> tuple[float, int]:
    copies = _mask(pieces, cluster).bit_count()
    neurons = sum(pieces[n].neurons for n in cluster)
    return (1.0 if goal is Goal.CLUSTERS else tile.share(copies, neurons)), copies


def _ruin(masks: Sequence[int], chance: Random) -> list[int]:
    """A cluster, and some of those with which it shares the most axons."""
    first = chance.randrange(len(masks))
    shared = sorted(((-(mask & masks[first]).bit_count(), chance.random(), n) for n, mask in enumerate(masks)))
    near = [n for common, _, n in shared if n != first and common < 0][: 2 * MOST]
    others = chance.sample(near, min(len(near), chance.randint(1, MOST - 1)))
    return [first, *others]


def _far(pieces: Sequence[Bits], chance: Random) -> Pick:
    """Begin with a piece that is far from a chance one: it has few neighbours that would be left alone."""

    def pick(free: Sequence[int]) -> int:
        mask = pieces[free[chance.randrange(len(free))]].mask
        return min(free, key=lambda n: ((pieces[n].mask & mask).bit_count(), chance.random()))

    return pick
