# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Whole accelerators in a simulator with four states: X everywhere at power-up, a reset of one cycle, random stalls.

No handshake is ever X and every logit is the reference's; a register without its reset, and a state that is read
before it was written, show.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import pyflow
from pyflow import data, zoo
from pyflow.build import Build
from pyflow.frontends import load_model
from pyflow.graph import Network
from pyflow.operators import Accumulate, Conv, LIFNeuron, Linear, RateEncode, Readout
from pyflow.sources import rtl_sources
from verif import four_states

REPO = Path(__file__).resolve().parents[2]
NETS = REPO / "examples" / "spiking" / "nets.py"
FRAMES = 8

pytestmark = pytest.mark.skipif(bool(four_states.missing()), reason=four_states.missing())


def small() -> Network:
    """Every kind of state: line buffers, windows, potentials from pass to pass, sums over time."""
    rng = np.random.default_rng(1)
    operators = (
        RateEncode("encode", ("input",), steps=4, mode="regular"),
        Conv("conv", ("encode",), kernel=(3, 3), padding=(1, 1), weight=rng.integers(-7, 8, (2, 1, 3, 3))),
        LIFNeuron("neuron", ("conv",), theta=np.full(2, 40), frac=4, width=16, leak="shift", leak_shift=3),
        Linear("out", ("neuron",), weight=rng.integers(-7, 8, (3, 32, 1, 1))),
        Accumulate("sum", ("out",)),
        Readout("logits", ("sum",), bias=np.arange(3)),
    )
    return Network("small", (1, 4, 4), operators, time_block=2)


@pytest.fixture(scope="module")
def small_build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return pyflow.compile(small(), out_dir=tmp_path_factory.mktemp("small"))


@pytest.mark.parametrize("name", ["digits", "residual", "recurrent"])
def test_a_network_knows_its_state_after_a_reset_of_one_cycle(name: str, tmp_path: Path) -> None:
    network = zoo.load(name) if name == "digits" else load_model(f"{NETS}:{name}")
    assert isinstance(network, Network)
    build = pyflow.compile(network, out_dir=tmp_path, cycles_per_frame=network.meta.get("cycles_per_frame"))
    problems = four_states.run(build, data.load("digits").x_test[:FRAMES])
    assert not problems, "\n".join(problems)


# ------------------------------------------------------------------ it would show
def without_reset(text: str, register: str) -> str:
    """A core whose blocks `if (rst)` leave `register` out."""
    block = re.compile(r"if \(rst\) begin\n.*?\n +end\n", re.DOTALL)
    line = re.compile(rf"^ +{register} +<= .*;.*\n", re.MULTILINE)
    return block.sub(lambda match: line.sub("", match[0]), text)


def with_stale_state(text: str, _: str) -> str:
    """A state memory whose beats never say that they are a frame's first."""
    return re.sub(r"first +<= .*;", "first <= 1'b0;", text)


FAULTS = [
    ("volley_frame_guard", without_reset, "state_q"),
    ("volley_line_buffer", without_reset, "lead"),
    ("volley_accumulate", without_reset, "busy"),
    ("volley_state_memory", with_stale_state, ""),
]


def frames() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (3, 1, 4, 4)).astype(np.uint8)


def test_a_small_network_is_right(small_build: Build) -> None:
    assert four_states.run(small_build, frames()) == []


@pytest.mark.parametrize(("core", "damage", "register"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_a_planted_fault_shows(core, damage, register, small_build: Build, tmp_path: Path) -> None:
    sources = rtl_sources()
    place = next(n for n, path in enumerate(sources) if path.stem == core)
    text = sources[place].read_text()
    damaged = damage(text, register)
    assert damaged != text, f"{core} has no such line any more: plant another fault"
    sources[place] = tmp_path / f"{core}.sv"
    sources[place].write_text(damaged)
    assert core in four_states.flatten(small_build, sources).cores.values(), "the network has no such core any more"
    problems = four_states.run(small_build, frames(), rtl=sources)
    if damage is without_reset:
        assert any(problem.startswith("X at ") for problem in problems)
        assert any(problem.endswith(f" of {core}") for problem in problems), problems
    else:
        assert any("x" in problem.partition("got ")[2] for problem in problems), problems


def test_an_unknown_enable_is_not_taken_for_a_closed_one() -> None:
    netlist = "module m;\n  always @(posedge clk)\n    if (\\u.en ) \\u.q [3:0] <= _1_;\n"
    netlist += "  always @(posedge clk)\n    q <= d;\n"
    netlist += "  always @(posedge clk) begin\n    if (we)\n      m[a] <= d;\n  end\n"
    text = four_states.grouped(netlist + "endmodule\n")
    assert "    end else if ((\\u.en ) !== 1'b0) begin\n      \\u.q [3:0] <= (\\u.en ) ? _1_ : \\u.q [3:0];" in text
    assert "if ((we) !== 1'b0)\n      m[a] <= (we) === 1'b1 ? d : 'bx;" in text
    with pytest.raises(pyflow.VolleyError, match="does not know"):
        four_states.grouped("  always @(negedge clk)\n    q <= d;\nendmodule\n")
