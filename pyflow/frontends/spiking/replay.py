# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Runs a rolled-up network as a loop, with the framework's own layers: the proof that it is the user's network."""

from __future__ import annotations

from typing import Any

import torch

from pyflow.errors import VolleyError
from pyflow.frontends.spiking.outputs import results
from pyflow.frontends.spiking.recording import Constant, Given, leaves, mapped, writes
from pyflow.frontends.spiking.rolling import STEP, Batch, Body, Filled, Key, Ref, Site


class Replay:
    """T steps of `body` on `x`, of the shape of the recording's sample. The states of the layers must be reset
    before, as before the recording."""

    def __init__(self, body: Body, x: torch.Tensor, batch: int) -> None:
        self.body, self.x, self.batch = body, x, batch
        self.once: dict[Key, list[torch.Tensor]] = {}
        self.steps: dict[tuple[Key, int], list[torch.Tensor]] = {}
        self.inputs: dict[tuple[Key, int | None], torch.Tensor] = {}  # the first tensor that each call reads
        try:
            with torch.no_grad():
                self._run()
        except KeyError:
            raise VolleyError(
                "run: goes through its time steps more than once, with other work between; put all of a step into one "
                "loop, and sum by torch.stack(...).sum(0)"
            ) from None

    @property
    def output(self) -> list[torch.Tensor]:
        """The tensors that the run gives."""
        refs = [leaf for leaf in leaves(self.body.output) if isinstance(leaf, Given | Constant | Ref)]
        return [self._value(ref, None) for ref in refs]

    def _run(self) -> None:
        ordered = list(self.body.sites.values())
        loop = [n for n, site in enumerate(ordered) if site.every_step]
        start, stop = (loop[0], loop[-1] + 1) if loop else (len(ordered), len(ordered))
        for site in ordered[:stop]:
            if not site.every_step:
                self.once[site.key] = self._call(site, None)
        for step in range(self.body.steps if loop else 0):
            for site in ordered[start:stop]:
                if site.every_step:
                    self.steps[site.key, step] = self._call(site, step)
        for site in ordered[stop:]:
            self.once[site.key] = self._call(site, None)

    def _call(self, site: Site, step: int | None) -> list[torch.Tensor]:
        template = site.later if step else site.first
        args, kwargs = mapped(template, lambda leaf: self._value(leaf, step))
        if site.call.module is None and writes(site.key[0].partition("@")[0]) and isinstance(template[0][0], Constant):
            args = (args[0].clone(), *args[1:])
        if tensors := [part for part in leaves((args, kwargs)) if isinstance(part, torch.Tensor)]:
            self.inputs[site.key, step] = tensors[0]
        result = site.call.function(*args, **kwargs)
        if result is None:  # __setitem__
            result = args[0]
        if site.call.module is not None and site.call.roles:
            return [tensor for _, tensor in results(site.call.module, result)]
        return [part for part in leaves(result) if isinstance(part, torch.Tensor)]

    def _value(self, leaf: Any, step: int | None) -> Any:
        match leaf:
            case Given():
                return self.x
            case Constant():
                return leaf.value
            case Batch():
                return leaf.times * self.batch
            case Filled():
                shape = [self._value(size, step) for size in leaf.shape]
                return torch.full(shape, leaf.value, dtype=leaf.dtype)
            case Ref():
                return self._made(leaf, step)
        return step if leaf is STEP else leaf

    def _made(self, ref: Ref, step: int | None) -> torch.Tensor:
        if ref.delay is None and ref.step is None:
            number = step if ref.number is STEP else ref.number
            return self.once[ref.key][number]  # type: ignore[index]
        at = ref.step if ref.step is not None else step - ref.delay  # type: ignore[operator]
        return self.steps[ref.key, at][ref.number]  # type: ignore[index]
