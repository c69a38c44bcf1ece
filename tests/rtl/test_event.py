# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
import pytest

from verif.harness import run_bench
from verif.models.event_list import image

LIST = ("T", "LANES", "BEATS", "EVENTS", "REPLAY", "DEPTH")
EVENT = ("PE", "EVENTS", "T", "TP", "WEIGHT_W", "INPUTS", "FOLDS", "KIND")


def check_list(values: tuple[int, ...]) -> None:
    run_bench("volley_event_list", "tb_volley_event_list", dict(zip(LIST, values, strict=True)))


@pytest.mark.parametrize(
    "values",
    [
        (1, 1, 1, 1, 1, 2),  # smallest
        (4, 5, 3, 2, 3, 16),  # two of five lanes a cycle, room for the next frame
        (3, 2, 5, 3, 2, 4),  # rows of several beats; a frame without zeros fills the list
        (4, 3, 4, 3, 1, 4),  # sent once
        (2, 1, 7, 4, 4, 2),  # one lane, DEPTH just a frame
    ],
)
def test_event_list(values):
    check_list(values)


@pytest.mark.long
@pytest.mark.parametrize(
    "values",
    [
        *(
            (4, lanes, 6, events, replay, 64 if lanes == 7 else 32)  # a frame without zeros fits
            for lanes in (1, 2, 4, 7)
            for events in (1, 2, 3, 5)
            for replay in (1, 2, 5)
        ),
        (8, 16, 9, 4, 3, 64),
        (5, 3, 40, 2, 21, 64),
    ],
)
def test_event_list_all(values):
    check_list(values)


def check_event(values: tuple[int, ...], **others: int) -> None:
    parameters = dict(zip(EVENT, values, strict=True)) | others
    pe, events, steps, _, width, inputs, folds, _ = values
    top = 1 if others.get("PER_STEP") else (1 << steps) - 1
    largest = max(events, inputs) * top << (width - 1)
    run_bench(
        "volley_synapse_event",
        "tb_volley_synapse_event",
        parameters | {"ACC_W": 1 + largest.bit_length(), "INIT_FILE": "weights.mem"},
        files={"weights.mem": image(pe, width, max(2, folds * inputs))},
    )


@pytest.mark.parametrize(
    ("values", "others"),
    [
        ((1, 1, 1, 1, 2, 1, 1, 1), {}),  # smallest
        ((3, 2, 4, 4, 4, 11, 3, 2), {}),  # a dual-port memory, three folds
        ((2, 3, 4, 2, 8, 5, 2, 1), {}),  # three memories' worth of events, two cycles per row
        ((5, 2, 4, 4, 4, 9, 2, 3), {"BODY": 3}),  # writable weights, the latency of DSP slices
        ((2, 2, 3, 1, 3, 6, 2, 2), {"PER_STEP": 1}),  # a number per step
    ],
)
def test_synapse_event(values, others):
    check_event(values, **others)


@pytest.mark.long
@pytest.mark.parametrize("kind", [1, 2, 3])
@pytest.mark.parametrize("events", [1, 2, 3, 4, 5])
def test_synapse_event_all(events, kind):
    check_event((4, events, 4, 4, 4, 21, 3, kind))
    check_event((3, events, 6, 3, 5, 7, 1, kind), PER_STEP=1)
