# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Never silently another function: whatever a model does beside its layers is converted right, or refused."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, prune

from pyflow.conversion import convert
from pyflow.errors import VolleyError

X = np.random.default_rng(0).random((96, 1, 8, 8), dtype=np.float32)
MODELS: dict[str, Callable[[], nn.Module]] = {}


def body() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 5))


def model(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    MODELS[make.__name__] = make
    return make


class Around(nn.Module):
    """`function` of the body and the images."""

    def __init__(self, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.function, self.body = function, body()
        self.scale = nn.Parameter(torch.linspace(-3, 3, 5))
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self, x)


def around(name: str, function: Callable[..., torch.Tensor]) -> None:
    MODELS[name] = lambda: Around(function)


# ------------------------------------------------------------------ statements
def _normalised_in_place(s: Any, x: torch.Tensor) -> torch.Tensor:
    x = x.clone()
    x.sub_(0.5).div_(0.25)
    return s.body(x)


def _scaled_in_place(s: Any, x: torch.Tensor) -> torch.Tensor:
    y = s.body(x)
    y.mul_(s.scale)
    return y


def _added_in_place(s: Any, x: torch.Tensor) -> torch.Tensor:
    y = s.body(x)
    y.add_(s.scale)
    return y


def _relu_in_place(s: Any, x: torch.Tensor) -> torch.Tensor:
    y = s.body[0](x)
    F.relu_(y)
    return s.body[4](s.body[2](y).flatten(1))


def _answer_fired_in_place(s: Any, x: torch.Tensor) -> torch.Tensor:
    y = s.body(x)
    F.relu_(y)
    return y


def _augmented(s: Any, x: torch.Tensor) -> torch.Tensor:
    x = x * 1
    x -= 0.5
    return s.body(x)


def _counts(s: Any, x: torch.Tensor) -> torch.Tensor:
    s.calls += 1
    return s.body(x) * s.calls


def _indexed(s: Any, x: torch.Tensor) -> torch.Tensor:
    y = s.body(x)
    y[:, 0] = 0
    return y


def _filled(s: Any, x: torch.Tensor) -> torch.Tensor:
    y = s.body[1](s.body[0](x))
    y.data.fill_(0.5)
    return s.body[4](s.body[2](y).flatten(1))


for _name, _function in {
    "normalised in place": _normalised_in_place,
    "scaled in place": _scaled_in_place,
    "added in place": _added_in_place,
    "ReLU in place": _relu_in_place,
    "answer fired in place": _answer_fired_in_place,
    "augmented": _augmented,
    "counts its calls": _counts,
    "indexed": _indexed,
    "filled": _filled,
    "dropout that is always on": lambda s, x: s.body(F.dropout(x, 0.5)),
    "noise": lambda s, x: s.body(x + 0.1 * torch.rand_like(x)),
    "scaled by its largest": lambda s, x: s.body(x / x.max()),
    "mean of the batch": lambda s, x: s.body(x - x.mean()),
    "argmax": lambda s, x: s.body(x).argmax(1, keepdim=True).float(),
    "sorted": lambda s, x: s.body(x).sort(1)[0],
    "flipped": lambda s, x: s.body(x.flip(3)),
    "transposed": lambda s, x: s.body(x.transpose(2, 3)),
    "half": lambda s, x: s.body(x.half().float()),
    "rounded": lambda s, x: s.body(torch.round(x)),
    "autograd": lambda s, x: s.body(x.detach().requires_grad_().square()),
}.items():
    around(_name, _function)


# ------------------------------------------------------------------ ways that people write models, and others
def _out_argument(s: Any, x: torch.Tensor) -> torch.Tensor:
    y = s.body(x)
    torch.mul(y, 2.0, out=y)
    return y


def _clamped_data(s: Any, x: torch.Tensor) -> torch.Tensor:
    y = s.body[0](x)
    y.data.clamp_(-0.2, 0.2)
    return s.body[4](s.body[2](s.body[1](y)).flatten(1))


def _view_written(s: Any, x: torch.Tensor) -> torch.Tensor:
    y = s.body[1](s.body[0](x))
    z = y.view(y.shape[0], -1)
    z.mul_(0.25)
    return s.body[4](s.body[2](y).flatten(1))


def _aliased(s: Any, x: torch.Tensor) -> torch.Tensor:
    y = s.body(x)
    z = y
    z -= 0.5
    return y * 2


def _weight_written(s: Any, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        s.body[4].weight.mul_(0.9)
    return s.body(x)


def _weight_computed(s: Any, x: torch.Tensor) -> torch.Tensor:
    y = s.body[2](s.body[1](s.body[0](x))).flatten(1)
    return F.linear(y, s.body[4].weight.sign() * s.body[4].weight.abs().mean(), s.body[4].bias)


def _used_twice(s: Any, x: torch.Tensor) -> torch.Tensor:
    return s.body[4](s.body[2](s.body[1](s.body[0](s.body[1](s.body[0](x))[:, :1]))).flatten(1))


def _numpy(s: Any, x: torch.Tensor) -> torch.Tensor:
    return s.body(torch.from_numpy(np.sqrt(x.numpy())))


def _training_decides(s: Any, x: torch.Tensor) -> torch.Tensor:
    return s.body(x) if s.training else s.body(x) * 3 - s.scale


def _grad_decides(s: Any, x: torch.Tensor) -> torch.Tensor:
    return s.body(x) if torch.is_grad_enabled() else s.body(x) * s.scale


def _item_decides(s: Any, x: torch.Tensor) -> torch.Tensor:
    return s.body(x * x.max().item())


def _caught(s: Any, x: torch.Tensor) -> torch.Tensor:
    try:
        big = bool(x.sum() > 3)
    except Exception:
        big = False
    return s.body(x) * (2 if big else 1)


def _remembers(s: Any, x: torch.Tensor) -> torch.Tensor:
    before = getattr(s, "last", torch.zeros(()))
    s.last = s.body(x).detach().mean()
    return s.body(x) + before


for _name, _function in {
    "out argument": _out_argument,
    "clamped data": _clamped_data,
    "a view is written": _view_written,
    "an alias is written": _aliased,
    "its weight is written": _weight_written,
    "its weight is computed": _weight_computed,
    "layers used twice": _used_twice,
    "numpy": _numpy,
    "training decides": _training_decides,
    "gradients decide": _grad_decides,
    "an item decides": _item_decides,
    "an exception is caught": _caught,
    "remembers": _remembers,
    "where": lambda s, x: s.body(torch.where(x > 0.5, x, torch.zeros_like(x))),
    "masked": lambda s, x: s.body(x * (x > 0.3)),
    "cropped": lambda s, x: s.body(F.pad(x[:, :, 1:7, 1:7], (1, 1, 1, 1))),
    "padded with ones": lambda s, x: s.body(F.pad(x, (1, 1, 1, 1), value=1.0)[:, :, 1:9, 1:9]),
    "rolled": lambda s, x: s.body(torch.roll(x, 1, 3)),
    "normalised by itself": lambda s, x: s.body(F.normalize(x.flatten(1)).view(-1, 1, 8, 8)),
    "centred by itself": lambda s, x: s.body(x - x.mean((2, 3), keepdim=True)),
    "instance norm": lambda s, x: s.body(F.instance_norm(x)),
    "threshold": lambda s, x: s.body[4](s.body[2](F.threshold(s.body[0](x), 0.2, 0.0)).flatten(1)),
    "negative clamp": lambda s, x: s.body[4](s.body[2](s.body[0](x).clamp(min=-0.1)).flatten(1)),
    "clamp of tensors": lambda s, x: s.body[4](s.body[2](s.body[0](x).clamp(s.scale[2], s.scale[4])).flatten(1)),
    "permuted channels": lambda s, x: s.body[4](s.body[2](s.body[1](s.body[0](x)).flip(1)).flatten(1)),
    "flattened channels last": lambda s, x: s.body[4](
        s.body[2](s.body[1](s.body[0](x))).permute(0, 2, 3, 1).flatten(1)
    ),
    "reshaped across the batch": lambda s, x: s.body[4](s.body[2](s.body[1](s.body[0](x))).view(-1, 128)),
    "batch as channels": lambda s, x: s.body(x.transpose(0, 1).transpose(0, 1).cumsum(0)),
    "einsum": lambda s, x: torch.einsum("nc,c->nc", s.body(x), s.scale),
    "matmul": lambda s, x: s.body(x) @ torch.diag(s.scale),
    "softmax in the middle": lambda s, x: s.body(torch.softmax(x.flatten(1), 1).view(-1, 1, 8, 8)),
    "its own answer subtracted": lambda s, x: s.body(x) - s.body(x).mean(1, keepdim=True),
    "two outputs": lambda s, x: (s.body(x), x),
    "double": lambda s, x: s.body(x.double().float()),
    "integers": lambda s, x: s.body((x * 4).int().float() / 4),
    "upsampled": lambda s, x: s.body(F.interpolate(F.avg_pool2d(x, 2), scale_factor=2)),
    "dilated maximum": lambda s, x: s.body(F.max_pool2d(x, 2, 1, 1, dilation=2)),
    "power": lambda s, x: s.body(x**2),
    "absolute": lambda s, x: s.body[4](s.body[2](s.body[0](x).abs()).flatten(1)),
    "product of branches": lambda s, x: s.body[4](
        (s.body[2](s.body[1](s.body[0](x))) * s.body[2](torch.sigmoid(s.body[0](x)))).flatten(1)
    ),
}.items():
    around(_name, _function)


# ------------------------------------------------------------------ hooks and replaced parts
@model
def hook_of_a_layer() -> nn.Module:
    m = body()
    m[0].register_forward_hook(lambda _m, _a, out: out * 3 - 0.5)
    return m


@model
def hook_of_the_model() -> nn.Module:
    m = body()
    m.register_forward_pre_hook(lambda _m, args: ((args[0] - 0.5) / 0.5,))
    return m


@model
def old_spectral_norm() -> nn.Module:
    m = body()
    nn.utils.spectral_norm(m[0])
    return m


@model
def new_spectral_norm() -> nn.Module:
    m = body()
    parametrizations.spectral_norm(m[0])
    return m


@model
def pruned() -> nn.Module:
    m = body()
    prune.l1_unstructured(m[4], "weight", amount=0.6)
    with torch.no_grad():
        m.eval()(torch.rand(1, 1, 8, 8))
    m.load_state_dict({k: v if "mask" in k else torch.randn_like(v) * 0.2 for k, v in m.state_dict().items()})
    return m


@model
def replaced_forward() -> nn.Module:
    m = body()
    plain = m[0].forward
    m[0].forward = lambda x: plain(x) * 2
    return m


@model
def replaced_method() -> nn.Module:
    m = body()
    m[1].forward = types.MethodType(lambda _self, x: torch.clamp(x, -0.1, 0.4), m[1])
    return m


class Leaky(nn.ReLU):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return F.leaky_relu(input, 0.3)


class Standardised(nn.Conv2d):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        weight = (self.weight - self.weight.mean((1, 2, 3), True)) / self.weight.std((1, 2, 3), keepdim=True)
        return F.conv2d(input, weight, self.bias, self.stride, self.padding)


class Always(nn.Dropout):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return F.dropout(input, 0.5, True)


class Called(nn.Linear):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args, **kwargs) - 1


class Stays(nn.BatchNorm2d):
    def train(self, mode: bool = True) -> Stays:
        self.training = True
        return self


def with_part(place: int, part: nn.Module) -> nn.Module:
    m = body()
    if isinstance(part, nn.Conv2d | nn.Linear):
        part.load_state_dict(m[place].state_dict())
    m[place] = part
    return m


MODELS |= {
    "a subclass of ReLU": lambda: with_part(1, Leaky()),
    "a subclass of Conv2d": lambda: with_part(0, Standardised(1, 8, 3, padding=1)),
    "a subclass of Dropout": lambda: nn.Sequential(Always(), *body()),
    "a subclass that is called otherwise": lambda: with_part(4, Called(128, 5)),
    "a BatchNorm that stays in training": lambda: nn.Sequential(*body()[:1], Stays(8), *body()[1:]),
    "a global hook": body,
    "shared BatchNorm": lambda: _shared_norm(),
    "spectral norm of a Linear": lambda: _wrapped(4, parametrizations.spectral_norm),
    "weight norm": lambda: _wrapped(4, parametrizations.weight_norm),
    "orthogonal": lambda: _wrapped(4, parametrizations.orthogonal),
    "a parametrisation of one's own": lambda: _parametrised(),
    "in place ReLU": lambda: with_part(1, nn.ReLU(inplace=True)),
    "a subclass of Flatten": lambda: with_part(3, Reversed()),
    "a subclass of MaxPool2d": lambda: with_part(2, Scaled(2)),
    "a Conv of circular padding": lambda: with_part(0, nn.Conv2d(1, 8, 3, padding=1, padding_mode="circular")),
    "a BatchNorm without statistics": lambda: nn.Sequential(
        *body()[:1], nn.BatchNorm2d(8, track_running_stats=False), *body()[1:]
    ),
    "random ReLU": lambda: with_part(1, nn.RReLU()),
    "a state-dict hook": lambda: _state_hook(),
    "a replaced pool": lambda: _replaced_pool(),
    "a replaced class": lambda: _replaced_class(),
    "a property": lambda: with_part(4, Property(128, 5)),
}


def _shared_norm() -> nn.Module:
    norm = nn.BatchNorm2d(8)
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(0.5, 2, 8))
    m = body()
    return nn.Sequential(m[0], norm, nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), norm, *m[1:])


class Signed(nn.Module):
    def forward(self, w: torch.Tensor) -> torch.Tensor:
        return w.sign() * 0.1


def _parametrised() -> nn.Module:
    m = body()
    nn.utils.parametrize.register_parametrization(m[0], "weight", Signed())
    return m


def _wrapped(place: int, wrap: Callable[..., Any]) -> nn.Module:
    m = body()
    wrap(m[place])
    return m


class Reversed(nn.Flatten):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input).flip(1)


class Scaled(nn.MaxPool2d):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input) * 3


class Property(nn.Linear):
    """Its weight is made of another whenever it is asked for."""

    def __getattr__(self, name: str) -> Any:
        found: Any = super().__getattr__(name)
        return found * 0.5 if name == "weight" else found


def _state_hook() -> nn.Module:
    m = body()
    m.register_state_dict_post_hook(lambda _m, d, _p, _l: d.update({k: v * 2 for k, v in d.items()}))
    return m


def _replaced_pool() -> nn.Module:
    m = body()
    m[2].kernel_size, m[2].stride = 3, 2
    m[2].padding = 1
    return m


def _replaced_class() -> nn.Module:
    m = body()
    m[1].__class__ = nn.Softplus
    m[1].beta, m[1].threshold = 1, 20
    return m


@pytest.mark.parametrize("name", MODELS)
def test_never_another_function(name: str) -> None:
    """Refused in one line, or the function that the user's own call has."""
    made = MODELS[name]()
    hook, network, said = None, None, ""
    if name == "a global hook":
        hook = nn.modules.module.register_module_forward_hook(
            lambda m, _a, out: out * 2 if isinstance(m, nn.Conv2d) else out
        )
    try:
        network = convert(made, X, timesteps=8, weight_bits=8, percentile=100)
    except VolleyError as e:
        said = str(e)
    finally:
        if hook:
            hook.remove()
    assert "\n" not in said
    if network is None:
        return
    with torch.no_grad():
        want = made.eval()(torch.tensor(X)).double().numpy()
    got = network.run(X) * network.logit_scale
    assert np.abs(got - want).max() < 0.12 * np.abs(want - want.mean(0)).max()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("replaced_forward", r"'0' \(Conv2d\): gives other values than its kind does, by up to"),
        ("dropout that is always on", "its answer changes from call to call, by"),
        ("counts its calls", "its answer changes from call to call|not that of the layers"),
        ("a subclass of Dropout", "its answer changes from call to call"),
    ],
)
def test_what_differs_is_named(name: str, message: str) -> None:
    with pytest.raises(VolleyError, match=message):
        convert(MODELS[name](), X)


@pytest.mark.parametrize("name", ["normalised in place", "added in place", "ReLU in place", "augmented"])
def test_statements_in_place_are_converted(name: str) -> None:
    convert(MODELS[name](), X)


def test_the_model_is_left_as_it_was() -> None:
    made = body()
    made.train()
    made[0].eval()
    before = {key: value.clone() for key, value in made.state_dict().items()}
    convert(made, X)
    assert made.training
    assert not made[0].training
    assert not any(module._forward_hooks for module in made.modules())
    assert all(torch.equal(before[key], value) for key, value in made.state_dict().items())


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64])
def test_models_of_other_precision_are_compared_too(kind: torch.dtype) -> None:
    convert(body().to(kind), X)
    made = replaced_forward().to(kind)
    with pytest.raises(VolleyError):
        convert(made, X)


def test_images_are_not_written_to() -> None:
    images = X.copy()
    convert(Around(lambda s, x: s.body(x.mul_(0.5))), images)
    np.testing.assert_array_equal(images, X)


def test_rounding_of_a_deep_model_is_no_difference() -> None:
    torch.manual_seed(1)
    layers: list[nn.Module] = [nn.Conv2d(1, 8, 3, padding=1), nn.ReLU()]
    for _ in range(12):
        layers += [nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()]
    convert(nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 5)), X[:32], timesteps=8, weight_bits=8)
