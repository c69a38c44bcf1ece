# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_adder_tree, volley_step_tree and the parts of their twins in rtl/tech."""

from __future__ import annotations

from collections.abc import Sequence


def weighted_sum(operands: Sequence[int], group: int) -> int:
    """Every `group` operands count twice as much as those before: a sum over inputs, over steps, or both."""
    return sum(x << i // group for i, x in enumerate(operands))
