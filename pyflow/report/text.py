# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A report as text: a table of the layers, a summary."""

from __future__ import annotations

from msgspec import UNSET

from pyflow.report import over
from pyflow.report.record import Area, Fifo, Layer, LayerFolding, Report


def layer_table(layers: list[Layer]) -> str:
    """The layers of a report as text: folding, predicted and measured cycles, LUTs. Below, their FIFOs, if any."""
    from tabulate import tabulate  # no command needs it to start

    rows = [
        [
            layer.name,
            layer.kind,
            _folding(layer.folding),
            layer.predicted_cycles,
            "-" if layer.measured_cycles is None else f"{layer.measured_cycles:.0f}",
            layer.luts,
            f"{layer.bram36:g}",
        ]
        for layer in layers
    ]
    rows.append(["total", "", "", "", "", sum(x.luts for x in layers), f"{sum(x.bram36 for x in layers):g}"])
    table: str = tabulate(
        rows,
        headers=[
            "layer",
            "kind",
            "folding",
            "busy cycles\npredicted",
            "busy cycles\nmeasured",
            "LUT\n(estimate)",
            "BRAM36\n(estimate)",
        ],
        tablefmt="simple",
        disable_numparse=True,
        colalign=("left", "left", "left", "right", "right", "right", "right"),
    )
    fifos = [fifo for layer in layers for fifo in layer.fifos]
    return f"{table}\n\n{_fifo_table(fifos)}" if fifos else table


def _fifo_table(fifos: list[Fifo]) -> str:
    from tabulate import tabulate

    rows = [[f.name, f.beats, f.width, f.held, f"{f.bram36:g}"] for f in fifos]
    table: str = tabulate(
        rows,
        headers=["FIFO", "beats", "bits of\na beat", "most held\npredicted", "BRAM36\n(estimate)"],
        tablefmt="simple",
        disable_numparse=True,
        colalign=("left", "right", "right", "right", "right"),
    )
    return table


def _folding(folding: LayerFolding | None) -> str:
    if folding is None:
        return ""
    pixels = f"PIX {folding.pix}, " if folding.pix > 1 else ""
    neurons = f", neurons {folding.neurons}" if folding.neurons else ""
    sums = ", residual sums in DSP slices" if folding.residual == "dsp" else ""
    size = f"{folding.body.upper()}, PE {folding.pe} x SIMD {folding.simd} ({folding.slice}), TP {folding.tp}, "
    return f"{size}{pixels}folds {folding.folds[0]}x{folding.folds[1]}{neurons}{sums}"


def number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def area_text(area: Area, board: str, placed: bool = False, given: bool = False) -> str:
    """given: the folding was, and was not planned."""
    if excess := over(area):
        # More cycles make logic smaller, but weights and states stay.
        way = "raise CYCLES" if excess.keys() - {"bram"} else "use fewer weight bits or a larger board"
        way = "change the folding" if given else way
        need = ", ".join(f"{name.upper()} {used:,g} of {limit:,g}" for name, (used, limit) in excess.items())
        return f"does NOT fit {board}: {need} (estimate; {way}, or `make estimate` measures)"
    return ", ".join(f"{n.upper()} {u:,g} of {m:,g}" for n, (u, m) in area.cells().items()) + (
        " (placed)" if placed else " (estimate; `make estimate` measures)"
    )


def summary(r: Report) -> str:
    def percent(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.2f} %"

    predicted, measured = r.predicted_cycles_per_frame, r.cycles_per_frame
    placed = f"{r.frames_per_s:,.0f} frames/s at {r.clock_mhz:g} MHz ({r.clock}) on {r.board}"
    if r.frames_compared is None:
        cycles = f"{number(predicted)} predicted, not simulated; `make sim` does, and compares every logit"
        rows = {"cycles per frame": cycles, "frame rate": placed, **_limit(r)}
        return _rows(rows)
    cycles = "not measured (needs three frames)" if measured is None else f"{number(measured)} measured"
    error = "" if measured is None else f" ({measured / predicted - 1:+.2%})"
    accuracies = ("float", r.accuracy_float), ("fine-tuned", r.accuracy_finetuned), ("SNN in RTL", r.accuracy_snn)
    rows = {
        "accuracy": ", ".join(f"{title} {percent(share)}" for title, share in accuracies),
        "bit-exact": f"{r.frames_compared:,} frames compared, every logit; {r.mismatches} mismatches",
        "cycles per frame": f"{cycles}, {number(predicted)} predicted{error}",
        "latency": f"{_count(r.latency_cycles)} cycles measured, {r.predicted_latency_cycles:,} predicted",
        "frame rate": placed,
        **_limit(r),
        "area": area_text(r.area, r.board, r.placed is not UNSET),
        "activity per frame": f"{_count(r.spikes)} spikes, {_count(r.synops)} synaptic operations"
        f" of {_count(r.dense_ops)} dense",
        **({"saturations": _saturations(r.saturations)} if r.saturations else {}),
        "simulation speed": f"{_count(r.sim_frames_per_cpu_s)} frames per CPU-second",
    }
    return _rows(rows)


def _rows(rows: dict[str, str]) -> str:
    return "".join(f"\n{title:<20}{text}" for title, text in rows.items())


def _limit(r: Report) -> dict[str, str]:
    return {} if r.limit is None else {"what limits it": r.limit.change}


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _saturations(per_frame: dict[str, float]) -> str:
    """Neurons x steps that hit the rails of their state, by layer; more than a few cost accuracy."""
    some = ", ".join(f"{name} {count:,.1f}" for name, count in per_frame.items() if count)
    return f"{some} neurons x steps per frame (raise the layer's width)" if some else "none"
