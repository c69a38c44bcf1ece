# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The one table of options: the command line, its help, the variables of the Makefile and the page of the documents are
made from it. `python -m pyflow.options` writes pyflow/options.mk and docs/options.md (`make docs` does)."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BOARD = "pynq-z2"  # where none is given
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Option:
    """name: as on the command line, with - between words. kind: int, str, per_layer, or bool for a switch. help: one
    line. variable: of make; "" where make has none. metavar: what stands for the value in the help."""

    name: str
    help: str
    kind: Callable[[str], Any] = str
    default: Any = None
    variable: str = ""
    metavar: str | None = None

    @property
    def attribute(self) -> str:
        """Of the parsed options."""
        return self.name.replace("-", "_")

    def add_to(self, parser: argparse.ArgumentParser, default: Any = None) -> None:
        """default: in the place of the option's own."""
        flag = f"--{self.name}"
        if self.kind is bool:
            parser.add_argument(flag, action="store_true", help=self.help)
            return
        chosen = self.default if default is None else default
        parser.add_argument(flag, type=self.kind, default=chosen, metavar=self.metavar, help=self.help)

    @property
    def call(self) -> str:
        """As make hands it on."""
        if self.kind is bool:
            return f"$(if $(filter-out 0,$({self.variable})),--{self.name})"
        return f"$(call opt,{self.name},{self.variable})"


class PerLayer(dict[str, int]):
    """A number for each layer, by name, with an optional "default"; as text what the command line takes."""

    def __str__(self) -> str:
        return ",".join(f"{layer}:{value}" for layer, value in self.items())


def per_layer(text: str) -> int | PerLayer:
    """4, or default:4,conv1:6. Raises ArgumentTypeError naming what is neither."""
    if ":" not in text:
        try:
            return int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"invalid int value: {text!r}") from None
    found = PerLayer()
    for part in text.split(","):
        layer, _, value = part.rpartition(":")
        if not layer.strip() or not re.fullmatch(r"\s*-?\d+\s*", value):
            raise argparse.ArgumentTypeError(f"{part!r} is not layer:number, as in default:4,conv1:6")
        if layer.strip() in found:
            raise argparse.ArgumentTypeError(f"layer {layer.strip()!r} is there twice")
        found[layer.strip()] = int(value)
    return found


MODEL = (
    Option(
        "net",
        "a shipped network (digits, lenet5), my_net.py:build, or a file: .vly, .onnx, .nir, .net of Lava",
        str,
        "digits",
        "NET",
    ),
    Option("name", "what the network is called in files and modules (default: its own name)", str, None, "NAME"),
    Option(
        "weights", "float weights of my_net.py:build (.safetensors, or .pt, loaded without code)", str, None, "WEIGHTS"
    ),
    Option("data", "digits, mnist or an .npz file (default: what the shipped network was made for)", str, None, "DATA"),
    Option("data-dir", "folder with MNIST (idx, idx.gz or MNIST/raw)", str, None, "DATA_DIR"),
    Option("timesteps", "T of the conversion, 1..8 (default 4), or default:4,conv1:6", per_layer, None, "TIMESTEPS"),
    Option("weight-bits", "W of the conversion, 2..8 (default 4), or default:4,fc1:3", per_layer, None, "WEIGHT_BITS"),
    Option(
        "steps", "T of a spiking model that is one time step, with --readout, of a .nir or .net", int, None, "STEPS"
    ),
    Option(
        "readout", "what is read of it: spikes-sum, membrane-last, membrane-sum, membrane-max", str, None, "READOUT"
    ),
    Option(
        "time-axis",
        "axis of time in what a spiking model takes, 0 or 1; the arrays of DATA are then [N, T, ...]",
        str,
        None,
        "TIME_AXIS",
    ),
    Option("dt", "seconds of a time step, of a .nir", float, None, "DT"),
    Option("ties", "of imported quantisers: even, as trained (default), or up", str, None, "TIES"),
    Option("finetune", "epochs of quantisation-aware fine-tuning on the training images", int, 0, "FINETUNE", "EPOCHS"),
    Option(
        "checkpoint",
        "file in which fine-tuning is kept after every epoch, and from which it goes on",
        str,
        None,
        "CHECKPOINT",
        "FILE",
    ),
    Option("seed", "of calibration and fine-tuning (default 0)", int, 0, "SEED"),
)
PLAN = (
    Option("board", f"a folder of boards/ (default {BOARD})", str, BOARD, "BOARD"),
    Option("cycles", "target of cycles per frame (default: the network's own)", int, None, "CYCLES"),
    Option("folding", "folding.json that overrides the planner; auto: plan anew", str, None, "FOLDING"),
    Option("time-block", "time steps per beat, where the network has time (default: its own)", int, None, "TIME_BLOCK"),
    Option("probes", "counters of stalls by layer and spikes by tensor", bool, False, "PROBES"),
    Option("out", "output folder (default build/<network>-<options>)", str, None, "OUT"),
)
JSON = Option("json", "also write the outcome as JSON", str, None, "JSON", "FILE")
# What single commands have besides.
OWN = {
    "sim": (
        Option("frames", "test frames to simulate (default: all)", int, None, "FRAMES"),
        Option("waves", "write a VCD of one frame", bool, False),
        Option("frame", "the frame of --waves (default 0)", int, 0, "FRAME"),
    ),
    "compile": (Option("stop-after", "show the plan after a pass: bound, fold, lower, size", metavar="PASS"),),
    "simulate": (
        Option("frames", "frames to simulate (default: all)", int),
        Option("logits", "write int64 logits [N, classes] as .npy", metavar="FILE"),
    ),
    "ip": (Option("async", "the streams get a clock of their own", bool, False, "ASYNC"),),
    "report": (Option("schema", "print the JSON schema of report.json instead", bool, False),),
    "program": (Option("flash", "into the board's flash, where it stays", bool, False, "FLASH"),),
    "analyse": (
        Option(
            "period",
            "time units of an iteration that buffers are to allow (default: the least)",
            str,
            None,
            "PERIOD",
            "N",
        ),
        Option("front", "all sizes of buffers that a shorter period pays for", bool, False, "FRONT"),
    ),
}
# Command -> what it does.
COMMANDS = {
    "sim": "convert, compile, simulate in RTL and compare every logit (the main job)",
    "convert": "convert a model to an integer network (.vly)",
    "compile": "plan a network for a board and write its RTL",
    "simulate": "simulate images of an .npz (x) in the RTL of a network; writes logits",
    "estimate": "area by open synthesis against the board's budget",
    "report": "print the tables of a report.json",
    "ip": "package a network as IP: IP-XACT for Vivado's catalogue, and a FuseSoC core",
    "bitstream": "bitstream of a network for a board: synthesis, place and route, packing",
    "program": "load the bitstream onto the board",
    "folder": "print the output folder that the other commands use with these options",
    "analyse": "what limits a network, or a dataflow graph (SDF3 XML): period, critical cycle, smallest buffers",
    "explore": "explore (not built yet)",
}


def of(command: str) -> tuple[Option, ...]:
    """What a command takes of the tables above."""
    shared = MODEL if command == "convert" else (*MODEL, *PLAN)
    return (*shared, JSON, *OWN.get(command, ()))


def add_to(command: str, parser: argparse.ArgumentParser) -> None:
    """All options of a command."""
    if command == "analyse":
        parser.add_argument("file", nargs="?", metavar="FILE.xml|NET", help="a dataflow graph of SDF3, or a network")
    if command == "report":
        parser.add_argument("file", nargs="?", help="default: report.json of the output folder")
    if command == "convert":
        Option("out", "file to write", str, "net.vly").add_to(parser)
    for option in of(command):
        option.add_to(parser, "icebreaker" if (command, option.name) == ("program", "board") else None)


def makefile() -> str:
    """pyflow/options.mk."""
    lines = [
        "# Written by `python -m pyflow.options` from its table (make docs); edits are lost.",
        f"MODEL = {' '.join(option.call for option in MODEL)}",
        f"PLAN = {' '.join(option.call for option in (*PLAN, JSON))}",
    ]
    for command, options in OWN.items():
        if calls := [option.call for option in options if option.variable]:
            lines.append(f"{command.upper()}_OPTIONS = {' '.join(calls)}")
    return "\n".join(lines) + "\n"


def page() -> str:
    """docs/options.md."""

    def table(options: tuple[Option, ...]) -> Iterator[str]:
        yield "| make | command line | meaning |"
        yield "|---|---|---|"
        for option in options:
            variable = f"`{option.variable}={'1' if option.kind is bool else ''}`" if option.variable else ""
            yield f"| {variable} | `--{option.name}` | {option.help.replace('<', '&lt;')} |"

    lines = [
        "# Options",
        "",
        "<!-- Written by `python -m pyflow.options` from its table (make docs); edits are lost. -->",
        "",
        "`make sim NET=lenet5 CYCLES=257` and `python -m pyflow sim --net lenet5 --cycles 257` are the same. An empty",
        "variable counts as not given.",
        "",
        "## The model",
        "",
        *table(MODEL),
        "",
        "## The plan",
        "",
        *table((*PLAN, JSON)),
        "",
        "## Commands, and what they have besides",
        "",
        "| `python -m pyflow` | what it does |",
        "|---|---|",
        *(f"| `{name}` | {what} |" for name, what in COMMANDS.items()),
        "",
    ]
    for command, options in OWN.items():
        lines += [f"`{command}`:", "", *table(options), ""]
    return "\n".join(lines).rstrip() + "\n"


def files() -> dict[Path, str]:
    """What is made from the table."""
    return {HERE / "options.mk": makefile(), HERE.parent / "docs" / "options.md": page()}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
