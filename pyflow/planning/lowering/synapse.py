# SPDX-License-Identifier: Apache-2.0
"""Synapse layers: window, array, weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.hardware import BODIES, Folding, ceil_div
from pyflow.operators import Conv, Linear, Synapse
from pyflow.planning import windows
from pyflow.planning.bodies import size_of
from pyflow.planning.builder import Builder
from pyflow.planning.lowering.registry import lowers
from pyflow.planning.memories import Memory, memory_kind, pack_codes, repeat, weight_rows
from pyflow.planning.netlist import Stream


def embed_kernel(conv: Conv) -> Conv:
    """The same convolution with padding < kernel, as the window cores want it: zero taps all round.

    A kernel grown by d on each side with its padding raised by d covers the same outputs.
    """
    grow = [max(0, p - k + 1) for p, k in zip(conv.padding, conv.kernel, strict=True)]
    if not any(grow):
        return conv
    gy, gx = grow
    return replace(
        conv,
        weight=np.pad(conv.weight, ((0, 0), (0, 0), (gy, gy), (gx, gx))),
        kernel=(conv.kernel[0] + 2 * gy, conv.kernel[1] + 2 * gx),
        padding=(conv.padding[0] + gy, conv.padding[1] + gx),
    )


def check_folding(op: Synapse, folding: Folding, network: Network) -> Folding:
    """`folding` made concrete for `op` (tp, neuron kinds), or VolleyError naming what is illegal."""
    (source,) = network.sources(op)
    where = f"folding of {op.name}"
    co, (kh, kw, c) = op.weight.shape[0], op.taps(source)
    if folding.pe > co:
        raise VolleyError(f"{where}: pe={folding.pe} is above its {co} outputs; use 1..{co}")
    if folding.lanes > c:
        raise VolleyError(f"{where}: lanes={folding.lanes} is above its {c} input channels; use 1..{c}")
    groups = ceil_div(c, folding.lanes)
    kind = folding.slice
    if isinstance(op, Linear) or kh * kw == 1:
        kind = "tap"
    elif kind == "column" and kw == 1:
        kind = "all"
    if kind == "all" and groups > 1 and ceil_div(co, folding.pe) > 1:
        raise VolleyError(
            f"{where}: slice=all with lanes={folding.lanes} < {c} needs pe={co}; use lanes={c}, or slice=column or tap"
        )
    if op.pad_code.any() and groups > 1:
        raise VolleyError(f"{where}: a padding code needs lanes={c} (all channels in one beat), not {folding.lanes}")
    tp = op.steps_per_cycle(folding, source)
    fo, fi = op.folds(replace(folding, slice=kind), source)
    if folding.memory == "const" and fo * fi > 1:
        raise VolleyError(f"{where}: memory=const holds one row, this folding has {fo * fi}; use lut or block")
    chosen = replace(folding, slice=kind, tp=tp, body="lut" if folding.body == "auto" else folding.body)
    if not size_of(op, chosen, source).legal:
        raise VolleyError(f"{where}: body={chosen.body} takes whole words of up to 8 steps, all at once; use body=lut")
    return chosen


@lowers(Conv)
def conv(b: Builder, op: Conv, stream: Stream) -> Stream:
    (source,) = b.sources(op)
    folding = b.foldings[op.name] = check_folding(op, b.foldings[op.name], b.network)
    replay, _ = op.folds(folding, source)
    stream = b.lanes(stream, folding.lanes, source.shape[0], op.name)
    groups, pad = stream.groups, pack_codes(op.pad_code, stream.bits, stream.groups * folding.lanes)
    if folding.slice != "tap":
        columns = windows.columns(b, op, stream, source.shape, folding.rows, pad)
        if folding.skid:
            columns = b.skid(columns, op.name, "columns")
        pad = repeat(pad, stream.width, op.kernel[0])
        if folding.slice == "all":
            window = windows.full(b, op, columns, source.shape, replay, pad)
        else:
            width = source.shape[2]
            window = windows.folded(
                b,
                op.name,
                columns,
                groups=groups,
                shape=(columns.pixels // width, width),
                kernel=(1, op.kernel[1]),
                stride=(1, op.stride[1]),
                padding=(0, op.padding[1]),
                replay=replay,
                depth=folding.window_depth,
                pad=pad,
            )
    elif (op.kernel, op.stride, replay) == ((1, 1), (1, 1), 1):
        window = stream  # a pixel is its own window
    else:
        window = windows.folded(
            b,
            op.name,
            stream,
            groups=groups,
            shape=source.shape[1:],
            kernel=op.kernel,
            stride=op.stride,
            padding=op.padding,
            replay=replay,
            depth=folding.window_depth,
            pad=pad,
        )
    return array(b, op, window)


@lowers(Linear)
def linear(b: Builder, op: Linear, stream: Stream) -> Stream:
    (source,) = b.sources(op)
    folding = b.foldings[op.name] = check_folding(op, b.foldings[op.name], b.network)
    replay, _ = op.folds(folding, source)
    stream = b.lanes(stream, folding.lanes, source.shape[0], op.name)
    if replay > 1:  # the whole vector again for every output fold
        stream = windows.folded(b, op.name, stream, groups=stream.beats, replay=replay, depth=folding.window_depth)
    return array(b, op, stream)


def array(b: Builder, op: Synapse, window: Stream) -> Stream:
    """Synapse array fed by slices of `window`; the stream of potentials."""
    (source,) = b.sources(op)
    folding = b.foldings[op.name]
    tensor = b.tensors[op.name]
    rows = weight_rows(op, folding, b.network)
    widths = (op.weight_bits,)
    memory = Memory(f"{op.name}_weight", rows, widths, memory_kind(folding.memory, rows, widths))
    if folding.skid:
        window = b.skid(window, op.name, "slices")
    potentials = b.join(
        "synapse_array",
        op.name,
        "array",
        [("spike", window)],
        [("acc", b.output(tensor, folding.pe))],
        memory,
        "weight",
        BODY=BODIES.index(folding.body),
        PE=folding.pe,
        SIMD=op.simd(folding, source),
        T=source.beat_steps,
        TP=folding.tp,
        WEIGHT_W=op.weight_bits,
        FOLDS=op.folds(folding, source)[1],
        ACC_W=tensor.number_bits,
        PER_STEP=int(source.timed),
    )
    return b.skid(potentials, op.name, "sums") if folding.skid else potentials
