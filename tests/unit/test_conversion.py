# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Radix conversion: thresholds exact by construction, and the integer network against torch in float64."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import pyflow
from pyflow import operators as ops
from pyflow.conversion import convert
from pyflow.conversion.quantise import Part, Quantised, quantise_neuron, quantise_readout
from pyflow.conversion.radix import exponents
from pyflow.errors import VolleyError
from pyflow.frontends import Normalize
from pyflow.graph import Network

RNG = np.random.default_rng(5)
IMAGES = RNG.random((24, 2, 9, 7)).astype(np.float32)


def seq(**layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(layers))


def one_layer(
    weight: np.ndarray, bias: np.ndarray, *, s_in: float, bound_in: int, bits: int, **options: Any
) -> Quantised:
    """The integers of a layer that is alone in front of its neuron."""
    return quantise_neuron([Part(weight, s_in, bound_in, bits)], bias, **options)


def float64_oracle(net: Network, x: np.ndarray) -> dict[str, np.ndarray]:
    """Every tensor of the integer network, computed by torch in float64 from DESIGN's formulas alone."""
    t = {"input": torch.tensor(np.floor(x.astype(np.float64) * 255 + 0.5))}
    for op in net.operators:
        v = t[op.inputs[0]]
        if isinstance(op, ops.Encode):
            k = op.steps
            v = v if k == 8 else torch.clamp(torch.floor((v + 2.0 ** (7 - k)) / 2.0 ** (8 - k)), max=2.0**k - 1)
        elif isinstance(op, ops.Conv):
            (py, px), (c, h, w) = op.padding, v.shape[1:]
            pad = torch.tensor(op.pad_code.astype(float) if op.pad_code.size else np.zeros(c))
            framed = pad[None, :, None, None].repeat(len(v), 1, h + 2 * py, w + 2 * px)
            framed[:, :, py : py + h, px : px + w] = v
            v = F.conv2d(framed, torch.tensor(op.weight.astype(float)), None, op.stride)
        elif isinstance(op, ops.Linear):
            v = F.linear(v.flatten(1), torch.tensor(op.weight.astype(float)).flatten(1))[:, :, None, None]
        elif isinstance(op, ops.RadixNeuron):
            theta, b = (torch.tensor(a.astype(float))[:, None, None] for a in (op.theta, op.bias))
            v = v * 2.0**op.exponent + b
            code = torch.zeros_like(v)  # T compare-and-subtract steps, earliest spike is the MSB
            for step in reversed(range(op.steps)):
                spike = (v >= theta * 2.0**step).double()
                v, code = v - spike * theta * 2.0**step, code + spike * 2.0**step
            v = code
        elif isinstance(op, ops.Readout):
            v = v * 2.0**op.exponent + torch.tensor(op.bias.astype(float))[:, None, None]
        elif isinstance(op, ops.MaxPool):
            v = F.max_pool2d(v, op.kernel, op.stride, op.padding)
        else:
            assert isinstance(op, ops.SumPool)
            v = F.avg_pool2d(v, op.kernel, op.stride, op.padding, divisor_override=1)
        t[op.name] = v
    return {k: v.numpy() for k, v in t.items()}


def check(net: Network, x: np.ndarray = IMAGES) -> dict[str, np.ndarray]:
    _, got = net.run(x, trace=True)
    for name, want in float64_oracle(net, x).items():
        np.testing.assert_array_equal(got[name], want, err_msg=name)
    return got


def random_model(seed: int, shape: tuple[int, int, int] = (2, 9, 7)) -> nn.Module:
    """Random legal model: odd sizes, BatchNorm of either sign, with and without bias, dead channels."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    c, h, w = shape
    if rng.random() < 0.4:
        layers.append(Normalize(rng.uniform(0, 0.9, c).tolist(), rng.uniform(0.2, 1, c).tolist()))
    for _ in range(int(rng.integers(1, 4))):
        k, s = int(rng.choice([1, 3, 5])), int(rng.integers(1, 3))
        p = int(rng.integers(0, min(k, 3)))
        if h + 2 * p < k or w + 2 * p < k:
            break
        co = int(rng.integers(1, 8))
        conv = nn.Conv2d(c, co, k, s, p, bias=bool(rng.random() < 0.5))
        if rng.random() < 0.3:
            conv.weight.data[int(rng.integers(co))] = 0
        layers.append(conv)
        c, h, w = co, (h + 2 * p - k) // s + 1, (w + 2 * p - k) // s + 1
        if rng.random() < 0.6:
            bn = nn.BatchNorm2d(c)
            bn.weight.data, bn.bias.data = torch.randn(c), torch.randn(c)
            assert bn.running_mean is not None
            assert bn.running_var is not None
            bn.running_mean.copy_(0.1 * torch.randn(c))
            bn.running_var.copy_(torch.rand(c) + 0.1)
            layers.append(bn)
        pool = rng.choice(["none", "max", "max-first", "avg"]) if min(h, w) >= 2 else "none"
        tails: dict[str, list[nn.Module]] = {
            "none": [nn.ReLU()],
            "max": [nn.ReLU(), nn.MaxPool2d(2)],
            "max-first": [nn.MaxPool2d(2), nn.ReLU()],
            "avg": [nn.ReLU(), nn.AvgPool2d(2)],
        }
        layers += tails[pool]
        if pool != "none":
            h, w = h // 2, w // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(c * h * w, 5)).eval()


@pytest.mark.filterwarnings("ignore:layer")
@pytest.mark.parametrize("seed", range(40))
def test_random_models_equal_float64(seed: int) -> None:
    rng = np.random.default_rng(1000 + seed)
    steps, bits, first = (int(rng.integers(lo, 9)) for lo in (1, 2, 1))
    net = convert(random_model(seed), IMAGES, timesteps=steps, weight_bits=bits, input_bits=first)
    check(net)
    for op in net.operators:
        if isinstance(op, ops.Conv | ops.Linear):
            assert np.abs(op.weight.astype(int)).max(initial=0) <= 2 ** (bits - 1) - 1
    again = convert(random_model(seed), IMAGES, timesteps=steps, weight_bits=bits, input_bits=first)
    assert net.meta == again.meta
    for a, b in zip(net.operators, again.operators, strict=True):
        assert all(np.array_equal(v, b.arrays()[k]) for k, v in a.arrays().items())


@pytest.mark.filterwarnings("ignore:layer")
@pytest.mark.parametrize("seed", range(12))
def test_fine_quantisation_approaches_the_float_model(seed: int) -> None:
    model = random_model(seed)
    net = convert(model, IMAGES, timesteps=8, weight_bits=8, percentile=100)
    pad_error = net.meta["conversion"]["pad_code_error"]
    with torch.no_grad():
        want = model(torch.tensor(IMAGES)).numpy()
    error = np.abs(net.run(IMAGES) * net.logit_scale - want).max()
    assert error <= (0.02 + 0.05 * pad_error) * np.abs(want).max() + 0.01


# ------------------------------------------------------------------ theta, e, scales
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("steps", [1, 4, 8])
@pytest.mark.parametrize("bound_in", [1, 15, 255])
def test_theta_is_exact_by_construction(bits: int, steps: int, bound_in: int) -> None:
    weight = RNG.normal(0, RNG.uniform(0.01, 2, 9)[:, None, None, None], (9, 3, 3, 3))
    bias = RNG.normal(0, 0.5, 9)
    s_in, s_out = 1 / bound_in, 2.0 / (2**steps - 1)
    q = one_layer(weight, bias, s_in=s_in, bound_in=bound_in, s_out=s_out, steps_out=steps, bits=bits)
    assert q.theta is not None
    limit = 2 ** (bits - 1) - 1
    # With the rounded weights taken as real weights, the code is the correctly rounded quotient.
    np.testing.assert_allclose(q.scales[0], 2.0**q.exponent * s_out / (q.theta * s_in), rtol=1e-14)
    ideal = 2.0**q.exponent * s_out * limit / (s_in * np.abs(weight).reshape(9, -1).max(1))
    assert ideal.min() >= 16
    assert q.exponent == 0 or ideal.min() < 32
    assert (q.theta >= 16).all()
    unclipped = q.ratio == 1
    rounding = np.abs(q.weights[0] * q.scales[0][:, None, None, None] - weight)[unclipped]
    assert (rounding <= 0.5 * q.scales[0][unclipped][:, None, None, None] * (1 + 1e-9)).all()
    codes = RNG.integers(0, bound_in + 1, (500, 3, 3, 3))
    h = np.tensordot(codes, q.weights[0].astype(np.int64), axes=((1, 2, 3), (1, 2, 3)))
    code = np.clip((h * 2**q.exponent + q.bias) // q.theta, 0, 2**steps - 1)
    real = h * s_in * q.scales[0] + (q.bias - q.theta // 2) * s_out / q.theta
    exact = np.floor(real / s_out + (q.theta // 2) / q.theta + 1e-9)
    np.testing.assert_array_equal(code, np.clip(exact, 0, 2**steps - 1))


def test_clipping_lowers_the_error_and_is_off_when_useless() -> None:
    spiky = np.full((1, 100), 0.1) * np.sign(RNG.normal(size=(1, 100)))
    spiky[0, 0] = 1.0
    common: dict[str, Any] = {"s_in": 1 / 15, "bound_in": 15, "s_out": 0.1, "steps_out": 4, "bits": 2}
    clipped = one_layer(spiky * [1] + 0.3 * RNG.normal(size=(1, 100)), np.zeros(1), **common)
    assert clipped.ratio[0] < 1
    even = one_layer(np.array([[1.0, -1.0, 1.0, 0.0]]), np.zeros(1), **common)
    assert even.ratio[0] == 1
    assert even.weights[0].tolist() == [[1, -1, 1, 0]]


def test_dead_and_nearly_dead_channels() -> None:
    weight = RNG.normal(size=(4, 2, 3, 3))
    weight[1] = 0
    weight[2] *= 1e-9
    weight[3] *= 1e-300
    bias = np.array([0.0, 0.42, 0.42, 0.42])
    q = one_layer(weight, bias, s_in=1 / 15, bound_in=15, s_out=0.1, steps_out=4, bits=4)
    assert q.theta is not None
    assert q.theta[1] == 1
    assert q.bias[1] == 4
    assert q.theta[3] == 1
    assert q.bias[3] == 4
    assert q.theta.max() < 2**20  # does not widen the layer
    codes = RNG.integers(0, 16, (100, 2, 3, 3))
    h = np.tensordot(codes, q.weights[0].astype(np.int64), axes=((1, 2, 3), (1, 2, 3)))
    assert set(((h * 2**q.exponent + q.bias) // q.theta)[:, 1:].ravel()) == {4}
    off = one_layer(weight, np.array([0, -5.0, 99.0, 1e30]), s_in=1 / 15, bound_in=15, s_out=0.1, steps_out=4, bits=4)
    assert off.theta is not None
    assert off.bias[1] == 0
    assert (off.bias[2] // off.theta[2]) >= 15
    assert off.bias[3] == 15


def test_zero_channels_warn_and_all_zero_layers_convert() -> None:
    model: Any = seq(c=nn.Conv2d(2, 4, 3), r=nn.ReLU(), f=nn.Flatten(), l=nn.Linear(140, 3))
    model.c.weight.data[2] = 0
    with pytest.warns(UserWarning, match=r"'c': 1 of 4 channels have only zero weights \(2\)"):
        net = convert(model, IMAGES)
    check(net)
    for p in model.parameters():
        p.data.zero_()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net = convert(model, IMAGES)
    text = " ".join(str(w.message) for w in caught)
    assert "'c': no output is ever positive" in text
    assert "'l': 3 of 3 channels" in text
    assert not net.run(IMAGES).any()
    check(net)


def test_readout_shares_one_scale_and_keeps_small_biases() -> None:
    weight, bias = RNG.normal(size=(10, 84)), RNG.normal(0, 0.3, 10)
    q = quantise_readout(Part(weight, 0.05, 15, 4), bias)
    unit = 0.05 * q.scales[0][0] / 2**q.exponent
    assert np.ptp(q.scales[0]) == 0
    assert np.abs(q.bias * unit - bias).max() <= 0.05 * q.scales[0][0] / 32 * (1 + 1e-9)
    huge = quantise_readout(Part(weight, 0.05, 15, 4), bias * 1e7)
    assert huge.exponent < 4
    assert (np.abs(huge.bias) < 2**31).all()
    with pytest.raises(VolleyError, match=r"'fc': bias .* more than 32 bits"):
        quantise_readout(Part(weight, 0.05, 15, 4), bias * 1e12, name="fc")
    with pytest.raises(VolleyError, match="'conv': its gain needs e = "):
        one_layer(weight * 1e9, bias, s_in=1, bound_in=15, s_out=0.1, steps_out=4, bits=4, name="conv")


# ------------------------------------------------------------------ structure
def test_average_pool_widens_or_fires_back() -> None:
    wide = convert(seq(c=nn.Conv2d(2, 4, 3), r=nn.ReLU(), p=nn.AvgPool2d(2), d=nn.Conv2d(4, 3, (3, 2))), IMAGES)
    assert [o.kind for o in wide.operators] == ["encode", "conv", "neuron", "sumpool", "conv", "readout"]
    assert wide.tensors["p"].steps == 6
    assert wide.tensors["p"].bound == 60
    layers = wide.meta["conversion"]["layers"]
    assert layers[1]["input_scale"] == layers[0]["output_scale"] / 4
    check(wide)
    back = convert(
        seq(c=nn.Conv2d(2, 4, 3), r=nn.ReLU(), g=nn.AdaptiveAvgPool2d(1), f=nn.Flatten(), l=nn.Linear(4, 3)), IMAGES
    )
    assert [o.name for o in back.operators] == ["encode", "c", "c_neuron", "g", "g_neuron", "l", "l_readout"]
    neuron = back.operators[4]
    assert isinstance(neuron, ops.RadixNeuron)
    assert neuron.theta.tolist() == [35] * 4
    assert neuron.bias.tolist() == [17] * 4
    check(back)
    front = convert(seq(p=nn.AvgPool2d(3), q=nn.MaxPool2d(2), f=nn.Flatten(), l=nn.Linear(2, 3)), IMAGES, input_bits=8)
    assert [o.name for o in front.operators] == ["encode", "p", "p_neuron", "q", "l", "l_readout"]
    assert front.operators[2].theta.tolist() == [9, 9]  # type: ignore[attr-defined]
    check(front)


def test_normalisation_gives_the_padding_code() -> None:
    model = seq(
        n=Normalize([0.13, 0.8], [0.3, 0.6]), c=nn.Conv2d(2, 5, 3, padding=1), r=nn.ReLU(), d=nn.Conv2d(5, 3, (9, 7))
    )
    net = convert(model, IMAGES, timesteps=4, input_bits=8)
    conv = net.operators[1]
    assert isinstance(conv, ops.Conv)
    assert conv.pad_code.tolist() == [33, 204]
    assert net.meta["conversion"]["pad_code_error"] == pytest.approx(0.15, abs=1e-4)
    check(net)
    assert convert(model, IMAGES, input_bits=4).operators[1].pad_code.tolist() == [2, 13]  # type: ignore[attr-defined]
    pooled = seq(
        n=Normalize(0.5, 0.5),
        p=nn.AvgPool2d(2),
        c=nn.Conv2d(2, 3, 3, padding=1),
        r=nn.ReLU(),
        d=nn.Conv2d(3, 3, (4, 3)),
    )
    net = convert(pooled, IMAGES)
    assert net.operators[2].pad_code.tolist() == [32, 32]  # type: ignore[attr-defined]  # 4 * 255/16 / 2, of codes to 60
    check(net)
    with pytest.raises(VolleyError, match=r"'c'.*pixel value -0.5 of channel 0, outside 0..1"):
        convert(
            seq(n=Normalize(-0.5, 1.0), c=nn.Conv2d(2, 3, 3, padding=1), r=nn.ReLU(), d=nn.Conv2d(3, 3, (9, 7))), IMAGES
        )


def test_per_layer_options() -> None:
    model = seq(
        c=nn.Conv2d(2, 4, 3), r=nn.ReLU(), d=nn.Conv2d(4, 4, 3), s=nn.ReLU(), f=nn.Flatten(), l=nn.Linear(60, 3)
    )
    net = convert(
        model, IMAGES, timesteps={"c": 3, "d": 6}, weight_bits={"default": 5, "l": 8}, input_bits=8, name="mine"
    )
    assert [net.tensors[n].steps for n in ("encode", "c_neuron", "d_neuron")] == [8, 3, 6]
    assert net.name == "mine"
    assert [o.weight_bits for o in net.operators if isinstance(o, ops.Conv | ops.Linear)] == [5, 5, 8]
    check(net)


torch.manual_seed(0)
MODEL = seq(c=nn.Conv2d(2, 4, 3), r=nn.ReLU(), f=nn.Flatten(), l=nn.Linear(140, 3))


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (IMAGES, {"encoding": "rate"}, "encoding 'rate' is not supported yet; use radix"),
        (IMAGES, {"timesteps": 9}, "timesteps: 9 of layer 'c' is outside 1..8"),
        (IMAGES, {"timesteps": 0}, "timesteps: 0"),
        (IMAGES, {"timesteps": True}, "timesteps: True"),
        (IMAGES, {"timesteps": 2.5}, "timesteps: 2.5"),
        (IMAGES, {"weight_bits": 1}, "weight_bits: 1 of layer 'c' is outside 2..8"),
        (IMAGES, {"weight_bits": {"c": 4}}, "weight_bits: no value for layer 'l'; add it, or a 'default'"),
        (IMAGES, {"weight_bits": {"conv": 4}}, "weight_bits: unknown layer 'conv'; layers are c, l"),
        (IMAGES, {"input_bits": 9}, "input_bits: 9 is outside 1..8"),
        (IMAGES, {"percentile": 0}, "percentile: 0 is neither"),
        (IMAGES, {"percentile": "max"}, "percentile: 'max' is neither"),
        (IMAGES[:0], {}, "calibration: is empty"),
        (IMAGES[0, 0], {}, r"layer 'c' \(Conv2d\): acts on \[N, C, H, W\], its input is \[N, F\]"),
        (IMAGES, {"input_shape": (2, 9, 8)}, r"calibration: shape \(24, 2, 9, 7\) does not fit .*\[N, 2, 9, 8\]"),
        (IMAGES * 2, {}, r"calibration: value .* is outside 0..1"),
        (np.full_like(IMAGES, np.nan), {}, r"calibration: value nan at \(0, 0, 0, 0\)"),
        (IMAGES.astype(complex), {}, "calibration: dtype complex"),
    ],
)
def test_bad_input_is_one_clear_error(images: np.ndarray, options: dict[str, object], message: str) -> None:
    with pytest.raises(VolleyError, match=message) as e:
        convert(MODEL, images, **options)  # type: ignore[arg-type]
    assert "\n" not in str(e.value)


def test_pixels_and_percentiles() -> None:
    pixels = np.floor(IMAGES * 255 + 0.5).astype(np.uint8)
    a, b = convert(MODEL, pixels), convert(MODEL, pixels.astype(np.float32) / 255)
    np.testing.assert_array_equal(a.run(IMAGES), b.run(IMAGES))
    scales = [
        convert(MODEL, IMAGES, percentile=p).meta["conversion"]["layers"][0]["output_scale"]
        for p in (90, 99.9, 100, "mse")
    ]
    assert scales[0] < scales[1] <= scales[2]
    assert scales[3] <= scales[2]


def test_saved_network_keeps_its_report(tmp_path: Path) -> None:
    net = pyflow.convert(MODEL, IMAGES)
    net.save(tmp_path / "n.vly")
    loaded = Network.load(tmp_path / "n.vly")
    assert loaded.meta == json.loads(json.dumps(net.meta))
    assert loaded.logit_scale == net.logit_scale
    np.testing.assert_array_equal(loaded.run(IMAGES), net.run(IMAGES))


def test_import_needs_numpy_only() -> None:
    code = "import sys, pyflow, pyflow.data, pyflow.zoo; assert not {'torch', 'sklearn', 'tqdm'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(pyflow.__file__).parents[1])


def test_exponents_of_another_network() -> None:
    """like=: e of every layer is given, whatever this network alone would choose."""
    x = np.random.default_rng(0).random((32, 1, 6, 6)).astype(np.float32)
    torch.manual_seed(3)
    model = seq(conv=nn.Conv2d(1, 4, 3), relu=nn.ReLU(), flat=nn.Flatten(), fc=nn.Linear(64, 5)).eval()
    plain = convert(model, x, timesteps=8, weight_bits=2)
    assert exponents(plain)["conv"] > 4

    def moved(by: int) -> Network:
        return replace(plain, operators=tuple(
            replace(op, exponent=max(0, op.exponent + by)) if isinstance(op, ops.RadixNeuron) else op
            for op in plain.operators))  # fmt: skip

    for by in (-2, 0, 3):
        other = convert(model, x, timesteps=8, weight_bits=2, like=moved(by))
        assert exponents(other) == exponents(moved(by))
        assert (other.run(x).argmax(1) == plain.run(x).argmax(1)).mean() > 0.6  # two bits of weight
    needed = exponents(plain)["conv"]
    with pytest.raises(VolleyError, match=f"layer 'conv': its gain needs e = {needed}, e = 0 is given .*`like`"):
        convert(model, x, timesteps=8, weight_bits=2, like=moved(-24))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("timestep", "timestep: is no option; 'timesteps' is$"),
        ("weights_bits", "weights_bits: is no option; 'weight_bits' is$"),
        ("step", "step: is no option; 'steps' is$"),
        ("zzz", "zzz: is no option$"),
        ("steps", "steps: is for models with neurons of a spiking framework"),
    ],
)
def test_options_that_are_none(option: str, message: str) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(VolleyError, match=message):
        convert(model, np.ones((3, 1, 2, 2), np.float32), **{option: 4})  # type: ignore[arg-type]
