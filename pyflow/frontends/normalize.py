# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Input normalisation as a layer of the model, so that it travels with the network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class Normalize(nn.Module):
    """(x - mean) / std per channel, first in the model. mean, std: one number per channel (or one for all).

    Conversion folds it into the first layer: scales into the weights, the mean into the bias and, where
    that layer pads, into the code of a padded tap (rounded; the conversion report states the error).
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32).reshape(-1, 1, 1))
        self.register_buffer("std", torch.as_tensor(std, dtype=torch.float32).reshape(-1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shape = -1, *[1] * (x.ndim - 2)  # of images [N, C, H, W] or sequences [N, C, L]
        return (x - self.mean.reshape(shape)) / self.std.reshape(shape)
