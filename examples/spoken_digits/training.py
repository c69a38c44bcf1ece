# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Trains the listener with weights of W bits from the first step on.

snnTorch's own step is slow to train on a CPU, so training has the same equations with their gradients written out, for
a whole layer over time; a test holds both against each other. Forward, every weight is the integer times the scale
that it will be on the chip; backward, it is the float behind it (straight-through).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from net import CHANNELS, CLASSES, FIRST, KEPT_FIRST, KEPT_SECOND, SECOND, Listener

WEIGHT_BITS = 4
MOST = 2 ** (WEIGHT_BITS - 1) - 1
SLOPE = 5.0  # of the surrogate gradient 1/(1 + SLOPE*|mem - 1|)^2
SPREAD = 0.33  # of the codes, as shares of 255
COUNTED = 10.0  # logits of a mean over time
RATE, DECAY, SMOOTHING, BATCH = 0.01, 1e-4, 0.05, 128
SLICE = 10  # epochs from checkpoint to checkpoint


@dataclass(frozen=True)
class Variant:
    """What is trained. inputs: numbers per time step. encode: what they are of codes/255, [T, N, C]. shuffled: are the
    frames of every recording put into random order?"""

    recurrent: bool = True
    shuffled: bool = False
    inputs: int = CHANNELS
    encode: Callable[[torch.Tensor], torch.Tensor] = field(default=lambda x: x)


class Spikes(torch.autograd.Function):
    """Spikes of a layer of snn.Leaky (reset to zero, threshold 1) over time: [T, N, C] of [T, N, C].

    mem <- kept*mem*(1 - s) + x + W s;   s = mem > 1        W: [C, C], synapses of the layer onto itself, or None
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, kept: float, weight: torch.Tensor | None) -> torch.Tensor:
        mem = spikes = torch.zeros_like(x[0])
        every_mem, every = torch.empty_like(x), torch.empty_like(x)
        for t in range(len(x)):
            mem = torch.addcmul(x[t], mem, 1 - spikes, value=kept)
            if weight is not None:
                mem.addmm_(spikes, weight.t())
            spikes = (mem > 1).float()
            every[t], every_mem[t] = spikes, mem
        ctx.kept, ctx.recurrent = kept, weight is not None
        ctx.save_for_backward(every, every_mem, *([] if weight is None else [weight]))
        return every

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, torch.Tensor | None]:
        every, every_mem, *weights = ctx.saved_tensors
        surrogate = (1 + SLOPE * (every_mem - 1).abs()).pow_(-2)
        stays = (1 - every).mul_(ctx.kept)
        out, behind = torch.empty_like(grad), torch.zeros_like(grad[0])
        for t in range(len(grad) - 1, -1, -1):
            on_spikes = torch.addmm(grad[t], behind, weights[0]) if weights else grad[t]
            behind = torch.addcmul(behind * stays[t], on_spikes, surrogate[t])
            out[t] = behind
        if not weights:
            return out, None, None
        return out, None, out[1:].flatten(0, 1).t() @ every[:-1].flatten(0, 1)


def on_grid(weight: torch.Tensor, largest: torch.Tensor) -> torch.Tensor:
    """`weight` on the integers -MOST..MOST times largest/MOST, its gradient that of the float."""
    scale = largest.clamp_min(1e-8) / MOST
    return weight + ((weight / scale).round().clamp(-MOST, MOST) * scale - weight).detach()


def row_max(weight: torch.Tensor) -> torch.Tensor:
    return weight.detach().abs().amax(1, keepdim=True)


class Trainee:
    """Float weights, and the network that their integers make. mean: of the codes/255 of the training set, [inputs]."""

    def __init__(self, variant: Variant, mean: torch.Tensor, generator: torch.Generator) -> None:
        def drawn(rows: int, columns: int, gain: float) -> torch.Tensor:
            return torch.randn(rows, columns, generator=generator) * (gain / math.sqrt(columns))

        self.variant, self.mean = variant, mean
        self.values = {
            "fc1.weight": drawn(FIRST, variant.inputs, 0.7), "fc1.bias": torch.zeros(FIRST),
            "fc2.weight": drawn(SECOND, FIRST, 1.5), "fc2.bias": torch.zeros(SECOND),
            "fc3.weight": drawn(CLASSES, SECOND, 0.5),
        }  # fmt: skip
        if variant.recurrent:
            self.values["again.weight"] = drawn(SECOND, SECOND, 0.5)
        for value in self.values.values():
            value.requires_grad_()

    def rounded(self) -> dict[str, torch.Tensor]:
        """The state of a `Listener`: every weight on its grid, the mean of the codes in the bias."""
        v = self.values
        first = on_grid(v["fc1.weight"], row_max(v["fc1.weight"])) / SPREAD
        largest, again = row_max(v["fc2.weight"]), v.get("again.weight")
        if again is not None:
            largest = torch.maximum(largest, row_max(again))
        state = {
            "fc1.weight": first,
            "fc1.bias": v["fc1.bias"] - first @ self.mean,
            "fc2.weight": on_grid(v["fc2.weight"], largest),
            "fc2.bias": v["fc2.bias"],
            "fc3.weight": on_grid(v["fc3.weight"], v["fc3.weight"].detach().abs().max()),
        }
        if again is not None:
            state["again.weight"] = on_grid(again, largest)
        return state

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of codes/255, [T, N, C]."""
        return logits(self.rounded(), self.variant.encode(x)) * (COUNTED / len(x))


def logits(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """What a `Listener` with that state answers to [T, N, C]."""
    first = Spikes.apply(F.linear(x, state["fc1.weight"], state["fc1.bias"]), KEPT_FIRST, None)
    current = F.linear(first, state["fc2.weight"], state["fc2.bias"])
    second = Spikes.apply(current, KEPT_SECOND, state.get("again.weight"))
    return F.linear(second.sum(0), state["fc3.weight"])


def augmented(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Codes/255 [N, T, C] as other recordings might have them: earlier or later, faster or slower, another voice,
    level, timbre, noise; a band and some frames are hidden."""
    count, frames, channels = x.shape

    def drawn(*shape: int) -> torch.Tensor:
        return 2 * torch.rand(*shape, generator=generator) - 1

    at = (torch.arange(frames) - 2 * drawn(count, 1)) * (1 + 0.1 * drawn(count, 1))
    x = _between(x.transpose(1, 2), at, fill=False).transpose(1, 2)
    at = (torch.arange(channels) * (1 + 0.03 * drawn(count, 1)) + 0.5 * drawn(count, 1)).clamp(0, channels - 1)
    x = _between(x, at, fill=True)
    level = 0.04 * drawn(count, 1, 1) + 0.04 * drawn(count, 1, 1) * torch.linspace(-1, 1, channels)
    noise = 0.01 * torch.randn(x.shape, generator=generator)
    x = (x + (x > 0) * (level + noise)).clamp(0, 1)
    x = x * _mask(channels, 3, count, generator)[:, None] * _mask(frames, 2, count, generator)[:, :, None]
    return (x * 255).round() / 255


def _between(x: torch.Tensor, at: torch.Tensor, fill: bool) -> torch.Tensor:
    """x [N, A, B] along B at places `at` [N, B], linearly; beyond its ends 0, or with `fill` the end."""
    last = x.shape[2] - 1
    low = at.floor().long()
    share = (at - low)[:, None]

    def value(index: torch.Tensor) -> torch.Tensor:
        taken = x.gather(2, index.clamp(0, last)[:, None].expand_as(x))
        return taken if fill else taken * ((index >= 0) & (index <= last))[:, None]

    return value(low) * (1 - share) + value(low + 1) * share


def _mask(length: int, most: float, count: int, generator: torch.Generator) -> torch.Tensor:
    """[count, length]: 0 in a stretch of up to `most`, else 1."""
    width = most * torch.rand(count, 1, generator=generator)
    start = torch.rand(count, 1, generator=generator) * (length - width)
    place = torch.arange(length)
    return 1 - ((place >= start) & (place < start + width)).float()


def shuffled(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Frames of [N, T, C] in a random order each."""
    order = torch.rand(x.shape[:2], generator=generator).argsort(1)
    return x.gather(1, order[:, :, None].expand_as(x))


def trained(
    variant: Variant, codes: np.ndarray, late: np.ndarray, label: np.ndarray, epochs: int, seed: int, checkpoint: Path
) -> dict[str, torch.Tensor]:
    """State of a trained `Listener`. codes, late: uint8 [N, T, C], of which one is drawn for each batch. checkpoint: a
    file that holds the state after every tenth epoch; a run that was stopped goes on from it."""
    x = [torch.from_numpy(c).float() / 255 for c in (codes, late)]
    y = torch.from_numpy(label)
    generator = torch.Generator().manual_seed(seed)
    mean = variant.encode(x[0].transpose(0, 1)).mean((0, 1))
    trainee = Trainee(variant, mean, generator)
    optimiser = torch.optim.AdamW(trainee.values.values(), lr=RATE, weight_decay=DECAY)
    batches = math.ceil(len(y) / BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda n: min(1, (n + 1) / 30) * 0.5 * (1 + math.cos(math.pi * min(1, n / (epochs * batches))))
    )
    done = 0
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        done = kept["epoch"]
        for name, value in trainee.values.items():
            value.data.copy_(kept["values"][name])
        optimiser.load_state_dict(kept["optimiser"])
        schedule.load_state_dict(kept["schedule"])
        generator.set_state(kept["generator"])
    for epoch in range(done, epochs):
        for chosen in torch.randperm(len(y), generator=generator).split(BATCH):
            batch = x[int(torch.randint(2, (1,), generator=generator))][chosen]
            batch = augmented(batch, generator)
            if variant.shuffled:
                batch = shuffled(batch, generator)
            loss = F.cross_entropy(trainee(batch.transpose(0, 1).contiguous()), y[chosen], label_smoothing=SMOOTHING)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        if (epoch + 1) % SLICE == 0:
            kept = {
                "epoch": epoch + 1, "values": {k: v.detach() for k, v in trainee.values.items()},
                "optimiser": optimiser.state_dict(), "schedule": schedule.state_dict(),
                "generator": generator.get_state(),
            }  # fmt: skip
            partial = checkpoint.with_suffix(".partial")
            torch.save(kept, partial)
            partial.replace(checkpoint)
    return {name: value.detach() for name, value in trainee.rounded().items()}


def listener(state: dict[str, torch.Tensor], variant: Variant) -> Listener:
    """The snnTorch network with these weights."""
    model = Listener(variant.inputs, variant.recurrent)
    model.load_state_dict(state, strict=False)
    return model.eval()
