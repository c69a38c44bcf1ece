# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Lists of unequal length in two arrays: list n is values[starts[n] : starts[n + 1]]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """starts: int64 [lists + 1]. values: int64."""

    starts: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, n: int) -> np.ndarray:
        return self.values[self.starts[n] : self.starts[n + 1]]

    @property
    def sizes(self) -> np.ndarray:
        """int64 [lists]."""
        sizes: np.ndarray = np.diff(self.starts)
        return sizes

    @property
    def owners(self) -> np.ndarray:
        """List that each value is in: int64, as long as `values`."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def take(self, which: np.ndarray) -> Lists:
        """The lists of those numbers, in that order."""
        sizes = self.sizes[which]
        starts = _sums(sizes)
        places = np.arange(starts[-1]) + np.repeat(self.starts[which] - starts[:-1], sizes)
        return Lists(starts, self.values[places])

    def inverted(self, count: int) -> Lists:
        """For each value 0..count-1 the lists that hold it, ascending."""
        order = np.argsort(self.values, kind="stable")
        return Lists(_sums(np.bincount(self.values, minlength=count)), self.owners[order])


def _sums(sizes: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def lists(rows: Sequence[np.ndarray]) -> Lists:
    values = np.concatenate([np.zeros(0, np.int64), *rows]).astype(np.int64)
    return Lists(_sums(np.array([len(row) for row in rows], np.int64)), values)


def masked(table: np.ndarray, kept: np.ndarray) -> Lists:
    """Row by row what is kept of `table`. kept: bool, of its shape [rows, columns]."""
    return Lists(_sums(kept.sum(1)), table[kept].astype(np.int64))


def grouped(keys: np.ndarray, values: np.ndarray, count: int) -> Lists:
    """For each key 0..count-1 its values, ascending and once each."""
    span = int(values.max(initial=0)) + 1
    pairs = np.unique(keys.astype(np.int64) * span + values)
    return Lists(_sums(np.bincount(pairs // span, minlength=count)), pairs % span)
