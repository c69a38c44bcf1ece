# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The integer network with trainable real weights: its forward pass computes exact integer codes, its gradients pass
the roundings straight through (STE), and the units of activations are learned (LSQ, arXiv 1902.08153)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from pyflow.conversion.assemble import assemble
from pyflow.conversion.quantise import Quantised, round_scale
from pyflow.conversion.specs import Codes, JoinSpec, Layout, NeuronSpec, PoolSpec, SynapseSpec, UpsampleSpec
from pyflow.conversion.torch_blocks import encode, join, pool, synapse, upsample
from pyflow.graph import INPUT, Network
from pyflow.model.graph import FloatConv, MaxPool
from pyflow.shapes import as_maps

EXACT = 2**22  # integers below this, and their quotients, are exact in float32


class FakeQuant(nn.Module):
    """The integer network with trainable real weights. forward: float images [N, C, H, W], or
    sequences [N, C, L], -> logits in real units."""

    def __init__(self, plan: Layout, scales: Mapping[str, float]) -> None:
        """scales: real value of one code, by unit of the layout."""
        super().__init__()
        self.plan = plan
        synapses = plan.synapses
        self.places = {spec.name: n for n, spec in enumerate(synapses)}
        self.units = {unit: n for n, unit in enumerate(plan.units)}
        self.weights = nn.ParameterList(torch.tensor(s.weight, dtype=torch.float32) for s in synapses)
        self.biases = nn.ParameterList(torch.tensor(s.bias, dtype=torch.float32) for s in synapses)
        start = np.array([scales[unit] for unit in plan.units])
        self.log_scales = nn.Parameter(torch.tensor(np.log(start), dtype=torch.float32))
        self.ratios: dict[str, np.ndarray] = {}
        self.search()

    def get_extra_state(self) -> torch.Tensor:
        """The clipping, float64, of all neurons one after the other: a part of state_dict() beside the parameters."""
        return torch.from_numpy(np.concatenate([*self.ratios.values()]))

    def set_extra_state(self, state: torch.Tensor) -> None:
        ends = np.cumsum([len(ratio) for ratio in self.ratios.values()])
        self.ratios = dict(zip(self.ratios, np.split(state.numpy(), ends[:-1]), strict=True))

    def scales(self) -> dict[str, float]:
        """Real value of one code, by unit."""
        values, most = np.exp(self.log_scales.detach().double().numpy()), self.plan.ceilings
        return {unit: round_scale(min(float(values[n]), most.get(unit, np.inf))) for unit, n in self.units.items()}

    def current(self) -> Layout:
        """The layout with the present weights."""
        pairs = {
            name: (self.weights[n].detach().double().numpy(), self.biases[n].detach().double().numpy())
            for name, n in self.places.items()
        }
        return self.plan.with_weights(pairs)

    def search(self) -> None:
        """Choose the clipping of every channel anew; it stays fixed until the next search."""
        self.ratios = {}
        self.ratios = {key: q.ratio for key, q in self.integers().items()}

    def integers(self) -> dict[str, Quantised]:
        """The integers of every neuron, and of the readout, at this moment."""
        scales, plan = self.plan.scales(self.scales()), self.current()
        return {spec.key: spec.quantised(scales, self.ratios.get(spec.key)) for spec in plan.neurons}

    def network(self, name: str | None = None, meta: Mapping[str, object] | None = None) -> Network:
        return assemble(self.current(), self.scales(), self.ratios, name=name, meta=meta)

    def forward(self, images: torch.Tensor, codes: dict[str, torch.Tensor] | None = None) -> torch.Tensor:
        """Logits; the code of every firing layer is put into `codes` under the layer's name."""
        return _Forward(self, codes).run(as_maps(images))


class _Forward:
    """One pass of a FakeQuant, layer by layer."""

    def __init__(self, fake: FakeQuant, codes: dict[str, torch.Tensor] | None) -> None:
        self.fake, self.codes = fake, codes
        self.scales = fake.plan.scales(fake.scales())
        self.integers = fake.integers()
        self.driven = fake.plan.driven
        self.values: dict[str, torch.Tensor] = {}  # codes; of a synapse its sum, by the unit of its neuron's potential

    def run(self, images: torch.Tensor) -> torch.Tensor:
        plan = self.fake.plan
        self.values[INPUT] = encode(plan, images)
        for spec in plan.specs:
            operands = [self.values[source] for source in spec.layer.sources if source in self.values]
            if isinstance(spec, SynapseSpec):
                self.values[spec.name] = self._sum(spec, operands[0])
            elif isinstance(spec, PoolSpec):
                self.values[spec.name] = _code_pool(spec, operands[0])
            elif isinstance(spec, UpsampleSpec):
                self.values[spec.name] = upsample(spec.layer, operands[0])
            elif isinstance(spec, JoinSpec):
                self.values[spec.name] = join(spec.layer, operands)
            elif isinstance(spec, NeuronSpec) and spec.steps:
                self.values[spec.name] = self._fired(spec)
            elif isinstance(spec, NeuronSpec):
                return self._logits(spec)
        raise AssertionError("a layout ends in a readout")

    def _log_scale(self, unit: str) -> torch.Tensor:
        if unit == INPUT:
            return torch.zeros(())
        free, most = self.fake.log_scales[self.fake.units[unit]], self.fake.plan.ceilings.get(unit)
        return free if most is None else torch.clamp(free, max=float(np.log(most)))

    def _gain(self, codes: Codes) -> torch.Tensor:
        """Value 1, with the gradient of the codes' unit; [C, 1, 1] where channels have several."""
        gains = [torch.exp(log - log.detach()) for log in (self._log_scale(s.unit) for s in codes.segments)]
        if codes.alone:
            return gains[0]
        return torch.cat([g.expand(s.channels) for g, s in zip(gains, codes.segments, strict=True)])[:, None, None]

    def _weight(self, spec: SynapseSpec) -> torch.Tensor:
        """The integers, with the gradient of the real weights."""
        neuron = self.driven[spec.name]
        q, place = self.integers[neuron.key], neuron.place(spec.name)
        real = self.fake.weights[self.fake.places[spec.name]]
        if isinstance(spec.layer, FloatConv) and spec.layer.free.size:
            real = real * torch.from_numpy(spec.layer.free)  # the others are none of the user's, and stay 0
        shape = (-1, *[1] * (real.ndim - 1))
        if (columns := spec.columns(self.scales)) is not None:  # in units of one input code, as the integers are
            real = real * torch.from_numpy(columns).float()
        unit = torch.from_numpy(q.scales[place]).float().reshape(shape)
        limit = 2 ** (spec.bits - 1) - 1
        soft = torch.clamp(real / unit, -limit, limit)
        return _straight(soft, torch.from_numpy(q.weights[place]).float())

    def _sum(self, spec: SynapseSpec, x: torch.Tensor) -> torch.Tensor:
        weight = self._weight(spec)
        gain = self._gain(spec.codes)
        if not spec.codes.alone:
            x = x * gain
        pad = torch.tensor(spec.pad_code) if spec.pad_code.size else None
        # Beyond 24 bits a float32 sum of integers is not exact any more.
        limit = 2 ** (spec.bits - 1) - 1
        kind = torch.float32 if limit * spec.codes.bound * weight[0].numel() < 2**24 else torch.float64
        return synapse(spec, x.to(kind), weight.to(kind), None if pad is None else pad.to(kind))

    def _logits(self, spec: NeuronSpec) -> torch.Tensor:
        q, part = self.integers[spec.key], spec.synapses[0]
        h, b = self.values[part.name], torch.from_numpy(q.bias)[:, None, None]
        unit = part.unit(self.scales) * float(q.scales[0][0])
        exact = (h.detach().double() * 2**q.exponent + b) / 2**q.exponent * unit
        gain = self._gain(part.codes) if part.codes.alone else torch.ones(())
        logits = h * gain * unit + self.fake.biases[self.fake.places[part.name]][:, None, None]
        return _straight(logits.float(), exact.float()).flatten(1)

    def _fired(self, spec: NeuronSpec) -> torch.Tensor:
        fake, q = self.fake, self.integers[spec.key]
        assert q.theta is not None
        unit = spec.codes.segments[0].unit
        log_scale, theta = self._log_scale(unit), torch.from_numpy(q.theta)[:, None, None]
        ratio = torch.exp(log_scale.detach() - log_scale)  # value 1, gradient of 1 / s_out
        potential, smooth = self._potential(spec, q)
        bias = torch.stack([fake.biases[fake.places[part.name]] for part in spec.synapses]).sum(0)[:, None, None]
        z = (smooth + bias / self.scales[unit]) * ratio
        top = 2**spec.steps - 1
        code = _fire(potential, torch.from_numpy(q.bias)[:, None, None], theta, top)
        x = _straight(torch.clamp(z, 0, top).float(), code.float())
        if self.codes is not None:
            self.codes[spec.key] = x.detach()
        return x

    def _potential(self, spec: NeuronSpec, q: Quantised) -> tuple[torch.Tensor, torch.Tensor]:
        """(exact potential without its bias, its share of a code with gradients)."""
        assert q.theta is not None
        step = 2.0**q.exponent / torch.from_numpy(q.theta)[:, None, None].float()
        exact: torch.Tensor | None = None
        smooth: torch.Tensor | None = None
        for part in spec.synapses:
            h = self.values[part.name]
            own = h * step * (self._gain(part.codes) if part.codes.alone else 1)
            whole = h.detach() * 2**q.exponent
            exact, smooth = (whole, own) if exact is None or smooth is None else (exact + whole, smooth + own)
        assert exact is not None
        assert smooth is not None
        for (name, codes), multiplier in zip(spec.skips, q.skips, strict=True):
            m, skip = torch.from_numpy(multiplier)[:, None, None], self.values[name]
            exact = exact.double() + m * skip.detach().double()  # exact: of at most 46 bits
            smooth = smooth + skip * self._gain(codes) * (m / torch.from_numpy(q.theta)[:, None, None]).float()
        return exact, smooth


class _Straight(torch.autograd.Function):
    """The value of `hard` with the gradient of `soft`; never soft + (hard - soft), which can miss an integer."""

    @staticmethod
    def forward(_ctx: object, _soft: torch.Tensor, hard: torch.Tensor) -> torch.Tensor:
        return hard.clone()

    @staticmethod
    def backward(_ctx: object, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        return grads[0], None


def _straight(soft: torch.Tensor, hard: torch.Tensor) -> torch.Tensor:
    moved: torch.Tensor = _Straight.apply(soft, hard)  # type: ignore[no-untyped-call]
    return moved


def _fire(potential: torch.Tensor, b: torch.Tensor, theta: torch.Tensor, top: int) -> torch.Tensor:
    """clamp(floor((potential + b) / theta), 0, top), exact. potential: whole numbers."""
    reach = max(float(potential.abs().max()) + float(b.abs().max()), float(theta.max()))
    if reach < EXACT:
        v = torch.floor((potential.float() + b.float()) / theta.float())
    else:
        v = torch.div(potential.to(torch.int64) + b, theta, rounding_mode="floor").float()
    return torch.clamp(v, 0, top)


def _code_pool(spec: PoolSpec, x: torch.Tensor) -> torch.Tensor:
    """A pool on codes, fired back to T bits where the sum is too wide."""
    y = pool(spec, x)
    if isinstance(spec.layer, MaxPool) or not spec.fire:
        return y
    code = torch.clamp(torch.floor((y.detach() + spec.area // 2) / spec.area), 0, spec.codes.bound)
    return _straight(y / spec.area, code)
