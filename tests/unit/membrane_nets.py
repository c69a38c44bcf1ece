# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Networks whose answer is a membrane, in the manner of each framework's tutorials, small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import norse.torch as norse
import snntorch as snn
import torch
import torch.nn.functional as F
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

from tests.unit.spiking_nets import IMAGE, SnnMlp, T, loud, snn_sequential

# What a run gives of the membranes of all steps.
ANSWERS: dict[str, Callable[[list[torch.Tensor]], Any]] = {
    "last": lambda mem: mem[-1],
    "last of a stack": lambda mem: torch.stack(mem)[-1],
    "maximum": lambda mem: torch.stack(mem).max(0)[0],
    "largest": lambda mem: torch.stack(mem, dim=1).amax(1),
    "sum": lambda mem: torch.stack(mem).sum(dim=0),
    "mean": lambda mem: torch.stack(mem, 1).mean(1),
    "stack": torch.stack,
    "list": lambda mem: mem,
}


class SnnMembrane(nn.Module):
    """mem of neurons that fire and reset, or do not."""

    def __init__(self, answer: str, **options: Any) -> None:
        super().__init__()
        self.answer = answer
        self.fc1, self.lif1 = nn.Linear(64, 20), snn.Leaky(beta=0.9)
        self.fc2, self.lif2 = nn.Linear(20, 5), snn.Leaky(beta=0.75, **options)

    def forward(self, x: torch.Tensor) -> Any:
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        membranes, total = [], torch.zeros(1)
        for _ in range(T):
            spk, mem1 = self.lif1(self.fc1(x.flatten(1)), mem1)
            _, mem2 = self.lif2(self.fc2(spk), mem2)
            membranes.append(mem2)
            total = total + mem2
        return total if self.answer == "running sum" else ANSWERS[self.answer](membranes)


class SnnSynaptic(nn.Module):
    """A synaptic current in the readout, spikes over time in."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(12, 16), snn.Leaky(beta=0.9)
        self.fc2, self.lif2 = nn.Linear(16, 4), snn.Synaptic(alpha=0.6, beta=0.8, reset_mechanism="none")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem1 = self.lif1.init_leaky()
        syn, mem = self.lif2.init_synaptic()
        for t in range(x.size(0)):
            spk, mem1 = self.lif1(self.fc1(x[t]), mem1)
            _, syn, mem = self.lif2(self.fc2(spk), syn, mem)
        return mem


class NorseReadout(nn.Module):
    """Norse's MNIST task: cells, an integrator at the end, its voltages in a tensor of all steps, their maximum."""

    def __init__(self, cell: str) -> None:
        super().__init__()
        self.conv, self.lif = nn.Conv2d(1, 4, 3), norse.LIFCell()
        own = cell == "LILinearCell"
        self.fc = nn.Identity() if own else nn.Linear(36, 5)
        self.out = norse.LILinearCell(36, 5) if own else getattr(norse, cell)()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = out = None
        voltages = torch.zeros(x.shape[0], x.shape[1], 5)
        for t in range(x.shape[0]):
            z, state = self.lif(10 * self.conv(x[t]), state)
            z = F.max_pool2d(z, 2, 2).flatten(1)
            v, out = self.out(self.fc(F.relu(z)), out)
            voltages[t] = v
        return torch.max(voltages, 0).values


class SjIntegrators(nn.Module):
    """Whole sequences, integrators at the end that decode by themselves, or give all steps."""

    def __init__(self, last: nn.Module) -> None:
        super().__init__()
        self.net = nn.Sequential(
            layer.Conv2d(1, 4, 3, padding=1), neuron.IFNode(), layer.MaxPool2d(2, 2), layer.Flatten(),
            layer.Linear(64, 5), last,
        )  # fmt: skip
        functional.set_step_mode(self, "m")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        v = self.net(x.unsqueeze(0).repeat(T, 1, 1, 1, 1))
        return torch.stack(v).max(0).values if isinstance(v, list) else v


class SjMembrane(nn.Module):
    """v, read from the module behind the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), neuron.IFNode(), nn.Linear(16, 5),
                                 neuron.LIFNode(2.0))  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(T):
            self.net(x)
        return self.net[-1].v  # type: ignore[return-value]


class SjTrace(nn.Module):
    """v_seq of a layer that never reaches its threshold."""

    def __init__(self) -> None:
        super().__init__()
        self.last = neuron.LIFNode(4.0, v_threshold=1e9, store_v_seq=True)
        self.net = nn.Sequential(layer.Flatten(), layer.Linear(64, 16), neuron.IFNode(), layer.Linear(16, 5), self.last)
        functional.set_step_mode(self, "m")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.net(x.unsqueeze(0).repeat(T, 1, 1, 1, 1))
        return self.last.v_seq.mean(0)


def _snn(answer: str, readout: str | None = None, **options: Any) -> tuple[Any, dict[str, Any], tuple[int, ...]]:
    return lambda: loud(SnnMembrane(answer, **options)), {"readout": readout} if readout else {}, IMAGE


def _norse(cell: str) -> tuple[Any, dict[str, Any], tuple[int, ...]]:
    return lambda: loud(NorseReadout(cell), 20), {"time_axis": 0}, IMAGE


def _sj(last: Callable[[], nn.Module]) -> tuple[Any, dict[str, Any], tuple[int, ...]]:
    return lambda: loud(SjIntegrators(last())), {}, IMAGE


# By name: (module, what convert() is told, shape of a sample).
NETS: dict[str, tuple[Callable[[], nn.Module], dict[str, Any], tuple[int, ...]]] = {
    **{f"snnTorch, {answer}": _snn(answer) for answer in (*list(ANSWERS)[:6], "running sum")},
    "snnTorch, stack": _snn("stack", "membrane-max"),
    "snnTorch, list": _snn("list", "membrane-sum"),
    "snnTorch, to zero": _snn("maximum", reset_mechanism="zero"),
    "snnTorch, no reset": _snn("sum", reset_mechanism="none"),
    "snnTorch, current": (lambda: loud(SnnSynaptic(), 6), {"time_axis": 0}, (12,)),
    "snnTorch, beside spikes": (lambda: loud(SnnMlp()), {"readout": "membrane-max"}, IMAGE),
    "snnTorch, one step": (lambda: loud(snn_sequential()), {"steps": T, "readout": "membrane-last"}, IMAGE),
    "Norse, LICell": _norse("LICell"),
    "Norse, LIBoxCell": _norse("LIBoxCell"),
    "Norse, LILinearCell": _norse("LILinearCell"),
    **{f"SpikingJelly, {how}": _sj(lambda how=how: neuron.NonSpikingLIFNode(4.0, how))  # type: ignore[misc]
       for how in ("max-mem", "mean-mem", "last_mem")},
    "SpikingJelly, integrators": _sj(neuron.NonSpikingIFNode),
    "SpikingJelly, v": (lambda: loud(SjMembrane()), {}, IMAGE),
    "SpikingJelly, v_seq": (lambda: loud(SjTrace()), {}, IMAGE),
}  # fmt: skip


def made(name: str, frames: int = 40) -> tuple[nn.Module, torch.Tensor, dict[str, Any]]:
    """(module, sample, options) of a network."""
    make, options, shape = NETS[name]
    torch.manual_seed(1)
    model = make().eval()
    axis = options.get("time_axis")
    size = (frames, *shape) if axis is None else (T, frames, *shape)
    sample = torch.rand(size) if axis is None else (torch.rand(size) < 0.4).float()
    return model, sample, options
