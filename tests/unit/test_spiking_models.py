# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Networks of snnTorch, SpikingJelly and Norse: recorded, rolled up, replayed, and as integers."""

from __future__ import annotations

import copy
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
from pyflow.conversion.samples import as_frames  # noqa: E402
from pyflow.errors import VolleyError  # noqa: E402
from pyflow.frontends.spiking import neurons  # noqa: E402
from tests.unit.spiking_nets import IMAGE, NETS, STEP, SnnMlp, T, check_refused, loud, made  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", NETS)
def test_converts(name: str) -> None:
    """The integers fire nearly as the framework does; the module is left as it was."""
    model, sample, options = made(name)
    before = copy.deepcopy(model.state_dict())
    states = [dict(vars(m)) for m in model.modules()]
    network = pyflow.convert(model, sample.numpy(), **options)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    for module, was in zip(model.modules(), states, strict=True):
        assert vars(module).keys() == was.keys()
        assert all(vars(module)[k] is was[k] for k in was if k not in ("_memories", "training"))
    shares = network.meta["verdict"]
    assert min(shares.values()) > 0.7, shares
    fired = np.ptp(network.run(as_frames(sample, options.get("time_axis"))), axis=0)
    assert fired.any(), "all answers are alike: the test tells nothing"


def test_the_users_own_loop() -> None:
    """run= holds the loop; states are the user's variables."""
    fc, lif = nn.Linear(64, 5), snn.Leaky(beta=0.5)
    model = loud(nn.ModuleDict({"fc": fc, "lif": lif}))

    def run(x: torch.Tensor) -> torch.Tensor:
        mem, total = torch.zeros(1), 0
        for _ in range(T):
            spk, mem = lif(fc(x.flatten(1)), mem)
            total = total + spk
        return total  # type: ignore[return-value]

    sample = torch.rand(32, *IMAGE)
    network = pyflow.convert(model, sample.numpy(), run=run)
    assert network.meta["verdict"]["lif"] > 0.95
    with torch.no_grad():
        want = run(sample).numpy()
    assert (network.run(sample.numpy()) == want).all(1).mean() > 0.8


def test_a_shift_leak_is_exact() -> None:
    """With weights that W holds, a threshold on the grid and a shift leak, every spike is the framework's."""

    class Exact(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.lif = nn.Linear(12, 6, bias=False), snn.Leaky(beta=0.5, threshold=3.0)
            generator = torch.Generator().manual_seed(0)
            self.fc.weight.data = torch.randint(-7, 8, (6, 12), generator=generator).float()
            self.fc.weight.data[:, 0] = 7.0  # of every row the largest: its unit is 1

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mem, out = self.lif.init_leaky(), []
            for t in range(x.size(0)):
                spk, mem = self.lif(self.fc(x[t]), mem)
                out.append(spk)
            return torch.stack(out)

    sample = (torch.rand(T, 64, 12) < 0.4).float()
    network = pyflow.convert(Exact(), sample.numpy(), time_axis=0, weight_bits=4)
    assert network.meta["verdict"] == {"lif": 1.0}


def test_spikes_are_upsampled() -> None:
    def leaky(**options: Any) -> nn.Module:
        return snn.Leaky(beta=0.5, init_hidden=True, **options)

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, 2), leaky(), nn.Upsample(scale_factor=2), nn.Conv2d(3, 2, 3), leaky(), nn.Flatten(),
        nn.Linear(32, 5), leaky(output=True),
    )  # fmt: skip
    options: dict[str, Any] = STEP
    network = pyflow.convert(loud(model), torch.rand(32, *IMAGE).numpy(), **options)
    assert "upsample" in [op.kind for op in network.operators]
    assert min(network.meta["verdict"].values()) > 0.7


def test_depthwise_layers_over_time() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, 2), snn.Leaky(beta=0.5, init_hidden=True), nn.Conv2d(3, 6, 2, groups=3),
        snn.Leaky(beta=0.5, init_hidden=True), nn.Flatten(), nn.Linear(24, 5),
        snn.Leaky(beta=0.5, init_hidden=True, output=True),
    )  # fmt: skip
    options: dict[str, Any] = STEP
    network = pyflow.convert(loud(model), torch.rand(32, *IMAGE).numpy(), **options)
    assert [op.kind for op in network.operators if op.kind in ("conv", "depthwise")] == ["conv", "depthwise"]
    assert min(network.meta["verdict"].values()) > 0.7


# ------------------------------------------------------------------ refused
class Around(nn.Module):
    """A layer of neurons behind a Linear, in a loop of `body`."""

    def __init__(self, body: Callable[[Any, torch.Tensor], Any], lif: nn.Module | None = None) -> None:
        super().__init__()
        self.fc, self.fc2 = nn.Linear(64, 8), nn.Linear(8, 8)
        self.lif = lif or snn.Leaky(beta=0.5)
        self.body = body

    def forward(self, x: torch.Tensor) -> Any:
        return self.body(self, x.flatten(1))


def _summed(step: Callable[[Any, torch.Tensor, Any, int], Any]) -> Callable[[Any, torch.Tensor], Any]:
    """A loop that sums the spikes of `step(model, x, state, t) -> (spikes, state)`."""

    def body(model: Any, x: torch.Tensor) -> Any:
        state, out = model.lif.init_leaky(), []
        for t in range(T):
            spk, state = step(model, x, state, t)
            out.append(spk)
        return torch.stack(out)

    return body


def _by_value(model: Any, x: torch.Tensor) -> Any:
    mem, out = model.lif.init_leaky(), []
    for _ in range(T):
        spk, mem = model.lif(model.fc(x), mem)
        if float(spk.sum()) > 3:
            break
        out.append(spk)
    return torch.stack(out)


def _last(model: Any, x: torch.Tensor) -> Any:
    return _summed(lambda m, x, s, _: m.lif(m.fc(x), s))(model, x)[-1]


def _odd_steps(m: Any, x: torch.Tensor, s: Any, t: int) -> Any:
    return m.lif(m.fc(x) if t % 2 else m.fc2(m.fc(x)), s)


def _fading(m: Any, x: torch.Tensor, s: Any, t: int) -> Any:
    return m.lif(m.fc(x) * (1 / (t + 1)), s)


def _started(model: Any, x: torch.Tensor) -> Any:
    mem, out = torch.full((len(x), 8), 0.5), []
    for _ in range(T):
        spk, mem = model.lif(model.fc(x), mem)
        out.append(spk)
    return torch.stack(out)


def _anew(m: Any, x: torch.Tensor, _s: Any, _t: int) -> Any:
    return m.lif(m.fc(x), torch.zeros(1))


def _two_loops(model: Any, x: torch.Tensor) -> Any:
    out = _summed(_plain)(model, x)
    return sum(model.fc2(z) for z in out)


def _split(model: Any, x: torch.Tensor) -> Any:
    """Spikes of two layers, neither of which leads to the other."""
    mem, other, total = model.lif.init_leaky(), 0, 0
    for _ in range(T):
        h = model.fc(x)
        spk, mem = model.lif(h, mem)
        other, total = other + model.fc2(h), total + spk
    return other, total


def _flipped() -> nn.Module:
    """A hook that follows the values of some samples."""
    model = Around(_summed(_plain))
    model.fc.register_forward_hook(lambda _, i, o: torch.where(i[0].mean(1, keepdim=True) > 0.5, -o, o))
    return model


def _plain(m: Any, x: torch.Tensor, s: Any, _t: int) -> Any:
    return m.lif(m.fc(x), s)


class Doubled(snn.Leaky):
    def forward(self, x: torch.Tensor, mem: Any = None) -> Any:
        return super().forward(2 * x, mem)


def _one_step(last: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 5), last)


def _replaced() -> nn.Module:
    lif = snn.Leaky(beta=0.5)
    forward = lif.forward
    lif.forward = lambda x, mem=None: forward(2 * x, mem)
    return lif


REFUSED: dict[str, tuple[Callable[[], nn.Module], dict[str, Any], str]] = {
    "a branch on values": (lambda: Around(_by_value), {}, r"(float__|item)\(\) at .*py:\d+ hands"),
    "the last step": (lambda: Around(_last), {}, "not supported|last time step"),
    "other layers in odd steps": (lambda: Around(_summed(_odd_steps)), {}, "step"),
    "another factor in every step": (lambda: Around(_summed(_fading)), {}, "'mul': is called with other things"),
    "a start that is not 0": (lambda: Around(_started), {}, "'lif': starts from a state that is not 0"),
    "a state set anew": (lambda: Around(_summed(_anew)), {}, "'lif': is given a state that is set anew"),
    "one step": (lambda: _one_step(neuron.IFNode()), {}, "give steps= and readout="),
    "no readout": (lambda: _one_step(neuron.IFNode()), {"steps": 3}, "read out too"),
    "another readout": (lambda: Around(_summed(_plain)), {"readout": "best"}, "readout 'best' is unknown"),
    "inhibition": (lambda: Around(_summed(_plain), snn.Leaky(beta=0.5, inhibition=True)), {}, "inhibition = True"),
    "graded": (lambda: Around(_summed(_plain), snn.Leaky(beta=0.5, graded_spikes_factor=2.0)), {}, "graded_spikes"),
    "another neuron": (lambda: _one_step(neuron.QIFNode()), STEP, "QIFNode.*use LIFNode: its charge is a square"),
    "a subclass": (lambda: Around(_summed(_plain), Doubled(beta=0.5)), {}, "Doubled.*inherits from a neuron"),
    "a replaced forward": (lambda: Around(_summed(_plain), _replaced()), {}, "fires otherwise than its class"),
    "thresholds per neuron of a map": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3), snn.Leaky(beta=0.5, threshold=torch.rand(2, 6, 6), init_hidden=True),
                              nn.Flatten(), nn.Linear(72, 5), snn.Leaky(beta=0.5, init_hidden=True)),
        STEP, "threshold"),
    "no neuron between": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.Linear(4, 80), neuron.IFNode()), STEP,
        "'2' .Linear.: follows '1' without a neuron"),
    "potentials upsampled": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Upsample(scale_factor=2), neuron.IFNode(), nn.Flatten(),
                              nn.Linear(288, 5), neuron.IFNode()), STEP, "put it behind the neuron"),
    "a ReLU": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), neuron.IFNode()), STEP, "ReLU"),
    "two loops": (lambda: Around(_two_loops), {}, "time steps more than once|neither|not supported"),
    "two answers": (lambda: Around(_split), {}, "several answers, and none depends on all layers"),
    "a hook that follows values": (_flipped, {}, "something outside of them changes it"),
    "a loop and steps": (lambda: loud(SnnMlp()), {"run": lambda x: x, **STEP}, "run= has the loop over time already"),
    "timesteps": (lambda: loud(SnnMlp()), {"timesteps": 3}, "timesteps: does not go with a spiking model"),
    "weight bits": (lambda: loud(SnnMlp()), {"weight_bits": 9}, "weight_bits 9 must be"),
    "time axis": (lambda: loud(SnnMlp()), {"time_axis": 3}, "time_axis 3 must be 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    check_refused(*REFUSED[case])


def test_what_is_given_beside_the_answer() -> None:
    """Spikes of a layer in front come first; the answer is what all layers lead to."""

    def body(model: Any, x: torch.Tensor) -> Any:
        mem, hidden, total = model.lif.init_leaky(), [], 0
        for _ in range(T):
            spk, mem = model.lif(model.fc(x), mem)
            hidden.append(spk)
            total = total + model.fc2(spk)
        return torch.stack(hidden), total

    torch.manual_seed(0)
    model, x = loud(Around(body)).eval(), torch.rand(40, *IMAGE)
    network = pyflow.convert(model, x.numpy())
    with torch.no_grad():
        want = model(x)[1].numpy()
    got = network.run(x.numpy()) * network.logit_scale
    assert np.corrcoef(want.ravel(), got.ravel())[0, 1] > 0.99


def test_one_neuron_at_two_places_is_two_layers() -> None:
    def body(model: Any, x: torch.Tensor) -> Any:
        first, second, third, out = torch.zeros(1), torch.zeros(1), torch.zeros(1), []
        for _ in range(T):
            spk, first = model.lif(model.fc(x), first)
            spk, second = model.lif(model.fc2(spk), second)
            spk, third = model.last(model.fc2(spk), third)
            out.append(spk)
        return torch.stack(out).mean(0)

    torch.manual_seed(0)
    model = Around(body)
    model.last = snn.Leaky(beta=0.75)
    network = pyflow.convert(loud(model).eval(), torch.rand(40, *IMAGE).numpy())
    assert list(network.meta["verdict"]) == ["lif", "lif_2", "last"]
    assert min(network.meta["verdict"].values()) > 0.8


def test_grey_levels_and_masks_mean_the_same_in_run() -> None:
    torch.manual_seed(0)
    model = loud(_one_step(neuron.IFNode()))
    grey = np.random.default_rng(0).integers(0, 256, (40, *IMAGE), dtype=np.uint8)
    for sample in (grey, grey > 128):
        network = pyflow.convert(model, sample, **STEP)
        whole = sample.astype(np.float32) / (255 if sample.dtype == np.uint8 else 1)
        assert np.array_equal(network.run(sample), network.run(whole))
        assert network.meta["verdict"]["neuron1"] > 0.9


def test_layers_that_do_nothing_may_come_first() -> None:
    torch.manual_seed(0)
    plain = loud(_one_step(neuron.IFNode()))
    x = torch.rand(40, *IMAGE).numpy()
    want = pyflow.convert(plain, x, **STEP).run(x)
    for first in (nn.Identity(), nn.Dropout(0.5)):
        assert np.array_equal(pyflow.convert(nn.Sequential(first, *plain.children()), x, **STEP).run(x), want)


def test_what_is_no_spiking_model() -> None:
    with pytest.raises(VolleyError, match="steps: is for models with neurons"):
        pyflow.convert(nn.Sequential(nn.Flatten(), nn.Linear(64, 5)), torch.rand(32, *IMAGE).numpy(), steps=3)


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (np.full((32, *IMAGE), 2.0), "0..1"),
        (np.zeros((3, *IMAGE)), "8 frames or more"),
        (np.full((32, *IMAGE), np.nan), "0..1"),
        (np.full((32, *IMAGE), "a"), "dtype|no image|numbers"),
        (np.full((32, *IMAGE), 1j), "dtype"),
    ],
)
def test_samples(sample: np.ndarray, message: str) -> None:
    with pytest.raises(VolleyError, match=message):
        pyflow.convert(SnnMlp(), sample)


@pytest.mark.slow
def test_every_adapter_fires_as_its_framework() -> None:
    """Random settings of every class in the tables, alone, on random inputs."""
    rng, count = np.random.default_rng(0), 0
    for name, make in (
        ("Leaky", lambda: snn.Leaky(beta=float(rng.random()), threshold=float(rng.random() + 0.2),
                                    reset_mechanism=str(rng.choice(["subtract", "zero", "none"])),
                                    reset_delay=bool(rng.integers(2)), init_hidden=True)),
        ("Synaptic", lambda: snn.Synaptic(alpha=float(rng.random()), beta=float(rng.random()), init_hidden=True,
                                          reset_mechanism=str(rng.choice(["subtract", "zero", "none"])))),
        ("Lapicque", lambda: snn.Lapicque(beta=float(rng.uniform(0.5, 0.95)), init_hidden=True)),
        ("IFNode", lambda: neuron.IFNode(v_reset=(None, 0.0, -0.25)[rng.integers(3)])),
        ("LIFNode", lambda: neuron.LIFNode(tau=float(rng.uniform(1, 5)), v_reset=(None, 0.0, 0.25)[rng.integers(3)],
                                           decay_input=bool(rng.integers(2)))),
        ("ParametricLIFNode", lambda: neuron.ParametricLIFNode(init_tau=float(rng.uniform(1.5, 5)))),
        ("HalfThresholdIFNode", neuron.HalfThresholdIFNode),
    ):  # fmt: skip
        for _ in range(8):
            model = loud(nn.Sequential(nn.Flatten(), nn.Linear(6, 10), make()))
            x = torch.rand(16, 6, 1, 1).numpy()
            network = pyflow.convert(model, x, steps=20, readout="spikes-sum")
            (share,) = network.meta["verdict"].values()
            assert share > 0.7, (name, share)
            count += 1
    assert count == 56
    assert neurons.is_spiking(model)
