# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Encoders with time: they and the scalar models of verif/models agree, and say what docs/numerics.md promises."""

import itertools
import time

import numpy as np
import pytest

from pyflow import Network
from pyflow.errors import VolleyError
from pyflow.operators import (
    OPERATORS,
    BurstEncode,
    DeltaEncode,
    Direct,
    Encoding,
    Operator,
    PhaseEncode,
    RateEncode,
    Tensor,
    TTFSEncode,
)
from verif.models.encode_burst import encode_burst
from verif.models.encode_delta import encode_delta
from verif.models.encode_phase import encode_phase
from verif.models.encode_rate import draws, encode_rate_random, encode_rate_regular
from verif.models.encode_ttfs import encode_ttfs

EVERY_PIXEL = np.arange(256).reshape(1, 1, 16, 16)
CORNERS = (0, 1, 127, 128, 254, 255)
PIXELS = Tensor("input", (3, 5, 4), Encoding.PIXEL, 8, 255)


def trains(op: Operator) -> np.ndarray:
    """Spikes [p, t] of every pixel value."""
    spikes = op.run(EVERY_PIXEL)
    assert spikes.dtype == np.int64
    assert set(np.unique(spikes)) <= {0, 1}
    return spikes.reshape(-1, 256).T


# ------------------------------------------------------------------ the models agree
@pytest.mark.parametrize("steps", [1, 2, 7, 8, 16, 100, 256, 300])
def test_formulas_of_one_pixel(steps):
    def burst(isi_min, isi_max, count):
        return lambda p, t: encode_burst(p, t, isi_min, isi_max, count)

    cases = [
        (RateEncode("e", ("input",), steps, mode="regular"), encode_rate_regular),
        (TTFSEncode("e", ("input",), steps), lambda p, t: encode_ttfs(p, t, steps)),
        (PhaseEncode("e", ("input",), steps), encode_phase),
    ]
    for isi_min, isi_max, count in ((1, 4, 4), (2, 9, 5), (3, 3, 255), (1, 1000, 1)):
        op = BurstEncode("e", ("input",), steps, isi_min, isi_max, count)
        cases.append((op, burst(isi_min, isi_max, count)))
    for encoder, model in cases:
        assert trains(encoder).tolist() == [[model(p, t) for t in range(steps)] for p in range(256)], encoder


@pytest.mark.parametrize("seed", [1, 77, 0xDEADBEEF, 2**32 - 1])
def test_random_rate(seed):
    """Pixels in raster order with the channel fastest; the same draws for every frame."""
    frames = np.random.default_rng(seed).integers(0, 256, (3, 2, 4, 3))
    got = RateEncode("e", ("input",), 9, seed=seed).run(frames)
    for frame, spikes in zip(frames, got, strict=True):
        expected = encode_rate_random(frame.transpose(1, 2, 0).ravel().tolist(), 9, seed)
        assert spikes.transpose(0, 2, 3, 1).reshape(9, -1).tolist() == expected


@pytest.mark.parametrize("mode", ["delta", "sigma-delta"])
@pytest.mark.parametrize("theta", [1, 16, 100, 255])
def test_delta(mode, theta):
    rng = np.random.default_rng(theta)
    x = rng.choice([0, 255, theta, max(theta - 1, 0), *rng.integers(0, 256, 12)], (4, 12, 2, 3, 2))
    op, source = DeltaEncode("e", ("input",), mode, theta), Tensor("input", (2, 3, 2), Encoding.SIGNAL, 12, 255, True)
    got = op.run_steps(x, sources=(source,))
    assert got.shape == (4, 12, 4, 3, 2)
    for n, c, y, z in np.ndindex(4, 2, 3, 2):
        expected = encode_delta(x[n, :, c, y, z].tolist(), theta, mode == "sigma-delta")
        assert list(zip(got[n, :, c, y, z], got[n, :, 2 + c, y, z], strict=True)) == expected


def test_direct():
    x = np.random.default_rng(1).integers(-99, 99, (2, 3, 4, 4))
    got = Direct("e", ("h",), 5).run(x)
    assert got.shape == (2, 5, 3, 4, 4)
    assert all((got[:, t] == x).all() for t in range(5))


# ------------------------------------------------------------------ what the formulas promise
@pytest.mark.parametrize("steps", [1, 16, 256])
def test_regular_counts(steps):
    """The first t steps hold floor((t*p + 128)/256) spikes: never more than half a spike from t*p/256."""
    spikes = trains(RateEncode("e", ("input",), steps, "regular"))
    counts = np.concatenate([np.zeros((256, 1), int), spikes.cumsum(1)], 1)
    exact = np.outer(np.arange(256), np.arange(steps + 1)) / 256
    assert (counts == np.floor(exact + 0.5)).all()
    assert (np.abs(counts - exact) <= 0.5).all()


def test_ttfs_order_and_corners():
    """Bright pixels first, one spike each, none for 0."""
    spikes = trains(TTFSEncode("e", ("input",), 16))
    assert spikes.sum(1).tolist() == [0] + [1] * 255
    first = spikes[1:].argmax(1)
    assert (np.diff(first) <= 0).all()
    assert {p: int(first[p - 1]) for p in CORNERS[1:]} == {1: 15, 127: 8, 128: 7, 254: 0, 255: 0}


def test_phase_is_the_pixel():
    """Eight steps weigh 2^-1 .. 2^-8: p/256; and then the same again."""
    spikes = trains(PhaseEncode("e", ("input",), 24))
    assert (spikes[:, :8] @ (128 >> np.arange(8)) == np.arange(256)).all()
    assert (spikes[:, 8:16] == spikes[:, :8]).all()
    assert (spikes[:, 16:] == spikes[:, :8]).all()


def test_burst_corners():
    spikes = trains(BurstEncode("e", ("input",), 40, isi_min=2, isi_max=10, count=4))
    times = {p: np.flatnonzero(spikes[p]).tolist() for p in CORNERS}
    assert times == {0: [], 1: [0], 127: [0, 7], 128: [0, 6], 254: [0, 3, 6, 9], 255: [0, 3, 6, 9]}


def test_random_corners():
    spikes = trains(RateEncode("e", ("input",), 1024))
    assert spikes[0].sum() == 0
    assert 0 < spikes[1].sum() < 20
    assert 1004 < spikes[255].sum() < 1024


@pytest.fixture(scope="module")
def random_spikes() -> np.ndarray:
    """[p, trial, t]: every pixel value at 64 places of a 128 x 128 map."""
    pixels = np.arange(128 * 128).reshape(1, 1, 128, 128) % 256
    spikes = RateEncode("e", ("input",), 64, seed=12345).run(pixels)
    return spikes[0, :, 0].reshape(64, 64, 256).transpose(2, 1, 0)


def test_random_rates(random_spikes):
    """Each pixel value spikes with probability p/256; 4,096 draws each, five standard deviations."""
    rate = np.arange(256) / 256
    seen = random_spikes.mean((1, 2))
    assert (np.abs(seen - rate) <= 5 * np.sqrt(rate * (1 - rate) / 4096)).all()


def test_random_steps_and_neighbours_are_independent(random_spikes):
    """Correlation of spikes with those of other steps, and of neighbouring pixels, within five sigma of 0."""
    rate = np.arange(256)[1:] / 256
    z = (random_spikes[1:] - rate[:, None, None]) / np.sqrt(rate * (1 - rate))[:, None, None]
    pairs = [(z[..., lag:], z[..., :-lag]) for lag in (1, 2, 3, 4, 8, 16, 32)]
    pairs += [(z[lag:], z[:-lag]) for lag in (1, 2, 3, 4, 16)]
    pairs += [(z[:, 1:], z[:, :-1])]  # 256 places on
    for a, b in pairs:
        assert abs((a * b).mean()) < 5 / np.sqrt(a.size)


def test_draws_are_those_of_the_specification():
    """r[0] is the low byte of the seed; by hand for the first shifts of seed 1."""
    assert list(itertools.islice(draws(0x12345678), 1)) == [0x78]
    state = 1
    for _ in range(8):
        state = state >> 1 ^ (0xA3000000 if state & 1 else 0)
    assert list(itertools.islice(draws(1), 2)) == [1, state & 255]
    pixels = np.full((1, 1, 1, 1), 128)
    assert RateEncode("e", ("input",), 40, seed=9).run(pixels).ravel().tolist() == [
        int(r < 128) for r in itertools.islice(draws(9), 40)
    ]


def test_random_rate_is_fast():
    """The draws are the network's, not a frame's: 512 frames of 28 x 28 at T = 16 in well under a second."""
    frames = np.random.default_rng(0).integers(0, 256, (512, 1, 28, 28))
    op = RateEncode("e", ("input",), 16, seed=4711)
    start = time.process_time()
    op.run(frames)
    assert time.process_time() - start < 0.8


# ------------------------------------------------------------------ types, costs, errors, files
@pytest.mark.parametrize(
    ("op", "encoding"),
    [
        (RateEncode("e", ("input",), 12), Encoding.RATE),
        (TTFSEncode("e", ("input",), 12), Encoding.TTFS),
        (PhaseEncode("e", ("input",), 12), Encoding.PHASE),
        (BurstEncode("e", ("input",), 12), Encoding.RATE),
    ],
)
def test_types_of_pixel_encoders(op, encoding):
    assert op.infer(PIXELS) == Tensor("e", (3, 5, 4), encoding, 12, 1, timed=True, block=12)


def test_types_of_delta_and_direct():
    signal = Tensor("x", (2, 3, 4), Encoding.SIGNAL, 20, 255, timed=True, block=4)
    delta = DeltaEncode("e", ("x",), "sigma-delta", 20)
    assert delta.infer(signal) == Tensor("e", (4, 3, 4), Encoding.RATE, 20, 1, timed=True, block=4)
    potential = Tensor("h", (2, 3, 4), Encoding.POTENTIAL, 1, 99)
    assert Direct("e", ("h",), 7).infer(potential) == Tensor("e", (2, 3, 4), Encoding.POTENTIAL, 7, 99, True, 7)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RateEncode("e", ("input",), 0), r"encode_rate 'e': T = 0 is outside 1\.\.8388608"),
        (lambda: PhaseEncode("e", ("input",), 2**23 + 1), r"T = 8388609 is outside 1\.\.8388608"),
        (lambda: RateEncode("e", ("input",), 4, mode="poisson"), "mode='poisson' is unknown; use random or regular"),
        (lambda: RateEncode("e", ("input",), 4, seed=0), r"seed = 0 is outside 1\.\.4294967295"),
        (lambda: RateEncode("e", ("input",), 4, seed=2**32), r"seed = 4294967296 is outside"),
        (lambda: BurstEncode("e", ("input",), 4, isi_min=5, isi_max=4), "isi_min = 5, isi_max = 4 must rise"),
        (lambda: BurstEncode("e", ("input",), 4, count=256), r"count = 256 is outside 1\.\.255"),
        (lambda: DeltaEncode("e", ("x",), theta=0), r"theta = 0 is outside 1\.\.255"),
        (lambda: DeltaEncode("e", ("x",), mode="sigma"), "mode='sigma' is unknown; use delta or sigma-delta"),
        (lambda: DeltaEncode("e", ("x",)).infer(PIXELS), "input 'input' is pixel, needs signal"),
        (lambda: RateEncode("e", ("h",)).infer(Tensor("h", (1, 1, 1), Encoding.POTENTIAL, 1, 9)), "needs pixel"),
        (
            lambda: Direct("e", ("h",)).infer(Tensor("h", (1, 1, 1), Encoding.POTENTIAL, 6, 9, True)),
            "6 time steps already",
        ),
    ],
)
def test_errors_are_one_line(make, message):
    with pytest.raises(VolleyError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_saved_and_loaded(tmp_path):
    """Every field of every encoder survives a file, and the encoders are known to it."""
    ops = [
        RateEncode("a", ("input",), 6, "regular", 9),
        RateEncode("b", ("input",), 6, "random", 2**32 - 1),
        TTFSEncode("c", ("input",), 6),
        PhaseEncode("d", ("input",), 6),
        BurstEncode("e", ("input",), 6, 2, 5, 7),
    ]
    assert {type(op) for op in ops} | {DeltaEncode, Direct} <= set(OPERATORS.values())
    network = Network("encoders", (1, 4, 4), tuple(ops))
    network.save(tmp_path / "n.vly")
    loaded = Network.load(tmp_path / "n.vly")
    x = np.random.default_rng(3).integers(0, 256, (2, 1, 4, 4))
    for before, after in zip(ops, loaded.operators, strict=True):
        assert type(before) is type(after)
        assert (before.run(x) == after.run(x)).all()
