# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What clusters are made of: neurons of one group that stay together, with a slice of their axons.

A group of more neurons than one cluster takes is cut into some that fit. A fan-in beyond a tile is cut into slices; the
neurons of each slice but the last send partial sums to the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pyflow.errors import VolleyError
from pyflow.integers import ceil_div
from pyflow.machines.tiles.connectome import Connectome
from pyflow.machines.tiles.tile import Need, Tile

REGION = 2000  # pieces that are clustered together: time grows with their square


class Stage(NamedTuple):
    """Pieces of one stage never wait for each other within a step; what they wait for is in an earlier one."""

    level: int
    part: int


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """neurons, axons: int64, ascending. takes, sends: flits of partial sums in a step."""

    neurons: np.ndarray
    axons: np.ndarray
    stage: Stage
    takes: int = 0
    sends: int = 0


def pieces(connectome: Connectome, tile: Tile) -> list[Piece]:
    """Of all neurons, stage by stage. Raises VolleyError where no clustering fits the tile, whatever its clusters."""
    widest = int(connectome.fan_in.sizes.max(initial=0))
    tile.check(connectome.name, Need(0, 0, widest, connectome.weight_bits, connectome.word_bits))
    if widest > tile.widest and tile.flits < 2:
        raise VolleyError(
            f"{connectome.name}: a fan-in of {widest:,} is above the {tile.widest:,} axons of a tile, and partial sums "
            f"take 2 flits, a tile has {tile.flits}; use flits = {tile.neurons + 1}"
        )
    levels = connectome.levels
    found: list[Piece] = []
    for group, axons in enumerate(connectome.fan_in[n] for n in range(len(connectome.fan_in))):
        found += _cut(connectome.members[group], axons, int(levels[group]), tile)
    return sorted(found, key=lambda piece: (piece.stage, int(piece.neurons[0])))


def _cut(neurons: np.ndarray, axons: np.ndarray, level: int, tile: Tile) -> Iterator[Piece]:
    slices = np.array_split(axons, max(1, ceil_div(len(axons), tile.widest)))
    room = tile.room(len(slices[0]))
    if len(slices) > 1:
        room = min(room, tile.flits - 1)
    for first in range(0, len(neurons), room):
        held = neurons[first : first + room]
        for part, piece in enumerate(slices):
            takes, sends = part > 0, part < len(slices) - 1
            yield Piece(held, piece, Stage(level, part), takes * (len(held) + 1), sends * (len(held) + 1))


def regions(found: list[Piece]) -> Iterator[list[int]]:
    """Pieces that are clustered together, by their place in `found`: those of a stage, or neighbours of it where there
    are too many."""
    by_stage: dict[Stage, list[int]] = {}
    for n, piece in enumerate(found):
        by_stage.setdefault(piece.stage, []).append(n)
    for _, held in sorted(by_stage.items()):
        if len(held) <= REGION:
            yield held
        else:
            yield from _neighbourhoods(found, held)


def _neighbourhoods(found: list[Piece], held: list[int]) -> Iterator[list[int]]:
    """Pieces of a stage in parts of REGION, each grown from its first piece over shared axons. Where no piece shares
    any more, the next free one follows."""
    readers: dict[int, list[int]] = {}
    for n in held:
        for axon in found[n].axons.tolist():
            readers.setdefault(axon, []).append(n)
    free = dict.fromkeys(held)
    while free:
        region: list[int] = []
        queue: deque[int] = deque()
        seen: set[int] = set()
        while free and len(region) < REGION:
            n = queue.popleft() if queue else next(iter(free))
            seen.add(n)
            del free[n]
            region.append(n)
            for axon in found[n].axons.tolist():
                near = [other for other in readers[axon] if other in free and other not in seen]
                seen.update(near)
                queue.extend(near)
        yield sorted(region)
