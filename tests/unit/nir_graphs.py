# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""NIR graphs for tests, as trees and as files, and a network in numpy and torch that computes what they say."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
import torch.nn.functional as F

DT = 1e-3
FORM: dict[str, Any] = {"dt": DT, "readout": "spikes-sum"}
Tree = dict[str, Any]


def node(kind: str, **fields: Any) -> Tree:
    return {"type": kind, **fields}


def graph(nodes: Tree, edges: list[tuple[str, str]]) -> Tree:
    return {"type": "NIRGraph", "nodes": nodes, "edges": edges}


def chain(shape: tuple[int, ...], out: tuple[int, ...], **nodes: Tree) -> Tree:
    """Input, the nodes one after the other, Output."""
    names = ["input", *nodes, "output"]
    inside = {"input": node("Input", shape=np.array(shape)), **nodes, "output": node("Output", shape=np.array(out))}
    return graph(inside, list(itertools.pairwise(names)))


def save(root: Tree, path: Path) -> Path:
    """As nir.write does it."""

    def put(group: Any, tree: Tree) -> None:
        for key, value in tree.items():
            if isinstance(value, dict):
                put(group.create_group(key), value)
            elif isinstance(value, str) or key == "edges":
                group.create_dataset(key, data=value, dtype=h5py.string_dtype())
            elif isinstance(value, np.ndarray) and value.ndim:
                group.create_dataset(key, data=value, compression="gzip")
            else:
                group.create_dataset(key, data=value)

    with h5py.File(path, "w") as file:
        file.create_dataset("version", data="1.0.8", dtype=h5py.string_dtype())
        put(file.create_group("node"), root)
    return path


def lif(n: Any = 1, tau: Any = 0.004, theta: float = 0.6, **others: Any) -> Tree:
    size = (n,) if isinstance(n, int) else n
    fields = {"tau": np.full(size, tau), "r": np.ones(size), "v_leak": np.zeros(size)}
    return node("LIF", **(fields | {"v_threshold": np.full(size, theta), "v_reset": np.zeros(size)} | others))


def integrate(n: Any = 1, theta: float = 1.0, **others: Any) -> Tree:
    size = (n,) if isinstance(n, int) else n
    fields = {"r": np.full(size, 1 / DT), "v_threshold": np.full(size, theta), "v_reset": np.zeros(size)}
    return node("IF", **(fields | others))


def cuba(n: int, tau_mem: float = 0.005, tau_syn: float = 0.002, theta: float = 0.5, **others: Any) -> Tree:
    fields = {"tau_mem": np.full(n, tau_mem), "tau_syn": np.full(n, tau_syn), "r": np.ones(n), "v_leak": np.zeros(n)}
    fields |= {"v_threshold": np.full(n, theta), "v_reset": np.zeros(n), "w_in": np.full(n, 2.0)}
    return node("CubaLIF", **(fields | others))


def linear(rows: int, columns: int, seed: int = 0, by: float = 1.0) -> Tree:
    return node("Linear", weight=by * np.random.default_rng(seed).normal(size=(rows, columns)))


def affine(rows: int, columns: int, seed: int = 0, by: float = 1.0) -> Tree:
    rng = np.random.default_rng(seed)
    return node("Affine", weight=by * rng.normal(size=(rows, columns)), bias=rng.normal(size=rows) / 4)


def conv(co: int, ci: int, k: int, seed: int = 0, **others: Any) -> Tree:
    rng = np.random.default_rng(seed)
    fields: Tree = {
        "weight": rng.normal(size=(co, ci, k, k)),
        "bias": rng.normal(size=co) / 4,
        "stride": np.array([1, 1]),
    }
    fields |= {"padding": np.array([0, 0]), "dilation": np.array([1, 1]), "groups": 1}
    return node("Conv2d", **(fields | others))


def pool(kind: str, k: int = 2) -> Tree:
    return node(kind, kernel_size=np.array([k, k]), stride=np.array([k, k]), padding=np.array([0, 0]))


def flatten(shape: tuple[int, ...]) -> Tree:
    return node("Flatten", start_dim=0, end_dim=-1, input_type=np.array(shape))


def spikes(*shape: int, share: float = 0.4, seed: int = 3) -> np.ndarray:
    """[N, T, ...] of 0 and 1."""
    return (np.random.default_rng(seed).random(shape) < share).astype(np.uint8)


class Oracle:
    """Runs a chain of nodes step by step in float64, by NIR's equations with Euler steps, and by nothing of pyflow."""

    def __init__(self, tree: Tree) -> None:
        self.nodes = [x for x in tree["nodes"].values() if x["type"] not in ("Input", "Output")]
        self.states: dict[int, dict[str, Any]] = {}

    def run(self, x: np.ndarray) -> np.ndarray:
        """[N, T, ...] to the sum over time of the last node, [N, ...]."""
        total: Any = 0
        for t in range(x.shape[1]):
            value = torch.from_numpy(x[:, t].astype(np.float64))
            for n, found in enumerate(self.nodes):
                value = self.node(n, found, value)
            total = total + value
        return np.asarray(total)

    def node(self, n: int, found: Tree, x: torch.Tensor) -> torch.Tensor:
        kind = found["type"]
        if kind in ("Linear", "Affine"):
            return F.linear(x, torch.tensor(found["weight"]), torch.tensor(found["bias"]) if "bias" in found else None)
        if kind == "Conv2d":
            stride, padding = tuple(found["stride"]), tuple(found["padding"])
            return F.conv2d(
                x, torch.tensor(found["weight"]), torch.tensor(found["bias"]), stride, padding, groups=found["groups"]
            )
        if kind in ("SumPool2d", "AvgPool2d"):
            k = int(found["kernel_size"][0])
            return F.avg_pool2d(x, k) * (k * k if kind == "SumPool2d" else 1)
        if kind == "Flatten":
            return x.flatten(1)
        if kind == "Scale":
            return x * torch.tensor(found["scale"])
        if kind == "Threshold":
            return (x > torch.tensor(found["threshold"])).double()
        return self.neuron(self.states.setdefault(n, {"v": 0 * x, "i": 0 * x}), found, x)

    def neuron(self, state: dict[str, Any], found: Tree, x: torch.Tensor) -> torch.Tensor:
        if found["type"] == "CubaLIF":
            rate = DT / found["tau_syn"]
            x = state["i"] = state["i"] + torch.tensor(rate) * (-state["i"] + torch.tensor(found["w_in"]) * x)
        if found["type"] == "IF":
            v = state["v"] + DT * torch.tensor(found["r"]) * x
        else:
            rate = torch.tensor(DT / found["tau" if found["type"] == "LIF" else "tau_mem"])
            v = state["v"] + rate * (torch.tensor(found["v_leak"]) - state["v"] + torch.tensor(found["r"]) * x)
        fired = v > torch.tensor(found["v_threshold"])
        state["v"] = torch.where(fired, torch.tensor(found["v_reset"]), v)
        return fired.double()
