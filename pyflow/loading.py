# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The network and the data that the options of a command name."""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pyflow import imported, workspace, zoo
from pyflow.data import Dataset, fit, load
from pyflow.errors import VolleyError
from pyflow.frames import decided, labels_of
from pyflow.graph import Network
from pyflow.kinds import refuse_net
from pyflow.measure import accuracies, accuracy_text
from pyflow.out_folder import AUTO, FOLDING
from pyflow.planning import fits
from pyflow.planning.board import load_board
from pyflow.planning.planner import FILL
from pyflow.shapes import check_shape

if TYPE_CHECKING:
    import torch
    from torch import nn

    from pyflow.model.graph import FloatNetwork


def check_labels(network: Network, data: Dataset) -> None:
    if data.classes > labels_of(network.classes):
        raise VolleyError(
            f"data {data.name!r}: labels go up to {data.classes - 1}, "
            f"network {network.name!r} has {network.classes} outputs"
        )


def dataset(
    args: argparse.Namespace, default: str | None, shape: tuple[int, ...] | None, sequences: bool = False
) -> Dataset:
    """Labels are needed where a job compares with them."""
    data = args.data or default
    if not data:
        raise VolleyError(f"network {args.net!r}: give its data: DATA=digits, DATA=mnist DATA_DIR=... or DATA=my.npz")
    labels = args.command == "sim" or bool(args.finetune)
    if getattr(args, "time_axis", None) is not None:
        return load(data, args.data_dir, labels=labels, timed=True)
    return load(data, args.data_dir, shape, sequences, labels=labels)


def own_model(args: argparse.Namespace, model: nn.Module) -> tuple[Network, Dataset]:
    """Convert what my_net.py:build made, and measure its float accuracy on the way."""
    from pyflow.conversion.finetune import accuracy
    from pyflow.conversion.guard import check_function
    from pyflow.conversion.images import check_images
    from pyflow.conversion.imported import has_integers
    from pyflow.frontends import takes_sequences, trace
    from pyflow.frontends.checkpoint import short
    from pyflow.frontends.spiking.neurons import is_spiking

    if not args.weights and not args.finetune:
        warnings.warn(
            f"no weights given: those that {args.net} leaves in the model are taken, random ones if it loads none; "
            "give them with WEIGHTS= (--weights)",
            stacklevel=2,
        )
    try:
        shape = getattr(model, "input_shape", None)
    except Exception as e:  # a property is the user's code
        raise VolleyError(f"model {args.net!r}: input_shape fails ({short(e)})") from None
    if shape is not None:
        shape = check_shape(shape, f"model {args.net!r}: input_shape")
    data = dataset(args, None, shape, takes_sequences(model))
    if is_spiking(model):
        return _spiking_model(args, model, data)
    if has_integers(model):
        return _trained_model(args, model, data)
    if over_time := next((o for o in ("steps", "readout", "time_axis", "dt") if getattr(args, o) is not None), None):
        raise VolleyError(
            f"--{over_time.replace('_', '-')}: is for models with neurons of a spiking framework; {args.net!r} has none"
        )
    name = args.name or workspace.name_of(args.net)
    traced = trace(model, data.shape, name=name)
    return _integers(
        args,
        traced,
        data,
        check=lambda: check_function(model, traced, check_images(data.calibration, data.shape, "calibration")),
        accuracy=lambda: accuracy(model.float(), data.x_test, data.y_test, traced.cut),
    )


def _onnx_model(args: argparse.Namespace) -> tuple[Network, Dataset]:
    """Convert an .onnx file, and measure its float accuracy on the way."""
    from pyflow.conversion.images import check_images
    from pyflow.conversion.imported import has_integers
    from pyflow.conversion.onnx_file import captured, float_accuracy, opened

    model = opened(args.net)
    never = ("weights", "steps", "readout", "time_axis", "dt")
    if odd := next((o.replace("_", "-") for o in never if getattr(args, o) is not None), None):
        raise VolleyError(f"--{odd}: does not go with {args.net!r}, whose weights are in it; leave it out")
    data = dataset(args, None, getattr(model, "input_shape", None), model.sequences)
    if has_integers(model):
        return _trained_model(args, model, data)
    images = check_images(data.calibration, data.shape, "calibration")
    traced = captured(model, images, name=args.name or workspace.name_of(args.net))
    return _integers(args, traced, data, accuracy=lambda: float_accuracy(traced, data.x_test, data.y_test))


def _trained_model(args: argparse.Namespace, model: Any, data: Dataset) -> tuple[Network, Dataset]:
    """Import a model whose integers were trained."""
    from pyflow.conversion.imported import convert_trained

    if odd := next((o for o in ("timesteps", "weight_bits", "finetune") if getattr(args, o) not in (None, 0)), None):
        raise VolleyError(
            f"--{odd.replace('_', '-')}: does not go with {args.net!r}, whose integers were trained; leave it out"
        )
    name = args.name or workspace.name_of(args.net)
    network = convert_trained(model, data.calibration, name=name, input_shape=data.shape, ties=args.ties or "even")
    return network.with_meta(data=data.name, test_images=len(data.x_test)), fit(data, network.input_shape)


def _integers(
    args: argparse.Namespace,
    traced: FloatNetwork,
    data: Dataset,
    accuracy: Callable[[], float],
    check: Callable[[], None] = lambda: None,
) -> tuple[Network, Dataset]:
    """Convert a float network. accuracy: of the model it was traced from; check: raises VolleyError where it is not
    that model's function."""
    from pyflow.conversion import convert, finetune
    from pyflow.model.graph import FloatConv, FloatLinear

    bits: dict[str, Any] = {
        "timesteps": 4 if args.timesteps is None else args.timesteps,
        "weight_bits": 4 if args.weight_bits is None else args.weight_bits,
    }
    name = traced.name
    meta: dict[str, Any] = {"data": data.name, "test_images": len(data.x_test)}
    planned = getattr(args, "board", None) and args.folding in (None, "", AUTO)
    if planned and bits["weight_bits"] in range(2, 9) and not (workspace.folder_of(args) / FOLDING).exists():
        # Said before the minutes that calibration and planning may take.
        sizes = ((x.name, x.weight.size) for x in traced.layers if isinstance(x, FloatConv | FloatLinear))
        needed = [fits.weights(layer, size, bits["weight_bits"]) for layer, size in sizes]
        fits.check(name, needed, load_board(args.board), FILL if args.cycles is None else 1.0)
    check()
    classes = math.prod(traced.shapes[traced.layers[-1].name])
    if data.labelled and data.classes <= labels_of(classes):
        meta["accuracy_float"] = accuracy()
    if args.finetune:
        if not len(data.x_train):
            raise VolleyError(
                f"data {data.name!r}: has no training images for --finetune {args.finetune}; add x_train, y_train"
            )
        kept = args.checkpoint or None
        tuned = finetune(traced, data, epochs=args.finetune, seed=args.seed, name=name, checkpoint=kept, **bits)
        network = tuned.network
        meta["accuracy_finetuned"] = tuned.accuracy
    else:
        network = convert(traced, data.calibration, seed=args.seed, name=name, **bits)
    return network.with_meta(**meta), fit(data, network.input_shape)


def _spiking_model(args: argparse.Namespace, model: nn.Module, data: Dataset) -> tuple[Network, Dataset]:
    """Convert a model of a spiking framework, whose input is the same in every time step."""
    from pyflow.conversion.finetune import finetune
    from pyflow.conversion.images import check_images
    from pyflow.conversion.over_time import quantised
    from pyflow.conversion.samples import as_frames, checked
    from pyflow.frontends.spiking.prove import capture

    if odd := next((o for o in ("timesteps", "dt") if getattr(args, o) not in (None, 0)), None):
        raise VolleyError(f"--{odd}: does not go with a spiking model, whose loop gives the time steps; leave it out")
    if args.time_axis not in (None, "0", "1"):
        raise VolleyError(f"--time-axis {args.time_axis}: must be 0 or 1, where the model has its time steps")
    axis = None if args.time_axis is None else int(args.time_axis)
    name = args.name or workspace.name_of(args.net)

    def taken(x: np.ndarray, what: str) -> tuple[torch.Tensor, float]:
        """As the model takes it, by checked()."""
        return checked(check_images(x, data.shape, what) if axis is None else np.moveaxis(x, 1, axis), axis)

    sample, code = taken(data.calibration, "calibration")
    captured = capture(model, sample, steps=args.steps, readout=args.readout, time_axis=axis, name=name)
    captured = replace(captured, model=replace(captured.model, sample_code=code))
    bits = 8 if args.weight_bits is None else args.weight_bits
    meta: dict[str, Any] = {"data": data.name, "test_images": len(data.x_test)}
    if args.finetune:
        tuned = finetune(
            model, data, steps=args.steps, readout=args.readout, time_axis=axis, weight_bits=bits, name=name,
            epochs=args.finetune, seed=args.seed, checkpoint=args.checkpoint or None,
        )  # fmt: skip
        network, meta["accuracy_finetuned"] = tuned.network, tuned.accuracy
    else:
        network = quantised(captured, sample, bits)
    if data.labelled:
        images, _ = taken(data.x_test, "test images")
        meta["accuracy_float"] = float((decided(captured.answers(images)[0]) == data.y_test).mean())
    network = network.with_meta(**meta)
    if axis is None:
        return network, fit(data, network.input_shape)
    parts: dict[str, Any] = {}
    for part in ("x_train", "x_test"):
        values, own = taken(getattr(data, part), part)
        if len(values) and own not in (code, 0.0):
            raise VolleyError(
                f"data {data.name!r}: {part} holds other numbers than those to calibrate with; give one kind"
            )
        whole = as_frames(values, axis, code)
        parts[part] = network.inputs(whole).astype(np.uint8)
    return network, replace(data, **parts)


def measured(network: Network, data: Dataset | None) -> Network:
    """`network` with the accuracy of the integers on `data` in its meta, and a line that says it and the others."""
    if data is not None:
        found = accuracies(network, data)
        if data.name != network.meta.get("data"):  # what is stored is of other images
            stored = {k: v for k, v in network.meta.items() if not k.startswith("accuracy_")}
            network = replace(network, meta={**stored, "data": data.name, "test_images": len(data.x_test)})
        network = network.with_meta(**found)
    if left_out := network.meta.get("left_out"):
        print(f"left out:  {left_out} at the end; the answers are what it is given, the logits", flush=True)
    if text := accuracy_text(network.meta):
        print(f"accuracy:  {text}", flush=True)
    return network


def network(args: argparse.Namespace, need_data: bool = True) -> tuple[Network, Dataset | None]:
    """The network of --net and the data to run it on."""
    found: Network
    if imported.is_file(args.net):
        return imported.network(args, need_data)
    built = ".py:" in args.net or args.net.endswith(".py")
    if built:
        from pyflow.frontends import load_model

        model = load_model(args.net, args.weights)
        if not isinstance(model, Network):
            return own_model(args, model)
        found = model
    if args.net.lower().endswith(".onnx"):
        return _onnx_model(args)
    given = [
        o
        for o in (
            "finetune",
            "checkpoint",
            "weights",
            "timesteps",
            "weight_bits",
            "steps",
            "readout",
            "time_axis",
            "dt",
        )
        if getattr(args, o) not in (None, 0)
    ]
    if given:
        option = given[0]
        raise VolleyError(
            f"--{option.replace('_', '-')} does not go with the integer network {args.net!r}; "
            "give a model (my_net.py:build), or make one with python -m pyflow.zoo.train"
        )
    if args.net.endswith(".vly"):
        found = Network.load(args.net)
    elif not built:
        if args.net not in zoo.names():
            refuse_net(args.net)
        found = zoo.load(args.net)
    if args.name:
        found = replace(found, name=args.name)
    if not need_data and not args.data:
        return found, None
    return found, dataset(args, found.meta.get("data"), found.input_shape)
