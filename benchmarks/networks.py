# SPDX-License-Identifier: Apache-2.0
"""`make bench-networks`: the shipped networks in RTL, as the README quotes them, and the fast LeNet-5 with its area."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tabulate import tabulate

# LeNet-5 with four pixels per beat: 256 words and a cycle for their flags.
FAST = 257
FAST_NAME = "lenet5, four pixels per beat"
# What it is to keep to on a Zynq-7020: cycles per frame, accuracy, share of LUTs and of DSP slices.
MOST_CYCLES, LEAST_ACCURACY, MOST_AREA = 300, 0.992, 0.9
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


def fast_area(report: dict[str, Any], area: dict[str, Any] | None) -> str:
    """Area and frame rate of the fast LeNet-5, and what of its goal is missed. area: None where synthesis did not end;
    then the planner's estimate stands in."""
    if area:
        used, budget, how = area["total"], area["budget"], "synthesised"
    else:
        used, budget = ({name: cells[i] for name, cells in report["area"].items()} for i in (0, 1))
        how = "the planner's estimate, because synthesis did not end"
    shares = {name: used[name] / budget[name] for name in ("lut", "dsp")}
    missed = [
        text
        for text, met in (
            (f"{report['cycles_per_frame']:g} cycles per frame, not {MOST_CYCLES}",
             report["cycles_per_frame"] <= MOST_CYCLES),
            (f"accuracy {100 * report['accuracy_snn']:.2f} %, not {100 * LEAST_ACCURACY:g} %",
             report["accuracy_snn"] >= LEAST_ACCURACY),
            *((f"{100 * share:.0f} % of the {name.upper()}, not {100 * MOST_AREA:g} %", share <= MOST_AREA)
              for name, share in shares.items()),
        )
        if not met
    ]  # fmt: skip
    cells = ", ".join(f"{name.upper()} {used[name]:,g} of {budget[name]:,g}" for name in ("lut", "ff", "bram", "dsp"))
    rate = report["clock_mhz"] * 1e6 / report["cycles_per_frame"]
    return (
        f"lenet5, four pixels per beat: {rate:,.0f} frames/s at {report['clock_mhz']:g} MHz ({report['clock']}); "
        f"{report['board']}: {cells} ({how}); " + ("missed: " + "; ".join(missed) if missed else "goal met")
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="folder with MNIST; without it lenet5 is left out")
    args = parser.parse_args()
    jobs = {"digits": ["--data", "digits"]}
    if args.data_dir:
        mnist = ["--data", "mnist", "--data-dir", args.data_dir]
        jobs |= {"lenet5": mnist, FAST_NAME: [*mnist, "--cycles", str(FAST)]}
    rows, last = [], ""
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, options) in enumerate(jobs.items()):
            net, out = name.split(",")[0], Path(folder) / str(number)
            try:
                report = run("sim", "--net", net, *options, "--out", str(out), report=Path(folder) / "report.json")
            except subprocess.CalledProcessError as e:
                print(f"bench-networks: {name} ended with status {e.returncode}", file=sys.stderr)
                return e.returncode
            rows.append([name, *(column(report) for column in COLUMNS.values())])
            if name == FAST_NAME:
                fast, path = ("--net", net, "--cycles", str(FAST), "--out", str(out)), Path(folder) / "area.json"
                try:
                    area = run("estimate", *fast, report=path)
                except subprocess.CalledProcessError:  # it has said why: too large for the board, or no end
                    area = json.loads(path.read_text()) if path.exists() else None
                last = fast_area(report, area)
    print(tabulate(rows, headers=["network", *COLUMNS], disable_numparse=True))
    if last:
        print(f"\n{last}")
    if "lenet5" not in jobs:
        print("lenet5 left out: set DATA_DIR= to a folder with MNIST")
    return 0


if __name__ == "__main__":
    sys.exit(main())
