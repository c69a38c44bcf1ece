# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
import pytest

from verif.harness import run_bench

LINE = ("ITEM_W", "GROUPS", "HEIGHT", "WIDTH", "KERNEL", "STRIDE", "PADDING", "SLOTS", "PAD_ITEM")
FULL = ("ITEM_W", "GROUPS", "HEIGHT", "WIDTH", "KERNEL", "STRIDE", "PADDING", "REPLAY", "PAD_ITEM")
FOLD = (
    "ITEM_W",
    "GROUPS",
    "HEIGHT",
    "WIDTH",
    "KERNEL_Y",
    "KERNEL_X",
    "STRIDE_Y",
    "STRIDE_X",
    "PAD_Y",
    "PAD_X",
    "REPLAY",
    "DEPTH",
    "PAD_ITEM",
)

UP = ("ITEM_W", "GROUPS", "HEIGHT", "WIDTH", "SCALE_Y", "SCALE_X", "DEPTH")


def check(core: str, names: tuple[str, ...], values: tuple[int, ...]) -> None:
    run_bench(core, "tb_volley_window", dict(zip(names, values, strict=True)))


@pytest.mark.parametrize(
    "values",
    [
        (4, 1, 6, 5, 3, 1, 1, 1, 0),  # same padding
        (5, 3, 7, 4, 5, 2, 0, 1, 0),  # groups, stride that leaves a row over
        (3, 1, 5, 7, 3, 1, 2, 2, 5),  # more rows out than in, a code for padding, room for more rows
        (4, 2, 5, 3, 1, 2, 0, 1, 0),  # one row; the next one is skipped
    ],
)
def test_line_buffer(values):
    check("volley_line_buffer", LINE, values)


@pytest.mark.parametrize(
    "values",
    [
        (3, 1, 5, 8, 3, 1, 1, 1, 5, 4),  # four pixels to a beat
        (4, 2, 5, 6, 5, 2, 2, 2, 0, 2),  # groups, rows left over, room for more rows
        (5, 1, 4, 3, 2, 2, 0, 1, 0, 3),  # a row is one beat
    ],
)
def test_line_buffer_of_several_pixels(values):
    check("volley_line_buffer", (*LINE, "PIX"), values)


@pytest.mark.parametrize(
    "values",
    [
        (4, 1, 5, 6, 3, 1, 1, 1, 0),  # exactly HEIGHT * WIDTH
        (4, 3, 4, 5, 3, 2, 1, 1, 9),  # groups, stride
        (3, 1, 3, 7, 5, 1, 3, 3, 2),  # more columns out than in, replay
        (4, 1, 4, 5, 5, 1, 2, 1, 0),  # two columns beyond the map
        (4, 1, 3, 1, 5, 1, 2, 1, 0),
        (4, 2, 4, 1, 5, 1, 2, 1, 3),  # a map narrower than its padding
        (3, 2, 3, 5, 3, 1, 0, 1, 0),  # no padding
    ],
)
def test_window_full(values):
    check("volley_window_full", FULL, values)


@pytest.mark.parametrize(
    "values",
    [
        (3, 1, 4, 12, 5, 1, 0, 1, 0, 4),  # the first convolution of a network with 32-bit words
        (3, 1, 4, 8, 3, 1, 1, 1, 5, 4),  # same padding: WIDTH / PIX cycles per row
        (4, 1, 3, 12, 2, 2, 0, 1, 0, 4),  # pooling: half as many pixels per beat
        (3, 2, 3, 8, 3, 2, 1, 1, 6, 4),  # the same with overlap and padding, groups
        (4, 1, 3, 6, 3, 2, 1, 1, 9, 2),  # one window per beat
        (4, 1, 3, 12, 5, 6, 1, 1, 3, 3),  # one window for two beats
        (3, 1, 3, 6, 5, 1, 4, 3, 2, 2),  # more columns out than in, replay
        (3, 1, 3, 4, 7, 1, 3, 1, 2, 4),
        (3, 2, 3, 2, 7, 1, 6, 1, 2, 2),  # a row is one beat, below the kernel
        (2, 1, 3, 9, 4, 1, 3, 1, 1, 3),  # pixels per beat that are no power of two
    ],
)
def test_window_full_of_several_pixels(values):
    check("volley_window_full", (*FULL, "PIX"), values)


@pytest.mark.parametrize(
    "values",
    [
        (4, 1, 5, 6, 3, 3, 1, 1, 1, 1, 1, 32, 0),  # taps
        (5, 3, 5, 5, 3, 3, 2, 2, 1, 1, 3, 64, 7),  # groups, stride, replay
        (12, 1, 4, 7, 1, 5, 1, 1, 0, 2, 2, 8, 99),  # columns of a line buffer
        (6, 5, 1, 1, 1, 1, 1, 1, 0, 0, 3, 8, 0),  # a linear layer
    ],
)
def test_window_fold(values):
    check("volley_window_fold", FOLD, values)


@pytest.mark.parametrize(
    "values",
    [
        (4, 1, 3, 5, 2, 2, 5),  # twice, with a row
        (3, 3, 4, 3, 3, 2, 11),  # groups, more than a row
        (5, 2, 1, 7, 1, 4, 2),  # a sequence: one pixel suffices
        (2, 1, 5, 1, 3, 1, 2),  # rows of one beat
    ],
)
def test_upsample(values):
    check("volley_upsample", UP, values)


@pytest.mark.parametrize(
    "values",
    [
        (3, 1, 3, 4, 2, 2, 4, 1, 2),  # twice as many pixels per beat: no beat is sent twice in a row
        (2, 2, 3, 6, 2, 3, 6, 2, 2),  # three beats out for one, groups
        (3, 1, 2, 9, 3, 2, 4, 3, 1),  # fewer pixels per beat out than in
        (2, 1, 3, 8, 2, 3, 3, 4, 6),  # pixels per beat of which neither divides the other
    ],
)
def test_upsample_of_several_pixels(values):
    check("volley_upsample", (*UP, "PIX", "OUT_PIX"), values)


# Every kernel, stride, padding, group and replay count at least once, and the smallest maps.
@pytest.mark.long
@pytest.mark.parametrize(
    "values",
    [
        (2, 1, 3, 1, 3, 1, 1, 1, 0),
        (2, 1, 3, 1, 3, 1, 1, 2, 0),
        (2, 1, 1, 2, 1, 1, 0, 1, 0),
        (3, 1, 5, 5, 3, 1, 0, 1, 0),
        (3, 3, 6, 3, 3, 2, 1, 1, 1),
        (3, 1, 7, 3, 3, 2, 2, 3, 0),
        (4, 1, 8, 6, 5, 1, 0, 1, 0),
        (4, 1, 6, 5, 5, 1, 1, 1, 0),
        (4, 3, 6, 5, 5, 1, 2, 1, 3),
        (4, 1, 6, 5, 5, 1, 3, 1, 0),
        (4, 1, 5, 5, 5, 1, 4, 2, 0),
        (4, 1, 9, 4, 5, 2, 2, 2, 0),
        (4, 1, 8, 4, 2, 2, 0, 1, 0),
        (4, 1, 7, 4, 2, 2, 1, 1, 0),
        (4, 1, 6, 4, 2, 1, 1, 1, 0),
        (4, 1, 7, 4, 1, 3, 0, 1, 0),
        (4, 1, 7, 4, 2, 3, 0, 2, 0),
        (4, 2, 2, 3, 5, 1, 2, 1, 0),
        (4, 1, 8, 4, 3, 3, 1, 1, 0),
        (40, 1, 4, 3, 3, 1, 1, 2, 0),
    ],
)
def test_line_buffer_all(values):
    check("volley_line_buffer", LINE, values)


@pytest.mark.long
@pytest.mark.parametrize(
    "values",
    [
        (2, 1, 3, 1, 3, 1, 1, 1, 0),
        (2, 1, 1, 1, 1, 1, 0, 1, 0),
        (3, 1, 5, 5, 3, 1, 0, 3, 0),
        (3, 3, 6, 3, 3, 2, 1, 1, 1),
        (3, 1, 3, 7, 3, 2, 2, 1, 0),
        (4, 1, 3, 6, 5, 1, 0, 1, 0),
        (4, 1, 3, 5, 5, 1, 1, 1, 0),
        (4, 3, 3, 5, 5, 1, 2, 1, 3),
        (4, 1, 1, 5, 5, 1, 3, 1, 0),
        (4, 1, 3, 5, 5, 1, 4, 1, 0),
        (4, 1, 3, 9, 5, 2, 2, 3, 0),
        (4, 1, 3, 8, 2, 2, 0, 1, 0),
        (4, 1, 3, 7, 2, 2, 1, 1, 0),
        (4, 1, 3, 6, 2, 1, 1, 1, 0),
        (4, 1, 3, 7, 1, 3, 0, 3, 0),
        (4, 3, 3, 7, 2, 3, 0, 1, 0),
        (4, 1, 3, 2, 5, 1, 2, 1, 0),
        (4, 1, 3, 8, 3, 3, 1, 1, 0),
        (4, 3, 3, 4, 1, 1, 0, 1, 0),
        (4, 3, 3, 4, 3, 1, 2, 1, 0),
    ],
)
def test_window_full_all(values):
    check("volley_window_full", FULL, values)


@pytest.mark.long
@pytest.mark.parametrize(
    "values",
    [
        (2, 1, 3, 1, 3, 3, 1, 1, 1, 1, 1, 8, 0),
        (2, 1, 3, 3, 1, 1, 1, 1, 0, 0, 1, 2, 0),
        (4, 3, 3, 4, 1, 1, 2, 2, 0, 0, 2, 4, 0),
        (4, 1, 5, 5, 3, 3, 1, 1, 0, 0, 1, 16, 0),
        (4, 1, 5, 5, 3, 3, 1, 1, 0, 0, 1, 32, 0),
        (4, 1, 5, 5, 3, 3, 1, 1, 2, 2, 1, 16, 9),
        (4, 1, 7, 6, 5, 5, 2, 2, 2, 2, 1, 32, 0),
        (4, 1, 7, 6, 5, 5, 1, 1, 4, 4, 1, 64, 0),
        (4, 3, 5, 5, 5, 5, 1, 1, 2, 2, 1, 128, 0),
        (4, 1, 9, 5, 1, 1, 5, 3, 0, 0, 1, 2, 0),
        (4, 1, 9, 5, 2, 2, 3, 3, 1, 1, 2, 8, 0),
        (4, 1, 2, 2, 5, 5, 1, 1, 2, 2, 1, 16, 3),
        (4, 1, 4, 7, 1, 3, 1, 2, 0, 1, 1, 4, 0),
        (4, 2, 4, 7, 1, 3, 1, 1, 0, 0, 3, 16, 0),
        (4, 1, 4, 7, 1, 5, 1, 1, 0, 2, 1, 8, 5),
        (4, 7, 1, 1, 1, 1, 1, 1, 0, 0, 1, 8, 0),
        (4, 8, 1, 1, 1, 1, 1, 1, 0, 0, 4, 16, 0),
        (4, 8, 1, 1, 1, 1, 1, 1, 0, 0, 4, 8, 0),
        (40, 1, 4, 4, 3, 3, 1, 1, 1, 1, 1, 16, 0),
        (4, 1, 3, 9, 1, 1, 1, 4, 0, 0, 1, 2, 0),
        (4, 1, 9, 8, 1, 1, 8, 8, 0, 0, 1, 2, 0),
    ],
)
def test_window_fold_all(values):
    check("volley_window_fold", FOLD, values)


@pytest.mark.long
@pytest.mark.parametrize(
    "values",
    [
        (1, 1, 1, 1, 1, 1, 2, 1, 1),
        (4, 1, 1, 1, 4, 4, 2, 1, 1),
        (4, 1, 3, 2, 2, 1, 2, 1, 1),
        (4, 2, 3, 1, 2, 2, 2, 1, 1),
        (4, 3, 2, 4, 1, 2, 3, 1, 1),
        (4, 1, 2, 5, 1, 1, 2, 1, 1),
        (4, 1, 3, 4, 5, 3, 7, 1, 1),
        (4, 1, 3, 4, 2, 4, 8, 1, 4),
        (4, 1, 3, 6, 2, 4, 6, 1, 2),
        (2, 1, 3, 8, 3, 1, 2, 4, 2),
        (2, 1, 3, 8, 1, 2, 2, 4, 8),
        (2, 3, 2, 4, 2, 2, 7, 2, 4),
        (40, 1, 4, 6, 2, 2, 6, 1, 1),
    ],
)
def test_upsample_all(values):
    check("volley_upsample", (*UP, "PIX", "OUT_PIX"), values)
