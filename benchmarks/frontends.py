# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""`make bench-frontends`: networks of spiking frameworks on MNIST, from the framework's floats to RTL.

The weights ship (examples/spiking_mnist, which also says how they were trained). Each network is converted with W = 8
as it is, and fine-tuned with W = 4, in two epochs of 10,000 training images. Both run on all test images by the
reference, the tuned one on some in RTL. A fine-tuning is kept in the build cache after every epoch. Exit status 1 where
a float network is below 98.5 %, where more than 0.3 points are lost at W = 8 or 1.0 at W = 4, or where RTL and
reference differ in a logit, or in the cycles that were predicted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from tabulate import tabulate
from torch import nn

import pyflow
from benchmarks.goals import MET, MISSED, status, verdict
from benchmarks.models import kept
from pyflow import data as datasets
from pyflow.bars import bar
from pyflow.conversion import convert, finetune
from pyflow.conversion.finetune import accuracy
from pyflow.conversion.training import digest
from pyflow.data import Dataset
from pyflow.errors import VolleyError
from pyflow.frontends import load_model
from pyflow.graph import Network
from pyflow.zoo.train import Jitter, Recipe, validation

NETS = Path(__file__).parents[1] / "examples" / "spiking_mnist" / "nets.py"
NAMES = ("snntorch", "spikingjelly", "norse")
SHIPPED = [name for name in NAMES if NETS.with_name(f"{name}.safetensors").exists()]
BOARD, SEED = "pynq-z2", 0
IMAGES, EPOCHS, RATE = 10_000, 2, 5e-3  # of fine-tuning
SOME = 2000  # test images on which the networks with W = 4 are measured before they are tuned
RECIPE = Recipe("mnist", 0, 0, EPOCHS, 128, 0.0, RATE, degrees=5, shift=1.0, zoom=0.05)
FLOAT, FINE, TUNED = 98.5, 0.3, 1.0  # least accuracy in percent; points that may be lost with W = 8, and W = 4
SLACK = 1e-9
COLUMNS = ["network", "T", "weights", "float", "", "W = 8", "", "W = 4, tuned", "", f"W = 4, as converted ({SOME:,})",
           "in RTL", "mismatches", "LUT, estimated", "cycles/frame", "predicted"]  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """fine: with W = 8 as converted. plain, tuned: with W = 4, as converted and fine-tuned."""

    fine: Network
    plain: Network
    tuned: Network


def network_of(name: str) -> nn.Module:
    """The network of the example with the weights that ship."""
    model = load_model(f"{NETS}:{name}")
    assert isinstance(model, nn.Module)
    return model


def made(name: str, model: nn.Module, data: Dataset) -> Made:
    """What is learned and what is measured while learning is of the training images alone."""
    held = validation(data)
    part = Dataset("mnist", held.x_train[:IMAGES], held.y_train[:IMAGES], held.x_test[:SOME], held.y_test[:SOME])
    fine, plain = (convert(model, part.calibration, weight_bits=bits, name=name) for bits in (8, 4))
    tuned = finetune(
        model,
        part,
        weight_bits=4,
        epochs=EPOCHS,
        seed=SEED,
        learning_rate=RATE,
        batch_size=RECIPE.batch_size,
        augment=Jitter(RECIPE),
        name=name,
        checkpoint=kept(name, list(plain.operators), repr(RECIPE), IMAGES, digest(part.x_train), torch.__version__),
    )
    print(f"{name}: tuned with W = 4, {100 * tuned.accuracy:.2f} % of {len(part.x_test):,} images held out of training")
    return Made(fine, plain, tuned.network)


def row(name: str, data: Dataset, frames: int) -> list[str]:
    model = network_of(name)
    found = made(name, model, data)

    def share(network: Network, images: int | None = None) -> float:
        return float(100 * (network.run(data.x_test[:images]).argmax(1) == data.y_test[:images]).mean())

    real, fine, plain = 100 * accuracy(model, data.x_test, data.y_test), share(found.fine), share(found.plain, SOME)
    logits = found.tuned.run(data.x_test)
    tuned = float(100 * (logits.argmax(1) == data.y_test).mean())
    with tempfile.TemporaryDirectory() as folder:
        build = pyflow.compile(found.tuned, BOARD, folder)
        build.simulator(cycles=build.cycles(frames))
        with bar("RTL simulation", "image", frames) as shown:
            result = build.simulate(data.x_test[:frames], progress=lambda done: shown.update(done - shown.n))
    answers = result.logits
    wrong = frames - len(answers) + int((answers != logits[: len(answers)]).any(1).sum())
    alike = (result.cycles_per_frame, result.latency_cycles) == (build.plan.cycles_per_frame, build.plan.latency_cycles)
    return [
        name,
        f"{max(t.steps for t in found.tuned.tensors.values() if t.timed)}",
        f"{sum(p.numel() for p in model.parameters()):,}",
        f"{real:.2f} %",
        verdict(real, FLOAT - SLACK, least=True),
        f"{fine:.2f} %",
        verdict(real - fine, FINE + SLACK),
        f"{tuned:.2f} %",
        verdict(real - tuned, TUNED + SLACK),
        f"{plain:.2f} %",
        f"{len(answers):,}",
        f"{wrong}" if not wrong else f"{wrong} {MISSED}",
        f"{build.plan.total.lut:,.0f}",
        f"{result.cycles_per_frame:,.10g}",
        f"{build.plan.cycles_per_frame:,.10g}" if alike else f"{build.plan.cycles_per_frame:,.10g} {MISSED}",
    ]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.frontends", description=__doc__)
    parser.add_argument("--data-dir", required=True, help="folder of MNIST")
    parser.add_argument("--frames", type=int, default=500, help="test images in RTL")
    parser.add_argument("--images", type=int, default=10_000, help="test images by the reference")
    parser.add_argument("--nets", nargs="+", default=SHIPPED, choices=NAMES, help="default: those that have weights")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    try:
        data = datasets.load("mnist", options.data_dir)
    except VolleyError as e:
        print(f"bench: {e}", file=sys.stderr)
        return 1
    data = replace(data, x_test=data.x_test[: options.images], y_test=data.y_test[: options.images])
    begun = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what 4 bits lose is in the table
        rows = [row(name, data, options.frames) for name in options.nets]
    print(tabulate(rows, COLUMNS, tablefmt="github", disable_numparse=True))
    used = time.process_time() - begun
    print(
        f"\n{len(data.x_test):,} test images; {BOARD}; {used:,.0f} CPU-seconds without compilers. {MET}: {FLOAT:g} % "
        f"in float; at most {FINE:g} points lost with W = 8, {TUNED:g} with W = 4, fine-tuned."
    )
    return status([[cell.split()[-1] for cell in line if cell] for line in rows])


if __name__ == "__main__":
    sys.exit(main())
