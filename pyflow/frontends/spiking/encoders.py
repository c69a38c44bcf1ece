# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Random rate encoders in the user's run: an image's grey level is the probability of a spike in every step.

Built are SpikingJelly's PoissonEncoder, snnTorch's spikegen.rate, Norse's encoders where f_max * dt is 1, and a
comparison with random numbers by hand. The spikes of the framework's own draws prove the network; hardware draws its
own (docs/numerics.md, Encoders).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from pyflow.errors import VolleyError
from pyflow.frontends.builder import Activations
from pyflow.frontends.spiking.recording import HOST
from pyflow.frontends.spiking.replay import Replay
from pyflow.frontends.spiking.rolling import Body, Key, Site
from pyflow.graph import INPUT
from pyflow.model.graph import FloatLayer

SAME = {"float", "to", "type", "type_as", "clamp", "clip"}
BELOW = {"le", "lt", "__le__", "__lt__", "less", "less_equal"}
ABOVE = {"ge", "gt", "__ge__", "__gt__", "greater", "greater_equal"}


class Draw:
    """Random numbers from 0 to 1, one for each value of an image."""


class Encoder:
    """Finds the encoder of a run. site: of its spikes, None where there is none yet."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.site: Site | None = None

    def of_module(self, site: Site, module: nn.Module) -> bool:
        """Is this module an encoder? Raises VolleyError for one that computes something else than the core."""
        kind, package = type(module).__name__, type(module).__module__
        if kind == "PoissonEncoder" and package.startswith("spikingjelly."):
            self._found(site)
            return True
        if package == "norse.torch.module.encode" and kind in ("PoissonEncoder", "PoissonEncoderStep"):
            share = float(module.f_max) * float(module.dt)  # type: ignore[arg-type]
            if abs(share - 1) > 1e-6:
                why = f"({kind}) fires with f_max * dt = {share:g} of the grey level, the encoder core with 1"
                raise self.body.refuse(site, f"{why}; use f_max = 1 / dt, or {HOST}")
            self._found(site)
            return True
        return False

    def of_function(self, site: Site, called: str, args: Any, points: list[Any]) -> Any:
        """What a function makes of random numbers or of an image to encode: a Draw, True for spikes, None if it is no
        part of an encoder."""
        if called in ("rand_like", "rand"):
            return Draw()
        draws = [n for n, v in enumerate(args) if isinstance(v, Draw)]
        if draws and called in SAME:
            return args[draws[0]]
        image = [n for n, p in enumerate(args) if _is_image(p)]
        if called == "bernoulli":
            if not image:
                raise self.body.refuse(site, f"draws spikes of what is not the image itself; {HOST}")
            self._found(site)
            return True
        if draws:
            below = (called in BELOW and draws[0] == 0) or (called in ABOVE and draws[0] == 1)
            if not below or len(image) != 1:
                raise self.body.refuse(
                    site, f"of random numbers is no encoder here; use torch.rand_like(x) <= x, or {HOST}"
                )
            self._found(site)
            return True
        if called in SAME and image and (self.site is not None or called in ("clamp", "clip")):
            return points[0]
        return None

    def _found(self, site: Site) -> None:
        if self.site is not None:
            raise self.body.refuse(site, "encodes a second time; encode once, and let all layers read the spikes")
        self.site = site

    def check_alone(self, own: Key | None) -> None:
        """Refuses a second reader of the image."""
        name = own[0].partition("@")[0] if own else "the output"
        if self.site is not None and name not in SAME:  # of spikes.to(x), the image's type alone counts
            raise VolleyError(
                f"layer {name!r}: reads the image beside the spikes of its encoder; let it read the spikes"
            )

    def check_first(self, layers: Sequence[FloatLayer]) -> None:
        for layer in (x for x in layers if INPUT in x.sources):
            raise layer.fail("reads the image beside the spikes of its encoder; let it read the spikes")

    def trains(self, replay: Replay, steps: int) -> np.ndarray:
        """bool [N, T, ...], the spikes of the framework's own draws."""
        assert self.site is not None
        if self.site.every_step:
            spikes = torch.stack([replay.steps[self.site.key, t][0] for t in range(steps)], 1)
        else:
            spikes = replay.once[self.site.key][0].transpose(0, 1)
        return np.asarray((spikes != 0).numpy())


def _is_image(value: Any) -> bool:
    stream = getattr(value, "stream", value)
    return isinstance(stream, Activations) and stream.layer == INPUT
