# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Models that cannot be traced: one line with the true cause, where it stands, and the cure."""

from __future__ import annotations

import copy
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from pyflow.errors import VolleyError
from pyflow.frontends import load_model, trace

SHAPE = (1, 8, 8)


def body() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 5))


def compiled(model: nn.Module) -> Any:
    return torch.compile(model)


def changed(change: Callable[[nn.Sequential], object]) -> nn.Sequential:
    model = body()
    change(model)
    return model


class Holder(nn.Module):
    def __init__(self, **held: Any) -> None:
        super().__init__()
        self.net = body()
        for key, value in held.items():
            setattr(self, key, value)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class NoForward(nn.Module):
    pass


class DistributedDataParallel(nn.Module):  # by its name: the real one needs processes
    def __init__(self) -> None:
        super().__init__()
        self.module = body()


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    SCRIPT, TRACED = torch.jit.script(body()), torch.jit.trace(body(), torch.rand(1, *SHAPE))
    INT8 = torch.ao.quantization.quantize_dynamic(body(), {nn.Linear})

MODELS: dict[str, tuple[nn.Module, str]] = {
    "DistributedDataParallel": (DistributedDataParallel(), "wrapped in DistributedDataParallel; give model.module"),
    "DataParallel of a layer": (nn.Sequential(nn.DataParallel(body())), r"layer '0' \(DataParallel\).*model.0.module"),
    "torch.compile of a layer": (nn.Sequential(body()[:3], compiled(body()[3:])), "'1'.*give model.1._orig_mod"),
    "script": (SCRIPT, "is TorchScript, a compiled program; give the nn.Module"),
    "traced": (TRACED, "is TorchScript, a compiled program"),
    "script inside": (nn.Sequential(SCRIPT), r"layer '0' \(RecursiveScriptModule\): is TorchScript"),
    "meta": (body().to("meta"), r"layer '0' \(Conv2d\): weight is on the meta device, without values; load"),
    "meta buffer": (changed(lambda m: m[1].register_buffer("b", torch.ones(1, device="meta"))), "'1' .*b is on the"),
    "lazy": (nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU()), r"'0' \(LazyConv2d\): weight has no shape yet"),
    "lazy norm": (changed(lambda m: m.insert(1, nn.LazyBatchNorm2d())), r"'1' \(LazyBatchNorm2d\).*has no shape yet"),
    "lock": (Holder(guard=threading.Lock()), r"'net' \(Holder\): attribute 'guard' \(lock\) cannot be copied; set"),
    "generator": (Holder(batches=(n for n in range(3))), r"attribute 'batches' \(generator\) cannot be copied"),
    "file": (Holder(log=Path("/dev/null").open()), r"attribute 'log' \(TextIOWrapper\) cannot be copied"),  # noqa: SIM115
    "results of autograd": (Holder(cache=[torch.ones(2, requires_grad=True) * 2]), "'cache' .list. cannot be copied"),
    "recurrent": (nn.Sequential(nn.GRU(8, 5)), r"layer '0' \(GRU\): not supported; recurrence"),
    "attention": (Holder(a=nn.MultiheadAttention(8, 2)), r"layer 'a' \(MultiheadAttention\): not supported"),
    "embedding": (nn.Sequential(nn.Embedding(8, 2), nn.Linear(2, 2)), r"layer '0' \(Embedding\): not supported"),
    "quantised": (INT8, r"layer '4' \(Linear\): is a quantised layer of torch.ao; give the float model"),
    "no forward": (nn.Module(), "has no forward"),
    "a layer without forward": (nn.Sequential(NoForward()), "has no forward"),
}  # fmt: skip


@pytest.mark.parametrize("case", MODELS)
def test_what_it_is(case: str) -> None:
    model, message = MODELS[case]
    with pytest.raises(VolleyError, match=message) as error:
        trace(model, SHAPE, name="net")
    assert "\n" not in str(error.value)
    assert "control flow" not in str(error.value)


def test_the_cure_works() -> None:
    wrapped = (compiled(body()), nn.DataParallel(body()), AveragedModel(body()))
    for model in (*wrapped, nn.DataParallel(compiled(body()))):  # seen through
        trace(model, SHAPE)


def test_a_train_that_returns_nothing_is_no_matter(tmp_path: Path) -> None:
    class Silent(Holder):
        def train(self, mode: bool = True) -> None:
            super().train(mode)

    trace(Silent(), SHAPE)
    copy.deepcopy(Silent())
    (tmp_path / "net.py").write_text(
        "from torch import nn\nclass N(nn.Sequential):\n  def train(self, mode=True): super().train(mode)\n"
        "def build(): return N(nn.Flatten(), nn.Linear(64, 5))\n"
    )
    assert load_model(f"{tmp_path}/net.py:build") is not None


# ------------------------------------------------------------------ spiking frameworks
def test_spiking_frameworks_are_named() -> None:
    snntorch = pytest.importorskip("snntorch")
    leaky = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), snntorch.Leaky(beta=0.9, init_hidden=True), nn.Linear(16, 5))
    norse = pytest.importorskip("norse.torch")
    lif = norse.SequentialState(nn.Flatten(), nn.Linear(64, 16), norse.LIFCell(), nn.Linear(16, 5))
    layer = pytest.importorskip("spikingjelly.activation_based.layer")
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
    multi = nn.Sequential(layer.Conv2d(1, 8, 3), neuron.IFNode(), layer.Flatten())
    norm = nn.Sequential(layer.Conv2d(1, 8, 3), layer.BatchNorm2d(8), nn.ReLU(), layer.Flatten())
    for model, what in (
        (leaky, r"layer '2' \(snntorch Leaky\): computes over time; pyflow.convert\(\) takes"),
        (lif, r"layer '2' \(norse LIFCell\): computes over time"),
        (multi, r"layer '1' \(spikingjelly IFNode\): computes over time"),
        (norm, r"\(spikingjelly Conv2d\): is SpikingJelly's own layer .*; use that of torch.nn"),
    ):
        with pytest.raises(VolleyError, match=what):
            trace(model.eval(), SHAPE)


# ------------------------------------------------------------------ forward()
BATCH, DATA = "depends on the batch size", "depends on the data"
FORWARD: dict[str, tuple[str, int, str]] = {  # statements, the line of them that is named, what is said of it
    "if size": ("y = x.size()\n    if y[0] > 2:\n        pass", 2, f"the condition {BATCH}"),
    "a shape chooses": ("x = x if x.shape[0] > 2 else -x", 1, f"the expression {BATCH}"),
    "len": ("x = x.reshape(len(x), 1, 8, 8)", 1, r"`x = x.reshape.len.x.* asks for the batch size; use x.flatten.1."),
    "if len": ("if len(x) > 2:\n        pass", 1, "asks for the batch size"),
    "if sum": ("if x.sum() > 0:\n        x = -x", 1, f"`if x.sum.. > 0:`: the condition {DATA}"),
    "if mean of a layer": ("y = self.net(x)\n    if y.mean() > 0:\n        return y", 2, f"the condition {DATA}"),
    "early exit": ("y = self.net(x)\n    if torch.softmax(y, 1).max() > .9: return y", 2, f"the condition {DATA}"),
    "both": ("if x.shape[1] > 0 and x.max() > 0:\n        pass", 1, DATA),
    "isnan": ("if torch.isnan(x).any(): raise ValueError('nan')", 1, f"the condition {DATA}"),
    "while data": ("while x.max() > 1:\n        x = x / 2", 1, f"the loop {DATA}"),
    "assert data": ("assert (x >= 0).all()", 1, f"the assertion {DATA}"),
    "not": ("y = not x.any()", 1, f"the expression {DATA}"),
    "loop over images": ("for row in x:\n        pass", 1, "loops over an activation or unpacks it"),
    "range of a shape": ("for n in range(x.shape[0]):\n        pass", 1, f"the expression {BATCH}"),
    "int": ("n = int(x.sum())", 1, f"the expression {DATA}"),
    "float": ("n = float(x.max())", 1, f"the expression {DATA}"),
    "numpy": ("x = torch.from_numpy(np.clip(x, 0, 1))", 1, "cannot trace it"),
    "no such layer": ("x = self.conv(x)", 1, "AttributeError: 'N' object has no attribute 'conv' at"),
    "raises": ("x = 1 / 0", 1, "ZeroDivisionError: division by zero at"),
    "raises itself": ("raise RuntimeError('see \\x1b[1mhere\\nand there')", 1, "RuntimeError: see here and there at"),
    "too many arguments": ("x = self.net(x, 3)", 1, "TypeError: Sequential.forward.. takes 2"),
}


@pytest.mark.parametrize(
    "statements",
    [
        "assert x.shape[1] == 1",
        "x = x + 0\n    assert x.dim() == 4, 'maps'",
        "if x.dim() == 3:\n        x = x[None]",
        "if x.ndim != 4 or x.shape[-1] < 3:\n        raise ValueError",
        "if x.is_cuda:\n        x = x.cpu()",
        "if x.dtype == torch.uint8:\n        x = x / 255",
        "while x.shape[2] > 8:\n        x = x[:, :, 1:]",
        "if len(x.shape) == 3:\n        x = x[None]",
        "for _ in range(x.size(1)):\n        x = x + 0",
    ],
)
def test_what_asks_for_a_shape_is_traced(statements: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_net.py").write_text(
        "import torch\nfrom torch import nn\n\nclass N(nn.Module):\n  def __init__(self):\n"
        "    super().__init__()\n    self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))\n"
        f"  def forward(self, x):\n    {statements}\n    return self.net(x)\n\ndef build(): return N()\n"
    )
    model = load_model("my_net.py:build")
    assert isinstance(model, nn.Module)
    assert trace(model, SHAPE).layers


@pytest.mark.parametrize("case", FORWARD)
def test_file_and_line(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statements, line, message = FORWARD[case]
    monkeypatch.chdir(tmp_path)
    head = (
        "import numpy as np\nimport torch\nfrom torch import nn\n\nclass N(nn.Module):\n  def __init__(self):\n"
        "    super().__init__()\n    self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))\n"
        "  def forward(self, x):\n"
    )
    (tmp_path / "my_net.py").write_text(f"{head}    {statements}\n    return self.net(x)\n\ndef build(): return N()\n")
    model = load_model("my_net.py:build")
    assert isinstance(model, nn.Module)
    with pytest.raises(VolleyError, match=message) as error:
        trace(model, SHAPE)
    text = str(error.value)
    assert f"my_net.py:{head.count(chr(10)) + line}: `" in text
    assert "\n" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import sys\ndef build():\n    sys.exit(3)\n", r"build\(\) fails .*it calls sys.exit\(3\); .*net.py:3"),
        ("def build():\n    raise SystemExit\n", r"build\(\) fails .SystemExit: it calls sys.exit\(None\)"),
        ("import sys\nsys.exit('no GPU')\n", r"fails on import .*it calls sys.exit\('no GPU'\); .*net.py:2"),
        ("import argparse\nargparse.ArgumentParser().parse_args(['--x'])\n", "fails on import .SystemExit"),
        ("def build():\n    return build()\n", r"build\(\) fails .RecursionError.*net.py:2"),
        ("def build(width):\n    pass\n", r"build\(\) fails .TypeError.*missing 1 required"),
        ("def build(): pass\n", r"build\(\) returns NoneType, needs a torch.nn.Module"),
        ("from torch import nn\nbuild = nn.Linear(2, 2).state_dict\n", r"build\(\) returns OrderedDict, needs"),
        ("from torch import nn\ndef build(): return nn.Linear\n", r"build\(\) returns type, needs"),
        ("from torch import nn\ndef build(): return nn.Linear(2, 2), 3\n", r"build\(\) returns tuple, needs"),
        ("build = 3\n", "has no function 'build'"),
    ],
)  # fmt: skip
def test_what_build_does(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(text)
    with pytest.raises(VolleyError, match=message) as error:
        load_model(f"{tmp_path}/net.py:build")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "shape", [784, None, (1, 1, 8, 8), (None, 1, 8, 8), "1x8x8", (1.0, 8, 8), (1, True, 8), {}, (0, 8, 8)]
)
def test_input_shapes(shape: Any) -> None:
    import pyflow

    model = body()
    model.input_shape = shape
    with pytest.raises(VolleyError, match=r"input_shape .* is neither \(C, H, W\), \(C, L\) nor \(F,\)"):
        pyflow.convert(model, np.zeros((4, 1, 8, 8), np.float32))


def _halved(module: nn.Module, args: object, output: torch.Tensor) -> torch.Tensor:
    return output / 2


def _exits(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    sys.exit(0)


def test_a_hook_is_not_left_out_in_silence() -> None:
    model = changed(lambda m: m[0].register_forward_hook(_halved))
    with pytest.raises(VolleyError, match=r"'0' \(Conv2d\): has a forward hook \(_halved\), which is not converted"):
        trace(model, (1, 8, 8))


def test_a_forward_that_exits_is_an_error_of_the_model() -> None:
    kind = type("Exits", (nn.Module,), {"forward": _exits})
    with pytest.raises(VolleyError, match=r"model 'exits': torch.fx cannot trace it"):
        trace(kind(), (1, 8, 8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: setattr(m[0], "weight", None), r"'0' \(Conv2d\): weight is None"),
        (
            lambda m: setattr(m[0], "weight", nn.Parameter(m[0].weight.to(torch.complex64))),
            "weight is complex64, needs real",
        ),
    ],
)
def test_weights_that_are_none(change, message) -> None:
    with pytest.raises(VolleyError, match=message):
        trace(changed(change), (1, 8, 8))
