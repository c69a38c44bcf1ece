# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Spiking neurons over time: integrate-and-fire with leak, current, adaptation and refractory time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np

from pyflow.operators.base import Encoding, Stateful, Tensor

DECAYS = ("none", "shift", "multiply")
RESETS = ("none", "soft", "hard")
ORDERS = ("before", "after")
CURRENTS = ("none", "new", "old")


class LIFState(NamedTuple):
    """int64 [N, C, H, W] each, z as 0 and 1; saturated: int64 [N], neurons and steps clipped so far."""

    v: np.ndarray
    i: np.ndarray
    a: np.ndarray
    r: np.ndarray
    z: np.ndarray
    saturated: np.ndarray


class Param(NamedTuple):
    """One field of a neuron's parameters: values int64 [C], and its bits in hardware (0: left out)."""

    values: np.ndarray
    bits: int


def _empty() -> np.ndarray:
    return np.zeros(0, np.int64)


def _decay(d: np.ndarray, kind: str, shift: int, alpha: np.ndarray | int, frac: int) -> np.ndarray:
    if kind == "shift":
        left: np.ndarray = d - (d >> shift)
        return left
    return d * alpha >> frac if kind == "multiply" else d


def _sat(x: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """(x held in `bits` signed bits, where that changed it)."""
    limited = np.clip(x, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    return limited, limited != x


def _unsigned_bits(values: np.ndarray) -> int:
    return max(1, int(values.max()).bit_length())


def _signed_bits(values: np.ndarray) -> int:
    """0 if all of them are 0: the field is left out."""
    # n bits hold -2^(n-1) .. 2^(n-1) - 1; ~x = -1 - x. One of the two is never negative.
    return 1 + max(int(values.max()), int(~values.min())).bit_length() if values.any() else 0


@dataclass(frozen=True, slots=True, eq=False)
class LIFNeuron(Stateful):
    """A spiking neuron with its state; docs/numerics.md, "Spiking neuron", states every equation.

        u = v_leak + leak(v - v_leak) + acc*2^frac + bias;   v <- sat(u);   spike = v >= theta;   reset

    v, theta, bias and all other potentials count 2^-frac of a unit of acc. The defaults are plain
    integrate-and-fire with soft reset.

    theta: int64 [C], >= 0. bias: int64 [C]; empty: 0. reset_amount: int64 [C], what a soft reset takes; empty:
    theta. v0: int64 [C], v at the start of a frame; empty: 0. width: bits of v, signed.
    leak: of v, "none", "shift" (by leak_shift) or "multiply" (by alpha / 2^leak_frac; alpha int64 [C], else empty).
    reset: "none", "soft" or "hard" (to v_reset). reset_order: "before" the next leak or "after" it.
    current: "new" or "old" drives v with a decaying current of current_width bits; "none" with acc itself.
    current_bias: bias drives the current, and v only through it.
    adapt: a spike raises the threshold by jump; that decays, in adapt_width bits. refractory: steps without
    integration after a spike.
    """

    theta: np.ndarray = field(default_factory=lambda: np.ones(1, np.int64))
    bias: np.ndarray = field(default_factory=_empty)
    reset_amount: np.ndarray = field(default_factory=_empty)
    v0: np.ndarray = field(default_factory=_empty)
    alpha: np.ndarray = field(default_factory=_empty)
    frac: int = 0
    width: int = 16
    leak: str = "none"
    leak_shift: int = 0
    leak_frac: int = 0
    reset: str = "soft"
    reset_order: str = "before"
    v_leak: int = 0
    v_reset: int = 0
    current: str = "none"
    current_width: int = 16
    current_leak: str = "none"
    current_shift: int = 0
    current_alpha: int = 0
    current_frac: int = 0
    adapt: bool = False
    adapt_width: int = 8
    adapt_leak: str = "none"
    adapt_shift: int = 0
    adapt_alpha: int = 0
    adapt_frac: int = 0
    jump: int = 0
    refractory: int = 0
    current_bias: bool = False
    kind: ClassVar[str] = "lif"

    def __post_init__(self) -> None:
        Stateful.__post_init__(self)
        for key, values in self.arrays().items():
            if (values.shape != self.theta.shape and (values.shape != (0,) or key == "theta")) or values.ndim != 1:
                raise self._fail(f"{key} {values.shape} must be one vector of {self.theta.size} channels, or empty")
        if not self.theta.size:
            raise self._fail("theta is empty; give one threshold per channel")
        choices = (("leak", DECAYS), ("reset", RESETS), ("reset_order", ORDERS), ("current", CURRENTS),
                   ("current_leak", DECAYS), ("adapt_leak", DECAYS))  # fmt: skip
        for key, allowed in choices:
            if getattr(self, key) not in allowed:
                raise self._fail(f"{key} {getattr(self, key)!r} is unknown; use one of {', '.join(allowed)}")
        self._check_ranges()
        self._check_combinations()

    def _check_ranges(self) -> None:
        ranges = {
            "width": (2, 32), "current_width": (2, 32), "adapt_width": (1, 31), "frac": (0, 24),
            "leak_shift": (0, 31), "current_shift": (0, 31), "adapt_shift": (0, 31),
            "leak_frac": (0, 16), "current_frac": (0, 16), "adapt_frac": (0, 16), "refractory": (0, 2**16 - 1),
        }  # fmt: skip
        for key, (low, high) in ranges.items():
            if not low <= getattr(self, key) <= high:
                raise self._fail(f"{key} {getattr(self, key)} is outside {low}..{high}")
        top = (1 << (self.width - 1)) - 1
        inside = (-top - 1, top, "raise width or lower frac")
        limits = {
            "v_leak": inside, "v_reset": inside, "v0": inside, "theta": (0, top, inside[2]),
            "bias": (-(2**40), 2**40, "lower frac"), "reset_amount": (0, 2**40, "lower frac"),
            "alpha": (0, 1 << self.leak_frac, "a leak cannot grow; raise leak_frac"),
            "current_alpha": (0, 1 << self.current_frac, "a leak cannot grow; raise current_frac"),
            "adapt_alpha": (0, 1 << self.adapt_frac, "a leak cannot grow; raise adapt_frac"),
            "jump": (0, (1 << self.adapt_width) - 1, "raise adapt_width"),
        }  # fmt: skip
        for key, (low, high, remedy) in limits.items():
            values = np.ravel(getattr(self, key))
            for n in {int(values.argmin()), int(values.argmax())} if values.size else ():
                if not low <= values[n] <= high:
                    where = f" of channel {n}" if values.size > 1 else ""
                    raise self._fail(f"{key} {values[n]}{where} is outside {low}..{high}; {remedy}")

    def _check_combinations(self) -> None:
        if (self.leak == "multiply") != bool(self.alpha.size):
            raise self._fail(f"leak {self.leak!r} with {self.alpha.size} alpha; give alpha for leak 'multiply' only")
        if self.reset != "soft" and self.reset_amount.size:
            raise self._fail(f"reset_amount with reset {self.reset!r}; only a soft reset takes an amount")
        if self.current_bias and self.current == "none":
            raise self._fail("current_bias without a current; set current to 'new' or 'old'")
        if self.refractory and self.reset_order == "after":
            raise self._fail(f"refractory {self.refractory} with reset_order 'after'; use reset_order 'before'")

    def infer(self, source: Tensor) -> Tensor:
        if not source.timed:
            raise self._fail(f"input {source.name!r} has no time steps; put a direct-current encoder in front")
        self._want(source, Encoding.POTENTIAL, Encoding.COUNT)
        if self.theta.size != source.shape[0]:
            raise self._fail(f"{self.theta.size} thresholds for {source.shape[0]} channels")
        if source.bound << self.frac >= 2**46:  # keeps every sum far inside int64
            raise self._fail(f"potentials of {source.name!r} reach {source.bound} * 2^{self.frac}, 2^46; lower frac")
        return Tensor(self.name, source.shape, Encoding.RATE, source.steps, 1, timed=True, block=source.block)

    # ------------------------------------------------------------------ execution
    def _channels(self, values: np.ndarray) -> np.ndarray:
        return values[None, :, None, None] if values.size else np.zeros((1, 1, 1, 1), np.int64)

    def initial(self, frames: int, *sources: Tensor) -> LIFState:
        zero = np.zeros((frames, *sources[0].shape), np.int64)
        return LIFState(zero + self._channels(self.v0), zero, zero, zero, zero, np.zeros(frames, np.int64))

    def step(self, state: LIFState, *values: np.ndarray) -> tuple[np.ndarray, LIFState]:
        _, following = self.advanced(state, values[0])
        return following.z, following

    def advanced(self, state: LIFState, acc: np.ndarray) -> tuple[np.ndarray, LIFState]:
        """(v as it meets the threshold, before the reset of the same step; the new state) of one time step."""
        v, i, a, r, z, saturated = state
        theta, x = self._channels(self.theta), acc << self.frac
        taken = self._channels(self.reset_amount) if self.reset_amount.size else theta
        bias = self._channels(self.bias)
        if self.current_bias:
            x, bias = x + bias, np.zeros_like(bias)
        drive, clip = x, np.zeros(v.shape, bool)
        if self.current != "none":
            kept = _decay(i, self.current_leak, self.current_shift, self.current_alpha, self.current_frac)
            i_next, clip = _sat(kept + x, self.current_width)
            drive, i = (i_next if self.current == "new" else i), i_next
        if self.adapt:
            a = _decay(a, self.adapt_leak, self.adapt_shift, self.adapt_alpha, self.adapt_frac)
        alpha = self._channels(self.alpha)
        u = self.v_leak + _decay(v - self.v_leak, self.leak, self.leak_shift, alpha, self.leak_frac)
        u = u + drive + bias
        if self.reset_order == "after" and self.reset == "soft":
            u = u - z * taken
        elif self.reset_order == "after" and self.reset == "hard":
            u = np.where(z, self.v_reset, u)
        awake = r == 0
        v_new, over = _sat(u, self.width)
        fires = awake & (v_new >= theta + a)
        met = np.where(awake, v_new, v)
        if self.reset_order == "before" and self.reset == "soft":
            v_new, below = _sat(v_new - fires * taken, self.width)
            over = over | below
        elif self.reset_order == "before" and self.reset == "hard":
            v_new = np.where(fires, self.v_reset, v_new)
        v = np.where(awake, v_new, v)
        r = np.where(awake, fires * self.refractory, r - 1)
        if self.adapt:
            a = np.minimum(a + fires * self.jump, (1 << self.adapt_width) - 1)
        spikes = fires.astype(np.int64)
        clipped = (clip | awake & over).reshape(len(v), -1).sum(1)
        return met, LIFState(v, i, a, r, spikes, saturated + clipped)

    def saturations(self, x: np.ndarray, source: Tensor) -> np.ndarray:
        """Neurons and steps in which a saturation changed a value, per frame: int64 [N, T, C, H, W] to int64 [N]."""
        state = self.initial(len(x), source)
        for t in range(x.shape[1]):
            _, state = self.step(state, x[:, t])
        return state.saturated

    # ------------------------------------------------------------------ hardware
    def params(self, *, any_weights: bool = False) -> dict[str, Param]:
        """Fields of volley_neuron_lif's s_param, low to high. any_weights: with widths that depend on no values, for
        a memory that can be loaded; raises VolleyError where a value does not fit them."""
        if any_weights:
            return self._widest()
        zero = np.zeros_like(self.theta)
        own_amount = self.reset_amount.size and not np.array_equal(self.reset_amount, self.theta)
        bias, v0 = (values if values.size else zero for values in (self.bias, self.v0))
        return {
            "bias": Param(bias, _signed_bits(bias)),
            "theta": Param(self.theta, _unsigned_bits(self.theta)),
            "reset": Param(self.reset_amount, _unsigned_bits(self.reset_amount)) if own_amount else Param(zero, 0),
            "v0": Param(v0, _signed_bits(v0)),
            "leak": Param(self.alpha, _unsigned_bits(self.alpha)) if self.leak == "multiply" else Param(zero, 0),
        }

    def _widest(self) -> dict[str, Param]:
        """A bias is always there; one beyond v's range would saturate in every step."""
        zero, top = np.zeros_like(self.theta), (1 << (self.width - 1)) - 1
        limits = {"bias": (-top - 1, top), "reset_amount": (0, 2 * top + 1)}
        for key, (low, high) in limits.items():
            for n, value in enumerate(getattr(self, key)):
                if not low <= value <= high:
                    raise self._fail(
                        f"memory=writable: {key} {value} of channel {n} is outside {low}..{high}; raise width"
                    )
        bits = {"bias": self.width, "theta": self.width - 1, "reset": self.width, "v0": self.width,
                "leak": self.leak_frac + 1}  # fmt: skip
        given = {"bias": self.bias if self.bias.size else zero, "theta": self.theta, "reset": self.reset_amount,
                 "v0": self.v0, "leak": self.alpha}  # fmt: skip
        return {key: Param(values, bits[key]) if values.size else Param(zero, 0) for key, values in given.items()}

    @property
    def state_bits(self) -> int:
        """State of one neuron from step to step."""
        late = self.reset_order == "after" and self.reset != "none"
        current, adapt = self.current_width * (self.current != "none"), self.adapt_width * self.adapt
        return self.width + current + adapt + self.refractory.bit_length() + late
