# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""A user's model from `my_net.py:build` and its weights from a .safetensors (or .pt) file."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from torch import nn

from pyflow.errors import VolleyError
from pyflow.frontends.causes import place
from pyflow.frontends.checkpoint import load_weights, short
from pyflow.graph import Network


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
        except (Exception, SystemExit) as e:
            raise VolleyError(f"{path}: fails on import ({_said(e)})") from e
        build = getattr(module, function, None)
        if not callable(build):
            raise VolleyError(f"{path}: has no function {function!r}; define {function}() that returns the nn.Module")
        try:
            model = build()
        except (Exception, SystemExit) as e:
            raise VolleyError(f"{path}: {function}() fails ({_said(e)})") from e
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
    model.eval()
    return model


def _said(e: BaseException) -> str:
    """What the user's code raised, and at which of its lines."""
    text = f"SystemExit: it calls sys.exit({e.code!r})" if isinstance(e, SystemExit) else short(e)
    where = place(e).rstrip(": ")
    return f"{text}; {where}" if where else text
