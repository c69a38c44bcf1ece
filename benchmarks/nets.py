# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Networks of the kinds that people bring, in PyTorch: residual, depthwise-separable, concatenating."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


def fired(ci: int, co: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Convolution that keeps the size, BatchNorm, ReLU."""
    conv = nn.Conv2d(ci, co, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(co), nn.ReLU()]


class Basic(nn.Module):
    """Two 3 x 3 convolutions and a way round them (arXiv 1512.03385); a 1 x 1 convolution on it where shapes differ."""

    def __init__(self, ci: int, co: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(*fired(ci, co, 3, stride))
        self.second = nn.Sequential(*fired(co, co, 3)[:-1])
        self.way = nn.Sequential(*fired(ci, co, 1, stride)[:-1]) if (ci, stride) != (co, 1) else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.second(self.first(x)) + self.way(x))


class Mixed(nn.Module):
    """Branches of 1 x 1 and 3 x 3 convolutions and a pool, concatenated (arXiv 1409.4842)."""

    def __init__(self, ci: int, co: int) -> None:
        super().__init__()
        part = co // 4
        self.one, self.three = nn.Sequential(*fired(ci, part, 1)), nn.Sequential(*fired(ci, 2 * part, 3))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), *fired(ci, co - 3 * part, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.one(x), self.three(x), self.pool(x)], 1)


def _headed(layers: Sequence[nn.Module], shape: tuple[int, int, int], channels: int, classes: int) -> nn.Module:
    """`layers`, the mean of each channel, and a linear layer."""
    model: Any = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
    model.input_shape = shape
    return model


def resnet(
    widths: Sequence[int] = (16, 32, 64), blocks: int = 3, shape: tuple[int, int, int] = (3, 32, 32), classes: int = 10
) -> nn.Module:
    """6 n + 2 layers for n blocks of each width, with strides of 2 between widths: ResNet-20 by default. Its shortcuts
    across widths are 1 x 1 convolutions (option B of the paper)."""
    layers, ci = fired(shape[0], widths[0], 3), widths[0]
    for n, co in enumerate(widths):
        for block in range(blocks):
            layers.append(Basic(ci, co, 2 if n and not block else 1))
            ci = co
    return _headed(layers, shape, ci, classes)


def residual(shape: tuple[int, int, int]) -> nn.Module:
    """A residual network of 8 layers for small images."""
    return resnet((8, 16), 1, shape) if shape[1] < 16 else resnet((8, 16, 32), 1, shape)


def separable(shape: tuple[int, int, int]) -> nn.Module:
    """3 x 3 convolutions of each channel alone, then 1 x 1 across them (arXiv 1704.04861)."""
    layers, ci = fired(shape[0], 16, 3), 16
    for co, stride in ((24, 1), (48, 2), (48, 1)):
        layers += [*fired(ci, ci, 3, stride, groups=ci), *fired(ci, co, 1)]
        ci = co
    return _headed(layers, shape, ci, 10)


def concatenating(shape: tuple[int, int, int]) -> nn.Module:
    """Two blocks of branches, a pool between them."""
    return _headed([*fired(shape[0], 8, 3), Mixed(8, 16), nn.MaxPool2d(2), Mixed(16, 32)], shape, 32, 10)
