# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Draws the cylinder-bell-funnel sequences, trains my_1d.py on them and writes what `make sim` takes:

python examples/own_model_1d/train.py         # writes build/own_model_1d/my_1d.npz and my_1d.safetensors
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from my_1d import build
from safetensors.torch import save_file

LENGTH, EPOCHS, BATCH = 128, 8, 50
LOWEST, HIGHEST = -4.0, 12.0  # what the 8 bits of a sample span


def sequences(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(float32 [count, 1, 128] in [0, 1], int64 [count]): N. Saito's synthetic task (1994).

    Between a and b a plateau (cylinder), a ramp up (bell) or down (funnel), of height 6 + N(0, 1); N(0, 1) is
    added everywhere. a is uniform in 16..32, b - a in 32..96.
    """
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, count)
    a = rng.integers(16, 33, (count, 1))
    width = rng.integers(32, 97, (count, 1))
    rise = (np.arange(1, LENGTH + 1) - a) / width
    shape = np.choose(y[:, None], [np.ones_like(rise), rise, 1 - rise]) * ((rise >= 0) & (rise <= 1))
    x = (6 + rng.standard_normal((count, 1))) * shape + rng.standard_normal((count, LENGTH))
    return np.clip((x - LOWEST) / (HIGHEST - LOWEST), 0, 1).astype(np.float32)[:, None], y


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build/own_model_1d")
    folder.mkdir(parents=True, exist_ok=True)
    (x_train, y_train), (x_test, y_test) = sequences(2000, seed=0), sequences(400, seed=1)
    np.savez(folder / "my_1d.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)

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
    save_file(model.state_dict(), folder / "my_1d.safetensors")
    print(f"wrote {folder / 'my_1d.npz'} and {folder / 'my_1d.safetensors'}")


if __name__ == "__main__":
    main()
