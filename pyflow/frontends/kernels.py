# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Kernels of convolutions with dilation or groups, laid out with zeros."""

from __future__ import annotations

import numpy as np

from pyflow.frontends.builder import fail

MOST_WEIGHTS = 1 << 25  # of a layer, zeros for groups and dilation among them


def laid_out(
    label: str, kind: str, weight: np.ndarray, apart: tuple[int, int], groups: int
) -> tuple[np.ndarray, np.ndarray]:
    """A kernel [Co, Ci / groups, KH, KW] as the dense one, with zeros for groups and dilation; which are the user's."""
    size = weight.shape[0] * weight.shape[1] * groups
    for taps, step in zip(weight.shape[2:], apart, strict=True):
        size *= (taps - 1) * step + 1
    if size > MOST_WEIGHTS:
        message = f"groups {groups}, dilation {apart} are laid out with zeros, {size:,} weights in all"
        raise fail(label, kind, f"{message}; at most {MOST_WEIGHTS:,}")
    return ungrouped(*undilated(weight, apart), groups)


def undilated(weight: np.ndarray, dilation: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A kernel [Co, Ci, KH, KW] with the positions between its taps, which are 0; which are the user's."""
    (co, ci, kh, kw), (dy, dx) = weight.shape, dilation
    dense = np.zeros((co, ci, (kh - 1) * dy + 1, (kw - 1) * dx + 1))
    free = np.zeros(dense.shape, bool)
    dense[:, :, ::dy, ::dx], free[:, :, ::dy, ::dx] = weight, True
    return dense, free


def ungrouped(weight: np.ndarray, free: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """[Co, Ci / groups, KH, KW] for all input channels: 0 for those of other groups."""
    co, ci = weight.shape[:2]
    dense = np.zeros((co, ci * groups, *weight.shape[2:]))
    own = np.zeros(dense.shape, bool)
    for g in range(groups):
        rows, columns = slice(g * co // groups, (g + 1) * co // groups), slice(g * ci, (g + 1) * ci)
        dense[rows, columns], own[rows, columns] = weight[rows], free[rows]
    return dense, own
