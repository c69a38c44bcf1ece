# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""`make bench-lava`: Lava-DL's MNIST network, integers as they are, beside the figure of its tutorial.

The tutorial reports 94.27 % of 10,000 test images in Lava's fixed-point simulation, 20 steps an image; its page does
not say of which version of the file. Here a numpy model of that run, then Lava's neurons without its delays between
layers, then the network that read_lava() makes, with the tutorial's input coding on the chip. What Lava rounds toward
zero and Volley down is counted. Exit status 1 where Volley's spikes are not all those of neurons that round down, where
its accuracy is more than 0.3 points from that of Lava's, or where RTL and integers differ.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from tabulate import tabulate

import pyflow
from benchmarks.goals import status, verdict
from pyflow import data as datasets
from pyflow.frontends.hdf5 import read_tree
from pyflow.frontends.lava import CURE, read_lava
from pyflow.graph import Network
from verif.models import lava_lif
from verif.models.lava_lif import Counts, Dense

TUTORIAL, STEPS = 94.27, 20  # per cent, steps of an image
SEEN = STEPS - 4  # steps of input that can reach the answer: one shows nothing, three are on the way
AWAY = 0.3  # points
BATCH = 2000
LAYERS = ("spikes", "layer0", "layer1", "layer2")


def layers(path: Path) -> list[Dense]:
    tree = read_tree(path, CURE)["layer"]
    found = []
    for n in range(len(tree)):
        neuron = {key: int(tree[str(n)]["neuron"][key]) for key in ("iDecay", "vDecay", "vThMant")}
        weight = tree[str(n)]["weight"].astype(np.int64)
        found.append(Dense(weight, neuron["iDecay"], neuron["vDecay"], neuron["vThMant"]))
    return found


def levels(images: np.ndarray) -> np.ndarray:
    """Images [N, C, H, W] as the tutorial divides them by 255: float64 [N, C*H*W]."""
    return np.rint(255 * images.reshape(len(images), -1)).astype(np.float64) / 255


def coded(images: np.ndarray, steps: int) -> np.ndarray:
    """The tutorial's spikes of images [N, C, H, W], in its own floats: bool [N, T, C*H*W]."""
    x = levels(images)
    v, out = np.zeros(x.shape), []
    for _ in range(steps):
        v += x
        out.append(v > 1)
        v[out[-1]] = 0
    return np.stack(out, 1)


def compared(network: Network, dense: list[Dense], images: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool, Counts]:
    """(classes of Volley's integers; of Lava's fixed point without its one-step delays; are Volley's spikes those of
    the model that rounds down?; what rounds otherwise)."""
    ours, theirs, same, counts = [], [], True, Counts()
    for start in range(0, len(images), BATCH):
        part = images[start : start + BATCH]
        logits, trace = network.run(part, trace=list(LAYERS))
        spikes = coded(part, network.tensors["spikes"].steps)
        same &= np.array_equal(trace["spikes"].reshape(spikes.shape) != 0, spikes)
        down = lava_lif.run(dense, spikes, down=True)
        for name, want in zip(LAYERS[1:], down, strict=True):
            same &= np.array_equal(trace[name].reshape(want.shape) != 0, want)
        ours.append(logits.argmax(1))
        theirs.append(lava_lif.run(dense, spikes, counts=counts)[-1].sum(1).argmax(1))
    return np.concatenate(ours), np.concatenate(theirs), bool(same), counts


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.lava", description=__doc__)
    parser.add_argument("--data-dir", required=True, help="folder of MNIST; a folder lava/ with mnist.net beside it")
    parser.add_argument("--frames", type=int, default=60, help="test images in RTL")
    parser.add_argument("--images", type=int, default=10_000)
    options = parser.parse_args(argv)
    path = Path(options.data_dir).resolve().parent / "lava" / "mnist.net"
    mnist = datasets.load("mnist", options.data_dir)
    images, labels = mnist.x_test[: options.images], mnist.y_test[: options.images]
    dense = layers(path)
    network = read_lava(path, steps=SEEN, images=True, input_shape=(1, 28, 28))
    tutorial = lava_lif.tutorial(dense, levels(images), STEPS)
    ours, theirs, same, counts = compared(network, dense, images)

    def percent(classes: np.ndarray) -> float:
        return float(100 * (classes == labels).mean())

    lost = percent(theirs) - percent(ours)
    rows: list[list[object]] = [
        ["the tutorial's own figure", STEPS, TUTORIAL, ""],
        ["model of the tutorial's run: a step between layers, image after image", STEPS, percent(tutorial), ""],
        ["Lava's neurons, no step between layers", SEEN, percent(theirs), ""],
        ["Volley's integers", SEEN, percent(ours), verdict(abs(lost), AWAY)],
    ]
    print(tabulate(rows, [f"mnist.net, {len(images):,} test images", "steps", "accuracy [%]", ""], floatfmt=".2f"))
    shares = counts.negative / counts.decays, counts.otherwise / counts.decays
    facts = [
        ["decays of a current or membrane", f"{counts.decays:,}"],
        ["of a negative number", f"{counts.negative:,} ({100 * shares[0]:.1f} %)"],
        ["rounded otherwise by Volley", f"{counts.otherwise:,} ({100 * shares[1]:.1f} %)"],
        ["currents that Lava wraps at 24 bits", f"{counts.wrapped:,}"],
        ["images of another class than Lava's", f"{int((ours != theirs).sum()):,}"],
        ["all spikes those of a Lava that rounds down", "yes" if same else "NO"],
    ]
    with tempfile.TemporaryDirectory() as folder:
        frames = images[: options.frames]
        build = pyflow.compile(network, board="pynq-z2", out_dir=folder)
        result = build.simulate(frames)
        wrong = int((result.logits != network.run(frames)).any(1).sum())
        cycles = result.cycles_per_frame == build.plan.cycles_per_frame
    facts.append(["frames in RTL, mismatches, cycles/frame (as predicted)", f"{len(frames)}, {wrong}, "
                  f"{build.plan.cycles_per_frame:,.0f} ({'yes' if cycles else 'NO'})"])  # fmt: skip
    print("\n" + tabulate(facts))
    checks = [
        [name, verdict(value, 0)] for name, value in (("spikes", not same), ("RTL", wrong), ("cycles", not cycles))
    ]
    return status([[str(cell) for cell in row] for row in rows], checks)


if __name__ == "__main__":
    sys.exit(main())
