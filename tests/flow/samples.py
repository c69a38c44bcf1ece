# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Which of many alike cases every run takes, and which wait for `make test-long`."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

import pytest

FIRST = int(os.environ.get("SEED") or 100)  # of a campaign's random cases: another one, other cases


def campaign(count: int) -> range:
    """Seeds of `make test-long`, from SEED on; those below 100 are for every run."""
    return range(FIRST, FIRST + count)


def some(few: int | Collection[int], many: int) -> list[Any]:
    """Seeds 0 to `many` - 1, and those of `few`, for parametrize: these, or so many first ones, always; the rest marked
    long."""
    always = range(few) if isinstance(few, int) else few
    seeds = sorted({*range(many), *always})
    return [seed if seed in always else pytest.param(seed, marks=pytest.mark.long) for seed in seeds]
