# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Spiking neurons of integers with a gradient: forward the operator itself, step by step, backward a surrogate.

Where a membrane u is near its threshold theta, a spike is taken to change by 1 / (theta*(1 + slope*|u/theta - 1|)^2)
with it (SuperSpike, arXiv 1705.11146). Floors and saturations are taken to change nothing, and through a reset no
gradient passes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from pyflow.operators import LIFNeuron, MembraneReadout, Tensor


def fired(x: torch.Tensor, bias: torch.Tensor | None, op: LIFNeuron, source: Tensor, slope: float) -> torch.Tensor:
    """What `op` makes of potentials `x`, whole numbers [N, T, C, H, W] of the type `source`: spikes, float32 of that
    shape; of a MembraneReadout float64 [N, C, H, W]. bias: whole numbers [C] in the place of the operator's."""
    made: torch.Tensor = _Fired.apply(x, bias, op, source, slope)  # type: ignore[no-untyped-call]
    return made


class _Fired(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, bias: torch.Tensor | None, op: LIFNeuron, source: Tensor, slope: float
    ) -> torch.Tensor:
        if bias is not None:
            op = replace(op, bias=bias.detach().numpy().astype(np.int64))
        state = op.initial(len(x), source)
        still = x.stride(1) == 0  # the same in every step
        given = x[:, 0].numpy().astype(np.int64) if still else np.zeros(0)
        spikes = torch.empty(x.shape, dtype=torch.float32)
        above, membranes, awake = torch.empty_like(spikes), [], []
        unit = np.maximum(1, op.theta)[:, None, None]
        for t in range(x.shape[1]):
            if op.refractory:
                awake.append(torch.from_numpy((state.r == 0).astype(np.float32)))
            met, state = op.advanced(state, given if still else x[:, t].numpy().astype(np.int64))
            spikes[:, t] = torch.from_numpy(state.z)
            if isinstance(op, MembraneReadout):
                membranes.append(torch.from_numpy(met if op.before_reset else state.v))
            above[:, t] = torch.from_numpy((met - op.theta[:, None, None]) / unit)
        ctx.op, ctx.awake = op, awake
        rise = above.abs_().mul_(slope).add_(1).pow_(-2).div_(torch.from_numpy(unit).float())
        read, ctx.seen = _read(op, membranes)
        ctx.save_for_backward(spikes, rise)
        return spikes if read is None else read

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, None, None, None]:
        op: LIFNeuron = ctx.op
        spikes, rise = ctx.saved_tensors
        late, hard = op.reset_order == "after", op.reset == "hard"
        kept, kept_i = _kept(op)
        seen, grad = (None, grad) if ctx.seen is None else (ctx.seen, grad.float())
        met = isinstance(op, MembraneReadout) and op.before_reset
        out = torch.empty_like(spikes)
        v = i = torch.zeros_like(spikes[:, 0])  # gradients of the states that this step leaves
        bias = torch.zeros(op.theta.size)
        for t in range(out.shape[1] - 1, -1, -1):
            read = None if seen is None else grad * seen[t]
            stays = v if read is None or met else v + read
            if hard and not late:
                stays = stays * (1 - spikes[:, t])
            u = stays if read is None or not met else stays + read
            if seen is None:
                u = torch.addcmul(u, grad[:, t], rise[:, t])
            if hard and late and t:
                u = u * (1 - spikes[:, t - 1])
            before = v
            if op.refractory:
                u = u * ctx.awake[t]
            if op.current == "new":
                i = kept_i * i + u
                drive = i
            elif op.current == "old":
                drive = i
                i = kept_i * i + u
            else:
                drive = u
            out[:, t] = drive
            bias += (drive if op.current_bias else u).sum((0, 2, 3))
            v = kept * u
            if op.refractory:
                v = v + (1 - ctx.awake[t]) * before
        return out.mul_(2.0**op.frac), bias if ctx.needs_input_grad[1] else None, None, None, None


def _read(op: LIFNeuron, membranes: list[torch.Tensor]) -> tuple[torch.Tensor | None, list[torch.Tensor] | None]:
    """(what a membrane readout gives, float64; by step, float32, 1 where it sees that membrane); None of spikes."""
    if not isinstance(op, MembraneReadout):
        return None, None
    every = torch.stack(membranes)
    steps = range(len(every))
    if op.read == "sum":
        return every.sum(0).double(), [torch.ones(()) for _ in steps]
    if op.read == "last":
        return every[-1].double(), [torch.tensor(float(t == len(every) - 1)) for t in steps]
    largest, at = every.max(0)
    return largest.double(), [(at == t).float() for t in steps]


def _kept(op: LIFNeuron) -> tuple[torch.Tensor, float]:
    """What stays of membrane and current in a step."""
    of = {"none": 1.0, "shift": 1 - 2.0**-op.leak_shift}
    current = {"none": 1.0, "shift": 1 - 2.0**-op.current_shift, "multiply": op.current_alpha / 2.0**op.current_frac}
    if op.leak == "multiply":
        return torch.from_numpy(op.alpha / 2.0**op.leak_frac).float()[:, None, None], current[op.current_leak]
    return torch.tensor(of[op.leak]), current[op.current_leak]
