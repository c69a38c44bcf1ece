# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Volley authors
"""Rows of the cores that networks are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from verif.pages.row import Row, Values, Wave

# A neuron with a multiplied leak and a current, as frameworks train them.
LI: Values = {"RESET": 0, "LEAK": 1, "LEAK_SHIFT": 2, "BIAS_W": 0, "THETA_W": 1}
LIF: Values = {"FRAC": 8, "V_W": 24, "LEAK": 2, "LEAK_W": 8, "LEAK_FRAC": 8, "CURRENT": 1, "I_LEAK": 1, "I_SHIFT": 2}
# An encoder of static pixels: 28 x 28 images, and the same four pixels in each of two passes.
ENCODERS: tuple[Values, ...] = ({"BEATS": 784}, {"LANES": 8, "T": 32, "TB": 8, "BEATS": 1024})
STATIC = Wave({"T": 8, "BEATS": 4}, data={"s_pixel": (0, 100, 200, 255) * 6})

# The sums of a synapse array: two inputs of two steps; weights 1 and 7, then -1 and 2.
SUMS: tuple[Values, ...] = ({"PE": 4, "SIMD": 4}, {"PE": 16, "SIMD": 16, "TP": 1})
SUM_PORTS: Mapping[str, Sequence[int]] = {
    "ce": (1, 1, 1, 1, 0, 1), "s_spike": (0b1111, 0b0001, 0b0100, 0b1010, 0b1111, 0b1111, 0),
    "s_weight": (0x71, 0x71, 0x71, 0x2F, 0x2F, 0x2F, 0),
}  # fmt: skip

ROWS: dict[str, Row] = {
    # ---------------------------------------------------------------- common
    "volley_ram": Row(
        {"DATA_W": 1, "DEPTH": 2},
        ({"DATA_W": 8, "DEPTH": 32, "STYLE": "distributed"}, {"DATA_W": 36, "DEPTH": 1024}),
        Wave(
            {"DEPTH": 16},
            16,
            ports={
                "we": (1, 1, 1, 0, 0, 1, 0),
                "waddr": (3, 4, 5, 0, 0, 4, 0),
                "wdata": (0x11, 0x22, 0x33, 0, 0, 0x44, 0),
                "re": (0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 0),
                "raddr": (0, 0, 0, 3, 5, 4, 4, 3, 3, 3, 0),
            },
        ),
    ),
    "volley_ram_2clk": Row(
        {"DATA_W": 1, "DEPTH": 2},
        ({"DATA_W": 8, "DEPTH": 32, "STYLE": "distributed"}, {"DATA_W": 36, "DEPTH": 1024}),
        None,  # a picture has one clock
    ),
    "volley_sync": Row({}, ({}, {"W": 8, "STAGES": 3}), None),
    "volley_rom": Row(
        {"DATA_W": 1, "DEPTH": 2},
        ({"DATA_W": 8, "DEPTH": 32}, {"DATA_W": 36, "DEPTH": 1024}),
        Wave({"DEPTH": 16}, 16, ports={"re": (0, 1, 1, 1, 0, 0, 1, 1, 0), "raddr": (0, 3, 4, 5, 6, 7, 8, 9, 0)}),
        image=("DATA_W", "DEPTH"),
    ),
    "volley_adder_tree": Row(
        {"N": 1, "IN_W": 1},
        ({"N": 16, "IN_W": 4}, {"N": 64, "IN_W": 8}),
        Wave(
            {"N": 4},
            16,
            ports={
                "ce": (1, 1, 1, 1, 1, 0, 0, 1),
                "operands": (0x1111, 0x2222, 0x7777, 0x8888, 0x1234, 0x00F0, 0x00F0, 0x4321, 0),
            },
        ),
    ),
    "volley_scale": Row({"FACTOR": 1, "IN_W": 1, "OUT_W": 1}, ({}, {"FACTOR": 181, "IN_W": 16, "OUT_W": 24}), None),
    "volley_pass_counter": Row(
        {"BEATS": 1, "PASSES": 1},
        ({"BEATS": 16, "PASSES": 4}, {"BEATS": 784, "PASSES": 32}),
        Wave(
            {"BEATS": 3, "PASSES": 2},
            16,
            ports={"step": (0, 1, 1, 1, 1, 1, 1, 0, 0, 1), "tlast": (0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0)},
        ),
    ),
    "volley_state_memory": Row(
        {"DATA_W": 1, "BEATS": 1, "PASSES": 1},
        ({"BEATS": 64}, {"DATA_W": 128, "BEATS": 1024}),
        # What is put is the number of the beat, two cycles after the beat was taken.
        Wave(
            {"DATA_W": 8, "BEATS": 3, "PASSES": 2},
            16,
            ports={
                "ce": (1,),
                "take": (0, *[1] * 12, 0),
                "put": (0, 0, 0, *[1] * 12, 0),
                "state_next": (0, 0, *range(13)),
            },
        ),
    ),
    # ---------------------------------------------------------------- stream
    "volley_skid": Row({"DATA_W": 1}, ({"DATA_W": 8}, {"DATA_W": 64}), Wave(idle={"s_axis": (3,)})),
    "volley_fifo": Row(
        {"DATA_W": 1, "DEPTH": 2},
        ({"DATA_W": 8, "DEPTH": 16}, {"DATA_W": 64, "DEPTH": 512}),
        Wave({"DEPTH": 4}, stalls=(4, 5, 6, 7, 8)),
    ),
    "volley_fifo_async": Row({"DATA_W": 1, "DEPTH": 2}, ({"DATA_W": 8}, {"DATA_W": 36}), None),
    "volley_lane_convert": Row(
        {"WORD_W": 1, "LANES_IN": 1, "LANES_OUT": 1, "CHANNELS": 1},
        ({"LANES_IN": 1, "LANES_OUT": 4, "CHANNELS": 16}, {"LANES_IN": 6, "LANES_OUT": 8, "CHANNELS": 48}),
        # Six channels in six beats of one lane leave in two of four lanes; the last two lanes are padding.
        Wave(frame=12, data={"s_axis": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)}, stalls=(7,)),
    ),
    "volley_replay": Row(
        {"DATA_W": 1, "BEATS": 1, "PASSES": 1, "DEPTH": 2},
        ({"BEATS": 64, "PASSES": 8, "DEPTH": 64}, {"DATA_W": 32, "BEATS": 784, "PASSES": 16, "DEPTH": 1024}),
        Wave({"BEATS": 3, "PASSES": 3, "DEPTH": 4}, 24, 3, data={"s_axis": range(1, 10)}),
    ),
    "volley_step_delay": Row(
        {"DATA_W": 1, "BEATS": 1, "PASSES": 1},
        ({}, {"DELAY": 3}, {"DATA_W": 64, "BEATS": 512, "PASSES": 16}),
        Wave({"BEATS": 3, "PASSES": 3}, frame=3, data={"s_axis": range(1, 19)}),
    ),
    "volley_join": Row(
        {"A_W": 1, "B_W": 1},
        ({}, {"A_W": 64, "B_W": 64}),
        Wave(cycles=16, data={"s_a": range(1, 20), "s_b": range(0x81, 0x90)}, idle={"s_b": (4, 5)}, stalls=(10,)),
    ),
    "volley_broadcast": Row(
        {"DATA_W": 1, "N": 1},
        ({}, {"DATA_W": 64, "N": 4}),
        Wave(cycles=16, data={"s_axis": range(1, 20)}, stalls={"m_axis[0]": (4, 5), "m_axis[1]": (9, 10, 11)}),
    ),
    "volley_stream_probe": Row(
        {"DATA_W": 1, "COUNT_W": 1},
        ({}, {"DATA_W": 64, "SPIKES": 1}),
        Wave(
            {"SPIKES": 1},
            16,
            ports={
                "probe_valid": (0, 1, 1, 1, 1, 0),
                "probe_ready": (0, 1, 0, 1, 1, 1, 0),
                "probe_data": (0, 0x0F, 0x81, 0x81, 0xFF, 0x55, 0),
            },
        ),
    ),
    "volley_arbiter": Row(
        {"DATA_W": 1, "N": 1},
        ({}, {"DATA_W": 64, "N": 4}),
        Wave(
            frame=3,
            data={"s_axis[0]": range(0x11, 0x20), "s_axis[1]": range(0x21, 0x30)},
            idle={"s_axis[1]": (1, 5, 6)},
        ),
    ),
    "volley_aer_pack": Row(
        {"LANES": 1, "BEATS": 1},
        ({}, {"LANES": 16, "TB": 4, "BEATS": 784}),
        Wave({"BEATS": 2}, frame=2, data={"s_spike": (0b1010, 0b0100, 0, 0, 0b1111, 0b0001)}),
    ),
    "volley_aer_unpack": Row(
        {"LANES": 1, "BEATS": 1},
        ({}, {"LANES": 16, "TB": 4, "BEATS": 784}),
        # The events that volley_aer_pack makes of 1010 0100 | 0000 0000 | 1111 0001
        Wave({"BEATS": 2}, last={"s_event": (3, 4, 10)}, data={"s_event": (1, 3, 6, 0, 0, 0, 1, 2, 3, 4, 0)}),
    ),
    # ---------------------------------------------------------------- encode
    "volley_encode_radix": Row(
        {"LANES": 1, "T": 1},
        ({"LANES": 1, "T": 4}, {"LANES": 16, "T": 8}),
        Wave(data={"s_pixel": (0, 7, 8, 23, 24, 127, 128, 200, 247, 248, 255)}),
    ),
    "volley_encode_rate": Row({"T": 1, "TB": 1, "BEATS": 1}, ENCODERS, STATIC),
    "volley_encode_ttfs": Row({"T": 1, "TB": 1, "BEATS": 1}, ENCODERS, STATIC),
    "volley_encode_phase": Row({"T": 1, "TB": 1, "BEATS": 1}, ENCODERS, STATIC),
    "volley_encode_burst": Row({"T": 1, "TB": 1, "BEATS": 1, "ISI_MAX": 1, "COUNT": 1}, ENCODERS, STATIC),
    "volley_encode_delta": Row(
        {"TB": 1, "PASSES": 1, "BEATS": 1},
        ({"MODE": 0, "BEATS": 784}, {"MODE": 1, "BEATS": 784, "TB": 8}),
        # Two signals of four steps: 0, 32, 64, 96 and 96, 64, 32, 0
        Wave({"TB": 2, "PASSES": 2, "BEATS": 2}, frame=2, data={"s_signal": (0x0020, 0x6040, 0x4060, 0x2000) * 4}),
    ),
    "volley_encode_event": Row(
        {"TB": 1, "BEATS": 1}, ({"BEATS": 784}, {"LANES": 16, "TB": 8, "BEATS": 64}), Wave({"BEATS": 4})
    ),
    # ---------------------------------------------------------------- window
    "volley_line_buffer": Row(
        {"ITEM_W": 1, "HEIGHT": 1, "WIDTH": 1, "KERNEL": 1, "PADDING": 0},
        ({"HEIGHT": 28, "WIDTH": 28}, {"ITEM_W": 64, "HEIGHT": 32, "WIDTH": 32, "KERNEL": 5, "PADDING": 2}),
        Wave({"HEIGHT": 3, "WIDTH": 3, "KERNEL": 2, "PADDING": 0}, 24, 9, data={"s_spike": range(1, 10)}, stalls=(11,)),
    ),
    "volley_window_full": Row(
        {"ITEM_W": 1, "HEIGHT": 1, "WIDTH": 1, "KERNEL": 1, "PADDING": 0},
        ({"HEIGHT": 28, "WIDTH": 28}, {"ITEM_W": 320, "HEIGHT": 32, "WIDTH": 32, "KERNEL": 5, "PADDING": 2}),
        Wave({"ITEM_W": 4, "HEIGHT": 2, "WIDTH": 4}, 16, 8, data={"s_column": range(1, 9)}, stalls=(6,)),
    ),
    "volley_window_fold": Row(
        {"ITEM_W": 1, "HEIGHT": 1, "WIDTH": 1, "KERNEL_Y": 1, "KERNEL_X": 1, "PAD_Y": 0, "PAD_X": 0, "DEPTH": 2},
        (
            {"HEIGHT": 28, "WIDTH": 28, "DEPTH": 128},
            {"ITEM_W": 64, "GROUPS": 4, "HEIGHT": 14, "WIDTH": 14, "DEPTH": 256},
        ),
        Wave(
            {"HEIGHT": 2, "WIDTH": 3, "KERNEL_Y": 2, "KERNEL_X": 2, "PAD_Y": 0, "PAD_X": 0, "DEPTH": 8},
            20,
            6,
            data={"s_item": range(1, 7)},
            stalls=(12,),
        ),
    ),
    "volley_upsample": Row(
        {"ITEM_W": 1, "HEIGHT": 1, "WIDTH": 1, "SCALE_Y": 1, "SCALE_X": 1, "DEPTH": 2},
        (
            {"HEIGHT": 14, "WIDTH": 14, "DEPTH": 14},
            {"ITEM_W": 128, "HEIGHT": 32, "WIDTH": 32, "DEPTH": 32},
            {"ITEM_W": 32, "GROUPS": 4, "HEIGHT": 32, "WIDTH": 32, "DEPTH": 128},
        ),
        Wave({"HEIGHT": 2, "WIDTH": 3, "DEPTH": 3}, 20, 6, data={"s_axis": range(1, 7)}, stalls=(12,)),
    ),
    # ---------------------------------------------------------------- synapse
    "volley_weight_source": Row(
        {"WIDTH": 1, "DEPTH": 1},
        ({"WIDTH": 16, "DEPTH": 16}, {"WIDTH": 144, "DEPTH": 256, "KIND": 2}),
        Wave(cycles=16, stalls=(8, 9)),
        image=("WIDTH", "DEPTH"),
    ),
    "volley_step_tree": Row(
        {"TP": 1, "IN_W": 1},
        ({"TP": 4, "IN_W": 8}, {"TP": 8, "IN_W": 12}),
        Wave(
            {"IN_W": 4},
            16,
            ports={
                "ce": (1, 1, 1, 1, 1, 0, 0, 1),
                "operands": (0x1111, 0x2222, 0x0001, 0x1000, 0x7777, 0x8888, 0x8888, 0x00F0, 0),
            },
        ),
    ),
    "volley_synapse_lut": Row(
        {"PE": 1, "SIMD": 1, "TP": 1, "WEIGHT_W": 1},
        SUMS,
        Wave({"PE": 1, "SIMD": 2, "TP": 2}, 12, ports=SUM_PORTS),
    ),
    "volley_synapse_dsp": Row(
        {"PE": 1, "SIMD": 1, "TP": 1, "WEIGHT_W": 1, "LATENCY": 2},
        ({"PE": 4, "SIMD": 4}, {"PE": 16, "SIMD": 16, "TP": 1, "LATENCY": 9}),
        Wave({"PE": 1, "SIMD": 2, "TP": 2, "LATENCY": 5}, 12, ports=SUM_PORTS),
    ),
    "volley_synapse_sum": Row(
        {"PE": 1, "SIMD": 1, "TP": 1, "WEIGHT_W": 1},
        SUMS,
        Wave({"PE": 1, "SIMD": 2, "TP": 2}, 12, ports={**SUM_PORTS, "s_valid": (1, 1, 1, 1, 1, 1, 0)}),
    ),
    "volley_synapse_array": Row(
        {"PE": 1, "SIMD": 1, "T": 1, "WEIGHT_W": 1, "ACC_W": 2},
        ({"PE": 4, "SIMD": 4}, {"PE": 16, "SIMD": 16}),
        # The weights of two folds, again and again: 1 and 7, then -1 and 2
        Wave({"PE": 1, "SIMD": 2, "FOLDS": 2, "ACC_W": 8}, data={"s_weight": (0x71, 0x2F) * 10}, stalls=(12, 13)),
    ),
    "volley_synapse_depthwise": Row(
        {"LANES": 1, "TAPS": 1, "T": 1, "WEIGHT_W": 1, "ACC_W": 2},
        ({"LANES": 4}, {"LANES": 16, "TP": 1}),
        # Two channels of two taps: kernels (1, 7) and (-1, 2), each beat in two cycles
        Wave({"TAPS": 2, "TP": 2, "ACC_W": 8}, data={"s_weight": (0x2F71,) * 20}, stalls=(12, 13)),
    ),
    "volley_event_list": Row(
        {"T": 1, "LANES": 1, "BEATS": 1, "EVENTS": 1, "DEPTH": 2},
        ({"REPLAY": 8, "DEPTH": 32}, {"LANES": 8, "BEATS": 64, "EVENTS": 4, "REPLAY": 8, "DEPTH": 256}),
        # Words 5 and 9, then nothing, then four: three of the six rows, each frame twice
        Wave(
            {"LANES": 4, "BEATS": 1, "REPLAY": 2, "DEPTH": 4},
            24,
            1,
            data={"s_spike": (0x9050, 0x0000, 0x4321)},
            stalls=(13,),
        ),
    ),
    "volley_memory_loader": Row(
        {"WIDTH": 1, "DEPTH": 1},
        ({"WIDTH": 16, "DEPTH": 16}, {"WIDTH": 144, "DEPTH": 256}),
        # Memory 2 is selected, then two rows of two words, and one too many.
        Wave(
            {"WIDTH": 48, "DEPTH": 2, "INDEX": 2},
            16,
            ports={
                "load_select": (0, 1, 0),
                "load_valid": (0, 0, 1, 1, 1, 0, 1, 1, 0),
                "load_data": (0, 2, 0x11111111, 0x2222, 0x33333333, 0, 0x4444, 0x55555555, 0),
            },
        ),
    ),
    "volley_synapse_event": Row(
        {"PE": 1, "EVENTS": 1, "T": 1, "WEIGHT_W": 2, "INPUTS": 1, "ACC_W": 4},
        (
            {"PE": 4, "INPUTS": 128, "FOLDS": 8, "KIND": 2},
            {"PE": 16, "EVENTS": 4, "INPUTS": 128, "FOLDS": 8, "KIND": 2},
        ),
        # Two events of places 0 and 1, then place 3 alone: a window of two rows for each fold
        Wave(
            {"PE": 1, "INPUTS": 4, "FOLDS": 2, "ACC_W": 10},
            20,
            2,
            data={"s_event": (0b01_0001_00_0001, 0b00_0000_11_0010) * 5},
            stalls=(11,),
        ),
        image=("PE*WEIGHT_W", "FOLDS*INPUTS"),
    ),
    # ---------------------------------------------------------------- neuron
    "volley_neuron_radix": Row(
        {"IN_W": 1, "THETA_W": 1, "BIAS_W": 1, "V_W": 2, "T": 1},
        ({"UNROLLED": 0}, {"LANES": 8}),
        # theta = 5, b = 0: the words are floor(h / 5), from 0 to 15
        Wave(data={"s_acc": (0, 4, 5, 9, 10, 74, 75, 79, 80, 0xFFF), "s_param": (5 << 12,) * 10}, frame=5),
    ),
    "volley_readout": Row(
        {"IN_W": 1, "BIAS_W": 1},
        ({}, {"LANES": 8, "IN_W": 20}),
        Wave(
            {"EXPONENT": 1}, data={"s_acc": (1, 2, 3, 0xFFF, 0xFFE, 100), "s_param": (0, 0, 16, 0, 1, 0xFFF)}, frame=3
        ),
    ),
    "volley_lif_step": Row({"IN_W": 1, "BIAS_W": 0, "THETA_W": 1, "V_W": 2}, ({}, LIF), None),
    "volley_neuron_lif": Row(
        {"TB": 1, "PASSES": 1, "BEATS": 1, "IN_W": 1, "BIAS_W": 0, "THETA_W": 1, "V_W": 2},
        ({"BEATS": 64}, {"LANES": 8, "BEATS": 784, **LIF}),
        # theta = 5, b = 0, a leak of v/4; two steps a beat, two neurons, two passes
        Wave(
            {"TB": 2, "BEATS": 2, "IN_W": 4, "BIAS_W": 4, "THETA_W": 4, "V_W": 8, "LEAK": 1, "LEAK_SHIFT": 2},
            frame=2,
            data={"s_acc": (0x12, 0x33, 0x34, 0x50, 0x55, 0x01, 0x23, 0x7F), "s_param": (0x50,) * 8},
        ),
    ),
    # The maximum of leaky integrators, v <- v - v/4 + x; two steps a beat, two neurons, two passes
    "volley_neuron_membrane": Row(
        {"TB": 1, "PASSES": 1, "BEATS": 1, "IN_W": 1, "V_W": 2, "OUT_W": 2, **LI},
        (LI, {"LANES": 10, "BEATS": 1, **LIF, "READ": 2, "OUT_W": 24}),
        Wave(
            {"TB": 2, "BEATS": 2, "IN_W": 4, "V_W": 8, "READ": 2, "OUT_W": 8, **LI},
            16,
            frame=2,
            data={"s_acc": (0x12, 0x33, 0x34, 0x50, 0x55, 0x01, 0x23, 0x7F), "s_param": (0,) * 8},
        ),
    ),
    "volley_accumulate": Row(
        {"STEPS": 1, "BEATS": 1, "PASSES": 1, "OUT_W": 2},
        ({}, {"LANES": 8, "STEPS": 8, "BEATS": 64, "OUT_W": 8}),
        Wave({"BEATS": 3}, frame=3),
    ),
    # ---------------------------------------------------------------- eltwise
    "volley_add": Row(
        {"A_W": 1, "B_W": 1, "OUT_W": 2},
        ({}, {"LANES": 16}, {"A_W": 14, "B_W": 9, "OUT_W": 18, "B_SHIFT": 8}),
        Wave(
            {"A_W": 8, "B_W": 8, "OUT_W": 9},
            16,
            data={"s_a": range(1, 16), "s_b": range(0x10, 0xF0, 0x10)},
            idle={"s_b": (5, 6)},
            stalls=(10,),
        ),
    ),
    "volley_residual": Row(
        {"ACC_W": 1, "WORD_W": 1, "M_W": 1, "OUT_W": 3},
        ({}, {"LANES": 8, "ACC_W": 16, "OUT_W": 18}, {"LANES": 8, "ACC_W": 16, "OUT_W": 18, "DSP": 1}),
        # m = 3
        Wave(
            {"ACC_W": 8, "M_W": 4, "OUT_W": 10},
            16,
            data={"s_acc": range(0, 0x78, 8), "s_skip": range(15), "s_param": (3,) * 15},
            stalls=(10,),
        ),
    ),
    "volley_sew": Row(
        {"TB": 1},
        ({}, {"LANES": 16}),
        Wave(cycles=16, data={"s_b": (0xF, 0x3, 0x5) * 6}, idle={"s_a": (5, 6)}, stalls=(10,)),
    ),
    # ---------------------------------------------------------------- pool
    "volley_pool_or": Row({"TB": 1, "TAPS": 1}, ({}, {"LANES": 16, "TAPS": 9}), Wave(frame=5)),
    "volley_pool_gated": Row(
        {"TB": 1, "TAPS": 1, "BEATS": 1, "PASSES": 1},
        ({}, {"LANES": 16, "TAPS": 9, "BEATS": 196}),
        Wave({"BEATS": 3}, frame=3, data={"s_window": (0, 0x0100, 0x1240, 0x8421, 0x0F00, 0xFFFF) * 4}),
    ),
    "volley_pool_max": Row(
        {"WORD_W": 1, "TAPS": 1},
        ({}, {"LANES": 16, "TAPS": 9}, {"LANES": 16, "WORD_W": 12, "SIGNED": 1}),
        Wave(frame=5),
    ),
    "volley_pool_sum": Row({"WORD_W": 1, "TAPS": 1}, ({}, {"LANES": 16, "TAPS": 9}), Wave(frame=5)),
    "volley_pool_accumulate": Row(
        {"WORD_W": 1, "OUT_W": 1, "HEIGHT": 1, "WIDTH": 1, "KERNEL_Y": 1, "KERNEL_X": 1},
        (
            {"LANES": 4},
            {"LANES": 16, "GROUPS": 4},
            {"LANES": 16, "HEIGHT": 64, "WIDTH": 64},
            {"LANES": 16, "OUT_W": 4, "MAXIMUM": 1, "HEIGHT": 64, "WIDTH": 64},
            {"LANES": 16, "WORD_W": 12, "OUT_W": 12, "MAXIMUM": 1, "SIGNED": 1, "KERNEL_Y": 2, "KERNEL_X": 2},
        ),
        Wave(
            {"OUT_W": 6, "HEIGHT": 2, "WIDTH": 4, "KERNEL_Y": 2, "KERNEL_X": 2},
            frame=8,
            data={"s_spike": (1, 2, 3, 4, 5, 6, 7, 8) * 3},
        ),
    ),
}
