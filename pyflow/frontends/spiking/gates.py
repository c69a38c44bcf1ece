# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Functions of activations that only spikes have: their product, and 1 - x (AND and IAND of SEW-ResNet)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pyflow.frontends import torch_functions as functions
from pyflow.frontends.builder import Activations, Builder, fail
from pyflow.frontends.torch_functions import Call
from pyflow.model.spiking import FloatGate


def _product(b: Builder, c: Call) -> None:
    """x * y of two activations."""
    streams = [v for v in (*c.args, *c.kwargs.values()) if isinstance(v, Activations)]
    if len(streams) != 2 or streams[0] is streams[1]:
        raise fail(c.name, c.called, "multiplies activations with themselves; leave the product out")
    b.join(FloatGate, c.name, streams)


def _from(b: Builder, c: Call) -> None:
    """a - x: what Tensor.__rsub__(x, a) and torch.rsub(x, a) are."""
    value = next((v for v in (*c.args, *c.kwargs.values()) if isinstance(v, int | float)), None)
    if value is None:
        raise fail(c.name, c.called, "is subtracted from no number; use 1 - x")
    b.affine(c.name, c.called, np.array([-1.0]), np.array([float(value)]), named=False)


FUNCTIONS: dict[str, Callable[[Builder, Call], None]] = {**functions.FUNCTIONS, "rsub": _from}
JOINS: dict[str, Callable[[Builder, Call], None]] = {
    **functions.JOINS,
    **dict.fromkeys(("mul", "imul", "multiply"), _product),
}
