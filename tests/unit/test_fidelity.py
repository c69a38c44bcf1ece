# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What a conversion says of itself: each layer beside the float network, and a warning where accuracy will be lost."""

from __future__ import annotations

import re
import warnings
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from pyflow.conversion import convert, finetune
from pyflow.data import Dataset
from pyflow.report.record import Fidelity, schema

X = np.random.default_rng(0).random((256, 1, 8, 8), dtype=np.float32)


def body(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 5))


def said(model: nn.Module, x: np.ndarray = X, **options: Any) -> tuple[list[str], list[Fidelity]]:
    """(warnings, what the network's meta has of its layers)."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        network = convert(model, x, **options)
    lines = [str(w.message) for w in caught]
    assert not any("\n" in line for line in lines)
    return lines, msgspec.convert(network.meta["conversion"]["fidelity"], list[Fidelity])


def test_a_sound_network_has_no_warning() -> None:
    lines, found = said(body())
    assert not lines
    assert [layer.name for layer in found] == ["conv1", "fc1"]
    assert all(layer.correlation is not None and layer.correlation > 0.97 for layer in found)
    assert all(layer.saturated < 0.01 and not layer.constant for layer in found)
    assert "Fidelity" in schema()["$defs"]


def test_the_figures_are_those_of_the_two_networks() -> None:
    model = body().double()
    network = convert(model, X[:64], timesteps=3, weight_bits=3)
    (_, logits) = network.meta["conversion"]["fidelity"]
    with torch.no_grad():
        want = model(torch.tensor(X[:64]).double()).numpy()
    got = network.run(X[:64]) * network.logit_scale
    got, want = got - got.mean(0), want - want.mean(0)
    assert logits["correlation"] == pytest.approx(np.corrcoef(got.ravel(), want.ravel())[0, 1], abs=1e-9)


@pytest.mark.parametrize(("scale", "bits"), [(0.002, 8), (0.05, 3)])
def test_an_output_that_became_constant_is_named(scale: float, bits: int) -> None:
    model: Any = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 3))
    with torch.no_grad():
        model[3].weight[1] *= scale
        model[3].bias[1] *= scale
    lines, found = said(model, timesteps=bits, weight_bits=bits)
    assert found[-1].constant == [1]
    assert [line for line in lines if re.match(r"layer '3': 1 of 3 outputs vary .* \(1\); .* raise weight_bits", line)]


def test_channels_that_became_constant_are_named() -> None:
    """A channel whose variation is less than a code, beside a constant that padding keeps from going elsewhere."""
    model: Any = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)
    )
    with torch.no_grad():
        model[0].bias[2] += 1000
    lines, found = said(model)
    assert found[0].constant == [2]
    assert any(line.startswith("layer '0': 1 of 4 channels vary in float and are constant") for line in lines)


def test_images_that_were_divided_twice_lose_correlation() -> None:
    lines, found = said(body(), X / 255, timesteps=8, weight_bits=8)
    assert found[0].correlation is not None
    assert found[0].correlation < 0.9
    assert sum("correlation with the float network" in line for line in lines) == 1  # the first layer alone


def test_saturation_is_measured_and_said() -> None:
    lines, found = said(body(), percentile=50)
    assert found[0].saturated == pytest.approx(0.5, abs=0.05)
    assert any("of its positive values are beyond the largest code; raise percentile" in line for line in lines)


def test_fine_tuned_networks_have_their_figures_too() -> None:
    data = Dataset("x", X, np.arange(256) % 5, X[:8], np.arange(8) % 5)
    network = finetune(body(), data, epochs=1).network
    found = msgspec.convert(network.meta["conversion"]["fidelity"], list[Fidelity])
    assert found[-1].correlation is not None
    assert found[-1].correlation > 0.9
