# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A U-shaped network for `make sim NET=examples/u_shape/u_net.py:build DATA=digits`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Sequential):
    """3 x 3, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class UNet(nn.Module):
    """[N, inputs, H, W] in [0, 1] -> logits [N, classes]; H and W are multiples of 4.

    Two poolings, two upsamplings; what each pooling reads is joined to what comes back up to its size (arXiv
    1505.04597). widths: channels at full, half and quarter size.
    """

    def __init__(self, inputs: int, widths: Sequence[int], classes: int) -> None:
        super().__init__()
        full, half, quarter = widths
        self.down1, self.down2, self.bottom = Block(inputs, full), Block(full, half), Block(half, quarter)
        self.up2, self.up1 = Block(quarter + half, half), Block(half + full, full)
        self.fc = nn.Linear(full, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skip1 = self.down1(x)
        skip2 = self.down2(F.max_pool2d(skip1, 2))
        x = self.bottom(F.max_pool2d(skip2, 2))
        x = self.up2(torch.cat([skip2, F.interpolate(x, scale_factor=2)], 1))
        x = self.up1(torch.cat([skip1, F.interpolate(x, scale_factor=2)], 1))
        logits: torch.Tensor = self.fc(x.mean((2, 3)))
        return logits


def build() -> nn.Module:
    """For the 8 x 8 digits."""
    torch.manual_seed(0)
    return UNet(1, (4, 8, 8), 10)


def full() -> nn.Module:
    """With 16, 32 and 64 channels, for images of any size."""
    torch.manual_seed(0)
    return UNet(1, (16, 32, 64), 10)
