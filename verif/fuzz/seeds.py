# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Good files to make mutants of, by kind, and the command that reads one."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from verif.fuzz import hdf5, mutate, mutate_xml, onnx_files
from verif.fuzz.mutate import Rng

MODEL = """
import torch
from torch import nn
def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
"""


@dataclass(frozen=True)
class Kind:
    """suffix: of its files. share: of all mutants. seeds: good files. command: arguments of pyflow that read FILE.
    structural: makes a structural mutant of a good one. heavy: the command imports torch."""

    suffix: str
    share: float
    seeds: list[bytes]
    command: tuple[str, ...]
    structural: Callable[[Rng, bytes], bytes]


def networks() -> list[Any]:
    """Small ones, which together have every field and most operators of the format."""
    from pyflow import operators as o
    from pyflow.edges import StateEdge
    from pyflow.graph import Network

    rng = np.random.default_rng(0)

    def weight(*shape: int) -> np.ndarray:
        return rng.integers(-3, 4, shape).astype(np.int8)

    radix = Network(
        "radix", (1, 4, 4),
        (
            o.Encode("encode", ("input",), steps=3),
            o.Conv("conv", ("encode",), kernel=(3, 3), padding=(1, 1), weight=weight(2, 1, 3, 3)),
            o.RadixNeuron("fire", ("conv",), theta=np.full(2, 5), bias=np.full(2, 2), steps=3),
            o.MaxPool("pool", ("fire",), kernel=(2, 2), stride=(2, 2)),
            o.Upsample("up", ("pool",), scale=(1, 2)),
            o.Linear("fc", ("up",), weight=weight(3, 16, 1, 1)),
            o.Readout("out", ("fc",), bias=np.arange(3)),
        ),
        0.25, meta={"data": "d", "accuracy_float": 0.5, "nonzero": {"fc": {"mean": 0.3, "max": 0.5, "steps": 3}}},
    )  # fmt: skip
    spiking = Network(
        "spiking", (2, 1, 1),
        (
            o.Linear("fc", ("input",), weight=weight(3, 2, 1, 1)),
            o.Linear("back", ("fed",), weight=weight(3, 3, 1, 1)),
            o.Add("sum", ("fc", "back")),
            o.LIFNeuron("lif", ("sum",), theta=np.full(3, 4), bias=np.ones(3, int), width=12, leak="shift",
                        leak_shift=2),
            o.Linear("last", ("lif",), weight=weight(2, 3, 1, 1)),
            o.Accumulate("count", ("last",)),
            o.Readout("out", ("count",), bias=np.zeros(2, int)),
        ),
        1.0, (StateEdge("lif", o.Tensor("fed", (3, 1, 1), o.Encoding.RATE, 4, 1, True), 2),),
        input_encoding=o.Encoding.RATE, input_steps=4,
    )  # fmt: skip
    return [radix, spiking]


def kinds(folder: Path) -> dict[str, Kind]:
    """Every kind of file. `folder` gets what their commands need beside the mutant: net.vly, net.py, data.npz."""
    import torch
    from safetensors.torch import save

    import pyflow
    from pyflow.network_file import pack
    from pyflow.report import write_report

    nets = networks()
    (folder / "net.vly").write_bytes(pack(nets[0]))
    (folder / "net.py").write_text(MODEL)
    rng = np.random.default_rng(1)
    x, y = rng.random((8, 1, 4, 4), dtype=np.float32), rng.integers(0, 3, 8)
    data = [_npz(x=x, y=y), _npz(x_train=x, y_train=y, x_test=(x * 255).astype(np.uint8), y_test=y)]
    (folder / "data.npz").write_bytes(data[0])
    build = pyflow.compile(nets[0], out_dir=folder / "good")
    write_report(_outcome(build), folder / "report.json")
    scope: dict[str, Any] = {}
    exec(MODEL, scope)  # ours, above
    state = scope["build"]().state_dict()
    lightning = {"state_dict": {f"model.{k}": v for k, v in state.items()}, "epoch": 3, "loops": [{"lr": 0.1}]}
    foldings = [(folder / "good" / "folding.json").read_bytes()]
    weights = ("convert", "--net", f"{folder / 'net.py'}:build", "--data", str(folder / "data.npz"), "--out", "OUT.vly")
    own = str(folder / "net.vly")
    over_time = ("convert", "--net", "FILE", "--out", "OUT.vly", "--steps", "4")

    def as_json(rng: Rng, seed: bytes) -> bytes:
        return mutate.text(rng, json.loads(seed))

    def as_archive(rng: Rng, seed: bytes) -> bytes:
        return mutate.archive(rng, seed, mutate.member)

    onnx = {}
    if find_spec("onnx"):
        command = ("convert", "--net", "FILE", "--data", str(folder / "data.npz"), "--out", "OUT.vly")
        onnx = {"onnx": Kind(".onnx", 0.15, onnx_files.seeds(), command, onnx_files.structural)}
    return onnx | {
        "vly": Kind(".vly", 0.3, [pack(n) for n in nets], ("convert", "--net", "FILE", "--out", "OUT.vly"), as_archive),
        "npz": Kind(".npz", 0.2, data, ("convert", "--net", own, "--data", "FILE", "--out", "OUT.vly"), as_archive),
        "folding": Kind(".json", 0.15, foldings, ("compile", "--net", own, "--folding", "FILE", "--out", "OUT"),
                        as_json),
        "report": Kind(".json", 0.1, [(folder / "report.json").read_bytes()], ("report", "FILE"), as_json),
        "safetensors": Kind(".safetensors", 0.1, [save(state)], (*weights, "--weights", "FILE"), _safetensors),
        "pt": Kind(".pt", 0.08, [_torch(torch, state), _torch(torch, state, False)], (*weights, "--weights", "FILE"),
                   _checkpoint),
        "nir": Kind(".nir", 0.1, hdf5.graphs(), (*over_time, "--dt", "1e-3", "--readout", "spikes-sum"), hdf5.mutated),
        "net": Kind(".net", 0.1, hdf5.networks(), over_time, hdf5.mutated),
        "ckpt": Kind(".ckpt", 0.07, [_torch(torch, lightning), _torch(torch, state)], (*weights, "--weights", "FILE"),
                     _checkpoint),
        "sdf3": Kind(".xml", 0.1, graphs(), ("analyse", "FILE", "--json", "OUT.json"), mutate_xml.xml),
    }  # fmt: skip


def graphs() -> list[bytes]:
    """Files of SDF3: a synchronous graph, one of phases, a platform."""
    from benchmarks.dataflow_graphs import phases, samplerate
    from pyflow.analysis.dataflow import Application, Platform, Sdf3, sdf3_text
    from pyflow.analysis.dataflow.sdf3 import Connection, Tile

    tiles = (Tile("t0", "p", 8, 4096, 8, 96, 96), Tile("t1", "p"))
    platform = Platform("two", tiles, (Connection("c0", "t0", "t1", 3),), {"slotTableSize": 8}, ("r0",))
    both = (Sdf3(Application(samplerate(), buffers={"a-b": 9}, token_bits={"a-b": 8}), None),
            Sdf3(Application(phases()), platform))  # fmt: skip
    return [sdf3_text(file).encode() for file in both]


def _npz(**arrays: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def _outcome(build: Any) -> Any:
    from pyflow.planning.board import load_board
    from pyflow.report import blank

    return blank(build, load_board("pynq-z2"))


def _torch(torch: Any, content: Any, as_zip: bool = True) -> bytes:
    out = io.BytesIO()
    torch.save(content, out, _use_new_zipfile_serialization=as_zip)
    return out.getvalue()


def _safetensors(rng: Rng, seed: bytes) -> bytes:
    """Another header in front of the same numbers."""
    length = int.from_bytes(seed[:8], "little")
    header = mutate.text(rng, json.loads(seed[8 : 8 + length]))
    stated = len(header) if rng.random() < 0.9 else int(mutate.pick(rng, (0, 7, 2**31, 2**63, len(header) - 1)))
    return stated.to_bytes(8, "little") + header + seed[8 + length :]


def _checkpoint(rng: Rng, seed: bytes) -> bytes:  # noqa: C901  (a case per kind of change)
    """Another dictionary of tensors, or another archive around it."""
    import pickle

    import torch

    if seed[:2] == b"PK" and rng.random() < 0.4:
        return mutate.archive(rng, seed, mutate.member)
    found = torch.load(io.BytesIO(seed), weights_only=True)
    state = found.get("state_dict", found)
    for _ in range(int(rng.integers(1, 3))):
        name, other = mutate.pick(rng, list(state)), mutate.pick(rng, list(state))
        value = state[name]
        if torch.is_tensor(value) and (value.is_sparse or value.numel() > 1000):  # changed before
            continue
        match int(rng.integers(11)):
            case 0:
                del state[name]
                state = state or {"x": 1}
            case 1:
                state[name], state[other] = state[other], state[name]
            case 2:
                state[f"module.{name}"] = state.pop(name)
            case 3:
                state[name] = mutate.pick(rng, (None, 1, "x", [1], {"a": value}, (value,), True, b"x"))
            case 4 if torch.is_tensor(value):
                kinds = (torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.bool, torch.complex64)
                state[name] = value.to(mutate.pick(rng, kinds))
            case 5 if torch.is_tensor(value):
                state[name] = mutate.pick(rng, (value.T if value.ndim == 2 else value[None], value[:0], value[..., :1]))
            case 6 if torch.is_tensor(value):
                state[name] = torch.full_like(value, mutate.pick(rng, (float("nan"), float("inf"), 1e38, 0)))
            case 7:
                state[mutate.pick(rng, (5, None, ("a",), "a.b", "\x1b[2J", "n" * 5000))] = value
            case 8 if rng.random() < 0.5:
                state[name] = mutate.Evil()
            case 9 if torch.is_tensor(value):
                state[name] = torch.zeros(1).expand(2**20, 2**20)
            case _ if torch.is_tensor(value):
                state[name] = value.to_sparse() if rng.random() < 0.5 else torch.nn.Parameter(value)
    out = mutate.pick(rng, (found, found, state, state, list(state.items()), {"model": state}, {"state_dict": state}))
    if rng.random() < 0.03:
        return pickle.dumps(mutate.Evil())
    as_zip = bool(seed[:2] == b"PK")
    raw = io.BytesIO()
    torch.save(out, raw, _use_new_zipfile_serialization=as_zip)
    return raw.getvalue()
