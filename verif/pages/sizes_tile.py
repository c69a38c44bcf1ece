# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Rows of the cores of crossbar tiles: rtl/tile."""

from __future__ import annotations

from verif.pages.row import Row, Values, Wave

# The least of everything that a tile may be built with.
SMALL: Values = {
    "PE": 8, "LANES": 1, "ROWS": 2, "AXONS": 4, "NEURONS": 8, "TABLE": 2, "ACC_W": 4, "V_W": 2, "ROOM": 16,
}  # fmt: skip


def small(*names: str) -> Values:
    return {name: SMALL[name] for name in names}


def flit(nodes: int, neuron: int) -> int:
    """A spike of cluster 1."""
    return nodes << 24 | 1 << 12 | neuron


ROWS: dict[str, Row] = {
    "volley_lut_ram": Row(
        {"DATA_W": 1, "DEPTH": 2},
        ({}, {"DATA_W": 16, "DEPTH": 32, "READS": 3}),
        Wave(
            {"DEPTH": 8},
            12,
            ports={
                "we": (1, 1, 1, 0, 0, 1, 0),
                "waddr": (3, 4, 5, 0, 0, 4, 0),
                "wdata": (0x11, 0x22, 0x33, 0, 0, 0x44, 0),
                "raddr": (3, 3, 4, 5, 4, 4, 4),
            },
        ),
    ),
    "volley_tile_lif": Row({"ACC_W": 1, "BIAS_W": 1, "THETA_W": 1, "V_W": 2}, ({}, {"V_W": 12, "THETA_W": 11}), None),
    "volley_tile_events": Row(small("AXONS", "TABLE"), ({}, {"AXONS": 256, "TABLE": 512}), None),
    "volley_tile_sequencer": Row(
        {**small("AXONS", "ROWS", "ROOM"), "FOLDS": 1}, ({}, {"AXONS": 256, "ROWS": 256}), None
    ),
    "volley_tile_array": Row(small("PE", "ROWS", "ACC_W"), ({}, {"WEIGHT_W": 8}), None),
    "volley_tile_neurons": Row(small("PE", "LANES", "NEURONS", "ACC_W", "V_W"), ({}, {"LANES": 1}), None),
    "volley_tile_sender": Row(small("LANES", "NEURONS", "ROOM"), ({}, {"NEURONS": 64, "ROOM": 128}), None),
    "volley_tile": Row(SMALL, ({}, {"LANES": 1}, {"WEIGHT_W": 8}), None),
    # Slot 1 is the tile's. A flit for this node and another goes to both, one for this node alone goes no further.
    "volley_ring_node": Row(
        {"WHEEL": 2},
        ({}, {"WHEEL": 16}),
        Wave(
            {"NODE": 1, "WHEEL": 4},
            20,
            data={"s_token": (flit(1, 7), flit(1, 8))},
            ports={
                "load_we": (1, 1, 1, 1, 0),
                "load_addr": (0, 1, 2, 3),
                "load_data": (0, 1, 0, 0),
                "slot": (0, 1, 2, 3) * 5,
                "ring_in_valid": (0, 0, 0, 0, 0, 0, 0, 1, 1, 0),
                "ring_in": (0, 0, 0, 0, 0, 0, 0, flit(6, 1), flit(2, 2), 0),
            },
            stalls=(),
        ),
    ),
    "volley_tile_ring": Row({"TILES": 1, "WHEEL": 2, **SMALL}, ({"TILES": 1},), None),
}
