# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Encoders, and the replay of static tensors for the passes of one with time."""

from __future__ import annotations

import math
from dataclasses import replace

from pyflow.cores import encode as cores
from pyflow.cores.base import Core
from pyflow.cores.stream import Replay
from pyflow.graph import INPUT
from pyflow.integers import ceil_div
from pyflow.operators import (
    BurstEncode,
    Conv,
    DeltaEncode,
    Direct,
    Encode,
    Encoding,
    PhaseEncode,
    RateEncode,
    TTFSEncode,
    Upsample,
    Windowed,
)
from pyflow.planning.builder import Builder
from pyflow.planning.lowering.registry import lowers
from pyflow.planning.netlist import Stream


def pixels_wanted(b: Builder, tensor: str) -> int:
    """Pixels per beat of `tensor` that its readers want: those of the nearest convolutions, times the strides of
    pools in front of them, over the factors of upsamplings."""
    wanted = 1
    for op in b.network.operators:
        if tensor not in op.inputs or not op.pixelwise:
            continue
        if isinstance(op, Conv):
            wanted = max(wanted, b.foldings[op.name].pix if op.name in b.foldings else 1)
        elif (behind := pixels_wanted(b, op.name)) > 1:
            if isinstance(op, Upsample):
                behind = ceil_div(behind, op.scale[1])
            wanted = max(wanted, behind * (op.stride[1] if isinstance(op, Windowed) else 1))
    return wanted


def network_input(b: Builder) -> None:
    """The stream of pixels, samples or spikes that the top makes of the host's bytes. A delta encoder marks the ends of
    passes itself."""
    tensor = b.tensors[INPUT]
    events = tensor.encoding is Encoding.RATE
    marked = events or (tensor.timed and not all(isinstance(op, DeltaEncode) for op in b.network.readers(INPUT)))
    pix = 1 if events else math.gcd(pixels_wanted(b, INPUT), tensor.shape[2])
    out = b.output(tensor, tensor.shape[0], pix)
    pixel = b.declare(replace(out, name="pixel", bits=8, numbers=1, tensor="" if marked else INPUT))
    if marked:
        layer = b.owner(INPUT)
        pixel = b.join(
            cores.EncodeEvent(lanes=out.pix * out.lanes, tb=out.bits, beats=out.beats),
            layer,
            [("byte", pixel)],
            [("spike", out)],
            name=f"{layer}_event",
        )
    b.publish(INPUT, pixel)


@lowers(Encode)
def encode(b: Builder, op: Encode, pixels: Stream) -> Stream:
    out = b.output(b.tensors[op.name], pixels.lanes, pixels.pix)
    return b.join(
        cores.EncodeRadix(lanes=pixels.lanes, t=op.steps, pix=pixels.pix),
        op.name,
        [("pixel", pixels)],
        [("spike", out)],
    )


def replay(b: Builder, layer: str, stream: Stream, out: Stream) -> Stream:
    """`stream` once for every pass of `out`."""
    # Twice a frame, so that the next one comes in while this one is sent.
    depth = 1 << (2 * stream.beats - 1).bit_length()
    return b.join(
        Replay(data_w=stream.width, beats=stream.beats, passes=out.passes, depth=depth),
        layer,
        [("axis", stream)],
        [("axis", out)],
        name=f"{layer}_replay",
    )


@lowers(RateEncode, TTFSEncode, PhaseEncode, BurstEncode)
def timed_encode(b: Builder, op: RateEncode | TTFSEncode | PhaseEncode | BurstEncode, pixels: Stream) -> Stream:
    tensor = b.tensors[op.name]
    if tensor.passes > 1:
        again = replace(pixels, name=f"{op.name}_replay", passes=tensor.passes, tensor="")
        pixels = replay(b, op.name, pixels, again)
    shape = (pixels.lanes, tensor.steps, tensor.block, pixels.beats)
    core: Core
    match op:
        case RateEncode():
            core = cores.EncodeRate(*shape, mode=int(op.mode == "regular"), seed=op.seed)
        case TTFSEncode():
            core = cores.EncodeTTFS(*shape)
        case PhaseEncode():
            core = cores.EncodePhase(*shape)
        case BurstEncode():
            core = cores.EncodeBurst(*shape, isi_min=op.isi_min, isi_max=op.isi_max, count=op.count)
    return b.join(core, op.name, [("pixel", pixels)], [("spike", b.output(tensor, pixels.lanes))])


@lowers(DeltaEncode)
def delta_encode(b: Builder, op: DeltaEncode, signal: Stream) -> Stream:
    tensor = b.tensors[op.name]
    return b.join(
        cores.EncodeDelta(
            lanes=signal.lanes,
            tb=tensor.block,
            passes=tensor.passes,
            beats=signal.beats,
            mode=int(op.mode == "sigma-delta"),
            theta=op.theta,
        ),
        op.name,
        [("signal", signal)],
        [("spike", b.output(tensor, 2 * signal.lanes))],
    )


@lowers(Direct)
def direct(b: Builder, op: Direct, stream: Stream) -> Stream:
    """One number per lane stands for all steps of a beat."""
    passes = b.tensors[op.name].passes
    return replay(b, op.name, stream, replace(stream, name=op.name, passes=passes, tensor=op.name))
