# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_weight_source."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence


def weight_source(rows: Sequence[int]) -> Iterator[int]:
    return itertools.cycle(rows)
