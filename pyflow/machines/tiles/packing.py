# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Several clusters to a tile, as its contexts: how many tiles a clustering occupies."""

from __future__ import annotations

from pyflow.machines.tiles.clustering import Clustering
from pyflow.machines.tiles.tile import Need, Tile


def packed(clustering: Clustering) -> list[list[int]]:
    """Clusters of each tile, by best fit: the largest first, each to the tile with the least room that still takes it.
    A tile's contexts take turns, so they may wait for each other."""
    tile, needs = clustering.tile, clustering.needs
    share = [tile.share(need.axons, need.neurons) for need in needs]
    tiles: list[list[int]] = []
    used: list[tuple[int, int, int]] = []  # rows, neurons, contexts of each
    for n in sorted(range(len(needs)), key=lambda n: (-share[n], n)):
        best, fullest = len(tiles), -1.0
        for place, held in enumerate(used):
            rows, neurons, contexts = _with(tile, held, needs[n])
            if rows > tile.rows or neurons > tile.neurons or contexts > tile.contexts:
                continue
            filled = max(rows / tile.rows, neurons / tile.neurons, contexts / tile.contexts)
            if filled > fullest and tile.fits(*(needs[other] for other in (*tiles[place], n))):
                best, fullest = place, filled
        if best == len(tiles):
            tiles.append([])
            used.append((0, 0, 0))
        tiles[best].append(n)
        used[best] = _with(tile, used[best], needs[n])
    return tiles


def _with(tile: Tile, used: tuple[int, int, int], need: Need) -> tuple[int, int, int]:
    rows, neurons, contexts = used
    return rows + tile.taken(need.axons, need.neurons), neurons + need.neurons, contexts + 1
