# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The jobs behind the command line: each takes the parsed options and returns (exit status, outcome)."""

from __future__ import annotations

import argparse
import io
import shlex
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyflow import workspace, zoo
from pyflow.bars import bar
from pyflow.build import Build, Result, activity, compile
from pyflow.data import Dataset, fit, load
from pyflow.errors import VolleyError
from pyflow.frames import flag_names
from pyflow.graph import Network
from pyflow.kinds import refuse_net
from pyflow.measure import accuracies, accuracy_text
from pyflow.out_folder import AUTO, FOLDING
from pyflow.planning import fits
from pyflow.planning.board import Board, load_board
from pyflow.planning.planner import FILL
from pyflow.shapes import check_shape
from pyflow.writing import check_target, write_file

if TYPE_CHECKING:
    from torch import nn

Outcome = tuple[int, dict[str, Any]]
ACTIVITY_FRAMES = 500  # spikes and synaptic operations are averaged over at most these
MAKE_OPTIONS = (
    "board",
    "weights",
    "data",
    "data_dir",
    "timesteps",
    "weight_bits",
    "finetune",
    "cycles",
    "folding",
    "time_block",
    "seed",
)
STAGE_FRAMES = 128  # frames whose stalls are counted stream by stream


def say(text: str) -> None:
    print(text, flush=True)


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar to be called with the count of frames so far."""
    with bar(title, "frame", total) as shown:
        yield lambda done: shown.update(done - shown.n)


# ---------------------------------------------------------------------- networks and data
def _check_labels(network: Network, data: Dataset) -> None:
    if data.classes > network.classes:
        raise VolleyError(
            f"data {data.name!r}: labels go up to {data.classes - 1}, "
            f"network {network.name!r} has {network.classes} outputs"
        )


def _dataset(
    args: argparse.Namespace, default: str | None, shape: tuple[int, ...] | None, sequences: bool = False
) -> Dataset:
    """Labels are needed where a job compares with them."""
    data = args.data or default
    if not data:
        raise VolleyError(f"network {args.net!r}: give its data: DATA=digits, DATA=mnist DATA_DIR=... or DATA=my.npz")
    return load(data, args.data_dir, shape, sequences, labels=args.command == "sim" or bool(args.finetune))


def _own_model(args: argparse.Namespace, model: nn.Module) -> tuple[Network, Dataset]:
    """Convert what my_net.py:build made, and measure its float accuracy on the way."""
    from pyflow.conversion import convert, finetune
    from pyflow.conversion.finetune import accuracy
    from pyflow.frontends import takes_sequences, trace
    from pyflow.frontends.checkpoint import short
    from pyflow.frontends.float_graph import FloatConv, FloatLinear

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
    data = _dataset(args, None, shape, takes_sequences(model))
    bits: dict[str, Any] = {
        "timesteps": 4 if args.timesteps is None else args.timesteps,
        "weight_bits": 4 if args.weight_bits is None else args.weight_bits,
    }
    name = workspace.name_of(args.net)
    meta: dict[str, Any] = {"data": data.name, "test_images": len(data.x_test)}
    traced = trace(model, data.shape, name=name)
    planned = getattr(args, "board", None) and args.folding in (None, "", AUTO)
    if planned and bits["weight_bits"] in range(2, 9) and not (workspace.folder_of(args) / FOLDING).exists():
        # Said before the minutes that calibration and planning may take.
        sizes = ((x.name, x.weight.size) for x in traced.layers if isinstance(x, FloatConv | FloatLinear))
        needed = [fits.weights(layer, size, bits["weight_bits"]) for layer, size in sizes]
        fits.check(name, needed, load_board(args.board), FILL if args.cycles is None else 1.0)
    network = convert(traced, data.calibration, seed=args.seed, name=name, **bits)
    if data.labelled:
        meta["accuracy_float"] = accuracy(model.float(), data.x_test, data.y_test)
    if args.finetune:
        if not len(data.x_train):
            raise VolleyError(
                f"data {data.name!r}: has no training images for --finetune {args.finetune}; add x_train, y_train"
            )
        tuned = finetune(model, data, epochs=args.finetune, seed=args.seed, name=name, **bits)
        network = tuned.network
        meta["accuracy_finetuned"] = tuned.accuracy
    return network.with_meta(**meta), fit(data, network.input_shape)


def _measured(network: Network, data: Dataset | None) -> Network:
    """`network` with the accuracy of the integers on `data` in its meta, and a line that says it and the others."""
    if data is not None:
        found = accuracies(network, data)
        if data.name != network.meta.get("data"):  # what is stored is of other images
            stored = {k: v for k, v in network.meta.items() if not k.startswith("accuracy_")}
            network = replace(network, meta={**stored, "data": data.name, "test_images": len(data.x_test)})
        network = network.with_meta(**found)
    if text := accuracy_text(network.meta):
        say(f"accuracy:  {text}")
    return network


def _network(args: argparse.Namespace, need_data: bool = True) -> tuple[Network, Dataset | None]:
    """The network of --net and the data to run it on."""
    network: Network
    built = ".py:" in args.net or args.net.endswith(".py")
    if built:
        from pyflow.frontends import load_model

        model = load_model(args.net, args.weights)
        if not isinstance(model, Network):
            return _own_model(args, model)
        network = model
    given = [o for o in ("finetune", "weights", "timesteps", "weight_bits") if getattr(args, o) not in (None, 0)]
    if given:
        option = given[0]
        raise VolleyError(
            f"--{option.replace('_', '-')} does not go with the integer network {args.net!r}; "
            "give a model (my_net.py:build), or make one with python -m pyflow.zoo.train"
        )
    if args.net.endswith(".vly"):
        network = Network.load(args.net)
    elif not built:
        if args.net not in zoo.names():
            refuse_net(args.net)
        network = zoo.load(args.net)
    if not need_data and not args.data:
        return network, None
    return network, _dataset(args, network.meta.get("data"), network.input_shape)


def _compile(args: argparse.Namespace, network: Network) -> Build:
    folder = workspace.folder_of(args)
    settings = {"board": args.board, "cycles": args.cycles, "folding": args.folding, "time_block": args.time_block}
    design = workspace.Design.of(network, **settings, probes=args.probes)
    args.until_end.enter_context(workspace.held(folder, design, args.command))
    return compile(
        network, args.board, folder, args.cycles, args.folding, time_block=args.time_block, probes=args.probes
    )


def _simulate(build: Build, x: np.ndarray, taps: int, frames: int) -> Result:
    """Simulate `x`, the first of `frames` that will be."""
    say(f"simulator: building {build.network.name} with Verilator (once per structure; minutes for a large network)")
    build.simulator(cycles=build.cycles(frames))
    with progress("RTL simulation", len(x)) as tick:
        return build.simulate(x, taps=taps, progress=tick)


# ---------------------------------------------------------------------- jobs
def sim(args: argparse.Namespace) -> Outcome:
    """The main job. Exit status 1 if any logit of any frame differs from the reference."""
    from pyflow.report import layer_rows, layer_table, update_report

    network, data = _network(args)
    assert data is not None
    x, y = data.x_test[: args.frames], data.y_test[: args.frames]
    say(network.summary() + "\n")
    board = load_board(args.board)
    build = _compile(args, network)
    if args.waves:
        return _waves(args, build, x)
    _check_labels(network, data)
    stored = network.meta if network.meta.get("data") == data.name else {}  # accuracies on other data say nothing
    expected = network.run(x)
    # A short first run counts stalls stream by stream; the full one compares every frame at full speed.
    staged = _simulate(build, x[:STAGE_FRAMES], taps=STAGE_FRAMES, frames=len(x))
    with progress("RTL simulation", len(x)) as tick:
        result = build.simulate(x, taps=0, progress=tick)

    answered = len(result.logits)
    wrong = np.flatnonzero((result.logits != expected[:answered]).any(axis=1) | (result.flags != 0))
    mismatches = len(wrong) + len(x) - answered
    clipped = network.saturations(x[:STAGE_FRAMES])
    report = _report(build, board, result.cycles_per_frame) | {
        "accuracy_float": stored.get("accuracy_float"),
        "accuracy_finetuned": stored.get("accuracy_finetuned"),
        "accuracy_snn": float((result.logits.argmax(1) == y[:answered]).mean()) if answered else None,
        "frames_compared": answered,
        "mismatches": mismatches,
        "saturations": {name: float(counts.mean()) for name, counts in clipped.items()},
        "cycles_per_frame": result.cycles_per_frame,
        "latency_cycles": result.latency_cycles,
        "stalls": staged.stalls,
        "sim_frames_per_cpu_s": len(x) / max(result.cpu_s, 1e-3),
        "layers": layer_rows(build, staged),
    }
    report["spikes"], report["synops"], report["dense_ops"] = activity(network, x[:ACTIVITY_FRAMES])
    if mismatches:
        frame = int(wrong[0]) if len(wrong) else answered
        report["first_mismatch"] = _explain(args, build, x, frame, result)
    elif staged.saturations != (counted := sum(int(counts.sum()) for counts in clipped.values())):
        report["first_mismatch"] = (
            f"saturations of the first {len(x[:STAGE_FRAMES])} frames: "
            f"{staged.saturations} counted in RTL, {counted} in the reference"
        )
    report = update_report(report, build.folder / "report.json")
    say(layer_table(report["layers"]))
    say(_summary(report))
    say(f"report: {_relative(build.folder / 'report.json')}")
    if report["first_mismatch"]:
        print(f"MISMATCH: {report['first_mismatch']}", file=sys.stderr)
        return 1, report
    return 0, report


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def _report(build: Build, board: Board, cycles: float | None = None) -> dict[str, Any]:
    """A report of what is known of a build; what only a simulation can tell is null."""
    from pyflow.report import REPORT_VERSION, layer_rows

    schedule = build.plan.schedule
    unknown = (
        "accuracy_float", "accuracy_finetuned", "accuracy_snn", "frames_compared", "mismatches", "first_mismatch",
        "cycles_per_frame", "latency_cycles", "synops", "dense_ops", "spikes", "sim_frames_per_cpu_s",
    )  # fmt: skip
    return {
        "version": REPORT_VERSION,
        "network": build.network.name,
        "board": board.name,
        **dict.fromkeys(unknown),
        "saturations": {},
        "stalls": {},
        "predicted_cycles_per_frame": schedule.cycles_per_frame,
        "predicted_latency_cycles": schedule.latency_cycles,
        "clock_mhz": board.clock_mhz,
        "clock": "assumed",
        "frames_per_s": board.clock_mhz * 1e6 / (cycles or schedule.cycles_per_frame),
        "layers": layer_rows(build),
        "area": _area(build, board),
    }


def _area(build: Build, board: Board) -> dict[str, list[float]]:
    """Estimated cells beside the board's budget: {"lut": [used, budget], ...}."""
    total, budget = build.plan.total, board.budget
    return {
        "lut": [round(total.lut), budget.lut],
        "ff": [round(total.ff), budget.ff],
        "bram": [budget.brams(total.bram), budget.bram],
        "dsp": [total.dsp, budget.dsp],
    }


def _over(area: dict[str, list[float]]) -> dict[str, list[float]]:
    """What of an area is more than the board has."""
    return {name: cells for name, cells in area.items() if cells[0] > cells[1]}


def _area_text(area: dict[str, list[float]], board: str, placed: bool = False, given: bool = False) -> str:
    """given: the folding was, and was not planned."""
    if over := _over(area):
        # More cycles make logic smaller, but weights and states stay.
        way = "raise CYCLES" if over.keys() - {"bram"} else "use fewer weight bits or a larger board"
        way = "change the folding" if given else way
        need = ", ".join(f"{name.upper()} {used:,g} of {limit:,g}" for name, (used, limit) in over.items())
        return f"does NOT fit {board}: {need} (estimate; {way}, or `make estimate` measures)"
    return ", ".join(f"{n.upper()} {u:,g} of {m:,g}" for n, (u, m) in area.items()) + (
        " (placed)" if placed else " (estimate; `make estimate` measures)"
    )


def _summary(r: dict[str, Any]) -> str:
    def percent(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.2f} %"

    predicted, measured = r["predicted_cycles_per_frame"], r["cycles_per_frame"]
    placed = f"{r['frames_per_s']:,.0f} frames/s at {r['clock_mhz']:g} MHz ({r['clock']}) on {r['board']}"
    if r["frames_compared"] is None:
        cycles = f"{_number(predicted)} predicted, not simulated; `make sim` does, and compares every logit"
        return f"\ncycles per frame    {cycles}\nframe rate          {placed}"
    cycles = "not measured (needs three frames)" if measured is None else f"{_number(measured)} measured"
    error = "" if measured is None else f" ({measured / predicted - 1:+.2%})"
    accuracies = ("float", "accuracy_float"), ("fine-tuned", "accuracy_finetuned"), ("SNN in RTL", "accuracy_snn")
    rows = {
        "accuracy": ", ".join(f"{title} {percent(r[key])}" for title, key in accuracies),
        "bit-exact": f"{r['frames_compared']:,} frames compared, every logit; {r['mismatches']} mismatches",
        "cycles per frame": f"{cycles}, {_number(predicted)} predicted{error}",
        "latency": f"{_count(r['latency_cycles'])} cycles measured, {r['predicted_latency_cycles']:,} predicted",
        "frame rate": placed,
        "area": _area_text(r["area"], r["board"], "placed" in r),
        "activity per frame": f"{_count(r['spikes'])} spikes, {_count(r['synops'])} synaptic operations"
        f" of {_count(r['dense_ops'])} dense",
        **({"saturations": _saturations(r["saturations"])} if r["saturations"] else {}),
        "simulation speed": f"{_count(r['sim_frames_per_cpu_s'])} frames per CPU-second",
    }
    return "".join(f"\n{title:<20}{text}" for title, text in rows.items())


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _saturations(per_frame: dict[str, float]) -> str:
    """Neurons x steps that hit the rails of their state, by layer; more than a few cost accuracy."""
    some = ", ".join(f"{name} {count:,.1f}" for name, count in per_frame.items() if count)
    return f"{some} neurons x steps per frame (raise the layer's width)" if some else "none"


def _explain(args: argparse.Namespace, build: Build, x: np.ndarray, frame: int, result: Result) -> str:
    """Where the first bad frame goes wrong, and the command that shows it."""
    command = f"make waves NET={args.net} FRAME={frame}"
    for option in MAKE_OPTIONS:
        if getattr(args, option) and (option, getattr(args, option)) != ("board", "pynq-z2"):
            command += f" {option.upper()}={shlex.quote(str(getattr(args, option)))}"
    where = build.locate(x, frame)
    if where is not None:
        return f"{where}; see it: {command}"
    if frame >= len(result.logits):
        return f"frame {frame}: no answer, though every stream is right when simulated again; see it: {command}"
    if result.flags[frame]:
        names = ", ".join(flag_names(int(result.flags[frame])))
        return f"frame {frame}: answered with error flags ({names}); see it: {command}"
    return f"frame {frame}: logits differ, though every stream is right when simulated again; see it: {command}"


def _waves(args: argparse.Namespace, build: Build, x: np.ndarray) -> Outcome:
    if not 0 <= args.frame < len(x):
        raise VolleyError(f"--frame {args.frame} is outside 0..{len(x) - 1}")
    say("simulator with waves: building with Verilator (once per structure)")
    start = max(0, args.frame - 1)  # one frame ahead: what a frame leaves behind is then in view
    vcd = build.folder / f"frame{args.frame}.vcd"
    build.simulate(x[start : args.frame + 1], vcd=vcd)
    say(f"waves of frames {start}..{args.frame}: {_relative(vcd)} (open with GTKWave or Surfer)")
    return 0, {"vcd": str(vcd)}


def _relative(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def convert(args: argparse.Namespace) -> Outcome:
    check_target(args.out)
    network, data = _network(args, need_data=False)
    say(network.summary())
    network = _measured(network, data)
    network.save(args.out)
    say(f"saved: {args.out}")
    return 0, {"network": network.name, "file": args.out, "meta": network.meta}


def compile_network(args: argparse.Namespace) -> Outcome:
    from pyflow.report import layer_rows, layer_table

    network, data = _network(args, need_data=False)
    build = _compile(args, network)
    layers = layer_rows(build)
    say(layer_table(layers) + "\n")
    network = _measured(network, data)
    schedule = build.plan.schedule
    rate = f"{_number(schedule.cycles_per_frame)} cycles per frame"
    say(f"predicted: {rate}, latency {schedule.latency_cycles:,} cycles")
    board = load_board(args.board)
    area = _area(build, board)
    say(f"area:      {_area_text(area, board.name, given=build.plan.given)}")
    say(f"written:   {_relative(build.folder)} (folding.json can be edited; the next run uses it)")
    over = _over(area)
    return int(bool(over)), {
        "network": network.name,
        "board": args.board,
        "fits": not over,
        "area": area,
        **{key: network.meta.get(key) for key in ("accuracy_float", "accuracy_finetuned", "accuracy_snn")},
        "accuracy_frames": network.meta.get("accuracy_frames", network.meta.get("test_images")),
        "folder": str(build.folder),
        "layers": layers,
        "predicted_cycles_per_frame": schedule.cycles_per_frame,
        "predicted_latency_cycles": schedule.latency_cycles,
    }


def simulate(args: argparse.Namespace) -> Outcome:
    network, data = _network(args)
    assert data is not None
    build = _compile(args, network)
    x = data.x_test[: args.frames]
    result = _simulate(build, x, taps=0, frames=len(x))
    if args.logits:
        packed = io.BytesIO()
        np.save(packed, result.logits)
        write_file(args.logits, packed.getvalue())
    rate = "" if result.cycles_per_frame is None else f"{_number(result.cycles_per_frame)} cycles per frame, "
    cycles = f"{rate}latency {result.latency_cycles:,} cycles"
    say(f"{len(result.logits)} frames, {cycles}")
    return int(result.stuck), {
        "frames": len(result.logits),
        "cycles_per_frame": result.cycles_per_frame,
        "latency_cycles": result.latency_cycles,
        "classes": result.logits.argmax(1).tolist(),
    }


def estimate(args: argparse.Namespace) -> Outcome:
    from pyflow.backends import yosys

    network, _ = _network(args, need_data=False)
    board = load_board(args.board)
    build = _compile(args, network)
    found = yosys.estimate(build.netlist, build.rtl, board)
    say(yosys.estimate_table(found))
    return int(not found.fits), found.to_json()


def report(args: argparse.Namespace) -> Outcome:
    from pyflow.report import layer_table, read_report

    found = read_report(args.file or workspace.folder_of(args) / "report.json")
    say(layer_table(found["layers"]))
    say(_summary(found))
    return 0, found


def bitstream(args: argparse.Namespace) -> Outcome:
    """Bitstream of a network for a board, or one line that says what is in the way."""
    board = load_board(args.board)
    return (_vivado if board.flow == "vivado" else _open_tools)(args, board)


def _open_tools(args: argparse.Namespace, board: Board) -> Outcome:
    from pyflow.backends import nextpnr

    nextpnr.check(board)
    build, _ = _with_vectors(args)
    network = build.network
    (build.folder / f"{board.name}.{nextpnr.suffix(board)}").unlink(missing_ok=True)  # one that fails leaves none
    say(
        f"synthesis, place and route of {network.name} for {board.title} (a minute for digits, ten for LeNet-5; "
        "what has been made before is taken from the cache)"
    )
    placed = nextpnr.implement(build.netlist, build.rtl, board)
    target = build.folder / f"{board.name}{placed.bitstream.suffix}"
    shutil.copyfile(placed.bitstream, target)
    area = {key: [placed.area[key], getattr(board.budget, key)] for key in ("lut", "ff", "bram", "dsp")}
    rows = {
        "bitstream": f"{_relative(target)}, {target.stat().st_size:,} bytes",
        "clock": f"{board.clock_mhz:g} MHz, placed; the slowest path allows {placed.max_mhz:.1f} MHz",
        "slowest path": placed.worst,
        "cells": ", ".join(f"{name} {used:,} of {there:,}" for name, (used, there) in placed.used.items()),
    }
    return _placed(build, board, area, placed.to_json(), rows)


def _with_vectors(args: argparse.Namespace) -> tuple[Build, np.ndarray | None]:
    """The build of a bitstream, and frames of the network's data where they are at hand: the self-test takes some."""
    from pyflow.emit import VECTORS, write_vectors

    network, data = _network(args, need_data=False)
    try:
        data = data or _dataset(args, network.meta.get("data"), network.input_shape)
    except VolleyError as e:
        say(f"the self-test gets random frames: no others at hand ({e})")
    build = _compile(args, network)
    if data is None:
        return build, None
    write_vectors(build.plan, data.x_test[:VECTORS], build.folder / "host")
    return build, data.x_test


def _placed(build: Build, board: Board, area: dict[str, Any], placed: dict[str, Any], rows: dict[str, str]) -> Outcome:
    """Report of a placed chip: what is known of the same plan already is kept."""
    from pyflow.report import update_report

    path = build.folder / "report.json"
    report = update_report(_report(build, board) | {"clock": "placed", "area": area, "placed": placed}, path)
    rows |= {
        "frame rate": f"{report['frames_per_s']:,.0f} frames/s at that clock",
        "report": _relative(path),
    }
    say("\n".join(f"{title:<20}{text}" for title, text in rows.items()))
    return 0, report


def program(args: argparse.Namespace) -> Outcome:
    """Load the bitstream that `bitstream` made onto the board, by openFPGALoader."""
    from pyflow.backends import loader, nextpnr

    board = load_board(args.board)
    nextpnr.check(board)
    folder = workspace.folder_of(args)
    args.until_end.enter_context(workspace.held(folder, None, args.command))
    file = folder / f"{board.name}.{nextpnr.suffix(board)}"
    if not file.exists():
        raise VolleyError(f"{file}: no bitstream; make it with `make bitstream NET={args.net} BOARD={board.name}`")
    from pyflow.runtime.files import Files

    if (other := Files.load(folder).board) != board.name:
        raise VolleyError(
            f"{folder}: has since been compiled for {other}; make the bitstream again with "
            f"`make bitstream NET={args.net} BOARD={board.name}`"
        )
    say(f"loading {_relative(file)} onto {board.title}")
    loader.load(board, file, flash=args.flash)
    return 0, {"board": board.name, "bitstream": str(file)}


def _vivado(args: argparse.Namespace, board: Board) -> Outcome:
    from pyflow.backends import vivado

    build, frames = _with_vectors(args)
    placed = vivado.bitstream(build, board, frames)
    area = {key: list(placed.used[key]) for key in ("lut", "ff", "bram", "dsp")}
    power = placed.power
    known = f"activity of {vivado.ACTIVITY_FRAMES} frames" if power.activity else "Vivado's default activity"
    own = "" if power.accelerator_w is None else f", of it {power.accelerator_w:g} W dynamic in the accelerator"
    rows = {
        "bitstream": f"{_relative(placed.bitstream)}, and {placed.handoff.name} beside it for PYNQ",
        "clock": f"{board.clock_mhz:g} MHz, placed; the slowest path allows {placed.timing.reached_mhz:.1f} MHz",
        "cells": ", ".join(f"{key.upper()} {used:,g} of {there:,g}" for key, (used, there) in placed.used.items()),
        "power": f"{power.total_w:g} W on the chip{own} ({known}, confidence {power.confidence})",
    }
    return _placed(build, board, area, placed.to_json(), rows)


def folder(args: argparse.Namespace) -> Outcome:
    """The output folder that the other commands use with the same options."""
    found = workspace.folder_of(args)
    say(str(found))
    return 0, {"folder": str(found)}


def explore(_: argparse.Namespace) -> Outcome:
    raise VolleyError("not built yet: design-space exploration; `compile --cycles N` plans one point today")


COMMANDS: dict[str, Callable[[argparse.Namespace], Outcome]] = {
    "sim": sim,
    "convert": convert,
    "compile": compile_network,
    "simulate": simulate,
    "estimate": estimate,
    "report": report,
    "bitstream": bitstream,
    "program": program,
    "folder": folder,
    "explore": explore,
}
