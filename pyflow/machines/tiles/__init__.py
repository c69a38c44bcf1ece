# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Crossbar tiles: a network's neurons in clusters, one or more to a tile. See docs/tiles.md."""

from pyflow.machines.tiles.clustering import Cluster, Clustering, of_neurons
from pyflow.machines.tiles.connectome import Connectome, Layer, from_fan_ins
from pyflow.machines.tiles.quotient import HOST, Quotient
from pyflow.machines.tiles.tile import Excess, Need, Tile, square

__all__ = [
    "HOST",
    "Cluster",
    "Clustering",
    "Connectome",
    "Excess",
    "Layer",
    "Need",
    "Quotient",
    "Tile",
    "from_fan_ins",
    "of_neurons",
    "square",
]
