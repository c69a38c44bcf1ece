# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Trains every row of the README's table, measures it in integers on the test set, and prints the table.

    python examples/spoken_digits/bench.py DATA                              # all rows, five seeds each
    python examples/spoken_digits/bench.py DATA --rows recurrent --seeds 1   # the weights that ship

DATA: the folder of recordings or an .npz (speech.py). Every run leaves its weights and figures in build/spoken_digits;
what is there is not trained again, and a run that was stopped goes on from its last tenth epoch.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from chip import integers
from net import CHANNELS, FRAMES
from safetensors.torch import save_file
from speech import VALIDATION, Speech, load
from static import accuracy as static_accuracy
from training import Variant, logits, shuffled, trained

from pyflow.bars import bar
from pyflow.errors import VolleyError
from pyflow.runtime import LogMel

EPOCHS = 60
THETA = 24  # codes: a step of the sigma-delta encoder
ORDER = 2026  # seed of the order in which shuffled test frames come


def sigma_delta(x: torch.Tensor) -> torch.Tensor:
    """Spikes [T, N, 2C] of codes/255 [T, N, C]: ON, then OFF (docs/numerics.md)."""
    known, out = torch.zeros_like(x[0]), []
    for codes in (x * 255).round():
        off = codes - known
        up, down = (off >= THETA).float(), (off <= -THETA).float()
        known = known + THETA * (up - down)
        out.append(torch.cat([up, down], 1))
    return torch.stack(out)


ROWS = {
    "recurrent": Variant(),
    "feedforward": Variant(recurrent=False),
    "shuffled": Variant(shuffled=True),
    "sigma-delta": Variant(inputs=2 * CHANNELS, encode=sigma_delta),
    "static": None,  # static.py
}
SPEAKERS = "speakers"  # a row for each, who is left out of training and tested
TITLES = {"feedforward": "without recurrence", "shuffled": "frames shuffled in time", "static": "static MLP",
          "sigma-delta": "sigma-delta spikes as input"}  # fmt: skip


def runs(args: argparse.Namespace, speech: Speech) -> Iterator[tuple[str, int, Speech, Speech]]:
    """(row, seed, what trains, what tests)."""
    train, test = speech.train, speech.test
    if args.validate:
        held = np.isin(train.take, VALIDATION)
        train, test = train.chosen(~held), train.chosen(held)
    for row in args.rows:
        for seed in range(args.seeds):
            if row != SPEAKERS:
                yield row, seed, train, test
                continue
            for speaker in np.unique(speech.speaker):
                other = speech.speaker == speaker
                yield f"speaker-{speaker}", seed, speech.chosen(~other), speech.chosen(other)


def measured(row: str, seed: int, train: Speech, test: Speech, epochs: int, files: Path) -> dict[str, float]:
    """Accuracies on `test`, in percent, of a run that is trained if it has not been. files: its name without suffix."""
    figures = files.with_suffix(".json")
    if figures.exists():
        return json.loads(figures.read_text())
    begun = time.process_time()
    variant = ROWS.get(row, ROWS["recurrent"])
    if variant is None:
        result = static_accuracy(train, test, epochs, seed)
    else:
        checkpoint = files.with_suffix(".pt")
        state = trained(variant, train.codes, train.late, train.label, epochs, seed, checkpoint)
        save_file(state, files.with_suffix(".safetensors"))
        result = accuracy(state, variant, test)
        checkpoint.unlink(missing_ok=True)
    result["cpu_s"] = time.process_time() - begun
    figures.write_text(json.dumps(result))
    return result


def accuracy(state: dict[str, torch.Tensor], variant: Variant, test: Speech) -> dict[str, float]:
    codes = torch.from_numpy(test.codes)
    if variant.shuffled:
        codes = shuffled(codes, torch.Generator().manual_seed(ORDER))
    x = variant.encode(codes.transpose(0, 1).float() / 255)
    with torch.no_grad():
        known = logits(state, x).argmax(1).numpy()
    theta = THETA if variant.encode is sigma_delta else 0
    network = integers({name: value.numpy() for name, value in state.items()}, theta)
    answer = network.run(codes.numpy()[:, :, None, None, :]).argmax(1)
    return {
        "float": 100 * float((known == test.label).mean()),
        "integers": 100 * float((answer == test.label).mean()),
        "alike": 100 * float((known == answer).mean()),
    }


def table(found: dict[str, list[dict[str, float]]]) -> str:
    lines = ["| | seeds | float, W = 4 [%] | integers [%] | from .. to | same class [%] |", "|---|---|---|---|---|---|"]
    for row, results in found.items():
        exact = [r["integers"] for r in results]
        known, alike = (np.mean([r[key] for r in results]) for key in ("float", "alike"))
        spread = f"{np.mean(exact):.2f} ± {np.std(exact):.2f} | {min(exact):.2f} .. {max(exact):.2f}"
        title = TITLES.get(row, row.replace("speaker-", "left out: speaker "))
        lines.append(f"| {title} | {len(exact)} | {known:.2f} | {spread} | {alike:.1f} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="The table of examples/spoken_digits.")
    parser.add_argument("data", help="folder of recordings, or an .npz")
    parser.add_argument("--rows", nargs="+", default=[*ROWS, SPEAKERS], choices=[*ROWS, SPEAKERS])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--validate", action="store_true", help="train without takes 5 to 9, and measure on those")
    parser.add_argument("--out", default="build/spoken_digits", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    try:
        speech = load(args.data, LogMel(channels=CHANNELS, frames=FRAMES))
    except VolleyError as e:
        print(f"bench: {e}", file=sys.stderr)
        return 1
    folder = args.out / f"epochs-{args.epochs}{'-validation' if args.validate else ''}"
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[dict[str, float]]] = {}
    chosen = list(runs(args, speech))
    with bar("spoken digits", "run", len(chosen)) as shown:
        for row, seed, train, test in chosen:
            files = folder / f"{row}-{seed}"
            found.setdefault(row, []).append(measured(row, seed, train, test, args.epochs, files))
            shown.update()
    print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
