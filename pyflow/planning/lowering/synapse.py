# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Synapse layers: window, array, weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from pyflow.cores.cells import Cost
from pyflow.cores.sums import BODIES, sum_cost
from pyflow.cores.synapse import (
    EventList,
    SynapseArray,
    SynapseDepthwise,
    SynapseEvent,
    WeightSource,
    event_list_depth,
)
from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.integers import ceil_div
from pyflow.operators import Conv, DepthwiseConv, Linear, Synapse, Tensor
from pyflow.planning import windows
from pyflow.planning.bodies import residuals, size_of
from pyflow.planning.builder import Builder
from pyflow.planning.folding import Folding, folds, neuron_lanes, replays, simd, steps_per_cycle
from pyflow.planning.lowering.registry import lowers
from pyflow.planning.memories import pack_codes, repeat, weights
from pyflow.planning.netlist import Stream
from pyflow.planning.windows import Stage


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
    return [1] if op.kernel == (1, 1) != op.stride else windows.legal_pix(op, source)


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
    if isinstance(op, DepthwiseConv):
        _check_depthwise(op, replace(folding, slice=kind), source)
    else:
        _check_slice(op, replace(folding, slice=kind), c)
    if op.pad_code.any() and groups > 1:
        raise VolleyError(f"{where}: a padding code needs lanes={c} (all channels in one beat), not {folding.lanes}")
    _check_residual(op, folding, network)
    tp = steps_per_cycle(op, folding, source)
    fo, fi = folds(op, replace(folding, slice=kind), source)
    if folding.pix > 1:
        _check_pix(op, folding, source, whole=fo * fi == 1)
    several = folding.pix > 1 and windows.row_windows(op, source, folding.pix).pix > 1
    if folding.neurons and (folding.pe % folding.neurons or several):
        raise VolleyError(
            f"{where}: neurons={folding.neurons} must divide pe={folding.pe}, and a beat may bring one output pixel "
            f"(pix={folding.pix}); use 0 for pe of them"
        )
    _check_buffers(op, replace(folding, slice=kind), source)
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


def _check_slice(op: Synapse, folding: Folding, channels: int) -> None:
    """Refuses whole windows of some of the channels for some of the outputs."""
    lanes, co = folding.lanes, op.weight.shape[0]
    if folding.slice == "all" and lanes < channels and folding.pe < co:
        raise VolleyError(
            f"folding of {op.name}: slice=all with lanes={lanes} < {channels} needs pe={co}; use lanes={channels}, or "
            "slice=column or tap"
        )


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


def _check_residual(op: Synapse, folding: Folding, network: Network) -> None:
    """Refuses slices for a residual sum that is not there."""
    if folding.residual == "dsp" and op.name not in {layer.name for layer, _ in residuals(network)}:
        raise VolleyError(
            f"folding of {op.name}: residual=dsp, but nothing is added behind the layer; leave residual out"
        )


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


def _check_depthwise(op: DepthwiseConv, folding: Folding, source: Tensor) -> None:
    """Refuses all but whole windows of the channels of a beat, with all of their outputs, in LUTs."""
    where, outputs = f"folding of {op.name}", folding.lanes * op.readers(source)
    if folding.pe != outputs:
        raise VolleyError(
            f"{where}: pe={folding.pe}, but lanes={folding.lanes} channels of a depthwise layer have {outputs} "
            f"outputs; use pe={outputs}"
        )
    if folding.slice != "all" and op.kernel != (1, 1):
        raise VolleyError(f"{where}: slice={folding.slice}, but a depthwise layer takes whole windows; use slice=all")
    if folding.body not in ("auto", "lut"):
        raise VolleyError(f"{where}: body={folding.body}, but a depthwise layer's sums are of LUTs; use body=lut")


def _check_buffers(op: Synapse, folding: Folding, source: Tensor) -> None:
    """Refuses what would be left unused, rounded, or larger than two maps."""
    where, replay = f"folding of {op.name}", replays(op, folding, source)
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


@lowers(Conv, DepthwiseConv, Linear)
def synapse(b: Builder, op: Synapse, stream: Stream) -> Stream:
    (source,) = b.sources(op)
    folding = b.foldings[op.name] = check_folding(op, b.foldings[op.name], b.network)
    given = stream
    stream = b.lanes(given, folding.lanes, source.shape[0], op.name, pix=folding.pix)
    if folding.skid and stream is not given and folding.slice == "tap":  # the others have one before their line buffer
        stream = b.skid(stream, op.name, "entry")
    window = windows.joined(b, op, stream, stages(op, folding, stream, source))
    tensor = b.tensors[op.name]
    core = array(op, folding, source, tensor.number_bits, window.pix)
    port = "event" if folding.events else "spike"
    cut = folding.skid and not folding.events
    if cut:
        window = b.skid(window, op.name, "slices")
    out = b.output(tensor, folding.pe, window.pix)
    memory = weights(op, folding, source)
    potentials = b.join(core, op.name, [(port, window)], [("acc", out)], memory, name=f"{op.name}_array")
    if cut:
        potentials = b.skid(potentials, op.name, "sums")
    apart = b.lanes(potentials, neuron_lanes(folding), tensor.shape[0], op.name, "neurons", potentials.pix)
    return b.skid(apart, op.name, "currents") if cut and apart is not potentials else apart


def stages(op: Synapse, folding: Folding, stream: Stream, source: Tensor) -> list[Stage]:
    """What brings `stream`, which has the lanes and pixels of the folding, to the array in slices of windows."""
    replay = replays(op, folding, source)
    if isinstance(op, Linear):
        if folding.events:
            return [event_stage(op, folding, stream, replay)]
        if replay == 1:
            return []
        # The whole vector again for every output fold.
        return [windows.folded(op.name, stream, groups=stream.beats, replay=replay, depth=folding.window_depth)]
    groups, pad = stream.groups, pack_codes(op.pad_code, stream.bits, stream.groups * folding.lanes)
    again = partial(windows.folded, op.name, groups=groups, replay=replay, depth=folding.window_depth)
    if folding.slice == "tap":
        if (op.kernel, op.stride, replay) == ((1, 1), (1, 1), 1):
            return []  # a pixel is its own window
        return [again(stream, shape=source.shape[1:], kernel=op.kernel, stride=op.stride, padding=op.padding, pad=pad)]
    lines = windows.columns(op, stream, source.shape, folding.rows, pad)
    pad = repeat(pad, stream.pixel_width, op.kernel[0])
    if folding.slice == "all":
        return [lines, windows.full(op, lines.out, source.shape, replay, pad)]
    width = source.shape[2]
    kernel, stride, padding = (1, op.kernel[1]), (1, op.stride[1]), (0, op.padding[1])
    shape = (lines.out.pixels // width, width)
    return [lines, again(lines.out, shape=shape, kernel=kernel, stride=stride, padding=padding, pad=pad)]


def event_stage(op: Synapse, folding: Folding, stream: Stream, replay: int) -> Stage:
    """List of the words that are not zero."""
    inputs, depth = stream.beats * stream.lanes, folding.window_depth
    rows, usual = ceil_div(inputs, folding.events), event_list_depth(inputs, folding.events, replay)
    smallest = 1 << max(1, (rows - 1).bit_length()) if replay > 1 else 2
    windows.check_depth(op.name, depth, smallest, max(usual, 8 * rows))
    event_bits = max(1, (inputs - 1).bit_length()) + stream.bits
    core = EventList(
        t=stream.bits,
        lanes=stream.lanes,
        beats=stream.beats,
        events=folding.events,
        replay=replay,
        depth=depth or usual,
    )
    out = Stream(f"{op.name}_event", folding.events, event_bits, 0, 1, passes=stream.passes)
    return Stage(core, "spike", "event", out, "events")


def array(
    op: Synapse, folding: Folding, source: Tensor, acc_w: int, pix: int
) -> SynapseArray | SynapseDepthwise | SynapseEvent:
    """Synapse array fed by slices of windows, or by a list of events. acc_w: bits of a potential."""
    fo, fi = folds(op, folding, source)
    if isinstance(op, DepthwiseConv):
        return SynapseDepthwise(
            lanes=folding.lanes,
            multiplier=op.readers(source),
            taps=simd(op, folding, source),
            t=source.beat_steps,
            tp=folding.tp,
            weight_w=op.weight_bits,
            acc_w=acc_w,
            per_step=source.per_step,
            pix=pix,
        )
    if folding.events:
        return SynapseEvent(
            body=BODIES.index(folding.body),
            pe=folding.pe,
            events=folding.events,
            t=source.beat_steps,
            tp=folding.tp,
            weight_w=op.weight_bits,
            inputs=ceil_div(source.shape[0], folding.lanes) * folding.lanes * math.prod(source.shape[1:]),
            folds=fo,
            acc_w=acc_w,
            per_step=source.per_step,
        )
    return SynapseArray(
        body=BODIES.index(folding.body),
        pe=folding.pe,
        simd=simd(op, folding, source),
        t=source.beat_steps,
        tp=folding.tp,
        weight_w=op.weight_bits,
        folds=fi,
        acc_w=acc_w,
        per_step=source.per_step,
        pix=pix,
    )


def offers(op: Synapse, folding: Folding, source: Tensor, acc_w: int, family: str) -> Iterator[tuple[Folding, Cost]]:
    """`folding` with each body that `family` has for it, and the cells of the layer's own cores."""
    c, h, w = source.shape
    groups = ceil_div(c, folding.lanes)
    stream = Stream(source.name, folding.lanes, source.bits, h * w, groups, passes=source.passes, pix=folding.pix)
    chain, memory = stages(op, folding, stream, source), weights(op, folding, source).shape
    before = sum((stage.core.price(family) for stage in chain), Cost())
    if not folding.events:
        before += WeightSource.of(memory).price(family)
    pix = chain[-1].out.pix if chain else folding.pix
    for body in ("lut",) if isinstance(op, DepthwiseConv) else BODIES:
        chosen = replace(folding, body=body)
        core = array(op, chosen, source, acc_w, pix)
        if body == "lut" or sum_cost(family, core.sum):
            yield chosen, before + core.price(family, memory)
