# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The network that listens: a layer of spiking neurons, a recurrent one behind it, written in snnTorch.

Input [N, T, 1, 1, C]: in every time step the log-mel codes of a frame, code/255. Answer: the sum over time of what a
Linear makes of the second layer's spikes.
"""

from __future__ import annotations

import snntorch as snn
import torch
from torch import nn

FRAMES, CHANNELS, CLASSES = 32, 32, 10
FIRST, SECOND = 60, 88  # neurons: with all else, 30 block RAMs hold their synapses
KEPT_FIRST, KEPT_SECOND = 1 - 2**-1, 1 - 2**-3  # of a membrane from step to step: shifts on the chip


class Listener(nn.Module):
    """inputs: numbers per time step. recurrent: does the second layer hear itself?"""

    def __init__(self, inputs: int = CHANNELS, recurrent: bool = True) -> None:
        super().__init__()
        self.fc1 = nn.Linear(inputs, FIRST)
        self.lif1 = snn.Leaky(beta=KEPT_FIRST, reset_mechanism="zero")
        self.fc2 = nn.Linear(FIRST, SECOND)
        self.again = nn.Linear(SECOND, SECOND, bias=False) if recurrent else None
        self.lif2 = snn.Leaky(beta=KEPT_SECOND, reset_mechanism="zero")
        self.fc3 = nn.Linear(SECOND, CLASSES, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem1, mem2 = self.lif1.reset_mem(), self.lif2.reset_mem()
        spikes2 = torch.zeros(x.shape[0], SECOND)
        total = torch.zeros(x.shape[0], CLASSES)
        for t in range(x.shape[1]):
            spikes1, mem1 = self.lif1(self.fc1(x[:, t].flatten(1)), mem1)
            current = self.fc2(spikes1)
            if self.again is not None:
                current = current + self.again(spikes2)
            spikes2, mem2 = self.lif2(current, mem2)
            total = total + self.fc3(spikes2)
        return total


def build() -> nn.Module:
    return Listener()
