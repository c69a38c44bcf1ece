# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What Volley itself reads of a network's meta, which is free otherwise (docs/formats.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHARES = ("accuracy_float", "accuracy_finetuned", "accuracy_snn")
MAX_CYCLES = 2**40


def complaint(meta: Mapping[str, Any]) -> str:
    """What is wrong with the keys that Volley reads; empty where nothing is."""
    for key in SHARES:
        if meta.get(key) is not None and not _share(meta[key]):
            return f"{key} = {_shown(meta[key])} must be a share from 0 to 1, or null"
    if not isinstance(meta.get("data", ""), (str, type(None))):
        return f"data = {_shown(meta['data'])} must be a name"
    cycles = meta.get("cycles_per_frame")
    if cycles is not None and not (type(cycles) is int and 1 <= cycles <= MAX_CYCLES):
        return f"cycles_per_frame = {_shown(cycles)} must be an integer from 1 to {MAX_CYCLES}"
    rates = meta.get("nonzero", {})
    if not isinstance(rates, Mapping):
        return f"nonzero = {_shown(rates)} must be an object: by layer mean, max and steps"
    for name, rate in rates.items():
        shares = isinstance(rate, Mapping) and _share(rate.get("mean")) and _share(rate.get("max"))
        if not shares or type(rate.get("steps")) is not int or rate["mean"] > rate["max"] * (1 + 1e-9):
            return f"nonzero of {name!r} = {_shown(rate)} must have mean and max, shares from 0 to 1, and steps"
    return ""


def _share(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
