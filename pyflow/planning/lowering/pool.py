# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Pooling."""

from __future__ import annotations

from pyflow.cores.pool import PoolGated, PoolMax, PoolOr, PoolSum
from pyflow.operators import GatedMaxPool, MaxPool, OrPool, SumPool, Windowed
from pyflow.planning import windows
from pyflow.planning.builder import Builder
from pyflow.planning.lowering.registry import lowers
from pyflow.planning.netlist import Stream


def pool_window(b: Builder, op: Windowed, stream: Stream) -> Stream:
    """The widest beats that its rows allow."""
    (source,) = b.sources(op)
    pix = max(n for n in windows.legal_pix(op, source) if stream.pix % n == 0)
    stream = b.lanes(stream, stream.lanes, source.shape[0], op.name, pix=pix)
    lines = windows.columns(op, stream, source.shape, op.kernel[0], 0)
    return windows.joined(b, op, stream, [lines, windows.full(op, lines.out, source.shape, 1, 0)])


@lowers(MaxPool, SumPool)
def pool(b: Builder, op: MaxPool | SumPool, stream: Stream) -> Stream:
    window = pool_window(b, op, stream)
    core = PoolMax if isinstance(op, MaxPool) else PoolSum
    return b.join(
        core(
            lanes=stream.lanes * stream.numbers,
            word_w=stream.bits // stream.numbers,
            taps=op.kernel[0] * op.kernel[1],
            pix=window.pix,
        ),
        op.name,
        [("window", window)],
        [("spike", b.output(b.tensors[op.name], stream.lanes, window.pix))],
    )


@lowers(OrPool)
def or_pool(b: Builder, op: OrPool, stream: Stream) -> Stream:
    window = pool_window(b, op, stream)
    return b.join(
        PoolOr(lanes=stream.lanes, tb=stream.numbers, taps=op.kernel[0] * op.kernel[1], pix=window.pix),
        op.name,
        [("window", window)],
        [("spike", b.output(b.tensors[op.name], stream.lanes, window.pix))],
    )


@lowers(GatedMaxPool)
def gated_pool(b: Builder, op: GatedMaxPool, stream: Stream) -> Stream:
    window = pool_window(b, op, stream)
    return b.join(
        PoolGated(
            lanes=stream.lanes,
            tb=stream.numbers,
            taps=op.kernel[0] * op.kernel[1],
            beats=window.beats,
            passes=window.passes,
        ),
        op.name,
        [("window", window)],
        [("spike", b.output(b.tensors[op.name], stream.lanes))],
    )
