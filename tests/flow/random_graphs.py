# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Random integer networks that branch, or that have time: every encoder, neuron, pool and join, words per time step,
delays and loops, 1-D and 2-D maps, any T and TB. What is drawn is legal, not sensible."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from pyflow.edges import StateEdge
from pyflow.graph import INPUT, Network
from pyflow.operators import (
    SPIKES,
    WORDS,
    Accumulate,
    Add,
    And,
    BurstEncode,
    Concat,
    Conv,
    DeltaEncode,
    DepthwiseConv,
    Direct,
    Encode,
    Encoding,
    GatedMaxPool,
    IAnd,
    LIFNeuron,
    Linear,
    MaxPool,
    MembraneReadout,
    Operator,
    OrPool,
    RadixNeuron,
    RateEncode,
    Readout,
    Residual,
    SumPool,
    Tensor,
    TTFSEncode,
    Upsample,
)
from pyflow.operators.pool import Pool

FRAMES = 16


class Draw:
    """Adds one random operator after the other. `spikes` is the tensor that the next one reads."""

    def __init__(self, rng: np.random.Generator, shape: tuple[int, int, int], seed: int) -> None:
        self.rng, self.operators, self.edges = rng, [], []  # type: ignore[var-annotated]
        self.waits = np.random.default_rng((seed, 1))  # of its own: what else is drawn does not hang on the delays
        self.words = np.random.default_rng((seed, 2))  # of its own too: is a layer to read counts, or samples?
        self.shifts = np.random.default_rng((seed, 3))
        self.tensors: dict[str, Tensor] = {}
        self.input_shape = shape
        self.left = 0  # steps that delays may add up to, so that the last ones of a frame count
        self.wait = int(self.waits.choice([1, 1, 2]))  # delays are multiples of it: TB of 2 remains possible

    def coin(self, p: float = 0.5) -> bool:
        return bool(self.rng.random() < p)

    def number(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def pick(self, *values: str) -> str:
        return str(self.rng.choice(values))

    def add(self, op: Operator) -> str:
        self.tensors[op.name] = op.infer(*(self.tensors[s] for s in op.inputs))
        self.operators.append(op)
        return op.name

    def name(self, kind: str) -> str:
        return f"{kind}{len(self.operators)}"

    def weights(self, *shape: int) -> tuple[np.ndarray, int]:
        bits = self.number(2, 6)
        top = 2 ** (bits - 1) - 1
        return self.rng.integers(-top, top + 1, shape), bits

    # ------------------------------------------------------------------ delays
    def late(self, source: str) -> str:
        """`source`, or what it was 1 to 4 steps before."""
        delay = self.wait * int(self.waits.integers(0, 4 // self.wait + 1))
        tensor = self.tensors[source]
        if not 0 < delay <= self.left or not tensor.timed or self.waits.random() < 0.6:
            return source
        if tensor.encoding is Encoding.SIGNAL:  # samples are not delayed
            return source
        self.left -= delay
        name = f"late{len(self.edges)}"
        self.edges.append(StateEdge(source, name, delay))
        self.tensors[name] = replace(self.tensors[source], name=name)
        return name

    def fed(self, shape: tuple[int, int, int], steps: int) -> dict[Tensor, int]:
        """Spikes of a layer to come, of one or two delays of 1 to 3 steps, none twice."""
        legal = [delay for delay in (1, 2, 3) if delay < steps and delay % self.wait == 0]
        delays = self.waits.permutation(legal)[: self.waits.integers(1, 3)]
        found = {}
        for delay in map(int, delays):
            name = f"fed{len(self.operators)}_{delay}"
            self.tensors[name] = Tensor(name, shape, Encoding.RATE, steps, 1, timed=True)
            found[self.tensors[name]] = delay
        return found

    # ------------------------------------------------------------------ layers
    def conv(self, source: str, channels: int, same: bool = False) -> str:
        c, h, w = self.tensors[source].shape
        kh, kw = (min(side, int(self.rng.choice([1, 2, 3, 5]))) for side in (h, w))
        if same:
            kh, kw = (k - (k % 2 == 0) for k in (kh, kw))
        padding = (kh // 2, kw // 2) if same else (self.number(0, kh - 1), self.number(0, kw - 1))
        stride = (1, 1) if same or self.coin(0.7) else (self.number(1, 2), self.number(1, 2))
        weight, bits = self.weights(channels, c, kh, kw)
        pads = self.tensors[source].encoding in WORDS and self.words.random() < 0.3
        pad = self.words.integers(0, self.tensors[source].bound + 1, c) if pads else np.zeros(0, np.int64)
        geometry = (kh, kw), stride, padding, weight, bits, pad
        return self.add(Conv(self.name("conv"), (source,), *geometry))

    def depthwise(self, source: str) -> str:
        c, h, w = self.tensors[source].shape
        kh, kw = (min(side, int(self.rng.choice([1, 2, 3, 5]))) for side in (h, w))
        stride = (1, 1) if self.coin(0.6) else (self.number(1, 2), self.number(1, 2))
        weight, bits = self.weights(c * self.number(1, 2), 1, kh, kw)
        padding, name = (self.number(0, kh), self.number(0, kw)), self.name("depthwise")
        return self.add(DepthwiseConv(name, (source,), (kh, kw), stride, padding, weight=weight, weight_bits=bits))

    def linear(self, source: str, outputs: int) -> str:
        weight, bits = self.weights(outputs, int(np.prod(self.tensors[source].shape)), 1, 1)
        return self.add(Linear(self.name("linear"), (source,), weight=weight, weight_bits=bits))

    def neuron(self, source: str) -> str:
        return self.lif(source) if self.tensors[source].timed else self.radix(source)

    def radix(self, source: str) -> str:
        t = self.tensors[source]
        steps, c = self.number(1, 5), t.shape[0]
        theta = self.rng.integers(1, 2 + max(1, t.bound >> (steps + 1)), c)
        bias = self.rng.integers(-t.bound, t.bound + 1, c) // 4
        return self.add(RadixNeuron(self.name("neuron"), (source,), theta, bias, steps=steps))

    def lif(self, source: str) -> str:
        t, rng = self.tensors[source], self.rng
        c, frac = t.shape[0], self.number(0, 3)
        unit = max(1, t.bound // 3) << frac
        width = min(24, (unit * 8).bit_length() + self.number(0, 2))
        top = min(2 ** (width - 1) - 1, 2 * unit)
        leak, order = self.pick("none", "shift", "multiply"), self.pick("before", "after")
        reset, current = self.pick("none", "soft", "soft", "hard"), self.pick("none", "none", "new", "old")
        leak_frac = 5
        decays = "none", "shift", "multiply"
        level = lambda: self.number(-top // 2, top // 2) if self.coin(0.3) else 0  # noqa: E731
        return self.add(
            LIFNeuron(
                self.name("lif"),
                (source,),
                theta=rng.integers(1, top + 1, c),
                bias=rng.integers(-unit // 4, unit // 2 + 1, c) if self.coin() else np.zeros(0),
                reset_amount=rng.integers(0, 2 * top, c) if reset == "soft" and self.coin(0.3) else np.zeros(0),
                v0=rng.integers(-top, top + 1, c) if self.coin(0.3) else np.zeros(0),
                alpha=rng.integers(0, 2**leak_frac + 1, c) if leak == "multiply" else np.zeros(0),
                frac=frac,
                width=width,
                leak=leak,
                leak_shift=self.number(0, 4),
                leak_frac=leak_frac,
                reset=reset,
                reset_order=order,
                v_leak=level(),
                v_reset=level(),
                current=current,
                current_width=width,
                current_leak=self.pick(*decays),
                current_shift=self.number(0, 3),
                current_alpha=self.number(0, 8),
                current_frac=3,
                current_bias=current != "none" and (c + frac) % 2 == 1,
                adapt=self.coin(0.3),
                adapt_width=6,
                adapt_leak=self.pick(*decays),
                adapt_shift=self.number(0, 3),
                adapt_alpha=self.number(0, 8),
                adapt_frac=3,
                jump=self.number(0, 40),
                refractory=self.number(1, 3) if order == "before" and self.coin(0.3) else 0,
            )
        )

    def membrane(self, source: str, rng: np.random.Generator) -> str:
        """What is read of the membranes of neurons. rng: draws of its own."""
        own, self.rng = self.rng, rng
        self.lif(source)
        neuron = self.operators.pop()
        values = {f.name: getattr(neuron, f.name) for f in fields(neuron)}
        out = self.add(MembraneReadout(**values, read=self.pick("last", "sum", "max"), before_reset=self.coin()))
        self.rng = own
        return out

    def pool(self, source: str) -> str:
        t = self.tensors[source]
        kernel = min(2, t.shape[1]), min(self.number(2, 3), t.shape[2])
        options = {"kernel": kernel, "stride": kernel if self.coin() else (1, 1)}
        if t.timed:
            drawn = [OrPool, GatedMaxPool, SumPool][self.number(0, 2)]
            kind: type[Pool] = SumPool if t.encoding in WORDS else drawn
        else:
            kind = [MaxPool, SumPool][self.number(0, 1)]
        out = self.add(kind(self.name("pool"), (source,), **options))
        return self.neuron(out) if kind is SumPool and not self.counted(out) else out

    def counted(self, source: str) -> bool:
        """Does the next layer read the counts of `source` themselves?"""
        return self.tensors[source].timed and bool(self.words.random() < 0.6)

    def highest(self, source: str) -> str:
        """`source`, potentials, or the maximum of some of them, padded or not."""
        _, *sides = self.tensors[source].shape
        if self.words.random() < 0.6:
            return source
        ky, kx = (min(side, int(self.words.integers(1, 4))) for side in sides)
        apart = self.words.random() < 0.4
        stride = (ky, kx) if apart else (int(self.words.integers(1, 3)), int(self.words.integers(1, 3)))
        padding = (0, 0) if apart else (int(self.words.integers(0, ky)), int(self.words.integers(0, kx)))
        return self.add(MaxPool(self.name("highest"), (source,), (ky, kx), stride, padding))

    def upsample(self, source: str, ups: np.random.Generator) -> str:
        """`source` as it is, or on a larger map. ups: draws of its own."""
        if ups.random() < 0.7 or np.prod(self.tensors[source].shape[1:]) > 24:
            return source
        return self.add(Upsample(self.name("up"), (source,), tuple(ups.integers(1, 4, 2))))

    def join(self, a: str, b: str) -> str:
        """Spikes of two spike tensors of one shape, or counts of spikes; b may be counts."""
        ta, tb = self.tensors[a], self.tensors[b]
        if tb.encoding is Encoding.COUNT:
            return self.add(Add(self.name("join"), (a, b)))
        choices = ["concat"] if ta.steps == tb.steps and ta.encoding == tb.encoding else []
        if choices and ta.shape == tb.shape:
            choices += ["add", "and", "iand"] if ta.timed else ["add"]
        if ta.shape == tb.shape:
            choices.append("residual")
        kind, name = self.pick(*choices), self.name("join")
        if kind == "residual":
            h = self.conv(a, tb.shape[0], same=True)
            m = self.rng.integers(-40, 41, tb.shape[0])
            return self.neuron(self.add(Residual(self.name("res"), (h, b), multiplier=m, exponent=self.number(0, 2))))
        if kind == "add":
            out = self.add(Add(name, (a, b)))
            return self.lif(out) if ta.timed and not self.counted(out) else out
        return self.add({"concat": Concat, "and": And, "iand": IAnd}[kind](name, (a, b)))

    def recurrent(self, source: str, steps: int) -> str:
        """A layer, fully connected or convolutional, that reads its own spikes of some steps before."""
        wide = self.coin()
        n = self.number(1, 4 if wide else 8)
        shape = (n, *self.tensors[source].shape[1:]) if wide else (n, 1, 1)
        fed = self.fed(shape, steps)
        out = self.conv(source, n, same=True) if wide else self.linear(source, n)
        for tensor in fed:
            across = self.conv(tensor.name, n, same=True) if wide else self.linear(tensor.name, n)
            out = self.add(Add(self.name("both"), (out, across), shift=int(self.shifts.integers(0, 4))))
        out = self.lif(out)
        self.edges += [StateEdge(out, tensor, delay) for tensor, delay in fed.items()]
        return out


def random_graph(seed: int) -> tuple[Network, np.ndarray]:
    """(network, `FRAMES` frames for it); even seeds have time."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 4)), int(rng.integers(1, 8)) if rng.random() < 0.8 else 1, int(rng.integers(2, 9)))
    d = Draw(rng, shape, seed)
    steps, kind = d.number(1, 12), d.pick("pixel", "direct", "rate", "signal")
    encoding = Encoding(kind) if seed % 2 == 0 and kind in ("rate", "signal") else Encoding.PIXEL
    timed, d.left = encoding is not Encoding.PIXEL, steps - 1
    d.tensors[INPUT] = Tensor(INPUT, shape, encoding, steps if timed else 8, 1 if kind == "rate" else 255, timed=timed)
    spikes = _first(d, kind if seed % 2 == 0 else "radix", steps)
    recurrent = seed % 2 == 0 and d.coin(0.25) and steps > d.wait
    ups = np.random.default_rng(seed + 81)
    deep = np.random.default_rng(seed + 83)
    for _ in range(d.number(0, 2)):
        before = spikes
        if d.coin(0.5) and min(d.tensors[spikes].shape[2], 2 * d.tensors[spikes].shape[1]) >= 2:
            before = spikes = d.pool(spikes)
        before = spikes = d.upsample(spikes, ups)
        same = d.coin(0.6)
        potential = d.conv(d.late(spikes), d.tensors[before].shape[0] if same else d.number(1, 6), same=same)
        spikes = d.neuron(d.late(potential if same else d.highest(d.upsample(potential, ups))))
        if same and d.tensors[before].encoding in (Encoding.RADIX, Encoding.COUNT, *SPIKES):
            spikes = d.join(spikes, d.late(before)) if d.tensors[before].encoding is not Encoding.TTFS else spikes
        if deep.random() < 0.4:
            spikes = d.neuron(d.depthwise(spikes))
    if recurrent:
        spikes = d.recurrent(spikes, steps)
    classes = d.number(1, 6)
    out = d.linear(spikes, classes)
    reads = np.random.default_rng(seed + 85)
    if d.tensors[out].timed and reads.random() < 0.4:
        out = d.membrane(d.late(out), reads)
    elif d.tensors[out].timed:
        out = d.add(Accumulate("sum", (d.late(d.lif(out)) if d.coin() else out,)))
    d.add(Readout("logits", (out,), bias=rng.integers(-9, 10, classes)))
    legal = [b for b in range(1, steps + 1) if steps % b == 0 and (kind != "rate" or b <= 8)]
    block = 0 if recurrent or kind == "signal" or seed % 2 else int(rng.choice(legal))
    words = any(op.needs_one_step(*(d.tensors[s] for s in op.inputs)) for op in d.operators)
    if words or any(edge.delay % max(1, block) for edge in d.edges):
        block = 0
    network = Network(
        f"graph{seed}",
        shape,
        tuple(d.operators),
        state_edges=tuple(d.edges),
        input_encoding=encoding,
        input_steps=steps if timed else 1,
        time_block=block,
    )
    x = rng.integers(0, 2 if encoding is Encoding.RATE else 256, (FRAMES, *((steps,) if timed else ()), *shape))
    return network, x


def _first(d: Draw, kind: str, steps: int) -> str:
    """Spikes from the input."""
    name = "encode"
    match kind:
        case "radix":
            return d.add(Encode(name, (INPUT,), d.number(1, 8)))
        case "rate":
            return INPUT
        case "signal" if d.words.random() < 0.5:
            return INPUT
        case "signal":
            return d.add(DeltaEncode(name, (INPUT,), d.pick("delta", "sigma-delta"), d.number(1, 200)))
        case "direct":
            h = d.conv(d.add(Encode(name, (INPUT,), d.number(1, 8))), d.number(1, 5))
            return d.lif(d.late(d.add(Direct(d.name("direct"), (h,), steps))))
    coded = d.pick("random", "regular", "ttfs", "burst")
    if coded == "ttfs":
        return d.add(TTFSEncode(name, (INPUT,), steps))
    if coded == "burst":
        low = d.number(1, 4)
        return d.add(BurstEncode(name, (INPUT,), steps, low, low + d.number(0, 4), d.number(1, 9)))
    return d.add(RateEncode(name, (INPUT,), steps, coded, d.number(1, 2**31)))
