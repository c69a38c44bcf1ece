# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Networks of spiking frameworks whose layers read or make numbers in every time step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

for _package in ("snntorch", "spikingjelly"):
    pytest.importorskip(_package, reason=f"{_package} is not installed: pip install volley-snn[oracle]")

import snntorch as snn  # noqa: E402

import pyflow  # noqa: E402
from pyflow import __main__ as cli  # noqa: E402
from pyflow import loading  # noqa: E402
from pyflow.conversion.samples import as_frames, checked  # noqa: E402
from pyflow.errors import VolleyError  # noqa: E402
from pyflow.measure import activity  # noqa: E402
from tests.unit.spiking_nets import IMAGE, STEP, loud  # noqa: E402
from tests.unit.word_nets import NETS, Sew, made  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", NETS)
def test_converts(name: str) -> None:
    model, sample, options = made(name)
    network = pyflow.convert(model, sample.numpy(), **options)
    assert {op.kind for op in network.operators} >= NETS[name][3]
    assert min(network.meta["verdict"].values(), default=1) > 0.7, network.meta["verdict"]
    frames = as_frames(sample, options.get("time_axis"), 1.0 if sample.max() > 1 else 0.0)
    fired = np.ptp(network.run(frames), axis=0)
    assert fired.any(), "all answers are alike: the test tells nothing"


def test_an_average_goes_where_it_is_cheaper() -> None:
    """Into the weights of a Linear behind 2 x 2; a global one is a sum of its own, of a word per channel."""

    def net(pool: nn.Module, features: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1), snn.Leaky(beta=0.5, init_hidden=True), pool, nn.Flatten(),
            nn.Linear(features, 5), snn.Leaky(beta=0.5, init_hidden=True, output=True),
        )  # fmt: skip

    torch.manual_seed(0)
    x, options = torch.rand(16, *IMAGE).numpy(), dict[str, Any](STEP)
    spread = pyflow.convert(loud(net(nn.AvgPool2d(2), 48)), x, **options)
    own = pyflow.convert(loud(net(nn.AvgPool2d(8), 3)), x, **options)
    assert [op.kind for op in spread.operators].count("sumpool") == 0
    assert spread.time_block == 3
    assert [op.weight.shape[1] for op in own.operators if op.kind == "linear"] == [3]  # type: ignore[attr-defined]
    assert own.time_block == 1


def test_what_numbers_over_time_stand_for() -> None:
    """One rule for uint8 and floats: of samples a byte is x / 255, of counts the count."""
    x = np.array([[[0.0, 0.5, 1.0]]] * 2)
    for given, code, want in (
        (x > 0.7, 0.0, [0, 0, 1]),
        ((x > 0.7).astype(np.uint8), 0.0, [0, 0, 1]),
        (x, 1 / 255, [0, 0.5, 1]),
        (np.rint(x * 255).astype(np.uint8), 1 / 255, [0, 128 / 255, 1]),
        (4 * x, 1.0, [0, 2, 4]),
    ):
        values, found = checked(given, 0)
        assert found == code
        np.testing.assert_allclose(values[0, 0], want, atol=1e-6)
        frames = as_frames(values, 0, found)
        assert frames.shape == (1, 2, 3, 1, 1)
        assert np.issubdtype(frames.dtype, np.integer) == (code == 1)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1.5, r"value 1.5 at \(0, 0, 1\); numbers over time are .* counts of events, whole floats up to 255"),
        (256.0, r"value 256.0 at \(0, 0, 1\)"),
        (float("nan"), "value nan"),
        (-0.5, "value -0.5"),
    ],
)
def test_numbers_over_time_that_are_refused(value: float, message: str) -> None:
    x = np.zeros((2, 3, 4))
    x[0, 0, 1] = value
    with pytest.raises(VolleyError, match=message):
        checked(x, 1)


def _joined(join: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> nn.Module:
    model = Sew("add")
    model.joined = join  # type: ignore[method-assign, assignment]
    return model


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "1 - x alone": (lambda: _joined(lambda y, x: (1.0 - y) + x), "rsub"),
    "a product of sums": (lambda: _joined(lambda y, x: (y + x) * x), r"multiplies what are no spikes of 0 and 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    make, message = REFUSED[case]
    torch.manual_seed(0)
    with pytest.raises(VolleyError, match=message) as error:
        pyflow.convert(loud(make()), torch.rand(16, *IMAGE).numpy())
    assert "\n" not in str(error.value)


NET = """
import snntorch as snn
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.lif = nn.Linear(12, 5), snn.Leaky(beta=0.75)
        self.fc.weight.data *= 4

    def forward(self, x):
        mem, out = self.lif.init_leaky(), []
        for t in range(x.size(0)):
            spk, mem = self.lif(self.fc(x[t]), mem)
            out.append(spk)
        return torch.stack(out)


def build():
    torch.manual_seed(0)
    return Net().eval()
"""


@pytest.mark.parametrize("kind", ["spikes", "samples", "counts"])
def test_the_command_line_takes_data_over_time(kind: str, tmp_path: Path) -> None:
    """TIME_AXIS=: the file's arrays are [N, T, ...]; what comes back is what a host sends."""
    rng = np.random.default_rng(0)
    x = {"spikes": rng.integers(0, 2, (40, 6, 12)), "samples": rng.random((40, 6, 12)),
         "counts": rng.integers(0, 5, (40, 6, 12)).astype(float)}[kind]  # fmt: skip
    (tmp_path / "net.py").write_text(NET)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(40) % 5)
    given = ["--net", f"{tmp_path / 'net.py'}:build", "--data", str(tmp_path / "data.npz"), "--time-axis"]
    network, data = loading.network(cli._parser().parse_args(["sim", *given, "0"]))
    assert data is not None
    assert (network.input_encoding, network.input_steps) == ("rate" if kind == "spikes" else "signal", 6)
    host = np.floor(255 * x + 0.5) if kind == "samples" else x
    np.testing.assert_array_equal(data.x_test[..., 0, 0], host)
    assert data.x_test.dtype == np.uint8
    assert np.ptp(network.run(data.x_test), axis=0).any()
    dense = activity(network, data.x_test[:4])[2]
    assert dense == 6 * 12 * 5 * (1 if kind == "spikes" else 8)
    with pytest.raises(VolleyError, match="--time-axis 2: must be 0 or 1"):
        loading.network(cli._parser().parse_args(["sim", *given, "2"]))
