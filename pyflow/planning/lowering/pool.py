# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Pooling: of windows that a line buffer brings, or as the map streams past."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from pyflow.cores.cells import Cost
from pyflow.cores.pool import PoolAccumulate, PoolGated, PoolMax, PoolOr, PoolSum
from pyflow.cores.stream import Fifo
from pyflow.cores.window import LineBuffer
from pyflow.operators import Encoding, GatedMaxPool, MaxPool, OrPool, SumPool, Tensor
from pyflow.operators.pool import Pool
from pyflow.planning import windows
from pyflow.planning.builder import Builder
from pyflow.planning.lowering.registry import lowers
from pyflow.planning.memories import repeat
from pyflow.planning.netlist import Stream
from pyflow.planning.windows import Stage


def pool_input(b: Builder, op: Pool, stream: Stream) -> Stream:
    """The widest beats that its rows allow."""
    (source,) = b.sources(op)
    pix = max(n for n in windows.legal_pix(op, source) if stream.pix % n == 0)
    return b.lanes(stream, stream.lanes, source.shape[0], op.name, pix=pix)


def window_stages(op: Pool, stream: Stream, source: Tensor) -> list[Stage]:
    """Padded taps carry 0, of a maximum with sign the lowest number."""
    pad = 0
    if source.encoding is Encoding.POTENTIAL:
        width = source.number_bits
        pad = repeat(1 << (width - 1), width, stream.lanes * stream.numbers)
    lines = windows.columns(op, stream, source.shape, op.kernel[0], pad)
    return [lines, windows.full(op, lines.out, source.shape, 1, repeat(pad, stream.pixel_width, op.kernel[0]))]


def tree(op: Pool, stream: Stream, source: Tensor, taps: int, pix: int) -> PoolMax | PoolSum | PoolOr:
    """Joins the words of `taps` pixels of `stream` in a cycle, `pix` times beside each other."""
    if isinstance(op, OrPool):
        return PoolOr(lanes=stream.lanes, tb=stream.numbers, taps=taps, pix=pix)
    numbers, width = stream.lanes * stream.numbers, stream.bits // stream.numbers
    if isinstance(op, SumPool):
        return PoolSum(numbers, width, taps, pix)
    return PoolMax(numbers, width, taps, pix, signed=source.encoding is Encoding.POTENTIAL)


def whole(b: Builder, op: Pool, stream: Stream) -> list[Stage]:
    """Window by window."""
    (source,) = b.sources(op)
    stages = window_stages(op, stream, source)
    pix = stages[-1].out.pix
    out = b.output(b.tensors[op.name], stream.lanes, pix)
    return [*stages, Stage(tree(op, stream, source, math.prod(op.kernel), pix), "window", "spike", out, "")]


def streams_past(op: Pool, source: Tensor, pix: int) -> bool:
    """May its windows be worked on pixel by pixel? They do not overlap, and `pix` pixels of a beat lie in one or fill
    several."""
    axes = zip(source.shape[1:], op.kernel, op.stride, op.padding, op.spatial(source), strict=True)
    apart = all(n // k == count and p == 0 and (s == k or count == 1) for n, k, s, p, count in axes)
    return apart and (op.kernel[1] % pix == 0 or pix % op.kernel[1] == 0)


def neighbours(op: Pool, stream: Stream, source: Tensor, taps: int) -> Stage:
    """Joins `taps` pixels of a beat that lie in one window."""
    pix = stream.pix // taps
    core, bits = tree(op, stream, source, taps, pix), stream.bits
    if isinstance(core, PoolSum):
        bits = stream.numbers * (taps * ((1 << core.word_w) - 1)).bit_length()
    out = replace(stream, name=f"{op.name}_pixels", bits=bits, pixels=stream.pixels // taps, pix=pix, tensor="")
    return Stage(core, "window", "spike", out, "pixels")


def accumulated(b: Builder, op: Pool, stream: Stream) -> list[Stage]:
    """Pixel by pixel. A FIFO takes a row of results, so that whoever reads them has the time of a row of windows for
    it."""
    (source,) = b.sources(op)
    _, height, width = source.shape
    ky, kx = op.kernel
    stages, taps = list[Stage](), min(stream.pix, kx)
    if taps > 1:
        stages.append(neighbours(op, stream, source, taps))
        stream = stages[0].out
    out = b.output(b.tensors[op.name], stream.lanes, stream.pix)
    core = PoolAccumulate(
        lanes=stream.pix * stream.lanes * stream.numbers,
        word_w=stream.bits // stream.numbers,
        out_w=out.bits // out.numbers,
        maximum=not isinstance(op, SumPool),
        groups=stream.groups,
        height=height,
        width=width // taps // stream.pix,
        kernel_y=ky,
        kernel_x=kx // taps,
        signed=source.encoding is Encoding.POTENTIAL,
    )
    if core.row == 1:
        return [*stages, Stage(core, "spike", "spike", out, "")]
    row = replace(out, name=f"{op.name}_row", tensor="")
    fifo = Stage(Fifo(out.width, core.row), "axis", "axis", out, "results")
    return [*stages, Stage(core, "spike", "spike", row, ""), fifo]


def price(stages: Sequence[Stage]) -> float:
    """LUTs of a family with six inputs, for choosing; block RAMs as a planner pays for them."""
    cost = sum((stage.core.price("xc7") for stage in stages), Cost())
    return cost.lut + 150.0 * cost.bram


@lowers(MaxPool, SumPool, OrPool)
def pool(b: Builder, op: MaxPool | SumPool | OrPool, stream: Stream) -> Stream:
    """The cheaper form: both take a beat a cycle."""
    stream = pool_input(b, op, stream)
    forms = [whole(b, op, stream)]
    if streams_past(op, b.sources(op)[0], stream.pix):
        forms.append(accumulated(b, op, stream))
    stages = min(forms, key=price)
    if b.cuts(op) and not isinstance(stages[0].core, LineBuffer):  # which has its own
        stream = b.skid(stream, op.name, "raster")
    return windows.joined(b, op, stream, stages)


@lowers(GatedMaxPool)
def gated_pool(b: Builder, op: GatedMaxPool, stream: Stream) -> Stream:
    (source,) = b.sources(op)
    stream = pool_input(b, op, stream)
    window = windows.joined(b, op, stream, window_stages(op, stream, source))
    return b.join(
        PoolGated(
            lanes=stream.lanes,
            tb=stream.numbers,
            taps=op.kernel[0] * op.kernel[1],
            beats=window.beats,
            passes=window.passes,
        ),
        op.name,
        [("window", window)],
        [("spike", b.output(b.tensors[op.name], stream.lanes))],
    )
