# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Crossbar tiles: a network's neurons in clusters, one or more to a tile. See docs/tiles.md."""

from pyflow.machines.tiles.clustering import Cluster, Clustering, of_neurons
from pyflow.machines.tiles.connectome import Connectome, Layer, from_fan_ins
from pyflow.machines.tiles.edge_lists import read_edges
from pyflow.machines.tiles.growth import Goal
from pyflow.machines.tiles.networks import from_network, measured
from pyflow.machines.tiles.packing import packed
from pyflow.machines.tiles.quotient import HOST, Quotient
from pyflow.machines.tiles.shared_axons import cluster
from pyflow.machines.tiles.song import song
from pyflow.machines.tiles.tile import Excess, Need, Tile, square

__all__ = [
    "HOST",
    "Cluster",
    "Clustering",
    "Connectome",
    "Excess",
    "Goal",
    "Layer",
    "Need",
    "Quotient",
    "Tile",
    "cluster",
    "from_fan_ins",
    "from_network",
    "measured",
    "of_neurons",
    "packed",
    "read_edges",
    "song",
    "square",
]
