# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Upsampling."""

from __future__ import annotations

from pyflow.cores.window import Upsample as Core
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
    # What is sent again, twice: while a row (or a pixel) is repeated, the next one comes in, in bursts too.
    again = (width // stream.pix if sy > 1 else 1) * stream.groups
    return b.join(
        Core(
            item_w=stream.pixel_width,
            groups=stream.groups,
            height=height,
            width=width,
            scale_y=sy,
            scale_x=sx,
            depth=2 * again,
            pix=stream.pix,
            out_pix=pix,
        ),
        op.name,
        [("axis", stream)],
        [("axis", b.output(b.tensors[op.name], stream.lanes, pix))],
    )
