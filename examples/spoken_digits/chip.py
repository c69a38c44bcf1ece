# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The integers of a trained listener: weights are on their grid already, thresholds and biases are counted in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from pyflow.edges import StateEdge
from pyflow.graph import Network
from pyflow.operators import Accumulate, Add, DeltaEncode, Encoding, LIFNeuron, Linear, Operator, Readout, Tensor

WEIGHTS = Path(__file__).parent / "spoken_digits.safetensors"
WEIGHT_BITS = 4
MOST = 2 ** (WEIGHT_BITS - 1) - 1
FRAMES, CHANNELS = 32, 32
LEAK_FIRST, LEAK_SECOND = 1, 3  # a membrane loses 2^-1 and 2^-3 of itself in a step
FRAC_CODES, FRAC_SPIKES = 0, 4  # fraction bits of a membrane that codes drive, or spikes
WIDTH = 16
CYCLES = 80_000  # per recording, on the iCEBreaker: what its block RAMs and logic cells hold


def recurrent() -> Network:
    """The network that ships."""
    return integers(load_file(WEIGHTS))


def integers(state: dict[str, np.ndarray], theta: int = 0, frames: int = FRAMES) -> Network:
    """state: of a trained `Listener`. theta: of a sigma-delta encoder in front of it, 0: none. frames: T."""
    operators: list[Operator] = []
    source = "input"
    if theta:
        operators.append(DeltaEncode("delta", ("input",), theta=theta, mode="sigma-delta"))
        source = "delta"
    unit, one = _rows(state["fc1.weight"]) / MOST, 1 if theta else 255  # the input that a Listener knows as 1.0
    operators += [
        _linear("fc1", source, state["fc1.weight"], unit),
        _lif("lif1", "fc1", unit / one, state["fc1.bias"], LEAK_FIRST, FRAC_SPIKES if theta else FRAC_CODES),
    ]
    unit, edges, current = _rows(state["fc2.weight"]) / MOST, (), "fc2"
    if "again.weight" in state:
        unit = np.maximum(unit, _rows(state["again.weight"]) / MOST)
        before = Tensor("before", (len(unit), 1, 1), Encoding.RATE, frames, 1, timed=True)
        edges, current = (StateEdge("lif2", before),), "current"
    operators.append(_linear("fc2", "lif1", state["fc2.weight"], unit))
    if edges:
        operators += [_linear("again", "before", state["again.weight"], unit), Add("current", ("fc2", "again"))]
    classes = len(state["fc3.weight"])
    whole = np.full(classes, np.abs(state["fc3.weight"]).max() / MOST)
    operators += [
        _lif("lif2", current, unit, state["fc2.bias"], LEAK_SECOND, FRAC_SPIKES),
        _linear("fc3", "lif2", state["fc3.weight"], whole),
        Accumulate("total", ("fc3",)),
        Readout("logits", ("total",), bias=np.zeros(classes)),
    ]
    # One channel of 32 places: the codes arrive one after the other, and no register holds a whole frame.
    return Network(
        "spoken_digits", (1, 1, CHANNELS), tuple(operators), logit_scale=float(whole[0]), state_edges=edges,
        input_encoding=Encoding.SIGNAL, input_steps=frames, meta={"cycles_per_frame": CYCLES},
    )  # fmt: skip


def _rows(weight: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(weight).max(1), np.float64)


def _linear(name: str, source: str, weight: np.ndarray, unit: np.ndarray) -> Linear:
    return Linear(name, (source,), weight=np.rint(weight / unit[:, None])[:, :, None, None], weight_bits=WEIGHT_BITS)


def _lif(name: str, source: str, unit: np.ndarray, bias: np.ndarray, leak: int, frac: int) -> LIFNeuron:
    """snn.Leaky with threshold 1 that resets to zero: fires above its threshold. unit: real value of a weight step."""
    one = 2.0**frac / unit
    return LIFNeuron(
        name, (source,), theta=np.floor(one) + 1, bias=np.rint(bias * one), frac=frac, width=WIDTH, leak="shift",
        leak_shift=leak, reset="hard", reset_order="before",
    )  # fmt: skip
