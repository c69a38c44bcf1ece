# SPDX-License-Identifier: Apache-2.0
"""Scalar models of volley_line_buffer, volley_window_full and volley_window_fold.

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
        [[[item(frame, oy * stride - padding + ky, x, g, pad) for ky in range(kernel)]
          for g in range(len(frame[0][0]))] for x in range(len(frame[0]))]
        for oy in range(span(len(frame), kernel, stride, padding))
    ]


def window_full(columns: Map, kernel: int, stride: int, padding: int, pad: Any, replay: int = 1) -> list[list[Any]]:
    """Windows of `kernel` columns, kx = 0 first, in stream order."""
    return [
        [item(columns, y, ox * stride - padding + kx, g, pad) for kx in range(kernel)]
        for y in range(len(columns))
        for ox in range(span(len(columns[0]), kernel, stride, padding))
        for _ in range(replay)
        for g in range(len(columns[0][0]))
    ]


def window_fold(frame: Map, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int],
                pad: Any, replay: int = 1) -> list[Any]:
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
