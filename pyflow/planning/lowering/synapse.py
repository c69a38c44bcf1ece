# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Synapse layers: window, array, weights."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from pyflow.cores.synapse import EventList, SynapseArray, SynapseEvent
from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.hardware import BODIES, Folding, ceil_div, event_list_depth
from pyflow.operators import Conv, Linear, Synapse, Tensor
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


def pixels_per_beat(op: Synapse, source: Tensor) -> list[int]:
    """Pixels per beat that the core of `op` can take, where a cycle takes a whole window."""
    if not isinstance(op, Conv):
        return [1]
    return [1] if op.kernel == (1, 1) != op.stride else op.legal_pix(source)


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
    _check_events(op, folding, source)
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
    if folding.pix > 1:
        _check_pix(op, folding, source, whole=fo * fi == 1)
    _check_buffers(op, replace(folding, slice=kind), source, fo)
    if folding.memory == "const" and folding.events:
        raise VolleyError(f"{where}: memory=const is never looked up, events={folding.events} does; use lut or block")
    if folding.memory == "const" and fo * fi > 1:
        raise VolleyError(f"{where}: memory=const holds one row, this folding has {fo * fi}; use lut or block")
    chosen = replace(folding, slice=kind, tp=tp, body="lut" if folding.body == "auto" else folding.body)
    if unfit := size_of(op, chosen, source).unfit:
        raise VolleyError(
            f"{where}: body={chosen.body} takes whole words of up to 8 steps, all at once, {unfit}; use body=lut"
        )
    return chosen


def _check_events(op: Synapse, folding: Folding, source: Tensor) -> None:
    """Refuses to skip zeros of what is no linear layer, and more of them than there are inputs."""
    where, inputs = f"folding of {op.name}: events={folding.events}", math.prod(source.shape)
    if folding.events and not isinstance(op, Linear):
        raise VolleyError(
            f"{where} skips the zeros of a linear layer; a conv's windows overlap, each zero is in several of them: "
            "use events=0"
        )
    if folding.events > inputs:
        raise VolleyError(f"{where} is above its {inputs} inputs; use 1..{inputs}, or 0 for every word")


def _check_pix(op: Synapse, folding: Folding, source: Tensor, whole: bool) -> None:
    """Refuses several pixels per beat where they make no whole beats. whole: a cycle takes a whole window."""
    where = f"folding of {op.name}: pix={folding.pix}"
    legal = pixels_per_beat(op, source) if whole else []
    if not legal:
        raise VolleyError(
            f"{where} pixels per beat need a convolution with whole windows and pixels in a cycle: slice=all, "
            f"lanes={op.taps(source)[2]}, pe={op.weight.shape[0]}; use pix=1"
        )
    if folding.pix not in legal:
        raise VolleyError(
            f"{where} makes no whole beats of its rows of {source.shape[2]} pixels in or out; use one of "
            f"{', '.join(map(str, legal))}"
        )


def _check_buffers(op: Synapse, folding: Folding, source: Tensor, replay: int) -> None:
    """Refuses what would be left unused, rounded, or larger than two maps."""
    where = f"folding of {op.name}"
    if folding.rows:
        if isinstance(op, Linear) or folding.slice == "tap":
            raise VolleyError(f"{where}: rows={folding.rows}, but it has no line buffer (slice=tap); leave rows out")
        kh = op.kernel[0]
        most = kh * max(2, 2 * source.shape[1] // kh)
        if folding.rows % kh or folding.rows > most:
            raise VolleyError(
                f"{where}: rows={folding.rows} must be a multiple of the kernel height {kh}, at most {most} (two maps)"
            )
    whole = (op.kernel, op.stride, replay) == ((1, 1), (1, 1), 1) or (isinstance(op, Linear) and replay == 1)
    if folding.window_depth and not folding.events and (folding.slice == "all" or whole):
        raise VolleyError(
            f"{where}: window_depth={folding.window_depth}, but its window is not folded; leave window_depth out"
        )


@lowers(Conv)
def conv(b: Builder, op: Conv, stream: Stream) -> Stream:
    (source,) = b.sources(op)
    folding = b.foldings[op.name] = check_folding(op, b.foldings[op.name], b.network)
    replay, _ = op.folds(folding, source)
    stream = b.lanes(stream, folding.lanes, source.shape[0], op.name, pix=folding.pix)
    groups, pad = stream.groups, pack_codes(op.pad_code, stream.bits, stream.groups * folding.lanes)
    if folding.slice != "tap":
        columns = windows.columns(b, op, stream, source.shape, folding.rows, pad)
        pad = repeat(pad, stream.pixel_width, op.kernel[0])
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
    if folding.events:
        return event_array(b, op, stream, replay)
    if replay > 1:  # the whole vector again for every output fold
        stream = windows.folded(b, op.name, stream, groups=stream.beats, replay=replay, depth=folding.window_depth)
    return array(b, op, stream)


def event_array(b: Builder, op: Linear, stream: Stream, replay: int) -> Stream:
    """List of the words that are not zero, and the array that looks their weights up; the stream of potentials."""
    (source,) = b.sources(op)
    folding, tensor = b.foldings[op.name], b.tensors[op.name]
    inputs = stream.beats * stream.lanes
    rows = ceil_div(inputs, folding.events)
    smallest = 1 << max(1, (rows - 1).bit_length()) if replay > 1 else 2
    depth = folding.window_depth
    windows.check_depth(op.name, depth, smallest, max(event_list_depth(inputs, folding.events, replay), 8 * rows))
    event_bits = max(1, (inputs - 1).bit_length()) + stream.bits
    events = b.join(
        EventList(
            t=stream.bits,
            lanes=stream.lanes,
            beats=stream.beats,
            events=folding.events,
            replay=replay,
            depth=depth or event_list_depth(inputs, folding.events, replay),
        ),
        op.name,
        [("spike", stream)],
        [("event", Stream(f"{op.name}_event", folding.events, event_bits, 0, 1, passes=stream.passes))],
        name=f"{op.name}_events",
    )
    table, widths = weight_rows(op, folding, b.network), (op.weight_bits,)
    kind = folding.memory
    if kind == "auto":  # a ROM even of one row: it is looked up
        kind = memory_kind(kind, np.repeat(table, 2, 0) if len(table) == 1 else table, widths)
    return b.join(
        SynapseEvent(
            body=BODIES.index(folding.body),
            pe=folding.pe,
            events=folding.events,
            t=source.beat_steps,
            tp=folding.tp,
            weight_w=op.weight_bits,
            inputs=inputs,
            folds=replay,
            acc_w=tensor.number_bits,
            per_step=source.timed,
        ),
        op.name,
        [("event", events)],
        [("acc", b.output(tensor, folding.pe))],
        Memory(f"{op.name}_weight", table, widths, kind),
        name=f"{op.name}_array",
    )


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
        SynapseArray(
            body=BODIES.index(folding.body),
            pe=folding.pe,
            simd=op.simd(folding, source),
            t=source.beat_steps,
            tp=folding.tp,
            weight_w=op.weight_bits,
            folds=op.folds(folding, source)[1],
            acc_w=tensor.number_bits,
            per_step=source.timed,
            pix=window.pix,
        ),
        op.name,
        [("spike", window)],
        [("acc", b.output(tensor, folding.pe, window.pix))],
        memory,
        name=f"{op.name}_array",
    )
    return b.skid(potentials, op.name, "sums") if folding.skid else potentials
