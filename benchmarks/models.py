# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""`make bench-models`: a residual, a depthwise-separable and a concatenating network on the digits, from float to RTL.

Each is trained here by a seeded recipe, converted with T = 4 and W = 4 as it is, and fine-tuned; the tuned one runs in
RTL on all test images. Trainings are kept in the build cache after every epoch: one that was stopped goes on, one that
is done is not made again. Exit status 1 where a network loses more than 1.0 points as it is or 0.3 points tuned, or
where RTL and integers differ.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from tabulate import tabulate
from torch import nn

import pyflow
from benchmarks import nets
from benchmarks.goals import MET, MISSED, status, verdict
from pyflow import data as datasets
from pyflow.backends.toolbox import cache_dir
from pyflow.conversion import convert, finetune
from pyflow.conversion.finetune import accuracy
from pyflow.conversion.layout import Options
from pyflow.conversion.radix import prepare
from pyflow.conversion.training import digest
from pyflow.data import Dataset
from pyflow.graph import Network
from pyflow.zoo.train import Jitter, Recipe, train_float

BOARD = "pynq-z2"
STEPS, WEIGHT_BITS, SEED = 4, 4, 0
FINE_BITS = 8  # of weights, beside: what 4 bits lose
RECIPE = Recipe("digits", 256, 120, 90, 64, 3e-3, 1e-3, degrees=10, shift=0.7, zoom=0.08)
UNTUNED, TUNED = 1.0, 0.3  # points that a network may lose
SLACK = 1e-9  # of shares that are fractions of the same number of images
FAMILIES: dict[str, Callable[[tuple[int, int, int]], nn.Module]] = {
    "residual": nets.residual,
    "depthwise-separable": nets.separable,
    "concatenating": nets.concatenating,
}
COLUMNS = ["network", "weights", "float", "W = 8", "as converted", "", "fine-tuned", "", "in RTL", "mismatches",
           "LUT, estimated", "cycles/frame", "predicted"]  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """model: the float one. plain, tuned: its integers, as converted and fine-tuned. fine: as converted, with 8-bit
    weights."""

    model: nn.Module
    plain: Network
    tuned: Network
    fine: Network


def kept(name: str, *what: object) -> Path:
    """The file of a training in the build cache, by what decides its result."""
    folder = cache_dir() / "trained"
    folder.mkdir(exist_ok=True)
    return folder / f"{name}-{digest(*what)}.safetensors"


def trained(name: str, data: Dataset, recipe: Recipe = RECIPE) -> Trained:
    """Train a network of FAMILIES and convert it."""
    torch.manual_seed(SEED)
    model = FAMILIES[name](data.shape)  # type: ignore[arg-type]
    basis = [repr(recipe), digest(list(model.state_dict().items())), digest(data.x_train, data.y_train), SEED]
    basis.append(torch.__version__)
    train_float(model, data, recipe, SEED, kept(f"{name}-float", *basis))
    # What is trained depends on the passes over the graph as well.
    layers = prepare(model, data.calibration, Options(STEPS, WEIGHT_BITS))[0].network.layers
    given = {"timesteps": STEPS, "weight_bits": WEIGHT_BITS, "seed": SEED, "name": name.replace("-", "_")}
    tuned = finetune(
        model,
        data,
        epochs=recipe.fine_epochs,
        learning_rate=recipe.fine_learning_rate,
        batch_size=recipe.batch_size,
        augment=Jitter(recipe),
        checkpoint=kept(f"{name}-tuned", digest([replace(layer, where="") for layer in layers]), *basis),
        **given,  # type: ignore[arg-type]
    )
    plain, fine = (
        convert(model, data.calibration, **given | {"weight_bits": bits})  # type: ignore[arg-type]
        for bits in (WEIGHT_BITS, FINE_BITS)
    )
    return Trained(model, plain, tuned.network, fine)


def row(name: str, found: Trained, data: Dataset) -> list[str]:
    def share(network: Network) -> float:
        return float((network.run(data.x_test).argmax(1) == data.y_test).mean())

    real, plain, tuned = accuracy(found.model, data.x_test, data.y_test), share(found.plain), share(found.tuned)
    with tempfile.TemporaryDirectory() as folder:
        build = pyflow.compile(found.tuned, BOARD, folder, cycles_per_frame=RECIPE.cycles)
        result = build.simulate(data.x_test)
    expected = found.tuned.run(data.x_test)
    wrong = len(expected) - len(result.logits) + int((result.logits != expected[: len(result.logits)]).any(1).sum())
    in_rtl = float((result.logits.argmax(1) == data.y_test[: len(result.logits)]).mean())
    return [
        name,
        f"{sum(p.numel() for p in found.model.parameters()):,}",
        f"{100 * real:.2f} %",
        f"{100 * share(found.fine):.2f} %",
        f"{100 * plain:.2f} %",
        verdict(100 * (real - plain), UNTUNED + SLACK),
        f"{100 * tuned:.2f} %",
        verdict(100 * (real - tuned), TUNED + SLACK),
        f"{100 * in_rtl:.2f} %",
        f"{wrong}" if not wrong else f"{wrong} {MISSED}",
        f"{build.plan.total.lut:,.0f}",
        f"{result.cycles_per_frame:,.10g}",
        f"{build.plan.cycles_per_frame:,.10g}",
    ]


def main() -> int:
    data = datasets.load(RECIPE.data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what 4 bits lose is in the table
        rows = [row(name, trained(name, data), data) for name in FAMILIES]
    print(tabulate(rows, COLUMNS, tablefmt="github", disable_numparse=True))
    print(f"\n{len(data.x_test)} test images; T = {STEPS}, W = {WEIGHT_BITS} (as converted also {FINE_BITS}), {BOARD}. "
          f"{MET}: at most {UNTUNED:g} points lost as converted, {TUNED:g} fine-tuned.")  # fmt: skip
    return status([[cell.split()[-1] for cell in line] for line in rows])


if __name__ == "__main__":
    sys.exit(main())
