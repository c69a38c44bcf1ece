# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Networks in the manner of each framework's tutorials, small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import norse.torch as norse
import pytest
import snntorch as snn
import torch
import torch.nn.functional as F
from snntorch import surrogate
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

import pyflow
from pyflow.errors import VolleyError

T = 6
IMAGE = (1, 8, 8)


def loud(model: nn.Module, by: float = 3.0) -> nn.Module:
    """Random weights that make neurons fire."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.Conv1d):
            module.weight.data *= by
    return model


class SnnMlp(nn.Module):
    """The loop in forward, states handed on, spikes and membranes stacked."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(64, 20), snn.Leaky(beta=0.95)
        self.fc2, self.lif2 = nn.Linear(20, 5), snn.Leaky(beta=0.75)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spikes, membranes = [], []
        for _ in range(T):
            spk1, mem1 = self.lif1(self.fc1(x.flatten(1)), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spikes.append(spk2)
            membranes.append(mem2)
        return torch.stack(spikes), torch.stack(membranes)


class SnnEvents(nn.Module):
    """Spikes over time in, [T, N, F]; the loop follows the data; synaptic current; a sum over time."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(12, 16), snn.Synaptic(alpha=0.6, beta=0.9, **options)
        self.fc2, self.lif2 = nn.Linear(16, 4), snn.Synaptic(alpha=0.5, beta=0.75, **options)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        syn1, mem1 = self.lif1.init_synaptic()
        syn2, mem2 = self.lif2.init_synaptic()
        out = []
        for t in range(x.size(0)):
            spk, syn1, mem1 = self.lif1(self.fc1(x[t]), syn1, mem1)
            spk, syn2, mem2 = self.lif2(self.fc2(spk), syn2, mem2)
            out.append(spk)
        return torch.stack(out).sum(0)


def snn_sequential() -> nn.Module:
    """One step: hidden states, pools of spikes."""
    grad = surrogate.atan()
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), snn.Leaky(beta=0.5, spike_grad=grad, init_hidden=True), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(36, 5), snn.Leaky(beta=0.9, reset_mechanism="zero", init_hidden=True, output=True),
    )  # fmt: skip


class SnnFunctions(nn.Module):
    """What stands between the layers is functions; a running sum; three ways of reset."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.lif1 = snn.Leaky(beta=0.875, threshold=0.5, reset_mechanism="none")
        self.fc, self.lif2 = nn.Linear(64, 5), snn.Leaky(beta=torch.rand(5), reset_delay=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        total = torch.zeros(x.shape[0], 5)
        for _ in range(T):
            spk, mem1 = self.lif1(self.norm(self.conv(x)), mem1)
            spk = F.avg_pool2d(spk, 2)
            spk, mem2 = self.lif2(self.fc(spk.view(x.size(0), -1)), mem2)
            total = total + spk
        return total / T


def sj_multi_step() -> nn.Module:
    """Whole sequences from layer to layer."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(
                layer.Conv2d(1, 4, 3, padding=1, bias=False), layer.BatchNorm2d(4), neuron.IFNode(),
                layer.MaxPool2d(2, 2), layer.Flatten(), layer.Linear(64, 12), neuron.ParametricLIFNode(),
                layer.Dropout(0.5), layer.Linear(12, 5), neuron.LIFNode(decay_input=False, v_reset=None),
            )  # fmt: skip
            functional.set_step_mode(self, "m")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.net(x.unsqueeze(0).repeat(T, 1, 1, 1, 1)).mean(0)

    return Net()


def sj_step() -> nn.Module:
    return nn.Sequential(
        layer.Flatten(), layer.Linear(64, 16, bias=False), neuron.LIFNode(tau=2.0, v_threshold=0.75),
        layer.Linear(16, 5, bias=False), neuron.HalfThresholdIFNode(),
    )  # fmt: skip


class NorseCells(nn.Module):
    """Cells with a state each; a weight between; the sum in a tensor of all steps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif1 = nn.Conv2d(1, 4, 3), norse.LIFCell()
        self.fc, self.lif2 = nn.Linear(36, 5), norse.LIFBoxCell()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s1 = s2 = None
        out = torch.zeros(x.shape[0], x.shape[1], 5)
        for t in range(x.shape[0]):
            z, s1 = self.lif1(10 * self.conv(x[t]), s1)
            z = F.max_pool2d(z, 2, 2)
            z, s2 = self.lif2(self.fc(z.flatten(1)), s2)
            out[t] = z
        return out.sum(0)


class Residual(nn.Module):
    """Two branches of potentials, one of them of the image, and a concatenation of spikes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.lif1 = nn.Conv2d(1, 4, 3, padding=1), snn.Leaky(beta=0.5)
        self.conv, self.skip, self.lif2 = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(1, 4, 1), snn.Leaky(beta=0.75)
        self.fc, self.lif3 = nn.Linear(8 * 64, 5), snn.Leaky(beta=0.9)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        m1, m2, m3 = self.lif1.init_leaky(), self.lif2.init_leaky(), self.lif3.init_leaky()
        out = []
        for _ in range(T):
            a, m1 = self.lif1(self.stem(x), m1)
            b, m2 = self.lif2(self.conv(a) + self.skip(x), m2)
            z, m3 = self.lif3(self.fc(torch.cat([a, b], 1).flatten(1)), m3)
            out.append(z)
        return out


STEP: dict[str, Any] = {"steps": T, "readout": "spikes-sum"}
# By name: (module, what convert() is told, shape of a sample).
NETS: dict[str, tuple[Callable[[], nn.Module], dict[str, Any], tuple[int, ...]]] = {
    "snnTorch, loop in forward": (lambda: loud(SnnMlp()), {}, IMAGE),
    "snnTorch, events": (lambda: loud(SnnEvents(), 6), {"time_axis": 0}, (12,)),
    "snnTorch, events, to zero": (lambda: loud(SnnEvents(reset_mechanism="zero"), 6), {"time_axis": 0}, (12,)),
    "snnTorch, one step": (lambda: loud(snn_sequential()), STEP, IMAGE),
    "snnTorch, functions": (lambda: loud(SnnFunctions()), {}, IMAGE),
    "snnTorch, branches": (lambda: loud(Residual()), {}, IMAGE),
    "SpikingJelly, sequences": (lambda: loud(sj_multi_step()), {}, IMAGE),
    "SpikingJelly, one step": (lambda: loud(sj_step()), STEP, IMAGE),
    "Norse, cells": (lambda: loud(NorseCells(), 20), {"time_axis": 0}, IMAGE),
}


def made(name: str, frames: int = 40, nets: dict[str, Any] = NETS) -> tuple[nn.Module, torch.Tensor, dict[str, Any]]:
    """(module, sample, options) of a network."""
    make, options, shape = nets[name]
    torch.manual_seed(1)
    model = make().eval()
    axis = options.get("time_axis")
    sizes = {None: (frames, *shape), 0: (T, frames, *shape), 1: (frames, T, *shape)}
    size = sizes[axis]
    sample = torch.rand(size) if axis is None else (torch.rand(size) < 0.4).float()
    return model, sample, options


def check_refused(make: Callable[[], nn.Module], options: dict[str, Any], message: str) -> None:
    """convert() refuses the model that `make` gives, in one line that matches `message`."""
    torch.manual_seed(0)
    with pytest.raises(VolleyError, match=message) as error:
        pyflow.convert(loud(make()).eval(), torch.rand(32, *IMAGE).numpy(), **options)
    assert "\n" not in str(error.value)
