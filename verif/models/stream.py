# SPDX-License-Identifier: Apache-2.0
"""Scalar models of the cores that move beats: what goes in comes out, in order.

A stream is a list of (data, last).
"""

from __future__ import annotations

from collections.abc import Iterable


def skid(beats: Iterable[tuple[int, bool]]) -> list[tuple[int, bool]]:
    return list(beats)


def fifo(beats: Iterable[tuple[int, bool]]) -> list[tuple[int, bool]]:
    return list(beats)
