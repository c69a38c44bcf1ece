# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A user's model from `my_net.py:build` and its weights from a .safetensors (or .pt) file."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import torch
from torch import nn

from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.reading import check_weights

SHOWN = 4  # names listed in a message


def load_model(spec: str, weights: str | os.PathLike[str] | None = None) -> nn.Module | Network:
    """Call `build()` of `my_net.py:build` and load the weights into what it returns, in eval mode.

    An integer Network is returned as it is; it has its weights.

    The Python file is the user's own code and is executed; the weights file never executes anything.
    A model may state `input_shape = (C, H, W)` or `(C, L)` as an attribute.
    Raises VolleyError if the file, the function, the module or the weights are wrong.
    """
    file, _, function = spec.rpartition(":")
    if not file or not function.isidentifier():
        raise VolleyError(f"model {spec!r}: is not FILE.py:FUNCTION, for example my_net.py:build")
    path = Path(file)
    if not path.is_file():
        raise VolleyError(f"{path}: no such file; give FILE.py:FUNCTION")
    module_name = f"_volley_user_{path.stem}"
    loader = importlib.util.spec_from_file_location(module_name, path)
    if loader is None or loader.loader is None:
        raise VolleyError(f"{path}: is not a Python file; give FILE.py:FUNCTION")
    module = importlib.util.module_from_spec(loader)
    sys.modules[module_name] = module  # dataclasses and pickling of classes defined there look it up
    sys.path.insert(0, str(path.resolve().parent))  # its own imports, as if it were run
    try:
        try:
            loader.loader.exec_module(module)
        except Exception as e:
            raise VolleyError(f"{path}: fails on import ({_short(e)})") from e
        build = getattr(module, function, None)
        if not callable(build):
            raise VolleyError(f"{path}: has no function {function!r}; define {function}() that returns the nn.Module")
        try:
            model = build()
        except Exception as e:
            raise VolleyError(f"{path}: {function}() fails ({_short(e)})") from e
    finally:
        sys.path.remove(str(path.resolve().parent))
    if isinstance(model, Network):
        return model
    if not isinstance(model, nn.Module):
        raise VolleyError(
            f"{path}: {function}() returns {type(model).__name__}, needs a torch.nn.Module or a pyflow.Network"
        )
    if weights is not None:
        load_weights(model, weights)
    return model.eval()


def load_weights(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Load a state dict (.safetensors, or .pt/.pth without pickled code); every name and shape must match."""
    path = Path(path)
    if not path.is_file():
        raise VolleyError(f"{path}: no such file; give weights as .safetensors (or a state_dict in .pt)")
    check_weights(path, "save model.state_dict() again, as .safetensors")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            state = load_file(path)
        except (SafetensorError, OSError, ValueError) as e:
            raise VolleyError(f"{path}: not a readable safetensors file ({_short(e)}); save it again") from None
    elif path.suffix in (".pt", ".pth"):
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as e:
            hint = "save model.state_dict(), better as .safetensors"
            raise VolleyError(
                f"{path}: not a state dict that loads without executing code ({_short(e)}); {hint}"
            ) from None
    else:
        raise VolleyError(f"{path}: unknown kind {path.suffix!r} of weights; use .safetensors, .pt or .pth")
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise VolleyError(f"{path}: is not a dictionary of tensors; save model.state_dict()")
    own = model.state_dict()
    problems = []
    missing = sorted(k for k in own.keys() - state.keys() if not k.endswith("num_batches_tracked"))  # no weight
    unexpected = sorted(state.keys() - own.keys())
    if missing:
        problems.append(f"missing {_names(missing)}")
    if unexpected:
        problems.append(f"unexpected {_names(unexpected)}")
    wrong = [
        f"{k} {tuple(state[k].shape)} for {tuple(own[k].shape)}"
        for k in sorted(own.keys() & state.keys())
        if own[k].shape != state[k].shape
    ]
    if wrong:
        problems.append(f"wrong shape {_names(wrong)}")
    if problems:
        raise VolleyError(f"{path}: does not fit the model: {'; '.join(problems)}")
    model.load_state_dict(state, strict=False)


def _names(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _short(e: BaseException) -> str:
    text = " ".join(str(e).split())
    return f"{type(e).__name__}: {text[:160]}" if text else type(e).__name__
