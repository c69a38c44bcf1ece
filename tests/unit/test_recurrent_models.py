# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Recurrent networks of snnTorch, SpikingJelly and Norse, and loops by hand: edges with a delay in float and
integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

for _package in ("snntorch", "spikingjelly", "norse"):
    pytest.importorskip(_package, reason=f"{_package} is not installed: pip install volley-snn[oracle]")

import norse.torch as norse  # noqa: E402
import snntorch as snn  # noqa: E402
from spikingjelly.activation_based import neuron  # noqa: E402

import pyflow  # noqa: E402
from pyflow.conversion.samples import as_frames  # noqa: E402
from pyflow.conversion.spiking import ordered  # noqa: E402
from pyflow.errors import VolleyError  # noqa: E402
from pyflow.graph import INPUT  # noqa: E402
from pyflow.model.graph import Edge, FloatAdd, FloatLinear, FloatNetwork  # noqa: E402
from pyflow.model.spiking import FloatNeuron, Neuron, SpikingModel  # noqa: E402
from pyflow.operators import Add, Linear  # noqa: E402
from tests.unit.recurrent_nets import RECURRENT  # noqa: E402
from tests.unit.spiking_nets import IMAGE, STEP, T, check_refused, loud, made  # noqa: E402
from tests.unit.tutorial_nets import TUTORIALS  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", RECURRENT)
def test_converts(name: str) -> None:
    model, sample, options = made(name, nets=RECURRENT)
    network = pyflow.convert(model, sample.numpy(), **options)
    assert network.state_edges
    assert {edge.delay for edge in network.state_edges} == {1}
    shares = network.meta["verdict"]
    assert min(shares.values()) > 0.5, shares
    _, trace = network.run(as_frames(sample, options.get("time_axis")), trace=True)
    for edge in network.state_edges:
        spikes = trace[edge.source]
        assert spikes.any(), "no spike goes round: the test tells nothing"
        assert not trace[edge.name][:, 0].any()
        assert np.array_equal(trace[edge.name][:, 1:], spikes[:, :-1])


@pytest.mark.parametrize("name", TUTORIALS)
def test_tutorials_convert(name: str) -> None:
    model, sample, options = made(name, nets=TUTORIALS)
    network = pyflow.convert(model, sample.numpy(), **options)
    assert min(network.meta["verdict"].values()) > 0.7, network.meta["verdict"]
    logits, trace = network.run(as_frames(sample, options.get("time_axis")), trace=list(network.meta["verdict"]))
    assert np.ptp(logits, axis=0).any(), "all answers are alike: the test tells nothing"
    assert all(spikes.any() for spikes in trace.values())


def _whole(rows: int, columns: int, seed: int) -> torch.Tensor:
    """Weights that 4 bits hold; the largest of every row is 7, so that its unit is 1."""
    weight = torch.randint(-7, 8, (rows, columns), generator=torch.Generator().manual_seed(seed)).float()
    weight[:, 0] = 7
    return weight


class Exact(nn.Module):
    def __init__(self, lif: Any) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(12, 6, bias=False), lif
        self.fc.weight.data = _whole(6, 12, 0)
        if isinstance(lif.recurrent, nn.Linear):
            lif.recurrent.weight.data, lif.recurrent.bias.data = _whole(6, 6, 1), torch.tensor([1.0, -1, 2, 0, 0, 1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (spk, mem), out = self.lif.init_rleaky(), []
        for t in range(x.size(0)):
            spk, mem = self.lif(self.fc(x[t]), spk, mem)
            out.append(spk)
        return torch.stack(out)


@pytest.mark.parametrize("mechanism", ["subtract", "zero", "none"])
@pytest.mark.parametrize("delay", [True, False])
@pytest.mark.parametrize("across", [{"linear_features": 6}, {"all_to_all": False, "V": -7.0}])
def test_every_spike_is_the_frameworks(mechanism: str, delay: bool, across: dict[str, Any]) -> None:
    torch.manual_seed(0)
    # Without delay, a neuron whose membrane is above 2 thresholds falls silent in snnTorch (docs/frameworks.md).
    theta = 28.0 if mechanism == "subtract" and not delay else 9.0
    model = Exact(snn.RLeaky(beta=0.5, threshold=theta, reset_mechanism=mechanism, reset_delay=delay, **across))
    sample = (torch.rand(T, 64, 12) < 0.3).float()
    network = pyflow.convert(model, sample.numpy(), time_axis=0, weight_bits=4)
    with torch.no_grad():
        spikes = model(sample).numpy()
    assert 0.005 < spikes.mean() < 0.98
    _, trace = network.run(as_frames(sample, 0), trace=["lif"])
    assert np.array_equal(trace["lif"][:, :, :, 0, 0], spikes.transpose(1, 0, 2) != 0)
    assert network.meta["verdict"] == {"lif": 1.0}


def test_potentials_of_an_image_and_of_spikes_keep_their_bits() -> None:
    """A spike weighs as much as 255 grey levels: its potentials are shifted, so that both have all bits of W."""
    model, sample, options = made("snnTorch, hidden states", nets=RECURRENT)
    network = pyflow.convert(model, sample.numpy(), **options)
    (total,) = (op for op in network.operators if isinstance(op, Add))
    assert total.shift in (7, 8, 9)
    for op in (op for op in network.operators if isinstance(op, Linear)):
        assert np.abs(op.weight).max() > 63, op.name


def test_linear_layers_in_a_row_are_one() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Linear(16, 8), neuron.IFNode(), nn.Linear(8, 5))
    network = pyflow.convert(loud(model, 2), torch.rand(32, *IMAGE).numpy(), **STEP)
    assert [op.weight.shape[:2] for op in network.operators if isinstance(op, Linear)] == [(8, 64), (5, 8)]
    assert min(network.meta["verdict"].values()) > 0.8


# ------------------------------------------------------------------ refused
def _looped(step: Callable[[Any, torch.Tensor, Any], Any], start: Any = None) -> Callable[[], nn.Module]:
    """A loop of `step(model, x, before) -> (spikes, what the next step reads)`."""

    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.back, self.bare = nn.Linear(64, 8), nn.Linear(8, 8), nn.Linear(8, 8, bias=False)
            self.lif, self.last = (snn.Leaky(beta=0.5, init_hidden=True) for _ in range(2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            before = torch.zeros(len(x), 8) if start is None else start
            out = []
            for _ in range(T):
                spikes, before = step(self, x.flatten(1), before)
                out.append(spikes)
            return torch.stack(out)

    return Loop


def _late_bias(m: Any, x: torch.Tensor, before: Any) -> Any:
    spikes = m.lif(m.fc(x) + before)
    return spikes, m.back(spikes)


def _state_by_hand(m: Any, x: torch.Tensor, before: Any) -> Any:
    total = m.fc(x) + 0.5 * m.bare(before)
    return m.lif(total), total


def _pass(m: Any, x: torch.Tensor, before: Any) -> Any:
    spikes = m.lif(m.fc(x) + m.back(before))
    return spikes, spikes


def _late_answer(m: Any, x: torch.Tensor, before: Any) -> Any:
    return before, m.lif(m.fc(x))


def _image_of_before(m: Any, x: torch.Tensor, before: Any) -> Any:
    now = m.bare(m.lif(m.fc(x)))
    return m.last(now + before), m.fc(x) - m.fc.bias


def _own(**options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        lif = snn.RLeaky(beta=0.5, init_hidden=True, **options)
        return nn.Sequential(nn.Conv2d(1, 2, 3), lif, nn.Flatten(), nn.Linear(72, 5))

    return make


def _custom_container() -> nn.Module:
    from spikingjelly.activation_based import layer

    container = layer.ElementWiseRecurrentContainer(neuron.IFNode(), torch.maximum)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), container, nn.Linear(8, 5))


class NorseLoop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lsnn = norse.LSNNRecurrentCell(64, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state, out = None, []
        for _ in range(T):
            spikes, state = self.lsnn(x.flatten(1), state)
            out.append(spikes)
        return torch.stack(out)


REFUSED: dict[str, tuple[Callable[[], nn.Module], dict[str, Any], str]] = {
    "a bias that comes late": (_looped(_late_bias), {}, "'back' .*bias is missing in the first step; use bias=False"),
    "a state by hand": (_looped(_state_by_hand), {}, "'add' .*adds to itself .*; a state needs a neuron"),
    "a start that is not 0": (
        _looped(_pass, torch.ones(1, 8)), {}, "'back': reads 'lif' of the step before, which is not 0"),
    "the answer of before": (_looped(_late_answer), {}, "answer is what it gave one time step before|not supported"),
    "a weight per neuron of a map": (
        _own(all_to_all=False, V=torch.rand(2, 6, 6)), STEP, "V differs from neuron to neuron"),
    "another function": (_custom_container, STEP, "'maximum': not supported"),
    "inhibition": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 8), snn.RLeaky(
            beta=0.5, linear_features=8, inhibition=True, init_hidden=True)), STEP, "inhibition = True"),
    "gates": (lambda: nn.Sequential(nn.Flatten(), snn.SLSTM(64, 8, init_hidden=True)), STEP, "SLSTM.*use RSynaptic"),
    "another recurrent neuron": (
        NorseLoop, {},
        "LSNNRecurrentCell.*use LIFRecurrentCell: its threshold adapts"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    check_refused(*REFUSED[case])


# ------------------------------------------------------------------ the float graph
NEURON = Neuron(np.array([0.5]), np.array([1.0]), False, "soft")


def _linear(name: str, rows: int, columns: int, edge: Edge, bias: float = 0.0) -> FloatLinear:
    return FloatLinear(name, name, np.ones((rows, columns)), np.full(rows, bias), inputs=(edge,))


def test_edges_of_loops_say_their_shapes() -> None:
    fc, back = _linear("fc", 3, 4, Edge(INPUT)), _linear("back", 3, 3, Edge("lif", 1, (3, 1, 1)))
    total = FloatAdd("sum", "sum", inputs=(Edge("fc"), Edge("back")))
    lif = FloatNeuron("lif", "lif", NEURON, inputs=(Edge("sum"),))
    network = FloatNetwork("n", (4, 1, 1), (fc, back, total, lif))
    assert network.shapes["back"] == (3, 1, 1)
    with pytest.raises(VolleyError, match="reads 'lif', which no earlier layer makes"):
        FloatNetwork("n", (4, 1, 1), (fc, back.reading("lif"), _linear("back", 3, 3, Edge("lif", 1)), total, lif))
    wrong = _linear("back", 3, 9, Edge("lif", 1, (3, 3, 1)))
    with pytest.raises(VolleyError, match=r"reads 'lif' as \(3, 3, 1\), which is \(3, 1, 1\)"):
        FloatNetwork("n", (4, 1, 1), (fc, wrong, total, lif))


def test_a_delay_of_potentials_is_one_of_spikes() -> None:
    fc, down = _linear("fc", 3, 4, Edge(INPUT)), _linear("down", 3, 3, Edge("lif"))
    total = FloatAdd("sum", "sum", inputs=(Edge("fc"), Edge("down", 1, (3, 1, 1))))
    lif = FloatNeuron("lif", "lif", NEURON, inputs=(Edge("sum"),))
    last = _linear("last", 2, 3, Edge("lif"))
    network = ordered(SpikingModel(FloatNetwork("n", (4, 1, 1), (fc, total, lif, down, last)), 4, True)).network
    assert [layer.name for layer in network.layers] == ["fc", "down", "sum", "lif", "last"]
    assert network["down"].inputs == (Edge("lif", 1, (3, 1, 1)),)  # type: ignore[union-attr]
