# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What a report says, as records: report.json is their fields, its schema is made from them
(`python -m pyflow report --schema`)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=0)]
Amount = Count | Annotated[float, Meta(ge=0)]  # a whole number stays one
Size = Annotated[int, Meta(ge=1)]
Used = Annotated[list[Amount], Meta(min_length=2, max_length=2)]  # [used, there is]


class Record(Struct, forbid_unknown_fields=True):
    """Of a known form: no key is unknown, and none missing that has no default."""


class LayerFolding(Record, kw_only=True):
    """Of a synapse layer: the keys of folding.json, inputs per cycle, and [output folds, input folds]."""

    pe: Size
    lanes: Size
    slice: Literal["all", "column", "tap"]
    tp: Count
    neuron: str = "auto"
    memory: str = "auto"
    body: str
    window_depth: Count = 0
    rows: Count = 0
    pix: Size
    events: Count = 0
    neurons: Count = 0
    residual: Literal["lut", "dsp"] = "lut"
    skid: bool = False
    simd: Size
    folds: Annotated[list[Size], Meta(min_length=2, max_length=2)]


class Fifo(Record, kw_only=True):
    """A FIFO, by its key in folding.json; a layer's own one by the stream that it makes. beats: its depth, of `width`
    bits each; held: the most inside at a time, predicted."""

    name: str
    beats: Size
    width: Size
    held: Count
    bram36: Amount


class Layer(Record, kw_only=True):
    """One operator. Cycles: busy, per frame; stalls: per frame in front of it; cells: estimated, with those of its
    FIFOs, which stand in front of it."""

    name: str
    kind: str
    folding: LayerFolding | None
    luts: Count
    ffs: Count
    bram36: Amount
    dsp: Amount
    weight_bits: Count
    predicted_cycles: Count
    measured_cycles: Amount | None
    stalls: Amount | None
    fifos: list[Fifo] = msgspec.field(default_factory=list)


class Area(Record, kw_only=True):
    """[planner's estimate, board's budget], or of a placed chip [used, available]."""

    lut: Used
    ff: Used
    bram: Used
    dsp: Used

    def cells(self) -> dict[str, list[float]]:
        """By the cells' name."""
        return msgspec.structs.asdict(self)


class Power(Record, kw_only=True):
    """Of a placed chip [W], in Vivado's words."""

    total_w: Amount
    dynamic_w: Amount
    static_w: Amount
    accelerator_w: Amount | None
    confidence: str
    activity: str | None
    nets_matched: str | None


class Placed(Record, kw_only=True):
    """What place and route found; some of it by nextpnr or by Vivado alone."""

    part: str
    bitstream: str
    bytes: Size
    max_mhz: Positive
    worst_path: str | UnsetType = UNSET
    seed: Count | UnsetType = UNSET
    cells: dict[str, Used]
    tools: dict[str, str]
    cpu_s: Amount | UnsetType = UNSET
    setup_slack_ns: float | UnsetType | None = UNSET
    hold_slack_ns: float | UnsetType | None = UNSET
    power: Power | UnsetType = UNSET


class Fidelity(Record, kw_only=True):
    """A layer's integers beside the float network, on up to 64 calibration images. constant: channels that vary in
    float only; saturated: share of positive values beyond the largest code."""

    name: str
    label: str
    correlation: Annotated[float, Meta(ge=-1.001, le=1.001)] | None
    channels: Size
    constant: list[Count]
    saturated: Share


class Waiting(Record, kw_only=True):
    """A core on the critical cycle, and how many of its handshakes follow each other there."""

    core: str
    events: Size


class Limit(Record, kw_only=True):
    """The critical cycle: least cycles per frame of any schedule of these cores, the cycle, the frames that it spans,
    and what would have to change."""

    cycles_per_frame: Positive
    cycle: list[Waiting]
    frames: Count
    change: str


class Report(Record, kw_only=True):
    """A network on a board: predicted, simulated, placed. What nobody has measured yet is None; placed is left out
    where nothing was placed."""

    version: Literal[1] = 1
    network: str
    board: str
    accuracy_float: Share | None = None
    accuracy_finetuned: Share | None = None
    accuracy_snn: Share | None = None
    fidelity: list[Fidelity] | None = None
    frames_compared: Count | None = None
    mismatches: Count | None = None
    first_mismatch: str | None = None
    cycles_per_frame: Amount | None = None
    latency_cycles: Count | None = None
    synops: Amount | None = None
    dense_ops: Amount | None = None
    spikes: Amount | None = None
    sim_frames_per_cpu_s: Amount | None = None
    saturations: dict[str, Amount]
    stalls: dict[str, Amount]
    predicted_cycles_per_frame: Annotated[float, Meta(ge=1)]
    predicted_latency_cycles: Size
    limit: Limit | None = None
    clock_mhz: Positive
    clock: Literal["assumed", "placed"]
    frames_per_s: Amount
    layers: list[Layer]
    area: Area
    placed: Placed | UnsetType = UNSET

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def schema() -> dict[str, Any]:
    """JSON schema of report.json."""
    return msgspec.json.schema(Report)
