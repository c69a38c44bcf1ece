// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// Files for xc7 in the place of those of the same module name in rtl/rtl.f, and what they need, leaf first;
// names are relative to this file.
volley_carry_chain.sv
volley_dsp48_add.sv
volley_dsp48_mul.sv
../xilinx/volley_delay.sv
../xilinx/volley_compressor.sv
../xilinx/volley_compressor_tree.sv
../xilinx/volley_adder_tree.sv
../xilinx/volley_step_tree.sv
../xilinx/volley_dsp_cascade.sv
../xilinx/volley_dsp_mult.sv
../xilinx/volley_synapse_dsp.sv
