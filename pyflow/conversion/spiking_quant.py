# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A network of integers over time as a torch module: its forward pass is the network, its weights and biases train."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from pyflow.conversion.surrogate import fired
from pyflow.errors import VolleyError
from pyflow.graph import INPUT, Network
from pyflow.operators import (
    Accumulate,
    Add,
    And,
    Concat,
    Conv,
    DepthwiseConv,
    Direct,
    Encode,
    IAnd,
    LIFNeuron,
    Linear,
    MaxPool,
    MembraneReadout,
    Operator,
    OrPool,
    RateEncode,
    Readout,
    SumPool,
    Synapse,
    Upsample,
)
from pyflow.operators.pool import Pool

EXACT = 2**24  # float32 has every whole number up to it
SLOPE = 5.0


class SpikingQuant(nn.Module):
    """network: as convert_spiking() makes it, without loops. exact: its weights before they were rounded, by layer;
    trained is what they are rounded from. slope: of the surrogate gradient, see surrogate.py.

    Parameters are shares of the largest weight, and of thresholds, so that one rate of learning does for all layers.
    """

    def __init__(self, network: Network, exact: Mapping[str, np.ndarray], slope: float = SLOPE) -> None:
        super().__init__()
        if loops := network.loops():
            names = ", ".join(op.name for op in loops[0])
            raise VolleyError(
                f"model {network.name!r}: a loop over {names} cannot be fine-tuned; train it with weights on their "
                "grid, as examples/spoken_digits does"
            )
        self.network, self.slope = network, slope
        self.weights: dict[str, nn.Parameter] = {}
        self.biases: dict[str, nn.Parameter] = {}
        self.units: dict[str, torch.Tensor | float] = {}  # of a bias that is 1
        for op in network.operators:
            if isinstance(op, Synapse):
                start = exact[op.name].reshape(op.weight.shape) / _limit(op)
                self.weights[op.name] = nn.Parameter(torch.tensor(start, dtype=torch.float32))
            elif isinstance(op, LIFNeuron | Readout) and op.bias.size:
                self.units[op.name] = unit = self._unit(op)
                self.biases[op.name] = nn.Parameter((torch.tensor(op.bias) / unit).float())
        for what, parameters in (("weight", self.weights), ("bias", self.biases)):
            for name, parameter in parameters.items():
                self.register_parameter(f"{what}_{name}", parameter)

    def _unit(self, op: LIFNeuron | Readout) -> torch.Tensor | float:
        """A bias as large as a threshold, or as the largest weight in every step."""
        if isinstance(op, LIFNeuron) and not isinstance(op, MembraneReadout):
            return torch.from_numpy(np.maximum(1, op.theta)).double()
        largest = max(_limit(x) for x in self.network.operators if isinstance(x, Synapse))
        steps = max(t.steps for t in self.network.tensors.values() if t.timed)
        return float(largest * (2**op.frac if isinstance(op, LIFNeuron) else steps))

    # ------------------------------------------------------------------ integers
    def weight(self, op: Synapse) -> torch.Tensor:
        """Whole numbers, float32; the gradient is that of what they are rounded from."""
        parameter, limit = self.weights[op.name], _limit(op)
        parameter.data.clamp_(-1, 1)
        return _rounded(parameter * limit)

    def bias(self, op: LIFNeuron | Readout) -> torch.Tensor | None:
        """Whole numbers, float64; None where the operator has none."""
        if op.name not in self.biases:
            return None
        return _rounded(self.biases[op.name].double() * self.units[op.name])

    @torch.no_grad()
    def current(self, **meta: Any) -> Network:
        """The network with the weights and biases of now."""
        operators: list[Operator] = []
        for op in self.network.operators:
            if isinstance(op, Synapse):
                op = replace(op, weight=self.weight(op).numpy().astype(np.int8))
            elif isinstance(op, LIFNeuron | Readout) and (bias := self.bias(op)) is not None:
                op = replace(op, bias=bias.numpy().astype(np.int64))
            operators.append(op)
        return replace(self.network, operators=tuple(operators), meta={**self.network.meta, **meta})

    # ------------------------------------------------------------------ execution
    def forward(self, x: np.ndarray) -> torch.Tensor:
        """Frames as Network.inputs() takes them -> logits, float32 [N, classes], in real units."""
        network = self.network
        values = {INPUT: torch.from_numpy(network.inputs(x)).float()}
        for op in network.operators:
            for source in op.inputs:
                if source not in values:
                    values[source] = self._delayed(source, values)
            values[op.name] = self._value(op, [values[s] for s in op.inputs])
        logits = values[network.operators[-1].name]
        return (logits.flatten(1) * network.logit_scale).float()

    def _delayed(self, name: str, values: Mapping[str, torch.Tensor]) -> torch.Tensor:
        source, delay = self.network.origin(name)
        x = values[source]
        return torch.cat([torch.zeros_like(x[:, :delay]), x[:, : x.shape[1] - delay]], 1)

    def _value(self, op: Operator, given: list[torch.Tensor]) -> torch.Tensor:
        timed = self.network.tensors[op.inputs[0]].timed
        match op:
            case LIFNeuron():
                return fired(given[0], self.bias(op), op, self.network.tensors[op.inputs[0]], self.slope)
            case Direct():
                return given[0][:, None].expand(-1, op.steps, -1, -1, -1)
            case Encode() if op.steps == 8:
                return given[0]
            case RateEncode():
                return torch.from_numpy(op.run(given[0].numpy().astype(np.int64))).float()
            case Accumulate():
                return given[0].double().sum(1)
            case Readout():
                bias = self.bias(op)
                assert bias is not None
                return given[0].double() * float(2**op.exponent) + bias[:, None, None]
            case Synapse():
                return self._potentials(op, given[0], timed)
            case _ if compute := _FORMS.get(type(op)):
                return _each_step(lambda *x: compute(op, *x), given, timed)
        raise VolleyError(f"{op.kind} {op.name!r}: has no form for fine-tuning")

    def _potentials(self, op: Synapse, x: torch.Tensor, timed: bool) -> torch.Tensor:
        weight = self.weight(op)
        exact = _limit(op) * weight[0].numel() * self.network.tensors[op.inputs[0]].bound < EXACT
        kind = torch.float32 if exact else torch.float64
        return _each_step(lambda x: _synapse(op, x.to(kind), weight.to(kind)), [x], timed)


def _limit(op: Synapse) -> int:
    return int(2 ** (op.weight_bits - 1) - 1)


def _rounded(x: torch.Tensor) -> torch.Tensor:
    return x + (x.round() - x).detach()


def _each_step(compute: Callable[..., torch.Tensor], given: list[torch.Tensor], timed: bool) -> torch.Tensor:
    """Time is one more axis of the batch."""
    if not timed:
        return compute(*given)
    frames, steps = given[0].shape[:2]
    folded = compute(*(x.flatten(0, 1) for x in given))
    return folded.reshape(frames, steps, *folded.shape[1:])


def _synapse(op: Synapse, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    if isinstance(op, Linear):
        return F.linear(x.flatten(1), weight.flatten(1))[:, :, None, None]
    assert isinstance(op, Conv)
    py, px = op.padding
    if op.pad_code.any():
        code = torch.tensor(op.pad_code, dtype=x.dtype)[:, None, None]
        x, py, px = F.pad(x - code, (px, px, py, py)) + code, 0, 0
    groups = x.shape[1] if isinstance(op, DepthwiseConv) else 1
    return F.conv2d(x, weight, None, op.stride, (py, px), 1, groups)


def _sums(op: Pool, x: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(x, op.kernel, op.stride, op.padding, divisor_override=1)


def _maxima(op: Pool, x: torch.Tensor) -> torch.Tensor:
    return F.max_pool2d(x, op.kernel, op.stride, op.padding)


def _repeated(op: Upsample, x: torch.Tensor) -> torch.Tensor:
    return x.repeat_interleave(op.scale[0], 2).repeat_interleave(op.scale[1], 3)


_FORMS: dict[type[Operator], Callable[..., torch.Tensor]] = {
    Add: lambda op, a, b: a + b * 2**op.shift,
    And: lambda _, a, b: a * b,
    IAnd: lambda _, a, b: (1 - a) * b,
    Concat: lambda _, a, b: torch.cat((a, b), 1),
    MaxPool: _maxima,
    OrPool: _maxima,
    SumPool: _sums,
    Upsample: _repeated,
}
