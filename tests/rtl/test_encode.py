# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
import pytest

from verif.harness import run_bench

REPLAY = ("DATA_W", "BEATS", "PASSES", "DEPTH")
RATE = ("LANES", "T", "TB", "BEATS", "MODE", "SEED")
PIXELS = ("LANES", "T", "TB", "BEATS")
BURST = ("LANES", "T", "TB", "BEATS", "ISI_MIN", "ISI_MAX", "COUNT")
DELTA = ("LANES", "TB", "PASSES", "BEATS", "MODE", "THETA")
EVENT = ("LANES", "TB", "BEATS")


def check(core: str, names: tuple[str, ...], values: tuple[int, ...], **options) -> None:
    bench = "tb_volley_replay" if core == "replay" else "tb_volley_encode"
    run_bench(f"volley_{core}", bench, dict(zip(names, values, strict=True)), **options)


@pytest.mark.parametrize(
    "values",
    [
        (1, 1, 1, 2),  # smallest
        (9, 5, 3, 8),  # room for a part of the next frame
        (4, 8, 4, 8),  # for none of it
        (4, 8, 2, 16),  # for all of it
    ],
)
def test_replay(values):
    check("replay", REPLAY, values)


@pytest.mark.parametrize(
    "values",
    [
        (1, 1, 1, 1, 0, 1),  # smallest
        (3, 12, 3, 5, 0, 0xDEADBEEF),  # nothing a power of two
        (2, 8, 8, 4, 0, 77),  # one pass
        (1, 6, 1, 7, 0, 1 << 31),  # one step per pass
        (1, 1, 1, 1, 1, 1),
        (3, 12, 3, 5, 1, 1),
        (2, 20, 4, 3, 1, 1),
    ],
)
def test_rate(values):
    check("encode_rate", RATE, values)


@pytest.mark.parametrize("core", ["ttfs", "phase"])
@pytest.mark.parametrize("values", [(1, 1, 1, 1), (3, 12, 3, 5), (2, 16, 4, 4), (1, 8, 8, 6)])
def test_pixels(core, values):
    check(f"encode_{core}", PIXELS, values)


@pytest.mark.parametrize(
    "values",
    [
        (1, 1, 1, 1, 1, 1, 1),
        (3, 12, 3, 5, 2, 5, 3),
        (2, 16, 4, 4, 3, 3, 255),  # one interval; more spikes than fit
        (1, 8, 8, 6, 1, 40, 4),  # intervals longer than the frame
        (2, 4, 2, 3, 1, 1, 9),  # a spike in every step
    ],
)
def test_burst(values):
    check("encode_burst", BURST, values)


@pytest.mark.parametrize(
    "values",
    [
        (1, 1, 1, 1, 0, 1),
        (3, 3, 4, 5, 0, 20),
        (3, 3, 4, 5, 1, 20),
        (1, 4, 3, 1, 0, 128),
        (1, 4, 3, 2, 1, 40),  # fewer beats than stages
        (2, 4, 1, 3, 1, 255),  # no memory
    ],
)
def test_delta(values):
    check("encode_delta", DELTA, values)


@pytest.mark.parametrize("values", [(1, 1, 1), (3, 5, 4), (2, 8, 7)])
def test_event(values):
    check("encode_event", EVENT, values)


@pytest.mark.parametrize(
    ("core", "names", "values"),
    [
        ("replay", REPLAY, (9, 5, 3, 8)),
        ("encode_rate", RATE, (3, 12, 3, 5, 0, 0xDEADBEEF)),
        ("encode_rate", RATE, (3, 12, 3, 5, 1, 1)),
        ("encode_burst", BURST, (3, 12, 3, 5, 2, 5, 3)),
        ("encode_delta", DELTA, (3, 3, 4, 5, 1, 20)),
        ("encode_event", EVENT, (3, 5, 4)),
    ],
)
def test_wrong_tlast_changes_nothing(core, names, values):
    check(core, names, values, extra_env={"WRONG_LAST": "1"}, defines={"SYNTHESIS": 1})


@pytest.mark.long
@pytest.mark.parametrize(
    "values",
    [
        *((1, 24, block, 3, mode, 5) for block in (1, 2, 4, 6, 8, 12, 24) for mode in (0, 1)),
        (4, 16, 4, 64, 0, 0xFFFFFFFF),
        (3, 8, 2, 1024, 0, 1),
        (1, 1024, 16, 2, 0, 3),
        (1, 1024, 16, 2, 1, 3),
    ],
)
def test_rate_all(values):
    check("encode_rate", RATE, values)


@pytest.mark.long
@pytest.mark.parametrize("core", ["ttfs", "phase"])
@pytest.mark.parametrize(
    "values",
    [
        *((1, 24, block, 7) for block in (1, 2, 4, 6, 8, 12, 24)),
        (1, 256, 16, 3),
        (1, 1024, 16, 3),
        (1, 7, 7, 3),
    ],
)
def test_pixels_all(core, values):
    check(f"encode_{core}", PIXELS, values)


@pytest.mark.long
@pytest.mark.parametrize(
    "values",
    [
        *((1, 24, block, 7, 2, 6, 5) for block in (1, 2, 4, 6, 8, 12, 24)),
        (1, 64, 16, 5, 2, 12, 5),
        (1, 16, 4, 5, 1, 1, 16),
        (1, 256, 16, 3, 1, 255, 255),
    ],
)
def test_burst_all(values):
    check("encode_burst", BURST, values)


@pytest.mark.long
@pytest.mark.parametrize("mode", [0, 1])
@pytest.mark.parametrize(
    "values",
    [
        *((1, block, 3, beats) for block in (1, 2, 3, 5, 8) for beats in (1, block, block + 1, block + 2)),
        (4, 4, 4, 20),
    ],
)
def test_delta_all(mode, values):
    check("encode_delta", DELTA, (*values, mode, 30))
