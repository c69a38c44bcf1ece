// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_tile and all it needs, leaf first; names are relative to this file (-F).
../common/volley_ram.sv
../stream/volley_skid.sv
../stream/volley_fifo.sv
../common/volley_adder_tree.sv
../synapse/volley_step_tree.sv
../synapse/volley_synapse_lut.sv
../synapse/volley_synapse_dsp.sv
../synapse/volley_synapse_sum.sv
../synapse/volley_synapse_array.sv
volley_tile_pkg.sv
volley_lut_ram.sv
volley_tile_lif.sv
volley_tile_events.sv
volley_tile_sequencer.sv
volley_tile_array.sv
volley_tile_neurons.sv
volley_tile_sender.sv
volley_tile.sv
