# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Encoders in the user's run: random rates are those of the encoder core, the others are of the host."""

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
from norse.torch.module.encode import PoissonEncoderStep  # noqa: E402
from snntorch import spikegen  # noqa: E402
from spikingjelly.activation_based import encoding, functional, layer, neuron  # noqa: E402

import pyflow  # noqa: E402
from pyflow.errors import VolleyError  # noqa: E402
from pyflow.operators import DeltaEncode, PhaseEncode, RateEncode, Tensor, TTFSEncode  # noqa: E402
from pyflow.operators.base import Encoding  # noqa: E402
from tests.unit.spiking_nets import IMAGE, SnnMlp, loud  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
STEPS = 40


class Drawn(nn.Module):
    """Spikes of `encode(x)` in every step."""

    def __init__(self, encode: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.encode = encode
        self.layer = nn.Sequential(layer.Flatten(), layer.Linear(64, 5, bias=False), neuron.LIFNode(tau=2.0))
        loud(self.layer, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        functional.reset_net(self)
        return sum(self.layer(self.encode(x)) for _ in range(STEPS)) / STEPS


class Whole(nn.Module):
    """All steps of `encode(x)` at once."""

    def __init__(self, encode: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.encode, self.net = encode, loud(SnnMlp())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        net: Any = self.net
        spikes, out = self.encode(x), []
        mem1, mem2 = net.lif1.init_leaky(), net.lif2.init_leaky()
        for t in range(spikes.size(0)):
            spk, mem1 = net.lif1(net.fc1(spikes[t].flatten(1)), mem1)
            spk, mem2 = net.lif2(net.fc2(spk), mem2)
            out.append(spk)
        return torch.stack(out).mean(0)


def _rate(x: torch.Tensor) -> torch.Tensor:
    return spikegen.rate(x, num_steps=STEPS)


BUILT: dict[str, Callable[[], nn.Module]] = {
    "SpikingJelly": lambda: Drawn(encoding.PoissonEncoder()),
    "by hand": lambda: Drawn(lambda x: (torch.rand_like(x) <= x).float()),
    "by hand, the other way round": lambda: Drawn(lambda x: (x > torch.rand_like(x)).to(x)),
    "snnTorch": lambda: Whole(_rate),
    "Norse": lambda: Whole(norse.PoissonEncoder(STEPS, f_max=1000)),
    "Norse, one step": lambda: Drawn(PoissonEncoderStep()),
}


@pytest.mark.parametrize("name", BUILT)
def test_random_rates_are_the_encoder_cores(name: str) -> None:
    """The network is proven on the framework's spikes; on those of the core, its counts have the same mean."""
    torch.manual_seed(0)
    model = loud(BUILT[name]()).eval()
    sample = torch.rand(200, *IMAGE)
    network = pyflow.convert(model, sample.numpy())
    assert isinstance(network.operators[0], RateEncode)
    assert network.operators[0].steps == STEPS
    assert min(network.meta["verdict"].values()) > 0.7
    assert network.meta["encoder"].endswith("statistical")
    with torch.no_grad():
        want = model(sample).numpy().mean(0)
    got = (network.run(sample.numpy()) * network.logit_scale).mean(0)
    assert np.abs(got - want).max() < 0.08, (got, want)
    assert np.ptp(want) > 0.05


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "latencies of SpikingJelly": (
        lambda: Drawn(encoding.LatencyEncoder(STEPS)), "LatencyEncoder.*use spikes that the host encodes"),
    "latencies of snnTorch": (
        lambda: Whole(lambda x: spikegen.latency(x, num_steps=STEPS, normalize=True, linear=True)),
        r"run: an encoder at spikegen.py:\d+ is not that of the core; encode on the host, and feed"),
    "a gain": (
        lambda: Whole(lambda x: spikegen.rate(x, num_steps=STEPS, gain=0.5)), "'bernoulli': .*encode on the host"),
    "a lower rate": (
        lambda: Whole(norse.PoissonEncoder(STEPS, f_max=100)), "f_max . dt = 0.1 of the grey level.*1 / dt"),
    "the other side": (
        lambda: Drawn(lambda x: (torch.rand_like(x) > x).float()), "random numbers is no encoder here; use torch"),
    "two encoders": (
        lambda: Drawn(lambda x: (torch.rand_like(x) <= x).float() + (torch.rand_like(x) <= x).float()),
        "encodes a second time|beside the spikes of its encoder"),
    "the image too": (
        lambda: Drawn(lambda x: (torch.rand_like(x) <= x) + x), "reads the image beside the spikes of its encoder"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    make, message = REFUSED[case]
    torch.manual_seed(0)
    with pytest.raises(VolleyError, match=message) as error:
        pyflow.convert(loud(make()).eval(), torch.rand(32, *IMAGE).numpy())
    assert "\n" not in str(error.value)


# ------------------------------------------------------------------ encoders of the host beside the cores
LEVELS = np.arange(256).reshape(1, 1, 16, 16)
GREY = torch.from_numpy(LEVELS / 255).float()


@pytest.mark.parametrize("steps", [2, 3, 4, 8, 16, 100, 127, 128, 255, 256])
def test_latencies_are_the_cores_for_three_numbers_of_steps(steps: int) -> None:
    """The frameworks round the time of a spike to the nearest step, the core down; docs/frameworks.md."""
    own = TTFSEncode("e", ("input",), steps=steps).run(LEVELS)[0].reshape(steps, 256)
    options: dict[str, Any] = {"threshold": 0.003, "normalize": True, "linear": True, "clip": True}
    snn = spikegen.latency(GREY, num_steps=steps, **options).numpy().reshape(steps, 256)
    encoder = encoding.LatencyEncoder(steps)
    sj = np.stack([encoder(GREY).numpy() for _ in range(steps)]).reshape(steps, 256)
    same = steps in (2, 128, 256)
    assert np.array_equal(snn, own) == same
    assert np.array_equal(sj[:, 1:], own[:, 1:]) == same
    assert sj[-1, 0] == 1
    assert not own[:, 0].any()


@pytest.mark.parametrize("theta", [1, 7, 128, 255])
def test_deltas_are_the_cores_on_and_off_spikes(theta: int) -> None:
    """Of every pair of samples."""
    pairs = np.stack(np.meshgrid(np.arange(256), np.arange(256))).reshape(2, 1, -1, 1, 1)
    op = DeltaEncode("e", ("input",), theta=theta)
    source = Tensor("input", (65536, 1, 1), Encoding.SIGNAL, 2, 255, timed=True)
    own = op.run_steps(pairs.swapaxes(0, 1), sources=(source,)).reshape(2, 2, 65536)
    samples = torch.from_numpy(pairs.reshape(2, -1) / 255).float()
    for off in (False, True):
        theirs = spikegen.delta(samples, threshold=(theta - 0.5) / 255, off_spike=off).numpy()
        np.testing.assert_array_equal(theirs, own[:, 0] - own[:, 1] * off)


def test_phases_are_the_cores_of_levels_out_of_256() -> None:
    """An image in [0, 1] has 255ths, and SpikingJelly takes no 1."""
    own = PhaseEncode("e", ("input",), steps=8).run(LEVELS)[0]
    encoder = encoding.WeightedPhaseEncoder(8)
    x = torch.from_numpy(LEVELS / 256).float()
    np.testing.assert_array_equal(np.stack([encoder(x).numpy() for _ in range(8)]).reshape(own.shape), own)
    with pytest.raises(AssertionError):
        encoding.WeightedPhaseEncoder(8)(GREY)
