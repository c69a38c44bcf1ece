# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The folder host/: what pyflow.runtime has to know of a build, and the runtime itself for boards without pyflow."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np

from pyflow.emit.memory import checksum_of
from pyflow.machine import Emitted, Plan
from pyflow.planning.board import Board
from pyflow.runtime import files
from pyflow.writing import write_file

VECTORS = 8  # frames of the self-test
RUNTIME = (
    "__init__.py",
    "errors.py",
    "frames.py",
    "reading.py",
    "registers.py",
    "runtime",
    "version.py",
)  # of pyflow, to be copied


def write_host(plan: Plan, board: Board, emitted: Emitted, folder: Path) -> None:
    """Write `folder` for the design that was emitted, with random frames as vectors of the self-test."""
    network, images = plan.network, emitted.loads
    loaded = checksum_of(images) if images else emitted.checksum
    document = {
        "version": files.VERSION,
        "network": network.name,
        "board": board.name,
        "structure": f"{emitted.structure:#010x}",
        "checksum": f"{emitted.checksum:#06x}",
        "loaded": f"{loaded:#06x}",
        "input": network.input_format.to_json(),
        "classes": network.classes,
        "logit_scale": network.logit_scale,
        "clock_mhz": board.clock_mhz,
        "cycles_per_frame": plan.cycles_per_frame,
        "latency_cycles": plan.latency_cycles,
        "memories": [{"name": i.name, "index": i.index, "rows": len(i.rows), "words": i.rows.shape[1]} for i in images],
        "probes": [{"index": p.index, "layer": p.layer, "stream": p.stream, "counts": p.what} for p in emitted.probes],
    }
    folder.mkdir(parents=True)
    (folder / files.DEVICE).write_text(json.dumps(document, indent=2) + "\n")
    if images:
        np.savez(folder / files.WEIGHTS, **{image.name: image.rows for image in images})  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    source = network.input_format
    time = (source.steps,) if source.steps else ()
    top = 2 if source.encoding == "rate" else 256
    write_vectors(plan, rng.integers(0, top, (VECTORS, *time, *source.shape)), folder)
    package = Path(__file__).resolve().parents[1]
    for name in RUNTIME:
        copy = shutil.copytree if (package / name).is_dir() else shutil.copy
        (folder / "pyflow").mkdir(exist_ok=True)
        copy(package / name, folder / "pyflow" / name)
    shutil.rmtree(folder / "pyflow" / "runtime" / "__pycache__", ignore_errors=True)


def is_ours(path: Path) -> bool:
    """Is this entry of a folder host/ one that a build puts there?"""
    return path.name in (files.DEVICE, files.VECTORS, files.WEIGHTS, "pyflow") or path.suffix in (".bit", ".hwh")


def write_vectors(plan: Plan, x: np.ndarray, folder: Path) -> None:
    """Frames `x` and the reference's logits as vectors of the self-test in `folder`."""
    network = plan.network
    packed = io.BytesIO()
    np.savez(packed, frames=network.host_bytes(x), logits=network.run(x))
    write_file(folder / files.VECTORS, packed.getvalue(), "choose a writable folder")
