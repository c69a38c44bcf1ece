# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Membranes as the answer of spiking networks: what a run gives of them, converted, and how far the integers are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

for _package in ("snntorch", "spikingjelly", "norse"):
    pytest.importorskip(_package, reason=f"{_package} is not installed: pip install volley-snn[oracle]")

import snntorch as snn  # noqa: E402
from spikingjelly.activation_based import neuron  # noqa: E402

import pyflow  # noqa: E402
from pyflow.conversion.membrane import bound, silenced  # noqa: E402
from pyflow.conversion.samples import as_frames  # noqa: E402
from pyflow.conversion.spiking import Precision, integers, ordered  # noqa: E402
from pyflow.frontends.spiking import neurons  # noqa: E402
from pyflow.frontends.spiking.prove import capture  # noqa: E402
from pyflow.operators import MembraneReadout  # noqa: E402
from tests.unit.membrane_nets import NETS, SjIntegrators, SnnMembrane, made  # noqa: E402
from tests.unit.spiking_nets import IMAGE, SnnMlp, T, check_refused, loud  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

READS = {"maximum": "max", "largest": "max", "max-mem": "max", "to zero": "max", "stack": "max", "beside spikes": "max",
         "sum": "sum", "mean": "sum", "running sum": "sum", "list": "sum", "no reset": "sum", "mean-mem": "sum",
         "v_seq": "sum", "integrators": "max", "LICell": "max", "LIBoxCell": "max", "LILinearCell": "max"}  # fmt: skip


def answer(model: nn.Module, sample: torch.Tensor) -> np.ndarray:
    """What the module gives, [N, classes]."""
    neurons.reset(model)
    with torch.no_grad():
        given: torch.Tensor = model(sample)
    return given.double().numpy()


@pytest.mark.parametrize("name", NETS)
def test_converts(name: str) -> None:
    model, sample, options = made(name)
    network = pyflow.convert(model, sample.numpy(), **options)
    read = next(op for op in network.operators if isinstance(op, MembraneReadout))
    assert read.read == READS.get(name.partition(", ")[2], "last")
    logits = network.run(as_frames(sample, options.get("time_axis"))) * network.logit_scale
    assert np.ptp(logits, axis=0).any(), "all answers are alike: the test tells nothing"
    found = network.meta["membrane"]
    if "readout" not in options:
        want = answer(model, sample)
        assert np.abs(logits - want).max() == pytest.approx(found["largest"], abs=1e-4)
        assert (logits.argmax(1) == want.argmax(1)).mean() == pytest.approx(network.meta["agreement"], abs=1e-4)
    assert network.meta["agreement"] > 0.8
    if read.reset == "none":
        assert found["largest_equal"] <= found["bound"]
    else:
        assert found["bound"] is None


def test_the_bound_holds_where_spikes_are_equal() -> None:
    """Neurons in front whose weights and leak are on the grid fire alike in all samples; the bound is no wild one."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.lif1 = nn.Linear(12, 16, bias=False), snn.Leaky(beta=0.5, threshold=3.0)
            self.fc1.weight.data = torch.randint(-7, 8, (16, 12)).float()
            self.fc1.weight.data[:, 0] = 7.0
            self.fc2, self.lif2 = nn.Linear(16, 4), snn.Leaky(beta=0.8, reset_mechanism="none")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
            for t in range(x.size(0)):
                spk, mem1 = self.lif1(self.fc1(x[t]), mem1)
                _, mem2 = self.lif2(self.fc2(spk), mem2)
            return mem2

    torch.manual_seed(3)
    model, sample = Net().eval(), (torch.rand(T, 100, 12) < 0.4).float()
    captured = capture(model, sample, time_axis=0)
    found, (want, spikes) = silenced(ordered(captured.model)), captured.answers(sample)
    for frac in (6, 9):
        network = integers(found, Precision(4, frac))
        logits, trace = network.run(as_frames(sample, 0), trace=["lif1"])
        assert np.array_equal(trace["lif1"][..., 0, 0], spikes["lif1"])
        difference, most = np.abs(logits * network.logit_scale - want).max(), bound(found, network)
        assert most is not None
        assert 0.1 * most < difference <= most


def test_an_integrator_on_the_grid_is_exact() -> None:
    """Weights that W holds, a shift leak with enough fraction bits: the membranes are the framework's."""

    class Exact(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.lif = nn.Linear(12, 6, bias=False), snn.Leaky(beta=0.5, reset_mechanism="none")
            generator = torch.Generator().manual_seed(0)
            self.fc.weight.data = torch.randint(-7, 8, (6, 12), generator=generator).float()
            self.fc.weight.data[:, 0] = 7.0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mem, out = self.lif.init_leaky(), []
            for t in range(x.size(0)):
                _, mem = self.lif(self.fc(x[t]), mem)
                out.append(mem)
            return torch.stack(out).max(0).values

    model, sample = Exact().eval(), (torch.rand(T, 64, 12) < 0.4).float()
    found = ordered(capture(model, sample, time_axis=0).model)
    network = integers(found, Precision(4, T))
    want = answer(model, sample)
    assert np.array_equal(network.run(as_frames(sample, 0)) * network.logit_scale, want)


class Around(nn.Module):
    """Membranes of a layer behind a Linear, given by `answer`."""

    answer: Callable[[list[torch.Tensor]], Any]

    def __init__(self, answer: Callable[[list[torch.Tensor]], Any], last: nn.Module | None = None) -> None:
        super().__init__()
        self.fc, self.answer = nn.Linear(64, 5), answer
        self.lif: Any = last or snn.Leaky(beta=0.5)

    def forward(self, x: torch.Tensor) -> Any:
        mem, out = self.lif.init_leaky(), []
        for _ in range(T):
            _, mem = self.lif(self.fc(x.flatten(1)), mem)
            out.append(mem)
        return self.answer(out)


class Louder(snn.Leaky):
    pass


def _replaced() -> nn.Module:
    lif = snn.Leaky(beta=0.5, threshold=100.0)
    forward = lif.forward

    def other(x: torch.Tensor, mem: Any = None) -> Any:
        spk, mem = forward(1.01 * x, mem)
        return spk, mem

    lif.forward = other
    return lif


REFUSED: dict[str, tuple[Callable[[], nn.Module], dict[str, Any], str]] = {
    "of all steps, and no readout": (lambda: Around(torch.stack), {}, "what is read of them, readout= .membrane-last"),
    "a list, and no readout": (lambda: Around(lambda mem: mem), {}, "say what is read of them"),
    "another readout than the run's": (
        lambda: Around(lambda mem: torch.stack(mem).sum(0)), {"readout": "membrane-max"}, "no membranes for readout"),
    "no membranes": (lambda: Around(lambda mem: sum(m > 0 for m in mem)), {"readout": "membrane-max"},
                     "membrane|not supported"),
    "an earlier step": (lambda: Around(lambda mem: torch.stack(mem)[2]), {}, "take the last, sum, mean or maximum"),
    "a minimum": (lambda: Around(lambda mem: torch.stack(mem).amin(0)), {}, "take the last, sum, mean or maximum"),
    "over neurons": (lambda: Around(lambda mem: torch.stack(mem).sum(2)), {}, "along axis 2, is not supported"),
    "another decoding": (
        lambda: SjIntegrators(neuron.NonSpikingLIFNode(4.0, "max-abs-mem")), {}, "decode = 'max-abs-mem'"),
    "a subclass": (lambda: Around(lambda mem: mem[-1], Louder(beta=0.5)), {}, "inherits from a neuron"),
    "a replaced forward": (lambda: Around(lambda mem: mem[-1], _replaced()), {}, "otherwise than its class does"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    check_refused(*REFUSED[case])


def test_spikes_are_the_answer_where_both_are_given() -> None:
    model, sample = loud(SnnMlp()).eval(), torch.rand(40, *IMAGE)
    assert "membrane" not in pyflow.convert(model, sample.numpy()).meta


def test_it_is_the_framework_that_says_before_or_after_a_reset() -> None:
    sample = torch.rand(40, *IMAGE)
    settings = ({"reset_mechanism": "zero"}, {"reset_mechanism": "zero", "reset_delay": False})
    before = []
    for options in settings:
        torch.manual_seed(1)
        model = loud(SnnMembrane("last", **options), 1.5).eval()
        network = pyflow.convert(model, sample.numpy())
        before.append(next(op.before_reset for op in network.operators if isinstance(op, MembraneReadout)))
    assert before == [True, False]
