# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Neurons, readouts, sums over time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pyflow.cores import neuron as cores
from pyflow.integers import signed_width
from pyflow.operators import Accumulate, Encoding, LIFNeuron, MembraneReadout, Operator, RadixNeuron, Readout, Tensor
from pyflow.operators.lif import CURRENTS, DECAYS, ORDERS, RESETS, Param
from pyflow.operators.membrane import READS
from pyflow.planning.builder import Builder
from pyflow.planning.folding import neuron_lanes
from pyflow.planning.lowering.registry import lowers
from pyflow.planning.memories import by_fold
from pyflow.planning.netlist import Stream


def serial(b: Builder, op: Operator, steps: int) -> bool:
    """Is the serial variant of a neuron asked for, or fast enough? It is the smaller one."""
    synapse = b.synapse_before(op)
    if synapse is None:
        held = b.synapse_before(op, held=True)
        return held is not None and b.foldings[held.name].neuron == "serial"
    (source,) = b.sources(synapse)
    folding = b.foldings[synapse.name]
    interval = b.window_rows(synapse) * (source.beat_steps // folding.tp)  # cycles between the array's beats
    interval //= folding.pe // neuron_lanes(folding)
    return folding.neuron == "serial" or (folding.neuron == "auto" and 1 < steps <= interval)


@lowers(RadixNeuron)
def radix_neuron(b: Builder, op: RadixNeuron, stream: Stream) -> Stream:
    (source,) = b.sources(op)
    loaded = op.name in b.loaded
    theta, bias = op.most(source, any_weights=loaded)
    theta_w, bias_w = theta.bit_length(), signed_width(bias)
    held = op.bounded(source) if loaded else op
    rows = by_fold(np.stack([held.clamped_bias(source), held.theta], 1), stream.lanes, fill=(0, 1))
    return b.join(
        cores.NeuronRadix(
            lanes=stream.lanes,
            in_w=stream.bits,
            in_signed=source.encoding is Encoding.POTENTIAL,
            exponent=op.exponent,
            theta_w=theta_w,
            bias_w=bias_w,
            v_w=op.potential_width(source, any_weights=loaded),
            t=op.steps,
            unrolled=not serial(b, op, op.steps),
            pix=stream.pix,
        ),
        op.name,
        [("acc", stream)],
        [("spike", b.output(b.tensors[op.name], stream.lanes, stream.pix))],
        b.memory(op, rows, (bias_w, theta_w)),
    )


def lif_rows(b: Builder, op: LIFNeuron, lanes: int) -> tuple[dict[str, Param], np.ndarray, float]:
    """(parameters of the neurons; rows of their memory; share of the leaks that a constant row has to build)."""
    params = op.params(any_weights=op.name in b.loaded)
    silent = max(1, op.v_leak + 1)  # threshold of lanes beyond the channels: their v goes from 0 to v_leak at most
    if op.theta.size % lanes:
        params["theta"] = params["theta"]._replace(bits=max(params["theta"].bits, silent.bit_length()))
    used = {key: param for key, param in params.items() if param.bits}
    fill = tuple(silent if key == "theta" else 0 for key in used)
    rows = by_fold(np.stack([param.values for param in used.values()], 1), lanes, fill)
    effective = 1.0
    if "leak" in used:
        leaks = rows[0, list(used).index("leak") :: len(used)]
        effective = float(np.mean(leaks & (leaks - 1) != 0))
    return params, rows, effective


def lif_settings(op: LIFNeuron, source: Tensor, stream: Stream, params: dict[str, Param]) -> dict[str, Any]:
    """What cores around volley_lif_step are set to, for the neurons of `op`."""
    return {
        "lanes": stream.lanes,
        "tb": source.block,
        "passes": source.passes,
        "beats": stream.beats,
        "held": stream.numbers < source.block,
        "in_w": source.number_bits,
        "in_signed": source.encoding is Encoding.POTENTIAL,
        "frac": op.frac,
        **{f"{key}_w": param.bits for key, param in params.items()},
        "v_w": op.width,
        "leak": DECAYS.index(op.leak),
        "leak_shift": op.leak_shift,
        "leak_frac": op.leak_frac,
        "reset": RESETS.index(op.reset),
        "reset_order": op.reset_order == ORDERS[1],
        "v_leak": op.v_leak,
        "v_reset": op.v_reset,
        "current": CURRENTS.index(op.current),
        "i_w": op.current_width,
        "i_leak": DECAYS.index(op.current_leak),
        "i_shift": op.current_shift,
        "i_alpha": op.current_alpha,
        "i_frac": op.current_frac,
        "adapt": op.adapt,
        "a_w": op.adapt_width,
        "a_leak": DECAYS.index(op.adapt_leak),
        "a_shift": op.adapt_shift,
        "a_alpha": op.adapt_alpha,
        "a_frac": op.adapt_frac,
        "jump": op.jump,
        "refractory": op.refractory,
        "bias_i": op.current_bias,
    }


@lowers(LIFNeuron)
def lif_neuron(b: Builder, op: LIFNeuron, stream: Stream) -> Stream:
    (source,) = b.sources(op)
    params, rows, effective = lif_rows(b, op, stream.lanes)
    return b.join(
        cores.NeuronLIF(unrolled=not serial(b, op, source.block), **lif_settings(op, source, stream, params)),
        op.name,
        [("acc", stream)],
        [("spike", b.output(b.tensors[op.name], stream.lanes))],
        b.memory(op, rows, tuple(param.bits for param in params.values() if param.bits), effective),
    )


@lowers(MembraneReadout)
def membrane(b: Builder, op: MembraneReadout, stream: Stream) -> Stream:
    (source,) = b.sources(op)
    params, rows, effective = lif_rows(b, op, stream.lanes)
    out = b.output(b.tensors[op.name], stream.lanes)
    return b.join(
        cores.NeuronMembrane(
            read=READS.index(op.read),
            met=op.before_reset,
            out_w=out.bits,
            **lif_settings(op, source, stream, params),
        ),
        op.name,
        [("acc", stream)],
        [("v", out)],
        b.memory(op, rows, tuple(param.bits for param in params.values() if param.bits), effective),
    )


@lowers(Readout)
def readout(b: Builder, op: Readout, stream: Stream) -> Stream:
    # A logit has 32 bits, so a bias that is loaded has no more.
    bias_w = 32 if op.name in b.loaded else signed_width(int(np.abs(op.bias).max()))
    rows = by_fold(op.bias[:, None], stream.lanes, fill=(0,))
    return b.join(
        cores.Readout(lanes=stream.lanes, in_w=stream.bits, exponent=op.exponent, bias_w=bias_w),
        op.name,
        [("acc", stream)],
        [("logit", replace(stream, name=op.name, bits=32, tensor=op.name))],
        b.memory(op, rows, (bias_w,)),
    )


@lowers(Accumulate)
def accumulate(b: Builder, op: Accumulate, stream: Stream) -> Stream:
    (source,) = b.sources(op)
    out = b.output(b.tensors[op.name], stream.lanes)
    return b.join(
        cores.Accumulate(
            lanes=stream.lanes,
            steps=stream.numbers,
            in_w=source.number_bits,
            in_signed=source.encoding is Encoding.POTENTIAL,
            beats=stream.beats,
            passes=stream.passes,
            out_w=out.bits,
        ),
        op.name,
        [("acc", stream)],
        [("acc", out)],
    )
