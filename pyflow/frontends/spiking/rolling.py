# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Rolls a recorded run up: the calls of one time step, which repeat in every step, and those before and after the loop.

A call belongs to a site, and a site that is called T times, or a multiple of it, is called in every step. Its arguments
are then the same ones in every step from the second on: outputs of other sites in this step or in the one before,
constants, or numbers that count the steps. The first step may have other ones, the start of a state.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from pyflow.errors import VolleyError
from pyflow.frontends.spiking.recording import Call, Constant, Given, Made, Recording, leaves, mapped

Key = tuple[str, int]  # a site, and which of its calls in a step


class _Step:
    """In the place of a number that is 0, 1, 2, ... from step to step."""

    def __repr__(self) -> str:
        return "STEP"


STEP = _Step()


@dataclass(frozen=True, slots=True)
class Ref:
    """Result `number` of the site `key` (STEP: as many as the step). delay: of a site that is called in every step,
    how many steps before; None of one that is called once. step: in which step, where no step reads it."""

    key: Key
    number: int | _Step
    delay: int | None = None
    step: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """What is called once, or in every step. first, later: (args, kwargs) in step 0 and in the others, with a Ref,
    Given or Constant in the place of a tensor."""

    key: Key
    call: Call
    every_step: bool
    first: tuple[Any, Any]
    later: tuple[Any, Any]

    def reads(self) -> list[Any]:
        """What it reads in a step that is not the first."""
        return [leaf for leaf in leaves(self.later) if isinstance(leaf, Ref | Given | Constant)]


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """steps: T of the recording. sites: in the order of their calls. output: what the run gives."""

    steps: int
    sites: dict[Key, Site]
    output: Any

    def refuse(self, site: Site, why: str) -> VolleyError:
        at = f" ({site.call.where})" if site.call.where else ""
        return VolleyError(f"layer {site.key[0].partition('@')[0]!r}: {why}{at}")


def roll(recording: Recording, steps: int) -> Body:
    """The calls of `recording`, whose neurons are called in `steps` steps.

    Raises VolleyError naming the site whose arguments are not the same ones in every step.
    """
    counts = Counter(call.site for call in recording.calls)
    places: list[tuple[Key, int | None]] = []  # of each call: its site, and its step
    seen: Counter[str] = Counter()
    for call in recording.calls:
        n, k = counts[call.site], seen[call.site]
        seen[call.site] += 1
        each = n // steps if steps > 1 and n % steps == 0 else 0
        places.append(((call.site, k % each), k // each) if each else ((call.site, k), None))

    def reference(source: Any, step: int | None) -> Any:
        """A Ref in the place of what a call made; anything else as it is."""
        if not isinstance(source, Made):
            return source
        key, made = places[source.call]
        if made is None:
            return Ref(key, source.number)
        if step is None:
            return Ref(key, source.number, step=made)
        return Ref(key, source.number, delay=step - made)

    calls: dict[Key, list[tuple[Any, Any]]] = defaultdict(list)
    of: dict[Key, Call] = {}
    for call, (key, step) in zip(recording.calls, places, strict=True):
        of.setdefault(key, call)
        calls[key].append(mapped((call.args, call.kwargs), partial(reference, step=step)))
    every = {key for key, step in places if step is not None}
    sites = {}
    for key, given in calls.items():
        site = Site(key, of[key], key in every, given[0], given[-1])
        sites[key] = _same(site, given) if key in every else site
    output = mapped(recording.output, partial(reference, step=None))
    body = Body(steps, sites, output)
    for site in sites.values():
        for ref in (leaf for leaf in site.reads() if isinstance(leaf, Ref)):
            if ref.delay is not None and not 0 <= ref.delay <= 1:
                raise body.refuse(
                    site, f"reads what was made {ref.delay} time steps before; only the last step is kept"
                )
    return body


def _same(site: Site, given: list[tuple[Any, Any]]) -> Site:
    """`site` with arguments that hold in every step. Raises VolleyError where there are none."""
    try:
        both = _unified(given, 0)
        return replace(site, first=both, later=both)
    except _Differ:
        pass
    try:
        return replace(site, later=_unified(given[1:], 1))
    except _Differ as e:
        name, _, line = site.key[0].partition("@")
        raise VolleyError(
            f"layer {name!r}: is called with other things from step to step ({e}); the loop over time must do the same "
            f"in every step{f' ({line})' if line else ''}"
        ) from None


class _Differ(Exception):
    pass


def _unified(values: list[Any], start: int) -> Any:
    """What stands in all of `values`, those of step `start` and the next ones."""
    first = values[0]
    if isinstance(first, tuple | list):
        if any(type(v) is not type(first) or len(v) != len(first) for v in values):
            raise _Differ("their number differs")
        parts = [_unified([v[i] for v in values], start) for i in range(len(first))]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    if isinstance(first, dict):
        if any(type(v) is not dict or v.keys() != first.keys() for v in values):
            raise _Differ("their names differ")
        return {key: _unified([v[key] for v in values], start) for key in first}
    if all(_alike(v, first) for v in values[1:]):
        return first
    if all(type(v) is int and v == start + i for i, v in enumerate(values)):
        return STEP
    if all(isinstance(v, Ref) and v == replace(first, number=start + i) for i, v in enumerate(values)):
        return replace(first, number=STEP)
    shown = [v for v in values[:2] if isinstance(v, int | float | str)]
    raise _Differ(f"first {shown[0]!r}, then {shown[1]!r}" if len(shown) == 2 else "other tensors")


def _alike(a: Any, b: Any) -> bool:
    if isinstance(a, Constant) and isinstance(b, Constant):
        equal = a.value.shape == b.value.shape and bool(torch.equal(a.value, b.value))
        return a.value is b.value or equal or _filled(a) == _filled(b) == 0  # a state that is not there yet is 0
    return bool(type(a) is type(b) and a == b)


# ------------------------------------------------------------------ two recordings
def first_difference(body: Body, other: Body) -> str:
    """Where two recordings of a network, with other data, batch size or T, are not the same loop; "" where they are."""
    for key, site in body.sites.items():
        if key not in other.sites:
            return f"layer {key[0]!r} is not called in another run"
        if not (_matches(site.first, other.sites[key].first) and _matches(site.later, other.sites[key].later)):
            return f"layer {key[0]!r} reads something else in another run"
    for key in other.sites:
        if key not in body.sites:
            return f"layer {key[0]!r} is only called in another run"
    return ""


@dataclass(frozen=True, slots=True)
class Batch:
    """In the place of a number that is so many times the batch size."""

    times: int


@dataclass(frozen=True, slots=True)
class Filled:
    """In the place of a constant whose shape follows the batch size: all its elements are `value`."""

    value: float
    shape: tuple[int | Batch, ...]
    dtype: torch.dtype


def of_any_batch(body: Body, other: Body, sizes: tuple[int, int]) -> Body:
    """`body` with what follows the batch size marked, where two recordings had those of `sizes`."""

    def general(a: Any, b: Any) -> Any:
        if isinstance(a, Constant) and isinstance(b, Constant) and a.value.shape != b.value.shape:
            shape = tuple(map(general, a.value.shape, b.value.shape))
            return Filled(_filled(a) or 0.0, shape, a.value.dtype) if len(shape) == a.value.ndim else a
        if isinstance(a, tuple | list) and len(a) == len(b):
            parts = [general(x, y) for x, y in zip(a, b, strict=True)]
            return type(a)(*parts) if hasattr(a, "_fields") else type(a)(parts)
        if isinstance(a, dict):
            return {key: general(value, b[key]) for key, value in a.items()}
        if type(a) is int and a != b and a % sizes[0] == 0 and a * sizes[1] == b * sizes[0]:
            return Batch(a // sizes[0])
        return a

    sites = {}
    for key, site in body.sites.items():
        twin = other.sites[key]
        first, later = general(site.first, twin.first), general(site.later, twin.later)
        sites[key] = replace(site, first=later if site.first is site.later else first, later=later)
    return replace(body, sites=sites)


def _matches(a: Any, b: Any) -> bool:
    """Alike, but for what follows the sizes of the data: numbers, filled tensors, lists of one thing from every
    step."""
    if isinstance(a, Constant) and isinstance(b, Constant):
        return _alike(a, b) or (_filled(a) is not None and _filled(a) == _filled(b))
    if isinstance(a, list) and isinstance(b, list) and _of_all_steps(a) and _of_all_steps(b):
        return bool(a[0].key == b[0].key and a[0].number == b[0].number)
    if isinstance(a, tuple | list):
        return type(a) is type(b) and len(a) == len(b) and all(map(_matches, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_matches(a[k], b[k]) for k in a)
    if isinstance(a, Ref) and isinstance(b, Ref):
        return replace(a, step=None) == replace(b, step=None)
    if type(a) is int and type(b) is int:
        return True  # a size: a wrong one shows in the replay
    return _alike(a, b)


def _filled(constant: Constant) -> float | None:
    """The one value that all its elements have."""
    flat = constant.value.reshape(-1)
    return float(flat[0]) if flat.numel() and bool((flat == flat[0]).all()) else (0.0 if not flat.numel() else None)


def _of_all_steps(values: list[Any]) -> bool:
    """A list of one site's result in step 0, 1, 2, ...?"""
    if not values or not all(isinstance(v, Ref) and v.step is not None for v in values):
        return False
    return all(v == replace(values[0], step=i) for i, v in enumerate(values))
