# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Models that branch: random ones of residual blocks, concatenations and sums, as people write them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Residual(nn.Module):
    """relu(conv(relu(conv(x))) + x), as in ResNet (arXiv 1512.03385); with a 1x1 convolution on the way round where the
    shape changes. in_place: the sum as out += x."""

    def __init__(self, channels: int, out: int, stride: int = 1, in_place: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(out), nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.shortcut = nn.Sequential()
        if stride > 1 or channels != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        self.in_place = in_place

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.in_place:
            out += self.shortcut(x)
        else:
            out = out + self.shortcut(x)
        return F.relu(out)


class Inception(nn.Module):
    """Branches of unlike kernels and a pool, concatenated; the ReLU behind them. late: of all at once."""

    def __init__(self, channels: int, late: bool) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(channels, 2, 1), nn.Conv2d(channels, 3, 3, padding=1)
        self.pool, self.late = nn.MaxPool2d(3, 1, 1), late

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b, c = self.a(x), self.b(x), self.pool(x)
        if self.late:
            return torch.cat([torch.relu(torch.cat([a, b], 1)), c], dim=1)
        return torch.cat((a.relu(), b.relu(), c), 1)


class Sum(nn.Module):
    """x + relu(conv(x)): a sum of what has fired."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x).relu()


class Dense(nn.Module):
    """A dense block of two layers (arXiv 1608.06993) without BatchNorm in front."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(channels, 2, 3, padding=1), nn.Conv2d(channels + 2, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.cat([x, torch.relu(self.one(x))], 1)
        return torch.cat([x, torch.relu(self.two(x))], 1)


class U(nn.Module):
    """A pool and a convolution on the way round, brought back to the size of what skips them, as in U-Net
    (arXiv 1505.04597). early: the ReLU in front of the upsampling."""

    def __init__(self, channels: int, early: bool) -> None:
        super().__init__()
        self.conv, self.early = nn.Conv2d(channels, 3, 3, padding=1), early

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(F.max_pool2d(x, 2))
        if self.early:
            return torch.cat([x, F.interpolate(y.relu(), scale_factor=2)], 1)
        return torch.cat([F.interpolate(y, size=x.shape[2:], mode="nearest-exact").relu(), x], 1)


class Separable(nn.Module):
    """A depthwise convolution and a pointwise one, as in MobileNet (arXiv 1704.04861), clipped at 6. Its biases keep
    every channel alive."""

    def __init__(self, channels: int, out: int, multiplier: int) -> None:
        super().__init__()
        wide = channels * multiplier
        self.conv1 = nn.Conv2d(channels, wide, 3, padding=1, groups=channels)
        self.conv2 = nn.Conv2d(wide, out, 1)
        for conv in (self.conv1, self.conv2):
            nn.init.constant_(conv.bias, 0.2)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu6(self.conv2(F.relu6(self.conv1(x))))


def randomise(model: nn.Module, seed: int) -> nn.Module:
    """Statistics of BatchNorm as a trained model has them, scales of either sign."""
    g = torch.Generator().manual_seed(seed)
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            assert m.running_mean is not None
            assert m.running_var is not None
            m.running_mean.copy_(0.2 * torch.randn(m.num_features, generator=g))
            m.running_var.copy_(torch.rand(m.num_features, generator=g) + 0.3)
            m.weight.data = torch.randn(m.num_features, generator=g)
            m.bias.data = 0.3 * torch.randn(m.num_features, generator=g)
    return model.eval()


def headed(*layers: nn.Module, features: int) -> nn.Module:
    """`layers` and a linear one of five outputs."""
    torch.manual_seed(0)
    return randomise(nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, 5)), 0)


def random_model(seed: int, shape: tuple[int, int, int] = (2, 8, 6)) -> nn.Module:
    """A stem and one to three random blocks, perhaps pools and upsamplings between them, and a head; some end as
    ResNets do, in an average of the whole map."""
    rng, ups, apart = (np.random.default_rng(seed + n) for n in (0, 83, 82))
    torch.manual_seed(seed)
    channels, h, w = shape
    layers: list[nn.Module] = [nn.Conv2d(channels, 4, 3, padding=1), nn.ReLU()]
    channels, wide = 4, False  # wide: a sum has made words longer by a bit, which joins refuse
    for _ in range(int(rng.integers(1, 4))):
        kind = str(rng.choice(["residual", "down"] if wide else ["residual", "down", "inception", "sum", "dense"]))
        makers: dict[str, tuple[Callable[[], nn.Module], int]] = {
            "residual": (partial(Residual, channels, channels, in_place=bool(rng.integers(2))), channels),
            "down": (partial(Residual, channels, 5, 2), 5),
            "inception": (partial(Inception, channels, bool(rng.integers(2))), channels + 5),
            "sum": (partial(Sum, channels), channels),
            "dense": (partial(Dense, channels), channels + 4),
        }
        make, channels = makers[kind]
        layers.append(make())
        if apart.random() < 0.5:
            with torch.random.fork_rng():
                layers.append(Separable(channels, channels, int(apart.integers(1, 3))))
        wide = kind == "sum"
        if kind == "down":
            h, w = -(-h // 2), -(-w // 2)
        if ups.random() < 0.4 and not (wide or h % 2 or w % 2):
            layers.append(U(channels, bool(ups.integers(2))))
            channels += 3
        if ups.random() < 0.3 and h * w <= 24:
            layers.append(nn.Upsample(scale_factor=(2, 1)))
            h *= 2
        if rng.random() < 0.4 and min(h, w) >= 2:
            layers.append((nn.MaxPool2d if rng.random() < 0.6 else nn.AvgPool2d)(2))
            h, w = h // 2, w // 2
    if np.random.default_rng(seed + 1000).random() < 0.5:
        layers.append(nn.AvgPool2d((h, w)))
        h = w = 1
    head = nn.Sequential(nn.Flatten(), nn.Linear(channels * h * w, 5))
    return randomise(nn.Sequential(*layers, head), seed)
