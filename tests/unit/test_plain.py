# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What training leaves in a model is seen through: pruning, norms of weights, parametrizations, fake quantisers."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

import pyflow
from pyflow.conversion.torch_blocks import float_values
from pyflow.errors import VolleyError
from pyflow.frontends.torch_fx import trace

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch.ao.quantization as ao
    from torch.ao.quantization import quantize_fx

SHAPE = (1, 8, 8)
X = np.random.default_rng(0).random((64, *SHAPE), dtype=np.float32)
MODELS: dict[str, Callable[[], nn.Module]] = {}

pytestmark = pytest.mark.filterwarnings("ignore")


def body() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 5)
    )


def changed(name: str, change: Callable[[Any], object]) -> None:
    def make() -> nn.Module:
        model = body()
        change(model)
        return model

    MODELS[name] = make


class Doubled(nn.Module):
    def forward(self, w: torch.Tensor) -> torch.Tensor:
        return 2 * w


changed("pruned", lambda m: prune.l1_unstructured(m[5], "weight", amount=0.6))
changed("pruned bias", lambda m: prune.random_unstructured(m[0], "bias", amount=3))
changed("pruned channels", lambda m: prune.ln_structured(m[0], "weight", amount=2, n=2, dim=0))
changed("pruned twice", lambda m: [prune.l1_unstructured(m[5], "weight", amount=0.3) for _ in range(2)])
changed("pruned as one", lambda m: prune.global_unstructured([(m[0], "weight"), (m[5], "weight")],
                                                             prune.L1Unstructured, amount=0.5))  # fmt: skip
changed("weight_norm of old", lambda m: nn.utils.weight_norm(m[0]))
changed("weight_norm of old of all", lambda m: nn.utils.weight_norm(m[5], dim=None))  # type: ignore[arg-type]
changed("spectral_norm of old", lambda m: nn.utils.spectral_norm(m[0]))
changed("weight_norm", lambda m: parametrizations.weight_norm(m[0]))
changed("spectral_norm", lambda m: parametrizations.spectral_norm(m[5]))
changed("orthogonal", lambda m: parametrizations.orthogonal(m[5]))
changed("own, twice", lambda m: [parametrize.register_parametrization(m[5], "weight", Doubled()) for _ in range(2)])
changed("norm of BatchNorm", lambda m: parametrize.register_parametrization(m[1], "weight", Doubled()))


@pytest.mark.parametrize("case", MODELS)
def test_held_weights(case: str) -> None:
    model = MODELS[case]().eval()
    with torch.no_grad():
        model(torch.from_numpy(X))
    before = copy.copy(model.state_dict())
    network = trace(model, SHAPE)
    values = float_values(network, X)[network.layers[-1].name].flatten(1)
    with torch.no_grad():
        assert torch.allclose(model(torch.from_numpy(X)), values.float(), atol=1e-5)
    assert before.keys() == model.state_dict().keys()  # still held as it was
    pyflow.convert(model, X)


@pytest.mark.parametrize("held", ["pruned", "weight_norm of old", "spectral_norm of old"])
def test_weights_loaded_after_the_last_run(held: str) -> None:
    """The derived weight is of before; forward() renews it."""
    model = MODELS[held]().eval()
    with torch.no_grad():
        model(torch.from_numpy(X))
    model.load_state_dict({k: torch.rand_like(v) if "weight_" in k else v for k, v in model.state_dict().items()})
    network = trace(model, SHAPE)
    with torch.no_grad():
        want = model(torch.from_numpy(X))
    assert torch.allclose(want, float_values(network, X)[network.layers[-1].name].flatten(1).float(), atol=1e-5)


# ------------------------------------------------------------------ fake quantisers
class Net(nn.Module):
    """As the tutorials of torch.ao have it: stubs at both ends, a sum through FloatFunctional."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.quant, self.dequant = ao.QuantStub(), ao.DeQuantStub()
        self.conv1, self.norm1, self.relu1 = nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU()
        self.conv2, self.norm2, self.relu2 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()
        self.sum = torch.ao.nn.quantized.FloatFunctional()
        self.fc = nn.Linear(288, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu1(self.norm1(self.conv1(self.quant(x))))
        y = self.norm2(self.conv2(x))
        y = self.relu2(self.sum.add(y, x))
        return self.dequant(self.fc(y.flatten(1)))


def _seen(model: nn.Module) -> nn.Module:
    for _ in range(3):
        model(torch.from_numpy(X))
    return model.eval()


def eager() -> nn.Module:
    model: Any = Net().train()
    model.qconfig = ao.get_default_qat_qconfig("fbgemm")
    return _seen(ao.prepare_qat(model))


def fused() -> nn.Module:
    model = ao.fuse_modules_qat(Net().train(), [["conv1", "norm1", "relu1"], ["conv2", "norm2"]])
    model.qconfig = ao.get_default_qat_qconfig("x86")
    return _seen(ao.prepare_qat(model))


def graph_mode() -> nn.Module:
    mapping = ao.get_default_qat_qconfig_mapping("fbgemm")
    return _seen(quantize_fx.prepare_qat_fx(Net().train(), mapping, (torch.from_numpy(X),)))


def at_rest() -> nn.Module:
    return eager().apply(ao.disable_observer)


def observed() -> nn.Module:
    model: Any = Net().eval()
    model.qconfig = ao.default_qconfig
    return _seen(ao.prepare(model))


@pytest.mark.parametrize("make", [eager, fused, graph_mode, at_rest, observed])
def test_fake_quantised(make: Callable[[], nn.Module]) -> None:
    model = make()
    network = pyflow.convert(model, X, timesteps=8, weight_bits=8)
    with torch.no_grad():
        want = copy.deepcopy(model)(torch.from_numpy(X)).numpy()
    got = network.run(X) * network.logit_scale
    assert np.sqrt(((got - want) ** 2).mean()) < 0.25 * want.std()  # its logits are rounded too


def test_weights_are_as_the_quantiser_rounds_them() -> None:
    """Of 2 bits: three values in all."""
    narrow = ao.FakeQuantize.with_args(
        observer=ao.MinMaxObserver, quant_min=-1, quant_max=1, dtype=torch.qint8, qscheme=torch.per_tensor_symmetric
    )
    model: Any = Net().train()
    model.qconfig = ao.QConfig(activation=ao.default_fake_quant, weight=narrow)
    network = trace(_seen(ao.prepare_qat(model)), SHAPE)
    layer: Any = next(x for x in network.layers if x.label == "fc")
    assert len(np.unique(layer.weight)) == 3


def test_the_line_says_what_is_left_out() -> None:
    with pytest.warns(UserWarning, match="fake quantisers of torch.ao: weights are taken as they round them"):
        pyflow.convert(eager(), X)


def test_integers_of_torch_ao_are_refused() -> None:
    model = ao.convert(eager())
    with pytest.raises(VolleyError, match=r"is a quantised layer of torch\.ao; give the float model") as error:
        trace(model, SHAPE)
    assert "\n" not in str(error.value)
