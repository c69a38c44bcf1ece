# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Checkpoints as people have them: told by content, found in nested dictionaries, never executed."""

from __future__ import annotations

import argparse
import json
import os
import pickle
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pyflow.errors import VolleyError
from pyflow.frontends.checkpoint import load_weights

State = dict[str, torch.Tensor]


def body() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))


WANTED: State = {k: torch.rand_like(v) if v.is_floating_point() else v for k, v in body().state_dict().items()}
OTHER: State = {k: v + 1 for k, v in WANTED.items()}


def named(prefix: str, state: State = WANTED) -> State:
    return {prefix + k: v for k, v in state.items()}


def without_counters(state: State) -> State:
    return {k: v for k, v in state.items() if "num_batches" not in k}


def adam() -> dict[str, Any]:
    model = body()
    optimiser = torch.optim.Adam(model.parameters())
    model(torch.rand(4, 1, 4, 4)).sum().backward()
    optimiser.step()
    return optimiser.state_dict()


def nested(state: State) -> dict[str, dict[str, torch.Tensor]]:
    tree: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in state.items():
        layer, _, name = key.partition(".")
        tree.setdefault(layer, {})[name] = value
    return tree


FOUND: dict[str, Any] = {
    "plain": WANTED,
    "DataParallel": named("module."),
    "torch.compile": named("_orig_mod."),
    "compiled and parallel": named("_orig_mod.module."),
    "parallel and compiled": named("module._orig_mod."),
    "some names wrapped": {("module." if n % 2 else "") + k: v for n, (k, v) in enumerate(WANTED.items())},
    "a wrapped layer": {k.replace("0.", "0._orig_mod."): v for k, v in WANTED.items()},
    "AveragedModel": {**named("module."), "n_averaged": torch.tensor(3)},
    "without counters": without_counters(WANTED),
    "loop": {"epoch": 3, "state_dict": WANTED, "best_acc": 0.5, "optimizer": adam()},
    "model": {"model": named("module."), "optimizer": adam(), "lr_scheduler": {"last_epoch": 3, "_last_lr": [0.1]}},
    "model_state_dict": {"model_state_dict": WANTED, "loss": 0.3},
    "net": {"net": named("module."), "acc": 91.2, "epoch": 7},
    "Lightning": {"state_dict": named("model."), "hyper_parameters": {"lr": 0.1}, "pytorch-lightning_version": "2"},
    "Lightning with a metric": {"state_dict": {**named("net."), "loss.weight": torch.ones(3)}},
    "deep": {"run": {"last": {"model": {"weights": named("backbone.net.")}}}},
    "tree": nested(WANTED),
    "averaged beside": {"ema": OTHER, "optimizer": adam(), "model": WANTED},
    "averaged alone": {"model_ema": WANTED, "epoch": 1},
    "the same twice": {"model": WANTED, "ema": dict(WANTED)},
    "settings": {"state_dict": WANTED, "args": argparse.Namespace(lr=1), "out": Path("x"), "acc": np.float64(3)},
    "arrays": {"state_dict": WANTED, "history": np.arange(3)},
    "half": {k: v.half() for k, v in WANTED.items()},
    "bfloat16": {k: v.bfloat16() for k, v in WANTED.items()},
    "double": {k: v.double() for k, v in WANTED.items()},
    "parameters": {k: nn.Parameter(v) if v.is_floating_point() else v for k, v in WANTED.items()},
}


def same(model: nn.Module, rel: float = 1e-2) -> bool:
    return all(torch.allclose(v, WANTED[k], rtol=rel) for k, v in model.state_dict().items())


@pytest.mark.parametrize("case", FOUND)
def test_weights_are_found(case: str, tmp_path: Path) -> None:
    for number, ending in enumerate((".ckpt", ".bin", ".pth", ".tar", "")):
        if number and case not in ("plain", "loop"):
            continue
        path = tmp_path / f"w{ending}"
        torch.save(FOUND[case], path, _use_new_zipfile_serialization=ending != ".tar")
        model = body()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            load_weights(model, path)
        assert same(model)
        assert [str(w.message) for w in said] == (
            [f"{path}: holds several weights of this model: 'model' is taken, not 'ema'"]
            if case == "averaged beside" else []
        )  # fmt: skip


@pytest.mark.parametrize("ending", [".safetensors", ".bin", ".ckpt", ""])
def test_safetensors_by_content(ending: str, tmp_path: Path) -> None:
    save_file(named("_orig_mod."), tmp_path / f"w{ending}")
    model = body()
    load_weights(model, tmp_path / f"w{ending}")
    assert same(model)


def test_a_wrapped_model_takes_plain_weights_and_a_lazy_one_any(tmp_path: Path) -> None:
    torch.save(WANTED, tmp_path / "w.pt")
    model = nn.DataParallel(body())
    load_weights(model, tmp_path / "w.pt")
    assert same(model.module)
    lazy: Any = nn.Sequential(nn.LazyConv2d(2, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))
    load_weights(lazy, tmp_path / "w.pt")
    assert torch.equal(lazy[4].weight, WANTED["4.weight"])


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, ("executed", "w"))


def write(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def saved(content: Any) -> Callable[[Path], object]:
    return lambda path: torch.save(content, path)


def pickled(content: Any) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(pickle.dumps(content))


def archive(path: Path) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, x=np.zeros(3))


def cut(path: Path) -> None:
    torch.save(WANTED, path)
    path.write_bytes(path.read_bytes()[:900])


INDEX = {"metadata": {}, "weight_map": {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}}
REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a whole module": (saved(body()), r"objects \(torch.nn.modules.container.Sequential\), perhaps a whole module"),
    "a whole module, old format": (
        lambda p: torch.save(body(), p, _use_new_zipfile_serialization=False), "perhaps a whole module"),
    "a module among others": (saved({"epoch": 1, "net": body()}), "perhaps a whole module"),
    "code": (saved({"0.weight": Evil()}), "without executing code"),
    "code alone": (saved(Evil()), "without executing code"),
    "code in a pickle": (pickled(Evil()), "without executing code"),
    "a pickle": (pickled({"a": np.zeros(3)}), "without executing code"),
    "TorchScript": (lambda p: torch.jit.save(torch.jit.script(body()), str(p)), "is a TorchScript program"),
    "a list": (saved([1]), "holds a list, is not a dictionary of tensors"),
    "a tensor": (saved(torch.zeros(2, 3)), r"holds one tensor of shape \(2, 3\)"),
    "settings alone": (saved(argparse.Namespace(a=1)), "Python objects"),
    "nothing in it": (saved({}), "it has nothing"),
    "no tensors": (saved({"epoch": 1, "lr": 0.1}), "not a dictionary of tensors, nor holds one .it has epoch, lr"),
    "another net": (saved({"conv.weight": torch.zeros(3), "fc.bias": torch.zeros(1)}),
        "missing 0.bias, .* unexpected conv.weight, fc.bias"),
    "another net, nested": (saved({"model": {"a.weight": torch.zeros(1)}, "epoch": 1}),
        "'model' in it does not fit the model: missing 0.bias"),
    "another size": (saved(WANTED | {"4.weight": torch.zeros(3, 9)}), r"wrong shape 4.weight \(3, 9\) for \(3, 8\)"),
    "more than the net": (saved(WANTED | {"head.weight": torch.zeros(1)}), "unexpected head.weight"),
    "int8": (saved({k: v.to(torch.int8) for k, v in WANTED.items()}), "is of int8; needs real numbers"),
    "complex": (saved({k: v.to(torch.complex64) for k, v in WANTED.items()}), "is of complex64; needs real numbers"),
    "meta": (saved({k: v.to("meta") for k, v in WANTED.items()}), "meta device, without values"),
    "sparse": (saved(WANTED | {"4.weight": WANTED["4.weight"].to_sparse()}), "'4.weight' is sparse"),
    "an index": (write(json.dumps(INDEX).encode()), "index of a checkpoint in 2 files .model-1-of-2.safetensors"),
    "JSON": (write(b'{"a": 1}'), "is a JSON file, no weights"),
    "deep JSON": (write(b"[" * 100_000), "is a text file, no weights"),
    "text": (write(b"hello there, these are weights"), "neither .safetensors nor a file of torch.save"),
    "empty": (write(b""), "is empty"),
    "cut": (cut, "is damaged"),
    "junk in a pickle": (write(b"\x80\x02junk"), "is damaged or no file of torch.save"),
    "HDF5": (write(b"\x89HDF\r\n\x1a\n" + bytes(99)), "is an HDF5 file"),
    "ONNX": (write(b"\x08\x07\x12\x07pytorch" + bytes(99)), "is an ONNX model"),
    "GGUF": (write(b"GGUF\x03\0\0\0" + bytes(99)), "is a GGUF file"),
    "gzip": (write(b"\x1f\x8b\x08" + bytes(99)), "is a gzip archive; unpack it"),
    "Git LFS": (write(b"version https://git-lfs.github.com/spec/v1\noid x"), "pointer of Git LFS"),
    "a web page": (write(b"<!DOCTYPE html><html>"), "is a web page"),
    "an .npz": (lambda p: np.savez(p.open("wb"), x=np.zeros(3)), "numpy arrays"),
    "a compressed archive": (archive, "numpy arrays"),
    "safetensors of a wrong header": (write(b"\xff" * 8 + b"{" + bytes(99)), "not a readable safetensors file"),
    "an archive in two parts": (
        write(b"PK\3\4" + bytes(80) + struct.pack("<4sLQL", b"PK\6\7", 0, 0, 2) + b"PK\5\6" + bytes(18)),
        "is damaged .*multiple disks.*; save it again",
    ),
    "a folder": (lambda p: p.mkdir(), "is a folder, not a regular file"),
    "nothing": (lambda p: None, "no such file"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_plain_words(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make, message = REFUSED[case]
    make(tmp_path / "w.pt")
    model = body()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(VolleyError, match=message) as error:
        load_weights(model, tmp_path / "w.pt")
    text = str(error.value)
    assert text.startswith(f"{tmp_path / 'w.pt'}: ")
    assert "\n" not in text
    assert "\x1b" not in text
    assert len(text) < 400
    assert not os.path.exists("executed")
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
