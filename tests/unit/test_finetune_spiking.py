# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Fine-tuning over time: what is trained is the network of integers, its gradient that of the equations."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

for _package in ("snntorch", "spikingjelly", "norse"):
    pytest.importorskip(_package, reason=f"{_package} is not installed: pip install volley-snn[oracle]")

import snntorch as snn  # noqa: E402

from pyflow import Network  # noqa: E402
from pyflow import data as datasets  # noqa: E402
from pyflow.__main__ import main  # noqa: E402
from pyflow.conversion import FineTuned, convert, finetune  # noqa: E402
from pyflow.conversion.samples import as_frames  # noqa: E402
from pyflow.conversion.spiking_quant import SpikingQuant  # noqa: E402
from pyflow.conversion.surrogate import fired  # noqa: E402
from pyflow.data import Dataset  # noqa: E402
from pyflow.errors import VolleyError  # noqa: E402
from pyflow.operators import Encoding, LIFNeuron, MembraneReadout, Synapse, Tensor  # noqa: E402
from tests.unit import membrane_nets, recurrent_nets, spiking_nets, word_nets  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


# ------------------------------------------------------------------ forward
MADE = {name: file.made for file in (spiking_nets, word_nets, membrane_nets) for name in file.NETS}


@pytest.mark.parametrize("name", MADE)
def test_logits_are_those_of_the_network(name: str) -> None:
    """Away from the weights that were converted, as in training."""
    model, sample, options = MADE[name](name)
    network = convert(model, sample.numpy(), weight_bits=4, **options)
    exact = {op.name: op.weight.astype(float) for op in network.operators if isinstance(op, Synapse)}
    quant = SpikingQuant(network, exact)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in quant.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    frames = as_frames(sample, options.get("time_axis"), 1.0 if sample.max() > 1 else 0.0)[:8]
    logits = quant(frames)
    want = quant.current()
    assert any((a.weight != b.weight).any() for a, b in zip(want.operators, network.operators, strict=True)
               if isinstance(a, Synapse) and isinstance(b, Synapse))  # fmt: skip
    assert np.array_equal(logits.detach().numpy(), (want.run(frames) * want.logit_scale).astype(np.float32))
    logits.square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in quant.parameters())


# ------------------------------------------------------------------ backward
class Spike(torch.autograd.Function):
    """The surrogate by itself. u: membranes in thresholds."""

    @staticmethod
    def forward(ctx: Any, u: torch.Tensor, slope: float) -> torch.Tensor:
        ctx.save_for_backward(u)
        ctx.slope = slope
        return (u >= 1).to(u.dtype)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        (u,) = ctx.saved_tensors
        return grad / (1 + ctx.slope * (u - 1).abs()) ** 2, None


def stepped(x: torch.Tensor, bias: torch.Tensor, op: LIFNeuron, slope: float) -> torch.Tensor:
    """The neuron's equations in float64, without rounding, for autograd; docs/numerics.md."""
    wide = [torch.from_numpy(a).double()[:, None, None] for a in (op.theta, op.reset_amount, op.alpha)]
    theta, amount, alpha = wide
    bias = bias[:, None, None]
    kept: Any = {"none": 1.0, "shift": 1 - 2.0**-op.leak_shift, "multiply": alpha / 2.0**op.leak_frac}[op.leak]
    kept_i = {"none": 1.0, "shift": 1 - 2.0**-op.current_shift}[op.current_leak]
    v, i, z, r = (torch.zeros_like(x[:, 0]) for _ in range(4))
    spikes, read = [], []
    for t in range(x.shape[1]):
        drive = x[:, t] * 2**op.frac
        if op.current_bias:
            drive = drive + bias
        if op.current != "none":
            after = kept_i * i + drive
            drive, i = (after if op.current == "new" else i), after
        u = op.v_leak + kept * (v - op.v_leak) + drive + (0 if op.current_bias else bias)
        if op.reset_order == "after":
            u = {"soft": u - z * amount, "hard": torch.where(z > 0, float(op.v_reset), u), "none": u}[op.reset]
        awake = r == 0
        z = Spike.apply(u / theta, slope) * awake
        spikes.append(z)
        z, met = z.detach(), torch.where(awake, u, v)
        if op.reset_order == "before":
            u = {"soft": u - z * amount, "hard": torch.where(z > 0, float(op.v_reset), u), "none": u}[op.reset]
        r = torch.where(awake, z * op.refractory, r - 1)
        v = torch.where(awake, u, v)
        if isinstance(op, MembraneReadout):
            read.append(met if op.before_reset else v)
    if not isinstance(op, MembraneReadout):
        return torch.stack(spikes, 1)
    return {"last": read[-1], "sum": torch.stack(read).sum(0), "max": torch.stack(read).amax(0)}[op.read]


SETTINGS: list[dict[str, Any]] = [
    *({"reset": r, "reset_order": o} for r in ("none", "soft", "hard") for o in ("before", "after")),
    {"leak": "multiply", "alpha": [3000, 2000], "leak_frac": 12, "v_leak": 1 << 15},
    {"leak": "none", "refractory": 2, "reset": "hard", "v_reset": -(1 << 15)},
    *({"current": c, "current_leak": "shift", "current_shift": 1, "current_width": 32} for c in ("new", "old")),
    {"current": "new", "current_bias": True, "current_width": 32},
]
READS = [{"read": read, "before_reset": met} for read in ("last", "sum", "max") for met in (False, True)]


@pytest.mark.parametrize("setting", [*SETTINGS, *(r | s for r, s in itertools.product(READS, SETTINGS[1:6]))], ids=str)
def test_gradients_are_those_of_the_equations(setting: dict[str, Any]) -> None:
    frac, slope, rng = 16, 3.0, np.random.default_rng(1)
    kind = MembraneReadout if "read" in setting else LIFNeuron
    theta = np.array([5, 7]) << frac
    given: dict[str, Any] = {
        "leak": "shift",
        "leak_shift": 2,
        "frac": frac,
        "width": 32,
        "bias": [1 << 14, -(1 << 14)],
    } | setting
    if given.get("reset", "soft") == "soft":
        given["reset_amount"] = theta - 3
    op = kind("n", ("x",), theta=theta, **given)
    source = Tensor("x", (2, 3, 1), Encoding.POTENTIAL, 6, 4, timed=True)
    x = torch.from_numpy(rng.integers(-2, 5, (4, 6, 2, 3, 1))).double().requires_grad_()
    bias = torch.from_numpy(op.bias).double().requires_grad_()
    made = fired(x, bias, op, source, slope)
    want = stepped(x, bias, replace_empty(op), slope)
    assert made.std() > 0
    assert torch.allclose(made.double(), want, rtol=1e-3)
    weigh = torch.from_numpy(rng.random(tuple(made.shape)))
    own = torch.autograd.grad((made.double() * weigh).sum(), (x, bias))
    autograd = torch.autograd.grad((want * weigh).sum(), (x, bias))
    for mine, theirs in zip(own, autograd, strict=True):
        assert torch.allclose(mine, theirs, rtol=2e-3, atol=1e-3 * float(theirs.abs().max()))


def replace_empty(op: LIFNeuron) -> LIFNeuron:
    """`op` with a reset amount and a leak factor, read or not."""
    object.__setattr__(op, "reset_amount", op.reset_amount if op.reset_amount.size else op.theta)
    object.__setattr__(op, "alpha", op.alpha if op.alpha.size else np.zeros_like(op.theta))
    return op


# ------------------------------------------------------------------ training
class Small(nn.Module):
    """Handwritten digits, 8 x 8, in six steps."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(64, 24), snn.Leaky(beta=0.75)
        self.fc2, self.lif2 = nn.Linear(24, 10), snn.Leaky(beta=0.75, reset_mechanism="none")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem1, mem2 = self.lif1.reset_mem(), self.lif2.reset_mem()
        total = torch.zeros(x.shape[0], 10)
        for _ in range(6):
            spk, mem1 = self.lif1(self.fc1(x.flatten(1)), mem1)
            _, mem2 = self.lif2(self.fc2(spk), mem2)
            total = total + mem2
        return total


def tuned(data: Dataset, epochs: int, checkpoint: Path | None = None, **options: Any) -> FineTuned:
    torch.manual_seed(0)
    given = {"weight_bits": 3, "learning_rate": 0.02, "batch_size": 64, "checkpoint": checkpoint} | options
    return finetune(spiking_nets.loud(Small()).eval(), data, epochs=epochs, **given)


def test_three_bits_learn_the_digits() -> None:
    """From random weights."""
    data = datasets.load("digits")
    found = tuned(data, 4)
    assert found.accuracy > 0.75
    assert found.accuracy == (found.network.run(data.x_test).argmax(1) == data.y_test).mean()
    assert max(abs(op.weight).max() for op in found.network.operators if isinstance(op, Synapse)) <= 3


def test_a_training_that_was_stopped_goes_on(tmp_path: Path) -> None:
    data = datasets.load("digits")
    few = Dataset("few", data.x_train[:192], data.y_train[:192], data.x_test[:8], data.y_test[:8])
    whole = tuned(few, 2)
    kept = tmp_path / "run.ckpt"

    class Until:
        """Changes nothing, and ends the process in a batch."""

        def __init__(self, batch: int) -> None:
            self.left = batch

        def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt
            return x

    with pytest.raises(KeyboardInterrupt):
        tuned(few, 2, kept, augment=Until(5))
    resumed = tuned(few, 2, kept, augment=Until(5))
    assert len(resumed.losses) == 2
    assert resumed.losses == whole.losses
    for a, b in zip(resumed.network.operators, whole.network.operators, strict=True):
        assert all(np.array_equal(v, b.arrays()[k]) for k, v in a.arrays().items())


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Data with time, counts of events; a checkpoint, from which the same command goes on."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 2100)
    x = rng.poisson(0.2 + 2.0 * (np.arange(12)[None, None] // 4 == y[:, None, None]), (2100, 5, 12)).astype(np.float32)
    np.savez(tmp_path / "events.npz", x_train=x[:2000], y_train=y[:2000], x_test=x[2000:], y_test=y[2000:])
    (tmp_path / "net.py").write_text(NET)
    net, events, checkpoint = (str(tmp_path / name) for name in ("net.py", "events.npz", "run.ckpt"))
    args = ["convert", "--net", f"{net}:build", "--data", events, "--time-axis", "1", "--weight-bits", "4"]
    args += ["--finetune", "3", "--checkpoint", checkpoint, "--out"]
    files = [str(tmp_path / name) for name in ("first.vly", "again.vly")]
    assert [main([*args, file]) for file in files] == [0, 0]
    first, again = (Network.load(file).meta["accuracy_finetuned"] for file in files)
    assert first == again > 0.6
    assert not capsys.readouterr().err


NET = """
import snntorch as snn, torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.lif = nn.Linear(12, 3), snn.Leaky(beta=0.5)

    def forward(self, x):
        mem, total = self.lif.reset_mem(), torch.zeros(x.shape[0], 3)
        for t in range(x.shape[1]):
            spk, mem = self.lif(self.fc(x[:, t].flatten(1)), mem)
            total = total + spk
        return total

def build():
    torch.manual_seed(0)
    return Net()
"""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timesteps": 3}, "timesteps: does not go with a spiking model"),
        ({"percentile": 99.0}, "percentile: does not go with a spiking model"),
        ({"weight_bits": 9}, "weight_bits 9 must be an integer from 2 to 8"),
        ({"epochs": 0}, "epochs 0 and batch_size 64 must be positive"),
    ],
)
def test_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(VolleyError, match=message) as error:
        tuned(datasets.load("digits"), **{"epochs": 1} | options)
    assert "\n" not in str(error.value)


def test_loops_are_refused() -> None:
    name = next(iter(recurrent_nets.RECURRENT))
    model, sample, options = spiking_nets.made(name, nets=recurrent_nets.RECURRENT)
    network = convert(model, sample.numpy(), weight_bits=5, **options)
    with pytest.raises(VolleyError, match=r"a loop over .* cannot be fine-tuned; train it with weights on their grid"):
        SpikingQuant(network, {})
