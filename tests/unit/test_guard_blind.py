# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Kinds of models, most of them thought of without looking at the guard: each is refused by its cause, or
converted into the function that its user's call has, on other images than those that were given."""

from __future__ import annotations

import contextlib
import functools
import random
import threading
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from pyflow.conversion import convert
from pyflow.errors import VolleyError


def pictures(seed: int, channels: int = 1, largest: float = 1.0) -> torch.Tensor:
    """64 images of blobs, float32 [64, channels, 8, 8], the brightest pixel of each is `largest`."""
    g = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    centre, width = (
        torch.rand(2, 64, channels, 3, 1, 1, generator=g) * 8,
        1 + 2 * torch.rand(64, channels, 3, 1, 1, generator=g),
    )
    blobs = torch.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * width**2)).sum(2)
    return largest * blobs / blobs.amax((1, 2, 3), keepdim=True)


GIVEN, OTHER = pictures(0), pictures(1)
DARK = pictures(0, largest=0.3)
TWO_VALUES = (GIVEN > 0.4).float()


class Net(nn.Module):
    """A body with hooks for the kinds: what happens to the images, between the layers and to the logits."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv1, self.relu1, self.pool = nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        self.conv2, self.relu2, self.fc = nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Linear(128, 10)

    def images(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def middle(self, y: torch.Tensor) -> torch.Tensor:
        return y

    def sums(self, y: torch.Tensor) -> torch.Tensor:
        return y

    def features(self, y: torch.Tensor) -> torch.Tensor:
        return y.flatten(1)

    def logits(self, y: torch.Tensor) -> torch.Tensor:
        return y

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.middle(self.pool(self.relu1(self.conv1(self.images(x)))))
        return self.logits(self.fc(self.features(self.relu2(self.sums(self.conv2(y))))))


@dataclass(frozen=True)
class Kind:
    make: Callable[[], nn.Module]
    refused: str = ""  # what the refusal says; empty: it is converted
    given: torch.Tensor = GIVEN
    other: torch.Tensor = OTHER


KINDS: dict[str, Kind] = {}


def kind(name: str, refused: str = "", given: torch.Tensor = GIVEN, other: torch.Tensor = OTHER, **parts: Any) -> None:
    """parts: methods of Net by name, and `init`, a function of the new model."""

    def make() -> nn.Module:
        init = parts.get("init")
        net = type("Model", (Net,), {key: f for key, f in parts.items() if key != "init"})(given.shape[1])
        if init:
            init(net)
        return net

    KINDS[name] = Kind(make, refused, given, other)


def conv(s: Any) -> None:
    s.conv3 = nn.Conv2d(8, 8, 3, padding=1)


def buffer(value: torch.Tensor) -> Callable[[Any], None]:
    return lambda s: s.register_buffer("value", value)


# ------------------------------------------------------------------ what no calibration image shows
ANOTHER = "gives other values than its kind does|not that of the layers which were captured"


def _swallowed(_s: Any, x: torch.Tensor) -> torch.Tensor:
    try:
        bright = bool(x.amax() > 0.5)
    except Exception:
        bright = False
    return x * 0.3 if bright else x


def _untraced(change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    return lambda _s, x: change(x) if isinstance(x, torch.Tensor) else x


def _not_while_tracing(_s: Any, x: torch.Tensor) -> torch.Tensor:
    from torch.fx._symbolic_trace import is_fx_tracing

    return x if is_fx_tracing() else x.clamp(max=0.35)


class _LargestInDispatch(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        return out.clamp(max=0.7) if func is torch.ops.aten.relu.default else out


def _in_dispatch_mode(s: Any, x: torch.Tensor) -> torch.Tensor:
    with _LargestInDispatch():
        return Net.forward(s, x)


def _patched_for_a_while(s: Any, x: torch.Tensor) -> torch.Tensor:
    plain = F.relu
    F.relu = lambda input, inplace=False: plain(input).clamp(max=0.7)
    try:
        return Net.forward(s, x)
    finally:
        F.relu = plain


def _replaced_forward(s: Any) -> None:
    plain = s.conv1.forward
    s.conv1.forward = lambda x: plain(x.clamp(max=0.35))


DISGUISED = type(
    "Conv2d",
    (nn.Conv2d,),
    {"__module__": nn.Conv2d.__module__, "forward": lambda s, x: nn.Conv2d.forward(s, x.clamp(max=0.35))},
)


class _CalledOtherwise(Net):
    def __call__(self, x: torch.Tensor) -> Any:
        return super().__call__(x.clamp(max=0.35))


kind("an exception hides a branch", ANOTHER, DARK, images=_swallowed)
kind("a forward replaced for what is bright", ANOTHER, DARK, init=_replaced_forward)
kind("something else while it is traced", ANOTHER, DARK, images=_not_while_tracing)
kind("something else for tensors", ANOTHER, DARK, images=_untraced(lambda x: x.clamp(max=0.35)))
kind("a dispatch mode", ANOTHER, DARK, forward=_in_dispatch_mode)
kind("F.relu replaced for a while", ANOTHER, DARK, forward=_patched_for_a_while)
kind("a class under torch's name", ANOTHER, DARK, init=lambda s: setattr(s.conv1, "__class__", DISGUISED))
kind("a threshold of images of two values", ANOTHER, TWO_VALUES, images=_untraced(lambda x: (x > 0.5).float()))
kind(
    "divided by the brightest pixel",
    ANOTHER,
    other=OTHER * 0.3,
    images=_untraced(lambda x: x / x.amax((1, 2, 3), keepdim=True)),
)
kind("dark images are another case", ANOTHER, images=_untraced(lambda x: x + 0.5 * (x.amax((1, 2, 3), True) < 0.2)))
kind("a pixel that decides", ANOTHER, images=_untraced(lambda x: torch.where(x[:, :, :1, :1] > 0.98, 1 - x, x)))
kind("no number", ANOTHER, images=_untraced(lambda x: torch.where(x[:, :, :1, :1] > 0.98, x * float("nan"), x)))
KINDS["the model is called otherwise"] = Kind(_CalledOtherwise, ANOTHER, DARK)

# ------------------------------------------------------------------ the number of images
kind("one image alone", "to one image alone", images=_untraced(lambda x: x * 0.5 if len(x) == 1 else x))
kind("more images than 64", ANOTHER, images=_untraced(lambda x: x * 0.5 if len(x) > 64 else x))
kind(
    "the mean of the images",
    ANOTHER,
    images=_untraced(lambda x: x - x.mean(0, keepdim=True) + GIVEN.mean(0, keepdim=True)),
)
kind("divided by their number", "needs a number or a per-channel buffer", images=lambda s, x: x / x.shape[0])
kind("a softmax over them", "over dimension 0", logits=lambda s, y: torch.softmax(y, 0))
kind("a bias for each of 64", r"\(64, 1, 1, 1\)", init=buffer(torch.randn(64, 1, 1, 1)), sums=lambda s, y: y + s.value)


# ------------------------------------------------------------------ modes and calls
def _partly_training(part: nn.Module) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        net: Any = Net().eval()
        net.conv2 = nn.Sequential(net.conv2, part)
        part.train()
        return net

    return make


class _CountsInABuffer(Net):
    seen: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def logits(self, y: torch.Tensor) -> torch.Tensor:
        self.seen += 1
        return y.roll(1, 1) if self.seen > 100 and isinstance(y, torch.Tensor) else y


class _Counts(Net):
    calls = 0

    def logits(self, y: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return y if self.calls < 100 else -y


class _Drifts(Net):
    mean: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1))

    def logits(self, y: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            self.mean.add_(1e-7)
        return y * (1 - self.mean)


class _CountsOnly(_Counts):
    def logits(self, y: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return y


class _NegatesInEval(Net):
    sign = 1

    def eval(self) -> Any:
        self.sign = -1
        return super().eval()

    def logits(self, y: torch.Tensor) -> torch.Tensor:
        return y * self.sign


KINDS |= {
    "a BatchNorm left in training": Kind(_partly_training(nn.BatchNorm2d(8)), "layers that are in training mode"),
    "a Dropout left in training": Kind(_partly_training(nn.Dropout(0.5)), "layers that are in training mode"),
    "other from the hundredth call": Kind(_Counts, "depends on 'calls', which every call changes"),
    "a buffer counts": Kind(_CountsInABuffer, "depends on 'seen'|depends on the data"),
    "a buffer drifts": Kind(_Drifts, "depends on 'mean', which every call changes"),
    "counts and does not read it": Kind(_CountsOnly),
    "eval() of its own": Kind(_NegatesInEval),
}
kind(
    "inference mode",
    "inference_mode",
    logits=lambda s, y: y.roll(1, 1) if torch.is_inference_mode_enabled() else y,
)
kind("autocast inside", ANOTHER, forward=lambda s, x: _in_bfloat16(s, x))


def _in_bfloat16(s: Any, x: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return Net.forward(s, x).float()


# ------------------------------------------------------------------ how modules hold layers
class _CopiesOtherwise(Net):
    def __deepcopy__(self, memo: Any) -> Any:
        net = Net()
        nn.init.normal_(net.conv1.weight)
        return net


class _Doubled(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        return out * 1.5 if func is F.relu else out


def _in_function_mode(s: Any, x: torch.Tensor) -> torch.Tensor:
    with _Doubled():
        return Net.forward(s, x)


def _graph(recompiled: bool) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        traced = torch.fx.symbolic_trace(Net())
        node = next(n for n in traced.graph.nodes if n.target == "conv2")
        with traced.graph.inserting_after(node):
            negated = traced.graph.call_function(torch.neg, (node,))
        node.replace_all_uses_with(negated)
        negated.args = (node,)
        if recompiled:
            traced.recompile()
        return traced

    return make


def _other_weights(s: Any, pruned: bool) -> None:
    conv(s)
    if pruned:
        prune.l1_unstructured(s.conv3, "weight", 0.5)
    else:
        nn.utils.weight_norm(s.conv3)
    with torch.no_grad():
        held = s.conv3.weight_orig if pruned else s.conv3.weight_g
        held.mul_(torch.linspace(-2, 2, len(held)).view(-1, 1, 1, 1))


def _changed_later(**changes: Any) -> Callable[[Any], None]:
    def init(s: Any) -> None:
        conv(s)
        for key, value in changes.items():
            setattr(s.conv3, key, value)

    return init


def _class_around(s: Any) -> None:
    s.conv3 = type("Conv", (nn.Conv2d,), {"_call_impl": lambda c, *a: -nn.Module._call_impl(c, *a)})(8, 8, 1)


def fired(s: Any, y: torch.Tensor) -> torch.Tensor:
    return s.relu1(s.conv3(y))


kind("another forward, bound", ANOTHER, init=lambda s: setattr(s, "forward", functools.partial(_in_function_mode, s)))
kind("a function mode", ANOTHER, forward=_in_function_mode)
kind("a conv that is called otherwise", init=_class_around, middle=fired)
kind("old weight norm, changed since", init=lambda s: _other_weights(s, pruned=False), middle=fired)
kind(
    "forward past the hook of pruning",
    ANOTHER,
    init=lambda s: _other_weights(s, pruned=True),
    middle=lambda s, y: s.relu1(s.conv3.forward(y)),
)
kind("a dilation set later", init=_changed_later(dilation=(2, 2), padding=(2, 2)), middle=fired)
kind(
    "a kernel set later", init=_changed_later(weight=nn.Parameter(torch.ones(8, 8, 1, 1) / 8), padding=0), middle=fired
)
kind("groups set later", init=_changed_later(weight=nn.Parameter(torch.ones(8, 1, 3, 3) / 9), groups=8), middle=fired)
kind(
    "a padding mode set later", "padding_mode 'replicate'", init=_changed_later(padding_mode="replicate"), middle=fired
)
kind(
    "weights of stride 0",
    init=_changed_later(weight=nn.Parameter(torch.ones(1, 8, 3, 3).expand(8, 8, 3, 3) / 72)),
    middle=fired,
)
kind("a recomputation", init=conv, middle=lambda s, y: checkpoint(functools.partial(fired, s), y, use_reentrant=False))
kind("a lazy layer", "has no shape yet", init=lambda s: setattr(s, "fc", nn.LazyLinear(10)))
kind("stubs of quantisation", init=lambda s: setattr(s, "conv2", torch.ao.quantization.QuantWrapper(s.conv2)))
kind(
    "layers in a plain list",
    "torch.fx cannot trace it",
    init=lambda s: setattr(s, "more", [nn.BatchNorm2d(8)]),
    sums=lambda s, y: s.more[0](y),
)
kind("a lock in it", "attribute 'lock'", init=lambda s: setattr(s, "lock", threading.Lock()))
KINDS |= {
    "a copy that differs": Kind(_CopiesOtherwise, ANOTHER),
    "an edited graph": Kind(_graph(recompiled=True)),
    "an edited graph that was not compiled": Kind(_graph(recompiled=False), ANOTHER),
}


# ------------------------------------------------------------------ shapes that fit by chance, and arguments
def _wide(s: Any) -> None:
    s.pool, s.fc = nn.Identity(), nn.Linear(512, 10)
    s.register_buffer("value", torch.randn(8))


class _Rows(Net):
    conv1: Any
    conv2: Any
    pool: Any

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.pool = nn.Conv1d(8, 8, 3, padding=1), nn.Conv1d(8, 16, 3, padding=1), nn.Identity()

    def images(self, x: torch.Tensor) -> torch.Tensor:
        return x.squeeze(1)


def _half_linear(s: Any) -> None:
    s.fc = nn.Linear(64, 10)


def _written_after_an_alias(s: Any, y: torch.Tensor) -> torch.Tensor:
    kept = y.detach()
    y.mul_(-1)
    return kept


def _sum_with_what_fired(s: Any, y: torch.Tensor) -> torch.Tensor:
    z = s.conv3(y)
    w = F.relu(z, inplace=True)
    return s.relu1(s.conv3(w) + z)


def _norm(s: Any) -> None:
    s.norm = nn.BatchNorm2d(8)
    with torch.no_grad():
        s.norm.weight.copy_(torch.linspace(-1, 1, 8))
        s.norm.running_mean.fill_(0.1)


class _Rounds(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return (x * 3).round() / 3


kind("a vector along the width", r"\(8,\) is not one number per channel", init=_wide, sums=lambda s, y: y * s.value)
kind("a number per channel", init=_wide, sums=lambda s, y: y * s.value[:, None, None])
KINDS["rows as channels"] = Kind(_Rows, "not a Flatten")
kind(
    "a pool over the features",
    "follows a Flatten",
    init=_half_linear,
    features=lambda s, y: F.avg_pool1d(y.flatten(1), 2),
)
kind("alpha of a sum", "alpha", init=conv, middle=lambda s, y: s.relu1(torch.add(s.conv3(y), y, alpha=0.3)))
kind("zeros before a maximum", "pads with 0", sums=lambda s, y: F.max_pool2d(F.pad(y, (1, 0, 1, 0)), 2, 1))
kind("padding of a maximum", sums=lambda s, y: F.max_pool2d(y, 3, 1, 1))
kind(
    "a negative norm after a maximum", "do not commute", init=_norm, sums=lambda s, y: s.norm(F.max_pool2d(y, 3, 1, 1))
)
kind("a norm before padding", "its rim differs", init=_norm, middle=lambda s, y: s.norm(y))
kind("a normalisation before padding", images=lambda s, x: (x - 0.4) / 0.2)
kind(
    "an even kernel, same",
    init=lambda s: setattr(s, "conv3", nn.Conv2d(8, 8, 2, padding="same", dilation=3)),
    middle=fired,
)
kind("written after an alias", sums=_written_after_an_alias)
kind("a sum with what fired in place", init=conv, middle=_sum_with_what_fired)
kind(
    "to the type of integers",
    ANOTHER,
    init=buffer(torch.ones(1, dtype=torch.long)),
    middle=lambda s, y: (y * 4).to(s.value).float(),
)
kind("layers called by keyword", middle=lambda s, y: s.relu1(input=s.conv3(input=y)), init=conv)
kind("a negative temperature", logits=lambda s, y: y / -2)
kind("a dropout of everything", ANOTHER, logits=lambda s, y: F.dropout(y, 1.0, training=True))
kind("permuted classes", "getitem", logits=lambda s, y: y[:, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]])
kind("a function with a gradient of its own", "round", middle=lambda s, y: _Rounds.apply(y))
kind("channels in another order", "getitem", pictures(0, 3), pictures(1, 3), images=lambda s, x: x[:, [2, 1, 0]])


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_never_another_function(name: str) -> None:
    """Refused in one line by its cause, or the function that the user's own call has on other images."""
    made = KINDS[name]
    model = made.make()
    training = model.training and not name.endswith("left in training")
    model = model.eval() if training else model
    if made.refused:
        with pytest.raises(VolleyError, match=made.refused) as said:
            convert(model, made.given.numpy(), timesteps=8, weight_bits=8, percentile=100)
        assert "\n" not in str(said.value)
        return
    network = convert(model, made.given.numpy(), timesteps=8, weight_bits=8, percentile=100)
    with torch.no_grad():
        want = model(made.other.clone()).double().numpy()
    got = network.run(made.other.numpy()) * network.logit_scale
    assert np.corrcoef(got.ravel(), want.ravel())[0, 1] > 0.99
    assert np.abs(got - want).max() < 0.15 * np.abs(want - want.mean(0)).max()


@contextlib.contextmanager
def _hook_of_all(hook: Callable[..., Any]) -> Iterator[None]:
    handle = nn.modules.module.register_module_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def test_a_hook_of_all_modules_that_no_image_shows() -> None:
    hook = _hook_of_all(lambda m, args: (args[0].clamp(max=0.35),) if type(m) is Net else None)
    with hook, pytest.raises(VolleyError, match=ANOTHER):
        convert(Net(), DARK.numpy())


def test_draws_that_decide_rarely_are_said() -> None:
    net: Any = Net().eval()
    net.logits = types.MethodType(lambda s, y: y * 0 if random.random() < 1e-9 else y, net)
    with pytest.warns(UserWarning, match=r"draws random numbers in eval\(\)"):
        convert(net, GIVEN.numpy())


@pytest.mark.parametrize("make", [_CountsOnly, _Drifts, _partly_training(nn.BatchNorm2d(8))])
def test_the_numbers_of_a_model_are_left_as_they_were(make: Callable[[], nn.Module]) -> None:
    net: Any = make()
    net.calls = 0
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with contextlib.suppress(VolleyError):
        convert(net, GIVEN.numpy())
    assert net.calls == 0
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
