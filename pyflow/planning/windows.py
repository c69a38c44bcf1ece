# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Windows of a map: the cores that make them, one behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pyflow.cores.base import Core
from pyflow.cores.window import LineBuffer, RowWindows, WindowFold, WindowFull
from pyflow.errors import VolleyError
from pyflow.integers import ceil_div
from pyflow.operators import Tensor, Upsample, Windowed
from pyflow.planning.builder import Builder
from pyflow.planning.netlist import Stream

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Stage:
    """A core between two streams: its ports, and the stream that it makes. name: of the instance, behind the
    layer's; "": the layer's own."""

    core: Core
    sink: str
    source: str
    out: Stream
    name: str


def joined(b: Builder, op: Windowed, stream: Stream, stages: Sequence[Stage]) -> Stream:
    """What leaves the last stage; a line buffer has its handshakes cut where the layer's are."""
    for stage in stages:
        cut = isinstance(stage.core, LineBuffer) and b.cuts(op)
        if cut:
            stream = b.skid(stream, op.name, "raster")
        ports = [(stage.sink, stream)], [(stage.source, stage.out)]
        stream = b.join(stage.core, op.name, *ports, name=f"{op.name}_{stage.name}" if stage.name else op.name)
        if cut:
            stream = b.skid(stream, op.name, "columns")
    return stream


def row_windows(op: Windowed, source: Tensor, pix: int = 1) -> RowWindows:
    """Of a full window along the rows of `source`, `pix` pixels to a beat."""
    return RowWindows.of(source.shape[2], op.kernel[1], op.stride[1], op.padding[1], pix)


def legal_pix(op: Windowed, source: Tensor) -> list[int]:
    """Pixels per beat that a full window can take."""
    along = (source.shape[2], op.kernel[1], op.stride[1], op.padding[1])
    return [pix for pix in range(1, source.shape[2] + 1) if RowWindows.legal(*along, pix)]


def stretched(op: Upsample, pix: int, whole: bool) -> list[int]:
    """Pixels per beat that it can give, of `pix` that come. whole: does a beat carry all channels?"""
    pixels = pix * op.scale[1] if whole else 1
    return [n for n in range(1, pixels + 1) if pixels % n == 0]


def idle_shifts(op: Windowed, source: Tensor, pix: int = 1, groups: int = 1) -> int:
    """Pixels, or beats of several, per frame that a full window shifts in without completing windows, `groups` beats
    each."""
    (rows, cols), along = op.spatial(source), row_windows(op, source, pix)
    late = along.overlap if groups > 1 else max(0, along.overlap - 1)  # the last row shares less with the next frame
    return rows * (along.row - cols // along.pix) + late


def columns(op: Windowed, stream: Stream, shape: Shape, rows: int, pad: int) -> Stage:
    """Columns of the map: kernel rows x lanes. rows: held, 0 for those of the kernel."""
    _, height, width = shape
    kh, sy, py = op.kernel[0], op.stride[0], op.padding[0]
    out_rows = (height + 2 * py - kh) // sy + 1
    out = replace(stream, name=f"{op.name}_column", lanes=kh * stream.lanes, pixels=out_rows * width, tensor="")
    core = LineBuffer(
        item_w=stream.pixel_width,
        groups=stream.groups,
        height=height,
        width=width,
        kernel=kh,
        stride=sy,
        padding=py,
        slots=max(1, ceil_div(rows, kh)),
        pad_item=pad,
        pix=stream.pix,
    )
    return Stage(core, "spike", "column", out, "lines")


def full(op: Windowed, columns: Stream, shape: Shape, replay: int, pad: int) -> Stage:
    """Whole windows of columns, each sent `replay` times."""
    _, height, width = shape
    (kh, kw), (sy, sx), (py, px) = op.kernel, op.stride, op.padding
    rows, cols = (height + 2 * py - kh) // sy + 1, (width + 2 * px - kw) // sx + 1
    out = replace(
        columns,
        name=f"{op.name}_window",
        lanes=kw * columns.lanes,
        pixels=rows * cols,
        groups=replay * columns.groups,
        pix=max(1, columns.pix // sx),
    )
    core = WindowFull(
        item_w=columns.pixel_width,
        groups=columns.groups,
        height=rows,
        width=width,
        kernel=kw,
        stride=sx,
        padding=px,
        replay=replay,
        pad_item=pad,
        pix=columns.pix,
    )
    return Stage(core, "column", "window", out, "window")


def check_depth(layer: str, depth: int, least: int, most: int) -> None:
    """Refuses a window_depth that is no power of two (0: none given), too small to work or too large to be of use."""
    if depth and (not least <= depth <= most or depth & (depth - 1)):
        smallest, largest = 1 << max(1, (least - 1).bit_length()), 1 << (most.bit_length() - 1)
        raise VolleyError(
            f"folding of {layer}: window_depth={depth} must be a power of two of at least {smallest}, at most {largest}"
        )


def folded(
    layer: str,
    items: Stream,
    *,
    groups: int,
    shape: tuple[int, int] = (1, 1),
    kernel: tuple[int, int] = (1, 1),
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    replay: int,
    depth: int,
    pad: int = 0,
) -> Stage:
    """Windows item by item, each `replay` times; `depth` items are buffered (0: one window's worth ahead)."""
    core = WindowFold(
        item_w=items.width,
        depth=depth,
        pad_item=pad,
        groups=groups,
        height=shape[0],
        width=shape[1],
        kernel_y=kernel[0],
        kernel_x=kernel[1],
        stride_y=stride[0],
        stride_x=stride[1],
        pad_y=padding[0],
        pad_x=padding[1],
        replay=replay,
    )
    rows, cols = ((n + 2 * p - k) // s + 1 for n, k, s, p in zip(shape, kernel, stride, padding, strict=True))
    # By default one more window's worth, so that the next pixel (vector) comes in meanwhile.
    usual = 1 << max(1, (core.span + stride[1] * groups - 1).bit_length())
    check_depth(layer, depth, core.span, max(usual, 8 * items.beats))
    out = replace(
        items, name=f"{layer}_window", pixels=rows * cols, groups=replay * kernel[0] * kernel[1] * groups, tensor=""
    )
    return Stage(replace(core, depth=depth or usual), "item", "window", out, "window")
