# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Quantisation-aware fine-tuning whose forward pass is the integer network itself.

Every step rounds the weights with the same function that conversion uses and computes exact integer
codes; gradients pass the roundings straight through (STE), and the activation scales are learned
(LSQ, arXiv 1902.08153). So converting the result gives exactly the network that was trained.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from pyflow.bars import bar
from pyflow.conversion.layout import Layout, Options, PoolSpec, assemble, quantise
from pyflow.conversion.quantise import QuantSynapse, round_scale
from pyflow.conversion.radix import RATE_FRAMES, calibrate, check_images, check_seed, prepare
from pyflow.conversion.torch_blocks import batches, encode, pool, synapse
from pyflow.data import Dataset
from pyflow.errors import VolleyError
from pyflow.frontends.checkpoint import short
from pyflow.frontends.float_graph import FloatNetwork, MaxPool
from pyflow.graph import Network
from pyflow.shapes import as_maps

log = logging.getLogger(__name__)
EXACT = 2**22  # integers below this, and their quotients, are exact in float32
Augment = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class FineTuned:
    """network: the integer network. accuracy: of the fake-quantised model on the test images (equal to that
    of `network` by construction). losses: mean training loss of every epoch. model: the trained FakeQuant."""

    network: Network
    accuracy: float
    losses: tuple[float, ...]
    model: FakeQuant


class FakeQuant(nn.Module):
    """The integer network with trainable real weights. forward: float images [N, C, H, W], or
    sequences [N, C, L], -> logits in real units."""

    def __init__(self, plan: Layout, scales: list[float]) -> None:
        super().__init__()
        self.plan = plan
        self.weights = nn.ParameterList(torch.tensor(s.weight, dtype=torch.float32) for s in plan.specs)
        self.biases = nn.ParameterList(torch.tensor(s.bias, dtype=torch.float32) for s in plan.specs)
        self.log_scales = nn.Parameter(torch.tensor(np.log(scales), dtype=torch.float32))
        self.ratios: list[np.ndarray | None] = [None] * len(plan.specs)
        self.search()

    def scales(self) -> list[float]:
        """s_out of every block that fires."""
        return [round_scale(float(s)) for s in np.exp(self.log_scales.detach().double().numpy())]

    def current(self) -> Layout:
        """The layout with the present weights."""
        pairs = [
            (w.detach().double().numpy(), b.detach().double().numpy())
            for w, b in zip(self.weights, self.biases, strict=True)
        ]
        return self.plan.with_weights(pairs)

    def search(self) -> None:
        """Choose the clipping of every channel anew; it stays fixed until the next search."""
        scales = self.scales()
        plan = self.current()
        outs = [*scales, None]
        self.ratios = [
            quantise(s, s_in, o).ratio for s, s_in, o in zip(plan.specs, plan.input_scales(scales), outs, strict=True)
        ]

    def integers(self) -> list[QuantSynapse]:
        """The integers of every block at this moment."""
        scales, plan = self.scales(), self.current()
        return [
            quantise(s, i, o, r)
            for s, i, o, r in zip(plan.specs, plan.input_scales(scales), [*scales, None], self.ratios, strict=True)
        ]

    def network(self, name: str | None = None, meta: Mapping[str, object] | None = None) -> Network:
        return assemble(self.current(), self.scales(), [r for r in self.ratios if r is not None], name=name, meta=meta)

    def forward(self, images: torch.Tensor, codes: dict[str, torch.Tensor] | None = None) -> torch.Tensor:
        """Logits; the code of every firing layer is put into `codes` under the layer's name."""
        plan, scales = self.plan, self.scales()
        x = encode(plan, as_maps(images))
        for p in plan.front:
            x = _code_pool(p, x)
        s_ins = plan.input_scales(scales)
        gain = torch.ones(())  # s_in / s_in.detach(): carries the gradient of the input scale, value 1
        for i, (spec, q) in enumerate(zip(plan.specs, self.integers(), strict=True)):
            real = self.weights[i]
            shape = (-1, *[1] * (real.ndim - 1))
            unit = torch.from_numpy(q.scale).float().reshape(shape)
            limit = 2 ** (spec.bits - 1) - 1
            soft = torch.clamp(real / unit, -limit, limit)
            weight = _straight(soft, torch.from_numpy(q.weight).float())
            pad = torch.tensor(spec.pad_code) if spec.pad_code.size else None
            # Beyond 24 bits a float32 sum of integers is not exact any more.
            kind = torch.float32 if limit * spec.bound_in * real[0].numel() < 2**24 else torch.float64
            h = synapse(spec, x.to(kind), weight.to(kind), None if pad is None else pad.to(kind))
            bias = self.biases[i][:, None, None]
            b = torch.from_numpy(q.bias)[:, None, None]
            if q.theta is None:
                unit_logit = s_ins[i] * float(q.scale[0])
                exact = (h.detach().double() * 2**q.exponent + b) / 2**q.exponent * unit_logit
                logits = h * gain * unit_logit + bias
                return _straight(logits.float(), exact.float()).flatten(1)
            log_scale = self.log_scales[i]
            theta = torch.from_numpy(q.theta)[:, None, None]
            ratio = torch.exp(log_scale.detach() - log_scale)  # value 1, gradient of 1 / s_out
            z = (h * (2.0**q.exponent / theta.float()) * gain + bias / scales[i]) * ratio
            top = 2**spec.steps - 1
            code = _fire(h.detach(), b, theta, q.exponent, top)
            x = _straight(torch.clamp(z, 0, top).float(), code.float())
            if codes is not None:
                codes[spec.name] = x.detach()
            for p in spec.pools:
                x = _code_pool(p, x)
            gain = torch.exp(log_scale - log_scale.detach())
        raise AssertionError("a layout ends in a readout")


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


def _fire(h: torch.Tensor, b: torch.Tensor, theta: torch.Tensor, exponent: int, top: int) -> torch.Tensor:
    """clamp(floor((2^e h + b) / theta), 0, top), exact."""
    reach = max(float(h.abs().max()) * 2**exponent + float(b.abs().max()), float(theta.max()))
    if reach < EXACT:
        v = torch.floor((h.float() * 2**exponent + b.float()) / theta.float())
    else:
        v = torch.div(h.to(torch.int64) * 2**exponent + b, theta, rounding_mode="floor").float()
    return torch.clamp(v, 0, top)


def _code_pool(spec: PoolSpec, x: torch.Tensor) -> torch.Tensor:
    """A pool on codes, fired back to T bits where the sum is too wide."""
    y = pool(spec, x)
    if isinstance(spec.pool, MaxPool) or not spec.fire:
        return y
    area = spec.pool.kernel[0] * spec.pool.kernel[1]
    code = torch.clamp(torch.floor((y.detach() + area // 2) / area), 0, spec.bound)
    return _straight(y / area, code)


def finetune(
    model: nn.Module | FloatNetwork,
    data: Dataset,
    *,
    timesteps: int | Mapping[str, int] = 4,
    weight_bits: int | Mapping[str, int] = 4,
    input_bits: int | None = None,
    epochs: int = 6,
    seed: int = 0,
    learning_rate: float = 1e-3,
    batch_size: int = 128,
    augment: Augment | None = None,
    name: str | None = None,
    percentile: float | str = "mse",
    teacher: nn.Module | None = None,
) -> FineTuned:
    """Fine-tune `model` in integers on data.x_train and convert it.

    The last epoch is taken: the test images are only measured.

    timesteps, weight_bits, input_bits, percentile, name: as in convert(). learning_rate: of Adam, cosine to 0.
    augment: (images, generator) -> images. teacher: a float model whose soft labels are mixed in (distillation).
    Raises VolleyError as convert() does, and for a data set without training images.
    """
    if not isinstance(data, Dataset):
        raise VolleyError(f"data: is {type(data).__name__}, needs a pyflow.data.Dataset; pyflow.data.load() makes one")
    check_seed(seed)
    for what, value in (("epochs", epochs), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise VolleyError(f"{what}: {value!r} is not an integer")
    if not len(data.x_train):
        raise VolleyError(f"data {data.name!r}: has no training images; fine-tuning needs x_train, y_train")
    if epochs < 1 or batch_size < 1:
        raise VolleyError(f"epochs {epochs} and batch_size {batch_size} must be positive")
    plan, images = prepare(model, data.calibration, Options(timesteps, weight_bits, input_bits), name=name)
    fake = FakeQuant(plan, calibrate(plan, images, percentile=percentile, seed=seed))
    classes = len(fake.biases[-1])
    if data.classes > classes:
        raise VolleyError(f"data {data.name!r}: has label {data.classes - 1}, the network only {classes} outputs")
    x, y = (
        torch.from_numpy(check_images(data.x_train, plan.network.input_shape, "x_train")),
        torch.from_numpy(data.y_train),
    )
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(
        [
            {"params": [*fake.weights, *fake.biases], "lr": learning_rate},
            {"params": [fake.log_scales], "lr": learning_rate},
        ]
    )
    steps = -(-len(x) // batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps * epochs)
    losses = []
    with bar("fine-tune", "step", steps * epochs) as done:
        for epoch in range(epochs):
            fake.search()
            total = 0.0
            for chosen in torch.randperm(len(x), generator=generator).split(batch_size):
                batch = x[chosen] if augment is None else augment(x[chosen], generator)
                loss = _loss(fake(batch), y[chosen], batch, teacher)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                total += float(loss.detach()) * len(chosen)
                done.update()
            losses.append(total / len(x))
            done.set_postfix(loss=f"{losses[-1]:.4f}")
            log.info("fine-tune epoch %d/%d: loss %.4f", epoch + 1, epochs, losses[-1])
    network = fake.network(name, meta={"encoding": "radix", "seed": seed}).with_rates(data.calibration[:RATE_FRAMES])
    return FineTuned(network, accuracy(fake, data.x_test, data.y_test), tuple(losses), fake)


def _loss(logits: torch.Tensor, y: torch.Tensor, images: torch.Tensor, teacher: nn.Module | None) -> torch.Tensor:
    hard = F.cross_entropy(logits, y)
    if teacher is None:
        return hard
    with torch.no_grad():
        soft = torch.softmax(teacher(images), 1)
    return 0.5 * hard + 0.5 * F.cross_entropy(logits, soft)


@torch.no_grad()
def accuracy(model: nn.Module, x: np.ndarray, y: np.ndarray) -> float:
    """Share of images [N, C, H, W], or sequences [N, C, L], whose largest output is the label; ties go to the
    lowest index."""
    right, done = 0, 0
    for batch in batches(x, 500, "accuracy"):
        right += int((_scores(model, batch).argmax(1).numpy() == y[done : done + len(batch)]).sum())
        done += len(batch)
    return right / len(x)


def _scores(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """What the user's model makes of a batch; VolleyError where that fails, or is no number per image and class."""
    name = type(model).__name__
    try:
        found = model(batch)
    except (Exception, SystemExit) as e:
        raise VolleyError(f"model {name!r}: fails on images {tuple(batch.shape)} ({short(e)})") from None
    if not isinstance(found, torch.Tensor):
        raise VolleyError(f"model {name!r}: returns {type(found).__name__}, needs a tensor [N, classes]")
    if found.ndim != 2 or len(found) != len(batch) or found.is_complex():
        kind = f"{found.dtype} {tuple(found.shape)}".removeprefix("torch.")
        raise VolleyError(f"model {name!r}: returns {kind} of {len(batch)} images, needs real numbers [N, classes]")
    return found
