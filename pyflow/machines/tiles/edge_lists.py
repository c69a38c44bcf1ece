# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Connectomes in files: one row per synapse (docs/tiles.md, Edge lists)."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np

from pyflow import reading
from pyflow.errors import VolleyError
from pyflow.machines.tiles.arrays import grouped
from pyflow.machines.tiles.connectome import Connectome, from_lists

CURE = "give columns source, target and, if wanted, delay (0 or 1) and rate (spikes per step of the source)"
COLUMNS = {"source": True, "target": True, "delay": False, "rate": False}  # needed?


def read_edges(path: str | os.PathLike[str]) -> Connectome:
    """The connectome of an .npz (arrays of one length) or a CSV (a line of names, then one line per synapse).

    Neurons may have any whole numbers, which messages then use. Those that no synapse enters are the inputs. Raises
    VolleyError where the file cannot be read, a column is missing or wrong, a synapse stands twice, a delay is above
    one step, or a source has two rates."""
    path = Path(path)
    columns = _csv(path) if path.suffix.lower() == ".csv" else _npz(path)
    source, target = (_whole(path, name, columns[name]) for name in ("source", "target"))
    delay = _whole(path, "delay", columns["delay"]) if "delay" in columns else np.zeros_like(source)
    wrong = np.flatnonzero((delay < 0) | (delay > 1))
    if wrong.size:
        edge = f"synapse {source[wrong[0]]} -> {target[wrong[0]]}"
        raise VolleyError(
            f"{path}: {edge} has a delay of {delay[wrong[0]]} time steps, an edge of a tile 0 or 1; use 1, or neurons "
            "that pass spikes on"
        )
    labels = np.concatenate([np.setdiff1d(source, target), np.unique(target)])
    order = np.argsort(labels, kind="stable")
    read, reader = (order[np.searchsorted(labels[order], values)] for values in (source, target))
    inputs = len(labels) - len(np.unique(target))
    fan_in = grouped(reader - inputs, 2 * read + delay, len(labels) - inputs)
    if len(fan_in.values) < len(source):
        keys, count = np.unique(np.stack([source, target, delay], 1), axis=0, return_counts=True)
        a, b, late = keys[count > 1][0]
        raise VolleyError(f"{path}: synapse {a} -> {b} with delay {late} stands twice; add the weights, and leave one")
    net = from_lists(path.name, inputs, fan_in, labels)
    return net.with_rates(_rates(path, columns["rate"], read, net)) if "rate" in columns else net


def _npz(path: Path) -> dict[str, np.ndarray]:
    with reading.Archive(path, CURE) as archive:
        held = {name.removesuffix(".npy") for name in archive.names}
        _check_names(path, held)
        columns = {name: archive.array(name) for name in COLUMNS if name in held}
    shapes = {name: values.shape for name, values in columns.items()}
    if len(set(shapes.values())) > 1 or len(shapes["source"]) != 1:
        raise VolleyError(f"{path}: arrays {shapes} must be one list each, as long as the others; {CURE}")
    return columns


def _csv(path: Path) -> dict[str, np.ndarray]:
    text = reading.read_bytes(path, CURE, reading.MAX_BYTES).decode("utf-8", "replace")
    rows = csv.reader(text.splitlines())
    names = [name.strip() for name in next(rows, [])]
    _check_names(path, set(names))
    if len(set(names)) < len(names):
        raise VolleyError(f"{path}: a column stands twice in {', '.join(names)}; {CURE}")
    found: list[list[float]] = []
    for line, row in enumerate(rows, 2):
        try:
            found.append([float(value) for value in row])
        except ValueError:
            raise VolleyError(f"{path}: line {line}: {','.join(row)[:60]!r} are not numbers; {CURE}") from None
        if len(row) != len(names):
            raise VolleyError(f"{path}: line {line} has {len(row)} values, the first line {len(names)} names; {CURE}")
    table = np.array(found).reshape(-1, len(names))
    return dict(zip(names, table.T, strict=True))


def _check_names(path: Path, names: set[str]) -> None:
    missing = [name for name, needed in COLUMNS.items() if needed and name not in names]
    if missing or not names <= set(COLUMNS):
        what = f"has no {missing[0]!r}" if missing else f"has {min(names - set(COLUMNS))!r}"
        raise VolleyError(f"{path}: {what}; {CURE}")


def _whole(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    if not values.size:
        raise VolleyError(f"{path}: holds no synapse; {CURE}")
    if values.dtype.kind not in "iuf":
        raise VolleyError(f"{path}: {name} has dtype {values.dtype}, needs whole numbers; {CURE}")
    with np.errstate(invalid="ignore"):
        whole = values.astype(np.int64)
    wrong = np.flatnonzero((whole != values) | (whole < 0))
    if wrong.size:
        raise VolleyError(f"{path}: {name} {values[wrong[0]]} of synapse {wrong[0]} is no whole number, 0 or more")
    return whole


def _rates(path: Path, rate: np.ndarray, read: np.ndarray, net: Connectome) -> np.ndarray:
    """Spikes per step of each source; 1 of those that nothing reads."""
    if rate.dtype.kind not in "iuf" or not np.isfinite(rate).all() or rate.min() < 0:
        raise VolleyError(f"{path}: a rate is no number of spikes per step, 0 or more; {CURE}")
    rates = np.ones(net.sources)
    rates[read] = rate
    wrong = np.flatnonzero(rates[read] != rate)
    if wrong.size:
        source, one, other = read[wrong[0]], rate[wrong[0]], rates[read[wrong[0]]]
        raise VolleyError(f"{path}: source {net.title(source)} has rates {one} and {other}; give it one")
    return rates
