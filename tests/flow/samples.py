# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Which of many alike cases every run takes, and which wait for `make test-long`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest


def some(few: int | Collection[int], many: int) -> list[Any]:
    """Seeds 0 to `many` - 1 for parametrize: those of `few`, or so many first ones, always; the rest marked long."""
    always = range(few) if isinstance(few, int) else few
    return [seed if seed in always else pytest.param(seed, marks=pytest.mark.long) for seed in range(many)]
