# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Recurrent networks in the manner of each framework's tutorials, small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import norse.torch as norse
import snntorch as snn
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

from tests.unit.spiking_nets import IMAGE, STEP, T, loud


class SnnBraille(nn.Module):
    """RSynaptic in a loop over the data, its states handed on."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(12, 10), snn.RSynaptic(alpha=0.6, beta=0.9, linear_features=10, **options)
        self.fc2, self.lif2 = nn.Linear(10, 4), snn.Synaptic(alpha=0.6, beta=0.9)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spk1, syn1, mem1 = (torch.zeros(x.shape[1], 10) for _ in range(3))
        syn2, mem2 = self.lif2.init_synaptic()
        out = []
        for t in range(x.shape[0]):
            spk1, syn1, mem1 = self.lif1(self.fc1(x[t]), spk1, syn1, mem1)
            spk2, syn2, mem2 = self.lif2(self.fc2(spk1), syn2, mem2)
            out.append(spk2)
        return torch.stack(out).sum(0)


class SnnRecurrent(nn.Module):
    """RLeaky of an image: through a convolution, and from each neuron to itself."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3, stride=2)
        self.lif1 = snn.RLeaky(beta=0.75, conv2d_channels=3, kernel_size=3, **options)
        self.fc, self.lif2 = nn.Linear(27, 5), snn.RLeaky(beta=0.5, V=torch.rand(5) - 0.5, all_to_all=False, **options)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spk1, mem1 = self.lif1.init_rleaky()
        spk2, mem2 = self.lif2.init_rleaky()
        out = []
        for _ in range(T):
            spk1, mem1 = self.lif1(self.conv(x), spk1, mem1)
            spk2, mem2 = self.lif2(self.fc(spk1.flatten(1)), spk2, mem2)
            out.append(spk2)
        return torch.stack(out)


class ByHand(nn.Module):
    """Spikes of the step before through a layer; learned thresholds and decays, one per channel."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.back, self.norm = nn.Linear(64, 8), nn.Linear(8, 8), nn.BatchNorm1d(8)
        self.lif1 = snn.Leaky(beta=torch.rand(8), threshold=torch.rand(8) + 0.5, learn_beta=True, learn_threshold=True)
        self.fc2, self.lif2 = nn.Linear(8, 5), snn.Leaky(beta=0.9, learn_beta=True)
        self.norm.running_mean = torch.rand(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spk1, total = torch.zeros(x.shape[0], 8), torch.zeros(x.shape[0], 5)
        for _ in range(T):
            spk1, mem1 = self.lif1(self.fc1(x.flatten(1)) + self.norm(self.back(spk1)), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            total = total + spk2
        return total


class FromAbove(nn.Module):
    """The second layer drives the first, one step later; what waits is the result of a Linear without bias."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(12, 8), snn.Leaky(beta=0.5)
        self.fc2, self.lif2 = nn.Linear(8, 4), snn.Leaky(beta=0.5)
        self.down = nn.Linear(4, 8, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        above: Any = 0
        out = []
        for t in range(x.size(0)):
            spk, mem1 = self.lif1(self.fc1(x[t]) + above, mem1)
            spk, mem2 = self.lif2(self.fc2(spk), mem2)
            above = self.down(spk)
            out.append(spk)
        return torch.stack(out, 1).sum(1)


def snn_hidden() -> nn.Module:
    """One step; states are hidden."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 8), snn.RLeaky(beta=0.9, linear_features=8, init_hidden=True),
        nn.Linear(8, 5), snn.Leaky(beta=0.9, init_hidden=True, output=True),
    )  # fmt: skip


def sj_linear_container() -> nn.Module:
    """A container that concatenates its input with its output of the step before; the first of an image."""
    return nn.Sequential(
        layer.Flatten(),
        layer.LinearRecurrentContainer(nn.Sequential(nn.Linear(64, 8), neuron.LIFNode(tau=2.0)), 64, 8),
        layer.Linear(8, 5), neuron.IFNode(),
    )  # fmt: skip


def sj_spikes_container() -> nn.Module:
    """The same behind spikes."""
    return nn.Sequential(
        layer.Flatten(), layer.Linear(64, 9), neuron.IFNode(),
        layer.LinearRecurrentContainer(neuron.LIFNode(tau=2.0), 9, 9), layer.Linear(9, 5), neuron.IFNode(),
    )  # fmt: skip


class SjElementWise(nn.Module):
    """A container that adds its output of the step before; whole sequences around it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            layer.Conv2d(1, 3, 3, stride=2), neuron.IFNode(), layer.Conv2d(3, 3, 3, padding=1),
            layer.ElementWiseRecurrentContainer(neuron.IFNode(v_reset=None), lambda before, x: x + before),
            layer.Flatten(), layer.Linear(27, 5), neuron.LIFNode(),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        functional.reset_net(self)
        return sum(self.net(x) for _ in range(T)) / T


class SjSequences(nn.Module):
    """A container of whole sequences between layers of whole sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            layer.Flatten(), layer.Linear(64, 8), neuron.IFNode(),
            layer.LinearRecurrentContainer(neuron.LIFNode(), 8, 8), layer.Linear(8, 5), neuron.LIFNode(),
        )  # fmt: skip
        functional.set_step_mode(self, "m")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x.unsqueeze(0).repeat(T, 1, 1, 1, 1)).sum(0)


class NorseRecurrentCell(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lif1, self.fc, self.lif2 = norse.LIFRecurrentCell(12, 8, dt=0.002), nn.Linear(8, 4), norse.LIFCell()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s1 = s2 = None
        out = []
        for now in x:
            z, s1 = self.lif1(3 * now, s1)
            z, s2 = self.lif2(20 * self.fc(z), s2)
            out.append(z)
        return torch.stack(out).sum(0)


class NorseTime(nn.Module):
    """Whole sequences through Norse's layers of time."""

    def __init__(self) -> None:
        super().__init__()
        self.net = norse.SequentialState(norse.LIFRecurrent(12, 8), nn.Linear(8, 4), norse.LIF())
        self.net[0].input_weights.data *= 6
        self.net[1].weight.data *= 20

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)[0].sum(0)


RECURRENT: dict[str, tuple[Callable[[], nn.Module], dict[str, Any], tuple[int, ...]]] = {
    "snnTorch, RSynaptic": (lambda: loud(SnnBraille(), 1.5), {"time_axis": 0}, (12,)),
    "snnTorch, RSynaptic to zero": (lambda: loud(SnnBraille(reset_mechanism="zero"), 1.5), {"time_axis": 0}, (12,)),
    "snnTorch, RSynaptic without delay": (lambda: loud(SnnBraille(reset_delay=False), 1.5), {"time_axis": 0}, (12,)),
    "snnTorch, RLeaky": (lambda: loud(SnnRecurrent()), {}, IMAGE),
    "snnTorch, RLeaky to zero": (lambda: loud(SnnRecurrent(reset_mechanism="zero")), {}, IMAGE),
    "snnTorch, RLeaky to zero at once": (
        lambda: loud(SnnRecurrent(reset_mechanism="zero", reset_delay=False)), {}, IMAGE),
    "snnTorch, hidden states": (lambda: loud(snn_hidden()), STEP, IMAGE),
    "by hand": (lambda: loud(ByHand()), {}, IMAGE),
    "from above": (lambda: loud(FromAbove(), 6), {"time_axis": 0}, (12,)),
    "SpikingJelly, linear container": (lambda: loud(sj_linear_container(), 2), STEP, IMAGE),
    "SpikingJelly, linear container of spikes": (lambda: loud(sj_spikes_container()), STEP, IMAGE),
    "SpikingJelly, added to itself": (lambda: loud(SjElementWise()), {}, IMAGE),
    "SpikingJelly, sequences": (lambda: loud(SjSequences()), {}, IMAGE),
    "Norse, cell": (NorseRecurrentCell, {"time_axis": 0}, (12,)),
    "Norse, layers of time": (NorseTime, {"time_axis": 0}, (12,)),
}  # fmt: skip
