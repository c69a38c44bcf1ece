# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The integer reference: runs a Network on whole batches with numpy. `docs/numerics.md` is its authority;
`verif/models/` holds the scalar models it is compared with."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from pyflow.errors import VolleyError
from pyflow.graph import INPUT, Network
from pyflow.operators import Conv, LIFNeuron, Linear, Operator, Stateful, Tensor

BATCH = 512  # frames at a time, if
NUMBERS = 2**24  # no layer's windows (im2col, over all steps) are more than this
Values = dict[str, np.ndarray]  # by tensor: int64 [N, C, H, W], or [N, T, C, H, W] where it has time


def run(network: Network, x: np.ndarray, trace: bool | Collection[str] = False) -> Any:
    """int64 logits [N, classes]; with `trace` also {tensor: int64 [N, C, H, W] or [N, T, C, H, W]} of all tensors,
    or of those named.

    x: as in Network.inputs(). Raises VolleyError on bad input.
    """
    inputs = network.inputs(x)
    trace = [trace] if isinstance(trace, str) else trace
    unknown = [] if isinstance(trace, bool) else [name for name in trace if name not in network.tensors]
    if unknown:
        raise VolleyError(f"trace: no tensor {unknown[0]!r} in {network.name!r}; it has {', '.join(network.tensors)}")
    batch = _batch(network)
    last = network.operators[-1].name
    if network.tensors[last].timed or network.tensors[last].shape[1:] != (1, 1):
        raise VolleyError(f"network {network.name!r}: ends in {last!r}, a map; the last operator must be a readout")
    kept = trace if not isinstance(trace, bool) else list(network.tensors) if trace else []
    shapes = {n: network.tensors[n] for n in kept}
    traces = {
        n: np.empty((len(inputs), *((t.steps,) if t.timed else ()), *t.shape), np.int64) for n, t in shapes.items()
    }
    logits = np.empty((len(inputs), network.classes), np.int64)
    for start in range(0, len(inputs), batch):
        values = _run_batch(network, inputs[start : start + batch], set(kept))
        logits[start : start + batch] = values[last].reshape(-1, network.classes)
        for name, whole in traces.items():
            whole[start : start + batch] = values[name]
    return (logits, traces) if trace else logits


def saturations(network: Network, x: np.ndarray) -> dict[str, np.ndarray]:
    """See Network.saturations."""
    layers = [op for op in network.operators if isinstance(op, LIFNeuron)]
    if not layers:
        return {}
    _, trace = run(network, x, trace={op.inputs[0] for op in layers})
    return {op.name: op.saturations(trace[op.inputs[0]], network.sources(op)[0]) for op in layers}


def not_zero(values: np.ndarray, tensor: Tensor) -> np.ndarray:
    """[N, C, H, W], or [N, T, C, H, W] of a tensor with time -> bool [N, passes, C, H, W]: is that word not zero?"""
    if not tensor.timed:
        return np.asarray(values[:, None] != 0)
    return np.asarray((values != 0).reshape(len(values), tensor.passes, tensor.block, *tensor.shape).any(2))


def rates(network: Network, x: np.ndarray) -> dict[str, dict[str, float]]:
    """See Network.with_rates."""
    layers = {op.name: network.sources(op)[0] for op in network.operators if isinstance(op, Linear)}
    if not layers:
        return {}
    _, trace = run(network, x, trace={source.name for source in layers.values()})
    found = {}
    for name, source in layers.items():
        shares = not_zero(trace[source.name], source).mean((2, 3, 4))  # [N, passes]
        found[name] = {"mean": float(shares.mean()), "max": float(shares.max()), "steps": source.beat_steps}
    return found


def _batch(network: Network) -> int:
    """Frames at a time: keeps memory flat."""
    numbers = 1
    for op in network.operators:
        out = network.tensors[op.name]
        per_step = math.prod(out.shape)
        if isinstance(op, Conv):
            per_step = math.prod(out.shape[1:]) * op.weight[0].size
        numbers = max(numbers, per_step * (out.steps if out.timed else 1))
    return max(1, min(BATCH, NUMBERS // numbers))


def _run_batch(network: Network, inputs: np.ndarray, keep: set[str]) -> Values:
    """Tensors of a batch of frames: at least those of `keep` and that of the last operator."""
    values = {INPUT: inputs}
    delays = {edge.name: network.origin(edge.name) for edge in network.state_edges}
    loops = network.loops()
    cycling = {op.name for loop in loops for op in loop}
    pending = list(network.operators)
    while True:
        live = {s for op in pending for s in op.inputs} | keep | {network.operators[-1].name}
        for name in live & (delays.keys() - values.keys()):
            source, delay = delays[name]
            if source in values:
                values[name] = _delayed(values[source], delay)
        if not pending:
            return values
        values = {k: v for k, v in values.items() if k in live}
        for op in pending:
            if op.name not in cycling and values.keys() >= set(op.inputs):
                values[op.name] = _apply(network, op, [values[s] for s in op.inputs])
                break
        else:  # operators in a cycle go step by step, together
            values |= next(v for loop in loops if (v := _run_loop(network, loop, values, len(inputs))))
        pending = [op for op in pending if op.name not in values]


def _delayed(x: np.ndarray, delay: int) -> np.ndarray:
    """[N, T, ...] so many steps later, zeros first."""
    return np.concatenate([np.zeros_like(x[:, :delay]), x[:, : max(0, x.shape[1] - delay)]], 1)


def _apply(network: Network, op: Operator, values: Sequence[np.ndarray]) -> np.ndarray:
    sources = network.sources(op)
    if isinstance(op, Stateful):
        return op.run_steps(*values, sources=sources)
    if not (op.each_step and any(s.timed for s in sources)):
        return op.run(*values)
    frames, steps = values[0].shape[:2]  # time is one more batch axis
    out = op.run(*(v.reshape(frames * steps, *v.shape[2:]) for v in values))
    return out.reshape(frames, steps, *out.shape[1:])


def _run_loop(network: Network, loop: list[Operator], values: Values, frames: int) -> Values:
    """All steps of the operators of a cycle: {name: int64 [N, T, C, H, W]}; {} if they wait for others or are done."""
    names = {op.name for op in loop}
    fed = {s: network.origin(s) for op in loop for s in op.inputs if s not in names}
    fed = {s: origin for s, origin in fed.items() if origin[0] in names}
    outside = {s for op in loop for s in op.inputs} - names - fed.keys()
    if not outside <= values.keys() or names <= values.keys():
        return {}
    first = {s: np.zeros((frames, *network.tensors[s].shape), np.int64) for s in fed}
    states = {op.name: op.initial(frames, *network.sources(op)) for op in loop if isinstance(op, Stateful)}
    out: dict[str, list[np.ndarray]] = {op.name: [] for op in loop}
    for t in range(network.tensors[loop[0].name].steps):
        now = {s: out[source][t - delay] if t >= delay else first[s] for s, (source, delay) in fed.items()}
        for op in loop:
            operands = [now[s] if s in now else values[s][:, t] for s in op.inputs]
            if isinstance(op, Stateful):
                now[op.name], states[op.name] = op.step(states[op.name], *operands)
            else:
                now[op.name] = op.run(*operands)
            out[op.name].append(now[op.name])
    return {name: np.stack(y, 1) for name, y in out.items()}
