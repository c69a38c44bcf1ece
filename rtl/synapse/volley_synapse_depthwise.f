// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_synapse_depthwise and all it needs, leaf first; names are relative to this file (-F).
../common/volley_adder_tree.sv
volley_step_tree.sv
volley_synapse_lut.sv
volley_synapse_depthwise.sv
