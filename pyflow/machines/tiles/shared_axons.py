# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Legal clusters of few axons: grown by shared axons, refined, merged where nothing then waits in a circle.

Neurons of one layer never wait for each other within a step, so clusters inside layers are legal whatever they hold.
Only merging, which crosses layers, has to look at the graph of clusters.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyflow.errors import VolleyError
from pyflow.machines.tiles.clustering import Cluster, Clustering
from pyflow.machines.tiles.connectome import Connectome
from pyflow.machines.tiles.growth import Bits, Goal, grow
from pyflow.machines.tiles.merge import merged
from pyflow.machines.tiles.pieces import Piece, pieces, regions
from pyflow.machines.tiles.refine import refine
from pyflow.machines.tiles.tile import Tile


def cluster(
    connectome: Connectome, tile: Tile, goal: Goal | str = Goal.CLUSTERS, *, rounds: int = 0, seed: int = 0
) -> Clustering:
    """A legal clustering, checked. goal: few clusters, then few copies of axons; or few tiles, several clusters to
    each. rounds: of refinement, for each cluster. The same arguments give the same clusters.

    Raises VolleyError where neurons wait for each other within a step, or no cluster of one neuron fits the tile.
    """
    if goal not in tuple(Goal):
        raise VolleyError(f"goal {str(goal)!r} is unknown; use {' or '.join(Goal)}")
    if type(rounds) is not int or rounds < 0:
        raise VolleyError(f"rounds = {rounds!r} must be a whole number, 0 or more")
    found, clusters = pieces(connectome, tile), []
    for region in regions(found):
        held = bits([found[n] for n in region])
        grown = grow(held, tile, Goal(goal), lambda free: free[0], [0.0] * len(held))
        if rounds:
            grown = refine(held, grown, tile, Goal(goal), rounds * len(grown), seed)
        clusters += [_cluster([found[region[n]] for n in places]) for places in sorted(grown)]
    clustering = Clustering(connectome, tile, tuple(clusters))
    if goal == Goal.CLUSTERS:
        clustering = merged(clustering)
    clustering = clustering.tidied()
    clustering.check()
    return clustering


def bits(held: Sequence[Piece]) -> list[Bits]:
    """Pieces as sets of bits, one per axon that any of them reads."""
    known = np.unique(np.concatenate([piece.axons for piece in held]))
    found = []
    for piece in held:
        flags = np.zeros(len(known), np.uint8)
        flags[np.searchsorted(known, piece.axons)] = 1
        mask = int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")
        found.append(Bits(mask, len(piece.axons), len(piece.neurons), piece.takes, piece.sends))
    return found


def _cluster(held: Sequence[Piece]) -> Cluster:
    axons = np.unique(np.concatenate([piece.axons for piece in held]))
    return Cluster(axons, np.sort(np.concatenate([piece.neurons for piece in held])))
