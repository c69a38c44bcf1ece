# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What the weight sources hold: rows of fields, in the order the cores read them (`docs/formats.md`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyflow import hardware as hw
from pyflow.graph import Network
from pyflow.hardware import Folding, ceil_div
from pyflow.operators import Synapse

MEMORY_KINDS = {"const": 0, "lut": 1, "block": 2, "writable": 3}  # KIND of volley_weight_source


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """Image of a weight source. rows: int64 [depth, fields], each field two's complement of its width,
    field 0 in the least significant bits; widths repeat along a row."""

    name: str
    rows: np.ndarray
    widths: tuple[int, ...]
    kind: str

    @property
    def width(self) -> int:
        return sum(self.widths) * int(self.rows.shape[1] // len(self.widths))

    @property
    def depth(self) -> int:
        return len(self.rows)


def weight_rows(op: Synapse, folding: Folding, network: Network) -> np.ndarray:
    """int64 rows of the weight memory: [folds_out * folds_in, PE * SIMD] in the order the array reads them, or
    [folds_out * inputs, PE] for one that looks them up. Channels beyond Ci and outputs beyond Co are zero."""
    (source,) = network.sources(op)
    kh, kw, c = op.taps(source)
    fo, _ = op.folds(folding, source)
    lanes, pe = folding.lanes, folding.pe
    groups = ceil_div(c, lanes)
    w = np.zeros((fo * pe, kh, kw, groups * lanes), np.int64)
    w[: op.weight.shape[0], :, :, :c] = op.matrix(source)
    w = w.reshape(fo, pe, kh, kw, groups, lanes)  # fo, pe, ky, kx, g, lane
    if folding.events:
        return w.transpose(0, 2, 3, 4, 5, 1).reshape(-1, pe)  # fo, ky, kx, g, lane | pe
    order = {
        "all": (0, 4, 1, 3, 2, 5),  # fo | g         | pe | kx, ky, lane
        "column": (0, 3, 4, 1, 2, 5),  # fo | kx, g     | pe | ky, lane
        "tap": (0, 2, 3, 4, 1, 5),  # fo | ky, kx, g | pe | lane
    }[folding.slice]
    simd = op.simd(folding, source)
    return w.transpose(order).reshape(-1, pe * simd)


def by_fold(values: np.ndarray, lanes: int, fill: tuple[int, ...]) -> np.ndarray:
    """[C, fields] -> [ceil(C/lanes), lanes * fields]; lanes beyond C carry `fill`."""
    folds = ceil_div(len(values), lanes)
    padded = np.tile(np.array(fill, np.int64), (folds * lanes, 1))
    padded[: len(values)] = values
    return padded.reshape(folds, -1)


def memory_kind(wanted: str, rows: np.ndarray, widths: tuple[int, ...]) -> str:
    if wanted != "auto":
        return wanted
    if len(rows) == 1:
        return "const"
    width = sum(widths) * (rows.shape[1] // len(widths))
    return "block" if hw.goes_to_block_ram(width, len(rows)) else "lut"


def pack_codes(codes: np.ndarray, bits: int, lanes: int) -> int:
    """One beat whose lane l carries codes[l]."""
    return sum(int(code) << (bits * lane) for lane, code in enumerate(codes[:lanes]))


def repeat(item: int, width: int, times: int) -> int:
    return sum(item << (width * i) for i in range(times))
