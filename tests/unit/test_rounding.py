# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Weights are rounded so that the potentials change little, on what the integers before them give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import pyflow
from pyflow.conversion import rounding
from pyflow.conversion.layout import Options
from pyflow.conversion.radix import calibrate, prepare
from pyflow.conversion.rounding import Moments

RNG = np.random.default_rng(0)
pytestmark = pytest.mark.filterwarnings("ignore")


def moments(x: np.ndarray, y: np.ndarray) -> Moments:
    """Of inputs [sums, n], in float and as coded."""
    left, right = x - x.mean(0), y - y.mean(0)
    variance, both = (z.T @ right / len(y) for z in (right, left))
    return Moments(x.mean(0)[None], y.mean(0)[None], variance[None], (both - variance)[None])


def error(wanted: np.ndarray, got: np.ndarray) -> float:
    """Of sums [sums, Co], without their mean, which goes into the bias."""
    off = wanted - got
    return float(((off - off.mean(0)) ** 2).mean())


@pytest.mark.parametrize("limit", [1, 3, 7, 127])
def test_sums_of_inputs_that_go_together(limit: int) -> None:
    x = np.maximum(RNG.normal(size=(2000, 4)) @ RNG.normal(size=(4, 24)) + 0.3 * RNG.normal(size=(2000, 24)), 0)
    rows = RNG.normal(size=(8, 24))
    scale = np.abs(rows).max(1) / limit
    nearest = np.clip(np.rint(rows / scale[:, None]), -limit, limit) * scale[:, None]
    found = moments(x, x).rounded(rows, scale, limit)
    assert (found == np.rint(found)).all() and np.abs(found).max() <= limit  # noqa: PT018
    ours, theirs = (error(x @ rows.T, x @ w.T) for w in (found * scale[:, None], nearest))
    assert ours < (0.6 if limit > 1 else 0.8) * theirs, (ours, theirs)


def test_weights_make_the_best_of_coarse_inputs() -> None:
    """Codes that are too small by a third: the weights grow, as far as W holds them."""
    x = RNG.random((2000, 12))
    rows, scale = RNG.normal(size=(5, 12)), np.full(5, 0.05)
    found = moments(x, x * 0.75).rounded(rows, scale, 127) * scale[:, None]
    assert np.abs(found - rows / 0.75).max() < 0.15
    assert np.abs(moments(x, x * 0.75).shift(rows, found) - (x @ rows.T - 0.75 * x @ found.T).mean(0)).max() < 1e-9


def test_groups_are_rounded_apart() -> None:
    x = np.maximum(RNG.normal(size=(3, 500, 9)).cumsum(2), 0)
    alone = [moments(part, part) for part in x]
    both = Moments(
        *(np.concatenate([getattr(m, key) for m in alone]) for key in ("real", "coded", "variance", "missing"))
    )
    rows, scale = RNG.normal(size=(6, 9)), np.full(6, 0.3)
    apart = [m.rounded(rows[2 * g : 2 * g + 2], scale[:2], 7) for g, m in enumerate(alone)]
    assert np.array_equal(both.rounded(rows, scale, 7), np.concatenate(apart))


def test_inputs_that_never_move_are_rounded_to_the_nearest() -> None:
    x = np.zeros((100, 6))
    rows = RNG.normal(size=(4, 6))
    assert np.array_equal(moments(x, x).rounded(rows, np.full(4, 0.5), 7), np.clip(np.rint(rows / 0.5), -7, 7))


class Net(nn.Module):
    """Two branches, a depthwise layer, a concatenation of unlike units, an average."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.deep = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.point, self.skip, self.fc = nn.Conv2d(6, 6, 1), nn.Conv2d(12, 6, 3), nn.Linear(54, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).relu()
        y = (self.point(self.deep(x).relu()) + x).relu()
        z = nn.functional.avg_pool2d(self.skip(torch.cat([x, y], 1)).relu(), 2)
        return self.fc(z.flatten(1))


def test_the_walk_sees_what_the_integers_give() -> None:
    """Means of the codes that the moments are taken of are those of the reference."""
    images = RNG.random((48, 1, 8, 8), dtype=np.float32)
    plan, x = prepare(Net().eval(), images, Options(4, 4, None, {}))
    scales = calibrate(plan, x)
    seen: dict[str, Any] = {}
    original = rounding._fired

    def noted(plan: Any, spec: Any, scales: Any, integers: Any, coded: Any) -> torch.Tensor:
        made = original(plan, spec, scales, integers, coded)
        seen[spec.key] = np.rint(made.numpy() / scales[spec.codes.segments[0].unit])
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounding, "_fired", noted)
        network = pyflow.convert(Net().eval(), images)
    _, trace = network.run(images, trace=True)
    for key, codes in seen.items():
        name = next(op.name for op in network.operators if op.kind == "neuron" and op.inputs[0] == key)
        assert (codes == trace[name]).mean() > 0.98, key  # a multiplier of a sum is rounded
    assert len(seen) == 4
    assert scales


@pytest.mark.parametrize(("bits", "most"), [(4, 0.7), (3, 0.7), (2, 0.9)])
def test_logits_come_nearer(bits: int, most: float) -> None:
    model, images = Net().eval(), RNG.random((200, 1, 8, 8), dtype=np.float32)
    with torch.no_grad():
        want = model(torch.from_numpy(images)).numpy()

    def off() -> float:
        network = pyflow.convert(model, images[:100], timesteps=8, weight_bits=bits)
        return error(want[100:], network.run(images[100:]) * network.logit_scale)

    with pytest.MonkeyPatch.context() as patch:
        ours = off()
        patch.setattr(rounding, "quantised", lambda *_: None)
        nearest = off()
    assert ours < most * nearest, (ours, nearest)


def test_same_images_same_integers() -> None:
    images = RNG.random((64, 1, 8, 8), dtype=np.float32)
    first, again = (pyflow.convert(Net().eval(), images) for _ in range(2))
    for a, b in zip(first.operators, again.operators, strict=True):
        for key, values in a.arrays().items():
            assert np.array_equal(values, b.arrays()[key])
