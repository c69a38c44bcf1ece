# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""No sequence of beats, tlast, stalls and resets hangs a layer core or leaks one frame into the next."""

import re

import pytest

from verif.harness import REPO, run_bench, sources_of
from verif.models.event_list import image
from verif.pages import sv

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
PIXELS = ("LANES", "T", "TB", "BEATS")
RATE = (*PIXELS, "MODE", "SEED")
BURST = (*PIXELS, "ISI_MIN", "ISI_MAX", "COUNT")
DELTA = ("LANES", "TB", "PASSES", "BEATS", "MODE", "THETA")
ARRAY = ("PE", "SIMD", "T", "TP", "WEIGHT_W", "FOLDS")
DEPTHWISE = ("LANES", "MULTIPLIER", "TAPS", "T", "TP", "WEIGHT_W", "PER_STEP", "PIX", "ACC_W")
LIST = ("T", "LANES", "BEATS", "EVENTS", "REPLAY", "DEPTH")
EVENT = ("PE", "EVENTS", "T", "TP", "WEIGHT_W", "INPUTS", "FOLDS", "KIND", "ACC_W", "INIT_FILE")
RADIX = ("LANES", "IN_W", "IN_SIGNED", "EXPONENT", "THETA_W", "BIAS_W", "T", "UNROLLED", "V_W")
LIF = ("LANES", "TB", "PASSES", "BEATS", "UNROLLED", "IN_W")
READ = ("LANES", "TB", "PASSES", "BEATS", "READ", "MET", "IN_W")
GATED = ("LANES", "TB", "TAPS", "BEATS", "PASSES")
ACCUMULATE = ("LANES", "STEPS", "IN_W", "IN_SIGNED", "BEATS", "PASSES", "OUT_W")
RESIDUAL = ("LANES", "STEPS", "ACC_W", "WORD_W", "EXPONENT", "M_W", "OUT_W")
POOLED = ("LANES", "WORD_W", "OUT_W", "MAXIMUM", "GROUPS", "HEIGHT", "WIDTH", "KERNEL_Y", "KERNEL_X", "SIGNED")

# core, its own bench, parameters: sets that its own tests use too, so that both benches judge the same mutants.
CORES = [
    ("encode_radix", "lanes", ("LANES", "T"), (3, 4)),
    ("encode_rate", "encode", RATE, (3, 12, 3, 5, 0, 0xDEADBEEF)),
    ("encode_rate", "encode", RATE, (3, 12, 3, 5, 1, 1)),
    ("encode_ttfs", "encode", PIXELS, (3, 12, 3, 5)),
    ("encode_phase", "encode", PIXELS, (3, 12, 3, 5)),
    ("encode_burst", "encode", BURST, (3, 12, 3, 5, 2, 5, 3)),
    ("encode_delta", "encode", DELTA, (1, 4, 3, 1, 0, 128)),
    ("encode_delta", "encode", DELTA, (3, 3, 4, 5, 1, 20)),
    ("encode_event", "encode", ("LANES", "TB", "BEATS"), (3, 5, 4)),
    ("replay", "replay", ("DATA_W", "BEATS", "PASSES", "DEPTH"), (9, 5, 3, 8)),
    ("line_buffer", "window", LINE, (5, 3, 7, 4, 5, 2, 0, 1, 0)),
    ("line_buffer", "window", LINE, (3, 1, 5, 7, 3, 1, 2, 2, 5)),
    ("window_full", "window", FULL, (4, 3, 4, 5, 3, 2, 1, 1, 9)),
    ("window_full", "window", FULL, (3, 1, 3, 7, 5, 1, 3, 3, 2)),
    ("window_full", "window", FULL, (4, 1, 4, 5, 5, 1, 2, 1, 0)),
    ("line_buffer", "window", (*LINE, "PIX"), (3, 1, 5, 8, 3, 1, 1, 1, 5, 4)),
    ("window_full", "window", (*FULL, "PIX"), (3, 1, 4, 12, 5, 1, 0, 1, 0, 4)),
    ("window_full", "window", (*FULL, "PIX"), (3, 2, 3, 8, 3, 2, 1, 1, 6, 4)),
    ("window_fold", "window", FOLD, (4, 1, 5, 6, 3, 3, 1, 1, 1, 1, 1, 32, 0)),
    ("window_fold", "window", FOLD, (12, 1, 4, 7, 1, 5, 1, 1, 0, 2, 2, 8, 99)),
    ("upsample", "window", UP, (3, 3, 4, 3, 3, 2, 11)),
    ("upsample", "window", (*UP, "PIX", "OUT_PIX"), (2, 1, 3, 8, 2, 3, 3, 4, 6)),
    ("weight_source", "weight_source", ("WIDTH", "DEPTH", "KIND", "INIT_FILE"), (9, 5, 3, "weights.mem")),
    ("synapse_array", "synapse_array", (*ARRAY, "ACC_W"), (2, 9, 4, 2, 8, 2, 17)),
    ("synapse_array", "synapse_array", (*ARRAY, "PER_STEP", "ACC_W"), (2, 9, 6, 2, 5, 2, 1, 10)),
    ("synapse_depthwise", "synapse_depthwise", DEPTHWISE, (3, 2, 9, 4, 2, 5, 0, 1, 13)),
    ("synapse_depthwise", "synapse_depthwise", DEPTHWISE, (2, 1, 3, 6, 2, 4, 1, 3, 6)),
    ("event_list", "event_list", LIST, (4, 5, 3, 2, 3, 16)),
    ("event_list", "event_list", LIST, (4, 3, 4, 3, 1, 4)),
    ("synapse_event", "synapse_event", EVENT, (3, 2, 4, 4, 4, 11, 3, 2, 12, "weights.mem")),
    ("neuron_radix", "neuron_radix", RADIX, (3, 9, 1, 3, 7, 8, 4, 0, 13)),
    ("neuron_radix", "neuron_radix", RADIX, (3, 9, 1, 3, 7, 8, 4, 1, 13)),
    ("synapse_array", "synapse_array", (*ARRAY, "PIX", "ACC_W"), (3, 5, 4, 4, 4, 3, 4, 12)),
    ("neuron_radix", "neuron_radix", (*RADIX, "PIX"), (1, 9, 1, 3, 7, 8, 4, 1, 13, 4)),
    (
        "neuron_lif",
        "neuron_lif",
        (*LIF, "BIAS_W", "THETA_W", "RESET_W", "V0_W", "V_W", "COUNT_W"),
        (2, 3, 4, 1, 0, 7, 5, 6, 9, 8, 8, 5),
    ),
    (
        "neuron_lif",
        "neuron_lif",
        (*LIF, "FRAC", "BIAS_W", "THETA_W", "V_W", "LEAK", "LEAK_SHIFT", "V_LEAK", "RESET", "V_RESET", "COUNT_W"),
        (2, 2, 5, 2, 1, 6, 3, 7, 9, 11, 1, 2, -37, 2, -80, 5),
    ),
    (
        "neuron_membrane",
        "neuron_membrane",
        (*READ, "THETA_W", "V_W", "LEAK", "LEAK_SHIFT", "RESET", "OUT_W", "COUNT_W"),
        (2, 2, 3, 2, 1, 0, 7, 1, 10, 1, 2, 0, 13, 5),
    ),
    (
        "neuron_membrane",
        "neuron_membrane",
        (*READ, "BIAS_W", "THETA_W", "V_W", "OUT_W", "COUNT_W"),
        (3, 1, 4, 1, 2, 1, 7, 6, 7, 9, 11, 5),
    ),
    ("readout", "lanes", ("LANES", "IN_W", "EXPONENT", "BIAS_W"), (3, 12, 5, 20)),
    ("accumulate", "pass_state", ACCUMULATE, (2, 2, 5, 1, 3, 3, 8)),
    ("pool_max", "lanes", ("LANES", "WORD_W", "TAPS"), (3, 4, 9)),
    ("pool_max", "lanes", ("LANES", "WORD_W", "TAPS", "SIGNED"), (2, 7, 4, 1)),
    ("pool_sum", "lanes", ("LANES", "WORD_W", "TAPS"), (3, 4, 9)),
    ("pool_or", "eltwise", ("LANES", "TB", "TAPS"), (3, 4, 9)),
    ("pool_gated", "pass_state", GATED, (2, 2, 4, 3, 3)),
    ("pool_gated", "pass_state", GATED, (2, 2, 4, 1, 4)),
    ("pool_accumulate", "pool_accumulate", POOLED, (3, 3, 3, 1, 1, 3, 5, 2, 3, 0)),
    ("pool_accumulate", "pool_accumulate", POOLED, (3, 4, 6, 0, 1, 6, 8, 2, 2, 0)),
    ("pool_accumulate", "pool_accumulate", POOLED, (2, 3, 3, 1, 2, 4, 7, 2, 3, 0)),
    ("pool_accumulate", "pool_accumulate", POOLED, (2, 5, 5, 1, 1, 4, 6, 2, 2, 1)),
    ("add", "eltwise", ("LANES", "A_W", "B_W", "A_SIGNED", "B_SIGNED", "OUT_W"), (2, 12, 7, 1, 1, 13)),
    ("residual", "eltwise", RESIDUAL, (3, 1, 9, 4, 2, 6, 13)),
    ("residual", "eltwise", (*RESIDUAL, "DSP"), (3, 1, 9, 4, 2, 6, 13, 1)),
    ("sew", "eltwise", ("LANES", "TB", "MODE"), (3, 4, 1)),
    ("step_delay", "step_delay", ("DATA_W", "BEATS", "PASSES", "DELAY"), (8, 3, 3, 1)),
    ("step_delay", "step_delay", ("DATA_W", "BEATS", "PASSES", "DELAY"), (8, 3, 5, 2)),
    ("lane_convert", "lane_convert", ("WORD_W", "LANES_IN", "LANES_OUT", "CHANNELS"), (3, 3, 5, 11)),
    ("lane_convert", "lane_convert", ("WORD_W", "LANES_IN", "LANES_OUT", "CHANNELS"), (3, 4, 4, 6)),
    ("frame_guard", "frame_guard", ("BYTES",), (21,)),
    ("frame_result", "frame_result", (), ()),
]
IMAGES = {
    "weight_source": {"weights.mem": "\n".join(f"{pow(3, n + 40, 512):x}" for n in range(5))},
    "synapse_event": {"weights.mem": image(3, 4, 33)},
}
every_core = pytest.mark.parametrize(
    ("core", "bench", "names", "values"), CORES, ids=[f"{core}-{n}" for n, (core, *_) in enumerate(CORES)]
)


def check(core: str, bench: str, names: tuple[str, ...], values: tuple[int | str, ...], episodes: int) -> None:
    """Where a core asserts that tlast is where it belongs, it is built without; all other assertions stay."""
    asserts = any(re.search(r'\$error\("\w+: tlast', path.read_text()) for path in sources_of(f"volley_{core}"))
    run_bench(
        f"volley_{core}", "tb_volley_sequences", dict(zip(names, values, strict=True)),
        {"OWN_BENCH": bench, "EPISODES": str(episodes)}, {"SYNTHESIS": 1} if asserts else {},
        IMAGES.get(core, {}),
    )  # fmt: skip


@every_core
def test_any_sequence(core, bench, names, values):
    check(core, bench, names, values, 40)


@pytest.mark.long
@every_core
def test_any_sequence_all(core, bench, names, values):
    check(core, bench, names, values, 2000)


def test_every_core_with_a_stream_is_here_or_proven():
    """The top and the serial line have their own benches, with bad frames or bytes and resets; a tile runs networks."""
    streams = {
        core.name.removeprefix("volley_")
        for core in sv.cores().values()
        if any(port.name.endswith("_tvalid") for port in core.ports)
    }
    proven = {path.stem.removeprefix("formal_") for path in (REPO / "verif" / "formal").glob("formal_*.sv")}
    others = {"top", "axi_top", "uart_top", "host_command", "packet_rx", "packet_tx", "uart_tx", "tile",
              "tile_sender", "tile_ring"}  # fmt: skip
    assert streams - {core for core, *_ in CORES} - proven == others
