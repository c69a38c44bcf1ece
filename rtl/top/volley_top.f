// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_top and all it needs, leaf first; names are relative to this file (-F).
../common/volley_ram.sv
../stream/volley_skid.sv
../stream/volley_fifo.sv
../stream/volley_lane_convert.sv
volley_frame_guard.sv
volley_frame_result.sv
volley_top.sv
