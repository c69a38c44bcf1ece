# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Runs a float network over time, step by step, without its framework: is what was captured the user's run?"""

from __future__ import annotations

from collections import deque

import numpy as np
import torch
import torch.nn.functional as F

from pyflow.conversion.torch_blocks import upsample
from pyflow.errors import VolleyError
from pyflow.graph import INPUT
from pyflow.model.graph import (
    AvgPool,
    Edge,
    FloatAdd,
    FloatConcat,
    FloatConv,
    FloatLayer,
    FloatLinear,
    FloatUpsample,
    MaxPool,
)
from pyflow.model.spiking import FloatGate, FloatNeuron, NeuronState, SpikingModel

ALIKE = 0.9  # share of samples with the same answer; in the others a membrane came near its threshold


def check_function(model: SpikingModel, frames: np.ndarray, want: np.ndarray) -> None:
    """Raises VolleyError where `model` does not answer as the user's run does.

    frames: [N, C, H, W] or [N, T, C, H, W]. want: float64 [N, classes] of the run.
    """
    got, sure = answers(model, frames)
    scale = np.abs(want).max(initial=0) or 1.0
    alike = (np.abs(got - want) <= 1e-3 * scale).all(1) if got.shape == want.shape else np.zeros(len(want), bool)
    same = alike.mean()
    if same < ALIKE or not alike[sure].all():
        raise VolleyError(
            f"model {model.network.name!r}: the layers that were captured answer as the run does on "
            f"{100 * same:.0f} % of the samples; something outside of them changes it"
        )


def answers(
    model: SpikingModel, frames: np.ndarray, trains: dict[str, np.ndarray] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(float64 [N, classes], what is read of the last layer, times the model's scale; bool [N], frames in which no
    membrane came near its threshold). trains: gets the spikes of every layer of neurons, bool [N, T, C, H, W]."""
    x = torch.from_numpy(np.asarray(frames, np.float64))
    total: np.ndarray = np.zeros(0)
    states: dict[str, NeuronState] = {}
    last = model.network.layers[-1].name
    delays = [edge.delay for layer in model.network.layers for edge in layer.inputs]
    before: deque[dict[str, torch.Tensor]] = deque(maxlen=1 + max(delays, default=0))  # of this step and those before
    for t in range(model.steps):
        values = {INPUT: x[:, t] if model.timed else x}
        before.appendleft(values)
        for layer in model.network.layers:
            given = [_read(model, edge, before, len(frames)) for edge in layer.inputs]
            values[layer.name] = _value(layer, given, states)
        value = states[last].membrane if model.read else values[last].numpy()
        if t and model.read != "last":
            value = np.maximum(total, value) if model.read == "max" else total + value
        total = value
        if trains is not None:
            for name in states:
                fired = values[name].numpy() != 0
                trains.setdefault(name, np.zeros((len(frames), model.steps, *fired.shape[1:]), bool))[:, t] = fired
    sure = np.ones(len(frames), bool)
    for state in states.values():
        sure &= state.sure
    return np.asarray(total.reshape(len(frames), -1) * model.scale), sure


def _read(model: SpikingModel, edge: Edge, before: deque[dict[str, torch.Tensor]], frames: int) -> torch.Tensor:
    """What `edge` carries in this step; zeros where its delay reaches to before the first."""
    if edge.delay < len(before):
        return before[edge.delay][edge.source]
    return torch.zeros(frames, *model.network.shapes[edge.source], dtype=torch.float64)


def _value(layer: FloatLayer, given: list[torch.Tensor], states: dict[str, NeuronState]) -> torch.Tensor:
    match layer:
        case FloatConv():
            x, (py, px) = given[0], layer.padding
            if layer.pad.size:
                pad = torch.from_numpy(layer.pad)[None, :, None, None]
                x = F.pad(x - pad, (px, px, py, py)) + pad
                py = px = 0
            weight, bias = torch.tensor(layer.weight), torch.tensor(layer.bias)
            groups = x.shape[1] if layer.depthwise else 1
            return F.conv2d(x, weight, bias, layer.stride, (py, px), 1, groups)
        case FloatLinear():
            out = F.linear(given[0].flatten(1), torch.tensor(layer.weight), torch.tensor(layer.bias))
            return out[:, :, None, None]
        case FloatAdd():
            return torch.stack(given).sum(0)
        case FloatConcat():
            return torch.cat(given, 1)
        case FloatGate():
            first = 1 - given[0] if layer.inverted else given[0]
            return first * given[1]
        case AvgPool():
            return F.avg_pool2d(given[0], layer.kernel, layer.stride, layer.padding)
        case MaxPool():
            return F.max_pool2d(given[0], layer.kernel, layer.stride, layer.padding)
        case FloatUpsample():
            return upsample(layer, given[0])
        case FloatNeuron():
            x = given[0]
            state = states.setdefault(layer.name, NeuronState(layer.neuron, tuple(x.shape)))
            return torch.from_numpy(state.step(x.numpy())[0].astype(np.float64))
    raise layer.fail("has no form over time")
