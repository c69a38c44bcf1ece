# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Mutants of every file that a user hands in, through the command line: `make fuzz [SEED= MUTANTS=]`.

Each must be accepted, or refused in one line, in 5 CPU-seconds and 2 GiB, and execute nothing. One that is not is
kept in build/fuzz with the command that shows it. Half of the mutants are of the structure, half of the bytes.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from tabulate import tabulate

from pyflow.bars import bar
from verif.fuzz.judge import ACCEPTED, Verdict, Worker
from verif.fuzz.mutate import of_bytes, of_member, pick
from verif.fuzz.seeds import Kind, kinds

KEPT = Path("build/fuzz")
STRUCTURAL = 0.6  # of the mutants, the others are of bytes
LAID_OUT = 4  # of so many accepted networks one is laid out too


def mutant(kind: Kind, seed: int, number: int, every: list[bytes]) -> tuple[bytes, bool]:
    """(mutant, is it structural?) number `number` of a kind."""
    rng = np.random.default_rng([seed, number, sum(kind.suffix.encode())])
    good, structural = pick(rng, kind.seeds), bool(rng.random() < STRUCTURAL)
    if structural:
        return kind.structural(rng, good), True
    if good[:2] == b"PK" and rng.random() < 0.5:  # behind right checksums
        return of_member(rng, good), False
    return of_bytes(rng, good, every), False


def survives(worker: Worker, kind: Kind, file: Path, folder: Path, number: int) -> tuple[tuple[str, ...], Verdict]:
    """(command, verdict) of a mutant; of a network that is accepted, that what it was saved as is read back the same,
    and of some, what becomes of them on a board."""
    command = tuple(word.replace("FILE", str(file)) for word in kind.command)
    verdict = worker.run(command)
    if kind.suffix == ".vly" and verdict.what == ACCEPTED:
        saved = folder / "again.vly"
        shutil.copyfile(folder / "OUT.vly", saved)
        again = worker.run(("convert", "--net", str(saved), "--out", "OUT.vly"))
        if again.what != ACCEPTED or saved.read_bytes() != (folder / "OUT.vly").read_bytes():
            return command, Verdict("saved otherwise", again.cpu_s, again.text)
        if number % LAID_OUT == 0:
            command = ("compile", "--net", str(file), "--out", "OUT")
            laid_out = worker.run(command)  # to plan may take longer than to read
            if laid_out.fault and laid_out.what != "time":
                return command, laid_out
    return command, verdict


def campaign(mutants: int, seed: int, names: list[str], keep: Path = KEPT) -> tuple[list[list[object]], list[str]]:
    """(a row of counts per kind, the commands that show a fault)."""
    rows: list[list[object]] = []
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as made, bar("fuzz", "mutant", mutants) as done:
        folder = Path(made)
        every = kinds(folder)
        chosen = {name: every[name] for name in names or every}
        goods = [good for kind in every.values() for good in kind.seeds]
        whole = sum(kind.share for kind in chosen.values())
        with Worker(folder) as worker:
            for name, kind in chosen.items():
                count = -(-int(1000 * mutants * kind.share / whole) // 1000)
                found: Counter[str] = Counter()
                slowest, of_structure = 0.0, 0
                for number in range(count):
                    content, structural = mutant(kind, seed, number, goods)
                    of_structure += structural
                    file = folder / f"mutant{kind.suffix}"
                    file.write_bytes(content)
                    command, verdict = survives(worker, kind, file, folder, number)
                    found["fault" if verdict.fault else verdict.what] += 1
                    slowest = max(slowest, verdict.cpu_s)
                    if verdict.fault:
                        faults.append(_kept(keep, file, f"{name}-{seed}-{number}", command, verdict, folder))
                    done.update()
                rows.append([name, count, of_structure, found["accepted"], found["refused"], found["fault"], slowest])
    return rows, faults


def _kept(keep: Path, file: Path, name: str, command: tuple[str, ...], verdict: Verdict, folder: Path) -> str:
    """Keep a mutant that is a fault; the command that shows it."""
    keep.mkdir(parents=True, exist_ok=True)
    for beside in ("net.vly", "net.py", "data.npz"):
        shutil.copyfile(folder / beside, keep / beside)
    target = keep / f"{name}{file.suffix}"
    shutil.copyfile(file, target)
    words = (word.replace(str(file), str(target)).replace(str(folder), str(keep)) for word in command)
    line = f"python -m pyflow -v {' '.join(words)}   # {verdict.what}: {verdict.text.strip()[-300:]}"
    (keep / f"{name}.txt").write_text(line + "\n")
    return line


def main() -> int:
    parser = argparse.ArgumentParser(prog="verif.fuzz", description=__doc__)
    parser.add_argument("--mutants", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", action="append", default=[], help="vly, npz, folding, ... (default: all)")
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.mutants} mutants", flush=True)
    rows, faults = campaign(options.mutants, options.seed, options.kind)
    print(tabulate(rows, ["file", "mutants", "structural", "accepted", "refused", "faults", "slowest [CPU-s]"],
                   floatfmt=".2f"))  # fmt: skip
    total, of_structure = (sum(int(str(row[n])) for row in rows) for n in (1, 2))
    print(f"{total} mutants, {of_structure} of them structural; {len(faults)} faults")
    for line in faults[:20]:
        print(line, file=sys.stderr)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
