# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
import pytest

from verif.harness import run_bench

ARRAY = ("PE", "SIMD", "T", "TP", "WEIGHT_W", "FOLDS")
NEURON = ("LANES", "IN_W", "IN_SIGNED", "EXPONENT", "THETA_W", "BIAS_W", "T", "UNROLLED")


def check_array(values: tuple[int, ...], body: int = 0, pix: int = 1) -> None:
    parameters = dict(zip(ARRAY, values, strict=True)) | ({"BODY": body} if body else {})
    parameters |= {"PIX": pix} if pix > 1 else {}
    _, simd, steps, _, weight_w, folds = values
    largest = (folds or 5) * simd * ((1 << steps) - 1) << (weight_w - 1)
    run_bench("volley_synapse_array", "tb_volley_synapse_array", parameters | {"ACC_W": 1 + largest.bit_length()})


@pytest.mark.parametrize(
    "values",
    [
        (1, 1, 1, 1, 2, 1),  # smallest
        (3, 5, 4, 4, 4, 3),  # nothing a power of two
        (2, 9, 4, 2, 8, 2),  # two cycles per slice
        (2, 3, 6, 3, 5, 1),  # three steps at once, one fold
        (2, 3, 4, 2, 4, 0),  # windows that tlast ends
    ],
)
def test_synapse_array(values):
    check_array(values)


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (1, (2, 5, 4, 2, 8, 2)),  # a cascade with a slice half used, two cycles per slice
        (2, (3, 17, 4, 4, 4, 1)),  # two cascades
        (3, (5, 3, 4, 4, 4, 2)),  # whole words
    ],
)
def test_synapse_array_of_dsp_slices(body, values):
    """Of the portable stand-in: the latency that the bodies have."""
    check_array(values, body)


@pytest.mark.parametrize(
    ("body", "pix", "values"),
    [
        (0, 4, (3, 5, 4, 4, 4, 3)),  # several slices
        (0, 2, (1, 1, 1, 1, 2, 1)),  # the smallest
        (0, 3, (2, 3, 6, 3, 5, 1)),  # no power of two, two cycles per slice
        (1, 2, (2, 5, 4, 2, 8, 2)),
        (2, 2, (3, 17, 4, 4, 4, 1)),
        (3, 4, (5, 3, 4, 4, 4, 2)),  # DSP slices
    ],
)
def test_synapse_array_of_several_pixels(body, pix, values):
    check_array(values, body, pix)


def test_synapse_array_per_step_of_several_pixels():
    check_array_per_step((2, 9, 6, 2, 5, 2), pix=2)


def check_array_per_step(values: tuple[int, ...], pix: int = 1) -> None:
    parameters = dict(zip(ARRAY, values, strict=True)) | {"PER_STEP": 1} | ({"PIX": pix} if pix > 1 else {})
    _, simd, _, _, weight_w, folds = values
    largest = folds * simd << (weight_w - 1)
    run_bench("volley_synapse_array", "tb_volley_synapse_array", parameters | {"ACC_W": 1 + largest.bit_length()})


@pytest.mark.parametrize(
    "values",
    [
        (1, 1, 1, 1, 2, 1),  # smallest
        (3, 5, 4, 4, 4, 3),  # all steps at once
        (2, 9, 6, 2, 5, 2),  # three cycles per slice, the accumulators go round
        (2, 3, 5, 1, 8, 1),  # step by step, nothing to add up
    ],
)
def test_synapse_array_per_step(values):
    check_array_per_step(values)


DEPTHWISE = ("LANES", "MULTIPLIER", "TAPS", "T", "TP", "WEIGHT_W", "PER_STEP", "PIX")


def check_depthwise(values: tuple[int, ...]) -> None:
    _, _, taps, steps, _, weight_w, per_step, _ = values
    largest = taps * (1 if per_step else (1 << steps) - 1) << (weight_w - 1)
    parameters = dict(zip(DEPTHWISE, values, strict=True)) | {"ACC_W": 1 + largest.bit_length()}
    run_bench("volley_synapse_depthwise", "tb_volley_synapse_depthwise", parameters)


@pytest.mark.parametrize(
    "values",
    [
        (1, 1, 1, 1, 1, 2, 0, 1),  # smallest
        (3, 1, 9, 4, 4, 4, 0, 1),  # all steps at once
        (3, 2, 9, 4, 2, 5, 0, 1),  # two outputs of a channel, two cycles per beat
        (2, 3, 5, 6, 3, 8, 0, 2),  # two pixels, nothing a power of two
        (2, 1, 3, 6, 2, 4, 1, 3),  # potentials per step, three cycles per beat
        (1, 2, 2, 5, 5, 3, 1, 1),  # potentials per step, all at once
    ],
)
def test_synapse_depthwise(values):
    check_depthwise(values)


@pytest.mark.long
@pytest.mark.parametrize(
    "values",
    [
        *((2, 1, 4, t, tp, 3, per, 1) for t in (1, 2, 3, 8) for tp in (1, 2, 3, 8) if t % tp == 0 for per in (0, 1)),
        *((lanes, m, 6, 4, 2, 4, 0, pix) for lanes in (1, 4) for m in (1, 3) for pix in (1, 4)),
        (8, 1, 25, 4, 4, 2, 0, 1),
        (1, 1, 49, 8, 1, 8, 0, 1),
    ],
)
def test_synapse_depthwise_all(values):
    check_depthwise(values)


@pytest.mark.long
@pytest.mark.parametrize(
    "values",
    [
        *((2, 4, t, tp, 3, folds) for t in (1, 2, 4, 8, 16) for tp in (1, 2, 4, 16) if t % tp == 0 for folds in (1, 3)),
        (1, 6, 9, 3, 2, 2),
        (5, 33, 4, 2, 4, 1),
        (4, 16, 12, 6, 8, 3),
    ],
)
def test_synapse_array_per_step_all(values):
    check_array_per_step(values)


@pytest.mark.long
@pytest.mark.parametrize(
    "values",
    [
        *((2, 4, t, t, 3, 2) for t in range(1, 9)),  # every T at once
        *((2, 3, t, 1, 4, 2) for t in range(2, 9)),  # and one by one
        *((1, 6, 4, 4, w, 1) for w in range(2, 9)),
        (1, 1, 8, 8, 8, 7),
        (4, 16, 8, 4, 8, 3),
        (5, 33, 4, 4, 4, 1),
        (6, 25, 4, 4, 4, 1),
        (1, 7, 8, 2, 2, 9),
    ],
)
def test_synapse_array_all(values):
    check_array(values)


def check_neuron(values: tuple[int, ...], pix: int = 1) -> None:
    parameters = dict(zip(NEURON, values, strict=True)) | ({"PIX": pix} if pix > 1 else {})
    _, in_w, signed, exponent, theta_w, bias_w, steps, _ = values
    bound = (1 << (in_w - signed) << exponent) + (1 << (bias_w - 1))
    width = 1 + max(bound, (1 << theta_w) - 1 << (steps - 1)).bit_length()
    run_bench("volley_neuron_radix", "tb_volley_neuron_radix", parameters | {"V_W": width})


@pytest.mark.parametrize("unrolled", [0, 1])
@pytest.mark.parametrize(
    "values",
    [
        (1, 6, 1, 0, 4, 6, 1),  # one step
        (3, 9, 1, 3, 7, 8, 4),  # exponent
        (2, 7, 0, 0, 8, 9, 8),  # unsigned sums, theta wider than h
    ],
)
def test_neuron_radix(values, unrolled):
    check_neuron((*values, unrolled))


@pytest.mark.parametrize(("pix", "unrolled"), [(4, 1), (2, 0), (3, 1)])
def test_neuron_radix_of_several_pixels(pix, unrolled):
    check_neuron((3 if pix == 2 else 1, 9, 1, 3, 7, 8, 4, unrolled), pix)


@pytest.mark.long
@pytest.mark.parametrize("unrolled", [0, 1])
@pytest.mark.parametrize("steps", range(1, 9))
def test_neuron_radix_all(steps, unrolled):
    check_neuron((1, 12, 1, 0, 8, 12, steps, unrolled))
    check_neuron((2, 4, 1, 7, 1, 2, steps, unrolled))


@pytest.mark.parametrize(("lanes", "steps"), [(1, 1), (3, 4), (2, 7), (1, 8)])
def test_encode_radix(lanes, steps):
    run_bench("volley_encode_radix", "tb_volley_lanes", {"LANES": lanes, "T": steps})


@pytest.mark.parametrize(
    ("core", "names", "values"),
    [
        ("encode_radix", ("LANES", "T", "PIX"), (1, 4, 4)),
        ("encode_radix", ("LANES", "T", "PIX"), (3, 5, 2)),
        ("pool_max", ("LANES", "WORD_W", "TAPS", "PIX"), (3, 4, 9, 2)),
        ("pool_max", ("LANES", "WORD_W", "TAPS", "PIX"), (1, 1, 1, 3)),
        ("pool_max", ("LANES", "WORD_W", "TAPS", "PIX", "SIGNED"), (2, 6, 4, 2, 1)),
        ("pool_sum", ("LANES", "WORD_W", "TAPS", "PIX"), (2, 8, 4, 4)),
        ("pool_sum", ("LANES", "WORD_W", "TAPS", "PIX"), (3, 4, 9, 2)),
    ],
)
def test_lanes_of_several_pixels(core, names, values):
    run_bench(f"volley_{core}", "tb_volley_lanes", dict(zip(names, values, strict=True)))


@pytest.mark.parametrize("values", [(1, 2, 0, 2), (3, 12, 5, 20)])
def test_readout(values):
    run_bench(
        "volley_readout", "tb_volley_lanes", dict(zip(("LANES", "IN_W", "EXPONENT", "BIAS_W"), values, strict=True))
    )


@pytest.mark.parametrize("core", ["max", "sum"])
@pytest.mark.parametrize("values", [(1, 1, 1), (3, 4, 9), (2, 8, 4)])
def test_pool(core, values):
    run_bench(f"volley_pool_{core}", "tb_volley_lanes", dict(zip(("LANES", "WORD_W", "TAPS"), values, strict=True)))


@pytest.mark.parametrize("values", [(1, 1, 1, 1), (1, 2, 2, 1), (3, 5, 9, 1), (2, 13, 4, 1)])
def test_pool_of_potentials(values):
    run_bench(
        "volley_pool_max", "tb_volley_lanes", dict(zip(("LANES", "WORD_W", "TAPS", "SIGNED"), values, strict=True))
    )


@pytest.mark.parametrize(("width", "depth", "kind"), [(40, 1, 0), (6, 1, 1), (5, 3, 1), (70, 64, 2), (9, 5, 3)])
def test_weight_source(width, depth, kind):
    rows = [pow(3, n + 40, 1 << width) for n in range(max(depth, 2) if kind else 1)]
    content = {"INIT_FILE": "weights.mem"} if kind else {"ROW": rows[0]}
    run_bench(
        "volley_weight_source",
        "tb_volley_weight_source",
        {"WIDTH": width, "DEPTH": depth, "KIND": kind, **content},
        files={"weights.mem": "\n".join(f"{row:x}" for row in rows)} if kind else {},
    )
