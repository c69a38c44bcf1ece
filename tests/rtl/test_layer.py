# SPDX-License-Identifier: Apache-2.0
import pytest

from verif.harness import BenchError, run_bench

ARRAY = ("PE", "SIMD", "T", "TP", "WEIGHT_W", "FOLDS")
NEURON = ("LANES", "IN_W", "IN_SIGNED", "EXPONENT", "THETA_W", "BIAS_W", "T", "UNROLLED")


def check_array(values: tuple[int, ...]) -> None:
    parameters = dict(zip(ARRAY, values, strict=True))
    _, simd, steps, _, weight_w, folds = values
    largest = folds * simd * ((1 << steps) - 1) << (weight_w - 1)
    run_bench("volley_synapse_array", "tb_volley_synapse_array", parameters | {"ACC_W": 1 + largest.bit_length()})


@pytest.mark.parametrize("values", [
    (1, 1, 1, 1, 2, 1),   # smallest
    (3, 5, 4, 4, 4, 3),   # nothing a power of two
    (2, 9, 4, 2, 8, 2),   # two cycles per slice
    (2, 3, 6, 3, 5, 1),   # three steps at once, one fold
])
def test_synapse_array(values):
    check_array(values)


@pytest.mark.long
@pytest.mark.parametrize("values", [
    *((2, 4, t, t, 3, 2) for t in range(1, 9)),      # every T at once
    *((2, 3, t, 1, 4, 2) for t in range(2, 9)),      # and one by one
    *((1, 6, 4, 4, w, 1) for w in range(2, 9)),
    (1, 1, 8, 8, 8, 7), (4, 16, 8, 4, 8, 3), (5, 33, 4, 4, 4, 1), (6, 25, 4, 4, 4, 1), (1, 7, 8, 2, 2, 9),
])
def test_synapse_array_all(values):
    check_array(values)


def check_neuron(values: tuple[int, ...]) -> None:
    parameters = dict(zip(NEURON, values, strict=True))
    _, in_w, signed, exponent, theta_w, bias_w, steps, _ = values
    bound = (1 << (in_w - signed) << exponent) + (1 << (bias_w - 1))
    width = 1 + max(bound, (1 << theta_w) - 1 << (steps - 1)).bit_length()
    run_bench("volley_neuron_radix", "tb_volley_neuron_radix", parameters | {"V_W": width})


@pytest.mark.parametrize("unrolled", [0, 1])
@pytest.mark.parametrize("values", [
    (1, 6, 1, 0, 4, 6, 1),     # one step
    (3, 9, 1, 3, 7, 8, 4),     # exponent
    (2, 7, 0, 0, 8, 9, 8),     # unsigned sums, theta wider than h
])
def test_neuron_radix(values, unrolled):
    check_neuron((*values, unrolled))


@pytest.mark.long
@pytest.mark.parametrize("unrolled", [0, 1])
@pytest.mark.parametrize("steps", range(1, 9))
def test_neuron_radix_all(steps, unrolled):
    check_neuron((1, 12, 1, 0, 8, 12, steps, unrolled))
    check_neuron((2, 4, 1, 7, 1, 2, steps, unrolled))
