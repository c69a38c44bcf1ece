# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Models from a user's Python file and weights from .safetensors or .pt; nothing in a weights file is executed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pyflow.errors import VolleyError
from pyflow.frontends import load_model

MODEL = "from torch import nn\ndef build():\n    return nn.Sequential(nn.Conv2d(2, 4, 8))\n"


def test_load_model(tmp_path: Path) -> None:
    (tmp_path / "my_net.py").write_text(MODEL)
    state = {k: torch.rand_like(v) for k, v in nn.Sequential(nn.Conv2d(2, 4, 8)).state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    torch.save(state, tmp_path / "w.pt")
    for weights in ("w.safetensors", "w.pt"):
        model = load_model(f"{tmp_path}/my_net.py:build", tmp_path / weights)
        assert isinstance(model, nn.Module)
        assert torch.equal(model.state_dict()["0.weight"], state["0.weight"])
        assert not model.training


@pytest.mark.parametrize(
    ("text", "spec", "message"),
    [
        (MODEL, "my_net.py", "is not FILE.py:FUNCTION"),
        (MODEL, "other.py:build", "other.py: no such file"),
        (MODEL, "my_net.py:make", "has no function 'make'"),
        ("import nowhere_to_be_found\n", "my_net.py:build", "fails on import .ModuleNotFoundError"),
        ("def build(:\n", "my_net.py:build", "fails on import .SyntaxError"),
        ("def build():\n    return 3\n", "my_net.py:build", "returns int, needs a torch.nn.Module"),
        ("def build():\n    raise KeyError('x')\n", "my_net.py:build", r"build\(\) fails .KeyError"),
    ],
)
def test_bad_model_files(tmp_path: Path, text: str, spec: str, message: str) -> None:
    (tmp_path / "my_net.py").write_text(text)
    with pytest.raises(VolleyError, match=message):
        load_model(f"{tmp_path}/{spec}")


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return (open, ("executed", "w"))


def test_bad_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_net.py").write_text(MODEL)
    save_file({"0.weight": torch.zeros(4, 2, 8, 7), "extra": torch.zeros(1)}, tmp_path / "w.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "w.safetensors").read_bytes()[:-9])
    torch.save({"0.weight": Evil()}, tmp_path / "evil.pt")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "w.bin").write_bytes(b"")
    for file, message in {
        "w.safetensors": r"missing 0.bias; unexpected extra; wrong shape 0.weight \(4, 2, 8, 7\) for \(4, 2, 8, 8\)",
        "cut.safetensors": "not a readable safetensors file", "evil.pt": "without executing code",
        "list.pth": "not a dictionary of tensors", "w.bin": "is empty", "none.pt": "no such file",
    }.items():  # fmt: skip
        with pytest.raises(VolleyError, match=message) as e:
            load_model("my_net.py:build", file)
        assert file in str(e.value)
        assert "\n" not in str(e.value)
    assert not (tmp_path / "executed").exists()
