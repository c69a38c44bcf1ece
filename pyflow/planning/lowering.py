# SPDX-License-Identifier: Apache-2.0
"""Lowering: from operators and foldings to instances of cores. Nothing here touches files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pyflow import hardware as hw
from pyflow.errors import VolleyError
from pyflow.graph import INPUT, Network
from pyflow.hardware import Folding, ceil_div
from pyflow.operators import (
    Conv,
    Encode,
    Encoding,
    Linear,
    MaxPool,
    Operator,
    RadixNeuron,
    Readout,
    SumPool,
    Synapse,
    Tensor,
    Windowed,
)
from pyflow.planning import windows
from pyflow.planning.builder import Builder
from pyflow.planning.memories import Memory, by_fold, memory_kind, pack_codes, repeat, weight_rows
from pyflow.planning.netlist import Netlist, Stream, branch_name

Lowering = Callable[..., Stream]  # (builder, operator, *operands)
LOWERINGS: dict[type[Operator], Lowering] = {}


def lowers(*kinds: type[Operator]) -> Callable[[Lowering], Lowering]:
    """Registers the function that makes instances of operators of these kinds."""

    def register(function: Lowering) -> Lowering:
        LOWERINGS.update(dict.fromkeys(kinds, function))
        return function

    return register


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
    return replace(folding, slice=kind, tp=tp)


def reachable(op: Synapse, folding: Folding, network: Network) -> Tensor:
    """Tensor of `op` with the bound its hardware must hold: of these weights, or, where they can be
    reloaded, of any weights of W bits."""
    tensor = network.tensors[op.name]
    if folding.memory != "writable":
        return tensor
    (source,) = network.sources(op)
    per_output = op.weight[0].size * (2 ** (op.weight_bits - 1) - 1)
    return replace(tensor, bound=per_output * source.bound)


# ---------------------------------------------------------------------- encoders
@lowers(Encode)
def encode(b: Builder, op: Encode, pixels: Stream) -> Stream:
    out = b.output(b.network.tensors[op.name], pixels.lanes)
    return b.join("encode_radix", op.name, "", [("pixel", pixels)], [("spike", out)], LANES=pixels.lanes, T=op.steps)


# ---------------------------------------------------------------------- synapses
@lowers(Conv)
def conv(b: Builder, op: Conv, stream: Stream) -> Stream:
    (source,) = b.network.sources(op)
    folding = b.foldings[op.name] = check_folding(op, b.foldings[op.name], b.network)
    replay, _ = op.folds(folding, source)
    stream = b.lanes(stream, folding.lanes, source.shape[0], op.name)
    groups, pad = stream.groups, pack_codes(op.pad_code, stream.bits, stream.groups * folding.lanes)
    if folding.slice != "tap":
        columns = windows.columns(b, op, stream, source.shape, folding.rows, pad)
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
    (source,) = b.network.sources(op)
    folding = b.foldings[op.name] = check_folding(op, b.foldings[op.name], b.network)
    replay, _ = op.folds(folding, source)
    stream = b.lanes(stream, folding.lanes, source.shape[0], op.name)
    if replay > 1:  # the whole vector again for every output fold
        stream = windows.folded(b, op.name, stream, groups=stream.beats, replay=replay, depth=folding.window_depth)
    return array(b, op, stream)


def array(b: Builder, op: Synapse, window: Stream) -> Stream:
    """Synapse array fed by slices of `window`; the stream of potentials."""
    (source,) = b.network.sources(op)
    folding = b.foldings[op.name]
    tensor = reachable(op, folding, b.network)
    rows = weight_rows(op, folding, b.network)
    widths = (op.weight_bits,)
    memory = Memory(f"{op.name}_weight", rows, widths, memory_kind(folding.memory, rows, widths))
    return b.join(
        "synapse_array",
        op.name,
        "array",
        [("spike", window)],
        [("acc", b.output(tensor, folding.pe))],
        memory,
        "weight",
        PE=folding.pe,
        SIMD=op.simd(folding, source),
        T=source.beat_steps,
        TP=folding.tp,
        WEIGHT_W=op.weight_bits,
        FOLDS=op.folds(folding, source)[1],
        ACC_W=tensor.number_bits,
        **({"PER_STEP": 1} if source.timed else {}),
    )


# ---------------------------------------------------------------------- neurons
def interval(b: Builder, op: Operator) -> int:
    """Cycles between beats into `op`, at least: a serial neuron that keeps up is the smaller one."""
    producer = b.producer(op)
    if not isinstance(producer, Synapse):
        return 1
    (source,) = b.network.sources(producer)
    folding = b.foldings[producer.name]
    return producer.folds(folding, source)[1] * (source.beat_steps // folding.tp)


def serial(b: Builder, op: Operator, steps: int) -> bool:
    """Is the serial variant of a neuron asked for, or fast enough?"""
    producer = b.producer(op)
    wanted = b.foldings[producer.name].neuron if isinstance(producer, Synapse) else "auto"
    return wanted == "serial" or (wanted == "auto" and 1 < steps <= interval(b, op))


@lowers(RadixNeuron)
def radix_neuron(b: Builder, op: RadixNeuron, stream: Stream) -> Stream:
    (source,) = b.network.sources(op)
    producer = b.producer(op)
    if isinstance(producer, Synapse):
        source = reachable(producer, b.foldings[producer.name], b.network)
    bias = op.clamped_bias(source)
    theta_w, bias_w = int(op.theta.max()).bit_length(), hw.signed_width(int(np.abs(bias).max()))
    rows = by_fold(np.stack([bias, op.theta], 1), stream.lanes, fill=(0, 1))
    widths = (bias_w, theta_w)
    memory = Memory(f"{op.name}_param", rows, widths, memory_kind("auto", rows, widths))
    return b.join(
        "neuron_radix",
        op.name,
        "",
        [("acc", stream)],
        [("spike", b.output(b.network.tensors[op.name], stream.lanes))],
        memory,
        "param",
        LANES=stream.lanes,
        IN_W=stream.bits,
        IN_SIGNED=int(source.encoding is Encoding.POTENTIAL),
        EXPONENT=op.exponent,
        THETA_W=theta_w,
        BIAS_W=bias_w,
        V_W=op.potential_width(source),
        T=op.steps,
        UNROLLED=int(not serial(b, op, op.steps)),
    )


@lowers(Readout)
def readout(b: Builder, op: Readout, stream: Stream) -> Stream:
    bias_w = hw.signed_width(int(np.abs(op.bias).max()))
    rows = by_fold(op.bias[:, None], stream.lanes, fill=(0,))
    memory = Memory(f"{op.name}_param", rows, (bias_w,), memory_kind("auto", rows, (bias_w,)))
    return b.join(
        "readout",
        op.name,
        "",
        [("acc", stream)],
        [("logit", replace(stream, name=op.name, bits=32, tensor=op.name))],
        memory,
        "param",
        LANES=stream.lanes,
        IN_W=stream.bits,
        EXPONENT=op.exponent,
        BIAS_W=bias_w,
    )


# ---------------------------------------------------------------------- pooling
def pool_window(b: Builder, op: Windowed, stream: Stream) -> Stream:
    (source,) = b.network.sources(op)
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
        [("spike", b.output(b.network.tensors[op.name], stream.lanes))],
        LANES=stream.lanes * stream.numbers,  # the steps of a spike train are counted one by one
        WORD_W=stream.bits // stream.numbers,
        TAPS=op.kernel[0] * op.kernel[1],
    )


def build_netlist(network: Network, foldings: dict[str, Folding], fifos: dict[str, int] | None = None) -> Netlist:
    """Instances for `network`. foldings: by synapse operator; fifos: beats of the FIFO behind a tensor, or
    behind one branch of it (branch_name()).

    Raises VolleyError where an operator or folding cannot be built.
    """
    operators = tuple(embed_kernel(op) if isinstance(op, Conv) else op for op in network.operators)
    network = replace(network, operators=operators)
    b = Builder(network, dict(foldings), dict(fifos or {}))
    places = fifo_places(b)
    for key, depth in b.fifos.items():
        if key not in places:
            raise VolleyError(f"folding: fifos: no operator {key!r} to stand behind; places: {', '.join(places)}")
        if depth < 2:
            raise VolleyError(f"folding: fifos: {key}={depth} beats is below 2; leave it out for none")
    names = {op.name for op in operators if isinstance(op, Synapse)}
    if set(foldings) != names:
        odd = sorted(set(foldings) ^ names)[0]
        raise VolleyError(
            f"folding: {odd!r} is {'missing' if odd in names else 'no synapse layer'}; "
            f"layers: {', '.join(sorted(names))}"
        )
    last = operators[-1]
    if not isinstance(last, Readout):
        raise VolleyError(f"{last.kind} {last.name!r}: the last operator must be a readout")
    for op in operators[:-1]:
        if not b.readers[op.name]:
            raise VolleyError(f"{op.kind} {op.name!r}: nothing reads its output; remove it")
    if not b.readers[INPUT]:
        raise VolleyError(f"network {network.name!r}: nothing reads the input")
    network_input(b)
    b.feed_forward()
    for op in operators:
        b.publish(op.name, LOWERINGS[type(op)](b, op, *(b.operand(s, op.name) for s in op.inputs)))
    return b.netlist()


def network_input(b: Builder) -> None:
    c, h, w = b.network.input_shape
    tensor = b.network.tensors[INPUT]
    b.publish(INPUT, b.declare(replace(b.output(tensor, c), name="pixel", bits=8)))


def fifo_places(b: Builder) -> list[str]:
    """Keys that `fifos` may have: tensors, or their branches where several operators read one."""
    places = []
    for tensor, readers in b.readers.items():
        if len(readers) > 1:
            places += [branch_name(tensor, reader) for reader in readers]
        elif tensor != INPUT:
            places += [tensor] * len(readers)
    return places
