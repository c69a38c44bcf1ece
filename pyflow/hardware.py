# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What a core costs: folding of a layer, bit widths, and the cell estimate behind every `cost()`.

The coefficients count the LUTs and flip-flops of the parts of a core and were checked against `make estimate`
of the shipped networks (yosys, xc7; within 20 % per layer). They are estimates; `make estimate` measures.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from pyflow.errors import VolleyError

SLICES = ("all", "column", "tap")  # which taps of the K x K window one array cycle takes
NEURONS = ("auto", "serial", "unrolled")
MEMORIES = ("auto", "const", "lut", "block", "writable")
BODIES = ("lut", "gate", "soft", "mult")  # of a synapse array: BODY of volley_synapse_sum is the position

# A weight memory this large goes to block RAM (issue: >= 1,024 bits and >= 64 words).
BLOCK_RAM_MIN_BITS = 1024
BLOCK_RAM_MIN_WORDS = 64


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def signed_width(bound: int) -> int:
    """Bits of a signed number with magnitude at most `bound`: 1 + ceil(log2(1 + bound))."""
    return 1 + int(bound).bit_length()


@dataclass(frozen=True, slots=True)
class Folding:
    """How one layer is laid on its core.

    pe: outputs per cycle. lanes: input channels per slice; also the lanes of the stream into the
    layer. pix: pixels per beat of that stream; several only where a cycle takes all of a window and gives all
    of its outputs. slice: taps per cycle ("all", "column" = one kernel column, "tap" = one).
    tp: time steps per cycle. window_depth: beats the replay buffer holds (0: the smallest that is
    legal, rounded up to a power of two); rows: rows the line buffer holds (0: the kernel height).
    events: of a linear layer, words that are not zero taken per cycle (0: every word, zero or not).
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
    skid: bool = False

    def __post_init__(self) -> None:
        for key, allowed in (("slice", SLICES), ("neuron", NEURONS), ("memory", MEMORIES), ("body", ("auto", *BODIES))):
            value = getattr(self, key)
            if value not in allowed:
                raise VolleyError(f"folding: {key}={value!r} is unknown; use one of {', '.join(allowed)}")
        for key in ("pe", "lanes", "pix"):
            if getattr(self, key) < 1:
                raise VolleyError(f"folding: {key}={getattr(self, key)} must be at least 1")
        for key in ("tp", "window_depth", "rows", "events"):
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


@dataclass(frozen=True, slots=True)
class RowWindows:
    """How volley_window_full walks along a row of `width` columns, `pix` to a beat; its header has the formulas.

    pix: windows per beat. beats: of columns. span: columns under the windows of a beat. lead_in: newest beat of
    the first windows; last: of the last ones, `step` beats apart. beyond: beats right of the map that they need.
    overlap: of those, how many come together with the next row's first ones.
    """

    pix: int
    beats: int
    span: int
    lead_in: int
    step: int
    last: int
    beyond: int
    overlap: int

    @classmethod
    def of(cls, width: int, kernel: int, stride: int, padding: int, pix: int = 1) -> RowWindows:
        out, step, beats = max(1, pix // stride), max(1, stride // pix), width // pix
        span = (out - 1) * stride + kernel
        lead_in = (span - 1 - padding) // pix
        last = lead_in + (((width + 2 * padding - kernel) // stride + 1) // out - 1) * step
        beyond = max(0, last - (beats - 1))
        return cls(out, beats, span, lead_in, step, last, beyond, min(beyond, lead_in, beats))

    @staticmethod
    def legal(width: int, kernel: int, stride: int, padding: int, pix: int) -> bool:
        """Are rows whole beats, before and after?"""
        columns = (width + 2 * padding - kernel) // stride + 1
        return width % pix == 0 and not (pix % stride and stride % pix) and columns % max(1, pix // stride) == 0

    @property
    def row(self) -> int:
        """Cycles per row."""
        return self.beats + self.beyond - self.overlap


@dataclass(frozen=True, slots=True)
class Cost:
    """Cells of one operator. lut as in `make estimate` (sum of LUT1-6 + SRL + LUTRAM), bram in RAMB36."""

    lut: float = 0.0
    ff: float = 0.0
    bram: float = 0.0
    dsp: float = 0.0
    weight_bits: float = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(a + b for a, b in zip(self.as_tuple(), other.as_tuple(), strict=True)))

    def as_tuple(self) -> tuple[float, ...]:
        return (self.lut, self.ff, self.bram, self.dsp, self.weight_bits)


def bram36(width: int, depth: int, *, dual: bool = False) -> float:
    """RAMB36 count of a simple dual-port RAM, in halves (RAMB18), best of the legal aspect ratios. dual: both ports
    read, and none is wider than 18 bits of a half."""
    best = float("inf")
    for w, d in ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))[dual:]:
        best = min(best, ceil_div(width, w) * ceil_div(depth, d) * 0.5)
    return best


# The parts that the cores are made of, in cells of a xc7. Counters, handshakes and the registers that pass
# control along are one constant per core (CONTROL_*).
CONTROL_LUT = 25
CONTROL_FF = 25


def sum_latency(body: int, simd: int, tp: int, per_step: bool) -> int:
    """Ticks of volley_synapse_sum."""
    depth, levels = (simd - 1).bit_length(), 0 if per_step else (tp - 1).bit_length()
    cascade = (min(simd, 16) + 1) // 2 + (ceil_div(simd, 16) - 1).bit_length()
    match BODIES[body]:
        case "lut":
            return 1 + depth + levels
        case "gate":
            return 1 + cascade + levels
        case "soft":
            return 2 + cascade + levels
        case _:
            return 4 + depth


def tree_cost(operands: int, width: int) -> Cost:
    """Registered adder tree: an adder takes one LUT per bit of its operands, every node is registered."""
    lut = ff = 0
    while operands > 1:
        lut += operands // 2 * width
        operands, width = ceil_div(operands, 2), width + 1
        ff += operands * width
    return Cost(lut=lut, ff=ff)


def ram_cost(width: int, depth: int) -> Cost:
    """RAM with a registered output where synthesis has the choice: LUTRAM (the four LUTs of a slice hold
    6 x 32 or 3 x 64 bits) up to sixteen slices for each RAMB18 that would replace them."""
    slices = ceil_div(width, 6) if depth <= 32 else ceil_div(width, 3) * ceil_div(depth, 64)
    if slices > 16 * 2 * bram36(width, depth):
        return Cost(bram=bram36(width, depth))
    return Cost(lut=4 * slices, ff=width)


def source_cost(width: int, depth: int, *, block: bool) -> Cost:
    """Weight source of `depth` rows: memory, output registers, address counter; one row is wires.

    A LUT ROM takes a LUT per column and 16 rows (a LUT6 could hold 64; the mapper does not get there),
    and equal columns are merged: `depth` rows have at most 2^depth different ones.
    """
    if depth <= 1:
        return Cost()
    address = (depth - 1).bit_length()
    if block:
        return Cost(lut=2 * address, ff=width + address + 2, bram=bram36(width, depth))
    columns = min(width, 2 ** min(depth, 32))
    return Cost(lut=columns * depth / 16 + 2 * address, ff=2 * columns + address + 2)


def loader_cost(width: int, depth: int) -> Cost:
    """Loader of a writable memory: a shift register of whole words, places of word and row."""
    words, address = ceil_div(width, 32), max(1, (depth - 1).bit_length())
    row = width if words == 1 else 32 * words
    return Cost(lut=8 + 1.5 * address, ff=row + address + (words - 1).bit_length() + 2)


def fifo_cost(width: int, depth: int) -> Cost:
    """FIFO: its RAM (tlast included), two addresses and a count."""
    return ram_cost(width + 1, max(2, depth - 1)) + Cost(lut=CONTROL_LUT, ff=CONTROL_FF)


def skid_cost(width: int) -> Cost:
    """Skid register: payload and tlast twice, and a choice between them."""
    return Cost(lut=width + 4, ff=2 * width + 4)


def convert_cost(lanes_in: int, lanes_out: int, bits: int) -> Cost:
    """Lane converter: a buffer whose bits each choose between hold, shift and input (2.2 LUT), and between
    two input positions more where neither number of lanes divides the other (3.5 LUT)."""
    if lanes_in == lanes_out:
        return Cost()
    unit = math.gcd(lanes_in, lanes_out)
    units_in, units_out = lanes_in // unit, lanes_out // unit
    buffer = (units_in + 2 * units_out - 2) // units_out * lanes_out * bits
    return Cost(lut=(2.2 if unit in (lanes_in, lanes_out) else 3.5) * buffer + 8, ff=buffer + 12)


def conversions(lanes: int, pix: int, to_lanes: int, to_pix: int, channels: int) -> list[tuple[int, int, int]]:
    """Lane converters from one stream to another: (LANES_IN, LANES_OUT, CHANNELS) of each.

    The words of whole pixels are a run without padding, which can be cut anywhere: one converter. Otherwise whole
    pixels come between.
    """
    if (lanes, pix) == (to_lanes, to_pix):
        return []
    if pix == to_pix == 1:
        return [(lanes, to_lanes, channels)]
    if channels % lanes == 0 == channels % to_lanes:
        return [(pix * lanes, to_pix * to_lanes, math.lcm(pix, to_pix) * channels)]
    return conversions(lanes, pix, channels, 1, channels) + conversions(channels, 1, to_lanes, to_pix, channels)


def event_list_depth(inputs: int, events: int, replay: int) -> int:
    """Rows that an event list holds if nobody says: the next frame, which has zeros, finds room beside this one."""
    return 2 << max(1, (ceil_div(inputs, events) - 1).bit_length()) if replay > 1 else 4


def event_list_cost(lanes: int, events: int, inputs: int, bits: int, replay: int, depth: int = 0) -> Cost:
    """Event list: its RAM, the choice of each pick among the lanes, the rows that picked words are joined to
    (checked against yosys for 1 to 16 lanes and 1 to 4 events, within 20 %)."""
    event = max(1, (inputs - 1).bit_length()) + bits
    ram = ram_cost(events * event + 1, depth or event_list_depth(inputs, events, replay))
    choice = min(events, lanes) * lanes * (bits + 2)
    joined = Cost(lut=0.85 * events * events * event, ff=2 * events * event)
    return ram + joined + Cost(lut=97 + choice, ff=55 + lanes * (bits + 1))


def goes_to_block_ram(width: int, depth: int) -> bool:
    return width * depth >= BLOCK_RAM_MIN_BITS and depth >= BLOCK_RAM_MIN_WORDS
