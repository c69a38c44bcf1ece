# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The jobs behind the command line: each takes the parsed options and returns (exit status, outcome)."""

from __future__ import annotations

import argparse
import io
import json
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pyflow import loading, options, workspace
from pyflow import report as reports
from pyflow.analyse import analyse
from pyflow.bars import bar
from pyflow.build import Build, Result, compile
from pyflow.errors import VolleyError
from pyflow.frames import decided, flag_names
from pyflow.graph import Network
from pyflow.machine import Target
from pyflow.machines.stream import STREAM
from pyflow.measure import activity
from pyflow.out_folder import AUTO
from pyflow.planning.board import Board, load_board
from pyflow.report import text
from pyflow.report.record import Area, Placed, schema
from pyflow.writing import check_target, write_file

Outcome = tuple[int, dict[str, Any]]
ACTIVITY_FRAMES = 500  # spikes and synaptic operations are averaged over at most these
STAGE_FRAMES = 128  # frames whose stalls are counted stream by stream


def say(text: str) -> None:
    print(text, flush=True)


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar to be called with the count of frames so far."""
    with bar(title, "frame", total) as shown:
        yield lambda done: shown.update(done - shown.n)


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


def sim(args: argparse.Namespace) -> Outcome:
    """The main job. Exit status 1 if any logit of any frame differs from the reference."""
    network, data = loading.network(args)
    assert data is not None
    x, y = data.x_test[: args.frames], data.y_test[: args.frames]
    say(network.summary() + "\n")
    board = load_board(args.board)
    build = _compile(args, network)
    if args.waves:
        return _waves(args, build, x)
    loading.check_labels(network, data)
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
    report = reports.blank(build, board, result.cycles_per_frame)
    report.accuracy_float = stored.get("accuracy_float")
    report.accuracy_finetuned = stored.get("accuracy_finetuned")
    if answered and data.labelled:
        report.accuracy_snn = float((decided(result.logits) == y[:answered]).mean())
    report.frames_compared, report.mismatches = answered, mismatches
    report.saturations = {name: float(counts.mean()) for name, counts in clipped.items()}
    report.cycles_per_frame, report.latency_cycles = result.cycles_per_frame, result.latency_cycles
    report.stalls = staged.stalls
    report.sim_frames_per_cpu_s = len(x) / max(result.cpu_s, 1e-3)
    report.layers = reports.layer_rows(build.plan, staged)
    report.spikes, report.synops, report.dense_ops = activity(network, x[:ACTIVITY_FRAMES])
    if mismatches:
        frame = int(wrong[0]) if len(wrong) else answered
        report.first_mismatch = _explain(args, build, x, frame, result)
    elif staged.saturations != (counted := sum(int(counts.sum()) for counts in clipped.values())):
        report.first_mismatch = (
            f"saturations of the first {len(x[:STAGE_FRAMES])} frames: "
            f"{staged.saturations} counted in RTL, {counted} in the reference"
        )
    report = reports.update_report(report, build.folder / "report.json")
    say(text.layer_table(report.layers))
    say(text.summary(report))
    say(f"report: {_relative(build.folder / 'report.json')}")
    if report.first_mismatch:
        print(f"MISMATCH: {report.first_mismatch}", file=sys.stderr)
    return int(report.first_mismatch is not None), report.to_json()


def _explain(args: argparse.Namespace, build: Build, x: np.ndarray, frame: int, result: Result) -> str:
    """Where the first bad frame goes wrong, and the command that shows it."""
    command = f"make waves NET={args.net} FRAME={frame}"
    for option in (*options.MODEL, *options.PLAN):
        value = getattr(args, option.attribute)
        if value != option.default and option.name not in ("net", "out", "probes"):
            command += f" {option.variable}={shlex.quote(str(value))}"
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
    network, data = loading.network(args, need_data=False)
    say(network.summary())
    network = loading.measured(network, data)
    network.save(args.out)
    say(f"saved: {args.out}")
    return 0, {"network": network.name, "file": args.out, "meta": network.meta}


def compile_network(args: argparse.Namespace) -> Outcome:
    network, data = loading.network(args, need_data=False)
    if args.stop_after is not None:
        return _look(args, network)
    build = _compile(args, network)
    layers = reports.layer_rows(build.plan)
    say(text.layer_table(layers) + "\n")
    network = loading.measured(network, data)
    plan = build.plan
    rate = f"{text.number(plan.cycles_per_frame)} cycles per frame"
    say(f"predicted: {rate}, latency {plan.latency_cycles:,} cycles")
    board = load_board(args.board)
    area = reports.area_of(build, board)
    say(f"area:      {text.area_text(area, board.name, given=build.plan.given)}")
    say(f"written:   {_relative(build.folder)} (folding.json can be edited; the next run uses it)")
    over = reports.over(area)
    return int(bool(over)), {
        "network": network.name,
        "board": args.board,
        "fits": not over,
        "area": area.cells(),
        **{key: network.meta.get(key) for key in ("accuracy_float", "accuracy_finetuned", "accuracy_snn")},
        "accuracy_frames": network.meta.get("accuracy_frames", network.meta.get("test_images")),
        "folder": str(build.folder),
        "layers": msgspec.to_builtins(layers),
        "predicted_cycles_per_frame": plan.cycles_per_frame,
        "predicted_latency_cycles": plan.latency_cycles,
    }


def _look(args: argparse.Namespace, network: Network) -> Outcome:
    """What the machine knows after one of its passes."""
    if args.stop_after not in STREAM.passes:
        raise VolleyError(f"--stop-after: {args.stop_after!r} is no pass; passes: {', '.join(STREAM.passes)}")
    if args.time_block is not None:
        network = replace(network, time_block=args.time_block)
    target = Target(args.cycles, None if args.folding == AUTO else args.folding)
    found = STREAM.look(network, load_board(args.board), target, args.stop_after)
    say(found)
    return 0, {"network": network.name, "board": args.board, "after": args.stop_after, "found": found}


def simulate(args: argparse.Namespace) -> Outcome:
    network, data = loading.network(args)
    assert data is not None
    build = _compile(args, network)
    x = data.x_test[: args.frames]
    result = _simulate(build, x, taps=0, frames=len(x))
    if args.logits:
        packed = io.BytesIO()
        np.save(packed, result.logits)
        write_file(args.logits, packed.getvalue())
    rate = "" if result.cycles_per_frame is None else f"{text.number(result.cycles_per_frame)} cycles per frame, "
    cycles = f"{rate}latency {result.latency_cycles:,} cycles"
    say(f"{len(result.logits)} frames, {cycles}")
    return int(result.stuck), {
        "frames": len(result.logits),
        "cycles_per_frame": result.cycles_per_frame,
        "latency_cycles": result.latency_cycles,
        "classes": decided(result.logits).tolist(),
    }


def estimate(args: argparse.Namespace) -> Outcome:
    from pyflow.backends import yosys

    network, _ = loading.network(args, need_data=False)
    board = load_board(args.board)
    build = _compile(args, network)
    found = yosys.estimate(build.emitted, build.rtl, board)
    say(yosys.estimate_table(found))
    return int(not found.fits), found.to_json()


def ip(args: argparse.Namespace) -> Outcome:
    """The network as IP, in a folder beside its RTL."""
    from pyflow.emit.ip import write_ip

    network, _ = loading.network(args, need_data=False)
    board = load_board(args.board)
    build = _compile(args, network)
    target = build.folder / "ip"
    files = write_ip(build.rtl, board, target, clocks=2 if getattr(args, "async") else 1)
    (core,) = (path for path in files if path.suffix == ".core")
    say(f"IP:        {_relative(target)}, {len(files)} files for {board.part} and its family")
    say(f"Vivado:    add {_relative(target)} to the IP repositories of a project; it is `{core.stem}` there")
    say(f"FuseSoC:   fusesoc --cores-root {shlex.quote(str(_relative(target)))} core show volley:network:{core.stem}")
    return 0, {
        "network": network.name,
        "board": board.name,
        "folder": str(target),
        "files": [str(p.relative_to(target)) for p in files],
    }


def report(args: argparse.Namespace) -> Outcome:
    if args.schema:
        say(json.dumps(schema(), indent=2))
        return 0, schema()
    found = reports.read_report(args.file or workspace.folder_of(args) / "report.json")
    say(text.layer_table(found.layers))
    say(text.summary(found))
    return 0, found.to_json()


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
    placed = nextpnr.implement(build.emitted, build.rtl, board)
    target = build.folder / f"{board.name}{placed.bitstream.suffix}"
    shutil.copyfile(placed.bitstream, target)
    area = Area(**{key: [placed.area[key], getattr(board.budget, key)] for key in ("lut", "ff", "bram", "dsp")})
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

    network, data = loading.network(args, need_data=False)
    try:
        data = data or loading.dataset(args, network.meta.get("data"), network.input_shape)
    except VolleyError as e:
        say(f"the self-test gets random frames: no others at hand ({e})")
    build = _compile(args, network)
    if data is None:
        return build, None
    write_vectors(build.plan, data.x_test[:VECTORS], build.folder / "host")
    return build, data.x_test


def _placed(build: Build, board: Board, area: Area, placed: dict[str, Any], rows: dict[str, str]) -> Outcome:
    """Report of a placed chip: what is known of the same plan already is kept."""
    path = build.folder / "report.json"
    known = reports.blank(build, board)
    known.clock, known.area, known.placed = "placed", area, msgspec.convert(placed, Placed)
    report = reports.update_report(known, path)
    rows |= {
        "frame rate": f"{report.frames_per_s:,.0f} frames/s at that clock",
        "report": _relative(path),
    }
    say("\n".join(f"{title:<20}{text}" for title, text in rows.items()))
    return 0, report.to_json()


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
    area = Area(**{key: list(placed.used[key]) for key in ("lut", "ff", "bram", "dsp")})
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
    "ip": ip,
    "report": report,
    "bitstream": bitstream,
    "program": program,
    "folder": folder,
    "analyse": analyse,
    "explore": explore,
}
