# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What the weight sources hold: rows of fields, in the order the cores read them (`docs/formats.md`)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pyflow.cores.base import Reads
from pyflow.cores.synapse import goes_to_block_ram
from pyflow.integers import ceil_div
from pyflow.operators import DepthwiseConv, Synapse, Tensor
from pyflow.planning.folding import Folding, folds, simd


class Memory:
    """Image of a weight source. rows: int64 [depth, fields], each field two's complement of its width,
    field 0 in the least significant bits; widths repeat along a row. Rows are made when they are first asked for: a
    planner asks for the shape only."""

    def __init__(self, name: str, shape: Reads, widths: tuple[int, ...], rows: Callable[[], np.ndarray]) -> None:
        self.name, self.shape, self.widths, self._rows = name, shape, widths, rows

    @functools.cached_property
    def rows(self) -> np.ndarray:
        return self._rows()

    @functools.cached_property
    def seen(self) -> Reads:
        """Its shape as synthesis sees it, which knows the values of a ROM."""
        return replace(self.shape, columns=self._varying()) if self.kind == "block" else self.shape

    def _varying(self) -> int:
        """Bits of a row that are not the same in all rows."""
        ones, zeros = (np.bitwise_or.reduce(rows, axis=0) for rows in (self.rows, ~self.rows))
        masks = np.resize((1 << np.array(self.widths)) - 1, len(ones))
        return int(np.bitwise_count(ones & zeros & masks).sum())

    @property
    def width(self) -> int:
        return self.shape.width

    @property
    def depth(self) -> int:
        return self.shape.depth

    @property
    def kind(self) -> str:
        return self.shape.kind


def reads(wanted: str, width: int, depth: int, *, looked_up: bool = False) -> Reads:
    """A memory of the kind `wanted` by a folding; "auto" chooses by size. looked_up: one that is read by address, a
    ROM even of one row."""
    kind = wanted
    if wanted == "auto":
        few = "const" if depth == 1 and not looked_up else "lut"
        kind = "block" if goes_to_block_ram(width, depth) else few
    return Reads(width, depth, kind)


def weights(op: Synapse, folding: Folding, source: Tensor) -> Memory:
    """Of a synapse layer."""
    (fo, fi), lanes = folds(op, folding, source), folding.lanes
    kh, kw, c = op.taps(source)
    if folding.events:
        depth, fields = fo * kh * kw * ceil_div(c, lanes) * lanes, folding.pe
    else:
        depth, fields = fo * fi, folding.pe * simd(op, folding, source)
    shape = reads(folding.memory, fields * op.weight_bits, depth, looked_up=bool(folding.events))
    if shape.kind == "const":
        shape = replace(shape, effective=float(np.count_nonzero(op.weight) / fields))
    return Memory(f"{op.name}_weight", shape, (op.weight_bits,), lambda: weight_rows(op, folding, source))


def weight_rows(op: Synapse, folding: Folding, source: Tensor) -> np.ndarray:
    """int64 rows of the weight memory: [folds_out * folds_in, PE * SIMD] in the order the array reads them, or
    [folds_out * inputs, PE] for one that looks them up. Channels beyond Ci and outputs beyond Co are zero."""
    kh, kw, c = op.taps(source)
    fo, _ = folds(op, folding, source)
    lanes, pe = folding.lanes, folding.pe
    if isinstance(op, DepthwiseConv):
        own = np.zeros((fo * pe, kw, kh), np.int64)
        own[: op.weight.shape[0]] = op.weight[:, 0].transpose(0, 2, 1)
        return own.reshape(fo, -1)  # g | lane, output, kx, ky
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
    return w.transpose(order).reshape(-1, pe * simd(op, folding, source))


def by_fold(values: np.ndarray, lanes: int, fill: tuple[int, ...]) -> np.ndarray:
    """[C, fields] -> [ceil(C/lanes), lanes * fields]; lanes beyond C carry `fill`."""
    folds = ceil_div(len(values), lanes)
    padded = np.tile(np.array(fill, np.int64), (folds * lanes, 1))
    padded[: len(values)] = values
    return padded.reshape(folds, -1)


def pack_codes(codes: np.ndarray, bits: int, lanes: int) -> int:
    """One beat whose lane l carries codes[l]."""
    return sum(int(code) << (bits * lane) for lane, code in enumerate(codes[:lanes]))


def repeat(item: int, width: int, times: int) -> int:
    return sum(item << (width * i) for i in range(times))
