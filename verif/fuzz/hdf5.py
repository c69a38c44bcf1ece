# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Mutants of HDF5 files, NIR graphs and networks of Lava: fields, types, shapes, links, filters, groups in groups."""

from __future__ import annotations

import io
import itertools
from typing import Any

import h5py
import numpy as np

from verif.fuzz.mutate import EXTREMES, Rng, pick

Tree = dict[str, Any]
WORDS = ("", "NIRGraph", "LIF", "Input", "Output", "Affine", "conv", "dense", "CUBA", "x" * 5000, "a\nb", "Ж", "same")
KINDS = ("i1", "u1", "i4", "u8", "f2", "f4", "f8", ">f4", ">i8", "?", "c8", "S3")


def graphs() -> list[bytes]:
    """A chain with convolutions and pools, and a graph in a graph."""
    rng = np.random.default_rng(0)

    def neuron(kind: str, *shape: int, **others: float) -> Tree:
        values = {"r": 1000.0, "v_threshold": 1.0, "v_reset": 0.0} | others
        fields: Tree = {key: np.full(shape, value) for key, value in values.items()}
        return {"type": kind, **fields}

    def graph(nodes: Tree, *edges: tuple[str, str]) -> Tree:
        return {"type": "NIRGraph", "nodes": nodes, "edges": np.array(edges, object)}

    def put(kind: str, *shape: int) -> Tree:
        return {"type": kind, "shape": np.array(shape)}

    sides = {
        "stride": np.array([1, 1]),
        "padding": np.array([0, 0]),
        "dilation": np.array([1, 1]),
        "groups": np.array(1),
    }
    conv: Tree = {"type": "Conv2d", "weight": rng.normal(size=(2, 1, 3, 3)), "bias": rng.normal(size=2), **sides}
    pool: Tree = {
        "type": "SumPool2d",
        "kernel_size": np.array([2, 2]),
        "stride": np.array([2, 2]),
        "padding": np.array([0, 0]),
    }
    flat: Tree = {
        "type": "Flatten",
        "start_dim": np.array(0),
        "end_dim": np.array(-1),
        "input_type": np.array([2, 2, 2]),
    }
    fc: Tree = {"type": "Affine", "weight": rng.normal(size=(3, 8)), "bias": rng.normal(size=3)}
    chain: Tree = {
        "input": put("Input", 1, 6, 6), "conv": conv, "if": neuron("IF", 2, 4, 4), "pool": pool, "flat": flat, "fc": fc,
        "lif": neuron("LIF", 3, r=1.0, tau=0.01, v_leak=0.0), "output": put("Output", 3),
    }  # fmt: skip
    names = list(chain)
    cuba = neuron("CubaLIF", 3, r=1.0, tau_mem=0.01, tau_syn=0.005, v_leak=0.0, w_in=1.0)
    inner = graph({"a": put("Input", 4), "fc": {"type": "Linear", "weight": rng.normal(size=(3, 4))}, "n": cuba,
                   "b": put("Output", 3)}, ("a", "fc"), ("fc", "n"), ("n", "b"))  # fmt: skip
    outer = graph({"input": put("Input", 4), "g": inner, "output": put("Output", 3)}, ("input", "g"), ("g", "output"))
    version = np.array("1.0.8", object)
    roots = graph(chain, *itertools.pairwise(names)), outer
    return [packed({"version": version, "node": root}) for root in roots]


def networks() -> list[bytes]:
    rng = np.random.default_rng(1)
    neuron: Tree = {key: np.array(v) for key, v in {"iDecay": 410, "vDecay": 410, "vThMant": 20, "refDelay": 1}.items()}
    neuron |= {"type": "CUBA", "gradedSpike": np.array(False)}

    def dense(rows: int, columns: int) -> Tree:
        weight = 2.0 * rng.integers(-9, 10, (rows, columns))
        return {"type": "dense", "shape": np.array([rows]), "weight": weight, "neuron": neuron, "bias": np.zeros(rows)}

    sides = {
        "stride": np.array([1, 1]),
        "padding": np.array([0, 0]),
        "dilation": np.array([1, 1]),
        "groups": np.array(1),
    }
    conv = {
        "type": "conv",
        "shape": np.array([2, 4, 4]),
        "weight": 2.0 * rng.integers(-9, 10, (2, 1, 3, 3, 1)),
        **sides,
    }
    first: Tree = {"type": "input", "shape": np.array([1, 6, 6]), "weight": np.array([36.0]), "bias": np.array([34.0])}
    flat: Tree = {"type": "flatten", "shape": np.array([32])}
    deep = [first | {"neuron": neuron}, conv | {"neuron": neuron}, flat, dense(3, 32)]
    simulation = {"Ts": np.array(1), "tSample": np.array(8)}
    return [
        packed({"layer": {str(n): layer for n, layer in enumerate(layers)}, "simulation": simulation})
        for layers in ([dense(5, 4), dense(3, 5)], deep)
    ]


# ------------------------------------------------------------------ files
def packed(tree: Tree, rng: Rng | None = None) -> bytes:
    """An HDF5 file. rng: some datasets are stored in odd ways, some names are links."""
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        _put(file, tree, rng)
    return out.getvalue()


def _put(group: Any, tree: Tree, rng: Rng | None) -> None:
    for key, value in tree.items():
        if isinstance(value, dict):
            _put(group.create_group(key), value, rng)
        elif isinstance(value, str) or (isinstance(value, np.ndarray) and value.dtype == object):
            group.create_dataset(key, data=value, dtype=h5py.string_dtype())
        elif rng is not None and rng.random() < 0.05:
            _odd(group, key, np.asarray(value), rng)
        else:
            group.create_dataset(key, data=value, **({"compression": "gzip"} if np.ndim(value) else {}))


def _odd(group: Any, key: str, value: np.ndarray, rng: Rng) -> None:
    wide = (1 << 20, 1 << 20)
    match int(rng.integers(8)):
        case 0:
            group[key] = h5py.ExternalLink("/etc/passwd", "/x")
        case 1:
            group[key] = h5py.SoftLink("/")
        case 2:
            group[key] = group.file["/"]
        case 3:
            group.create_dataset(key, wide, "f4", chunks=(256, 256), compression="gzip")
        case 4:
            group.create_dataset(key, dtype=h5py.Empty("f4").dtype, shape=None, data=h5py.Empty("f4"))
        case 5 if value.ndim:
            group.create_dataset(key, data=value, compression="lzf", shuffle=True, fletcher32=True)
        case 6 if value.ndim:
            item = group.create_dataset(key, value.shape, value.dtype, chunks=value.shape, compression="gzip")
            item.id.write_direct_chunk((0,) * value.ndim, rng.bytes(int(rng.integers(1, 200))))
        case _:
            group.create_dataset(key, data=np.zeros(2, [("a", "i4"), ("b", "f4")]))


def unpacked(data: bytes) -> Tree:
    with h5py.File(io.BytesIO(data), "r") as file:
        return _tree(file)


def _tree(group: Any) -> Tree:
    found: Tree = {}
    for key, item in group.items():
        if isinstance(item, h5py.Group):
            found[key] = _tree(item)
        elif h5py.check_string_dtype(item.dtype):
            found[key] = np.asarray(item.asstr()[()], object)
        else:
            found[key] = np.asarray(item[()])
    return found


def mutated(rng: Rng, data: bytes) -> bytes:
    """Another tree, in another file."""
    tree = unpacked(data)
    for _ in range(int(rng.integers(1, 4))):
        _change(rng, tree)
    return packed(tree, rng if rng.random() < 0.5 else None)


def _change(rng: Rng, tree: Tree) -> None:  # noqa: C901  (a case per kind of change)
    places = [(tree, key) for key in tree]
    for group, key in places:
        if isinstance(group[key], dict):
            places += [(group[key], inner) for inner in group[key]]
    group, key = pick(rng, places)
    other, name = pick(rng, places)
    value = group[key]
    number = isinstance(value, np.ndarray) and value.dtype != object
    match int(rng.integers(13)):
        case 0:
            del group[key]
        case 1:
            group[pick(rng, ("x", "a" * 300, "Ж", "metadata", "0", "9"))] = value
        case 2 if group is not other.get(name) and not isinstance(other[name], dict):
            group[key] = other[name]
        case 3 if isinstance(value, np.ndarray) and value.dtype == object:
            changed = value.copy()
            changed.reshape(-1)[int(rng.integers(max(1, value.size)))] = pick(rng, WORDS)
            group[key] = changed
        case 4 if number and value.size:
            changed = value.astype(np.float64)
            changed.reshape(-1)[int(rng.integers(value.size))] = pick(rng, (float("nan"), float("inf"), *EXTREMES))
            group[key] = changed
        case 5 if number:
            group[key] = np.full(value.shape, float(pick(rng, EXTREMES)) if rng.random() < 0.7 else np.nan)
        case 6 if number:
            with np.errstate(all="ignore"):
                group[key] = value.astype(pick(rng, KINDS))
        case 7 if number and value.size:
            group[key] = pick(
                rng, (value.T, value[None], value.reshape(-1), value.reshape(-1)[:1], value.reshape(-1)[0])
            )
        case 8 if number:
            group[key] = np.zeros((0, 3))
        case 9:
            group[key] = pick(rng, WORDS)
        case 10:
            inner: Tree = {}
            group[key], depth = inner, int(pick(rng, (1, 10, 100)))
            for _ in range(depth):
                inner["nodes"] = inner = {}
        case 11 if isinstance(value, np.ndarray) and value.ndim and len(value):
            group[key] = np.concatenate([value, value[:1]])
        case _ if isinstance(value, dict):
            group[key] = np.arange(3)
