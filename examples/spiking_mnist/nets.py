# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Three small networks for MNIST, each written as the tutorials of its framework write theirs. Images [N, 1, 28, 28]
in [0, 1] stay over all time steps; the answer is [N, 10]."""

from __future__ import annotations

from pathlib import Path

import norse.torch as norse_torch
import snntorch as snn
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from snntorch import surrogate
from spikingjelly.activation_based import functional, layer, neuron
from spikingjelly.activation_based import surrogate as sj_surrogate
from torch import nn


def louder(*layers: nn.Conv2d) -> None:
    """Random weights that make neurons fire from the first step on."""
    for conv in layers:
        nn.init.normal_(conv.weight, std=2 / conv.weight[0].numel() ** 0.5)


class SnnTorch(nn.Module):
    """T = 25: a pool of potentials, leaky neurons with a soft reset; the answer is the mean membrane of
    the last layer, which has no reset."""

    steps = 25

    def __init__(self) -> None:
        super().__init__()
        grad = surrogate.fast_sigmoid(slope=10)
        self.conv1, self.lif1 = nn.Conv2d(1, 8, 5), snn.Leaky(beta=0.5, spike_grad=grad)
        self.conv2, self.lif2 = nn.Conv2d(8, 24, 3, stride=2), snn.Leaky(beta=0.5, spike_grad=grad)
        self.fc, self.lif3 = nn.Linear(24 * 5 * 5, 10), snn.Leaky(beta=0.5, spike_grad=grad, reset_mechanism="none")
        louder(self.conv1, self.conv2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem1, mem2, mem3 = self.lif1.reset_mem(), self.lif2.reset_mem(), self.lif3.reset_mem()
        current = F.max_pool2d(self.conv1(x), 2)  # the image stays
        membranes = []
        for _ in range(self.steps):
            spk1, mem1 = self.lif1(current, mem1)
            spk2, mem2 = self.lif2(self.conv2(spk1), mem2)
            _, mem3 = self.lif3(self.fc(spk2.flatten(1)), mem3)
            membranes.append(mem3)
        return torch.stack(membranes).mean(0)


class SpikingJelly(nn.Module):
    """T = 4: convolutions with BatchNorm, integrate-and-fire with a hard reset; the answer is the mean of a Linear."""

    steps = 4

    def __init__(self) -> None:
        super().__init__()
        grad = sj_surrogate.ATan()
        self.static = nn.Sequential(layer.Conv2d(1, 12, 5, stride=2, padding=2, bias=False), layer.BatchNorm2d(12))
        self.conv = nn.Sequential(
            neuron.IFNode(surrogate_function=grad, detach_reset=True),
            layer.Conv2d(12, 24, 3, bias=False), layer.BatchNorm2d(24),
            neuron.IFNode(surrogate_function=grad, detach_reset=True),
            layer.MaxPool2d(2, 2), layer.Flatten(), layer.Linear(24 * 6 * 6, 10),
        )  # fmt: skip
        functional.set_step_mode(self.conv, "m")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        functional.reset_net(self)
        return self.conv(self.static(x).unsqueeze(0).repeat(self.steps, 1, 1, 1, 1)).mean(0)


class Norse(nn.Module):
    """T = 8: synaptic currents, a pool of spikes; the answer is the largest membrane of leaky integrators."""

    steps = 8

    def __init__(self) -> None:
        super().__init__()
        tau_syn, tau_mem = torch.as_tensor(500.0), torch.as_tensor(250.0)  # 1/s; a step is a millisecond
        p = norse_torch.LIFParameters(tau_syn, tau_mem, alpha=torch.as_tensor(10.0))
        self.conv1, self.lif1 = nn.Conv2d(1, 12, 5, stride=2), norse_torch.LIFCell(p)
        self.conv2, self.lif2 = nn.Conv2d(12, 24, 3), norse_torch.LIFCell(p)
        self.fc = nn.Linear(24 * 5 * 5, 10, bias=False)
        self.out = norse_torch.LICell(norse_torch.LIParameters(tau_syn, tau_mem))
        louder(self.conv1, self.conv2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s1 = s2 = so = None
        current = self.conv1(x)  # the image stays
        membranes = []
        for _ in range(self.steps):
            z, s1 = self.lif1(current, s1)
            z, s2 = self.lif2(self.conv2(z), s2)
            v, so = self.out(self.fc(F.max_pool2d(z, 2).flatten(1)), so)
            membranes.append(v)
        return torch.stack(membranes).amax(0)


NETS: dict[str, type[nn.Module]] = {"snntorch": SnnTorch, "spikingjelly": SpikingJelly, "norse": Norse}


def trained(name: str) -> nn.Module:
    """With the weights that ship, or that train.py has put beside them."""
    model, weights = NETS[name](), Path(__file__).parent / f"{name}.safetensors"
    if not weights.exists():
        raise FileNotFoundError(f"{weights}: is not there; train.py {name} makes it")
    model.load_state_dict(load_file(weights))
    return model.eval()


def snntorch() -> nn.Module:
    return trained("snntorch")


def spikingjelly() -> nn.Module:
    return trained("spikingjelly")


def norse() -> nn.Module:
    return trained("norse")
