# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Pooling."""

from __future__ import annotations

from pyflow.operators import GatedMaxPool, MaxPool, OrPool, SumPool, Windowed
from pyflow.planning import windows
from pyflow.planning.builder import Builder
from pyflow.planning.lowering.registry import lowers
from pyflow.planning.netlist import Stream


def pool_window(b: Builder, op: Windowed, stream: Stream) -> Stream:
    """The widest beats that its rows allow."""
    (source,) = b.sources(op)
    pix = max(n for n in op.legal_pix(source) if stream.pix % n == 0)
    stream = b.lanes(stream, stream.lanes, source.shape[0], op.name, pix=pix)
    columns = windows.columns(b, op, stream, source.shape, op.kernel[0], 0)
    return windows.full(b, op, columns, source.shape, 1, 0)


@lowers(MaxPool, SumPool)
def pool(b: Builder, op: MaxPool | SumPool, stream: Stream) -> Stream:
    window = pool_window(b, op, stream)
    return b.join(
        f"pool_{'max' if isinstance(op, MaxPool) else 'sum'}",
        op.name,
        "",
        [("window", window)],
        [("spike", b.output(b.tensors[op.name], stream.lanes, window.pix))],
        LANES=stream.lanes * stream.numbers,  # the steps of a spike train are counted one by one
        WORD_W=stream.bits // stream.numbers,
        TAPS=op.kernel[0] * op.kernel[1],
        PIX=window.pix,
    )


@lowers(OrPool)
def or_pool(b: Builder, op: OrPool, stream: Stream) -> Stream:
    window = pool_window(b, op, stream)
    return b.join(
        "pool_or",
        op.name,
        "",
        [("window", window)],
        [("spike", b.output(b.tensors[op.name], stream.lanes, window.pix))],
        LANES=stream.lanes,
        TB=stream.numbers,
        TAPS=op.kernel[0] * op.kernel[1],
        PIX=window.pix,
    )


@lowers(GatedMaxPool)
def gated_pool(b: Builder, op: GatedMaxPool, stream: Stream) -> Stream:
    window = pool_window(b, op, stream)
    return b.join(
        "pool_gated",
        op.name,
        "",
        [("window", window)],
        [("spike", b.output(b.tensors[op.name], stream.lanes))],
        LANES=stream.lanes,
        TB=stream.numbers,
        TAPS=op.kernel[0] * op.kernel[1],
        BEATS=window.beats,
        PASSES=window.passes,
    )
