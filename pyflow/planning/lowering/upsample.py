# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Upsampling."""

from __future__ import annotations

from pyflow.cores.window import Upsample as Core
from pyflow.integers import ceil_div
from pyflow.operators import Upsample
from pyflow.planning.builder import Builder
from pyflow.planning.lowering.encode import pixels_wanted
from pyflow.planning.lowering.registry import lowers
from pyflow.planning.netlist import Stream
from pyflow.planning.windows import stretched


@lowers(Upsample)
def upsample(b: Builder, op: Upsample, stream: Stream) -> Stream:
    """As many pixels per beat as the readers want."""
    (source,), (sy, sx) = b.sources(op), op.scale
    _, height, width = source.shape
    pix = max(n for n in stretched(op, stream.pix, stream.groups == 1) if n <= pixels_wanted(b, op.name))
    row = width // stream.pix * stream.groups
    # Where the input comes steadily, a row comes in while the one before is sent for the second to the last time.
    again = ceil_div(row * (2 * sy - 2), sy) if sy > 1 else stream.groups
    return b.join(
        Core(
            item_w=stream.pixel_width,
            groups=stream.groups,
            height=height,
            width=width,
            scale_y=sy,
            scale_x=sx,
            depth=max(2, again),
            pix=stream.pix,
            out_pix=pix,
        ),
        op.name,
        [("axis", stream)],
        [("axis", b.output(b.tensors[op.name], stream.lanes, pix))],
    )
