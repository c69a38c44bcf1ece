# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar models of volley_line_buffer, volley_window_full, volley_window_fold and volley_upsample.

A map is rows of pixels of groups: map[y][x][g] is an item. What an item is does not matter: a spike word,
a beat of lanes, a column of pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Map = Sequence[Sequence[Sequence[Any]]]


def span(size: int, kernel: int, stride: int, padding: int) -> int:
    """Outputs along one axis."""
    return (size + 2 * padding - kernel) // stride + 1


def item(frame: Map, y: int, x: int, g: int, pad: Any) -> Any:
    return frame[y][x][g] if 0 <= y < len(frame) and 0 <= x < len(frame[0]) else pad


def line_buffer(frame: Map, kernel: int, stride: int, padding: int, pad: Any) -> list[list[list[list[Any]]]]:
    """A map whose items are columns of `kernel` items, ky = 0 first."""
    return [
        [
            [
                [item(frame, oy * stride - padding + ky, x, g, pad) for ky in range(kernel)]
                for g in range(len(frame[0][0]))
            ]
            for x in range(len(frame[0]))
        ]
        for oy in range(span(len(frame), kernel, stride, padding))
    ]


def beats(frame: Map, pix: int) -> list[list[Any]]:
    """A map in stream order: the items of `pix` neighbours in a row to a beat, the leftmost first."""
    return [
        [pixel[g] for pixel in row[x : x + pix]]
        for row in frame
        for x in range(0, len(row), pix)
        for g in range(len(row[0]))
    ]


def window_full(
    columns: Map, kernel: int, stride: int, padding: int, pad: Any, replay: int = 1, pix: int = 1
) -> list[list[Any]]:
    """Windows of `kernel` columns, kx = 0 first, in stream order; `pix` windows to a beat, the leftmost first."""
    return [
        [
            item(columns, y, ox * stride - padding + kx, g, pad)
            for ox in range(first, first + pix)
            for kx in range(kernel)
        ]
        for y in range(len(columns))
        for first in range(0, span(len(columns[0]), kernel, stride, padding), pix)
        for _ in range(replay)
        for g in range(len(columns[0][0]))
    ]


def window_fold(
    frame: Map, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int], pad: Any, replay: int = 1
) -> list[Any]:
    """Items in stream order; (y, x) pairs."""
    return [
        item(frame, oy * stride[0] - padding[0] + ky, ox * stride[1] - padding[1] + kx, g, pad)
        for oy in range(span(len(frame), kernel[0], stride[0], padding[0]))
        for ox in range(span(len(frame[0]), kernel[1], stride[1], padding[1]))
        for _ in range(replay)
        for ky in range(kernel[0])
        for kx in range(kernel[1])
        for g in range(len(frame[0][0]))
    ]


def window_fold_cycles(
    frame: Map,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    replay: int,
    depth: int,
    frames: int = 6,
) -> int:
    """Cycles per frame of volley_window_fold, never stalled: max(in, out) unless DEPTH keeps it from reading ahead."""
    height, width, groups = len(frame), len(frame[0]), len(frame[0][0])
    size = height * width * groups
    numbers = [[[(y * width + x) * groups + g for g in range(groups)] for x in range(width)] for y in range(height)]
    reads = window_fold(numbers, kernel, stride, padding, None, replay)
    rows, columns = (span(*axis) for axis in zip((height, width), kernel, stride, padding, strict=True))
    window = len(reads) // (rows * columns)
    written, ends = 0, [0]
    for n in range(frames):
        ends.append(ends[-1])
        for i, number in enumerate(reads):
            oy, ox = divmod(i // window, columns)
            first = n * size + ((oy * stride[0] - padding[0]) * width + ox * stride[1] - padding[1]) * groups
            done = False
            while not done:  # a cycle: one item in if there is room from the window's first item on, one out
                done = number is None or n * size + number < written
                written += written - first < depth
                ends[-1] += 1
    return ends[-1] - ends[-2]


def upsample(frame: Map, scale_y: int, scale_x: int) -> list[list[Sequence[Any]]]:
    """The larger map: every row `scale_y` times, every pixel `scale_x` times."""
    return [
        [frame[y // scale_y][x // scale_x] for x in range(len(frame[0]) * scale_x)] for y in range(len(frame) * scale_y)
    ]
