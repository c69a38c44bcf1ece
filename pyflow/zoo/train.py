# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Makes the shipped networks: `python -m pyflow.zoo.train digits|lenet5 [--data-dir FOLDER]`.

Float training, fine-tuning in integers, conversion. Always the last epoch is taken, and the test images are
only measured; `--validate` measures on a tenth of the training images instead and saves nothing, which is how
the recipes below were chosen.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import math
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from pyflow import data as datasets
from pyflow.conversion.finetune import accuracy, augmented, finetune
from pyflow.conversion.training import Training, digest, progress
from pyflow.data import Dataset
from pyflow.errors import VolleyError
from pyflow.graph import Network

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one network is made. cycles: default target of cycles per frame (`make sim`). degrees, shift,
    zoom: largest rotation, shift [pixel], change of size."""

    data: str
    cycles: int
    epochs: int
    fine_epochs: int
    batch_size: int
    learning_rate: float
    fine_learning_rate: float
    degrees: float
    shift: float
    zoom: float
    weight_decay: float = 1e-4


RECIPES = {
    "digits": Recipe("digits", 256, 120, 60, 64, 3e-3, 1e-3, degrees=10, shift=0.7, zoom=0.08),
    "lenet5": Recipe("mnist", 1024, 20, 10, 128, 2e-3, 1e-3, degrees=10, shift=2.0, zoom=0.1),
}


@dataclass(frozen=True, slots=True)
class Jitter:
    """Random rotation, shift and zoom of every image, bilinear, zeros outside."""

    recipe: Recipe

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        r = 2 * torch.rand(4, len(x), generator=generator) - 1
        angle, size = r[0] * math.radians(self.recipe.degrees), 1 + r[1] * self.recipe.zoom
        cos, sin = torch.cos(angle) * size, torch.sin(angle) * size
        h, w = x.shape[2:]
        right, down = r[2] * 2 * self.recipe.shift / w, r[3] * 2 * self.recipe.shift / h
        theta = torch.stack([torch.stack([cos, -sin, right], 1), torch.stack([sin, cos, down], 1)], 1)
        grid = F.affine_grid(theta, list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, align_corners=False).clamp(0, 1)


def train_float(
    model: nn.Module, data: Dataset, recipe: Recipe, seed: int, checkpoint: Path | None = None
) -> nn.Module:
    """Train in floats on data.x_train with AdamW and a one-cycle schedule; the last epoch is returned.
    checkpoint: as of finetune()."""
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.from_numpy(data.x_train), torch.from_numpy(data.y_train)
    jitter = Jitter(recipe)
    steps = -(-len(x) // recipe.batch_size)
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, total_steps=steps * recipe.epochs)
    model.train()
    facts = {
        "training": "float",
        "model": digest(list(model.state_dict().items())),
        "training images": digest(x, y),
        "recipe": repr(recipe),
        "seed": seed,
        "torch": torch.__version__,
    }
    training = Training(model, optimiser, schedule, generator, facts, checkpoint)
    training.resume()
    with progress("train", training, recipe.epochs, steps) as done:
        for _ in range(training.epoch, recipe.epochs):
            for chosen in torch.randperm(len(x), generator=generator).split(recipe.batch_size):
                logits = model(augmented(jitter, x[chosen], generator))
                loss = F.cross_entropy(logits, y[chosen])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                done.step(loss, logits, y[chosen])
            done.end_epoch()
    return model.eval()


def validation(data: Dataset) -> Dataset:
    """A tenth of the training images in place of the test images."""
    train, test = datasets.stratified_split(data.y_train, len(data.y_train) // 10, seed=1)
    return Dataset(data.name, data.x_train[train], data.y_train[train], data.x_train[test], data.y_train[test])


def make(
    name: str, data: Dataset, *, timesteps: int = 4, weight_bits: int = 4, seed: int = 0
) -> tuple[nn.Module, Network]:
    """(float model, integer network with its accuracies in meta). name: of the recipe."""
    recipe = RECIPES[name]
    torch.manual_seed(seed)
    model = train_float(importlib.import_module(f"pyflow.zoo.{name}").build(), data, recipe, seed)
    float_accuracy = accuracy(model, data.x_test, data.y_test)
    log.info("%s: float accuracy %.2f %%", name, 100 * float_accuracy)
    tuned = finetune(
        model,
        data,
        timesteps=timesteps,
        weight_bits=weight_bits,
        epochs=recipe.fine_epochs,
        seed=seed,
        learning_rate=recipe.fine_learning_rate,
        batch_size=recipe.batch_size,
        augment=Jitter(recipe),
        name=name,
    )
    snn = float((tuned.network.run(data.x_test).argmax(1) == data.y_test).mean())
    network = tuned.network.with_meta(
        accuracy_float=float_accuracy,
        accuracy_finetuned=tuned.accuracy,
        accuracy_snn=snn,
        test_images=len(data.x_test),
        timesteps=timesteps,
        weight_bits=weight_bits,
        seed=seed,
        data=data.name,
        cycles_per_frame=recipe.cycles,
        torch=torch.__version__,
        python=platform.python_version(),
        classes=[str(c) for c in np.unique(data.y_test)],
    )
    return model, network


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pyflow.zoo.train", description="make a shipped network")
    parser.add_argument("name", choices=sorted(RECIPES))
    parser.add_argument("--data-dir", type=Path, help="folder of the MNIST files (lenet5)")
    parser.add_argument("--out-dir", type=Path, default=Path(__file__).parent, help="where to save (default: the zoo)")
    parser.add_argument("--timesteps", type=int, default=4, help="T (default 4)")
    parser.add_argument("--weight-bits", type=int, default=4, help="W (default 4)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2, help="of torch (default 2)")
    parser.add_argument(
        "--validate", action="store_true", help="measure on a tenth of the training images, save nothing"
    )
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    start = time.process_time()
    try:
        recipe = RECIPES[args.name]
        shape = importlib.import_module(f"pyflow.zoo.{args.name}").INPUT_SHAPE
        data = datasets.load(recipe.data, args.data_dir, shape)
        if not args.validate and not args.out_dir.is_dir():
            raise VolleyError(f"{args.out_dir}: no such folder; make it or choose another --out-dir")
        model, network = make(
            args.name,
            validation(data) if args.validate else data,
            timesteps=args.timesteps,
            weight_bits=args.weight_bits,
            seed=args.seed,
        )
        keys = ("accuracy_float", "accuracy_finetuned", "accuracy_snn")
        log.info(
            "%s: %s; %.0f CPU-seconds",
            args.name,
            ", ".join(f"{k} {100 * network.meta[k]:.2f} %" for k in keys),
            time.process_time() - start,
        )
        if args.validate:
            return 0
        place = " --data-dir DATA_DIR" if recipe.data == "mnist" else ""
        network = network.with_meta(
            command=f"python -m pyflow.zoo.train {args.name}{place} --timesteps {args.timesteps} "
            f"--weight-bits {args.weight_bits} --seed {args.seed}"
        )
        weights = args.out_dir / f"{args.name}.safetensors"
        save_file(model.state_dict(), weights)
        weights.chmod(0o644)  # safetensors writes it for the owner only
        network.save(args.out_dir / f"{args.name}.vly")
    except VolleyError as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
