# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Which function lowers which operator."""

from __future__ import annotations

from collections.abc import Callable

from pyflow.errors import VolleyError
from pyflow.operators import OPERATORS, Operator
from pyflow.planning.netlist import Stream

Lowering = Callable[..., Stream]  # (builder, operator, *operands) -> the operator's stream
LOWERINGS: dict[type[Operator], Lowering] = {}


def lowers(*kinds: type[Operator]) -> Callable[[Lowering], Lowering]:
    """Registers the function that makes the instances of operators of these kinds, which network files then have
    too. Raises VolleyError where another operator has a kind already."""

    for kind in kinds:
        if not kind.kind or OPERATORS.get(kind.kind, kind) is not kind:
            raise VolleyError(f"operator {kind.__name__}: its kind {kind.kind!r} is empty or taken; choose another")

    def register(function: Lowering) -> Lowering:
        LOWERINGS.update(dict.fromkeys(kinds, function))
        OPERATORS.update({kind.kind: kind for kind in kinds})
        return function

    return register
