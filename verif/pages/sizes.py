# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The row of every core: what its page shows."""

from __future__ import annotations

from verif.pages import sizes_host, sizes_network, sizes_tile
from verif.pages.row import Row

ROWS = sizes_network.ROWS | sizes_host.ROWS | sizes_tile.ROWS


def row_of(name: str) -> Row:
    """The row of a core; raises ValueError if there is none."""
    if name not in ROWS:
        raise ValueError(f"{name} has no row in verif/pages/sizes_*.py")
    return ROWS[name]
