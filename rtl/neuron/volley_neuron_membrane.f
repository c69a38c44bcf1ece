// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Volley authors
// volley_neuron_membrane and all it needs, leaf first; names are relative to this file (-F).
../common/volley_pkg.sv
../common/volley_ram.sv
../common/volley_state_memory.sv
volley_lif_step.sv
volley_neuron_membrane.sv
