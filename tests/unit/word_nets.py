# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Networks of tutorials whose layers read or make numbers in every time step: pools in front of the neuron, averages
and sums of spikes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import snntorch as snn
import torch
import torch.nn.functional as F
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

from tests.unit.spiking_nets import IMAGE, STEP, T, loud


class Tutorial6(nn.Module):
    """snnTorch's sixth tutorial: the maximum of potentials, then the neuron."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.lif1 = nn.Conv2d(1, 4, 3), snn.Leaky(beta=0.5)
        self.conv2, self.lif2 = nn.Conv2d(4, 6, 2), snn.Leaky(beta=0.5)
        self.fc1, self.lif3 = nn.Linear(6, 5), snn.Leaky(beta=0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem1, mem2, mem3 = self.lif1.init_leaky(), self.lif2.init_leaky(), self.lif3.init_leaky()
        out = []
        for _ in range(T):
            spk1, mem1 = self.lif1(F.max_pool2d(self.conv1(x), 2), mem1)
            spk2, mem2 = self.lif2(F.max_pool2d(self.conv2(spk1), 2), mem2)
            spk3, mem3 = self.lif3(self.fc1(spk2.view(x.size(0), -1)), mem3)
            out.append(spk3)
        return torch.stack(out)


def snn_padded_pool() -> nn.Module:
    """A pool that overlaps and pads, BatchNorm behind it, then the neuron."""
    norm = nn.BatchNorm2d(4)
    norm.bias.data -= 0.3
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.MaxPool2d(3, 2, 1), norm, snn.Leaky(beta=0.5, init_hidden=True), nn.Flatten(),
        nn.Linear(36, 5), snn.Leaky(beta=0.9, init_hidden=True, output=True),
    )  # fmt: skip


class Sew(nn.Module):
    """SpikingJelly's SEW-ResNet, small: two blocks, whose joint is `g`, then a global average."""

    def __init__(self, g: str, channels: int = 4) -> None:
        super().__init__()
        self.g = g
        self.stem = nn.Sequential(layer.Conv2d(1, channels, 3, padding=1), layer.BatchNorm2d(channels), neuron.IFNode())
        self.blocks = nn.ModuleList(self._block(channels) for _ in range(2))
        self.pool, self.fc = layer.AdaptiveAvgPool2d(1), layer.Linear(channels, 5)
        functional.set_step_mode(self, "m")

    def _block(self, channels: int) -> nn.Module:
        return nn.Sequential(
            layer.Conv2d(channels, channels, 3, padding=1, bias=False), layer.BatchNorm2d(channels), neuron.IFNode()
        )

    def joined(self, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return {"add": lambda: y + x, "and": lambda: y * x, "iand": lambda: (1.0 - y) * x}[self.g]()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.stem(x.unsqueeze(0).repeat(T, 1, 1, 1, 1))
        for block in self.blocks:
            y = self.joined(block(y), y)
        return self.fc(torch.flatten(self.pool(y), 2)).mean(0)


class Averages(nn.Module):
    """Averages in front of a Conv that pads, and of two readers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.lif1 = nn.Conv2d(1, 4, 3, padding=1), snn.Leaky(beta=0.75)
        self.conv2, self.lif2 = nn.Conv2d(4, 4, 3, padding=1), snn.Leaky(beta=0.75)
        self.fc, self.lif3 = nn.Linear(64, 5), snn.Leaky(beta=0.75)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        m1, m2, m3 = self.lif1.init_leaky(), self.lif2.init_leaky(), self.lif3.init_leaky()
        out = []
        for _ in range(T):
            spk, m1 = self.lif1(self.conv1(x), m1)
            spk, m2 = self.lif2(self.conv2(F.avg_pool2d(spk, 2)), m2)
            spk, m3 = self.lif3(self.fc(spk.flatten(1)), m3)
            out.append(spk)
        return torch.stack(out).sum(0)


class Samples(nn.Module):
    """snnTorch: a loop over samples that change from step to step, in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif1 = nn.Conv2d(1, 4, 3, padding=1), snn.Leaky(beta=0.75)
        self.fc, self.lif2 = nn.Linear(64, 5), snn.Leaky(beta=0.75)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        m1, m2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        out = []
        for t in range(x.size(1)):
            spk, m1 = self.lif1(F.max_pool2d(self.conv(x[:, t]), 2), m1)
            spk, m2 = self.lif2(self.fc(spk.flatten(1)), m2)
            out.append(spk)
        return torch.stack(out).mean(0)


class Integrated(nn.Module):
    """snnTorch: averages of samples that change from step to step, straight into neurons that only integrate."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.out = nn.Linear(16, 5), snn.Leaky(beta=0.8, reset_mechanism="none")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem, total = self.out.init_leaky(), torch.zeros(1)
        for t in range(x.size(1)):
            _, mem = self.out(self.fc(F.avg_pool2d(x[:, t], 2).flatten(1)), mem)
            total = total + mem
        return total


def sj_events() -> nn.Module:
    """SpikingJelly's network for event cameras: counts of two polarities, averaged, whole sequences."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(
                layer.AvgPool2d(2), layer.Conv2d(2, 4, 3, padding=1, bias=False), layer.BatchNorm2d(4),
                neuron.LIFNode(), layer.MaxPool2d(2), layer.Flatten(), layer.Linear(16, 5), neuron.LIFNode(),
            )  # fmt: skip
            functional.set_step_mode(self, "m")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.net(x).mean(0)

    return Net()


# By name: (module, what convert() is told, shape of a sample, kinds of the operators that are the point).
NETS: dict[str, tuple[Callable[[], nn.Module], dict[str, Any], tuple[int, ...], set[str]]] = {
    "snnTorch, tutorial 6": (lambda: loud(Tutorial6()), {}, IMAGE, {"maxpool"}),
    "snnTorch, padded pool": (lambda: loud(snn_padded_pool()), STEP, IMAGE, {"maxpool"}),
    "snnTorch, averages": (lambda: loud(Averages()), {}, IMAGE, {"sumpool"}),
    "snnTorch, samples": (lambda: loud(Samples()), {"time_axis": 1}, IMAGE, {"conv", "maxpool"}),
    "snnTorch, samples integrated": (Integrated, {"time_axis": 1}, IMAGE, {"sumpool", "membrane"}),
    "SpikingJelly, event counts": (lambda: loud(sj_events(), 6), {"time_axis": 0}, (2, 8, 8), {"sumpool", "orpool"}),
    "SpikingJelly, SEW add": (lambda: loud(Sew("add")), {}, IMAGE, {"add", "sumpool"}),
    "SpikingJelly, SEW and": (lambda: loud(Sew("and")), {}, IMAGE, {"and"}),
    "SpikingJelly, SEW iand": (lambda: loud(Sew("iand")), {}, IMAGE, {"iand"}),
}


def made(name: str, frames: int = 40) -> tuple[nn.Module, torch.Tensor, dict[str, Any]]:
    """(module, sample, options) of a network."""
    make, options, shape, _ = NETS[name]
    torch.manual_seed(1)
    model, axis = make().eval(), options.get("time_axis")
    size = [frames] if axis is None else [T, frames] if axis == 0 else [frames, T]
    sample = torch.rand((*size, *shape))
    return model, (4 * sample**2).round() if "counts" in name else sample, options
