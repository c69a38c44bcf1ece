# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Is the captured float graph the function of the user's own module? A few calibration samples tell, and probes of the
whole range of pixels. The module is called as its user calls it: hooks, subclasses and all."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import nn

from pyflow.conversion.probes import State, draws, samples
from pyflow.conversion.torch_blocks import float_values
from pyflow.errors import VolleyError
from pyflow.frontends.causes import unwrapped
from pyflow.frontends.checkpoint import short
from pyflow.frontends.plain import duplicate, without_rounding
from pyflow.model.graph import FloatNetwork, FloatSquash
from pyflow.model.order import spiking_form

ROUNDING = 1000  # units in the last place, of the largest value of a layer: what float arithmetic may differ by
CANCELLATION = 10.0  # times what the captured graph itself loses in float32
CHANGED = (
    "something changes it or what it reads (a hook, a subclass, a replaced forward, a statement in place): give a "
    "plain layer with those weights"
)
CAPTURED = (
    "is not that of the layers which were captured, by up to {off:.3g}; something outside of them changes it (a hook, "
    "a replaced forward, values that depend on the data)"
)
ALONE = "to one image alone is not that in a batch, by up to {off:.3g}; remove what depends on the number of images"
INFERRED = "in torch.inference_mode() is not that in no_grad(), by up to {off:.3g}; remove what depends on the mode"
MODES = (
    "changes by up to {off:.3g} with layers that are in training mode, while the model is in eval(); call model.eval() "
    "for all of it, or model.train()"
)


def check_function(model: nn.Module, network: FloatNetwork, images: np.ndarray) -> None:
    """Raises VolleyError where `network`, which was traced from `model`, is not its function in eval(). The first layer
    that differs is named. Raises it too where the model's answer depends on more than the image: calls, a batch, modes.

    images: float32 [N, C, H, W] or [N, C, L] in [0, 1]; the first 64 are taken. `model` is left as it was.
    """
    images = samples(images)
    model = without_rounding(unwrapped(model))
    x = torch.from_numpy(images)
    first = next(model.parameters(), x)
    if first.dtype not in (torch.float32, torch.float64) or first.device.type != "cpu":
        model, first = duplicate(model).cpu().float(), x  # of the same weights, but without their rounding
    x = x.to(first.dtype)
    labels = [layer.label for layer in network.layers if layer.module]
    state = State(model)
    try:
        as_found = _answer_as_found(model, x)
        state.restore()  # of the statistics that this call has changed
        with _evaluated(model), torch.no_grad():
            seen, answer = _answer(model, x, {label for label in labels if labels.count(label) == 1})
            _check_calls(model, network.name, x, answer)
            alone = _answer(model, x[:1], set())[1]
            with torch.inference_mode():
                inferred = _answer(model, x[:1], set())[1].clone()
    finally:
        state.restore()
    last, limit = compared(network, images, seen, CHANGED)
    for got, want, cause in (
        (answer, last, CAPTURED),
        (alone, last[:1], ALONE),
        (inferred, alone, INFERRED),
        (answer if as_found is None else as_found, answer, MODES),
    ):
        check_answer(network, got, want, limit, cause)


def compared(
    network: FloatNetwork, images: np.ndarray, seen: Mapping[str, torch.Tensor], cause: str
) -> tuple[torch.Tensor, float]:
    """(the answer of `network`, by how much rounding may move it). Raises VolleyError where a layer gives other values
    than its model's, or the order for spikes changes them.

    seen: the model's values, by label of the layers that are compared. cause: why they may differ, and what to do.
    """
    values, rounding = float_values(network, images), _Rounding(network, images)
    for layer in (x for x in network.layers if x.module and x.label in seen):
        off = _difference(seen[layer.label], values[layer.name])
        if off is not None and off > rounding.of(layer.name, values):
            raise layer.fail(f"gives other values than its kind does, by up to {off:.3g}; {cause}")
    last, form = values[network.layers[-1].name], spiking_form(network)
    ordered = float_values(form, images)[form.layers[-1].name].float()
    if (off := _difference(ordered, values[_logits(network)])) is not None:
        raise VolleyError(f"model {network.name!r}: the order for spikes changes it by {off:.3g}; a mistake of ours")
    return last, rounding.of(network.layers[-1].name, values)


def check_answer(network: FloatNetwork, got: torch.Tensor, want: torch.Tensor, limit: float, cause: str) -> None:
    """Raises VolleyError where an answer is off by more than `limit`. cause: the message, with {off}."""
    off = _difference(got, want)
    if off is not None and off > limit:
        raise VolleyError(f"model {network.name!r}: its answer {cause.format(off=off)}")


def _answer_as_found(model: nn.Module, x: torch.Tensor) -> torch.Tensor | None:
    """The answer of a model whose layers are partly in training mode, while the model itself is not."""
    if model.training or not any(module.training for module in model.modules()):
        return None
    with torch.no_grad():
        return _answer(model, x, set())[1]


def _check_calls(model: nn.Module, name: str, x: torch.Tensor, answer: torch.Tensor) -> None:
    """Raises VolleyError where a later call gives another answer: the next one, or one that its numbers lead to."""
    state, drawn = State(model), draws()
    again = _answer(model, x, set())[1]
    if (change := _difference(again, answer)) is not None:
        raise VolleyError(
            f"model {name!r}: its answer changes from call to call, by {change:.3g}; remove what is random or counts "
            "calls (dropout that is always on)"
        )
    if draws() != drawn:
        warnings.warn(
            f"model {name!r}: draws random numbers in eval(); what they decide rarely is not converted, so remove it",
            stacklevel=5,
        )
    if names := state.changed():
        try:
            state.move_on(names)
            later = _answer(model, x, set())[1]
        finally:
            state.restore()
        if _difference(later, answer) is not None:
            raise VolleyError(
                f"model {name!r}: its answer depends on {next(iter(names))!r}, which every call changes; keep that as "
                "it is in eval()"
            )


class _Rounding:
    """What float32 makes of a network where large values cancel: far more than units of the result."""

    def __init__(self, network: FloatNetwork, images: np.ndarray) -> None:
        self.network, self.images = network, images
        self.values: dict[str, torch.Tensor] = {}

    def of(self, name: str, exact: Mapping[str, torch.Tensor]) -> float:
        """The largest difference that rounding explains at a layer."""
        self.values = self.values or float_values(self.network, self.images, torch.float32)
        off = (self.values[name].double() - exact[name]).abs()
        return CANCELLATION * float(off.max()) if off.numel() else 0.0


def _logits(network: FloatNetwork) -> str:
    """The name of what gives the logits: in front of a softmax."""
    layer = network.layers[-1]
    return layer.source if isinstance(layer, FloatSquash) else layer.name


def _answer(model: nn.Module, x: torch.Tensor, labels: set[str]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """(outputs of the modules named `labels` that were called once, the model's answer)."""
    seen: dict[str, list[torch.Tensor]] = {label: [] for label in labels}

    def keep(label: str) -> object:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, torch.Tensor):
                seen[label].append(output.detach().clone())  # what follows may work in place

        return hook

    modules = dict(model.named_modules())
    hooks = [modules[label].register_forward_hook(keep(label)) for label in labels if label in modules]
    try:
        answer = model(x.clone())
    except (Exception, SystemExit) as e:
        name = type(model).__name__
        raise VolleyError(f"model {name!r}: fails on images {tuple(x.shape)} ({short(e)})") from None
    finally:
        for handle in hooks:
            handle.remove()
    if not isinstance(answer, torch.Tensor):
        raise VolleyError(
            f"model {type(model).__name__!r}: returns {type(answer).__name__}, needs one tensor of logits"
        )
    return {label: found[0] for label, found in seen.items() if len(found) == 1}, answer.detach().clone()


def _difference(got: torch.Tensor, want: torch.Tensor) -> float | None:
    """The largest difference, where it is beyond float rounding; infinite where sizes differ, or one is no number."""
    left, right = (t.detach().cpu().to(torch.float64).flatten() for t in (got, want))
    if left.shape != right.shape:
        return float("inf")
    if not left.numel():
        return None
    off, largest = float((left - right).abs().max()), float(right.abs().max())
    if not math.isfinite(off + largest):  # equal infinities are no difference, and no numbers on both sides
        same = (left == right) | (left.isnan() & right.isnan())
        off = float((left - right).abs().masked_fill(same, 0.0).nan_to_num(float("inf")).max())
        largest = float(right.abs().masked_fill(~right.isfinite(), 0.0).max())
    kind = got.dtype if got.dtype.is_floating_point else torch.float32
    return None if off <= ROUNDING * torch.finfo(kind).eps * largest else off


@contextlib.contextmanager
def _evaluated(model: nn.Module) -> Iterator[None]:
    """`model` in eval(), and as it was afterwards."""
    training = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, was in training:
            module.training = was
