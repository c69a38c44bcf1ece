# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""What cannot fit a part is refused before planning, and never what a folding could fit."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyflow import zoo
from pyflow.errors import VolleyError
from pyflow.graph import Network
from pyflow.operators import (
    Conv,
    Encode,
    LIFNeuron,
    Linear,
    Operator,
    OrPool,
    RadixNeuron,
    RateEncode,
    Readout,
    Synapse,
)
from pyflow.planning import fits
from pyflow.planning.board import FAMILIES, Board, load_board
from pyflow.planning.folding import Folding
from pyflow.planning.lowering.synapse import offers
from pyflow.planning.planner import plan
from tests.flow.random_graphs import random_graph
from tests.flow.random_models import random_network

BOARD = load_board("pynq-z2")
RNG = np.random.default_rng(0)
FULL = 36 * 1024  # bits of a RAMB36


def weights(*shape: int, bits: int = 4) -> np.ndarray:
    top = 2 ** (bits - 1) - 1
    return RNG.integers(-top, top + 1, shape, dtype=np.int8)


def mlp(inputs: int, hidden: int, bits: int = 4, classes: int = 10) -> Network:
    neuron = RadixNeuron("n", ("fc1",), theta=np.full(hidden, 99), bias=np.zeros(hidden), steps=4)
    operators: tuple[Operator, ...] = (
        Encode("encode", ("input",)),
        Linear("fc1", ("encode",), weight=weights(hidden, inputs, 1, 1, bits=bits), weight_bits=bits),
        neuron,
        Linear("fc2", ("n",), weight=weights(classes, hidden, 1, 1, bits=bits), weight_bits=bits),
        Readout("out", ("fc2",), bias=np.zeros(classes)),
    )
    return Network("mlp", (1, 1, inputs), operators)


def maps(size: int, channels: int) -> Network:
    """A LIF layer over large maps: nearly no weights, many states."""
    operators: tuple[Operator, ...] = (
        RateEncode("rate", ("input",), steps=16),
        Conv("conv", ("rate",), weight=weights(channels, 1, 3, 3), padding=(1, 1)),
        LIFNeuron("lif", ("conv",), theta=np.full(channels, 9), width=16),
        OrPool("pool", ("lif",), kernel=(2, 2), stride=(2, 2)),
    )
    return Network("maps", (1, size, size), operators)


def small(board: Board = BOARD, **budget: int) -> Board:
    return replace(board, budget=replace(board.budget, **budget))


# ------------------------------------------------------------------ the bound
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("shape", "source", "bits"),
    [
        ((10, 16, 1, 1), (16, 1, 1), 4), ((96, 784, 1, 1), (1, 28, 28), 4), ((1000, 12, 1, 1), (12, 1, 1), 8),
        ((512, 784, 1, 1), (1, 28, 28), 2), ((64, 64, 3, 3), (64, 8, 8), 3), ((8, 1, 5, 5), (1, 9, 9), 4),
        ((7, 4, 1, 1), (4, 6, 6), 5),
    ],
)  # fmt: skip
def test_no_folding_holds_weights_in_fewer_cells(
    family: str, shape: tuple[int, ...], source: tuple[int, int, int], bits: int
) -> None:
    """Block RAM holds a bit per bit; outside it no folding, however few its rows, beats the bound's LUTs."""
    linear = shape[1] == int(np.prod(source)) and shape[2:] == (1, 1)
    op = (Linear if linear else Conv)("layer", ("encode",), weight=weights(*shape, bits=bits), weight_bits=bits)
    tensor = replace(Network("n", source, (Encode("encode", ("input",)),)).tensors["encode"])
    memory = fits.weights("layer", op.weight.size, bits)
    outputs, inputs = shape[0], op.taps(tensor)[2]
    kinds = ("tap",) if linear or shape[2] == 1 else ("all", "column", "tap")
    parts = lambda n: sorted({-(-n // k) for k in (1, 2, 3, 5, 9, 14, 17, 30, 62, 200, n)})  # noqa: E731
    checked = 0
    for kind, pe, lanes, tp in itertools.product(kinds, parts(outputs), parts(inputs), (1, 2, 4)):
        folding = Folding(pe, lanes, kind, tp)
        if kind == "all" and lanes < inputs and pe < outputs:
            continue
        for _, cost in offers(op, folding, tensor, op.infer(tensor).number_bits, family):
            luts = cost.lut + fits.ADDER * fits.DSP_BITS * cost.dsp
            assert FULL * cost.bram >= memory.bits or luts >= memory.bits / memory.per_lut, folding
            checked += 1
    assert checked >= 20


@pytest.mark.slow
@pytest.mark.parametrize("bram", [0, 1])
@pytest.mark.parametrize("which", ["digits", "model 1", "graph 3"])
def test_what_is_refused_has_no_plan(which: str, bram: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the largest part that is refused, the planner finds nothing either."""
    kind, _, seed = which.partition(" ")
    network = zoo.load(kind) if not seed else (random_network if kind == "model" else random_graph)(int(seed))[0]
    needed = fits.memories(network)

    def refused(luts: int) -> bool:
        part = small(bram=bram, lut=luts, ff=10**9, dsp=0)
        return fits.capacity(needed, part, 0.7) < sum(m.bits for m in needed)

    low, high = 0, 10**6
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if refused(middle) else (low, middle)
    monkeypatch.setattr(fits, "check", lambda *_, **__: None)
    with pytest.raises(VolleyError, match="does not fit board pynq-z2 at any folding"):
        plan(network, small(bram=bram, lut=low, ff=10**9, dsp=0))


RANDOM = [f"{kind} {seed}" for kind in ("model", "graph") for seed in range(12)]


@pytest.mark.parametrize("name", ["digits", "lenet5", *RANDOM])
def test_what_fits_is_never_refused(name: str) -> None:
    kind, _, seed = name.partition(" ")
    network = zoo.load(name) if not seed else (random_network if kind == "model" else random_graph)(int(seed))[0]
    needed = fits.memories(network)
    fits.check(name, needed, BOARD, 0.7)
    by_layer = {m.layer: m.bits for m in needed if m.kind == "weights"}
    for op in network.operators:
        if isinstance(op, Synapse) and op.name in by_layer:
            assert by_layer[op.name] == op.weight.size * op.weight_bits


def test_the_bound_is_below_what_synthesis_found() -> None:
    """LeNet-5 by `make estimate` (docs/results.md): its block RAMs, and 64 bits a LUT, hold what the bound counts."""
    need = sum(m.bits for m in fits.memories(zoo.load("lenet5")))
    assert need <= 8 * FULL + 64 * 5806


# ------------------------------------------------------------------ refusals
@pytest.mark.parametrize(
    ("network", "board", "words"),
    [
        (lambda: mlp(784, 4096), "pynq-z2", ["13.0 Mbit", "weights", "'fc1'", "BRAM 5.2 Mbit", "no listed board can"]),
        (lambda: mlp(784, 2100), "ulx3s-85f", ["6.7 Mbit", "could is"]),
        (lambda: mlp(784, 2700), "pynq-z2", ["8.6 Mbit", "could is kv260"]),
        (lambda: mlp(784, 4096), "kv260", ["no listed board can"]),
        (lambda: mlp(256, 256, bits=8), "icebreaker", ["544.8 kbit", "could is pynq-z2"]),
        (lambda: zoo.load("lenet5"), "icebreaker", ["249.7 kbit", "could is pynq-z2"]),
        (lambda: maps(256, 16), "pynq-z2", ["states 17.3 Mbit", "'lif'", "no listed board can"]),
        (lambda: maps(48, 16), "icebreaker", ["states 608.3 kbit", "'lif'", "pynq-z2"]),
    ],
)  # fmt: skip
def test_too_large_is_said_before_planning(network, board: str, words: list[str]) -> None:
    network = network()
    start = time.process_time()
    # Whoever gives a target may have all LUTs, so what exceeds the part by little is planned.
    targets: list[dict[str, Any]] = [{}, {"cycles_per_frame": 10**6}]
    for options in targets[: 2 if "no listed board can" in words else 1]:
        with pytest.raises(VolleyError) as error:
            plan(network, load_board(board), **options)
        for word in [f"does not fit board {board}", "memory needs", "holds at most", *words]:
            assert word in str(error.value)
        assert "\n" not in str(error.value)
    assert time.process_time() - start < 0.5


def test_a_folding_of_ones_own_is_not_refused() -> None:
    layers = {"fc1": {"pe": 1, "lanes": 1, "slice": "tap"}, "fc2": {"pe": 1, "lanes": 1, "slice": "tap"}}
    assert plan(mlp(64, 8), small(bram=0, lut=0), folding={"version": 1, "layers": layers}).total.lut > 0


@pytest.mark.parametrize(
    ("board", "words"),
    [
        (small(lut=900), ["LUT", "of 630", "70 % of the LUTs", "would do is icebreaker"]),
        (small(ff=300), ["FF", "of 300", "% over", "would do is icebreaker"]),
        (small(load_board("icebreaker"), lut=1500), ["LUT + FF", "of 1,050", "would do is pynq-z2"]),
        (small(load_board("ulx3s-85f"), bram=0), ["BRAM", "of 0, the part has none", "would do is icebreaker"]),
    ],
)
def test_no_plan_says_what_is_missing(board: Board, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fits, "check", lambda *_, **__: None)
    with pytest.raises(VolleyError, match=f"does not fit board {board.name} at any folding") as error:
        plan(zoo.load("digits"), board)
    for word in words:
        assert word in str(error.value)


def test_the_command_takes_two_cpu_seconds(tmp_path: Path) -> None:
    """Python, imports and reading the file included."""
    mlp(784, 4096).save(tmp_path / "big.vly")
    command = "import resource, sys; from pyflow.__main__ import main; s = main(['compile', '--net', 'big.vly'])"
    command += "; u = resource.getrusage(resource.RUSAGE_SELF); print(u.ru_utime + u.ru_stime); sys.exit(s)"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, env=os.environ, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "memory needs 13.0 Mbit" in done.stderr
    assert float(done.stdout) <= 2
