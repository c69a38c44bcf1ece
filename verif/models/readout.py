# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Scalar model of volley_readout."""

from __future__ import annotations


def readout(h: int, bias: int, exponent: int) -> int:
    return (h << exponent) + bias
