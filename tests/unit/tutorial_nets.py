# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""More networks in the manner of tutorials: states in containers, loops over the data, encoders inside, small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import norse.torch as norse
import snntorch as snn
import torch
import torch.nn.functional as F
from snntorch import surrogate, utils
from spikingjelly.activation_based import encoding, functional, layer, neuron
from torch import nn

from tests.unit.spiking_nets import IMAGE, STEP, T, loud


class SnnHiddenLoop(nn.Module):
    """A Sequential of hidden states, called for every step of the data; reset by snnTorch's own function."""

    def __init__(self) -> None:
        super().__init__()
        grad = surrogate.fast_sigmoid(slope=25)
        self.net = nn.Sequential(
            nn.Conv2d(2, 4, 3), snn.Leaky(beta=0.5, spike_grad=grad, init_hidden=True), nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 2), snn.Leaky(beta=0.5, spike_grad=grad, init_hidden=True), nn.Flatten(),
            nn.Linear(24, 4), snn.Leaky(beta=0.5, spike_grad=grad, init_hidden=True, output=True),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        utils.reset(self.net)
        recorded = []
        for step in range(x.size(0)):
            spikes, _ = self.net(x[step])
            recorded.append(spikes)
        return torch.stack(recorded)


class SnnWords(nn.Module):
    """A one-dimensional convolution over features, then a recurrent layer: words spoken, in frames."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif1 = nn.Conv1d(1, 4, 3, stride=2), snn.Leaky(beta=0.8)
        self.fc, self.lif2 = nn.Linear(20, 8), snn.RLeaky(beta=0.9, linear_features=8, reset_mechanism="zero")
        self.out, self.lif3 = nn.Linear(8, 4), snn.Leaky(beta=0.95)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem1, (spk2, mem2), mem3 = self.lif1.init_leaky(), self.lif2.init_rleaky(), self.lif3.init_leaky()
        count = torch.zeros(x.shape[1], 4)
        for now in x:
            spk1, mem1 = self.lif1(self.conv(now), mem1)
            spk2, mem2 = self.lif2(self.fc(spk1.flatten(1)), spk2, mem2)
            spk3, mem3 = self.lif3(self.out(spk2), mem3)
            count += spk3
        return count


class SnnConvolved(nn.Module):
    """Events of a camera; the feedback is a convolution, normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif1 = nn.Conv2d(2, 4, 3, padding=1, bias=False), snn.Leaky(beta=0.75, threshold=0.75)
        self.norm, self.back = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1)
        self.pool, self.fc, self.lif2 = nn.AvgPool2d(2), nn.Linear(64, 5), snn.Leaky(beta=0.9)
        self.norm.running_var = torch.rand(4) + 0.5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spk = torch.zeros(x.shape[0], 4, 8, 8)
        out = []
        for t in range(x.shape[1]):
            spk, mem1 = self.lif1(self.norm(self.conv(x[:, t]) + self.back(spk)), mem1)
            z, mem2 = self.lif2(self.fc(self.pool(spk).flatten(1)), mem2)
            out.append(z)
        return torch.stack(out, dim=1).mean(1)


class SjCsnn(nn.Module):
    """SpikingJelly's CSNN: whole sequences, a static encoder of one convolution in front."""

    def __init__(self) -> None:
        super().__init__()
        self.static = nn.Sequential(layer.Conv2d(1, 4, 3, padding=1, bias=False), layer.BatchNorm2d(4))
        self.conv = nn.Sequential(
            neuron.IFNode(), layer.MaxPool2d(2, 2), layer.Conv2d(4, 6, 3, padding=1, bias=False), layer.BatchNorm2d(6),
            neuron.IFNode(), layer.MaxPool2d(2, 2),
        )  # fmt: skip
        self.fc = nn.Sequential(
            layer.Flatten(), layer.Dropout(0.5), layer.Linear(24, 16, bias=False), neuron.LIFNode(),
            layer.Linear(16, 5, bias=False), neuron.LIFNode(decay_input=False, v_reset=None),
        )  # fmt: skip
        functional.set_step_mode(self, "m")
        functional.set_step_mode(self.static, "s")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x_seq = self.static(x).unsqueeze(0).repeat(T, 1, 1, 1, 1)
        return self.fc(self.conv(x_seq)).mean(0)


class SjPoisson(nn.Module):
    """SpikingJelly's first network: an encoder that draws spikes, in a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = encoding.PoissonEncoder()
        self.layer = nn.Sequential(layer.Flatten(), layer.Linear(64, 5, bias=False), neuron.LIFNode(tau=2.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        functional.reset_net(self)
        rate: Any = 0.0
        for _ in range(2 * T):
            rate = rate + self.layer(self.encoder(x))
        return rate / (2 * T)


class SjWrapped(nn.Module):
    """Layers of torch in a container that takes time for batch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = layer.SeqToANNContainer(nn.Conv2d(2, 4, 3, stride=2), nn.BatchNorm2d(4))
        self.lif1, self.flat = neuron.LIFNode(tau=2.0, step_mode="m"), layer.SeqToANNContainer(nn.Flatten())
        self.fc, self.lif2 = layer.SeqToANNContainer(nn.Linear(36, 5)), neuron.IFNode(step_mode="m")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lif2(self.fc(self.flat(self.lif1(self.conv(x))))).sum(0)


class SjFeedback(nn.Module):
    """Two recurrent containers, one within the other."""

    def __init__(self) -> None:
        super().__init__()
        inner = layer.LinearRecurrentContainer(neuron.LIFNode(tau=1.5), 6, 6)
        self.net = nn.Sequential(
            layer.Flatten(), layer.Linear(12, 6), neuron.IFNode(), inner, layer.Linear(6, 6),
            layer.ElementWiseRecurrentContainer(neuron.LIFNode(v_reset=None), lambda x, y: x + y), layer.Linear(6, 4),
            neuron.IFNode(),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        functional.reset_net(self)
        rate: Any = 0.0
        for now in x:
            rate = rate + self.net(now)
        return rate / len(x)


def norse_state() -> nn.Module:
    """One step of Norse's SequentialState."""
    return norse.SequentialState(
        nn.Conv2d(2, 4, 3), norse.LIFBoxCell(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5), norse.LIFBoxCell()
    )


class NorseStateLoop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = norse_state()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state, out = None, []
        for now in x:
            z, state = self.net(now, state)
            out.append(z)
        return torch.stack(out).sum(0)


class NorseLifted(nn.Module):
    """Whole sequences: layers of torch lifted over time, recurrent neurons between."""

    def __init__(self) -> None:
        super().__init__()
        self.net = norse.SequentialState(
            norse.Lift(nn.Conv2d(2, 3, 3, stride=2)), norse.LIF(), norse.Lift(nn.Flatten()), norse.LIFRecurrent(27, 6),
            norse.Lift(nn.Linear(6, 4)), norse.LIF(),
        )  # fmt: skip
        self.net[0].lifted_module.weight.data *= 30
        self.net[3].input_weights.data *= 6
        self.net[4].lifted_module.weight.data *= 20

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spikes, _ = self.net(x)
        return spikes.sum(0)


class Ring(nn.Module):
    """Three layers of one net; the last drives the first, each by its own weights and with functions of torch."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(12, 6), nn.Linear(6, 6), nn.Linear(6, 4)
        self.back = nn.Parameter(torch.randn(6, 4) * 0.5)
        self.cells = nn.ModuleList(snn.Leaky(beta=beta, init_hidden=True) for beta in (0.5, 0.75, 0.875))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        last, total = torch.zeros(x.shape[1], 4), []
        for now in x:
            h = self.cells[0](self.a(now) + F.linear(last, self.back))
            h = self.cells[1](self.b(h))
            last = self.cells[2](self.c(h))
            total.append(last)
        return torch.stack(total).sum(dim=0)


class NorseRefractory(nn.Module):
    """Cells that rest after a spike."""

    def __init__(self) -> None:
        super().__init__()
        first, second = (norse.LIFRefracParameters(rho_reset=torch.as_tensor(steps)) for steps in (2.0, 1.0))
        self.conv, self.lif1 = nn.Conv2d(2, 4, 3), norse.LIFRefracCell(first)
        self.fc, self.lif2 = nn.Linear(144, 5), norse.LIFRefracCell(second)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s1 = s2 = None
        out = []
        for now in x:
            z, s1 = self.lif1(self.conv(now), s1)
            z, s2 = self.lif2(self.fc(z.flatten(1)), s2)
            out.append(z)
        return torch.stack(out).sum(0)


def sj_currents() -> nn.Module:
    """SpikingJelly's neurons with a synaptic current, either reset."""
    return nn.Sequential(
        layer.Flatten(), layer.Linear(64, 16), neuron.CUBALIFNode(v_reset=None), layer.Linear(16, 5),
        neuron.CUBALIFNode(c_decay=0.25, v_decay=0.9, v_threshold=1.0, v_reset=-0.25),
    )  # fmt: skip


EVENTS = (2, 8, 8)
TUTORIALS: dict[str, tuple[Callable[[], nn.Module], dict[str, Any], tuple[int, ...]]] = {
    "snnTorch, Sequential in a loop": (lambda: loud(SnnHiddenLoop(), 4), {"time_axis": 0}, EVENTS),
    "snnTorch, words": (lambda: loud(SnnWords(), 4), {"time_axis": 0}, (1, 12)),
    "snnTorch, feedback by convolution": (lambda: loud(SnnConvolved(), 2), {"time_axis": 1}, EVENTS),
    "SpikingJelly, static encoder": (lambda: loud(SjCsnn()), {}, IMAGE),
    "SpikingJelly, drawn spikes": (lambda: loud(SjPoisson()), {}, IMAGE),
    "SpikingJelly, wrapped layers": (lambda: loud(SjWrapped()), {"time_axis": 0}, EVENTS),
    "SpikingJelly, containers": (lambda: loud(SjFeedback(), 8), {"time_axis": 0}, (12,)),
    "Norse, SequentialState": (lambda: loud(NorseStateLoop(), 40), {"time_axis": 0}, EVENTS),
    "Norse, lifted layers": (NorseLifted, {"time_axis": 0}, EVENTS),
    "Norse, refractory": (lambda: loud(NorseRefractory(), 60), {"time_axis": 0}, EVENTS),
    "SpikingJelly, currents": (lambda: loud(sj_currents()), STEP, IMAGE),
    "a ring of layers": (lambda: loud(Ring(), 4), {"time_axis": 0}, (12,)),
    "Norse, one step": (lambda: loud(norse_state(), 40), {**STEP, "time_axis": 0}, EVENTS),
}
