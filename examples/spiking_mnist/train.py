# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Trains a network of nets.py on MNIST and writes its weights beside it.

    python examples/spiking_mnist/train.py snntorch --data-dir DATA_DIR      # spikingjelly, norse

A tenth of the training images is held out; what these recipes and the networks are was chosen on it. The last epoch is
taken, and the test images are not looked at. A checkpoint after every epoch is in `--out`: a run that was stopped goes
on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from nets import NETS
from safetensors.torch import save_file

from pyflow import data as datasets
from pyflow.conversion.finetune import accuracy
from pyflow.errors import VolleyError
from pyflow.zoo.train import Recipe, train_float, validation

SEED = 0


def recipe(epochs: int, rate: float) -> Recipe:
    return Recipe("mnist", 0, epochs, 0, 128, rate, 0.0, degrees=5, shift=1.0, zoom=0.05)


# One after the other: each begins with the weights that the one before left.
RECIPES = {
    "snntorch": [recipe(4, 5e-3), recipe(2, 3e-3)],
    "spikingjelly": [recipe(6, 5e-3), recipe(4, 4e-3)],
    "norse": [recipe(4, 5e-3)],
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Trains a spiking network on MNIST.")
    parser.add_argument("name", choices=NETS)
    parser.add_argument("--data-dir", required=True, help="folder of the MNIST files")
    parser.add_argument("--out", default="build/spiking_mnist", type=Path, help="folder of checkpoints")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    try:
        data = validation(datasets.load("mnist", args.data_dir))
        args.out.mkdir(parents=True, exist_ok=True)
        model = NETS[args.name]()
        for cycle, chosen in enumerate(RECIPES[args.name]):
            checkpoint = args.out / f"{args.name}{f'-{cycle}' if cycle else ''}.ckpt"
            model = train_float(model, data, chosen, SEED + cycle, checkpoint)
    except VolleyError as e:
        print(f"train: {e}", file=sys.stderr)
        return 1
    held_out = 100 * accuracy(model, data.x_test, data.y_test)
    weights = Path(__file__).parent / f"{args.name}.safetensors"
    save_file(model.state_dict(), weights)
    weights.chmod(0o644)  # safetensors writes it for the owner only
    print(f"{weights}: {held_out:.2f} % of {len(data.x_test):,} images that were held out")
    return 0


if __name__ == "__main__":
    sys.exit(main())
