# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Joins of two branches."""

from __future__ import annotations

import numpy as np

from pyflow.cores import eltwise as cores
from pyflow.cores.stream import Join
from pyflow.errors import VolleyError
from pyflow.integers import signed_width
from pyflow.operators import Add, And, Concat, Encoding, IAnd, Operator, Residual
from pyflow.planning.builder import Builder
from pyflow.planning.lowering.registry import lowers
from pyflow.planning.memories import by_fold
from pyflow.planning.netlist import Stream


def aligned(b: Builder, op: Operator, first: Stream, second: Stream) -> Stream:
    """`second` with the lanes and pixels per beat of `first`."""
    return b.lanes(second, first.lanes, b.sources(op)[1].shape[0], op.name, pix=first.pix)


@lowers(Add)
def add(b: Builder, op: Add, first: Stream, second: Stream) -> Stream:
    a, other = b.sources(op)
    second = aligned(b, op, first, second)
    out = b.output(b.tensors[op.name], first.lanes, first.pix)
    return b.join(
        cores.Add(
            lanes=first.pix * first.lanes * out.numbers,
            a_w=a.number_bits,
            b_w=other.number_bits,
            a_signed=a.encoding is Encoding.POTENTIAL,
            b_signed=other.encoding is Encoding.POTENTIAL,
            out_w=b.tensors[op.name].number_bits,
            b_shift=op.shift,
        ),
        op.name,
        [("a", first), ("b", second)],
        [("sum", out)],
    )


@lowers(And, IAnd)
def sew(b: Builder, op: And | IAnd, first: Stream, second: Stream) -> Stream:
    second = aligned(b, op, first, second)
    return b.join(
        cores.Sew(lanes=first.pix * first.lanes, tb=first.numbers, mode=int(isinstance(op, IAnd))),
        op.name,
        [("a", first), ("b", second)],
        [("spike", b.output(b.tensors[op.name], first.lanes, first.pix))],
    )


def residual_core(b: Builder, op: Residual, potential: Stream, dsp: bool) -> cores.Residual:
    a, other = b.sources(op)
    most = op.most(a, other) if op.name in b.loaded else int(np.abs(op.multiplier).max())
    return cores.Residual(
        lanes=potential.pix * potential.lanes,
        steps=potential.numbers,
        acc_w=a.number_bits,
        word_w=other.number_bits,
        exponent=op.exponent,
        m_w=signed_width(most),
        out_w=b.tensors[op.name].number_bits,
        dsp=dsp,
    )


@lowers(Residual)
def residual(b: Builder, op: Residual, potential: Stream, skip: Stream) -> Stream:
    skip = aligned(b, op, potential, skip)
    layer = b.synapse_before(op)
    folding = b.foldings.get(layer.name) if layer else None
    core = residual_core(b, op, potential, dsp=folding is not None and folding.residual == "dsp")
    if layer and core.dsp and core.unfit:
        raise VolleyError(
            f"folding of {layer.name}: residual=dsp: in {op.name!r} {core.unfit} of a DSP slice; use residual=lut"
        )
    rows = np.tile(by_fold(op.multiplier[:, None], potential.lanes, fill=(0,)), (1, potential.pix))
    return b.join(
        core,
        op.name,
        [("acc", potential), ("skip", skip)],
        [("acc", b.output(b.tensors[op.name], potential.lanes, potential.pix))],
        b.memory(op, rows, (core.m_w,)),
    )


@lowers(Concat)
def concat(b: Builder, op: Concat, first: Stream, second: Stream) -> Stream:
    """Whole pixels side by side."""
    a, other = b.sources(op)
    first = b.lanes(first, a.shape[0], a.shape[0], op.name, "a_lanes")
    second = b.lanes(second, other.shape[0], other.shape[0], op.name, "b_lanes")
    out = b.output(b.tensors[op.name], first.lanes + second.lanes)
    return b.join(Join(a_w=first.width, b_w=second.width), op.name, [("a", first), ("b", second)], [("axis", out)])
