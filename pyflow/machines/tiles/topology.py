# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The networks that join tiles: a mesh with XY routing and a ring in one direction, each with a host port.

Every link has a register, so a flit passes one link per cycle and nothing else delays it: time-division slots keep two
flits from the same link at the same time (slots.py). A flit that goes to several nodes is copied where its ways part.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from pyflow.errors import VolleyError

MAX_SIDE = 1024
INJECT, EAST, WEST, NORTH, SOUTH, EJECT = range(6)
PORTS = ("in", "east", "west", "north", "south", "out")


class Topology(Protocol):
    """Nodes are the tiles, row by row, and then the host port."""

    @property
    def name(self) -> str: ...
    @property
    def tiles(self) -> int: ...
    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of tiles; a ring is one row."""
        ...

    @property
    def host(self) -> int:
        """The node of the host port."""
        ...

    def distance(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Hops between nodes, elementwise; 0 from a node to itself."""
        ...

    def path(self, source: int, target: int) -> tuple[int, ...]:
        """Links of the way, in order, one per cycle. A node sends to itself through its router, or round the ring."""
        ...

    def link_name(self, link: int) -> str: ...

    def symmetries(self) -> np.ndarray:
        """[n, tiles] renumberings of the tiles that keep every distance between them."""
        ...


def tree(topology: Topology, source: int, targets: Iterable[int]) -> dict[int, int]:
    """Link -> cycles after the injection at which a flit to all these nodes is on it."""
    found: dict[int, int] = {}
    for target in targets:
        for after, link in enumerate(topology.path(source, target)):
            found.setdefault(link, after)
    return found


@dataclass(frozen=True)
class Mesh:
    """width × height tiles, tile y * width + x; first along x, then along y. The host port hangs on the west side of
    tile 0. A flit takes hops + 2 cycles: into the router, from router to router, out of the last one."""

    width: int
    height: int

    def __post_init__(self) -> None:
        for what, side in (("width", self.width), ("height", self.height)):
            if not 1 <= side <= MAX_SIDE:
                raise VolleyError(f"mesh: {what} {side}; from 1 to {MAX_SIDE} tiles")

    @property
    def name(self) -> str:
        return f"mesh {self.width} × {self.height}"

    @property
    def tiles(self) -> int:
        return self.width * self.height

    @property
    def grid(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def host(self) -> int:
        return self.tiles

    @cached_property
    def _x(self) -> np.ndarray:
        return np.append(np.arange(self.tiles) % self.width, -1)

    @cached_property
    def _y(self) -> np.ndarray:
        return np.append(np.arange(self.tiles) // self.width, 0)

    def distance(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        x, y = self._x, self._y
        return np.asarray(np.abs(x[source] - x[target]) + np.abs(y[source] - y[target]))

    def path(self, source: int, target: int) -> tuple[int, ...]:
        at, links = source, [6 * source + INJECT]
        goal = 0 if target == self.host and source != self.host else target
        if source == self.host and target != self.host:
            links.append(6 * source + EAST)
            at = 0
        gx, gy = int(self._x[goal]), int(self._y[goal])
        while at != goal:
            x, y = int(self._x[at]), int(self._y[at])
            port = EAST if x < gx else WEST if x > gx else SOUTH if y < gy else NORTH
            links.append(6 * at + port)
            at += {EAST: 1, WEST: -1, SOUTH: self.width, NORTH: -self.width}[port]
        if at != target:
            links.append(6 * at + WEST)
        return (*links, 6 * target + EJECT)

    def link_name(self, link: int) -> str:
        node, port = divmod(link, 6)
        return f"{'host' if node == self.host else f'tile {node}'} {PORTS[port]}"

    def symmetries(self) -> np.ndarray:
        of = np.arange(self.tiles).reshape(self.height, self.width)
        turned = [of, of[::-1], of[:, ::-1], of[::-1, ::-1]]
        if self.width == self.height:
            turned += [t.T for t in turned]
        return np.unique([t.ravel() for t in turned], axis=0)


@dataclass(frozen=True)
class Ring:
    """`tiles` tiles and the host port behind them, one way round. A flit takes one cycle per hop; to its own node it
    goes all the way round."""

    tiles: int

    def __post_init__(self) -> None:
        if not 1 <= self.tiles <= MAX_SIDE:
            raise VolleyError(f"ring: {self.tiles} tiles; from 1 to {MAX_SIDE}")

    @property
    def name(self) -> str:
        return f"ring of {self.tiles}"

    @property
    def grid(self) -> tuple[int, int]:
        return 1, self.tiles

    @property
    def host(self) -> int:
        return self.tiles

    def distance(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        return np.asarray((target - source) % (self.tiles + 1))

    def path(self, source: int, target: int) -> tuple[int, ...]:
        stops = self.tiles + 1
        hops = (target - source) % stops or stops
        return tuple((source + n) % stops for n in range(hops))

    def link_name(self, link: int) -> str:
        return f"{'host' if link == self.host else f'tile {link}'} on"

    def symmetries(self) -> np.ndarray:
        return np.arange(self.tiles)[None]


def hilbert(rows: int, columns: int) -> np.ndarray:
    """[rows * columns] cells row * columns + column along Hilbert's curve (1891) over the smallest square of a power of
    two, those outside left out; one row: from left to right."""
    if 1 in (rows, columns):
        return np.arange(rows * columns)
    side = 1 << (max(rows, columns) - 1).bit_length()
    left = np.arange(side * side)
    x, y = np.zeros_like(left), np.zeros_like(left)
    size = 1
    while size < side:
        rx = (left >> 1) & 1
        ry = (left ^ rx) & 1
        flip, turn = (ry == 0) & (rx == 1), ry == 0
        x, y = np.where(flip, size - 1 - x, x), np.where(flip, size - 1 - y, y)
        x, y = np.where(turn, y, x) + size * rx, np.where(turn, x, y) + size * ry
        left >>= 2
        size *= 2
    inside = (x < columns) & (y < rows)
    return np.asarray((y * columns + x)[inside])
