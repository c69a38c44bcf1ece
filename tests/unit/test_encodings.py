# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""docs/numerics.md says which operator reads which encoding: held against what the operators take."""

import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from pyflow.errors import VolleyError
from pyflow.operators import OPERATORS, Encoding, Operator, Tensor

PAGE = Path(__file__).resolve().parents[2] / "docs" / "numerics.md"
GIVEN = {
    "steps": 4,
    "kernel": (1, 1),
    "weight": np.ones((2, 2, 1, 1)),
    "theta": [2, 2],
    "bias": [0, 0],
    "multiplier": [1, 1],
}
BOUND = {Encoding.PIXEL: 255, Encoding.SIGNAL: 255, Encoding.RADIX: 15, Encoding.COUNT: 9, Encoding.POTENTIAL: 9}


def tensors(encoding: Encoding, name: str) -> list[Tensor]:
    """A static one and one over time; not every encoding has both, so neither has to be taken."""
    steps = 4 if encoding is Encoding.RADIX else 8
    static = Tensor(name, (2, 1, 1), encoding, 1 if encoding is Encoding.POTENTIAL else steps, BOUND.get(encoding, 1))
    return [static, Tensor(name, (2, 1, 1), encoding, steps, BOUND.get(encoding, 1), timed=True, block=steps)]


def instance(kind: type[Operator]) -> Operator:
    given: dict[str, Any] = {name: value for name, value in GIVEN.items() if name in kind.__dataclass_fields__}
    if kind.kind == "encode_delta":
        given["theta"] = 3
    if kind.kind == "depthwise":
        given["weight"] = np.ones((2, 1, 1, 1))
    return kind("op", ("a", "b")[: kind.operands], **given)


def reads(op: Operator) -> set[Encoding]:
    """Encodings that an operand may have, beside some other operand."""
    found = set()
    for encodings in product(Encoding, repeat=op.operands):
        for operands in product(*(tensors(e, n) for e, n in zip(encodings, "ab", strict=False))):
            try:
                op.infer(*operands)
            except VolleyError:
                continue
            found |= set(encodings)
    return found


def test_the_table_of_encodings_is_what_the_operators_take() -> None:
    rows = re.findall(r"^\| (\w+) \| [^|]+ \| ([^|]+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    table = {name: set(re.findall(r"`(\w+)`", cell)) for name, cell in rows if name in set(Encoding)}
    taken: dict[str, set[str]] = {encoding.value: set() for encoding in Encoding}
    for name, kind in OPERATORS.items():
        for encoding in reads(instance(kind)):
            taken[encoding.value].add(name)
    assert table == taken
