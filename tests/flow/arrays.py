# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Synapse arrays of DSP48s by open synthesis."""

from __future__ import annotations

from pyflow.backends.yosys import Cells, synthesise_core

GATE, SOFT, MULT = 1, 2, 3  # BODY of volley_synapse_sum
DSP = {"xc7": "DSP48E1", "xcup": "DSP48E2"}


def cells_of(family: str, body: int, pe: int, simd: int, steps: int, tp: int, weight_w: int) -> Cells:
    """Cells of an array of one fold, weights from outside."""
    acc_w = 1 + (simd * ((1 << steps) - 1) << (weight_w - 1)).bit_length()
    parameters = {"BODY": body, "PE": pe, "SIMD": simd, "T": steps, "TP": tp, "WEIGHT_W": weight_w, "ACC_W": acc_w}
    return synthesise_core("volley_synapse_array", family, parameters)


def dsp_cells(cells: Cells) -> Cells:
    """The DSP slices among them."""
    return {kind: n for kind, n in cells.items() if kind.startswith("DSP")}
