# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Which function lowers which operator."""

from __future__ import annotations

from collections.abc import Callable

from pyflow.operators import OPERATORS, Operator
from pyflow.planning.netlist import Stream

Lowering = Callable[..., Stream]  # (builder, operator, *operands) -> the operator's stream
LOWERINGS: dict[type[Operator], Lowering] = {}


def lowers(*kinds: type[Operator]) -> Callable[[Lowering], Lowering]:
    """Registers the function that makes the instances of operators of these kinds, which network files then have
    too."""

    def register(function: Lowering) -> Lowering:
        LOWERINGS.update(dict.fromkeys(kinds, function))
        OPERATORS.update({kind.kind: kind for kind in kinds})
        return function

    return register
