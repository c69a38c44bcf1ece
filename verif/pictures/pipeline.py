# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A plan as a picture: a box per stage, a bar per operator that shows how much of a frame's cycles it is busy."""

from __future__ import annotations

from dataclasses import dataclass

import drawsvg

from pyflow.graph import Network
from pyflow.integers import ceil_div
from pyflow.machine import PlannedLayer
from pyflow.machines.stream import StreamPlan
from pyflow.operators import Conv, DepthwiseConv, Encoding, Synapse

WIDTH, GAP, TOP, ROW, HEAD = 172, 62, 58, 30, 44  # of a box and between boxes; above, a row in it, its head [px]
PER_ROW = 3  # boxes
COLOURS = {
    "conv": "#4c78a8", "depthwise": "#4c78a8", "linear": "#4c78a8", "neuron": "#e4572e", "maxpool": "#72a98f",
    "readout": "#e4572e",
}  # fmt: skip
OTHER, INK, PALE, EDGE = "#9d9d9d", "#1b1f24", "#eef1f5", "#b8c0cc"
FONT = "Helvetica, Arial, sans-serif"


@dataclass(frozen=True, slots=True)
class Stage:
    """A synapse layer and what follows it until the next one."""

    layers: list[PlannedLayer]

    @property
    def name(self) -> str:
        return self.layers[0].name


def stages(layers: list[PlannedLayer]) -> list[Stage]:
    found: list[Stage] = []
    for layer in layers:
        if not found or layer.folding is not None:
            found.append(Stage([]))
        found[-1].layers.append(layer)
    return found


def picture(plan: StreamPlan, title: str) -> str:
    """SVG of the pipeline of `plan`."""
    boxes, network = stages(plan.layers()), plan.network
    rows = max(len(stage.layers) for stage in boxes)
    band = HEAD + rows * ROW + 42  # a row of boxes
    width = GAP + PER_ROW * (WIDTH + GAP)
    height = TOP + ceil_div(len(boxes), PER_ROW) * band
    drawing = drawsvg.Drawing(width, height, id_prefix="p")
    drawing.append(drawsvg.Rectangle(0, 0, width, height, fill="white"))
    drawing.append(_text(title, GAP, 24, 15, weight="bold"))
    total = plan.total
    said = (
        f"{plan.cycles_per_frame:,.10g} cycles per frame, latency {plan.latency_cycles:,}; "
        f"{total.lut:,.0f} LUT, {total.dsp:,.0f} DSP (estimated). Bars: busy share of a frame."
    )
    drawing.append(_text(said, GAP, 42, 11))
    source, bits = network.input_shape, 8
    for n, stage in enumerate(boxes):
        x, y = GAP + n % PER_ROW * (WIDTH + GAP), TOP + n // PER_ROW * band
        _box(drawing, x, y, rows, stage, plan)
        _edge(drawing, x - GAP, y, "×".join(map(str, source)), bits)
        last = stage.layers[-1].name
        source, bits = network.tensors[last].shape, _bits(network, last)
    x, y = GAP + ((len(boxes) - 1) % PER_ROW + 1) * (WIDTH + GAP), TOP + (len(boxes) - 1) // PER_ROW * band
    _edge(drawing, x - GAP, y, f"{network.classes} logits", bits)
    return str(drawing.as_svg()) + "\n"


def _edge(drawing: drawsvg.Drawing, x: float, y: float, what: str, bits: int) -> None:
    """The stream between two boxes, from `x` on."""
    _arrow(drawing, x + 4, y + 20, x + GAP - 3)
    drawing.append(_text(what, x + GAP / 2, y + 36, 10, anchor="middle"))
    drawing.append(_text(f"{bits} bit", x + GAP / 2, y + 49, 10, anchor="middle"))


def _box(drawing: drawsvg.Drawing, x: float, top: float, rows: int, stage: Stage, plan: StreamPlan) -> None:
    height = HEAD + rows * ROW + 8
    drawing.append(drawsvg.Rectangle(x, top, WIDTH, height, rx=6, fill=PALE, stroke=EDGE, stroke_width=1))
    drawing.append(_text(stage.name, x + 8, top + 17, 13, weight="bold"))
    drawing.append(_text(_shape(plan.network, stage), x + 8, top + 33, 10))
    for n, layer in enumerate(stage.layers):
        y = top + HEAD + n * ROW
        share = min(1.0, layer.cycles / plan.cycles_per_frame)
        drawing.append(_text(_label(layer), x + 8, y + 11, 10))
        drawing.append(drawsvg.Rectangle(x + 8, y + 15, WIDTH - 16, 7, fill="white", stroke=EDGE, stroke_width=0.5))
        colour = COLOURS.get(layer.kind, OTHER)
        drawing.append(drawsvg.Rectangle(x + 8, y + 15, round((WIDTH - 16) * share, 1), 7, fill=colour))
        drawing.append(_text(f"{100 * share:.0f} %", x + WIDTH - 8, y + 11, 10, anchor="end"))


def _shape(network: Network, stage: Stage) -> str:
    op = next(op for op in network.operators if op.name == stage.name)
    if isinstance(op, DepthwiseConv):
        co, _, kh, kw = op.weight.shape
        return f"depthwise {kh}×{kw}, {co} maps"
    if isinstance(op, Conv):
        co, ci, kh, kw = op.weight.shape
        return f"conv {kh}×{kw}, {ci} to {co} maps"
    if isinstance(op, Synapse):
        return f"linear, {op.weight[0].size} to {len(op.weight)}"
    return "pixels to words"


def _label(layer: PlannedLayer) -> str:
    if layer.folding is None:
        return layer.kind
    return f"PE {layer.folding['pe']} × SIMD {layer.folding['simd']}"


def _bits(network: Network, name: str) -> int:
    tensor = network.tensors[name]
    return 32 if name == network.operators[-1].name else tensor.steps if tensor.encoding is Encoding.RADIX else 1


def _text(text: str, x: float, y: float, size: int, *, weight: str = "normal", anchor: str = "start") -> drawsvg.Text:
    return drawsvg.Text(text, size, x, y, fill=INK, font_family=FONT, font_weight=weight, text_anchor=anchor)


def _arrow(drawing: drawsvg.Drawing, x: float, y: float, end: float) -> None:
    drawing.append(drawsvg.Line(x, y, end - 5, y, stroke=INK, stroke_width=1.4))
    drawing.append(drawsvg.Lines(end, y, end - 6, y - 4, end - 6, y + 4, close=True, fill=INK))
