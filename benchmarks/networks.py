# SPDX-License-Identifier: Apache-2.0
"""`make bench-networks`: the shipped networks in RTL, as the README quotes them."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tabulate import tabulate

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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="folder with MNIST; without it lenet5 is left out")
    args = parser.parse_args()
    jobs = {"digits": ["--data", "digits"]}
    if args.data_dir:
        jobs["lenet5"] = ["--data", "mnist", "--data-dir", args.data_dir]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, options in jobs.items():
            path = Path(folder) / f"{name}.json"
            command = [
                sys.executable,
                "-m",
                "pyflow",
                "sim",
                "--net",
                name,
                *options,
                "--out",
                f"{folder}/{name}",
                "--json",
                str(path),
            ]
            status = subprocess.run(command, stdout=subprocess.DEVNULL).returncode
            if status:
                print(f"bench-networks: {name} ended with status {status}", file=sys.stderr)
                return status
            report = json.loads(path.read_text())
            rows.append([name, *(column(report) for column in COLUMNS.values())])
    print(tabulate(rows, headers=["network", *COLUMNS], disable_numparse=True))
    if "lenet5" not in jobs:
        print("lenet5 left out: set DATA_DIR= to a folder with MNIST")
    return 0


if __name__ == "__main__":
    sys.exit(main())
