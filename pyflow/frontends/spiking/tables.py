# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""The classes of snnTorch, SpikingJelly and Norse: one table per framework, of what is built and what is refused.

docs/frameworks.md has the equations, tests/unit/test_frameworks.py runs each of these settings beside the
framework, and docs/framework_layers.md is written from these tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from pyflow.frontends.spiking.feedback import Feedback
from pyflow.model.spiking import Neuron


class Unsupported(Exception):
    """Why a setting has no form, and what would have one."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A class of neurons that is built. read: its parameters. equations, settings: what the page says of it.
    feedback: the weights of a recurrent one."""

    read: Callable[[Any], Neuron]
    built: str
    settings: str
    feedback: Callable[[Any], Feedback] | None = None


@dataclass(frozen=True, slots=True)
class Framework:
    """version: that the table was read from. neurons, layers: classes that are built; layers by what they are. refused:
    other classes, by what works instead. A class that stands nowhere is refused too."""

    name: str
    version: str
    neurons: Mapping[str, Entry]
    refused: Mapping[str, str]
    layers: Mapping[str, str]


def _numbers(value: Any) -> np.ndarray:
    """float64, one per channel or one for all."""
    array = np.asarray(value.detach().cpu() if isinstance(value, torch.Tensor) else value, np.float64).ravel()
    return array[:1] if array.size > 1 and (array == array[0]).all() else array


def _number(value: Any, what: str) -> float:
    array = _numbers(value)
    if array.size != 1:
        raise Unsupported(f"{what} differs from neuron to neuron; needs one for the layer")
    return float(array[0])


def _only(module: Any, **allowed: Any) -> None:
    """Refuses settings that would change the equations. allowed: the values that do not."""
    for name, values in allowed.items():
        value = getattr(module, name, values[0])
        if isinstance(value, torch.Tensor):
            value = value.item() if value.numel() == 1 else value
        if not any(value is v or (not isinstance(value, torch.Tensor) and value == v) for v in values):
            raise Unsupported(f"{name} = {value} is not supported; use {' or '.join(map(str, values))}")


# ------------------------------------------------------------------ snnTorch
def _snntorch(module: Any, decay: np.ndarray, **others: Any) -> Neuron:
    _only(module, inhibition=(False,), state_quant=(False,), graded_spikes_factor=(1.0,))
    late = bool(getattr(module, "reset_delay", True))
    # To zero, a Leaky is reset before its leak and the step's input count; the others after.
    order = "after" if late else "before"
    if module.reset_mechanism == "zero" and type(module).__name__ == "Leaky":
        order = "before"
    kind = {"subtract": "soft", "zero": "hard", "none": "none"}[module.reset_mechanism]
    # With a delay, mem is given before the reset of its step.
    return Neuron(np.clip(decay, 0.0, 1.0), _numbers(module.threshold), True, kind, order, gives_met=late, **others)


def _leaky(module: Any) -> Neuron:
    return _snntorch(module, _numbers(module.beta))


def _synaptic(module: Any) -> Neuron:
    alpha = float(np.clip(_number(module.alpha, "alpha"), 0.0, 1.0))
    return _snntorch(module, _numbers(module.beta), current="new", current_decay=alpha)


def _lapicque(module: Any) -> Neuron:
    r, c, dt = (_number(getattr(module, name), name) for name in ("R", "C", "time_step"))
    return _snntorch(module, np.array([1 - dt / (r * c)]), gain=dt / c)


# ------------------------------------------------------------------ SpikingJelly
def _spikingjelly(module: Any, decay: float, gain: float = 1.0) -> Neuron:
    start = module._memories_rv["v"]
    hard = module.v_reset is not None
    rest = float(module.v_reset) if hard else 0.0
    if not isinstance(start, int | float):
        raise Unsupported("starts from a membrane of its own per neuron; needs one number")
    return Neuron(
        np.array([decay]), _numbers(module.v_threshold), False, "hard" if hard else "soft",
        gain=gain, v_reset=rest, v_leak=rest, v0=float(start),
    )  # fmt: skip


def _sj_leaky(module: Any, tau: float) -> Neuron:
    if tau < 1:
        raise Unsupported(f"tau = {tau:g} is below 1, where the membrane grows")
    neuron = _spikingjelly(module, 1 - 1 / tau, 1 / tau if module.decay_input else 1.0)
    return neuron


def _sj_current(module: Any) -> Neuron:
    """CUBALIFNode: its membrane decays to 0, whatever it is reset to."""
    neuron = _spikingjelly(module, float(module.v_decay))
    return replace(neuron, v_leak=0.0, current="new", current_decay=float(module.c_decay))


# ------------------------------------------------------------------ Norse
def _norse(module: Any, decay: float, gain: float, **others: Any) -> Neuron:
    p = _of_lif(module)
    leak = _number(getattr(p, "v_leak", 0.0), "v_leak")
    kind, method = "hard", getattr(getattr(p, "reset_method", None), "__name__", "reset_value")
    if method not in ("reset_value", "reset_subtract"):
        raise Unsupported(f"reset_method = {method} is not supported; use reset_value or reset_subtract")
    if method == "reset_subtract":
        kind = "soft"
    return Neuron(
        np.array([decay]), _numbers(p.v_th), True, kind,
        gain=gain, v_reset=_number(p.v_reset, "v_reset"), v_leak=leak, v0=leak, **others,
    )  # fmt: skip


def _of_lif(module: Any) -> Any:
    """The parameters of the LIF neuron in those of `module`."""
    return getattr(module.p, "lif", module.p)


def _rate(module: Any, name: str) -> float:
    """dt/tau, of an Euler step."""
    rate = module.dt * _number(getattr(_of_lif(module), name), name)
    if not 0 <= rate <= 1:
        raise Unsupported(f"dt * {name} = {rate:g} is outside 0..1, where an Euler step is stable")
    return float(rate)


def _lif_box(module: Any) -> Neuron:
    rate = _rate(module, "tau_mem_inv")
    return _norse(module, 1 - rate, rate)


def _lif(module: Any) -> Neuron:
    rate = _rate(module, "tau_mem_inv")
    return _norse(module, 1 - rate, rate, current="new", current_decay=1 - _rate(module, "tau_syn_inv"))


def _refractory(module: Any) -> Neuron:
    steps = _number(module.p.rho_reset, "rho_reset")
    if not 0 <= steps < 2**16 or steps != int(steps):
        raise Unsupported(f"rho_reset = {steps:g} is no whole number of steps up to {2**16 - 1}")
    return replace(_lif(module), refractory=int(steps))


def _iaf(module: Any) -> Neuron:
    neuron = _norse(module, 1.0, 1.0)
    return replace(neuron, v0=neuron.v_reset)


# ------------------------------------------------------------------ leaky integrators
def _integrator(decay: float, gain: float = 1.0, rest: float = 0.0, **others: Any) -> Neuron:
    return Neuron(np.array([decay]), np.array([np.inf]), True, "none", gain=gain, v_leak=rest, v0=rest, **others)


def _decoded(module: Any, decay: float, gain: float) -> Neuron:
    if module.decode not in (None, *DECODES):
        raise Unsupported(f"decode = {module.decode!r} is not supported; use {', '.join(DECODES)}, or None")
    return _integrator(decay, gain)


def _li_box(module: Any, **others: Any) -> Neuron:
    rate = _rate(module, "tau_mem_inv")
    return _integrator(1 - rate, rate, _number(module.p.v_leak, "v_leak"), **others)


def _li(module: Any) -> Neuron:
    return _li_box(module, current="new", current_decay=1 - _rate(module, "tau_syn_inv"))


def _li_weights(module: Any) -> Feedback:
    return Feedback(np.zeros(0), into=_array(module.input_weights))


# ------------------------------------------------------------------ recurrent neurons
def _array(value: Any) -> np.ndarray:
    return np.asarray(value.detach().cpu().numpy(), np.float64)


def _recurrent(module: Any) -> Neuron:
    """RLeaky and RSynaptic add the spikes of the step before to the input; to zero with a delay, the step's input is
    lost."""
    neuron = _leaky(module) if type(module).__name__ == "RLeaky" else _synaptic(module)
    # RSynaptic computes its reset without delay, and throws it away.
    late = bool(module.reset_delay) or type(module).__name__ == "RSynaptic"
    return replace(neuron, order="after" if late else "before")


def _back(module: Any) -> Feedback:
    layer = module.recurrent
    if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
        return Feedback(_array(layer.weight), np.zeros(0) if layer.bias is None else _array(layer.bias))
    return Feedback(_numbers(layer.V))


def _norse_back(module: Any) -> Feedback:
    return Feedback(_array(module.recurrent_weights), into=_array(module.input_weights))


# ------------------------------------------------------------------ the tables
DECODES = ("max-mem", "mean-mem", "last_mem")  # of SpikingJelly's integrators
_DECODE = f"`decode` {', '.join(DECODES)} or None"
_RATE = "the random rate encoder, which draws its own spikes"
_ENCODED = "use spikes that the host encodes, [N, T, ...]: "
_SNN = "every `reset_mechanism`; `reset_delay`; `beta` and `threshold` learned, one or one per channel"
_BACK = "; `all_to_all` with `linear_features` or `conv2d_channels`, and `V`, one or one per channel"
_SJ = "`v_threshold`, `v_reset` a number or None, `step_mode` s or m"
_NORSE = "`v_th`, `v_reset`, `v_leak`, `dt`"
_LIF = _NORSE + ", `tau_mem_inv`, `tau_syn_inv`"
_LI = "`v_leak`, `dt`, `tau_mem_inv`, `tau_syn_inv`"
SNNTORCH = Framework(
    "snnTorch", "1.0",
    {
        "Leaky": Entry(_leaky, "a leak", _SNN),
        "Synaptic": Entry(_synaptic, "a leak and a current that drives in its own step", _SNN + "; `alpha`, one"),
        "Lapicque": Entry(_lapicque, "a leak of 1 - dt/RC, a gain of dt/C", _SNN + "; `R`, `C`, `time_step`, one each"),
        "RLeaky": Entry(_recurrent, "Leaky in a loop of one step; to zero with delay, it loses a step's input",
                        _SNN + _BACK, _back),
        "RSynaptic": Entry(_recurrent, "Synaptic in a loop of one step; always reset with a delay",
                           _SNN + "; `alpha`, one" + _BACK, _back),
    },
    {
        "Alpha": "use Synaptic: its membrane is a difference of two currents",
        "SLSTM": "use RSynaptic: its gates multiply states by each other",
        "SConv2dLSTM": "use RSynaptic with conv2d_channels: its gates multiply states by each other",
        "DeltaLeaky": "use Leaky: it gives differences of its membrane, which are no spikes",
        "StateLeaky": "use Leaky: it has no reset",
        "LinearLeaky": "use a Linear and Leaky: it has no reset",
        "AssociativeLeaky": "use Leaky: it keeps a product of states",
        "LeakyParallel": "use RLeaky: it runs a whole sequence in a torch.nn.RNN",
        "BatchNormTT1d": "use one BatchNorm1d: each time step has a normalisation of its own",
        "BatchNormTT2d": "use one BatchNorm2d: each time step has a normalisation of its own",
        "spikegen.latency": _ENCODED + "it rounds times of spikes otherwise than the encoder core",
        "spikegen.delta": _ENCODED + "its spikes have a sign, or are the ON spikes of the encoder core alone",
    },
    {"spikegen.rate": _RATE + ", with gain 1 and offset 0"},
)  # fmt: skip
SPIKINGJELLY = Framework(
    "SpikingJelly", "2.0",
    {
        "IFNode": Entry(lambda m: _spikingjelly(m, 1.0), "no leak", _SJ),
        "HalfThresholdIFNode": Entry(lambda m: replace(_spikingjelly(m, 1.0), v0=0.5 * float(m.v_threshold)),
                                     "no leak; starts at half the threshold", _SJ),
        "LIFNode": Entry(lambda m: _sj_leaky(m, float(m.tau)), "a leak of 1 - 1/tau", _SJ + "; `tau`, `decay_input`"),
        "ParametricLIFNode": Entry(lambda m: _sj_leaky(m, 1 / float(m.w.detach().sigmoid())),
                                   "a leak of 1 - sigmoid(w)", _SJ + "; learned `w`, `decay_input`"),
        "CUBALIFNode": Entry(_sj_current, "a leak to 0 and a current that drives in its own step",
                             _SJ + "; `c_decay`, `v_decay`"),
        "NonSpikingIFNode": Entry(lambda m: _decoded(m, 1.0, 1.0), "no leak, no spikes: its membrane is the answer",
                                  _DECODE),
        "NonSpikingLIFNode": Entry(lambda m: _decoded(m, 1 - 1 / float(m.tau), 1 / float(m.tau)),
                                   "a leak of 1 - 1/tau, no spikes: its membrane is the answer", _DECODE + "; `tau`"),
    },
    {
        "QIFNode": "use LIFNode: its charge is a square",
        "EIFNode": "use LIFNode: its charge is an exponential",
        "IzhikevichNode": "use LIFNode: its charge is a square",
        "KLIFNode": "use LIFNode: it scales its membrane before a ReLU",
        "ComplementaryLIFNode": "use LIFNode: a second state sets its reset",
        "GatedLIFNode": "use LIFNode: gates set its leak and reset",
        "LIAFNode": "use LIFNode: it gives values of an activation, not spikes",
        "MPBNLIFNode": "use LIFNode behind a BatchNorm: it normalises its membrane",
        "ILIFNode": "use LIFNode: it gives several spikes in a step",
        "FewSpikeNode": "use IFNode: its threshold and weight differ from step to step",
        "TernaryIFNode": "use IFNode: its spikes have a sign",
        "TernaryLIFNode": "use LIFNode: its spikes have a sign",
        "STBIFNode": "use IFNode: its spikes have a sign",
        "ActivationAwareIFNode": "use IFNode: its threshold follows its input",
        "PSN": "use LIFNode: a matrix mixes all time steps",
        "MaskedPSN": "use LIFNode: a matrix mixes all time steps",
        "SlidingPSN": "use LIFNode: weights of several time steps are added",
        "RAFNode": "use LIFNode: its state is a complex number",
        "TemporalEffectiveBatchNorm1d": "use BatchNorm1d: it scales each time step by another number",
        "TemporalEffectiveBatchNorm2d": "use BatchNorm2d: it scales each time step by another number",
        "BatchNormThroughTime1d": "use BatchNorm1d: each time step has a normalisation of its own",
        "BatchNormThroughTime2d": "use BatchNorm2d: each time step has a normalisation of its own",
        "NeuNorm": "use BatchNorm2d: it divides by what neurons fired before",
        "SynapseFilter": "use LIFNode, or snnTorch's Synaptic: it gives currents, which are no spikes",
        "DropConnectLinear": "use Linear: its weights are drawn anew",
        "LatencyEncoder": _ENCODED + "it rounds times of spikes otherwise than the encoder core, and fires for black",
        "WeightedPhaseEncoder": _ENCODED + "no neuron decodes a phase code, and images have 255ths, not 256ths",
        "PeriodicEncoder": _ENCODED + "its spikes are the same for every sample",
        "PopSpikeEncoderDeterministic": _ENCODED + "each value becomes a population",
        "PopSpikeEncoderRandom": _ENCODED + "each value becomes a population",
    },
    {
        "Conv1d, Conv2d, Linear, Flatten, Upsample": "torch's, in `step_mode` s or m",
        "MaxPool1d, MaxPool2d, AvgPool1d, AvgPool2d, Adaptive ones": "torch's, in `step_mode` s or m",
        "BatchNorm1d, BatchNorm2d": "torch's, with the statistics of training",
        "ThresholdDependentBatchNorm1d, ThresholdDependentBatchNorm2d": "tdBN: a BatchNorm once trained",
        "Dropout, Dropout2d": "nothing",
        "PoissonEncoder": _RATE,
        "SeqToANNContainer, MultiStepContainer, StepModeContainer": "what they hold",
        "LinearRecurrentContainer": "a Linear of the input and the output one step before",
        "ElementWiseRecurrentContainer": "a sum of the input and the output one step before; no other function",
    },
)  # fmt: skip
NORSE = Framework(
    "Norse", "1.1",
    {
        "IAFCell": Entry(_iaf, "no leak; starts at its reset", "`v_th`, `v_reset`"),
        "IAF": Entry(_iaf, "IAFCell for whole sequences", "`v_th`, `v_reset`"),
        "LIFBoxCell": Entry(_lif_box, "a leak", _NORSE + ", `tau_mem_inv`, `reset_method`"),
        "LIFCell": Entry(_lif, "a leak and a current that drives in its own step", _LIF),
        "LIF": Entry(_lif, "LIFCell for whole sequences", _LIF),
        "LIFRefracCell": Entry(_refractory, "LIFCell that does not integrate for some steps after a spike",
                               _LIF + ", `rho_reset`, a whole number of steps"),
        "LIFRecurrentCell": Entry(_lif, "a Linear, and LIFCell in a loop of one step through another",
                                  _LIF + ", `input_weights`, `recurrent_weights`, `autapses`", _norse_back),
        "LIFRecurrent": Entry(_lif, "LIFRecurrentCell for whole sequences",
                              _LIF + ", `input_weights`, `recurrent_weights`, `autapses`", _norse_back),
        "LIBoxCell": Entry(_li_box, "a leak, no spikes: its membrane is the answer", "`v_leak`, `dt`, `tau_mem_inv`"),
        "LICell": Entry(_li, "LIBoxCell with a current that drives in its own step", _LI),
        "LILinearCell": Entry(_li, "a Linear, and LICell", _LI + ", `input_weights`", _li_weights),
    },
    {
        "LSNNCell": "use LIFCell: its threshold adapts",
        "LSNNRecurrentCell": "use LIFRecurrentCell: its threshold adapts",
        "LIFAdExCell": "use LIFCell: its charge is an exponential",
        "LIFExCell": "use LIFCell: its charge is an exponential",
        "IzhikevichCell": "use LIFCell: its charge is a square",
        "CobaLIFCell": "use LIFCell: conductances multiply its membrane",
        "LIFMCRecurrentCell": "use LIFRecurrentCell: its membrane has compartments",
        "ConstantCurrentLIFEncoder": _ENCODED + "its neurons have no weights in front",
        "SpikeLatencyEncoder": _ENCODED + "it keeps the first of spikes that were made before",
        "SpikeLatencyLIFEncoder": _ENCODED + "its neurons have no weights in front",
        "PopulationEncoder": _ENCODED + "each value becomes a population",
        "SignedPoissonEncoder": _ENCODED + "its spikes have a sign",
        "SignedPoissonEncoderStep": _ENCODED + "its spikes have a sign",
    },
    {
        "SequentialState, RecurrentSequential": "what they hold",
        "PoissonEncoder, PoissonEncoderStep": _RATE + ", with f_max * dt = 1",
        "Lift": "the layer of torch that it holds, for whole sequences",
    },
)  # fmt: skip
FRAMEWORKS = {"snntorch": SNNTORCH, "spikingjelly": SPIKINGJELLY, "norse": NORSE}
