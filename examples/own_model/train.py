# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Draws a small data set, trains my_net.py on it and writes what `make sim` takes:

python examples/own_model/train.py            # writes build/own_model/my.npz and my_net.safetensors
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from my_net import build
from safetensors.torch import save_file

SIZE, EPOCHS, BATCH = 12, 8, 50


def images(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(float32 [count, 1, 12, 12] in [0, 1], int64 [count]): one noisy shape each, somewhere in the image."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.0, 0.35, (count, 1, SIZE, SIZE))
    y = rng.integers(0, 4, count)
    for image, label in zip(x[:, 0], y, strict=True):
        top, left, length = rng.integers(0, 5), rng.integers(0, 5), rng.integers(5, 8)
        middle, ink = length // 2, rng.uniform(0.6, 1.0)
        shape = np.zeros((length, length), bool)
        if label in (0, 2):
            shape[:, middle] = True
        if label in (1, 2):
            shape[middle] = True
        if label == 3:
            shape[[0, -1]] = shape[:, [0, -1]] = True
        image[top : top + length, left : left + length][shape] = ink
    return x.astype(np.float32), y


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build/own_model")
    folder.mkdir(parents=True, exist_ok=True)
    (x_train, y_train), (x_test, y_test) = images(2000, seed=0), images(400, seed=1)
    np.savez(folder / "my.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)

    torch.manual_seed(0)
    model = build().train()
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    x, y = torch.from_numpy(x_train), torch.from_numpy(y_train)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(x)).split(BATCH):
            loss = F.cross_entropy(model(x[chosen]), y[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    save_file(model.state_dict(), folder / "my_net.safetensors")
    print(f"wrote {folder / 'my.npz'} and {folder / 'my_net.safetensors'}")


if __name__ == "__main__":
    main()
