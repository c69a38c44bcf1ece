# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A model without what its training left in it: masks of pruning, norms of weights, parametrizations, fake quantisers.

Each is a way to hold a weight, so the plain layer with that weight computes the same. Rounding of activations by
torch.ao's fake quantisers is left out: Volley rounds them itself.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from pyflow.errors import VolleyError

AO = "torch.ao."
RANGES = ("FakeQuantizeBase", "ObserverBase")  # what torch.ao puts on activations and weights


def duplicate(model: nn.Module) -> nn.Module:
    """copy.deepcopy, which refuses what autograd made; that is copied by its values here."""
    derived = (v for m in model.modules() for v in vars(m).values() if isinstance(v, torch.Tensor) and not v.is_leaf)
    return copy.deepcopy(model, {id(tensor): tensor.detach().clone() for tensor in derived})


def plain(model: nn.Module) -> nn.Module:
    """The same function in plain layers. model: in eval(); it is changed.

    Raises VolleyError where a fake-quantised layer has no plain form.
    """
    with torch.no_grad():
        for module in list(model.modules()):
            _bake(module)
        if is_fake_quantised(model):
            _rest(model)
            model = _without_fake_quantisers(model, "")
    return model


def _bake(module: nn.Module) -> None:
    """Weights as forward() of `module` would work them out now."""
    for hook in list(module._forward_pre_hooks.values()):
        if isinstance(hook, prune.BasePruningMethod):
            prune.remove(module, hook._tensor_name)
        elif isinstance(hook, WeightNorm):
            nn.utils.remove_weight_norm(module, hook.name)
        elif isinstance(hook, SpectralNorm):
            nn.utils.remove_spectral_norm(module, hook.name)
    if parametrize.is_parametrized(module):
        held: Any = module._modules.pop("parametrizations")
        values = {name: held[name]() for name in held}
        module.__class__ = type(module).__bases__[0]  # torch's own removal changes the class, which the user's shares
        for name, value in values.items():
            setattr(module, name, nn.Parameter(value))


# ------------------------------------------------------------------ fake quantisers of torch.ao
def is_fake_quantised(model: nn.Module) -> bool:
    return any(_is_range(module) for module in model.modules())


def without_rounding(model: nn.Module) -> nn.Module:
    """A copy of a fake-quantised model that rounds its weights, and not its activations; any other model itself."""
    if not is_fake_quantised(model):
        return model
    model = duplicate(model)
    _rest(model)
    return model


def _rest(model: nn.Module) -> None:
    """No quantiser follows what it sees any more, and those of activations do not round."""
    for path, module in model.named_modules():
        if _is_range(module):
            weights = path.endswith("weight_fake_quant")
            for flag in ("observer_enabled",) if weights else ("observer_enabled", "fake_quant_enabled"):
                if hasattr(module, flag):
                    getattr(module, flag).zero_()


def _is_range(module: nn.Module) -> bool:
    kinds = (c for c in type(module).__mro__ if c.__module__.startswith(AO))
    return any(c.__name__ in RANGES for c in kinds)


def _without_fake_quantisers(module: nn.Module, path: str) -> nn.Module:
    if _is_range(module):
        return nn.Identity()
    for hooks in (module._forward_hooks, module._forward_pre_hooks):
        for key, hook in list(hooks.items()):
            if getattr(hook, "__module__", "").startswith(AO):
                del hooks[key]
    if isinstance(quantiser := module._modules.get("weight_fake_quant"), nn.Module):
        return _plain_layer(module, quantiser, path)
    for name, child in module.named_children():
        module._modules[name] = _without_fake_quantisers(child, f"{path}.{name}".lstrip("."))
    return module


def _plain_layer(module: Any, quantiser: Callable[[torch.Tensor], torch.Tensor], path: str) -> nn.Module:
    """A layer of torch.ao.nn.qat or torch.ao.nn.intrinsic.qat, with its weight as it rounds it."""
    what = f"layer {path!r} ({type(module).__name__})"
    if not hasattr(module, "to_float"):
        raise VolleyError(f"{what}: is fake-quantised in a way without a plain form; give the float model")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            layer: nn.Module = module.to_float()
    except Exception as e:
        cause = str(e).partition("\n")[0]
        raise VolleyError(f"{what}: torch.ao gives no plain layer of it ({cause}); give the float model") from None
    holder: Any = layer[0] if isinstance(layer, nn.Sequential) else layer
    holder.weight = nn.Parameter(quantiser(holder.weight))
    return layer.eval()
