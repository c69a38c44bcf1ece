# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""`make bench-networks`: the shipped networks in RTL, as docs/results.md has them, and LeNet-5 against its goals. Exit
status 1 where one is missed."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmarks.goals import status, verdict

# LeNet-5 with four pixels per beat: 256 words and a cycle for their flags.
FAST = 257
FAST_NAME = "lenet5, four pixels per beat"
# To keep to on a Zynq-7020, the fast one with 90 % of its cells; the accuracy at least, the rest at most.
GOALS: dict[str, dict[str, float]] = {
    "lenet5": {"cycles per frame": 1030, "LUT": 9000, "DSP": 140, "BRAM": 40},
    FAST_NAME: {"cycles per frame": 300, "accuracy": 0.992, "LUT": 47_880, "DSP": 198},
}
COLUMNS = {
    "frames": lambda r: f"{r['frames_compared']:,}",
    "mismatches": lambda r: r["mismatches"],
    "float": lambda r: f"{100 * r['accuracy_float']:.2f} %",
    "fine-tuned": lambda r: f"{100 * r['accuracy_finetuned']:.2f} %",
    "SNN in RTL": lambda r: f"{100 * r['accuracy_snn']:.2f} %",
    "cycles/frame": lambda r: f"{r['cycles_per_frame']:,.10g}",
    "predicted": lambda r: f"{r['predicted_cycles_per_frame']:,.10g}",
    "latency": lambda r: f"{r['latency_cycles']:,}",
    "synaptic ops": lambda r: f"{r['synops']:,.0f}",
    "frames/CPU-s simulated": lambda r: f"{r['sim_frames_per_cpu_s']:,.0f}",
}


def run(command: str, *options: str, report: Path) -> dict[str, Any]:
    """JSON of `pyflow command`. Raises CalledProcessError where it fails."""
    whole = [sys.executable, "-m", "pyflow", command, *options, "--json", str(report)]
    subprocess.run(whole, stdout=subprocess.DEVNULL, check=True)
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def estimated(*options: str, path: Path) -> dict[str, Any] | None:
    """The area by synthesis of what `options` describe; None where it did not end."""
    try:
        return run("estimate", *options, report=path)
    except subprocess.CalledProcessError:  # it has said why: too large for the board, or no end
        return json.loads(path.read_text()) if path.exists() else None


def against_goals(name: str, report: dict[str, Any], area: dict[str, Any] | None) -> tuple[list[list[str]], str]:
    """Rows of the table of goals, and a line about rate and area. area: None where synthesis did not end; then the
    planner's estimate stands in."""
    if area:
        used, budget, how = area["total"], area["budget"], "synthesised"
    else:
        used, budget = ({key: cells[i] for key, cells in report["area"].items()} for i in (0, 1))
        how = "the planner's estimate, because synthesis did not end"
    reached = {"cycles per frame": report["cycles_per_frame"], "accuracy": report["accuracy_snn"]}
    reached |= {key.upper(): cells for key, cells in used.items()}
    rows = [
        [name, key, f"{reached[key]:,.10g}", f"{goal:,.10g}", verdict(reached[key], goal, least=key == "accuracy")]
        for key, goal in GOALS[name].items()
    ]
    cells = ", ".join(f"{key.upper()} {used[key]:,g} of {budget[key]:,g}" for key in ("lut", "ff", "bram", "dsp"))
    rate = report["clock_mhz"] * 1e6 / report["cycles_per_frame"]
    return rows, (
        f"{name}: {rate:,.0f} frames/s at {report['clock_mhz']:g} MHz ({report['clock']}); "
        f"{report['board']}: {cells} ({how})"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="folder with MNIST; without it lenet5 is left out")
    args = parser.parse_args()
    jobs = {"digits": ["--data", "digits"]}
    if args.data_dir:
        mnist = ["--data", "mnist", "--data-dir", args.data_dir]
        jobs |= {"lenet5": mnist, FAST_NAME: [*mnist, "--cycles", str(FAST)]}
    rows: list[list[str]] = []
    goals: list[list[str]] = []
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, options) in enumerate(jobs.items()):
            net, out = name.split(",")[0], Path(folder) / str(number)
            try:
                report = run("sim", "--net", net, *options, "--out", str(out), report=Path(folder) / "report.json")
            except subprocess.CalledProcessError as e:
                print(f"bench-networks: {name} ended with status {e.returncode}", file=sys.stderr)
                return e.returncode
            rows.append([name, *(column(report) for column in COLUMNS.values())])
            if name in GOALS:
                cycles = ("--cycles", str(FAST)) if name == FAST_NAME else ()
                area = estimated("--net", net, *cycles, "--out", str(out), path=Path(folder) / f"area{number}.json")
                found, line = against_goals(name, report, area)
                goals += found
                lines.append(line)
    print(tabulate(rows, headers=["network", *COLUMNS], disable_numparse=True))
    if goals:
        print("\n", tabulate(goals, ["goal of", "", "reached", "to reach", ""], disable_numparse=True), sep="")
        print("", *lines, sep="\n")
    if "lenet5" not in jobs:
        print("lenet5 left out: set DATA_DIR= to a folder with MNIST")
    return status(goals)


if __name__ == "__main__":
    sys.exit(main())
