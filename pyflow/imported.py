# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Networks that other frameworks saved in files (.nir, .net), and the data to run them on."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from pyflow import workspace
from pyflow.data import NO_LABEL, Dataset, load
from pyflow.errors import VolleyError
from pyflow.frames import InputFormat
from pyflow.graph import Network
from pyflow.operators import Encoding

FRAMES = 16  # of random input
# Options that do not go with a file, by its ending, and why.
ODD = {
    ".nir": (
        ("timesteps", "finetune", "checkpoint", "weights", "time_axis"),
        "a NIR graph, which has its weights; give STEPS= and DT=",
    ),
    ".net": (
        ("timesteps", "finetune", "checkpoint", "weights", "weight_bits", "dt", "time_axis"),
        "a network of Lava, whose integers are taken as they are; give STEPS=",
    ),
}


def is_file(net: str) -> bool:
    return Path(net).suffix.lower() in ODD


def network(args: argparse.Namespace, need_data: bool) -> tuple[Network, Dataset | None]:
    """The network of a file and the data to run it on: DATA=, or random input where it is needed."""
    odd, what = ODD[Path(args.net).suffix.lower()]
    if given := next((o for o in odd if getattr(args, o) not in (None, 0)), None):
        raise VolleyError(f"--{given.replace('_', '-')}: does not go with {what}")
    read = _nir if args.net.lower().endswith(".nir") else _lava
    found, data = read(args, args.name or workspace.name_of(args.net))
    if data is None and need_data:
        warnings.warn(f"no data given: {args.net} runs on random input; give DATA=", stacklevel=2)
        data = _random(found)
    return found, data


def _loaded(args: argparse.Namespace, trains: InputFormat | None, shape: tuple[int, ...] | None) -> Dataset:
    return load(args.data, args.data_dir, shape, labels=args.command == "sim", trains=trains)


def _nir(args: argparse.Namespace, name: str) -> tuple[Network, Dataset | None]:
    from pyflow.conversion.nir import convert_nir
    from pyflow.frontends.nir import read_graph, taken

    graph = read_graph(args.net)
    options: dict[str, Any] = {"dt": args.dt, "steps": args.steps, "readout": args.readout, "name": name}
    options["weight_bits"] = 8 if args.weight_bits is None else args.weight_bits
    if not args.data:
        return convert_nir(graph, **options), None
    shape, steps = taken(graph).shape, graph.stated("steps", args.steps)
    trains = None if steps is None else InputFormat(name, shape, "rate", int(steps))
    data = _loaded(args, trains, shape)
    found = convert_nir(graph, data.calibration, time_axis=1 if data.x_test.ndim == 5 else None, **options)
    return found.with_meta(data=data.name, test_images=len(data.x_test)), data


def _lava(args: argparse.Namespace, name: str) -> tuple[Network, Dataset | None]:
    from pyflow.frontends.lava import input_codes, inputs_of, read_lava

    if args.readout not in (None, "spikes-sum"):
        raise VolleyError(f"--readout {args.readout}: a network of Lava answers by its spikes; use spikes-sum")
    if not args.data:
        return read_lava(args.net, steps=args.steps, name=name), None
    inputs = inputs_of(args.net)
    trains = InputFormat(name, (inputs, 1, 1), "rate", args.steps) if args.steps and inputs else None
    data = _loaded(args, trains, None)
    images = data.x_test.ndim != 5
    shape = data.shape if images else (inputs, 1, 1)
    found = read_lava(args.net, steps=args.steps, images=images, input_shape=shape, name=name)
    if "lava_input" in found.meta:
        x_train, x_test = (input_codes(found, x) / 255 for x in (data.x_train, data.x_test))
        data = Dataset(data.name, x_train, data.y_train, x_test, data.y_test)
    return found.with_meta(data=data.name, test_images=len(data.x_test)), data


def _random(network: Network) -> Dataset:
    from pyflow.conversion.nir import random_frames

    timed = network.input_encoding is Encoding.RATE
    x = random_frames((*((network.input_steps,) if timed else ()), *network.input_shape), timed, FRAMES)
    none = np.zeros(0, np.int64)
    return Dataset("random input", x[:0], none, x, np.full(len(x), NO_LABEL, np.int64))
