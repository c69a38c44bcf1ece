# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Recorded traces of one LIF neuron (NIR graph lif_norse.nir, dt = 0.1 ms) on eleven platforms, met by our neuron.

A trace is input, membrane and output of 1,000 steps. The graph leaves the discretisation open; each platform chose
its own, here as settings of ours. docs/frameworks.md has them as a table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from pyflow.operators import Encoding, Tensor
from pyflow.operators.lif import LIFNeuron

STEP = 1e-4  # seconds


@dataclass(frozen=True)
class Platform:
    """decay: of the membrane in a step: `euler` 1 - dt/tau or `exact` exp(-dt/tau). gain: of the input, 1 - decay of
    that kind. unit: what the recorded membrane is divided by: its own input gain, or the threshold. late: steps by
    which (output, membrane) are recorded late. distance: to the recorded membrane, in thresholds."""

    decay: str
    gain: str
    reset: str = "hard"
    order: str = "before"
    unit: str = ""
    late: tuple[int, int] = (0, 0)
    distance: float = 0.002


PLATFORMS = {
    # Resets at the instant of crossing, inside the step, where we reset at its end.
    "exact": Platform("exact", "exact", reset="soft", distance=0.01),
    "norse": Platform("euler", "euler"),
    "nengo": Platform("exact", "exact", unit="threshold"),
    "snntorch": Platform("euler", "euler", unit="gain"),
    "spinnaker2": Platform("euler", "euler", unit="gain"),  # weight 102 for 102.02
    "rockpool": Platform("exact", "euler", reset="soft"),
    "sinabs": Platform("exact", "euler", reset="soft"),
    "spyx": Platform("euler", "euler", reset="soft", order="after", late=(1, 0)),  # fires on the step before's membrane
    "lava_cpu_float": Platform("euler", "euler", late=(1, 1)),  # a step passes between two processes
}


@pytest.fixture(scope="module")
def lif(nir_dir: Path):
    """The LIF node of the published graph."""
    pytest.importorskip("h5py", reason="h5py is not installed: pip install volley-snn[nir]")
    from pyflow.frontends.nir import read_graph

    graph = read_graph(nir_dir / "lif_norse.nir")
    affine, node = graph.nodes["0"], graph.nodes["1"]
    assert affine.numbers("weight") == 1
    assert affine.numbers("bias") == 0
    assert node.numbers("r") == 1
    assert node.numbers("v_leak") == 0
    assert "v_reset" not in node.fields
    return node


def trace(folder: Path, platform: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Input 0/1, membrane, output 0/1; 1,000 steps each."""
    values = np.loadtxt(folder / "lif_traces" / f"lif_{platform}.csv", delimiter=",")
    return (values[:, 0] > 0).astype(np.int64), values[:, 1], values[:, 2] > 0


def simulate(x: np.ndarray, frac: int, **settings) -> tuple[np.ndarray, np.ndarray]:
    """Output and membrane (integers) of one neuron; x: [T]."""
    neuron = LIFNeuron("lif", ("acc",), frac=frac, width=24, leak="multiply", **settings)
    state = neuron.initial(1, Tensor("acc", (1, 1, 1), Encoding.POTENTIAL, len(x), int(x.max()), timed=True))
    spikes, membranes = [], []
    for value in x:
        z, state = neuron.step(state, np.full((1, 1, 1, 1), value))
        spikes.append(z.item() != 0)
        membranes.append(state.v.item())
    return np.array(spikes), np.array(membranes)


def discretised(node, platform: Platform) -> tuple[float, float]:
    """(decay, gain) of a step."""
    tau = float(node.numbers("tau")[0])
    decays = {"euler": 1 - STEP / tau, "exact": math.exp(-STEP / tau)}
    return decays[platform.decay], 1 - decays[platform.gain]


def run(node, platform: Platform, x: np.ndarray, frac: int, leak_frac: int) -> tuple[np.ndarray, np.ndarray]:
    """Potentials count input spikes, so the threshold is v_threshold/gain; v > theta is v >= theta + 1."""
    decay, gain = discretised(node, platform)
    theta = math.floor(float(node.numbers("v_threshold")[0]) / gain * 2**frac)
    amount = [theta] if platform.reset == "soft" else []
    return simulate(
        x,
        frac,
        theta=[theta + 1],
        reset_amount=amount,
        alpha=[round(decay * 2**leak_frac)],
        leak_frac=leak_frac,
        reset=platform.reset,
        reset_order=platform.order,
    )


def delayed(values: np.ndarray, steps: int) -> np.ndarray:
    return np.concatenate([np.zeros(steps, values.dtype), values[: len(values) - steps]])


@pytest.mark.parametrize(("frac", "leak_frac"), [(10, 10), (12, 16)])
@pytest.mark.parametrize("name", PLATFORMS)
def test_platform(nir_dir, lif, name, frac, leak_frac):
    platform, (x, membrane, output) = PLATFORMS[name], trace(nir_dir, name)
    spikes, v = run(lif, platform, x, frac, leak_frac)
    np.testing.assert_array_equal(delayed(spikes, platform.late[0]), output)

    gain, threshold = discretised(lif, platform)[1], float(lif.numbers("v_threshold")[0])
    unit = {"": 1.0, "gain": gain, "threshold": threshold}[platform.unit]
    distance = np.abs(delayed(v * gain / 2**frac, platform.late[1]) - membrane * unit) / threshold
    # Ten bits are enough for the output; the floors are then four times as far from the float membrane.
    assert distance.max() < (platform.distance if frac == 12 else 0.01)


@pytest.mark.parametrize("name", ["lava_cpu_fixed", "lava_loihi_fixed"])
def test_fixed_point_platform(nir_dir, name):
    """Weight 10, inputs and threshold in 64ths, decay 3933/4096: all 1,000 membranes are ours, bit for bit.
    The chip reads as 128 in a step that fires."""
    x, membrane, output = trace(nir_dir, name)
    spikes, v = simulate(10 * x, 6, theta=[25 * 64 + 1], alpha=[4096 - 163], leak_frac=12, reset="hard")
    spikes, v = delayed(spikes, 1), delayed(v, 1)
    np.testing.assert_array_equal(np.flatnonzero(spikes), np.flatnonzero(output))
    np.testing.assert_array_equal(np.where(spikes & (name == "lava_loihi_fixed"), 128, v), membrane)


def test_groups(nir_dir):
    """What the platforms put out: three groups."""
    names = [*PLATFORMS, "lava_cpu_fixed", "lava_loihi_fixed"]
    outputs = {name: tuple(np.flatnonzero(trace(nir_dir, name)[2])) for name in names}
    early, late = {"rockpool", "sinabs"}, {"spyx", "lava_cpu_float", "lava_cpu_fixed", "lava_loihi_fixed"}
    for name, steps in outputs.items():
        assert steps == (
            (450, 500, 710, 760) if name in early else (461, 511, 711, 761) if name in late else (460, 510, 710, 760)
        ), name


@pytest.mark.parametrize(
    ("change", "steps"),
    [
        ({"gain": "euler"}, [450, 500, 710, 760]),  # Rockpool and Sinabs
        ({"gain": "euler", "decay": "euler"}, [460, 510, 710, 760]),
        ({"reset": "hard"}, [460, 510, 710, 760]),
        ({"order": "after"}, [460, 510, 710, 760]),
    ],
)
def test_what_moves_the_output(nir_dir, lif, change, steps):
    """From the settings of lif_exact: only a gain that does not belong to the decay moves a spike. Reset and its
    order show in the membrane alone, which test_platform holds."""
    spikes, _ = run(lif, replace(PLATFORMS["exact"], **change), trace(nir_dir, "exact")[0], 12, 16)
    assert np.flatnonzero(spikes).tolist() == steps
