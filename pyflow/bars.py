# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The one kind of progress bar: on stderr where that is a terminal, once something takes long, gone when it is done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

DELAY_S = 1.0


def bar(
    title: str, unit: str, total: int | None = None, over: Iterable[Any] | None = None, *, before: int = 0
) -> tqdm[Any]:
    """A bar to iterate (`over`), or to update() within `with`. total: units in all, None where nobody knows. before: of
    them, those that were done earlier."""
    from tqdm import tqdm

    return tqdm(
        over, desc=title, unit=f" {unit}", total=total, initial=before, disable=None, delay=DELAY_S, leave=False
    )
