# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""How a layer is laid on its cores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pyflow.cores.sums import BODIES
from pyflow.errors import VolleyError
from pyflow.integers import ceil_div
from pyflow.operators import Add, DepthwiseConv, Direct, Operator, Residual, Synapse, Tensor

SLICES = ("all", "column", "tap")  # which taps of the K x K window one array cycle takes
NEURONS = ("auto", "serial", "unrolled")
RESIDUALS = ("lut", "dsp")
MEMORIES = ("auto", "const", "lut", "block", "writable")


@dataclass(frozen=True, slots=True)
class Folding:
    """How one layer is laid on its core.

    pe: outputs per cycle. lanes: input channels per slice; also the lanes of the stream into the
    layer. pix: pixels per beat of that stream; several only where a cycle takes all of a window and gives all
    of its outputs. slice: taps per cycle ("all", "column" = one kernel column, "tap" = one).
    tp: time steps per cycle. window_depth: beats the replay buffer holds (0: the smallest that is
    legal, rounded up to a power of two); rows: rows the line buffer holds (0: the kernel height).
    events: of a linear layer, words that are not zero taken per cycle (0: every word, zero or not).
    neurons: lanes of the potentials behind the array, and so of the neurons (0: pe); divides pe.
    residual: what residual sums behind the layer are made of: adders, or a DSP slice for each number.
    skid: skid registers in front of the array, behind it, and on either side of its line buffer (of the pools' too),
    so that what stalls each of them starts at a register.
    """

    pe: int = 1
    lanes: int = 1
    slice: str = "all"
    tp: int = 0  # 0: all steps at once
    neuron: str = "auto"
    memory: str = "auto"
    body: str = "auto"
    window_depth: int = 0
    rows: int = 0
    pix: int = 1
    events: int = 0
    neurons: int = 0
    residual: str = "lut"
    skid: bool = False

    def __post_init__(self) -> None:
        texts = ("slice", SLICES), ("neuron", NEURONS), ("memory", MEMORIES), ("body", ("auto", *BODIES))
        for key, allowed in (*texts, ("residual", RESIDUALS)):
            value = getattr(self, key)
            if value not in allowed:
                raise VolleyError(f"folding: {key}={value!r} is unknown; use one of {', '.join(allowed)}")
        for key in ("pe", "lanes", "pix"):
            if getattr(self, key) < 1:
                raise VolleyError(f"folding: {key}={getattr(self, key)} must be at least 1")
        for key in ("tp", "window_depth", "rows", "events", "neurons"):
            if getattr(self, key) < 0:
                raise VolleyError(f"folding: {key}={getattr(self, key)} must not be negative")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, name: str, data: dict[str, Any]) -> Folding:
        if not isinstance(data, dict):
            raise VolleyError(f"folding of {name}: {data!r} must be an object of {', '.join(cls.__dataclass_fields__)}")
        unknown = set(data) - set(cls.__dataclass_fields__)
        if unknown:
            raise VolleyError(
                f"folding of {name}: unknown key {sorted(unknown)[0]!r}; known: {', '.join(cls.__dataclass_fields__)}"
            )
        for key, value in data.items():
            kind = type(cls.__dataclass_fields__[key].default)
            if type(value) is not kind:
                raise VolleyError(f"folding of {name}: {key}={value!r} must be of type {kind.__name__}")
        try:
            return cls(**data)
        except VolleyError as e:
            raise VolleyError(f"{e} (layer {name})") from None


def synapse_before(made: Mapping[str, Operator], op: Operator, held: bool = False) -> Synapse | None:
    """The synapse layer whose potentials `op` reads, itself or in a sum; with `held` also as a direct current. made:
    all operators by name."""
    while (before := made.get(op.inputs[0])) is not None and not isinstance(before, Synapse):
        if not isinstance(before, (Add, Residual, Direct) if held else (Add, Residual)):
            return None
        op = before
    return before


def neuron_lanes(folding: Folding) -> int:
    """Lanes of the potentials behind the array."""
    return folding.neurons or folding.pe


def folds(op: Synapse, folding: Folding, source: Tensor) -> tuple[int, int]:
    """(output folds, input folds). A depthwise layer's output folds are its groups of channels, each of which has its
    outputs in one slice."""
    kh, kw, c = op.taps(source)
    if isinstance(op, DepthwiseConv):
        return ceil_div(c, folding.lanes), 1
    slices = {"all": 1, "column": kw, "tap": kh * kw}[folding.slice]
    slices *= ceil_div(c, folding.lanes)
    if folding.events:  # at most: where no word is zero
        slices = ceil_div(slices * folding.lanes, folding.events)
    return ceil_div(op.weight.shape[0], folding.pe), slices


def replays(op: Synapse, folding: Folding, source: Tensor) -> int:
    """Times that each window is sent: to every output fold that reads it."""
    return 1 if isinstance(op, DepthwiseConv) else folds(op, folding, source)[0]


def simd(op: Synapse, folding: Folding, source: Tensor) -> int:
    """Inputs per cycle of an output."""
    if folding.events:
        return folding.events
    kh, kw, _ = op.taps(source)
    if isinstance(op, DepthwiseConv):
        return kh * kw
    return folding.lanes * {"all": kh * kw, "column": kh, "tap": 1}[folding.slice]


def steps_per_cycle(op: Synapse, folding: Folding, source: Tensor) -> int:
    """TP. Raises VolleyError where it divides no beat."""
    steps = source.beat_steps
    tp = folding.tp or steps
    if steps % tp:
        raise VolleyError(f"{op.kind} {op.name!r}: TP = {tp} does not divide the {steps} time steps of a beat")
    return tp
