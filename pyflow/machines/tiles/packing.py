# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Several clusters to a tile, as its contexts: how many tiles a clustering occupies."""

from __future__ import annotations

from pyflow.machines.tiles.clustering import Clustering


def packed(clustering: Clustering) -> list[list[int]]:
    """Clusters of each tile, by best fit: the largest first, each to the tile with the least room that still takes it.
    A tile's contexts take turns, so they may wait for each other."""
    tile, needs = clustering.tile, clustering.needs
    share = [tile.share(need.axons, need.neurons) for need in needs]
    tiles: list[list[int]] = []
    filled: list[float] = []
    for n in sorted(range(len(needs)), key=lambda n: (-share[n], n)):
        fullest = sorted((place for place in range(len(tiles)) if filled[place] < 1), key=lambda place: -filled[place])
        for place in fullest:
            if tile.fits(*(needs[other] for other in (*tiles[place], n))):
                break
        else:
            place = len(tiles)
            tiles.append([])
            filled.append(0.0)
        tiles[place].append(n)
        held = [needs[other] for other in tiles[place]]
        filled[place] = max(
            sum(tile.taken(need.axons, need.neurons) for need in held) / tile.rows,
            sum(need.neurons for need in held) / tile.neurons,
            len(held) / tile.contexts,
        )
    return tiles
