# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A network as a file, `.vly` (docs/formats.md): a zip of network.json and one .npy per array."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np

from pyflow import extensions
from pyflow.edges import StateEdge
from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.operators import OPERATORS, Encoding, Operator, Tensor
from pyflow.reading import Archive, parse_json
from pyflow.writing import write_file

FORMAT, FORMAT_VERSION = "volley-network", 3
DOCUMENT = "network.json"
MAX_ARRAYS = 64 << 20  # bytes of all arrays: weights have one each, and no board of boards/ holds as many
SAVE_AGAIN = "save it again with Network.save()"
# Of version 3; version 2 had no delays but of one step, version 1 pixels only, and no time.
KEYS = ("format", "version", "name", "input_shape", "operators", "logit_scale", "state_edges", "meta")
LATER_KEYS = ("input_encoding", "input_steps", "time_block")
EDGE_KEYS = ("source", "name", "shape", "encoding", "steps", "bound")
LATER_EDGE_KEYS = ("timed", "block", "delay")


def save(network: Network, path: str | os.PathLike[str]) -> None:
    """Write `network` to `path`, whole or not at all."""
    if not isinstance(path, str | os.PathLike):
        raise VolleyError(f"network: {path!r} is no path; name a file to write")
    write_file(path, pack(network))


def pack(network: Network) -> bytes:
    """`network` as a file; same network, same bytes."""
    document = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "name": network.name,
        "input_shape": list(network.input_shape),
        "input_encoding": network.input_encoding,
        "input_steps": network.input_steps,
        "time_block": network.time_block,
        "logit_scale": network.logit_scale,
        "state_edges": [_edge_entry(network, edge) for edge in network.state_edges],
        "meta": network.meta,
        "operators": [_entry(op) for op in network.operators],
    }
    try:
        text = json.dumps(document, indent=1, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as e:
        raise VolleyError(
            f"network {network.name!r}: meta is not JSON ({e}); use plain finite numbers and strings"
        ) from None
    arrays = {f"{op.name}.{key}": array for op in network.operators for key, array in op.arrays().items()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr(zipfile.ZipInfo(DOCUMENT), text)
        for key in sorted(arrays):
            with z.open(zipfile.ZipInfo(f"{key}.npy"), "w") as stream:
                np.lib.format.write_array(stream, np.ascontiguousarray(arrays[key]), allow_pickle=False)
    return packed.getvalue()


def _edge_entry(network: Network, edge: StateEdge) -> dict[str, Any]:
    """What network.json says of `edge`, its type included. TB belongs to a build."""
    return {"source": edge.source, "delay": edge.delay, **asdict(replace(network.tensors[edge.name], block=1))}


def _entry(op: Operator) -> dict[str, Any]:
    """What network.json says of `op`: all but its arrays."""
    values = {f.name: getattr(op, f.name) for f in fields(op)}
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items() if not isinstance(v, np.ndarray)}
    return {"kind": op.kind, **plain}


def load(path: str | os.PathLike[str]) -> Network:
    """The network of a `.vly` file. Raises VolleyError if it is missing, corrupt, too large or of a newer version."""
    if not isinstance(path, str | os.PathLike):
        raise VolleyError(f"network: {path!r} is no path; give a file saved by Network.save()")
    with Archive(path, SAVE_AGAIN, MAX_ARRAYS, "Volley network") as archive:
        document = parse_json(archive.read(DOCUMENT), f"{path}: {DOCUMENT}", SAVE_AGAIN)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise VolleyError(f"{path}: not a Volley network; save one with Network.save()")
        version = document.get("version")
        if type(version) is not int or not 1 <= version <= FORMAT_VERSION:
            raise VolleyError(
                f"{path}: format version {version!r}, this release reads 1 to {FORMAT_VERSION}; "
                "upgrade volley-snn or save it again"
            )
        arrays = {name[:-4]: name for name in archive.names if name.endswith(".npy") and "/" not in name}
        try:
            _check_keys("network.json", document, KEYS, LATER_KEYS)
            for key, kind in (("operators", list), ("input_shape", list), ("state_edges", list)):
                if not isinstance(document[key], kind):
                    raise VolleyError(f"{key} must be a list, not {_shown(document[key])}")
            operators = tuple(_operator(entry, arrays, archive) for entry in document["operators"])
            if arrays:
                raise VolleyError(f"array {min(arrays)!r} belongs to no operator")
            return Network(
                document["name"],
                tuple(document["input_shape"]),
                operators,
                document["logit_scale"],
                tuple(_state_edge(e) for e in document["state_edges"]),
                document["meta"],
                _encoding(document.get("input_encoding", Encoding.PIXEL)),
                document.get("input_steps", 1),
                document.get("time_block", 0),
            )
        except VolleyError as e:
            text = str(e)
            raise VolleyError(text if text.startswith(str(path)) else f"{path}: {text}") from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _check_keys(what: str, entry: Mapping[str, Any], needed: tuple[str, ...], others: tuple[str, ...] = ()) -> None:
    for key in entry:
        if key not in (*needed, *others):
            raise VolleyError(f"{what}: unknown key {_shown(key)}; known: {', '.join((*needed, *others))}")
    for key in needed:
        if key not in entry:
            raise VolleyError(f"{what}: key {key!r} is missing; {SAVE_AGAIN}")


def _encoding(value: Any) -> Encoding:
    if value not in tuple(Encoding):
        raise VolleyError(f"encoding {_shown(value)} is unknown; known: {', '.join(Encoding)}")
    return Encoding(value)


def _state_edge(entry: Any) -> StateEdge:
    if not isinstance(entry, dict):
        raise VolleyError(f"state edge {_shown(entry)} must be an object")
    _check_keys("state edge", entry, EDGE_KEYS, LATER_EDGE_KEYS)
    kinds = {"source": str, "name": str, "shape": list, "steps": int, "bound": int, "timed": bool, "block": int}
    for key, kind in kinds.items():
        if key in entry and type(entry[key]) is not kind:
            raise VolleyError(f"state edge: {key} {_shown(entry[key])} must be of type {kind.__name__}")
    if [type(n) for n in entry["shape"]] != [int] * 3:
        raise VolleyError(f"state edge: shape {_shown(entry['shape'])} must be three integers (C, H, W)")
    tensor = Tensor(
        entry["name"],
        tuple(entry["shape"]),
        _encoding(entry["encoding"]),
        entry["steps"],
        entry["bound"],
        entry.get("timed", False),
    )
    return StateEdge(entry["source"], tensor, entry.get("delay", 1))


def _operator(entry: Any, arrays: dict[str, str], archive: Archive) -> Operator:
    """An operator of network.json, with those of `arrays` (member by name) that are its own, which it takes out."""
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise VolleyError(f"operator {_shown(entry)} must be an object with a kind and a name")
    name, wanted = entry["name"], entry.get("kind")
    if isinstance(wanted, str) and wanted not in OPERATORS:
        extensions.load()
    kind = OPERATORS.get(wanted) if isinstance(wanted, str) else None
    if kind is None:
        raise VolleyError(
            f"operator {_shown(name)}: kind {_shown(wanted)} is unknown; known: {', '.join(OPERATORS)}; "
            "install the package that brings another"
        )
    what = f"{kind.kind} {_shown(name)}"
    known = {f.name: f for f in fields(kind)}
    held = [key for key, f in known.items() if str(f.type) == "np.ndarray"]
    others = tuple(key for key in known if key not in ("name", "inputs", *held))
    _check_keys(what, entry, ("kind", "name", "inputs"), others)
    inputs = entry["inputs"]
    if not isinstance(inputs, list) or not all(isinstance(source, str) for source in inputs):
        raise VolleyError(f"{what}: inputs {_shown(inputs)} must be a list of names")
    values: dict[str, Any] = {}
    for key, value in entry.items():
        if key != "kind":
            text = str(known[key].type)
            numbers = value if isinstance(value, list) else [value]
            bools = any(isinstance(n, bool) for n in numbers)
            if key != "inputs" and ((text == "str") is not isinstance(value, str) or (text == "bool") is not bools):
                raise VolleyError(f"{what}: {key} {_shown(value)} must be of type {text}")
            values[key] = tuple(value) if isinstance(value, list) else value
    for key in held:
        member = arrays.pop(f"{name}.{key}", None)
        if member is None:
            raise VolleyError(f"{what}: its array {name}.{key} is missing; {SAVE_AGAIN}")
        values[key] = archive.array(member)
    return kind(**values)
