# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The tables of snnTorch, SpikingJelly and Norse: their page, their classes, normalisations over time, parameters."""

from __future__ import annotations

import importlib
import operator
from collections.abc import Callable
from importlib import metadata
from typing import Any

import pytest
import torch
from torch import nn

for _package in ("snntorch", "spikingjelly", "norse"):
    pytest.importorskip(_package, reason=f"{_package} is not installed: pip install volley-snn[oracle]")

import snntorch as snn  # noqa: E402
from snntorch._layers.bntt import BatchNormTT1d  # noqa: E402
from spikingjelly.activation_based import functional, layer, neuron  # noqa: E402

import pyflow  # noqa: E402
from pyflow.errors import VolleyError  # noqa: E402
from pyflow.frontends.spiking.tables import FRAMEWORKS  # noqa: E402
from pyflow.operators import LIFNeuron  # noqa: E402
from tests.unit.spiking_nets import IMAGE, STEP, T, check_refused, loud  # noqa: E402
from verif.pages import frameworks  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


def test_the_page_of_layers_is_what_the_tables_say() -> None:
    for path, text in frameworks.page().items():
        assert path.read_text(encoding="utf-8") == text, "`make docs`"
    for table in FRAMEWORKS.values():
        assert not table.neurons.keys() & table.refused.keys()
        assert all(": " in why and why.startswith("use ") for why in table.refused.values())


@pytest.mark.parametrize("package", FRAMEWORKS)
def test_every_class_of_the_tables_exists(package: str) -> None:
    roots = {
        "snntorch": ("snntorch", "snntorch._layers.bntt", "snntorch.spikegen"),
        "spikingjelly": (
            "spikingjelly.activation_based.neuron",
            "spikingjelly.activation_based.layer",
            "spikingjelly.activation_based.encoding",
        ),
        "norse": ("norse.torch", "norse.torch.module.encode", "norse.torch.module.coba_lif", "norse.torch.module.iaf"),
    }[package]
    modules = [importlib.import_module(root) for root in roots]

    def has(module: object, name: str) -> bool:
        try:
            return operator.attrgetter(name)(module) is not None
        except AttributeError:
            return False

    table = FRAMEWORKS[package]
    layers = [name for names in table.layers for name in names.split(", ") if name != "Adaptive ones"]
    missing = [n for n in (*table.neurons, *table.refused, *layers) if not any(has(m, n) for m in modules)]
    assert not missing


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda _: "9.9.1")
    with pytest.raises(
        VolleyError, match=r"layer '2' \(spikingjelly IFNode\): spikingjelly 9.9.1 was not tested; use 2.0"
    ):
        pyflow.convert(
            nn.Sequential(nn.Flatten(), nn.Linear(64, 5), neuron.IFNode()), torch.rand(32, *IMAGE).numpy(), **STEP
        )


# ------------------------------------------------------------------ normalisations
class Sequences(nn.Module):
    """Whole sequences through a convolution, a normalisation and neurons."""

    def __init__(self, norm: nn.Module, lif: nn.Module) -> None:
        super().__init__()
        self.net = nn.Sequential(
            layer.Conv2d(1, 4, 3, bias=False), norm, lif, layer.Flatten(), layer.Linear(144, 5), neuron.LIFNode()
        )
        functional.set_step_mode(self, "m")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x.unsqueeze(0).repeat(T, 1, 1, 1, 1)).mean(0)


class ThroughTime(nn.Module):
    """snnTorch's BNTT: a normalisation for each time step."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.norms, self.lif = nn.Linear(64, 5), BatchNormTT1d(5, T), snn.Leaky(beta=0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem, out = self.lif.init_leaky(), []
        for t in range(T):
            spk, mem = self.lif(self.norms[t](self.fc(x.flatten(1))), mem)
            out.append(spk)
        return torch.stack(out)


def test_normalisation_by_thresholds_is_folded() -> None:
    torch.manual_seed(0)
    norm = layer.ThresholdDependentBatchNorm2d(1.0, 0.5, 4)
    norm.running_mean, norm.running_var = torch.rand(4), torch.rand(4) + 0.5
    model = loud(Sequences(norm, neuron.LIFNode(v_threshold=0.5))).eval()
    network = pyflow.convert(model, torch.rand(40, *IMAGE).numpy())
    assert min(network.meta["verdict"].values()) > 0.8


REFUSED: dict[str, tuple[Callable[[], nn.Module], dict[str, Any], str]] = {
    "TEBN": (
        lambda: Sequences(layer.TemporalEffectiveBatchNorm2d(T, 4), neuron.IFNode()), {},
        "TemporalEffectiveBatchNorm2d.*use BatchNorm2d: it scales each time step by another number"),
    "BNTT of SpikingJelly": (
        lambda: Sequences(layer.BatchNormThroughTime2d(T, 4), neuron.IFNode()), {},
        "BatchNormThroughTime2d.*use BatchNorm2d: each time step has a normalisation of its own"),
    "BNTT of snnTorch": (ThroughTime, {}, "'norms' .BNTT.: normalises by other numbers in every time step"),
    "signed spikes": (
        lambda: Sequences(nn.Identity(), neuron.TernaryIFNode()), {}, "TernaryIFNode.*use IFNode: its spikes have a"),
    "several spikes in a step": (
        lambda: Sequences(nn.Identity(), neuron.ILIFNode()), {}, "ILIFNode.*use LIFNode: it gives several spikes"),
    "one alpha per neuron": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 5),
                              snn.Synaptic(alpha=torch.rand(5), beta=0.5, init_hidden=True)), STEP,
        "alpha differs from neuron to neuron; needs one for the layer"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    check_refused(*REFUSED[case])


# ------------------------------------------------------------------ parameters
@pytest.mark.parametrize("uniform", [True, False])
def test_parameters_per_neuron_of_a_map_are_read_where_they_are_one(uniform: bool) -> None:
    torch.manual_seed(0)
    beta = torch.full((2, 6, 6), 0.75) if uniform else torch.rand(2, 6, 6)
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), snn.Leaky(beta=beta, threshold=torch.full((2, 6, 6), 0.5), init_hidden=True), nn.Flatten(),
        nn.Linear(72, 5), snn.Leaky(beta=torch.rand(5), threshold=torch.rand(5) + 0.5, init_hidden=True),
    )  # fmt: skip
    sample = torch.rand(32, *IMAGE).numpy()
    if uniform:
        assert min(pyflow.convert(loud(model), sample, **STEP).meta["verdict"].values()) > 0.8
    else:
        with pytest.raises(VolleyError, match="decay differs from neuron to neuron; needs one per channel"):
            pyflow.convert(loud(model), sample, **STEP)


@pytest.mark.parametrize("channels", [(3, 1, 1), (1, 3, 1, 1)])
def test_parameters_per_channel_of_a_map(channels: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3), snn.Leaky(beta=torch.rand(channels), threshold=torch.rand(channels) + 0.5,
                                      learn_beta=True, learn_threshold=True, init_hidden=True),
        nn.Flatten(), nn.Linear(108, 5), snn.Leaky(beta=0.5, init_hidden=True),
    )  # fmt: skip
    network = pyflow.convert(loud(model).eval(), torch.rand(32, *IMAGE).numpy(), **STEP)
    lif = next(op for op in network.operators if isinstance(op, LIFNeuron))
    assert len(set(lif.alpha.tolist())) == 3
    assert min(network.meta["verdict"].values()) > 0.8
