# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Encoders, and the replay of static tensors for the passes of one with time."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from pyflow.graph import INPUT
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
    Windowed,
)
from pyflow.planning.builder import Builder
from pyflow.planning.lowering.registry import lowers
from pyflow.planning.netlist import Stream


def pixels_wanted(b: Builder, tensor: str) -> int:
    """Pixels per beat of `tensor` that its readers want: those of the nearest convolutions, times the strides of
    pools in front of them."""
    wanted = 1
    for op in b.network.operators:
        if tensor not in op.inputs or not op.pixelwise:
            continue
        if isinstance(op, Conv):
            wanted = max(wanted, b.foldings[op.name].pix)
        elif (behind := pixels_wanted(b, op.name)) > 1:
            wanted = max(wanted, behind * (op.stride[1] if isinstance(op, Windowed) else 1))
    return wanted


def network_input(b: Builder) -> None:
    """The stream of pixels, samples or spikes that the top makes of the host's bytes."""
    tensor = b.tensors[INPUT]
    events = tensor.encoding is Encoding.RATE
    pix = 1 if events else math.gcd(pixels_wanted(b, INPUT), tensor.shape[2])
    out = b.output(tensor, tensor.shape[0], pix)
    pixel = b.declare(replace(out, name="pixel", bits=8, numbers=1, tensor="" if events else INPUT))
    if events:
        layer = b.readers[INPUT][0]
        pixel = b.join(
            "encode_event",
            layer,
            "event",
            [("byte", pixel)],
            [("spike", out)],
            LANES=out.lanes,
            TB=tensor.block,
            BEATS=out.beats,
        )
    b.publish(INPUT, pixel)


@lowers(Encode)
def encode(b: Builder, op: Encode, pixels: Stream) -> Stream:
    out = b.output(b.tensors[op.name], pixels.lanes, pixels.pix)
    return b.join(
        "encode_radix",
        op.name,
        "",
        [("pixel", pixels)],
        [("spike", out)],
        LANES=pixels.lanes,
        T=op.steps,
        PIX=pixels.pix,
    )


def replay(b: Builder, layer: str, stream: Stream, out: Stream) -> Stream:
    """`stream` once for every pass of `out`."""
    # Twice a frame, so that the next one comes in while this one is sent.
    depth = 1 << (2 * stream.beats - 1).bit_length()
    return b.join(
        "replay",
        layer,
        "replay",
        [("axis", stream)],
        [("axis", out)],
        DATA_W=stream.width,
        BEATS=stream.beats,
        PASSES=out.passes,
        DEPTH=depth,
    )


@lowers(RateEncode, TTFSEncode, PhaseEncode, BurstEncode)
def timed_encode(b: Builder, op: RateEncode | TTFSEncode | PhaseEncode | BurstEncode, pixels: Stream) -> Stream:
    tensor = b.tensors[op.name]
    if tensor.passes > 1:
        again = replace(pixels, name=f"{op.name}_replay", passes=tensor.passes, tensor="")
        pixels = replay(b, op.name, pixels, again)
    own: dict[str, Any] = {}
    match op:
        case RateEncode():
            own = {"MODE": int(op.mode == "regular"), "SEED": op.seed}
        case BurstEncode():
            own = {"ISI_MIN": op.isi_min, "ISI_MAX": op.isi_max, "COUNT": op.count}
    return b.join(
        op.kind,
        op.name,
        "",
        [("pixel", pixels)],
        [("spike", b.output(tensor, pixels.lanes))],
        LANES=pixels.lanes,
        T=tensor.steps,
        TB=tensor.block,
        BEATS=pixels.beats,
        **own,
    )


@lowers(DeltaEncode)
def delta_encode(b: Builder, op: DeltaEncode, signal: Stream) -> Stream:
    tensor = b.tensors[op.name]
    return b.join(
        "encode_delta",
        op.name,
        "",
        [("signal", signal)],
        [("spike", b.output(tensor, 2 * signal.lanes))],
        LANES=signal.lanes,
        TB=tensor.block,
        PASSES=tensor.passes,
        BEATS=signal.beats,
        MODE=int(op.mode == "sigma-delta"),
        THETA=op.theta,
    )


@lowers(Direct)
def direct(b: Builder, op: Direct, stream: Stream) -> Stream:
    """One number per lane stands for all steps of a beat."""
    passes = b.tensors[op.name].passes
    return replay(b, op.name, stream, replace(stream, name=op.name, passes=passes, tensor=op.name))
