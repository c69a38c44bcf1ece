# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""LIFNeuron: agreement with the scalar model, the proofs of docs/numerics.md, what is refused."""

import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from pyflow.errors import VolleyError
from pyflow.operators import Encoding, Tensor
from pyflow.operators.lif import CURRENTS, DECAYS, ORDERS, RESETS, LIFNeuron
from verif.models.neuron_lif import Decay, Lif


def source(shape=(2, 3, 3), steps=8, bound=100, block=2, encoding=Encoding.POTENTIAL) -> Tensor:
    return Tensor("acc", shape, encoding, steps, bound, timed=True, block=block)


def lif(*values: Any, **options: Any) -> LIFNeuron:
    """Its arrays may be lists."""
    return LIFNeuron(*values, **options)


def random_neuron(rng: random.Random, channels: int) -> LIFNeuron:
    width = rng.randint(3, 14)
    top = (1 << (width - 1)) - 1
    reset, order, leak = rng.choice(RESETS), rng.choice(ORDERS), rng.choice(DECAYS)
    current = rng.choice(CURRENTS)
    frac = {f: rng.randint(1, 8) for f in ("leak", "current", "adapt")}
    adapt_width = rng.randint(1, 8)

    def vector(low: int, high: int) -> list[int]:
        return [rng.choice((low, high, rng.randint(low, high))) for _ in range(channels)]

    return lif(
        "lif", ("acc",), vector(0, top), bias=vector(-top, top) if rng.random() < 0.7 else [],
        reset_amount=vector(0, 3 * top) if reset == "soft" and rng.random() < 0.5 else [],
        v0=vector(-top - 1, top) if rng.random() < 0.5 else [],
        alpha=vector(0, 1 << frac["leak"]) if leak == "multiply" else [],
        frac=rng.randint(0, 3), width=width, leak=leak, leak_shift=rng.randint(0, 5), leak_frac=frac["leak"],
        reset=reset, reset_order=order, v_leak=rng.choice((0, rng.randint(-top, top))),
        v_reset=rng.choice((0, rng.randint(-top - 1, top))),
        current=current, current_bias=current != "none" and rng.random() < 0.5,
        current_width=rng.randint(2, 12), current_leak=rng.choice(DECAYS),
        current_shift=rng.randint(0, 4), current_alpha=rng.randint(0, 1 << frac["current"]),
        current_frac=frac["current"], adapt=rng.random() < 0.5, adapt_width=adapt_width,
        adapt_leak=rng.choice(DECAYS), adapt_shift=rng.randint(0, 4),
        adapt_alpha=rng.randint(0, 1 << frac["adapt"]), adapt_frac=frac["adapt"],
        jump=rng.randrange(1 << adapt_width), refractory=rng.randint(0, 3) if order == "before" else 0,
    )  # fmt: skip


def scalar(op: LIFNeuron, channel: int) -> Lif:
    theta = int(op.theta[channel])
    return Lif(
        theta, int(op.reset_amount[channel]) if op.reset_amount.size else theta,
        int(op.bias[channel]) if op.bias.size else 0, int(op.v0[channel]) if op.v0.size else 0, op.frac, op.width,
        Decay(op.leak, op.leak_shift, int(op.alpha[channel]) if op.alpha.size else 0, op.leak_frac),
        op.reset, op.reset_order, op.v_leak, op.v_reset, op.current, op.current_width,
        Decay(op.current_leak, op.current_shift, op.current_alpha, op.current_frac), op.adapt, op.adapt_width,
        Decay(op.adapt_leak, op.adapt_shift, op.adapt_alpha, op.adapt_frac), op.jump, op.refractory, op.current_bias,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(200))
def test_agrees_with_the_scalar_model(seed):
    rng = random.Random(seed)
    op, tensor = random_neuron(rng, 2), source(steps=12)
    scale = 1 << rng.randint(0, op.width)
    x = np.random.default_rng(seed).integers(-scale, scale + 1, (2, 12, 2, 3, 3))
    got, saturated = op.run_steps(x, sources=(tensor,)), op.saturations(x, tensor)
    for n, frame in enumerate(x):
        runs = {at: scalar(op, at[0]).run(frame[:, *at].tolist()) for at in np.ndindex(2, 3, 3)}
        assert all(got[n][:, *at].tolist() == spikes for at, (spikes, _) in runs.items())
        assert saturated[n] == sum(clips for _, clips in runs.values())


def test_an_if_neuron_equals_its_formula():
    """Without saturation v = sum(acc + b) - n * theta after every step (docs/numerics.md)."""
    op = lif("if", ("acc",), [7, 50], bias=[-3, 20], width=20)
    x = np.random.default_rng(1).integers(-90, 91, (4, 40, 2, 3, 3))
    state = op.initial(4, source())
    spikes: Any = 0
    for t in range(40):
        fired, state = op.step(state, x[:, t])
        spikes = spikes + fired
        charge = x[:, : t + 1].sum(1) + (t + 1) * op.bias[None, :, None, None]
        assert (state.v == charge - spikes * op.theta[None, :, None, None]).all()
    assert spikes.any()
    assert not state.saturated.any()


@pytest.mark.parametrize("shift", [1, 2, 3])
@pytest.mark.parametrize("order", ORDERS)
def test_a_shift_leak_is_exact_with_k_fraction_bits_per_step(shift, order):
    """FRAC = k * T: v is the real number of v <- v - v / 2^k + acc, its spikes those of exact arithmetic."""
    steps, theta = 6, 40
    frac = shift * steps
    op = lif("lif", ("acc",), [theta << frac], frac=frac, width=32, leak="shift", leak_shift=shift, reset_order=order)
    x = np.random.default_rng(shift).integers(-20, 60, (1, steps, 1, 5, 5))
    state, fired = op.initial(1, source((1, 5, 5))), np.zeros((5, 5), int)
    real = np.full((5, 5), Fraction(0))
    for t in range(steps):
        late = fired if order == "after" else 0
        real = real - real / (1 << shift) + x[0, t, 0] - late * theta
        expected = real >= theta
        spikes, state = op.step(state, x[:, t])
        fired = spikes[0, 0]
        assert (fired == expected).all()
        if order == "before":
            real = real - fired * theta
        assert (state.v[0, 0] == real * (1 << frac)).all()
    assert not state.saturated.any()


def test_infer():
    op = lif("lif", ("acc",), [1, 2])
    assert op.infer(source()) == Tensor("lif", (2, 3, 3), Encoding.RATE, 8, 1, timed=True, block=2)
    assert op.infer(source(encoding=Encoding.COUNT)).encoding == Encoding.RATE


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (Tensor("acc", (2, 3, 3), Encoding.POTENTIAL, 1, 100), "put a direct-current encoder in front"),
        (source(encoding=Encoding.RATE), "is rate, needs potential or count"),
        (source(shape=(3, 3, 3)), "2 thresholds for 3 channels"),
        (source(bound=2**46), "lower frac"),
    ],
)
def test_refused_inputs(tensor, message):
    with pytest.raises(VolleyError, match=message):
        lif("lif", ("acc",), [1, 2]).infer(tensor)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"theta": []}, "theta is empty"),
        ({"theta": [[1, 2]]}, "must be one vector"),
        ({"theta": [-1, 3]}, r"theta -1 of channel 0 is outside 0\.\.32767"),
        ({"theta": [1, 128], "width": 8}, r"theta 128 of channel 1 is outside 0\.\.127; raise width"),
        ({"bias": [1]}, "bias .* must be one vector of 2 channels"),
        ({"v0": [0, 40000]}, "v0 40000 of channel 1 is outside"),
        ({"v_reset": -40000}, "v_reset -40000 is outside"),
        ({"width": 33}, r"width 33 is outside 2\.\.32"),
        ({"leak": "exp"}, "leak 'exp' is unknown; use one of none, shift, multiply"),
        ({"leak": "multiply"}, "give alpha for leak 'multiply' only"),
        ({"alpha": [1, 1]}, "give alpha for leak 'multiply' only"),
        ({"leak": "multiply", "leak_frac": 4, "alpha": [1, 17]}, r"alpha 17 of channel 1 is outside 0\.\.16"),
        ({"current_alpha": 2}, "current_alpha 2 is outside"),
        ({"adapt": True, "adapt_width": 4, "jump": 16}, r"jump 16 is outside 0\.\.15; raise adapt_width"),
        ({"current_bias": True}, "set current to 'new' or 'old'"),
        ({"reset": "hard", "reset_amount": [1, 2]}, "only a soft reset takes an amount"),
        ({"reset_order": "after", "refractory": 2}, "use reset_order 'before'"),
    ],
)
def test_refused_parameters_name_value_limit_and_remedy(values, message):
    with pytest.raises(VolleyError, match=f"^lif 'cell': .*{message}"):
        LIFNeuron("cell", ("acc",), **{"theta": [1, 2]} | values)


def test_hardware_fields_are_as_narrow_as_their_values():
    op = lif("lif", ("acc",), [5, 8], bias=[-8, 3], reset_amount=[5, 8], v0=[-4, 3], width=3 + 2)
    assert {name: p.bits for name, p in op.params().items()} == {"bias": 4, "theta": 4, "reset": 0, "v0": 3, "leak": 0}
    op = lif(
        "lif",
        ("acc",),
        [5, 8],
        reset_amount=[16, 8],
        leak="multiply",
        leak_frac=4,
        alpha=[16, 3],
        adapt=True,
        current="old",
        refractory=4,
    )
    assert {name: p.bits for name, p in op.params().items()} == {"bias": 0, "theta": 4, "reset": 5, "v0": 0, "leak": 5}
    assert op.state_bits == 16 + 16 + 8 + 3
