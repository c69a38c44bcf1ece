# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Our spiking neuron against the frameworks themselves: every spike and every membrane of every step.

Inputs and thresholds are whole numbers. Without leak, or with a decay of 1 - 2^-k and FRAC >= k*T, neither ours nor
the frameworks' float64 arithmetic rounds, and equality is `==`. Where decays are arbitrary, snnTorch runs with our
floor as its own `state_quant`, and the distance of all three in floating point is bounded.
docs/frameworks.md has the settings as a table.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from pyflow.operators import Encoding, Tensor
from pyflow.operators.lif import LIFNeuron

NEURONS, THETA, WIDTH = 256, 12, 32
LEAKS = [(1, 24), (2, 12), (3, 8)]  # k and T: k*T = 24 fraction bits, the most that a neuron has
CURRENT_LEAKS = [(1, 2, 12), (2, 1, 12)]  # k of the current, k of the membrane, T

Run = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass
class Case:
    """A framework's neuron and ours. run: input [T, N] to spikes and membranes [T, N]. ours: settings in units of
    acc. strict: fires on v > theta. scale: our potentials are so many times theirs. shown: the membrane that the
    framework shows in a step that fires is the one before its reset."""

    run: Run
    ours: dict[str, Any]
    strict: bool
    scale: int = 1
    shown: bool = False
    theta: int = THETA


def framework(name: str) -> ModuleType:
    package = name.partition(".")[0]
    pytest.importorskip(package, reason=f"{package} is not installed: pip install volley-snn[oracle]")
    return importlib.import_module(name)


def volley(x: np.ndarray, *, theta: float, strict: bool, frac: int, **settings: Any) -> tuple[np.ndarray, np.ndarray]:
    """Spikes and membranes [T, N] of LIFNeuron, a channel per neuron; potentials in units of acc."""
    one, channels = 1 << frac, x.shape[1]

    def vector(value: int | np.ndarray) -> np.ndarray:
        return np.full(channels, value)

    for name in {"v_leak", "v_reset", "v0", "jump"} & settings.keys():
        settings[name] = round(settings[name] * one)
    for name in {"v0", "alpha"} & settings.keys():
        settings[name] = vector(settings[name])
    fire = round(theta * one)
    if settings["reset"] == "soft":
        settings["reset_amount"] = vector(fire)
    # v > theta of whole numbers is v >= theta + 1; what is subtracted stays theta.
    neuron = LIFNeuron("lif", ("acc",), theta=vector(fire + strict), frac=frac, width=WIDTH, **settings)
    source = Tensor("acc", (channels, 1, 1), Encoding.POTENTIAL, len(x), int(np.abs(x).max()), timed=True)
    state, spikes, membranes = neuron.initial(1, source), [], []
    for row in x:
        z, state = neuron.step(state, row[None, :, None, None])
        spikes.append(z.ravel() != 0)
        membranes.append(state.v.ravel() / one)
    assert not state.saturated.any()
    return np.array(spikes), np.array(membranes)


def inputs(steps: int, theta: int, low: int = -5, high: int = 8, seed: int = 0) -> np.ndarray:
    """Random whole numbers; the first three neurons start on, one above and one below the threshold."""
    x = np.random.default_rng(seed).integers(low, high + 1, (steps, NEURONS))
    x[0, :3] = theta, theta + 1, theta - 1
    return x


def agree(case: Case, x: np.ndarray, frac: int, corner: int = 0) -> None:
    """corner: the step in which the first input reaches the membrane."""
    spikes, v = case.run(x)
    our_spikes, our_v = volley(x, theta=case.theta * case.scale, strict=case.strict, frac=frac, **case.ours)
    assert spikes.any()
    assert not spikes.all()
    assert spikes[corner, :3].tolist() == [not case.strict, True, False], "on, one above and one below the threshold"
    np.testing.assert_array_equal(our_spikes, spikes)
    seen = ~spikes if case.shown else np.ones_like(spikes)
    np.testing.assert_array_equal(our_v[seen] / case.scale, v[seen])


# --- snnTorch ---------------------------------------------------------------------------------------------------


def snntorch_run(cell: Any, states: int = 1) -> Run:
    """states: 1 for mem, 2 for syn and mem; the membrane is the last of them."""

    def run(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        state = [torch.zeros(x.shape[1], dtype=torch.float64)] * states
        spikes, membranes = [], []
        for row in torch.tensor(x, dtype=torch.float64):
            z, *state = cell(row, *state)
            spikes.append(z.detach().numpy() > 0)
            membranes.append(state[-1].detach().numpy())
        return np.array(spikes), np.array(membranes)

    return run


SNNTORCH_LEAKY = {  # (reset_mechanism, reset_delay): ours
    ("subtract", True): {"reset": "soft", "reset_order": "after"},
    ("subtract", False): {"reset": "soft"},
    ("zero", True): {"reset": "hard"},  # v <- 0 before the next leak: the input of that step counts
    ("zero", False): {"reset": "hard"},
    ("none", True): {"reset": "none"},
    ("none", False): {"reset": "none"},
}
SNNTORCH_SYNAPTIC = SNNTORCH_LEAKY | {
    ("zero", True): {"reset": "hard", "reset_order": "after"},  # v <- 0 after the leak: that input is lost
}


def leak(k: int) -> dict[str, Any]:
    return {"leak": "shift", "leak_shift": k} if k else {}


def current(kind: str, k: int) -> dict[str, Any]:
    return {"current": kind, "current_width": WIDTH, "current_leak": "shift", "current_shift": k}


def snntorch_leaky(k: int, mechanism: str, delay: bool) -> Case:
    cell = framework("snntorch").Leaky(1 - 2.0**-k if k else 1.0, THETA, reset_mechanism=mechanism, reset_delay=delay)
    return Case(
        snntorch_run(cell), SNNTORCH_LEAKY[mechanism, delay] | leak(k), strict=True, shown=mechanism == "zero" and delay
    )


@pytest.mark.parametrize(("mechanism", "delay"), SNNTORCH_LEAKY)
def test_snntorch_if(mechanism, delay):
    """Leaky with beta = 1, 600 steps."""
    agree(snntorch_leaky(0, mechanism, delay), inputs(600, THETA), frac=0)


@pytest.mark.parametrize(("mechanism", "delay"), SNNTORCH_LEAKY)
@pytest.mark.parametrize(("k", "steps"), LEAKS)
def test_snntorch_leaky(k, steps, mechanism, delay):
    agree(snntorch_leaky(k, mechanism, delay), inputs(steps, THETA), frac=k * steps)


@pytest.mark.parametrize(("mechanism", "delay"), SNNTORCH_SYNAPTIC)
@pytest.mark.parametrize(("k_current", "k", "steps"), CURRENT_LEAKS)
def test_snntorch_synaptic(k_current, k, steps, mechanism, delay):
    cell = framework("snntorch").Synaptic(
        1 - 2.0**-k_current, 1 - 2.0**-k, THETA, reset_mechanism=mechanism, reset_delay=delay
    )
    ours = SNNTORCH_SYNAPTIC[mechanism, delay] | current("new", k_current) | leak(k)
    case = Case(snntorch_run(cell, states=2), ours, strict=True)
    agree(case, inputs(steps, THETA, -4, 4), frac=max(k_current, k) * steps)


@pytest.mark.parametrize("mechanism", ["subtract", "zero", "none"])
@pytest.mark.parametrize(("k", "steps"), LEAKS)
def test_snntorch_lapicque(k, steps, mechanism):
    """R = 1, C = 2^k: the input is divided by C, so our potentials are C times theirs."""
    cell = framework("snntorch").Lapicque(R=1, C=2**k, threshold=3, reset_mechanism=mechanism)
    case = Case(snntorch_run(cell), SNNTORCH_SYNAPTIC[mechanism, True] | leak(k), strict=True, scale=2**k, theta=3)
    agree(case, inputs(steps, 3 * 2**k, -(2**k), 2 * 2**k), frac=k * steps)


def test_snntorch_without_delay_wants_inputs_up_to_the_threshold():
    """reset_delay=False undoes a reset that it made where mem is above the threshold even after one: such a neuron
    falls silent (`do_reset = spk - reset` of snntorch/_neurons/leaky.py). We do not follow."""
    x = np.zeros((4, NEURONS), int)
    x[0] = 3 * THETA
    case = snntorch_leaky(0, "subtract", False)
    spikes, v = case.run(x)
    assert spikes[:, 0].tolist() == [True, False, False, False]
    assert (v == 2 * THETA).all()
    ours, _ = volley(x, theta=THETA, strict=True, frac=0, **case.ours)
    assert ours[:, 0].tolist() == [True, True, False, False]


@pytest.mark.parametrize(("mechanism", "delay"), SNNTORCH_LEAKY)
@pytest.mark.parametrize("frac", [0, 6])
def test_snntorch_rounds_as_we_do(frac, mechanism, delay):
    """A decay alpha/2^F of its own for every neuron, 400 steps, with our floor handed to snnTorch as `state_quant`."""
    alpha = np.random.default_rng(1).integers(2**15, 2**16, NEURONS)

    def floor(v: Any) -> Any:
        return torch.floor(v * 2**frac) / 2**frac

    cell = framework("snntorch").Leaky(
        torch.tensor(alpha / 2**16), THETA, reset_mechanism=mechanism, reset_delay=delay, state_quant=floor
    )
    ours = SNNTORCH_LEAKY[mechanism, delay] | {"leak": "multiply", "alpha": alpha, "leak_frac": 16}
    agree(Case(snntorch_run(cell), ours, strict=True, shown=mechanism == "zero" and delay), inputs(400, THETA), frac)


def test_shift_leak_rounds_up():
    """d - floor(d/2^k) is the ceiling of d*(1 - 2^-k): the same with `state_quant`, 400 steps."""
    cell = framework("snntorch").Leaky(0.875, THETA, state_quant=lambda v: torch.ceil(v * 2**4) / 2**4)
    ours = SNNTORCH_LEAKY["subtract", True] | leak(3)
    agree(Case(snntorch_run(cell), ours, strict=True), inputs(400, THETA), frac=4)


# --- SpikingJelly -----------------------------------------------------------------------------------------------


def spikingjelly(kind: str, *, start: float | None = None, **settings: Any) -> Run:
    neurons = framework("spikingjelly.activation_based.neuron")

    def run(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        node = getattr(neurons, kind)(**settings)
        if start is not None:
            node.v = torch.full((x.shape[1],), start, dtype=torch.float64)
        spikes, membranes = [], []
        for row in torch.tensor(x, dtype=torch.float64):
            spikes.append(node(row).detach().numpy() > 0)
            membranes.append(node.v.detach().numpy())
        return np.array(spikes), np.array(membranes)

    return run


def spikingjelly_reset(v_reset: float | None, scale: int = 1) -> dict[str, Any]:
    """v_reset is reset, rest and start of the membrane; None resets by subtraction."""
    if v_reset is None:
        return {"reset": "soft"}
    return {"reset": "hard"} | dict.fromkeys(("v_reset", "v_leak", "v0"), v_reset * scale)


@pytest.mark.parametrize("v_reset", [None, 0.0, -3.0])
def test_spikingjelly_if(v_reset):
    x = inputs(600, THETA)
    x[0, :3] -= int(v_reset or 0)  # the neuron starts there
    run = spikingjelly("IFNode", v_threshold=float(THETA), v_reset=v_reset)
    agree(Case(run, spikingjelly_reset(v_reset), strict=False), x, frac=0)


def test_spikingjelly_if_starts_at_half_a_threshold():
    """QCFS: the rounding theta/2 is the start, not a bias."""
    x = inputs(600, THETA)
    x[0, :3] -= THETA // 2
    run = spikingjelly("IFNode", v_threshold=float(THETA), v_reset=None, start=THETA / 2)
    agree(Case(run, {"reset": "soft", "v0": THETA // 2}, strict=False), x, frac=0)


# 1/tau of ParametricLIFNode is a sigmoid: of powers of two only 1/2 is exact.
@pytest.mark.parametrize(("kind", "k", "steps"), [("ParametricLIFNode", *LEAKS[0]), *(("LIFNode", *x) for x in LEAKS)])
@pytest.mark.parametrize("v_reset", [None, 0.0, -3.0])
@pytest.mark.parametrize("decay_input", [True, False])
def test_spikingjelly_lif(kind, k, steps, decay_input, v_reset):
    """decay_input divides the input by tau = 2^k as well: our potentials are then tau times theirs."""
    scale, theta = (2**k, 3) if decay_input else (1, THETA)
    tau = {"tau" if kind == "LIFNode" else "init_tau": 2.0**k}
    run = spikingjelly(kind, v_threshold=float(theta), v_reset=v_reset, decay_input=decay_input, **tau)
    x = inputs(steps, theta * scale, -2 * scale, 5 * scale)
    x[0, :3] -= int(v_reset or 0) * scale
    ours = spikingjelly_reset(v_reset, scale) | leak(k)
    agree(Case(run, ours, strict=False, scale=scale, theta=theta), x, frac=k * steps)


@pytest.mark.parametrize("v_reset", [None, 0.0, -4.0])
@pytest.mark.parametrize(("k_current", "k", "steps"), CURRENT_LEAKS)
def test_spikingjelly_current(k_current, k, steps, v_reset):
    """The membrane starts at its reset and decays to 0."""
    decays = {"c_decay": 1 - 2.0**-k_current, "v_decay": 1 - 2.0**-k}
    run = spikingjelly("CUBALIFNode", v_threshold=float(THETA), v_reset=v_reset, **decays)
    x = inputs(steps, THETA)
    x[0, :3] -= int((v_reset or 0) * decays["v_decay"])
    ours = spikingjelly_reset(v_reset) | current("new", k_current) | leak(k)
    ours |= {"v_leak": 0} if v_reset is not None else {}
    agree(Case(run, ours, strict=False), x, frac=max(k_current, k) * steps)


# --- Norse ------------------------------------------------------------------------------------------------------


def norse(cell: Any, membrane: Callable[[Any], Any] = lambda state: state.v) -> Run:
    def run(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        state, spikes, membranes = None, [], []
        for row in torch.tensor(x, dtype=torch.float64):
            z, state = cell(row, state)
            spikes.append(z.detach().numpy() > 0)
            membranes.append(membrane(state).detach().numpy())
        return np.array(spikes), np.array(membranes)

    return run


def norse_parameters(kind: str, **values: Any) -> Any:
    """Numbers as float64 tensors, as the cells want them."""
    tensors = {
        name: torch.tensor(v, dtype=torch.float64) if isinstance(v, float | int) else v for name, v in values.items()
    }
    return getattr(framework("norse.torch"), kind)(**tensors)


def norse_rests(v_leak: int, v_reset: int, scale: int) -> dict[str, int]:
    return {"v_leak": v_leak * scale, "v_reset": v_reset * scale, "v0": v_leak * scale}


RESTS = [(0, 0), (1, -2)]  # v_leak, v_reset


def norse_inputs(steps: int, scale: int, v_leak: int) -> np.ndarray:
    """A neuron at its rest v_leak moves by x/scale in the first step; threshold 3."""
    return inputs(steps, (3 - v_leak) * scale, -2 * scale, 5 * scale)


def test_norse_iaf():
    iaf, p = framework("norse.torch.functional.iaf"), norse_parameters("IAFParameters", v_th=THETA, v_reset=-3)
    start = iaf.IAFFeedForwardState(v=torch.tensor(0.0))
    run = norse(lambda row, state: iaf.iaf_feed_forward_step(row, state or start, p))
    agree(Case(run, {"reset": "hard", "v_reset": -3}, strict=True), inputs(600, THETA), frac=0)


@pytest.mark.parametrize("method", ["reset_value", "reset_subtract"])
@pytest.mark.parametrize(("v_leak", "v_reset"), RESTS)
@pytest.mark.parametrize(("k", "steps"), LEAKS)
def test_norse_lif_box(k, steps, v_leak, v_reset, method):
    p = norse_parameters(
        "LIFBoxParameters",
        tau_mem_inv=2.0**-k,
        v_leak=v_leak,
        v_th=3,
        v_reset=v_reset,
        reset_method=getattr(framework("norse.torch.functional.reset"), method),
    )
    ours = {"reset": "hard" if method == "reset_value" else "soft"} | norse_rests(v_leak, v_reset, 2**k) | leak(k)
    run = norse(framework("norse.torch").LIFBoxCell(p, dt=1.0))
    agree(Case(run, ours, strict=True, scale=2**k, theta=3), norse_inputs(steps, 2**k, v_leak), frac=k * steps)


@pytest.mark.parametrize(("v_leak", "v_reset"), RESTS)
@pytest.mark.parametrize(("k_current", "k", "steps"), CURRENT_LEAKS)
def test_norse_lif(k_current, k, steps, v_leak, v_reset):
    """The current jumps first and drives undecayed: our *new*."""
    p = norse_parameters(
        "LIFParameters", tau_syn_inv=2.0**-k_current, tau_mem_inv=2.0**-k, v_leak=v_leak, v_th=3, v_reset=v_reset
    )
    ours = {"reset": "hard"} | norse_rests(v_leak, v_reset, 2**k) | current("new", k_current) | leak(k)
    run = norse(framework("norse.torch").LIFCell(p, dt=1.0))
    agree(
        Case(run, ours, strict=True, scale=2**k, theta=3),
        norse_inputs(steps, 2**k, v_leak),
        frac=max(k_current, k) * steps,
    )


@pytest.mark.parametrize("refractory", [1, 5])
def test_norse_lif_refractory(refractory):
    """The membrane rests while the current goes on."""
    k_current, k, steps = 2, 1, 12
    lif = norse_parameters("LIFParameters", tau_syn_inv=2.0**-k_current, tau_mem_inv=2.0**-k, v_th=3, v_reset=-1)
    p = norse_parameters("LIFRefracParameters", lif=lif, rho_reset=refractory)
    cell = framework("norse.torch").LIFRefracCell(p, dt=1.0)
    ours = {"reset": "hard", "refractory": refractory} | norse_rests(0, -1, 2**k) | current("new", k_current) | leak(k)
    case = Case(norse(cell, lambda state: state.lif.v), ours, strict=True, scale=2**k, theta=3)
    agree(case, inputs(steps, 3 * 2**k, -2, 12), frac=k_current * steps)


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_norse_lsnn(beta):
    """The threshold adapts; the current drives before it takes the step's input: our *old*."""
    k_current, k, k_adapt, steps = 1, 2, 1, 12
    p = norse_parameters(
        "LSNNParameters",
        tau_syn_inv=2.0**-k_current,
        tau_mem_inv=2.0**-k,
        tau_adapt_inv=2.0**-k_adapt,
        v_th=3,
        v_reset=0,
        beta=beta,
    )
    adapt = {"adapt": True, "adapt_leak": "shift", "adapt_shift": k_adapt, "adapt_width": 31, "jump": beta * 2**k}
    ours = {"reset": "hard"} | adapt | current("old", k_current) | leak(k)
    case = Case(norse(framework("norse.torch").LSNNCell(p, dt=1.0)), ours, strict=True, scale=2**k, theta=3)
    agree(case, inputs(steps, 3 * 2**k, 0, 12), frac=k * steps, corner=1)


# --- Decays that are no power of two ------------------------------------------------------------------------------


def arbitrary(name: str, decay: float, theta: float) -> Run:
    """v <- decay*v + x, hard reset to 0 (snnTorch: soft, delayed)."""
    if name == "snntorch":
        return snntorch_run(framework("snntorch").Leaky(decay, theta))
    if name == "spikingjelly":
        return spikingjelly("LIFNode", tau=1 / (1 - decay), v_threshold=theta, v_reset=0.0, decay_input=False)
    p = norse_parameters("LIFBoxParameters", tau_mem_inv=1 - decay, v_th=theta * (1 - decay))
    run = norse(framework("norse.torch").LIFBoxCell(p, dt=1.0))
    return lambda x: (run(x)[0], run(x)[1] / (1 - decay))


@pytest.mark.parametrize("name", ["snntorch", "spikingjelly", "norse"])
@pytest.mark.parametrize("beta", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(("frac", "alike"), [(12, 0.8), (16, 0.97)])
def test_distance_from_float(frac, alike, beta, name):
    """Floors lose less than one unit of 2^-FRAC a step, so v is below the float by less than 1/(1 - beta) of them,
    until a threshold falls between the two. 400 steps; at least `alike` of the neurons never come to that."""
    alpha = round(beta * 2**16)
    decay, x = alpha / 2**16, inputs(400, THETA)
    spikes, v = arbitrary(name, decay, float(THETA))(x)
    order = {"reset": "soft", "reset_order": "after"} if name == "snntorch" else {"reset": "hard"}
    ours, our_v = volley(
        x, theta=THETA, strict=name != "spikingjelly", frac=frac, leak="multiply", alpha=alpha, leak_frac=16, **order
    )
    differ = (ours != spikes).any(0)
    first = np.where(differ, (ours != spikes).argmax(0), len(x))
    below = np.where(np.arange(len(x))[:, None] < first, v - our_v, 0) * 2**frac
    assert -1e-3 < below.min()
    assert 1 < below.max() < 1 / (1 - decay)
    assert all(spikes[t, n] for n, t in enumerate(first) if differ[n]), "the one below is the one that does not fire"
    assert np.mean(~differ) >= alike
