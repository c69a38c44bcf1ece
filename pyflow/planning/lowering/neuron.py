# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Neurons, readout, sums over time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pyflow import hardware as hw
from pyflow.operators import Accumulate, Encoding, LIFNeuron, Operator, RadixNeuron, Readout
from pyflow.operators.lif import CURRENTS, DECAYS, ORDERS, RESETS
from pyflow.planning.builder import Builder
from pyflow.planning.lowering.registry import lowers
from pyflow.planning.memories import by_fold
from pyflow.planning.netlist import Stream


def serial(b: Builder, op: Operator, steps: int) -> bool:
    """Is the serial variant of a neuron asked for, or fast enough? It is the smaller one."""
    synapse = b.synapse_before(op)
    if synapse is None:
        return False
    (source,) = b.sources(synapse)
    folding = b.foldings[synapse.name]
    interval = b.window_rows(synapse) * (source.beat_steps // folding.tp)  # cycles between beats
    return folding.neuron == "serial" or (folding.neuron == "auto" and 1 < steps <= interval)


@lowers(RadixNeuron)
def radix_neuron(b: Builder, op: RadixNeuron, stream: Stream) -> Stream:
    (source,) = b.sources(op)
    loaded = op.name in b.loaded
    theta, bias = op.most(source, any_weights=loaded)
    theta_w, bias_w = theta.bit_length(), hw.signed_width(bias)
    held = op.bounded(source) if loaded else op
    rows = by_fold(np.stack([held.clamped_bias(source), held.theta], 1), stream.lanes, fill=(0, 1))
    return b.join(
        "neuron_radix",
        op.name,
        "",
        [("acc", stream)],
        [("spike", b.output(b.tensors[op.name], stream.lanes, stream.pix))],
        b.memory(op, rows, (bias_w, theta_w)),
        "param",
        LANES=stream.lanes,
        IN_W=stream.bits,
        IN_SIGNED=int(source.encoding is Encoding.POTENTIAL),
        EXPONENT=op.exponent,
        THETA_W=theta_w,
        BIAS_W=bias_w,
        V_W=op.potential_width(source, any_weights=loaded),
        T=op.steps,
        UNROLLED=int(not serial(b, op, op.steps)),
        PIX=stream.pix,
    )


@lowers(LIFNeuron)
def lif_neuron(b: Builder, op: LIFNeuron, stream: Stream) -> Stream:
    (source,) = b.sources(op)
    params = op.params(any_weights=op.name in b.loaded)
    silent = max(1, op.v_leak + 1)  # threshold of lanes beyond the channels: their v goes from 0 to v_leak at most
    if op.theta.size % stream.lanes:
        params["theta"] = params["theta"]._replace(bits=max(params["theta"].bits, silent.bit_length()))
    used = {key: param for key, param in params.items() if param.bits}
    fill = tuple(silent if key == "theta" else 0 for key in used)
    rows = by_fold(np.stack([param.values for param in used.values()], 1), stream.lanes, fill)
    return b.join(
        "neuron_lif",
        op.name,
        "",
        [("acc", stream)],
        [("spike", b.output(b.tensors[op.name], stream.lanes))],
        b.memory(op, rows, tuple(param.bits for param in used.values())),
        "param",
        LANES=stream.lanes,
        TB=source.block,
        PASSES=source.passes,
        BEATS=stream.beats,
        UNROLLED=int(not serial(b, op, source.block)),
        HELD=int(stream.numbers < source.block),
        IN_W=source.number_bits,
        IN_SIGNED=int(source.encoding is Encoding.POTENTIAL),
        FRAC=op.frac,
        **{f"{key.upper()}_W": param.bits for key, param in params.items()},
        V_W=op.width,
        LEAK=DECAYS.index(op.leak),
        LEAK_SHIFT=op.leak_shift,
        LEAK_FRAC=op.leak_frac,
        RESET=RESETS.index(op.reset),
        RESET_ORDER=ORDERS.index(op.reset_order),
        V_LEAK=op.v_leak,
        V_RESET=op.v_reset,
        CURRENT=CURRENTS.index(op.current),
        I_W=op.current_width,
        I_LEAK=DECAYS.index(op.current_leak),
        I_SHIFT=op.current_shift,
        I_ALPHA=op.current_alpha,
        I_FRAC=op.current_frac,
        ADAPT=int(op.adapt),
        A_W=op.adapt_width,
        A_LEAK=DECAYS.index(op.adapt_leak),
        A_SHIFT=op.adapt_shift,
        A_ALPHA=op.adapt_alpha,
        A_FRAC=op.adapt_frac,
        JUMP=op.jump,
        REFRACTORY=op.refractory,
    )


@lowers(Readout)
def readout(b: Builder, op: Readout, stream: Stream) -> Stream:
    # A logit has 32 bits, so a bias that is loaded has no more.
    bias_w = 32 if op.name in b.loaded else hw.signed_width(int(np.abs(op.bias).max()))
    rows = by_fold(op.bias[:, None], stream.lanes, fill=(0,))
    return b.join(
        "readout",
        op.name,
        "",
        [("acc", stream)],
        [("logit", replace(stream, name=op.name, bits=32, tensor=op.name))],
        b.memory(op, rows, (bias_w,)),
        "param",
        LANES=stream.lanes,
        IN_W=stream.bits,
        EXPONENT=op.exponent,
        BIAS_W=bias_w,
    )


@lowers(Accumulate)
def accumulate(b: Builder, op: Accumulate, stream: Stream) -> Stream:
    (source,) = b.sources(op)
    out = b.output(b.tensors[op.name], stream.lanes)
    return b.join(
        "accumulate",
        op.name,
        "",
        [("acc", stream)],
        [("acc", out)],
        LANES=stream.lanes,
        STEPS=stream.numbers,
        IN_W=source.number_bits,
        IN_SIGNED=int(source.encoding is Encoding.POTENTIAL),
        BEATS=stream.beats,
        PASSES=stream.passes,
        OUT_W=out.bits,
    )
