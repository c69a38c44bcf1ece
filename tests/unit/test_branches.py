# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Branching models: the float graph is the model's function in each of its forms, the integers are those of exact
arithmetic, fine-tuning trains them, and what has no spiking form is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pyflow import operators as ops
from pyflow.conversion import FakeQuant, convert
from pyflow.conversion.layout import Options
from pyflow.conversion.radix import calibrate, exponents, prepare
from pyflow.errors import VolleyError
from pyflow.frontends import Normalize, trace
from pyflow.graph import INPUT, Network
from pyflow.model.graph import Edge, FloatAdd, FloatNetwork, FloatRelu
from pyflow.model.order import spiking_form
from tests.unit.branches import Dense, Inception, Residual, Sum, headed, random_model
from tests.unit.float_oracle import run_float

SHAPE = (2, 8, 6)
IMAGES = np.random.default_rng(1).random((24, *SHAPE)).astype(np.float32)


def kinds(network: Network) -> str:
    return " ".join(op.kind for op in network.operators)


@pytest.mark.parametrize("seed", range(24))
def test_random_models_keep_their_function(seed: int) -> None:
    """In float64 in both forms, and nearly in fine integers."""
    model = random_model(seed)
    captured = trace(model, SHAPE)
    with torch.no_grad():
        want = model.double()(torch.tensor(IMAGES).double()).numpy()
    for form in (captured, spiking_form(captured)):
        np.testing.assert_allclose(run_float(form, torch.tensor(IMAGES)).numpy(), want, atol=1e-6)
    network = convert(model, IMAGES, timesteps=7, weight_bits=8, input_bits=7, percentile=100)
    got = network.run(IMAGES) * network.logit_scale
    assert np.abs(got - want).max() < 0.05 * np.abs(want).max()


@pytest.mark.parametrize("seed", range(0, 24, 3))
def test_fine_tuning_trains_the_integers(seed: int) -> None:
    plan, images = prepare(random_model(seed), IMAGES, Options(4, 4))
    fake = FakeQuant(plan, calibrate(plan, images))
    with torch.no_grad():  # away from the calibrated point, as in training
        for p in fake.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(seed)) * p.abs().mean())
    codes: dict[str, torch.Tensor] = {}
    logits = fake(torch.tensor(IMAGES), codes)
    network = fake.network()
    integers, traced = network.run(IMAGES, trace=True)
    assert len(codes) == len([spec for spec in plan.neurons if spec.steps])
    for name, value in codes.items():
        np.testing.assert_array_equal(value.numpy(), traced[f"{name}_neuron"], err_msg=name)
    np.testing.assert_array_equal(logits.detach().numpy(), (integers * network.logit_scale).astype(np.float32))
    F.cross_entropy(fake(torch.tensor(IMAGES)), torch.arange(24) % 5).backward()
    for name, p in fake.named_parameters():
        assert p.grad is not None, name
        assert p.grad.abs().sum() > 0, name


def test_gradients_of_branches_are_those_of_the_smooth_network() -> None:
    torch.manual_seed(1)
    net = nn.Sequential(Inception(2, True), Residual(7, 7), nn.Flatten(), nn.Linear(7 * 48, 3)).eval()
    plan, images = prepare(net, IMAGES, Options(8, 8))
    fake = FakeQuant(plan, calibrate(plan, images, percentile=100))
    y = torch.arange(24) % 3
    for module in (net, fake):
        F.cross_entropy(module(torch.tensor(IMAGES)), y).backward()
    block = net[0]
    assert isinstance(block, Inception)
    for place, want in enumerate((block.a.weight.grad, block.b.weight.grad)):
        got = fake.weights[place].grad
        assert got is not None
        assert want is not None
        assert torch.cosine_similarity(got.flatten(), want.flatten(), 0) > 0.97
        assert float(got.norm() / want.norm()) == pytest.approx(1, abs=0.1)


# ------------------------------------------------------------------ the forms of joins
def test_an_identity_is_added_to_the_potential() -> None:
    """The multiplier of a skip is its share of the threshold, to within its rounding."""
    network = convert(headed(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), Residual(4, 4), features=192), IMAGES)
    assert kinds(network) == "encode conv neuron conv neuron conv residual neuron linear readout"
    skip, neuron = network.operators[6], network.operators[7]
    assert isinstance(skip, ops.Residual)
    assert isinstance(neuron, ops.RadixNeuron)
    assert neuron.exponent == 0
    assert neuron.theta.min() >= 64
    scales = {layer["name"]: layer["output_scale"] for layer in network.meta["conversion"]["layers"]}
    first, *_, last = [scales[op.name] for op in network.operators if isinstance(op, ops.Conv)]
    np.testing.assert_allclose(skip.multiplier, neuron.theta * first / last, atol=0.5)


def test_a_projection_shares_the_unit_of_its_sum() -> None:
    network = convert(headed(Residual(2, 4, 2), features=48), IMAGES)
    assert kinds(network) == "encode conv neuron conv conv add neuron linear readout"
    _, second, shortcut, _ = network.meta["conversion"]["layers"]
    assert second["theta_min"] == shortcut["theta_min"]
    assert exponents(network)[second["name"]] == exponents(network)[shortcut["name"]]


def test_codes_that_are_added_share_a_unit() -> None:
    network = convert(headed(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), Sum(4), features=192), IMAGES, timesteps=3)
    assert kinds(network) == "encode conv neuron conv neuron add linear readout"
    layers = network.meta["conversion"]["layers"]
    assert layers[0]["output_scale"] == layers[1]["output_scale"]
    assert network.tensors["add1"].steps == 4


def test_a_concatenation_leaves_units_apart() -> None:
    """The weights behind it make up for them."""
    network = convert(headed(Inception(2, False), features=7 * 48), IMAGES)
    assert kinds(network).count("concat") == 2
    first, second, _ = network.meta["conversion"]["layers"]
    assert first["output_scale"] != second["output_scale"]


def test_a_late_relu_goes_in_front_of_the_concatenation() -> None:
    early, late = (headed(Inception(2, kind), features=7 * 48) for kind in (False, True))
    late.load_state_dict(early.state_dict())
    one, other = (convert(model, IMAGES) for model in (early, late))
    np.testing.assert_array_equal(one.run(IMAGES), other.run(IMAGES))


def test_averages_that_are_joined_are_fired_back() -> None:
    model = headed(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), Dense(4), features=8 * 12)
    assert kinds(convert(model, IMAGES)).startswith("encode conv neuron sumpool neuron conv neuron concat")


def test_layers_keep_timesteps_and_weight_bits_of_their_own() -> None:
    model = headed(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), Residual(4, 4), features=192)
    network = convert(model, IMAGES, timesteps={"2.conv1": 6, "default": 3}, weight_bits={"2.conv2": 7, "default": 4})
    first, second, third = (op for op in network.operators if isinstance(op, ops.RadixNeuron))
    assert (first.steps, second.steps, third.steps) == (3, 6, 3)
    assert [op.weight_bits for op in network.operators if isinstance(op, ops.Synapse)] == [4, 4, 7, 4]


def test_like_takes_the_exponents_of_branches() -> None:
    model = headed(Residual(2, 4, 2), Sum(4), features=48)
    network = convert(model, IMAGES)
    again = convert(model, IMAGES[:20], like=network)
    assert exponents(again) == exponents(network)


# ------------------------------------------------------------------ never another function
class Wild(nn.Module):
    def __init__(self, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.function, self.relu = function, nn.ReLU(inplace=True)
        self.c1, self.c2, self.c3 = (nn.Conv2d(2, 2, 3, padding=1) for _ in range(3))
        self.add = nn.Dropout()
        self.c4, self.head = nn.Conv2d(4, 2, 3, padding=1), nn.Linear(96, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.function(self, x).flatten(1))


def twice(s: Wild, x: torch.Tensor, change: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """The sum of what was changed in place and of what it was made from."""
    y = s.c1(x)
    z = change(y)
    return F.relu(y + z)


def overwritten(s: Wild, x: torch.Tensor) -> torch.Tensor:
    y = F.relu(s.c1(x))
    z = s.c2(y)
    y += F.relu(s.c3(x))
    return F.relu(z + y)


def read_before(s: Wild, x: torch.Tensor) -> torch.Tensor:
    """Reads y before it is overwritten only: legal."""
    y = F.relu(s.c1(x))
    z = s.c2(y)
    z += y
    return s.relu(z)


LEGAL = {
    "in-place": read_before,
    "overwritten-before": overwritten,
    "clone": lambda s, x: F.relu(s.c2(F.relu(s.c1(x)))) + F.relu(s.c1(x)).clone(),
    "functions": lambda s, x: F.relu(torch.add(input=s.c1(x), other=x)),
    "three": lambda s, x: F.relu(s.c1(x) + s.c2(x) + s.c3(x)),
    "nested": lambda s, x: F.relu((s.c1(x) + x) + (s.c2(x) + F.relu(s.c3(x)))),
    "pool-before": lambda s, x: F.relu(F.max_pool2d(s.c1(x) + x, 3, 1, 1)),
    "relu-of-relus": lambda s, x: F.relu(F.relu(s.c1(x)) + F.relu(s.c2(x))),
    "unused": lambda s, x: (F.relu(s.c1(x)), F.relu(s.c2(x)))[0],
    "shared": lambda s, x: F.relu(s.c1(F.relu(s.c1(x)))),
    "shared-relu": lambda s, x: s.relu(s.c3(s.relu(s.c4(s.relu(torch.cat([s.c1(x), s.c2(x)], 1)))))),
    "sum-of-sums": lambda s, x: (lambda z: F.relu(z + (s.c2(z) + s.c3(z))))(F.relu(s.c1(x)) + F.relu(s.c2(x))),
    "python-sum": lambda s, x: sum([F.relu(s.c1(x)), F.relu(s.c2(x))]),
    "nothing-added": lambda s, x: F.relu(s.c1(x)) * 1 + 0.0,
    "unlucky-name": lambda s, x: s.add(F.relu(s.c2(F.relu(s.c1(x))) + F.relu(s.c3(x)))),
    "dim": lambda s, x: s.c3(F.relu(s.c1(x))).relu() + torch.cat([F.relu(s.c2(x))], dim=-3),
}


@pytest.mark.parametrize("case", LEGAL)
def test_legal_branches(case: str) -> None:
    model = Wild(LEGAL[case]).eval()
    with torch.no_grad():
        want = model.double()(torch.tensor(IMAGES).double()).numpy()
    for form in (trace(model, SHAPE), spiking_form(trace(model, SHAPE))):
        np.testing.assert_allclose(run_float(form, torch.tensor(IMAGES)).numpy(), want, atol=1e-6)
    convert(model.float(), IMAGES).run(IMAGES)


def augmented_view(s: Wild, x: torch.Tensor) -> torch.Tensor:
    y = s.c1(x)
    z = y.view(-1, 96)
    y += 1.0
    return F.relu(z)


REFUSED = {
    "in-place": (lambda s, x: twice(s, x, s.relu), r"'add' \(add\): adds activations to themselves"),
    "in-place-function": (lambda s, x: twice(s, x, lambda y: F.relu(y, True)), "adds activations to themselves"),
    "in-place-method": (lambda s, x: twice(s, x, lambda y: y.relu_()), "adds activations to themselves"),
    "in-place-view": (lambda s, x: twice(s, x, lambda y: y.view(-1, 96).relu_()), "reads 'c1' after 'relu_'"),
    "in-place-detached": (lambda s, x: twice(s, x, lambda y: y.detach().clamp_(min=0)), "adds activations to themse"),
    "potential-twice": (lambda s, x: twice(s, x, F.relu), r"'c1' \(Conv2d\): is read by 'relu' and 'add'"),
    "itself-copied": (lambda s, x: F.relu((lambda z: z + z.clone())(s.c1(x) + s.c2(x))), "'add_1'.*reads 'add' twice"),
    "itself-flat": (lambda s, x: (lambda z: F.relu(z.flatten(1) + torch.flatten(z, 1)))(s.c1(x)), "reads 'c1' twice"),
    "out": (lambda s, x: F.relu(torch.add(s.c1(x), x, out=x)), "out= is not supported"),
    "augmented-view": (augmented_view, "reads 'view' after 'iadd' has changed it in place"),
    "itself": (lambda s, x: (lambda y: y + y)(F.relu(s.c1(x))), r"'add' \(add\): adds activations to themselves"),
    "alpha": (lambda s, x: F.relu(torch.add(s.c1(x), x, alpha=2)), r"'add' \(add\): alpha = 2"),
    "shapes": (lambda s, x: F.relu(s.c1(x) + F.max_pool2d(x, 2)), r"'add' \(add\): adds maps of 2x4x3 and 2x8x6"),
    "maps": (lambda s, x: torch.cat([x, F.max_pool2d(x, 2)], 1), r"'cat' \(cat\): joins maps of 4x3 and 8x6"),
    "rows": (lambda s, x: torch.cat([x, F.relu(s.c1(x))], 2), r"'cat' \(cat\): along dimension 2"),
    "product": (lambda s, x: F.relu(s.c1(x)) * F.relu(s.c2(x)), r"'mul' \(mul\): of two activations"),
    "difference": (lambda s, x: F.relu(s.c1(x) - s.c2(x)), r"'sub' \(sub\): of two activations"),
    "silent": (lambda s, x: s.c4(torch.cat([s.c1(x), F.relu(s.c2(x))], 1)).relu(), "'cat'.*joins 'c1', which has"),
    "no-relu": (lambda s, x: s.c1(x) + x, r"'head' \(Linear\): follows 'add' without a ReLU"),
    "average-of-a-sum": (lambda s, x: F.relu(F.avg_pool2d(s.c1(x) + x, 3, 1, 1)), "average before the ReLU of 'add'"),
    "three-fired": (lambda s, x: F.relu(s.c1(x)) + F.relu(s.c2(x)) + F.relu(s.c3(x)), "adds 3 activations"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name(case: str) -> None:
    function, message = REFUSED[case]
    with pytest.raises(VolleyError, match=message) as e:
        convert(Wild(function), IMAGES)
    assert "\n" not in str(e.value)


def test_words_of_unlike_length_are_refused() -> None:
    model = headed(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), Sum(4), features=192)
    with pytest.raises(VolleyError, match=r"joins words of T = 3 and 4; give what it reads the same timesteps"):
        convert(model, IMAGES, timesteps={"0": 3, "default": 4})
    with pytest.raises(VolleyError, match=r"adds words of 8 bits, which makes 9; use timesteps up to 7"):
        convert(model, IMAGES, timesteps=8)


def test_layers_that_drive_one_neuron_have_its_timesteps() -> None:
    with pytest.raises(VolleyError, match=r"timesteps 5, its sum with .* has 3; needs the same"):
        convert(headed(Residual(2, 4, 2), features=48), IMAGES, timesteps={"0.shortcut.0": 5, "default": 3})


# ------------------------------------------------------------------ the graph itself
def test_edges_of_a_graph() -> None:
    relu = FloatRelu("r", "r", inputs=(Edge(INPUT),))
    with pytest.raises(VolleyError, match=r"'r' \(ReLU\): reads 'x', which no earlier layer makes"):
        FloatNetwork("n", SHAPE, (relu.reading("x"),))
    with pytest.raises(VolleyError, match=r"'a' \(add\): reads 1 inputs, needs two or more"):
        FloatNetwork("n", SHAPE, (FloatAdd("a", "a", inputs=(Edge(INPUT),)),))
    with pytest.raises(VolleyError, match=r"reads 'input' of 2 time steps before; a network of pictures has no time"):
        spiking_form(FloatNetwork("n", SHAPE, (replace(relu, inputs=(Edge(INPUT, 2),)),)))
    with pytest.raises(VolleyError, match="delay -1 must be a whole number"):
        Edge(INPUT, -1)
    with pytest.raises(VolleyError, match="is called 'r', as another layer is"):
        FloatNetwork("n", SHAPE, (relu, relu))


class Flat(nn.Module):
    """Two convolutions, flattened, then joined."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.fc = nn.Conv2d(2, 2, 3), nn.Conv2d(2, 3, 3), nn.Linear(5 * 24, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.fc(torch.cat([F.relu(self.a(x)).flatten(1), F.relu(self.b(x)).flatten(1)], 1))
        return out


def test_flattened_maps_are_joined_by_channel() -> None:
    network = convert(Flat(), IMAGES, timesteps=7, weight_bits=8, percentile=100)
    with torch.no_grad():
        want = Flat()(torch.tensor(IMAGES)).numpy()
    assert np.abs(network.run(IMAGES) * network.logit_scale - want).max() < 0.05 * np.abs(want).max()


def test_what_is_added_to_the_input_must_fit_its_unit() -> None:
    model = Wild(lambda s, x: F.relu(s.c1(x)) + x)
    model.c1.weight.data *= 30
    with pytest.raises(VolleyError, match=r"'c1': reaches .* it is added to the input, in whose unit it ends at"):
        convert(model, IMAGES)


@pytest.mark.parametrize("features", [False, True])
def test_normalisation_per_channel_and_per_feature(features: bool) -> None:
    torch.manual_seed(0)
    between: nn.Module = nn.BatchNorm1d(96) if features else nn.Identity()
    model = nn.Sequential(
        Normalize([0.5, 0.4], [0.2, 0.3]), nn.Flatten(), between, nn.Linear(96, 8), nn.ReLU(), nn.Linear(8, 3)
    ).eval()
    network = convert(model, IMAGES, timesteps=7, weight_bits=8, percentile=100)
    with torch.no_grad():
        want = model(torch.tensor(IMAGES)).numpy()
    assert np.abs(network.run(IMAGES) * network.logit_scale - want).max() < 0.05 * np.abs(want).max()
