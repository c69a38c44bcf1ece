# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The other way to hear a word: all its frames at once into a multilayer perceptron of as many weights."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from net import CHANNELS, CLASSES, FRAMES
from speech import Speech
from torch import nn
from training import BATCH, DECAY, RATE, SMOOTHING, SPREAD, augmented, on_grid, row_max

import pyflow

HIDDEN = 15  # 15,510 weights; the listener has 15,824


def accuracy(train: Speech, test: Speech, epochs: int, seed: int) -> dict[str, float]:
    """In percent, with weights of 4 bits from the first step on, and as a network of T = 4."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    first, last = nn.Linear(FRAMES * CHANNELS, HIDDEN), nn.Linear(HIDDEN, CLASSES)
    optimiser = torch.optim.AdamW([*first.parameters(), *last.parameters()], lr=RATE / 4, weight_decay=DECAY)
    steps = epochs * math.ceil(len(train.label) / BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    x = [torch.from_numpy(c).float() / 255 for c in (train.codes, train.late)]
    y, mean = torch.from_numpy(train.label), x[0].mean(0).flatten()

    def weights() -> tuple[torch.Tensor, torch.Tensor]:
        return on_grid(first.weight, row_max(first.weight)), on_grid(last.weight, last.weight.detach().abs().max())

    for _ in range(epochs):
        for chosen in torch.randperm(len(y), generator=generator).split(BATCH):
            batch = augmented(x[int(torch.randint(2, (1,), generator=generator))][chosen], generator).flatten(1)
            one, two = weights()
            answer = F.linear(F.linear((batch - mean) / SPREAD, one, first.bias).relu(), two, last.bias)
            loss = F.cross_entropy(answer, y[chosen], label_smoothing=SMOOTHING)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    with torch.no_grad():
        one, two = weights()
        first.weight.copy_(one / SPREAD)
        first.bias -= first.weight @ mean
        last.weight.copy_(two)
    model = nn.Sequential(nn.Flatten(), first, nn.ReLU(), last).eval()
    settings = {"timesteps": 4, "weight_bits": 4, "input_shape": (1, FRAMES, CHANNELS)}
    network = pyflow.convert(model, train.codes[:512, None], name="static", **settings)
    with torch.no_grad():
        known = model(torch.from_numpy(test.codes).float() / 255).argmax(1).numpy()
    answer = network.run(test.codes[:, None]).argmax(1)
    return {
        "float": 100 * float(np.mean(known == test.label)),
        "integers": 100 * float(np.mean(answer == test.label)),
        "alike": 100 * float(np.mean(known == answer)),
    }
