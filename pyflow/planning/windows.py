# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Lowering of windows: line buffer, full window, folded window."""

from __future__ import annotations

from dataclasses import replace

from pyflow.cores.window import LineBuffer, WindowFold, WindowFull
from pyflow.errors import VolleyError
from pyflow.hardware import ceil_div
from pyflow.operators import Windowed
from pyflow.planning.builder import Builder
from pyflow.planning.netlist import Stream

Shape = tuple[int, int, int]


def columns(b: Builder, op: Windowed, stream: Stream, shape: Shape, rows: int, pad: int) -> Stream:
    """Columns of the map: kernel rows x lanes."""
    cuts = b.cuts(op)
    if cuts:
        stream = b.skid(stream, op.name, "raster")
    _, height, width = shape
    kh, sy, py = op.kernel[0], op.stride[0], op.padding[0]
    out_rows = (height + 2 * py - kh) // sy + 1
    out = replace(stream, name=f"{op.name}_column", lanes=kh * stream.lanes, pixels=out_rows * width, tensor="")
    made = b.join(
        LineBuffer(
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
        ),
        op.name,
        [("spike", stream)],
        [("column", out)],
        name=f"{op.name}_lines",
    )
    return b.skid(made, op.name, "columns") if cuts else made


def full(b: Builder, op: Windowed, columns: Stream, shape: Shape, replay: int, pad: int) -> Stream:
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
    return b.join(
        WindowFull(
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
        ),
        op.name,
        [("column", columns)],
        [("window", out)],
        name=f"{op.name}_window",
    )


def check_depth(layer: str, depth: int, least: int, most: int) -> None:
    """Refuses a window_depth that is no power of two (0: none given), too small to work or too large to be of use."""
    if depth and (not least <= depth <= most or depth & (depth - 1)):
        smallest, largest = 1 << max(1, (least - 1).bit_length()), 1 << (most.bit_length() - 1)
        raise VolleyError(
            f"folding of {layer}: window_depth={depth} must be a power of two of at least {smallest}, at most {largest}"
        )


def folded(
    b: Builder,
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
) -> Stream:
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
    return b.join(
        replace(core, depth=depth or usual), layer, [("item", items)], [("window", out)], name=f"{layer}_window"
    )
