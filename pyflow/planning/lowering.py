# SPDX-License-Identifier: Apache-2.0
"""Lowering: from operators and foldings to instances of cores. Nothing here touches files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

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
from pyflow.planning.memories import Memory, by_fold, memory_kind, pack_codes, repeat, weight_rows
from pyflow.planning.netlist import Instance, Netlist, Stream


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


def window_span(p: dict[str, Any]) -> int:
    """Items that a volley_window_fold of these parameters must hold at least."""
    return ((p["KERNEL_Y"] - 1) * p["WIDTH"] + p["KERNEL_X"]) * p["GROUPS"]


class _Builder:
    def __init__(self, network: Network, foldings: dict[str, Folding], fifos: dict[str, int]) -> None:
        self.network = network
        self.foldings = foldings
        self.fifos = fifos
        self.instances: list[Instance] = []
        self.streams: dict[str, Stream] = {}

    def add(
        self,
        module: str,
        layer: str,
        suffix: str,
        sink: Stream,
        source: Stream,
        ports: tuple[str, str],
        memory: Memory | None = None,
        memory_port: str = "",
        **parameters: Any,
    ) -> Stream:
        name = f"{layer}_{suffix}" if suffix else layer
        if source.name in self.streams or source.name in ("s_pixel", "m_logit"):
            raise VolleyError(f"layer {layer!r}: stream name {source.name!r} is taken; rename the layer")
        self.streams[source.name] = source
        self.instances.append(
            Instance(f"volley_{module}", f"u_{name}", layer, sink, source, *ports, parameters, memory, memory_port)
        )
        return source

    def lanes(self, stream: Stream, lanes: int, channels: int, layer: str) -> Stream:
        """`stream` with another number of lanes."""
        if stream.lanes == lanes:
            return stream
        out = Stream(f"{layer}_lanes", lanes, stream.bits, stream.pixels, ceil_div(channels, lanes))
        return self.add(
            "lane_convert",
            layer,
            "lanes",
            stream,
            out,
            ("axis", "axis"),
            WORD_W=stream.bits,
            LANES_IN=stream.lanes,
            LANES_OUT=lanes,
            CHANNELS=channels,
        )

    def fifo(self, stream: Stream, layer: str) -> Stream:
        depth = self.fifos.get(stream.tensor, 0)
        if depth < 2:
            return stream
        out = replace(stream, name=f"{stream.name}_fifo", tensor="")
        return self.add("fifo", layer, "fifo", stream, out, ("axis", "axis"), DATA_W=stream.width, DEPTH=depth)

    # ------------------------------------------------------------------ operators
    def encode(self, op: Encode, pixels: Stream) -> Stream:
        out = Stream(op.name, pixels.lanes, op.steps, pixels.pixels, 1, op.name)
        return self.add("encode_radix", op.name, "", pixels, out, ("pixel", "spike"), LANES=pixels.lanes, T=op.steps)

    def columns(self, op: Windowed, stream: Stream, shape: tuple[int, int, int], rows: int, pad: int) -> Stream:
        _, height, width = shape
        kh, sy, py = op.kernel[0], op.stride[0], op.padding[0]
        out_rows = (height + 2 * py - kh) // sy + 1
        out = Stream(f"{op.name}_column", kh * stream.lanes, stream.bits, out_rows * width, stream.groups)
        return self.add(
            "line_buffer",
            op.name,
            "lines",
            stream,
            out,
            ("spike", "column"),
            ITEM_W=stream.width,
            GROUPS=stream.groups,
            HEIGHT=height,
            WIDTH=width,
            KERNEL=kh,
            STRIDE=sy,
            PADDING=py,
            SLOTS=max(1, ceil_div(rows, kh)),
            PAD_ITEM=pad,
        )

    def full(self, op: Windowed, columns: Stream, shape: tuple[int, int, int], replay: int, pad: int) -> Stream:
        _, height, width = shape
        (kh, kw), (sy, sx), (py, px) = op.kernel, op.stride, op.padding
        rows, cols = (height + 2 * py - kh) // sy + 1, (width + 2 * px - kw) // sx + 1
        out = Stream(f"{op.name}_window", kw * columns.lanes, columns.bits, rows * cols, replay * columns.groups)
        return self.add(
            "window_full",
            op.name,
            "window",
            columns,
            out,
            ("column", "window"),
            ITEM_W=columns.width,
            GROUPS=columns.groups,
            HEIGHT=rows,
            WIDTH=width,
            KERNEL=kw,
            STRIDE=sx,
            PADDING=px,
            REPLAY=replay,
            PAD_ITEM=pad,
        )

    def folded(self, layer: str, items: Stream, pad: int, depth: int, **p: Any) -> Stream:
        rows = (p["HEIGHT"] + 2 * p["PAD_Y"] - p["KERNEL_Y"]) // p["STRIDE_Y"] + 1
        cols = (p["WIDTH"] + 2 * p["PAD_X"] - p["KERNEL_X"]) // p["STRIDE_X"] + 1
        slices = p["KERNEL_Y"] * p["KERNEL_X"] * p["GROUPS"]
        span = window_span(p)
        smallest = 1 << max(1, (span - 1).bit_length())
        if depth and (depth < span or depth & (depth - 1)):
            raise VolleyError(f"folding of {layer}: window_depth={depth} must be a power of two of at least {smallest}")
        # By default one more window's worth, so that the next pixel (vector) comes in meanwhile.
        usual = 1 << max(1, (span + p["STRIDE_X"] * p["GROUPS"] - 1).bit_length())
        out = Stream(f"{layer}_window", items.lanes, items.bits, rows * cols, p["REPLAY"] * slices)
        return self.add(
            "window_fold",
            layer,
            "window",
            items,
            out,
            ("item", "window"),
            ITEM_W=items.width,
            DEPTH=depth or usual,
            PAD_ITEM=pad,
            **p,
        )

    def synapse(self, op: Synapse, stream: Stream) -> Stream:
        (source,) = self.network.sources(op)
        tensor = self.network.tensors[op.name]
        folding = self.foldings[op.name] = check_folding(op, self.foldings[op.name], self.network)
        c, height, width = source.shape
        fo, fi = op.folds(folding, source)
        stream = self.lanes(stream, folding.lanes, c, op.name)
        groups = stream.groups
        if isinstance(op, Conv):
            pad = pack_codes(op.pad_code, stream.bits, groups * folding.lanes)
            (kh, kw), (sy, sx), (py, px) = op.kernel, op.stride, op.padding
            if folding.slice == "all":
                columns = self.columns(op, stream, source.shape, folding.rows, pad)
                window = self.full(op, columns, source.shape, fo, repeat(pad, stream.width, kh))
            elif folding.slice == "column":
                columns = self.columns(op, stream, source.shape, folding.rows, pad)
                window = self.folded(
                    op.name,
                    columns,
                    repeat(pad, stream.width, kh),
                    folding.window_depth,
                    GROUPS=groups,
                    HEIGHT=columns.pixels // width,
                    WIDTH=width,
                    KERNEL_Y=1,
                    KERNEL_X=kw,
                    STRIDE_Y=1,
                    STRIDE_X=sx,
                    PAD_Y=0,
                    PAD_X=px,
                    REPLAY=fo,
                )
            elif (kh, kw, sy, sx, fo) == (1, 1, 1, 1, 1):
                window = stream  # a pixel is its own window
            else:
                window = self.folded(
                    op.name,
                    stream,
                    pad,
                    folding.window_depth,
                    GROUPS=groups,
                    HEIGHT=height,
                    WIDTH=width,
                    KERNEL_Y=kh,
                    KERNEL_X=kw,
                    STRIDE_Y=sy,
                    STRIDE_X=sx,
                    PAD_Y=py,
                    PAD_X=px,
                    REPLAY=fo,
                )
        elif fo == 1:
            window = stream
        else:
            window = self.folded(
                op.name,
                stream,
                0,
                folding.window_depth,
                GROUPS=groups * height * width,
                HEIGHT=1,
                WIDTH=1,
                KERNEL_Y=1,
                KERNEL_X=1,
                STRIDE_Y=1,
                STRIDE_X=1,
                PAD_Y=0,
                PAD_X=0,
                REPLAY=fo,
            )
        simd = op.simd(folding, source)
        pixels = tensor.shape[1] * tensor.shape[2]
        tensor = reachable(op, folding, self.network)
        out = Stream(op.name, folding.pe, tensor.bits, pixels, fo, op.name)
        rows = weight_rows(op, folding, self.network)
        memory = Memory(
            f"{op.name}_weight", rows, (op.weight_bits,), memory_kind(folding.memory, rows, (op.weight_bits,))
        )
        return self.add(
            "synapse_array",
            op.name,
            "array",
            window,
            out,
            ("spike", "acc"),
            memory,
            "weight",
            PE=folding.pe,
            SIMD=simd,
            T=source.steps,
            TP=folding.tp,
            WEIGHT_W=op.weight_bits,
            FOLDS=fi,
            ACC_W=tensor.bits,
        )

    def neuron(self, op: RadixNeuron, stream: Stream) -> Stream:
        (source,) = self.network.sources(op)
        producer = self._producer(op)
        folding = self.foldings.get(producer.name, Folding()) if producer else Folding()
        # Beats come no closer than this; a serial neuron that keeps up is the smaller one.
        interval = 1
        if isinstance(producer, Synapse):
            source = reachable(producer, folding, self.network)
            (before,) = self.network.sources(producer)
            interval = producer.folds(folding, before)[1] * (before.steps // folding.tp)
        serial = folding.neuron == "serial" or (folding.neuron == "auto" and 1 < op.steps <= interval)
        bias = op.clamped_bias(source)
        theta_w, bias_w = int(op.theta.max()).bit_length(), hw.signed_width(int(np.abs(bias).max()))
        rows = by_fold(np.stack([bias, op.theta], 1), stream.lanes, fill=(0, 1))
        widths = (bias_w, theta_w)
        memory = Memory(f"{op.name}_param", rows, widths, memory_kind("auto", rows, widths))
        out = Stream(op.name, stream.lanes, op.steps, stream.pixels, stream.groups, op.name)
        return self.add(
            "neuron_radix",
            op.name,
            "",
            stream,
            out,
            ("acc", "spike"),
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
            UNROLLED=int(not serial),
        )

    def readout(self, op: Readout, stream: Stream) -> Stream:
        bias_w = hw.signed_width(int(np.abs(op.bias).max()))
        rows = by_fold(op.bias[:, None], stream.lanes, fill=(0,))
        memory = Memory(f"{op.name}_param", rows, (bias_w,), memory_kind("auto", rows, (bias_w,)))
        out = Stream(op.name, stream.lanes, 32, stream.pixels, stream.groups, op.name)
        return self.add(
            "readout",
            op.name,
            "",
            stream,
            out,
            ("acc", "logit"),
            memory,
            "param",
            LANES=stream.lanes,
            IN_W=stream.bits,
            EXPONENT=op.exponent,
            BIAS_W=bias_w,
        )

    def pool(self, op: MaxPool | SumPool, stream: Stream) -> Stream:
        (source,) = self.network.sources(op)
        tensor = self.network.tensors[op.name]
        columns = self.columns(op, stream, source.shape, op.kernel[0], 0)
        window = self.full(op, columns, source.shape, 1, 0)
        out = Stream(op.name, stream.lanes, tensor.bits, tensor.shape[1] * tensor.shape[2], stream.groups, op.name)
        return self.add(
            f"pool_{'max' if isinstance(op, MaxPool) else 'sum'}",
            op.name,
            "",
            window,
            out,
            ("window", "spike"),
            LANES=stream.lanes,
            WORD_W=stream.bits,
            TAPS=op.kernel[0] * op.kernel[1],
        )

    def _producer(self, op: Operator) -> Operator | None:
        return next((o for o in self.network.operators if o.name == op.inputs[0]), None)

    def build(self) -> Netlist:
        c, h, w = self.network.input_shape
        stream = Stream("pixel", c, 8, h * w, 1, INPUT)
        self.streams["pixel"] = stream
        methods = {
            Encode: self.encode,
            Conv: self.synapse,
            Linear: self.synapse,
            RadixNeuron: self.neuron,
            Readout: self.readout,
            MaxPool: self.pool,
            SumPool: self.pool,
        }
        previous = INPUT
        for op in self.network.operators:
            if op.inputs != (previous,) or self.network.state_edges:
                raise VolleyError(
                    f"{op.kind} {op.name!r}: reads {op.inputs}; only chains can be built, branches come later"
                )
            stream = self.fifo(stream, op.name)
            stream = methods[type(op)](op, stream)  # type: ignore[operator]
            previous = op.name
        if not isinstance(self.network.operators[-1], Readout):
            last = self.network.operators[-1]
            raise VolleyError(f"{last.kind} {last.name!r}: the last operator must be a readout")
        return Netlist(self.network, self.foldings, self.fifos, tuple(self.instances), tuple(self.streams.values()))


def build_netlist(network: Network, foldings: dict[str, Folding], fifos: dict[str, int] | None = None) -> Netlist:
    """Instances for `network`. foldings: by synapse operator; fifos: beats of the FIFO behind a tensor.

    Raises VolleyError where an operator or folding cannot be built.
    """
    operators = tuple(embed_kernel(op) if isinstance(op, Conv) else op for op in network.operators)
    network = replace(network, operators=operators)
    for tensor, depth in (fifos or {}).items():
        if tensor not in {op.name for op in operators[:-1]}:
            known = ", ".join(op.name for op in operators[:-1])
            raise VolleyError(f"folding: fifos: no operator {tensor!r} to stand behind; operators: {known}")
        if depth < 2:
            raise VolleyError(f"folding: fifos: {tensor}={depth} beats is below 2; leave it out for none")
    names = {op.name for op in operators if isinstance(op, Synapse)}
    if set(foldings) != names:
        odd = sorted(set(foldings) ^ names)[0]
        raise VolleyError(
            f"folding: {odd!r} is {'missing' if odd in names else 'no synapse layer'}; "
            f"layers: {', '.join(sorted(names))}"
        )
    return _Builder(network, dict(foldings), dict(fifos or {})).build()
