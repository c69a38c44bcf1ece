// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_synapse_event and all it needs, leaf first; names are relative to this file (-F).
../common/volley_ram.sv
../common/volley_rom.sv
../common/volley_pass_counter.sv
../common/volley_adder_tree.sv
volley_step_tree.sv
volley_synapse_lut.sv
volley_synapse_dsp.sv
volley_synapse_sum.sv
volley_synapse_array.sv
volley_synapse_event.sv
